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

/* An object as a row of a table: its keys once, its values for each. Objects inside of it are flattened. */
enum out_form {
	OUT_MEMBERS, /* no row */
	OUT_COLUMNS, /* the keys: "name","state.flows" */
	OUT_VALUES,  /* "web1",5 */
};

struct json_out {
	FILE *file;
	bool more; /* a comma goes before what comes next */
	enum out_form form;
	uint32_t depth; /* brackets that are open inside of a column: there nothing is flattened */
	char path[64];	/* of the objects that are open, "state." */
};

/* bracket: '{' or '['; closed by its partner. */
void out_open(struct json_out *out, const char *key, char bracket);
void out_close(struct json_out *out, char bracket);
/* Opens an object whose members are not always the same: in a row it is one value. */
void out_open_map(struct json_out *out, const char *key);

/* NULL is null; what is not UTF-8 becomes '?'. */
void out_text(struct json_out *out, const char *key, const char *text);
void out_uint(struct json_out *out, const char *key, uint64_t number);
/* Six significant digits, always with a point. */
void out_real(struct json_out *out, const char *key, double number);
void out_bool(struct json_out *out, const char *key, bool value);
void out_null(struct json_out *out, const char *key);

#endif
