/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters of the interfaces, looked at once a second, so that a single answer has rates. */
#ifndef XLB_XLBD_TRAFFIC_H
#define XLB_XLBD_TRAFFIC_H

#include <event2/event.h>

#include "xlbd/engine.h"

#define TRAFFIC_WINDOW 60 /* seconds that `recent` looks back */

struct traffic;

/* What went through one interface slot lately. */
struct traffic_rates {
	double counters[XLB_IFCOUNT_MAX]; /* a second, over the last one */
	double drops;			  /* a second, of all reasons */
	uint64_t recent[XLB_DROP_COUNT];  /* packets within the window */
};

/* NULL on lack of memory. `engine` must live as long. */
struct traffic *traffic_new(struct event_base *base, const struct engine *engine);
struct traffic *traffic_free(struct traffic *traffic);
/* False while the slot has not been looked at twice. */
bool traffic_rates(const struct traffic *traffic, uint32_t slot, struct traffic_rates *ret);

#endif
