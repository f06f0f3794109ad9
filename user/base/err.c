// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *word;
	int exit, status;
} classes[XLB_ERR_CLASS_COUNT] = { [XLB_ERR_NONE] = { "none", 0, 200 },
#define X(name, exit, status, word) [XLB_ERR_##name] = { word, exit, status },
				   XLB_ERROR_CLASSES(X)
#undef X
};

/* A text that filled its buffer may end inside a UTF-8 character: drops that part. */
static void drop_cut_character(char *text, size_t size)
{
	size_t end = strlen(text), start = end;

	if (end + 1 < size)
		return;
	while (start && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start && (unsigned char)text[start - 1] >= 0xc0)
		text[start - 1] = 0;
}

int xlb_err_set(struct xlb_err *err, enum xlb_err_class class, int ret, const char *format, ...)
{
	char text[sizeof(err->text)];
	va_list args;

	if (!err)
		return ret;
	/* through a buffer: an argument may point into err */
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	drop_cut_character(text, sizeof(text));
	memset(err, 0, sizeof(*err));
	err->class = class;
	memcpy(err->text, text, sizeof(text));
	return ret;
}

void xlb_err_hint(struct xlb_err *err, const char *format, ...)
{
	va_list args;

	if (!err)
		return;
	va_start(args, format);
	vsnprintf(err->hint, sizeof(err->hint), format, args);
	va_end(args);
	drop_cut_character(err->hint, sizeof(err->hint));
}

void xlb_err_prefix(struct xlb_err *err, const char *format, ...)
{
	char text[sizeof(err->text)];
	size_t used, room;
	va_list args;

	if (!err)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	used = strlen(text);
	room = sizeof(text) - used;
	if (room > 3)
		snprintf(text + used, room, ": %.*s", (int)(room - 3), err->text);
	drop_cut_character(text, sizeof(text));
	memcpy(err->text, text, sizeof(text));
}

const char *quote_text(const char *text, char ret[QUOTE_MAX])
{
	size_t length = strlen(text);
	size_t keep = length < QUOTE_MAX ? length : QUOTE_MAX - 4;

	/* not in the middle of a character */
	while (keep < length && keep && (text[keep] & 0xc0) == 0x80)
		keep--;
	memcpy(ret, text, keep);
	strcpy(ret + keep, keep < length ? "..." : "");
	for (char *p = ret; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	return ret;
}

uint32_t xlb_err_caret(const struct xlb_err *err)
{
	return err->column <= 120 ? err->column : 101;
}

int xlb_err_exit(enum xlb_err_class class)
{
	return class < XLB_ERR_CLASS_COUNT ? classes[class].exit : 1;
}

int xlb_err_status(enum xlb_err_class class)
{
	return class < XLB_ERR_CLASS_COUNT ? classes[class].status : 500;
}

const char *xlb_err_word(enum xlb_err_class class)
{
	return class < XLB_ERR_CLASS_COUNT ? classes[class].word : "failed";
}

enum xlb_err_class xlb_err_class_of(const char *word)
{
	for (int i = XLB_ERR_NONE + 1; i < XLB_ERR_CLASS_COUNT; i++)
		if (!strcmp(classes[i].word, word))
			return i;
	return XLB_ERR_FAILED;
}
