/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much may come in a second: the generic cell rate algorithm (ITU-T I.371, its virtual scheduling). A meter has one
 * word, `due`: the time at which all that was let through would have come, had it come one after the other at the rate
 * of the limit. What would move that further ahead of the clock than a burst lasts, is too much. One compare-and-swap is
 * all that CPUs need to share it, and what is refused writes nothing.
 */
#ifndef XLB_LIMIT_H
#define XLB_LIMIT_H

#include <linux/types.h>

#include "xlb/abi.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

/* Numbers of limits: a listener has its id, a load balancer its id behind those. */
#define XLB_LIMITS_OF_LB XLB_MAX_LISTENERS
#define XLB_MAX_LIMITS	 16384
_Static_assert(XLB_LIMITS_OF_LB + XLB_MAX_LBS <= XLB_MAX_LIMITS, "room for all of them");

/* What may come in a second, of each direction by itself, but for connections: so many at a time. 0: no limit */
struct xlb_rates {
	__u64 bits; /* of frames, layer 2 included */
	__u64 packets;
	__u64 new_flows;
	__u64 flows;
};
XLB_ASSERT_SIZE(xlb_rates, 32);

/* table `limits`: number -> rates (eight live words) */
struct xlb_limits {
	struct xlb_rates all, source; /* source: of each source address */
};
XLB_ASSERT_SIZE(xlb_limits, 64);

/* Of a meter's words `due`; what counts for each direction has the one of replies behind it. */
#define XLB_DUE_BITS	  0
#define XLB_DUE_PACKETS	  2
#define XLB_DUE_NEW_FLOWS 4
#define XLB_DUES	  5

/* What has come so far. Written by the datapath. */
struct xlb_meter {
	__u64 due[XLB_DUES]; /* when what came will have had its time, by the clock of limit.h */
	__u64 flows;	     /* that are open */
};
XLB_ASSERT_SIZE(xlb_meter, 48);

/* The same by the number of limits. Flows are counted for every listener and load balancer, limited or not. */
struct xlb_limit_meter {
	struct xlb_meter all;
	__u64 epoch; /* of the meters of its source addresses: those of another one do not count */
	__u64 pad;
};
XLB_ASSERT_SIZE(xlb_limit_meter, 64);

#define XLB_MAX_SOURCES 131072 /* source addresses with a meter: 20 MiB */

/* map `sources`: the meter of a source address. Made by the datapath, least recently used first out. */
struct xlb_source_key {
	struct xlb_addr addr;
	__u32 limits; /* number */
	__u32 epoch;
};
XLB_ASSERT_SIZE(xlb_source_key, 24);

#pragma GCC diagnostic pop

#define XLB_LIMIT_CLOCK	 4 /* the clock counts 1/16 ns of CLOCK_MONOTONIC: a left shift */
#define XLB_LIMIT_SECOND (1000000000ULL << XLB_LIMIT_CLOCK)
#define XLB_LIMIT_BURST	 (XLB_LIMIT_SECOND / 25)

/* A burst is of no less, at whatever rate. */
#define XLB_LIMIT_BURST_BITS	24224 /* two frames of 1514 bytes */
#define XLB_LIMIT_BURST_PACKETS 5
#define XLB_LIMIT_BURST_FLOWS	5

/* What is asked of one limit. */
struct xlb_limit_ask {
	__u64 rate;   /* a second; not 0 */
	__u64 amount; /* that wants to come; at most 2^20 */
	__u64 least;  /* of a burst: XLB_LIMIT_BURST_* */
	__u64 share; /* of a burst, a right shift: what begins a flow leaves the rest to what goes on */
};

/* How long an amount takes at a rate. */
static inline __u64 xlb_limit_time(__u64 amount, __u64 rate)
{
	return amount * XLB_LIMIT_SECOND / rate;
}

/* The word `due` once the amount has come; 0: it is too much now. */
static inline __u64 xlb_limit_next(__u64 due, __u64 now, const struct xlb_limit_ask *ask)
{
	__u64 least = xlb_limit_time(ask->least, ask->rate);
	__u64 burst = (least > XLB_LIMIT_BURST ? least : XLB_LIMIT_BURST) >> ask->share;
	__u64 cost = xlb_limit_time(ask->amount, ask->rate);
	__u64 next = (due > now ? due : now) + cost;

	/* what is larger than a burst comes when nothing is before it */
	if (burst < cost)
		burst = cost;
	return next - now > burst ? 0 : next;
}

/* True if no flow may be opened beside those that are. A count that has missed some may be below 0. */
static inline int xlb_limit_is_full(__u64 flows, __u64 limit)
{
	return limit && (__s64)flows >= (__s64)limit;
}

#endif
