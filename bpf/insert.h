/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Making an entry of a flow table. Any number of CPUs may make one of the same key at once, and one of them
 * will have done it: a CPU writes its entry, shows it, and only then looks for others of its key. Of two that
 * are shown the lower in the page goes on, by taking the other's away, unless that one has come alive before.
 */
#ifndef XLB_BPF_INSERT_H
#define XLB_BPF_INSERT_H

#include "flow.h"
#include "listener.h"

/* What is said of buckets: the free entry, how many are free, used and half-open. */
#define ROOM_WORD 0, 9
#define ROOM_FREE 9, 4
#define ROOM_USED 13, 4
#define ROOM_HALF 17, 4

/* Of one bucket, its first free entry. Without branches: the verifier walks every way through them. */
GLOBAL_STEP int insert_bucket(struct xlb_flow_page *page, __u32 first, __u32 ipv6)
{
	__u32 entries = xlb_bucket_entries((int)ipv6), stride = xlb_entry_words((int)ipv6);
	__u32 word = first + (entries - 1) * stride;
	__u32 i, free, half, all = 0, at = 0, halves = 0;
	__u64 live, room;

	if (!page)
		return 0;
	for (i = 0; i < XLB_ENTRIES4; i++, word -= stride) {
		if (i >= entries)
			break;
		live = word_read(page_word(page, word));
		half = (xlb_get(live, XLB_LIVE_STATE) ^ XLB_FLOW_NEW) |
		       xlb_get(word_read(page_word(page, word + 1)), XLB_FIXED_UDP);
		free = 1 ^ (__u32)((0 - xlb_get(live, XLB_LIVE_STATE)) >> 63);
		halves += 1 ^ (__u32)((0ULL - half) >> 63);
		at = (at & (free - 1)) | (word & (0 - free));
		all += free;
	}
	room = xlb_set(0ULL, at, ROOM_WORD);
	room = xlb_set(room, all, ROOM_FREE);
	room = xlb_set(room, entries - all, ROOM_USED);
	return (int)xlb_set(room, halves, ROOM_HALF);
}

/*
 * Of the buckets of a key: the free entry is in the first one that is roomy, or the one with most of them. What the
 * others hold counts all the same, or a flood would find room where it has had it. An empty one ends the search.
 */
GLOBAL_STEP int insert_room(struct xlb_flow_page *page, __u64 hash, __u32 ipv6)
{
	__u64 one, best = 0, used = 0, half = 0, room;
	__u32 n;

	for (n = 0; n < XLB_CANDIDATES; n++) {
		one = (__u64)insert_bucket(page, xlb_flow_bucket(hash, n), ipv6);
		used += xlb_get(one, ROOM_USED);
		half += xlb_get(one, ROOM_HALF);
		one = xlb_get(one, 0, 13);
		if (best >> 9 < xlb_bucket_roomy((int)ipv6))
			best = one >> 9 > best >> 9 ? one : best;
		if (one >> 9 == xlb_bucket_entries((int)ipv6))
			break;
	}
	room = xlb_set(best, used, ROOM_USED);
	return (int)xlb_set(room, half, ROOM_HALF);
}

/* How much is lost with a flow: the class in bits 20 and up, below it how recently it was used. */
enum worth {
	WORTH_NOTHING, /* over, or nobody's */
	WORTH_HALF_OPEN,
	WORTH_CLOSING,
	WORTH_UNANSWERED, /* UDP */
	WORTH_IDLE,
	WORTH_ACTIVE, /* not to be had */
};
/* no packet for so long: idle. Five minutes and one: what is forged must not outwait what is quiet */
#define WORTH_IDLE_TCP 280
#define WORTH_IDLE_UDP 56

GLOBAL_STEP int insert_worth(__u64 live, __u64 fixed, __u32 now)
{
	__u32 listener_id = (__u32)xlb_get(fixed, XLB_FIXED_LISTENER);
	struct xlb_listener *listener = listener_find(listener_id);
	__u8 protocol = xlb_get(fixed, XLB_FIXED_UDP) ? IPPROTO_UDP : IPPROTO_TCP;
	struct flow_life life = flow_life_of(live);
	__u32 age = xlb_flow_age(now, life.stamp), worth = WORTH_ACTIVE;

	if (!flow_lives(live))
		return (flow_is_abandoned(live, now) ? WORTH_NOTHING : WORTH_ACTIVE) << 20;
	if (xlb_get(live, XLB_LIVE_MOVING))
		return WORTH_ACTIVE << 20;
	if (age > xlb_flow_lifetime(protocol, life.state, life.flags,
				    listener ? listener->idle_timeout : 0) ||
	    life.state == XLB_FLOW_CLOSED || life.state == XLB_FLOW_TOMBSTONE ||
	    xlb_get(live, XLB_LIVE_REST))
		worth = WORTH_NOTHING;
	else if (life.state == XLB_FLOW_NEW && protocol == IPPROTO_TCP)
		worth = WORTH_HALF_OPEN;
	else if (life.state == XLB_FLOW_CLOSING)
		worth = WORTH_CLOSING;
	else if (age > (protocol == IPPROTO_TCP ? WORTH_IDLE_TCP : WORTH_IDLE_UDP))
		worth = life.state == XLB_FLOW_NEW ? WORTH_UNANSWERED : WORTH_IDLE;
	return (int)(worth << 20 | (XLB_STAMP_MASK - age));
}

/* The entry of least worth among the key's buckets, if it is below `limit`; else -1. */
GLOBAL_STEP int insert_victim(struct xlb_flow_page *page, __u64 hash, __u32 ipv6, __u32 now,
			      __u32 limit)
{
	__u32 entries = xlb_bucket_entries((int)ipv6), stride = xlb_entry_words((int)ipv6), n, i,
	      word;
	__u64 best = (__u64)limit << 29, worth;

	if (!page)
		return -1;
	for (n = 0; n < XLB_CANDIDATES; n++) {
		word = xlb_flow_bucket(hash, n);
		for (i = 0; i < XLB_ENTRIES4; i++, word += stride) {
			if (i >= entries)
				break;
			worth = (__u64)insert_worth(word_read(page_word(page, word)),
						    word_read(page_word(page, word + 1)), now)
					<< 9 |
				word;
			best = worth < best ? worth : best;
		}
	}
	return best == (__u64)limit << 29 ? -1 : (int)xlb_get(best, 0, 9);
}

/*
 * The place for a new entry: its word if it is free, -FLOW_EAGAIN with the word in `at` if a flow must go first
 * (if none has gone already: `evicted`), -FLOW_ENOSPC. Half-open flows, which a flood of forged SYNs leaves, keep to
 * a quarter: where they have more and it gets narrow, a new one takes the place of the oldest of them.
 */
static __always_inline int insert_place(struct xlb_flow_page *page, const struct flow_id *id,
					__u32 now, bool evicted, struct xlb_flow_at *at)
{
	__u32 all = XLB_CANDIDATES * xlb_bucket_entries((int)id->ipv6), used, half;
	bool flood;
	int victim;
	__u64 room;

	/* where one has gone: else flows would wander from where they are evicted to where there is room */
	if (evicted && !xlb_get(word_read(page_word(page, at->word)), XLB_LIVE_STATE))
		return at->word;
	room = (__u64)insert_room(page, id->hash, id->ipv6);
	used = (__u32)xlb_get(room, ROOM_USED);
	half = (__u32)xlb_get(room, ROOM_HALF);
	flood = !evicted && !(id->identity >> 12 & 1) && half * 4 >= all && used * 3 >= all * 2;
	if (xlb_get(room, ROOM_FREE) && !flood)
		return (int)xlb_get(room, ROOM_WORD);
	victim = insert_victim(page, id->hash, id->ipv6, now, flood ? WORTH_CLOSING : WORTH_ACTIVE);
	if (victim < 0)
		return -FLOW_ENOSPC;
	at->word = (__u16)victim;
	return -FLOW_EAGAIN;
}

/* Index of an entry of the same key that is shown or lives, other than `own`; -1: none. */
GLOBAL_STEP int insert_rival(struct xlb_flow_page *page, const struct flow_id *id, __u32 own)
{
	__u32 n, i, entries, stride, word, state;
	__u64 live, differs;

	if (!page || !id)
		return -1;
	entries = xlb_bucket_entries((int)id->ipv6);
	stride = xlb_entry_words((int)id->ipv6);
	for (n = 0; n < XLB_CANDIDATES; n++) {
		word = xlb_flow_bucket(id->hash, n);
		for (i = 0; i < XLB_ENTRIES4; i++, word += stride) {
			if (i >= entries)
				break;
			/* nearly all are done with here */
			if (word_read(page_word(page, word + 2)) != id->key[0] || word == own)
				continue;
			live = word_read(page_word(page, word));
			state = (__u32)xlb_get(live, XLB_LIVE_STATE);
			if (!flow_is_met(live) && (state != XLB_FLOW_BUSY ||
						   xlb_get(live, XLB_LIVE_FLAGS) != XLB_FLOW_SHOWN))
				continue;
			differs = (word_read(page_word(page, word + 1)) ^ id->identity) &
				  XLB_FIXED_IDENTITY;
			/* again: it may have been another's when it was read */
			differs |= word_read(page_word(page, word + 2)) ^ id->key[0];
			if (id->ipv6) {
				differs |= word_read(page_word(page, word + 3)) ^ id->key[1];
				differs |= word_read(page_word(page, word + 4)) ^ id->key[2];
			}
			if (!differs)
				return (int)word;
		}
	}
	return -1;
}

/* Gives up an entry that is BUSY, unless a rival has taken it away already. */
static __always_inline void insert_withdraw(struct flow_at *own)
{
	flow_swap(own, flow_freed(own->live));
}

/* Gives way to an entry of the same key, which lives or will in a moment. */
static __always_inline int insert_give_way(struct xlb_flow_page *page, struct flow_at *own,
					   __u32 rival)
{
	insert_withdraw(own);
	own->at.word = (__u16)rival;
	own->fixed = word_read(page_word(page, rival + 1));
	own->live = word_read(page_word(page, rival));
	return -FLOW_EEXIST;
}

/* Takes what is shown of the same key away, or gives way. */
static __always_inline int insert_contend(struct xlb_flow_page *page, const struct flow_id *id,
					  struct flow_at *own)
{
	__u64 *word, live;
	int rival, i;

	for (i = 0; i < XLB_CANDIDATES * XLB_ENTRIES4; i++) {
		rival = insert_rival(page, id, own->at.word);
		if (rival < 0)
			return 0;
		word = page_word(page, (__u32)rival);
		live = word_read(word);
		if (flow_is_met(live) ||
		    (xlb_get(live, XLB_LIVE_STATE) == XLB_FLOW_BUSY && (__u32)rival < own->at.word))
			return insert_give_way(page, own, (__u32)rival);
		if (xlb_get(live, XLB_LIVE_STATE) == XLB_FLOW_BUSY)
			word_swap(word, live, flow_freed(live));
	}
	insert_withdraw(own);
	return -FLOW_EBUSY;
}

static __always_inline void insert_write(struct xlb_flow_page *page, const struct flow_id *id,
					 __u32 word, __u64 fixed)
{
	*(volatile __u64 *)page_word(page, word + 1) = fixed;
	*(volatile __u64 *)page_word(page, word + 2) = id->key[0];
	if (id->ipv6) {
		*(volatile __u64 *)page_word(page, word + 3) = id->key[1];
		*(volatile __u64 *)page_word(page, word + 4) = id->key[2];
	}
}

/*
 * Makes an entry with the words `live` (without incarnation) and `fixed`, BUSY still and shown; `evicted`: a flow has
 * gone for it already. 0 with the entry in ret; -FLOW_EEXIST with the one of the same key that lives, or will;
 * -FLOW_EAGAIN with one that must be taken apart first; -FLOW_EBUSY if a free place was taken meanwhile;
 * -FLOW_ENOSPC.
 */
GLOBAL_STEP int flow_insert(const struct flow_id *id, __u64 live, __u64 fixed, bool evicted,
			    struct flow_at *ret)
{
	__u32 now = (__u32)xlb_get(live, XLB_LIVE_STAMP);
	struct xlb_flow_page *page;
	__u64 *word, seen;
	int place;

	if (!id || !ret)
		return -FLOW_ENOSPC;
	page = table_page_new(flow_table_find(id->ipv6), id->hash, &ret->at);
	if (!page)
		return -FLOW_ENOSPC;
	ret->ipv6 = id->ipv6;
	ret->fixed = fixed;
	place = insert_place(page, id, now, evicted, &ret->at);
	if (place == -FLOW_EAGAIN) {
		ret->live = word_read(page_word(page, ret->at.word));
		ret->fixed = word_read(page_word(page, (__u32)ret->at.word + 1));
		/* who was quicker may be making another there by now */
		if (!flow_lives(ret->live) && !flow_is_abandoned(ret->live, now))
			return -FLOW_EBUSY;
	}
	if (place < 0)
		return dry_run && place == -FLOW_EAGAIN ? 0 : place;
	ret->at.word = (__u16)place;
	if (dry_run)
		return 0;
	word = page_word(page, (__u32)place);
	seen = word_read(word);
	if (xlb_get(seen, XLB_LIVE_STATE))
		return -FLOW_EBUSY;
	live = xlb_set(live, xlb_get(seen, XLB_LIVE_INCARNATION), XLB_LIVE_INCARNATION);
	live = xlb_set(live, (__u64)XLB_FLOW_BUSY, XLB_LIVE_STATE);
	if (!word_swap(word, seen, live))
		return -FLOW_EBUSY;
	insert_write(page, id, (__u32)place, fixed);
	ret->live = live;
	if (!flow_swap(ret, xlb_set(live, (__u64)XLB_FLOW_SHOWN, XLB_LIVE_FLAGS)))
		return -FLOW_EBUSY;
	return insert_contend(page, id, ret);
}

/* together some microseconds, two loops for the verifier's sake */
#define AWAIT_READS 64
#define AWAIT_TURNS 32

/* Reads an entry's first word until it is not as seen: 1 if that came to be. */
GLOBAL_STEP int await_change(struct xlb_flow_page *page, __u32 word, __u64 seen)
{
	int i;

	if (!page)
		return 1;
	for (i = 0; i < AWAIT_READS; i++)
		if (word_read(page_word(page, word)) != seen)
			return 1;
	return 0;
}

/* Waits for an entry that another CPU is making to come alive: 0 with it as it is then, or -FLOW_EBUSY. */
GLOBAL_STEP int flow_await(struct flow_at *flow)
{
	struct xlb_flow_page *page;
	__u64 seen;
	int i;

	if (!flow)
		return -FLOW_EBUSY;
	page = table_page_at(&flow->at);
	if (!page)
		return -FLOW_EBUSY;
	seen = flow->live;
	for (i = 0; i < AWAIT_TURNS; i++)
		if (flow_is_met(seen) || await_change(page, flow->at.word, seen))
			break;
	flow->live = word_read(page_word(page, flow->at.word));
	return flow_is_met(flow->live) && xlb_get(flow->live, XLB_LIVE_INCARNATION) ==
						  xlb_get(seen, XLB_LIVE_INCARNATION) ?
		       0 :
		       -FLOW_EBUSY;
}

/* After an entry was taken away: -FLOW_EEXIST with the rival that did it in `own`, or -FLOW_EBUSY. */
GLOBAL_STEP int flow_rival(const struct flow_id *id, struct flow_at *own)
{
	struct xlb_flow_page *page;
	int rival;

	if (!id || !own)
		return -FLOW_EBUSY;
	page = table_page_at(&own->at);
	if (!page)
		return -FLOW_EBUSY;
	rival = insert_rival(page, id, own->at.word);
	return rival < 0 ? -FLOW_EBUSY : insert_give_way(page, own, (__u32)rival);
}

/* The entry comes alive; false if a rival has taken it away. */
static __always_inline bool flow_settle(struct flow_at *flow)
{
	__u64 next = xlb_set(flow->live, 0ULL, XLB_LIVE_FLAGS);

	if (dry_run)
		return true;
	return flow_swap(flow, xlb_set(next, (__u64)XLB_FLOW_NEW, XLB_LIVE_STATE));
}

#endif
