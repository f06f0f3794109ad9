/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow table and its reply locators. What kind of map holds them is known here only.
 *
 * A record is deleted by who claims it: one compare-and-swap of its first word to XLB_FLOW_DEAD. Until
 * then a record may be read and touched by any CPU; afterwards only the claimer writes to it.
 *
 * Everything that writes to the tables is here and in snat.h, and does nothing in a dry run but say that it
 * went well.
 */
#ifndef XLB_BPF_FLOW_H
#define XLB_BPF_FLOW_H

#include "maps.h"
#include "pkt.h"
#include "state.h"
#include "variant.h"

/*
 * Results of map operations are cut to int: before Linux 6.4 the kernel's functions return int, and the
 * upper half of the register that a program sees is anything. errno numbers are not in uapi headers for BPF.
 */
#define FLOW_ENOENT 2
#define FLOW_EAGAIN 11
#define FLOW_EBUSY  16 /* this CPU was interrupted while it held the bucket's lock */
#define FLOW_EEXIST 17 /* the key is taken */

static __always_inline __u32 flow_now(void)
{
	return (__u32)(bpf_ktime_get_coarse_ns() >> XLB_STAMP_SHIFT);
}

static __always_inline struct flow_scratch *flow_scratch_find(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&flow_scratch, &key);
}

static __always_inline struct xlb_flow *flow_find(const struct xlb_flow_key *key)
{
	return bpf_map_lookup_elem(&flows, key);
}

static __always_inline union flow_word flow_word_read(const struct xlb_flow *flow)
{
	union flow_word live = { .word = *(const volatile __u64 *)flow };

	return live;
}

static __always_inline bool flow_word_swap(struct xlb_flow *flow, union flow_word *seen,
					   union flow_word next)
{
	__u64 old;
	bool swapped;

	if (dry_run)
		return true;
	old = __sync_val_compare_and_swap((__u64 *)flow, seen->word, next.word);
	swapped = old == seen->word;
	seen->word = old;
	return swapped;
}

/* True if the record is now the caller's to delete. */
static __always_inline bool flow_claim(struct xlb_flow *flow, union flow_word seen, __u32 now)
{
	union flow_word dead = { .stamp = now, .state = XLB_FLOW_DEAD, .mode = seen.mode };

	return flow_word_swap(flow, &seen, dead);
}

/*
 * Writes what the packet changes in the record, if anything. A word lost to another CPU four times in a
 * row is let go: the packets that won have moved the record as well.
 */
static __always_inline int flow_touch(struct xlb_flow *flow, union flow_word seen,
				      const struct flow_event *event)
{
	union flow_word next;
	int i;

	for (i = 0; i < 4; i++) {
		if (seen.state == XLB_FLOW_DEAD)
			return -XLB_DROP_FLOW_BUSY;
		next = flow_next(seen, event);
		if (next.word == seen.word || flow_word_swap(flow, &seen, next))
			return 0;
	}
	return 0;
}

/* Remembers where the client's packets come from, if that has changed. */
static __always_inline void flow_learn_reply(struct xlb_flow *flow, struct xlb_nexthop hop)
{
	union {
		struct xlb_nexthop hop;
		__u64 word;
	} from = { .hop = hop };
	volatile __u64 *reply = (volatile __u64 *)&flow->reply;

	if (*reply != from.word && !dry_run)
		*reply = from.word;
}

/* 0, -FLOW_EEXIST, or what flow_insert_reason says. */
static __always_inline int flow_insert(const struct xlb_flow_key *key, const struct xlb_flow *flow)
{
	return dry_run ? 0 : (int)bpf_map_update_elem(&flows, key, flow, BPF_NOEXIST);
}

/* Kernels before 6.4 refuse an insert that interrupts one on the same CPU; the sender will try again. */
static __always_inline int flow_insert_reason(int error)
{
	return error == -FLOW_EBUSY ? -XLB_DROP_FLOW_BUSY : -XLB_DROP_FLOW_TABLE_FULL;
}

static __always_inline void flow_remove(const struct xlb_flow_key *key)
{
	if (!dry_run)
		bpf_map_delete_elem(&flows, key);
}

/* The claimed record's port belongs to somebody else from here on, or to nobody. */
static __always_inline void flow_forget_port(struct xlb_flow *flow)
{
	if (!dry_run)
		flow->snat_port = 0;
}

static __always_inline struct xlb_flow_key *reply_find(const struct xlb_reply_key *key)
{
	return bpf_map_lookup_elem(&replies, key);
}

/* Like flow_insert: the arbiter of who has a port towards a server. */
static __always_inline int reply_insert(const struct xlb_reply_key *key,
					const struct xlb_flow_key *flow)
{
	if (dry_run)
		return reply_find(key) ? -FLOW_EEXIST : 0;
	return (int)bpf_map_update_elem(&replies, key, flow, BPF_NOEXIST);
}

/* Hands an existing locator to another flow. */
static __always_inline int reply_replace(const struct xlb_reply_key *key,
					 const struct xlb_flow_key *flow)
{
	return dry_run ? 0 : (int)bpf_map_update_elem(&replies, key, flow, BPF_EXIST);
}

static __always_inline int reply_remove(const struct xlb_reply_key *key)
{
	return dry_run ? 0 : (int)bpf_map_delete_elem(&replies, key);
}

#endif
