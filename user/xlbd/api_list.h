/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers that show many objects: a program of steps, literal text or one object each, that runs in
 * slices of a few milliseconds, so that ten thousand servers do not hold up the loop.
 */
#ifndef XLB_XLBD_API_LIST_H
#define XLB_XLBD_API_LIST_H

#include "xlbd/api_view.h"

struct listing;

/* Adds the steps of the answer from `model`; called again on a copy if it takes several slices. */
typedef int (*listing_plan)(struct listing *listing, const struct model *model,
			    struct xlb_err *err);

/* Work of the caller's own on one object (NULL: on none). 0 or -ENOMEM. */
typedef int (*listing_visit)(void *arg, struct view *view, const struct object *object);

/* An answer that is no JSON: its plan has visits, `done` answers the call with what they made. */
struct listing_kind {
	listing_plan plan;
	void (*done)(struct call *call, void *arg, struct evbuffer *out);
	void (*free)(void *arg); /* NULL: nothing to free */
	void *arg;
};
/* Runs plan and `done`; frees arg in any case. */
void listing_visit_run(struct call *call, const struct listing_kind *kind);
/* The kind's arg, for its plan. */
void *listing_arg(const struct listing *listing);

/* Runs plan and answers the call. `with_problems`: the steps may end with listing_problems. */
void listing_run(struct call *call, listing_plan plan, bool with_problems);

/* Steps. Text is not copied. 0 or -ENOMEM. */
int listing_text(struct listing *listing, const char *text);
/* `{...}` of an object and of all below it. */
int listing_object(struct listing *listing, const struct model *model, const struct object *object);
/* `"plural":[{...},...]` */
int listing_array(struct listing *listing, const struct model *model, const struct type *type,
		  const struct object *parent);
/* The array of problems seen by the steps before. */
int listing_problems(struct listing *listing);
int listing_visit_object(struct listing *listing, listing_visit visit, const struct object *object);
/* The object that `make` returns, left open for more members. */
int listing_open(struct listing *listing, json_t *(*make)(const struct api *api));

#endif
