/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who of a row of servers carries least: one answer for datapath and tests. */
#ifndef XLB_LOAD_H
#define XLB_LOAD_H

#include <linux/types.h>

/*
 * True if a server carries less for its weight than the other, each as if the flow to come were its own: so of idle
 * servers the heaviest is the first. A weight of 0 never does.
 */
static inline int xlb_carries_less(__u64 flows, __u32 weight, __u64 other_flows, __u32 other_weight)
{
	return (flows + 1) * other_weight < (other_flows + 1) * weight;
}

#endif
