/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The terminal's size. */
#ifndef XLB_XLBCTL_SCREEN_H
#define XLB_XLBCTL_SCREEN_H

#include <stdint.h>

/* Columns and lines of the terminal on stdout; 0 and 0 if it is none. */
void screen_size(uint32_t *ret_width, uint32_t *ret_height);
/* Lines in a text that ends with a newline. */
uint32_t line_count(const char *text);

#endif
