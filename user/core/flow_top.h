/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The N highest of any number of flows, each once, in memory for N. */
#ifndef XLB_CORE_FLOW_TOP_H
#define XLB_CORE_FLOW_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/flow.h"
#include "xlb/abi.h"

struct flow_found {
	uint64_t rank;
	struct xlb_flow_key key;
	struct xlb_flow flow;
	uint64_t packets, bytes; /* if they were measured */
};

struct flow_top;

/* Keeps `limit` flows (1 or more): those of the highest rank, or `lowest`. NULL on lack of memory. */
struct flow_top *flow_top_new(uint32_t limit, bool lowest);
struct flow_top *flow_top_free(struct flow_top *top);
DEFINE_CLEANUP(struct flow_top, flow_top_free)
/* A flow whose key is kept already is left out. */
void flow_top_offer(struct flow_top *top, const struct flow_found *found);
/*
 * Puts what is kept in order, `budget` flows a call; true when all is done. Nothing may be offered after the
 * first call.
 */
bool flow_top_sort(struct flow_top *top, uint32_t budget);
uint32_t flow_top_count(const struct flow_top *top);
/* The flow of a place from 0, after flow_top_sort. */
const struct flow_found *flow_top_at(const struct flow_top *top, uint32_t place);

#endif
