/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * JSON as a stream of members: what prints tens of thousands of objects. Small answers are built with
 * jansson where they are given. Every function takes the member's key, NULL inside an array.
 */
#ifndef XLB_CORE_JSON_OUT_H
#define XLB_CORE_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json_out {
	FILE *file;
	bool more; /* a comma goes before what comes next */
};

/* bracket: '{' or '['; closed by its partner. */
void out_open(struct json_out *out, const char *key, char bracket);
void out_close(struct json_out *out, char bracket);

/* NULL is null; what is not UTF-8 becomes '?'. */
void out_text(struct json_out *out, const char *key, const char *text);
void out_uint(struct json_out *out, const char *key, uint64_t number);
/* Six significant digits, always with a point. */
void out_real(struct json_out *out, const char *key, double number);
void out_bool(struct json_out *out, const char *key, bool value);
void out_null(struct json_out *out, const char *key);

#endif
