/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long a flow lives. The datapath asks on every packet, the daemon's sweep when it looks for what can
 * go: one answer for both.
 */
#ifndef XLB_LIFETIME_H
#define XLB_LIFETIME_H

#include <linux/in.h>
#include <linux/types.h>

#include "xlb/flow.h"

/* Stamps that must differ by more than this before `seconds` are over for certain. */
static inline __u32 xlb_lifetime_units(__u32 seconds)
{
	return (__u32)(((__u64)seconds * 1000000000ULL) >> XLB_STAMP_SHIFT) + 1;
}

/* Units from a stamp to now; CPUs may disagree about now by a tick, the future counts as now. */
static inline __u32 xlb_flow_age(__u32 now, __u32 stamp)
{
	__u32 age = (now - stamp) & XLB_STAMP_MASK;

	return age > XLB_STAMP_MASK - XLB_STAMP_AHEAD ? 0 : age;
}

/* Seconds that a flow may be silent in its state; idle_timeout is that of its listener. */
static inline __u32 xlb_flow_timeout(__u8 protocol, __u8 state, __u8 flags, __u32 idle_timeout)
{
	if (state == XLB_FLOW_TOMBSTONE)
		return XLB_TIMEOUT_TOMBSTONE;
	if (protocol != IPPROTO_TCP)
		return idle_timeout;
	if (flags & (XLB_FLOW_RST_CLIENT | XLB_FLOW_RST_SERVER))
		return XLB_TIMEOUT_RST;
	if (state == XLB_FLOW_NEW)
		return XLB_TIMEOUT_NEW_TCP;
	if (state == XLB_FLOW_CLOSING)
		return XLB_TIMEOUT_CLOSING;
	if (state == XLB_FLOW_CLOSED)
		return XLB_TIMEOUT_CLOSED;
	return idle_timeout;
}

/* True if a flow that is past its timeout answers with RST for a while: its ends think it is alive. */
static inline int xlb_flow_leaves_tombstone(__u8 protocol, __u8 state, __u8 flags)
{
	if (protocol != IPPROTO_TCP || flags & (XLB_FLOW_RST_CLIENT | XLB_FLOW_RST_SERVER))
		return 0;
	return state == XLB_FLOW_NEW || state == XLB_FLOW_ESTABLISHED || state == XLB_FLOW_CLOSING;
}

/* Age in units beyond which nothing is owed to anybody and the record can be deleted. */
static inline __u32 xlb_flow_lifetime(__u8 protocol, __u8 state, __u8 flags, __u32 idle_timeout)
{
	__u32 seconds = xlb_flow_timeout(protocol, state, flags, idle_timeout);

	if (xlb_flow_leaves_tombstone(protocol, state, flags))
		seconds += XLB_TIMEOUT_TOMBSTONE;
	return xlb_lifetime_units(seconds);
}

#endif
