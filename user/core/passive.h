/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Passive health checks: what clients' connections tell of a server. Pure: totals go in, how many lately comes out. */
#ifndef XLB_CORE_PASSIVE_H
#define XLB_CORE_PASSIVE_H

#include "core/model.h"

#define PASSIVE_WINDOW_MAX 60 /* seconds */

/* A total of failures as it was in the last seconds; zeroed to begin with. */
struct passive_window {
	uint64_t totals[PASSIVE_WINDOW_MAX + 1];
	uint32_t next, count;
};
/*
 * Takes the total of this second; how many have come within the last `seconds`, at most PASSIVE_WINDOW_MAX. A total that is
 * less than the last one is another server's: the window begins with it.
 */
uint64_t passive_feed(struct passive_window *window, uint64_t total, uint32_t seconds);
/* What has been is forgotten, but for the last total. */
void passive_forget(struct passive_window *window);
/* How many of so many addresses may be out before passive checks eject no more. */
uint32_t passive_out_max(const struct quota *max, uint32_t addresses);

/* The part of `finish` of a group that is about its passive checks. */
int passive_finish_group(struct object *object, struct xlb_err *err);

#endif
