/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* rows wanted - rows present = operations; apply them all or none. */
#ifndef XLB_CORE_PLAN_H
#define XLB_CORE_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/sink.h"

/* A set of rows; sorted by (table, key) once rows_sort has run. `recipe` lives beside rows with content. */
struct rows {
	struct row *rows;
	size_t count, capacity;
	struct recipe *recipes; /* by (table, key): what content is built from; owned */
	size_t recipe_count, recipe_capacity;
};

/* How the content of a row with content is made; `build` is pure and slow, the plan runs it for changed rows only. */
struct recipe {
	enum table_id table;
	uint8_t key[ROW_KEY_MAX];
	void *data; /* owned, one malloc */
	size_t size;
};

/* Adds a row: key and value have the sizes of the table. 0 or -ENOMEM. */
int rows_add(struct rows *rows, enum table_id table, const void *key, const void *value);
int rows_add_recipe(struct rows *rows, enum table_id table, const void *key, const void *data,
		    size_t size);
/* Sorts and rejects duplicate keys with -EEXIST. */
int rows_sort(struct rows *rows);
const struct row *rows_find(const struct rows *rows, enum table_id table, const void *key);
/* The recipe of a row, NULL if there is none. */
const struct recipe *rows_find_recipe(const struct rows *rows, const struct row *row);
/* Order of rows by (table, key bytes), as qsort wants it. */
int row_compare(const void *a, const void *b);
void rows_done(struct rows *rows);

enum op_kind { OP_PUT, OP_DEL };
struct op {
	enum op_kind kind;
	struct row row; /* wanted (PUT) or to be removed (DEL) */
	struct row old; /* what was there */
	bool had_old;
	void *content; /* built content of PUT rows that have one; owned */
	size_t content_size;
};
struct plan {
	struct op *ops;
	size_t count;
};

/* The operations in the order they must run. Both sides sorted. */
int plan_make(const struct rows *wanted, const struct rows *present, struct plan *ret,
	      struct xlb_err *err);
/*
 * The same of rows that are all present and, but for what health changes (servers, their tables, who is in a group's place), as wanted: -ESTALE if one is not. What
 * else is present stays.
 */
int plan_make_part(const struct rows *wanted, const struct rows *present, struct plan *ret,
		   struct xlb_err *err);
/* A plan of plan_make_part has been carried out: gives `present` the values and recipes of `wanted`. */
void rows_follow(struct rows *present, struct rows *wanted, const struct plan *plan);
/* Lets the sinks make room for what the plan, which has been built, is going to put (may run in a worker thread). */
int plan_reserve(const struct plan *plan, struct sink *const sinks[SINK_COUNT],
		 struct xlb_err *err);
/* Builds the contents the plan needs (pure, may run in a worker thread). */
int plan_build(struct plan *plan, const struct rows *wanted, struct xlb_err *err);
/*
 * Runs the plan against sinks[SINK_COUNT]. On a failure everything done is undone backward and err says
 * which operation failed (and whether undoing failed too, which is logged as well); `before` holds the
 * recipes of what was there, to rebuild old content.
 */
int plan_apply(struct plan *plan, struct sink *const sinks[SINK_COUNT], const struct rows *before,
	       struct xlb_err *err);
/* Operation `at` alone, when those before have been run: for callers that do other things in between. */
int plan_step(struct plan *plan, size_t at, struct sink *const sinks[SINK_COUNT],
	      const struct rows *before, struct xlb_err *err);
void plan_done(struct plan *plan);

/* True for tables whose rows have content beside them. */
bool content_expected(enum table_id table);
/* Builds a content by its table; 0 or -errno. The recipe formats are compile's and content.c's business. */
int content_build(enum table_id table, const void *recipe, size_t size, void **ret,
		  size_t *ret_size);

#endif
