/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The terminal's size, and texts in lines. */
#ifndef XLB_XLBCTL_SCREEN_H
#define XLB_XLBCTL_SCREEN_H

#include <stdint.h>
#include <stdio.h>

/* Columns and lines of the terminal on stdout; 0 and 0 if it is none. */
void screen_size(uint32_t *ret_width, uint32_t *ret_height);
/* Lines in a text that ends with a newline. */
uint32_t line_count(const char *text);
/* The first `count` lines; the rest of the text is returned. */
const char *put_lines(FILE *out, const char *text, uint32_t count);

#endif
