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

/* Adds what it prints about an object, perhaps nothing, to `out`. 0 or -ENOMEM. */
typedef int (*listing_print)(struct view *view, const struct object *object, struct evbuffer *out);

/* Runs plan and answers the call. `with_problems`: the steps may end with listing_problems. */
void listing_run(struct call *call, listing_plan plan, bool with_problems);

/* Steps. Text is not copied. 0 or -ENOMEM. */
int listing_text(struct listing *listing, const char *text);
/* `{...}` of an object and of all below it. */
int listing_object(struct listing *listing, const struct model *model, const struct object *object);
/* `"plural":[{...},...]` */
int listing_array(struct listing *listing, const struct model *model, const struct type *type,
		  const struct object *parent);
/* `,"plural":[` */
int listing_array_begin(struct listing *listing, const struct type *type);
/* Whatever `print` makes of the object. */
int listing_call(struct listing *listing, listing_print print, const struct object *object);
/* Path of the call, behind "/v1/". */
const char *listing_path(const struct listing *listing);
/* The array of problems seen by the steps before. */
int listing_problems(struct listing *listing);
/* The object that `make` returns, left open for more members. */
int listing_open(struct listing *listing, json_t *(*make)(const struct api *api));

#endif
