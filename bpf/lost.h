/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames that the kernel or a driver has lost after the verdict, as its tracepoints tell. */
#ifndef XLB_BPF_LOST_H
#define XLB_BPF_LOST_H

#include "count.h"
#include "nexthop.h"
#include "variant.h"
#include "watch.h"

/*
 * Frames that were lost after the verdict: counted where the packet came in, or told to who watches. The
 * tracepoints belong to all programs and namespaces: what came in by no interface of xlb's is not its own.
 */
static __always_inline int lost(__u32 from_ifindex, __u32 to_ifindex, __u32 reason, __u32 frames,
				__u32 error)
{
	__u32 from = interface_slot(from_ifindex);
	struct packet pkt = {};

	if (!from || !frames)
		return 0;
	if (observing) {
		watch_lost(from, interface_slot(to_ifindex), reason, frames, error);
		return 0;
	}
	pkt.slot = from;
	count_drops(&pkt, reason, frames);
	sample_lost(reason, from);
	return 0;
}

/* Arguments as in /sys/kernel/tracing/events/xdp/NAME/format, the same since 5.8. */
struct redirect_err {
	__u64 common;
	__s32 program;
	__u32 act;
	__s32 ifindex, error, to_ifindex;
};
struct devmap_xmit {
	__u64 common;
	__s32 from_ifindex;
	__u32 act;
	__s32 to_ifindex, drops, sent, error;
};
struct bulk_tx {
	__u64 common;
	__s32 ifindex;
	__u32 act;
	__s32 drops, sent, error;
};
struct exception {
	__u64 common;
	__s32 program;
	__u32 act;
	__s32 ifindex;
};

#endif
