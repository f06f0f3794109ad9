// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/json_out.h"

#include <string.h>

#include "base/parse.h"
#include "core/tree_text.h"

/* One string at a time; its length is known or cheap to find. */
static void put(struct json_out *out, const char *text)
{
	fputs_unlocked(text, out->file);
}

static void put_quoted(struct json_out *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t left = strlen(text), plain, n;

	putc_unlocked('"', out->file);
	for (; left; p += n, left -= n) {
		for (plain = 0; plain < left && p[plain] >= 0x20 && p[plain] < 0x7f &&
				p[plain] != '"' && p[plain] != '\\';)
			plain++;
		n = plain;
		if (plain)
			fwrite_unlocked(p, 1, plain, out->file);
		if (n == left)
			break;
		p += plain;
		left -= plain;
		n = text_char_length(p, left);
		if (*p == '"' || *p == '\\')
			fprintf(out->file, "\\%c", *p);
		else if (*p < 0x20)
			fprintf(out->file, "\\u%04x", *p);
		else if (n)
			fwrite_unlocked(p, 1, n, out->file);
		else
			putc_unlocked('?', out->file);
		n = n ? n : 1;
	}
	putc_unlocked('"', out->file);
}

/* What stands before every value; false if that is all. Keys are ours: nothing in them needs an escape. */
static bool put_key(struct json_out *out, const char *key)
{
	if (out->form == OUT_COLUMNS && out->depth)
		return false;
	if (out->more)
		putc_unlocked(',', out->file);
	out->more = true;
	if (out->form == OUT_COLUMNS) {
		fprintf(out->file, "\"%s%s\"", out->path, key);
		return false;
	}
	if (!key || (out->form == OUT_VALUES && !out->depth))
		return true;
	putc_unlocked('"', out->file);
	put(out, key);
	put(out, "\":");
	return true;
}

static void enter(struct json_out *out, const char *key)
{
	size_t length = strlen(out->path);

	if (key)
		snprintf(out->path + length, sizeof(out->path) - length, "%s.", key);
}

static void leave(struct json_out *out)
{
	size_t length = strlen(out->path);

	while (length && (--length && out->path[length - 1] != '.'))
		;
	out->path[length] = '\0';
}

static void open_value(struct json_out *out, const char *key, char bracket)
{
	if (put_key(out, key)) {
		putc_unlocked(bracket, out->file);
		out->more = false;
	}
	if (out->form != OUT_MEMBERS)
		out->depth++;
}

void out_open(struct json_out *out, const char *key, char bracket)
{
	if (out->form != OUT_MEMBERS && !out->depth && bracket == '{')
		enter(out, key);
	else
		open_value(out, key, bracket);
}

void out_open_map(struct json_out *out, const char *key)
{
	open_value(out, key, '{');
}

void out_close(struct json_out *out, char bracket)
{
	if (out->form != OUT_MEMBERS) {
		if (!out->depth) {
			leave(out);
			return;
		}
		out->depth--;
		if (out->form == OUT_COLUMNS)
			return;
	}
	putc_unlocked(bracket, out->file);
	out->more = true;
}

void out_text(struct json_out *out, const char *key, const char *text)
{
	if (!put_key(out, key))
		return;
	if (text)
		put_quoted(out, text);
	else
		put(out, "null");
}

void out_uint(struct json_out *out, const char *key, uint64_t number)
{
	char text[UINT_TEXT_MAX];

	if (put_key(out, key))
		put(out, format_uint(number, text));
}

void out_real(struct json_out *out, const char *key, double number)
{
	char text[32];

	if (!put_key(out, key))
		return;
	snprintf(text, sizeof(text), "%.6g", number);
	put(out, text);
	if (!strpbrk(text, ".e"))
		put(out, ".0");
}

void out_bool(struct json_out *out, const char *key, bool value)
{
	if (put_key(out, key))
		put(out, value ? "true" : "false");
}

void out_null(struct json_out *out, const char *key)
{
	out_text(out, key, NULL);
}
