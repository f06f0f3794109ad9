/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Query options and X-XLB-Origin of a call. */
#ifndef XLB_XLBD_API_QUERY_H
#define XLB_XLBD_API_QUERY_H

#include "xlbd/api_private.h"

/*
 * Fills call->options, call->query and origin_file. `own` are the names that the route accepts beside the
 * options of changes (NULL: none). 0, or -EINVAL with err naming what is accepted.
 */
int query_parse(struct call *call, const char *const *own, struct xlb_err *err);
/* Value of one of the route's own options; NULL if it was not given. */
const char *query_text(const struct call *call, const char *name);
/* The same as a number within min and max; `preset` if it was not given. */
int query_uint(const struct call *call, const char *name, uint64_t min, uint64_t max,
	       uint64_t preset, uint64_t *ret, struct xlb_err *err);
/* The same as a flag; false if it was not given. */
int query_flag(const struct call *call, const char *name, bool *ret, struct xlb_err *err);

#endif
