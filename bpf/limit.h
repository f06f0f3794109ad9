/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Limits: what a listener, a load balancer, and a source address of either may send and get in a second. */
#ifndef XLB_BPF_LIMIT_H
#define XLB_BPF_LIMIT_H

#include "listener.h"
#include "source.h"
#include "table.h"
#include "xlb/limit.h"

#define LIMIT_TRIES  8 /* how often other CPUs may come between; then it counts as too much */
#define LIMIT_LEVELS 4 /* bits of XLB_LIMITED_* */

/* True if what the scratch asks for may come, by word `word` of the meter. */
GLOBAL_STEP int limit_ask(struct xlb_meter *meter, __u32 word)
{
	struct limit_scratch *scratch = limit_scratch_find();
	__u64 *due, seen, next;
	__u32 i = 0;

	if (!meter || !scratch || word >= XLB_DUES)
		return true;
	due = &meter->due[word];
	do {
		seen = word_read(due);
		next = xlb_limit_next(seen, scratch->now, &scratch->ask);
		if (!next || !scratch->keep)
			return next != 0;
		if (word_swap(due, seen, next))
			return true;
	} while (++i < LIMIT_TRIES);
	return false;
}

/* What the packet asks of the rates, and of the meter for them. 0, or why it goes no further. */
static __always_inline int limit_rates(const struct packet *pkt, const struct xlb_rates *rates,
				       struct xlb_meter *meter, bool fresh)
{
	struct limit_scratch *scratch = limit_scratch_find();
	__u64 rate;

	if (!scratch)
		return -XLB_DROP_INTERNAL;
	if (fresh && xlb_limit_is_full(word_read(&meter->flows), word_read(&rates->flows)))
		return -XLB_DROP_LIMIT_CONNECTIONS;
	rate = word_read(&rates->new_flows);
	scratch->ask = (struct xlb_limit_ask){ rate, 1, XLB_LIMIT_BURST_FLOWS, 0 };
	if (fresh && rate && !limit_ask(meter, XLB_DUE_NEW_FLOWS))
		return -XLB_DROP_LIMIT_NEW;
	rate = word_read(&rates->packets);
	scratch->ask = (struct xlb_limit_ask){ rate, 1, XLB_LIMIT_BURST_PACKETS, fresh };
	if (rate && !limit_ask(meter, XLB_DUE_PACKETS + pkt->reply))
		return -XLB_DROP_LIMIT_PACKETS;
	rate = word_read(&rates->bits);
	scratch->ask = (struct xlb_limit_ask){ rate, (__u64)pkt->frame_length * 8,
					       XLB_LIMIT_BURST_BITS, fresh };
	if (rate && !limit_ask(meter, XLB_DUE_BITS + pkt->reply))
		return -XLB_DROP_LIMIT_BITS;
	return 0;
}

/* The same of what one bit of XLB_LIMITED_* stands for. */
GLOBAL_STEP int limit_level(const struct packet *pkt, const struct xlb_addr *client, __u32 by,
			    __u32 fresh)
{
	struct limit_scratch *scratch = limit_scratch_find();
	struct xlb_limited limited;
	struct xlb_limits *limits;
	struct xlb_meter *meter;
	__u32 number;

	if (!pkt || !client || !scratch)
		return -XLB_DROP_INTERNAL;
	limited = limited_of(pkt->listener);
	number = by & (XLB_LIMITED_LB | XLB_LIMITED_LB_SOURCE) ? XLB_LIMITS_OF_LB + limited.lb :
								 pkt->listener;
	limits = table_row(limits, number);
	if (!(by & XLB_LIMITED_SOURCES))
		return limit_rates(pkt, &limits->all, &table_row(meters, number)->all, fresh);
	scratch->key.addr = *client;
	meter = source_meter(scratch, number, true);
	/* of an address that has sent nothing yet, which a dry run does not note */
	if (!meter)
		return 0;
	return limit_rates(pkt, &limits->source, meter, fresh);
}

/* The same of all limits of the packet's listener. */
static __always_inline int limit_levels(const struct packet *pkt, const struct xlb_addr *client,
					bool fresh)
{
	__u32 by = limited_of(pkt->listener).by, level;
	int r;

#pragma unroll
	for (level = 0; level < LIMIT_LEVELS; level++) {
		if (!(by & 1U << level))
			continue;
		r = limit_level(pkt, client, 1U << level, fresh);
		if (r)
			return r;
	}
	return 0;
}

/*
 * Holds a packet from the client, or to it, to the limits of its listener; `fresh`: it is to begin a flow. 0, or why it
 * goes no further. All limits are asked before any of them is charged: what is refused takes nothing away.
 */
GLOBAL_STEP int limit_take(const struct packet *pkt, const struct xlb_addr *client, __u32 fresh)
{
	struct limit_scratch *scratch = limit_scratch_find();
	int r;

	if (!pkt || !client || !scratch)
		return -XLB_DROP_INTERNAL;
	scratch->now = bpf_ktime_get_ns() << XLB_LIMIT_CLOCK;
	scratch->keep = false;
	r = limit_levels(pkt, client, fresh);
	if (r || dry_run)
		return r;
	scratch->keep = true;
	return limit_levels(pkt, client, fresh);
}

/* The same of a packet of a client to the server. */
static __always_inline int limit_request(const struct packet *pkt, const struct xlb_server *server,
					 bool fresh)
{
	if (fresh ? !limited_of(pkt->listener).by : !(server->flags & XLB_SERVER_METERED))
		return 0;
	return limit_take(pkt, &pkt->source, fresh);
}

#endif
