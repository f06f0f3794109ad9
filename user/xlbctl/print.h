/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Answers as people read them: tables, objects, changes. */
#ifndef XLB_XLBCTL_PRINT_H
#define XLB_XLBCTL_PRINT_H

#include "xlbctl/client.h"
#include "xlbctl/xlbctl.h"

/* --json: the answer unchanged, with a newline at its end. */
void print_body(FILE *out, const struct answer *answer);

/*
 * The objects of `type` in `json` as a table: its list, or the children inside the list of its parents (a
 * column then names the parent). Says so if there are none.
 */
void print_list(FILE *out, const struct type *type, const json_t *json, const char *parent);
/* Says what state the host and its parts are in, from the summary, on a screen of that size (0: no limit). */
void print_status(FILE *out, const json_t *json, uint32_t width, uint32_t height);
/* "key: value" lines of one object, then its children as a table. */
void print_object(FILE *out, const struct type *type, const json_t *json);
/* The answer to a change: its lines and counts on stdout, warnings on stderr. With --json the body. */
void print_change(const struct ctl *ctl, const struct answer *answer);
/* "warning: ..." lines to stderr. */
void print_warnings(const json_t *warnings);
/* "+ ...", "- ...", "~ ..." lines to stdout. */
void print_change_lines(const json_t *lines);

/* columns of a table */
enum cell_kind {
	CELL_VALUE,  /* as put_value prints it */
	CELL_NUMBER, /* the same, aligned to the right */
	CELL_COUNT,
	CELL_BYTES,
	CELL_PERCENT,
	CELL_STATE,    /* a word in its colour */
	CELL_ATTACHED, /* bool: attached or detached */
	CELL_SINCE,
	CELL_AGE,    /* seconds */
	CELL_SUM,    /* of all members */
	CELL_SIZE,   /* how many members */
	CELL_UP,     /* state.up of state.servers */
	CELL_WEIGHT, /* weight; while less of it counts, state.effective_weight of it */
	CELL_PARENT,
	CELL_RATE, /* a real number, a second; "-" while it is not known */
	CELL_BITS, /* the same of bytes, as bits */
};
struct column {
	const char *head;
	enum cell_kind kind;
	const char *path; /* in the object */
	bool shrinks;	  /* takes several lines when the terminal is narrow */
};
struct table_row {
	const json_t *object;
	const char *parent;
};
/*
 * Ends with columns[n].head == NULL. `keys` NULL: rows are objects; else they are arrays of the values of these
 * keys, such as "state.flows".
 */
void print_table(FILE *out, const struct column *columns, const struct table_row *rows,
		 size_t count, const json_t *keys);

#endif
