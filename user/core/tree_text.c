// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/tree_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

size_t text_char_length(const unsigned char *p, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1 :
		   p[0] < 0xc0 ? 0 :
		   p[0] < 0xe0 ? 2 :
		   p[0] < 0xf0 ? 3 :
		   p[0] < 0xf8 ? 4 :
				 0;
	uint32_t code;

	if (n <= 1)
		return n;
	if (n > left)
		return 0;
	code = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return n;
}

static bool is_control(const unsigned char *p)
{
	if (*p == '\t' || *p == '\n' || *p == '\r')
		return false;
	/* C0, DEL, and C1, which UTF-8 writes as c2 80 .. c2 9f */
	return *p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
}

int text_check(const char *text, size_t length, struct xlb_err *err)
{
	const unsigned char *p = (const unsigned char *)text;
	const unsigned char *end = p + length;
	uint32_t line = 1, column = 1;
	size_t n;

	for (; p < end; p += n) {
		n = text_char_length(p, (size_t)(end - p));
		if (!n)
			xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
				    "byte 0x%02x is not valid UTF-8: save the file as UTF-8", *p);
		else if (is_control(p))
			xlb_err_set(err, XLB_ERR_CONFIG, -EINVAL,
				    "control character 0x%02x is not accepted: remove it",
				    p[n - 1]);
		if (!n || is_control(p)) {
			err->line = line;
			err->column = column;
			err->length = 1;
			return -EINVAL;
		}
		if (*p == '\n' || (*p == '\r' && p[1] != '\n')) {
			line++;
			column = 1;
		} else {
			column++;
		}
	}
	return 0;
}

const char *text_line(const char *text, uint32_t line)
{
	for (; line > 1; line--) {
		text += strcspn(text, "\r\n");
		if (text[0] == '\r' && text[1] == '\n')
			text++;
		if (*text)
			text++;
	}
	return text;
}

const char *text_next_char(const char *p)
{
	p++;
	while ((*p & 0xc0) == 0x80)
		p++;
	return p;
}

static uint32_t count_chars(const char *p, const char *end)
{
	uint32_t n = 0;

	for (; p < end; p = text_next_char(p))
		n++;
	return n;
}

uint32_t text_rest_of_line(const char *p)
{
	return count_chars(p, p + strcspn(p, "\r\n"));
}

/*
 * Copies at most max characters: a tab becomes a space, what cannot be shown a '?', with `ascii` so does all
 * that is not ASCII. False if there is no room.
 */
static bool copy_chars(const char *p, const char *end, uint32_t max, bool ascii, char *ret,
		       size_t size)
{
	size_t used = 0;

	for (; p < end && max; max--) {
		const char *next = text_next_char(p);
		const unsigned char *bytes = (const unsigned char *)p;
		size_t n = (size_t)(next - p);
		bool shown = text_char_length(bytes, n) == n && !is_control(bytes) &&
			     (n == 1 || !ascii);

		if (used + (shown ? n : 1) >= size)
			return false;
		if (shown)
			memcpy(ret + used, p, n);
		else
			ret[used] = '?';
		if (*p == '\t')
			ret[used] = ' ';
		used += shown ? n : 1;
		p = next;
	}
	ret[used] = 0;
	return true;
}

void text_locate(const char *file, const char *text, const struct place *place, struct xlb_err *err)
{
	const char *start = text_line(text, place->line);
	const char *end = start + strcspn(start, "\r\n");
	uint32_t chars = count_chars(start, end);
	uint32_t left = chars + 1 > place->column ? chars + 1 - place->column : 1;
	char *source = err->source;
	size_t size = sizeof(err->source);

	snprintf(err->file, sizeof(err->file), "%s", file);
	err->line = place->line;
	err->column = place->column;
	err->length = place->length < 1 ? 1 : place->length > left ? left : place->length;
	if (xlb_err_caret(err) != err->column) {
		/* the window starts so that the column lands on the caret */
		for (uint32_t skip = err->column - xlb_err_caret(err) + 3; skip && start < end;
		     skip--)
			start = text_next_char(start);
		memcpy(source, "...", 3);
		source += 3;
		size -= 3;
	}
	if (!copy_chars(start, end, XLB_ERR_SOURCE_CHARS, false, source, size))
		copy_chars(start, end, XLB_ERR_SOURCE_CHARS, true, source, size);
}

void text_unquote(FILE *out, const char *p, const char *end)
{
	while (p < end) {
		size_t blanks = strspn(p, " \t"), breaks = 0;
		const char *next = p + blanks;

		for (; next < end && (*next == '\n' || *next == '\r'); breaks++) {
			next += next[0] == '\r' && next[1] == '\n' ? 2 : 1;
			next += strspn(next, " \t");
		}
		if (!breaks)
			fwrite(p, 1, blanks, out);
		else if (breaks == 1)
			fputc(' ', out);
		while (breaks > 1 && --breaks)
			fputc('\n', out);
		p = next;
		if (p < end)
			fputc(*p, out);
		p += *p == '\'' ? 2 : 1;
	}
}

const char *text_seek(struct cursor *cursor, const struct place *place)
{
	if (place->line < cursor->line ||
	    (place->line == cursor->line && place->column < cursor->column))
		*cursor = (struct cursor){ cursor->text, cursor->text, 1, 1 };
	if (cursor->line < place->line) {
		cursor->p = text_line(cursor->p, place->line - cursor->line + 1);
		cursor->line = place->line;
		cursor->column = 1;
	}
	for (; cursor->column < place->column && *cursor->p; cursor->column++)
		cursor->p = text_next_char(cursor->p);
	return cursor->p;
}
