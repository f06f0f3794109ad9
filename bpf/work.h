/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet at hand and what is decided of it: more than the stack has room for. */
#ifndef XLB_BPF_WORK_H
#define XLB_BPF_WORK_H

#include "icmp.h"
#include "nexthop.h"
#include "record.h"

/* What one look has told of a packet's flow. */
enum look {
	LOOK_NOTHING, /* it must be looked for */
	LOOK_FOUND,   /* it is in the work */
	LOOK_NONE,    /* a client's packet has none */
};

/* This CPU's until the packet is done; only pkt is zero at its begin, but for its end. */
struct work {
	struct packet pkt;
	__u64 tick;    /* of the kernel's clock, when it was last asked */
	__u32 now;     /* what it said */
	bool returned; /* a reply by its source: kept here, what follows is one way for the verifier */
	/* of a packet that goes on after XLB_CHANGE */
	enum look look;
	struct xlb_address role;  /* of its destination */
	struct flow_event event;  /* unless the flow is steady */
	struct flow_id id;	  /* of a client's packet */
	struct xlb_reply_key key; /* of a server's */
	struct flow_at flow;	  /* that it has found; of a new one only the word `fixed` */
	struct ends ends;	  /* that it is to have */
	struct egress egress;
	/* of an ICMP error: what it quotes (icmp.h), and the ends that this is to have, in the error's direction */
	struct icmp_error error;
	struct packet about;
	struct ends about_ends;
	/* of a fragment */
	struct xlb_fragment_key fragment_key;
	struct xlb_fragment fragment; /* what the first one of the packet has said */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct work);
} work_of_cpu SEC(".maps");

/* That of the packet at hand. */
static __always_inline struct work *work_find(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&work_of_cpu, &key);
}

static __always_inline struct work *work_begin(void)
{
	struct work *work = work_find();

	if (work)
		__builtin_memset(&work->pkt, 0, offsetof(struct packet, link));
	return work;
}

/*
 * Makes work->now the stamp of now. The coarse clock moves once a tick, so between two ticks what it said last
 * holds. That is worth it because the number of ticks is read without a call, of which the clock takes three.
 */
static __always_inline void work_clock(struct work *work)
{
	__u64 tick = bpf_jiffies64();

	if (work->tick == tick)
		return;
	work->tick = tick;
	work->now = flow_now();
}

#endif
