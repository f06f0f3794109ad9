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

/* Work of the caller's own on one object (NULL: on none); it may print to view->out. 0 or -ENOMEM. */
typedef int (*listing_visit)(void *arg, struct view *view, const struct object *object);

struct listing_kind {
	listing_plan plan;
	bool with_problems; /* the view gathers them */
	/* Answers the call with what the steps made; NULL: it is JSON. */
	void (*done)(struct call *call, void *arg, struct evbuffer *out);
	void (*free)(void *arg); /* NULL: nothing to free */
	void *arg;		 /* of the visits */
};
/* Runs plan and `done`; frees arg in any case. */
void listing_run(struct call *call, const struct listing_kind *kind);
/* The kind's arg, for its plan. */
void *listing_arg(const struct listing *listing);
/* Path of the call, behind "/v1/". */
const char *listing_path(const struct listing *listing);

/* Steps. Text is not copied. 0 or -ENOMEM. */
int listing_text(struct listing *listing, const char *text);
/* `{...}` of an object and of all below it. */
int listing_object(struct listing *listing, const struct model *model, const struct object *object);
/* `"plural":[{...},...]` */
int listing_array(struct listing *listing, const struct model *model, const struct type *type,
		  const struct object *parent);
/* `,"plural":[` */
int listing_array_begin(struct listing *listing, const struct type *type);
int listing_visit_object(struct listing *listing, listing_visit visit, const struct object *object);
/* All objects of a type below `parent`. */
int listing_visit_all(struct listing *listing, const struct model *model, const struct type *type,
		      const struct object *parent, listing_visit visit);
/* Sums over the servers of a group: must come before the group and its servers are shown. */
int listing_count(struct listing *listing, const struct object *group);

#endif
