/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lines, columns and characters of a text: what tree.c needs besides the YAML parser. */
#ifndef XLB_CORE_TREE_TEXT_H
#define XLB_CORE_TREE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/* A place in a text: 1-based line and column, in characters; length in characters. */
struct place {
	uint32_t line, column, length;
};

/* A position that moves through a text; start with {text, text, 1, 1}. */
struct cursor {
	const char *text, *p;
	uint32_t line, column;
};

/* Bytes of the UTF-8 character at p, 0 if it is none (overlong, surrogate, cut off). */
size_t text_char_length(const unsigned char *p, size_t left);
/*
 * Refuses what YAML text cannot hold: invalid UTF-8, NUL and other control characters. err gets text and
 * position.
 */
int text_check(const char *text, size_t length, struct xlb_err *err);
/* Fills file, line, column, length and source of err; length is cut at the end of the line. */
void text_locate(const char *file, const char *text, const struct place *place,
		 struct xlb_err *err);
/* The byte at a place; cheap for places that follow each other. */
const char *text_seek(struct cursor *cursor, const struct place *place);
/*
 * Prints what stands between single quotes: two quotes are one; a line break with the blanks around it is a
 * space, further ones are kept.
 */
void text_unquote(FILE *out, const char *p, const char *end);
/* Start of a 1-based line, or the end of the text. Lines end with LF, CR LF or CR. */
const char *text_line(const char *text, uint32_t line);
/* The character behind the one at p; stray continuation bytes belong to the one before. */
const char *text_next_char(const char *p);
/* Characters from p up to the end of its line. */
uint32_t text_rest_of_line(const char *p);

#endif
