/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows as packets of clients find them, and what a packet changes in them. Where entries of a page are
 * compared is a global function each: the verifier would walk every way through all of them for each caller.
 */
#ifndef XLB_BPF_FLOW_H
#define XLB_BPF_FLOW_H

#include "count.h"
#include "source.h"
#include "state.h"
#include "table.h"
#include "xlb/addr.h"

/* results of what makes and ends flows, beside 0; errno numbers are not in uapi headers for BPF */
#define FLOW_EAGAIN 11 /* it was changed meanwhile, or must be taken apart first */
#define FLOW_EBUSY  16 /* another CPU was quicker */
#define FLOW_EEXIST 17 /* another CPU has made it, or is about to */
#define FLOW_ENOSPC 28

static __always_inline __u32 flow_now(void)
{
	return (__u32)(bpf_ktime_get_coarse_ns() >> XLB_STAMP_SHIFT) & XLB_STAMP_MASK;
}

static __always_inline struct flow_draft *flow_draft_find(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&flow_draft, &key);
}

/* Fills ret but for its hash. `ipv6`: the packet's family. */
static __always_inline void flow_id_of(const struct packet *pkt, __u32 vip, bool ipv6,
				       struct flow_id *ret)
{
	__u64 ports = xlb_flow_ports(pkt->source_port, pkt->destination_port);

	ret->identity = xlb_set(vip, (__u64)(pkt->protocol == IPPROTO_UDP), XLB_FIXED_UDP);
	ret->ipv6 = ipv6;
	ret->pad = 0;
	if (ret->ipv6) {
		ret->key[0] = xlb_hash_join(pkt->source.words[0], pkt->source.words[1]);
		ret->key[1] = xlb_hash_join(pkt->source.words[2], pkt->source.words[3]);
		ret->key[2] = ports;
	} else {
		ret->key[0] = (__u64)pkt->source.words[3] << 32 | ports;
		ret->key[1] = ret->key[2] = 0;
	}
}

/* True if an entry with this first word is a flow that its client may meet. */
static __always_inline bool flow_is_met(__u64 live)
{
	__u32 state = (__u32)xlb_get(live, XLB_LIVE_STATE);

	return state >= XLB_FLOW_NEW && state <= XLB_FLOW_TOMBSTONE &&
	       !xlb_get(live, XLB_LIVE_REST);
}

/* True of an entry that nobody makes or takes apart any more. */
static __always_inline bool flow_is_abandoned(__u64 live, __u32 now)
{
	return xlb_get(live, XLB_LIVE_STATE) > XLB_FLOW_TOMBSTONE &&
	       xlb_flow_age(now, (__u32)xlb_get(live, XLB_LIVE_STAMP)) > XLB_FLOW_ABANDONED;
}

/* What a scan returns: the index of the entry's first word and the incarnation that it had, or -1. */
#define FLOW_FOUND_INCARNATION 9, 3

static __always_inline int flow_found(__u32 word, __u64 live)
{
	return (int)xlb_set(word, xlb_get(live, XLB_LIVE_INCARNATION), FLOW_FOUND_INCARNATION);
}

GLOBAL_STEP int flow_scan4(const struct xlb_flow_page *page, __u64 hash, __u64 key, __u64 identity)
{
	const __u64 *entry;
	__u32 n, i, word, first;
	__u64 live;

	if (!page)
		return -1;
	for (n = 0; n < XLB_CANDIDATES; n++) {
		first = page_bucket(hash, n);
#pragma unroll
		for (i = 0; i < XLB_ENTRIES4; i++) {
			word = first + i * XLB_ENTRY_WORDS4;
			entry = &page->word[word];
			if (entry[2] != key)
				continue;
			live = word_read(entry);
			if (flow_is_met(live) &&
			    ((word_read(entry + 1) ^ identity) & XLB_FIXED_IDENTITY) == 0 &&
			    word_read(entry + 2) == key)
				return flow_found(word, live);
		}
	}
	return -1;
}

GLOBAL_STEP int flow_scan6(const struct xlb_flow_page *page, const struct flow_id *id)
{
	const __u64 *entry;
	__u32 n, i, word, first;
	__u64 live;

	if (!page || !id)
		return -1;
	for (n = 0; n < XLB_CANDIDATES; n++) {
		first = page_bucket(id->hash, n);
#pragma unroll
		for (i = 0; i < XLB_ENTRIES6; i++) {
			word = first + i * XLB_ENTRY_WORDS6;
			entry = &page->word[word];
			if (entry[3] != id->key[1] || entry[2] != id->key[0])
				continue;
			live = word_read(entry);
			if (flow_is_met(live) &&
			    ((word_read(entry + 1) ^ id->identity) & XLB_FIXED_IDENTITY) == 0 &&
			    word_read(entry + 2) == id->key[0] &&
			    word_read(entry + 3) == id->key[1] &&
			    word_read(entry + 4) == id->key[2])
				return flow_found(word, live);
		}
	}
	return -1;
}

/* Reads the rest of an entry that a scan has found; false if it is another flow's by now. */
static __always_inline bool flow_read(struct xlb_flow_page *page, int found, __u32 ipv6,
				      struct flow_at *ret)
{
	__u32 word = (__u32)xlb_get((__u32)found, 0, 9);

	ret->at.word = (__u16)word;
	ret->ipv6 = ipv6;
	ret->fixed = word_read(page_word(page, word + 1));
	ret->live = word_read(page_word(page, word));
	return flow_found(word, ret->live) == found;
}

static __always_inline const struct xlb_flow_table *flow_table_find(__u32 ipv6)
{
	return table_find(ipv6 ? XLB_TABLE_IPV6 : XLB_TABLE_IPV4);
}

/* Completes an id by its hash. */
static __always_inline void flow_id_hash(struct flow_id *id)
{
	id->hash = xlb_flow_hash(flow_table_find(id->ipv6)->seed, id->key, id->identity,
				 (int)id->ipv6);
}

static __always_inline int flow_scan(const struct xlb_flow_page *page, const struct flow_id *id)
{
	return id->ipv6 ? flow_scan6(page, id) :
			  flow_scan4(page, id->hash, id->key[0], id->identity);
}

/* Looks in an extent that is being left: what is moved away meanwhile is not found. */
GLOBAL_STEP int flow_find_left(const struct flow_id *id, __u64 extent, struct flow_at *ret)
{
	struct xlb_flow_page *page;
	int found;

	if (!id || !ret)
		return 0;
	page = table_page(flow_table_find(id->ipv6), extent, id->hash, &ret->at);
	if (!page)
		return 0;
	found = flow_scan(page, id);
	return found >= 0 && flow_read(page, found, id->ipv6, ret) && flow_is_met(ret->live);
}

/* Looks for a flow that the client may meet, by an id with its hash. Fills ret if there is one. */
static __always_inline bool flow_find(const struct flow_id *id, struct flow_at *ret)
{
	const struct xlb_flow_table *table = flow_table_find(id->ipv6);
	struct xlb_flow_page *page;
	__u64 extent, old;
	int found;

	extent = word_read(&table->extent);
	old = word_read(&table->old);
	if (old && flow_find_left(id, old, ret))
		return true;
	page = table_page(table, extent, id->hash, &ret->at);
	if (!page)
		return false;
	found = flow_scan(page, id);
	return found >= 0 && flow_read(page, found, id->ipv6, ret);
}

/* An entry's key, of which IPv4 has one word. */
static __always_inline void flow_key_read(const struct xlb_flow_page *page,
					  const struct flow_at *flow, __u64 ret[3])
{
	__u32 word = flow->at.word;

	ret[0] = word_read(page_word(page, word + 2));
	ret[1] = flow->ipv6 ? word_read(page_word(page, word + 3)) : 0;
	ret[2] = flow->ipv6 ? word_read(page_word(page, word + 4)) : 0;
}

/* An entry's key, complete with its hash. */
static __always_inline void flow_id_at(struct xlb_flow_page *page, const struct flow_at *flow,
				       struct flow_id *ret)
{
	flow_key_read(page, flow, ret->key);
	ret->identity = flow->fixed & XLB_FIXED_IDENTITY;
	ret->ipv6 = flow->ipv6;
	ret->pad = 0;
	flow_id_hash(ret);
}

/* True of an entry whose flow lives on in the other extent. */
static __always_inline bool flow_is_moved(__u64 live)
{
	return !xlb_get(live, XLB_LIVE_STATE) && xlb_get(live, XLB_LIVE_MOVING);
}

/* Finds again a flow that was moved after it was found; 0 if it has gone, or only its server may meet it. */
GLOBAL_STEP int flow_follow_move(struct flow_at *flow)
{
	struct xlb_flow_page *page;
	struct flow_id id;
	int found;

	if (!flow)
		return 0;
	page = table_page_at(&flow->at);
	if (!page)
		return 0;
	flow_id_at(page, flow, &id);
	page = table_page_new(flow_table_find(flow->ipv6), id.hash, &flow->at);
	if (!page)
		return 0;
	found = flow_scan(page, &id);
	return found >= 0 && flow_read(page, found, id.ipv6, flow);
}

/* The ports of a flow, as xlb_flow_ports() has joined them, from its entry's key. */
static __always_inline __u32 flow_ports_of(const __u64 key[3], bool ipv6)
{
	return (__u32)(ipv6 ? key[2] : key[0]);
}

/* The port that a flow's client has asked for. */
static __always_inline __be16 flow_port(const struct xlb_flow_page *page,
					const struct flow_at *flow)
{
	return (__be16)word_read(page_word(page, flow->at.word + (flow->ipv6 ? 4U : 2U)));
}

/* Whose a flow is, from its entry's key. */
static __always_inline void flow_client_of(const __u64 key[3], bool ipv6,
					   struct xlb_addr *ret_client, __be16 *ret_client_port,
					   __be16 *ret_port)
{
	__u32 ports = flow_ports_of(key, ipv6);

	if (ipv6) {
		ret_client->words[0] = (__u32)(key[0] >> 32);
		ret_client->words[1] = (__u32)key[0];
		ret_client->words[2] = (__u32)(key[1] >> 32);
		ret_client->words[3] = (__u32)key[1];
	} else {
		xlb_addr_set_ipv4(ret_client, (__u32)(key[0] >> 32));
	}
	*ret_client_port = (__be16)(ports >> 16);
	*ret_port = (__be16)ports;
}

static __always_inline void flow_client(struct xlb_flow_page *page, const struct flow_at *flow,
					struct xlb_addr *ret_client, __be16 *ret_client_port,
					__be16 *ret_port)
{
	__u64 key[3];

	flow_key_read(page, flow, key);
	flow_client_of(key, flow->ipv6, ret_client, ret_client_port, ret_port);
}

/* What the packet makes of the entry's first word; `hop`: 0 if none is to be learned. */
static __always_inline __u64 flow_touched(__u64 live, const struct flow_event *event, __u32 hop)
{
	__u64 next = flow_next(live, event);

	return hop ? xlb_set(next, hop, XLB_LIVE_HOP) : next;
}

/* Counts it among those of its client's address, by the limits of the number. */
GLOBAL_STEP int flow_count_source(const struct flow_at *flow, __u32 number, int change)
{
	struct limit_scratch *scratch = limit_scratch_find();
	struct xlb_flow_page *page;
	__be16 client_port, port;
	__u64 live;

	if (!flow || !scratch)
		return 0;
	page = table_page_at(&flow->at);
	if (!page)
		return 0;
	flow_client(page, flow, &scratch->key.addr, &client_port, &port);
	/* over since, and another's: it is too late to know whose it was */
	live = word_read(page_word(page, flow->at.word));
	if (xlb_get(live, XLB_LIVE_INCARNATION) == xlb_get(flow->live, XLB_LIVE_INCARNATION))
		source_count(scratch, number, change);
	return 0;
}

/* Counts a flow whose first word has become `next`, if it has opened by that, or was open until now. */
GLOBAL_STEP int flow_count_open(const struct flow_at *flow, __u64 next)
{
	struct xlb_limited limited;
	__u32 listener, server;
	int change, direct;

	if (!flow || dry_run)
		return 0;
	server = (__u32)xlb_get(flow->fixed, XLB_FIXED_SERVER);
	direct = xlb_mode_has(xlb_flow_mode(flow->fixed, table_row(servers, server)->mode),
			      XLB_MODE_DIRECT);
	change = xlb_flow_is_open(next, direct) - xlb_flow_is_open(flow->live, direct);
	if (!change)
		return 0;
	listener = (__u32)xlb_get(flow->fixed, XLB_FIXED_LISTENER);
	limited = limited_of(listener);
	__sync_fetch_and_add(table_row(server_flows, server), (__u64)change);
	__sync_fetch_and_add(&table_row(meters, listener)->all.flows, (__u64)change);
	__sync_fetch_and_add(&table_row(meters, XLB_LIMITS_OF_LB + limited.lb)->all.flows,
			     (__u64)change);
	if (limited.by & XLB_LIMITED_SOURCE)
		flow_count_source(flow, listener, change);
	if (limited.by & XLB_LIMITED_LB_SOURCE)
		flow_count_source(flow, XLB_LIMITS_OF_LB + limited.lb, change);
	return 0;
}

/* Where a flow that opens, or is open no more, differs in its first word. */
#define FLOW_LIVE_OPEN (xlb_set(0ULL, ~0ULL, XLB_LIVE_STATE) | xlb_set(0ULL, ~0ULL, XLB_LIVE_REST))

/* Changes the first word of an entry from what was seen; true if it was that still. All that changes states comes here. */
static __always_inline bool flow_swap_word(__u64 *word, const struct flow_at *flow, __u64 next)
{
	if (!word_swap(word, flow->live, next))
		return false;
	if ((next ^ flow->live) & FLOW_LIVE_OPEN)
		flow_count_open(flow, next);
	return true;
}

/*
 * Writes it into a flow that was changed, or moved, since it was found. A word lost to another CPU three more times is
 * let go: the packets that won have moved the flow as well.
 */
GLOBAL_STEP int flow_touch_again(struct flow_at *flow, const struct flow_event *event, __u32 hop)
{
	struct xlb_flow_page *page;
	__u64 incarnation, next;
	__u64 *word;
	int i;

	if (!flow || !event)
		return -XLB_DROP_INTERNAL;
	incarnation = xlb_get(flow->live, XLB_LIVE_INCARNATION);
	for (i = 0; i < 3; i++) {
		page = table_page_at(&flow->at);
		if (!page)
			return -XLB_DROP_INTERNAL;
		word = page_word(page, flow->at.word);
		flow->live = word_read(word);
		if (flow_is_moved(flow->live)) {
			/* of one that is at its end nothing more is to be known */
			if (!flow_follow_move(flow))
				return 0;
			incarnation = xlb_get(flow->live, XLB_LIVE_INCARNATION);
			continue;
		}
		if (!flow_lives(flow->live) ||
		    xlb_get(flow->live, XLB_LIVE_INCARNATION) != incarnation)
			return -XLB_DROP_FLOW_BUSY;
		next = flow_touched(flow->live, event, hop);
		if (next == flow->live || flow_swap_word(word, flow, next))
			return 0;
	}
	return 0;
}

/*
 * Counts what a packet with SYN or RST tells of its flow's server. A reset counts if it is the flow's first: only on two
 * CPUs at the same moment two of them would be, and a server's packets of one flow come to one.
 */
GLOBAL_STEP int flow_count_signs(__u64 fixed, __u64 live, const struct flow_event *event)
{
	__u32 listener = (__u32)xlb_get(fixed, XLB_FIXED_LISTENER);
	__u32 server = (__u32)xlb_get(fixed, XLB_FIXED_SERVER);
	struct flow_life life = flow_life_of(live);

	if (!event)
		return 0;
	if (life.flags & XLB_FLOW_RST_SERVER)
		return 0;
	if (event->reply && event->tcp_flags & TCP_RST && life.state < XLB_FLOW_CLOSED)
		count_flow(listener, server, XLB_COUNT_RESET_FLOWS);
	/* one that is doubled on its way, or on purpose, says nothing: the server has had no time */
	if (!event->reply && !event->direct && event->tcp_flags & TCP_SYN &&
	    life.state == XLB_FLOW_NEW && xlb_flow_age(event->now, life.stamp))
		count_flow(listener, server, XLB_COUNT_UNANSWERED);
	return 0;
}

/* Writes what the packet changes in the flow, if anything. `hop`: 0 if it is not to be learned. */
static __always_inline int flow_touch(struct flow_at *flow, const struct flow_event *event,
				      __u32 hop)
{
	__u64 next = flow_touched(flow->live, event, hop);
	struct xlb_flow_page *page;

	if (event->tcp_flags & (TCP_SYN | TCP_RST))
		flow_count_signs(flow->fixed, flow->live, event);
	if (next == flow->live)
		return 0;
	page = table_page_at(&flow->at);
	if (!page)
		return -XLB_DROP_INTERNAL;
	return flow_swap_word(page_word(page, flow->at.word), flow, next) ?
		       0 :
		       flow_touch_again(flow, event, hop);
}

/* Changes the entry's first word from what was seen; true if it was that still. */
static __always_inline bool flow_swap(struct flow_at *flow, __u64 next)
{
	struct xlb_flow_page *page = table_page_at(&flow->at);

	if (!page || !flow_swap_word(page_word(page, flow->at.word), flow, next))
		return false;
	flow->live = next;
	return true;
}

/* True if the flow is now the caller's to take apart. Not while it is moved: its copy would be left. */
static __always_inline bool flow_claim(struct flow_at *flow, __u32 now)
{
	__u64 dead = xlb_set(flow->live, (__u64)XLB_FLOW_DEAD, XLB_LIVE_STATE);

	return !xlb_get(flow->live, XLB_LIVE_MOVING) &&
	       flow_swap(flow, xlb_set(dead, (__u64)now, XLB_LIVE_STAMP));
}

/* The first word of an entry that nobody has, after this one. */
static __always_inline __u64 flow_freed(__u64 live)
{
	return xlb_set(0ULL, xlb_get(live, XLB_LIVE_INCARNATION) + 1, XLB_LIVE_INCARNATION);
}

#endif
