/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Locators: from the ends of a reply to its flow. A locator is a hint; the flow's entry says whether it is true. */
#ifndef XLB_BPF_LOCATOR_H
#define XLB_BPF_LOCATOR_H

#include "flow.h"
#include "select.h"
#include "snat.h"

#define LOCATOR_WORDS (2 * XLB_LINE_WORDS)
#define LOCATOR_FIRST 0xffff
#define LOCATOR_TRIES 4 /* locators with the tag that is looked for, entries with the port */

static __always_inline __u32 reply_is_ipv6(const struct xlb_reply_key *key)
{
	return !xlb_addr_is_ipv4(&key->server);
}

/* Hash of the key, and the page that a new locator of it comes to. */
static __always_inline struct xlb_flow_page *locator_page(const struct xlb_reply_key *key,
							  __u64 *ret_hash)
{
	const struct xlb_flow_table *table = table_find(XLB_TABLE_REPLIES);
	struct xlb_flow_at at;

	*ret_hash = xlb_reply_hash(table->seed, key, (int)reply_is_ipv6(key));
	return table_page_new(table, *ret_hash, &at);
}

/* The n-th candidate's index, n from `start`, whose upper bits are those of `word` under `mask`; -1: none. */
GLOBAL_STEP int locator_scan(const struct xlb_flow_page *page, __u64 hash, __u32 start, __u64 word,
			     __u64 mask)
{
	__u32 lines[2], n;

	if (!page)
		return -1;
	lines[0] = page_line(hash, 0);
	lines[1] = page_line(hash, XLB_LINE_WORDS);
#pragma unroll
	for (n = 0; n < LOCATOR_WORDS; n++) {
		if (((word_read(&page->word[lines[n / XLB_LINE_WORDS] + n % XLB_LINE_WORDS]) ^
		      word) &
		     mask) == 0 &&
		    n >= start)
			return (int)n;
	}
	return -1;
}

/* The part of the flow's hash that a locator has. */
static __always_inline __u64 locator_place(__u64 locator)
{
	return xlb_set(0ULL, xlb_get(locator, XLB_LOCATOR_PLACE), XLB_HASH_PLACE);
}

/* What of an entry's word `fixed` a reply names. */
static __always_inline __u64 locator_wanted(const struct xlb_reply_key *key)
{
	__u64 fixed = xlb_set(0ULL, (__u64)key->peer_port, XLB_FIXED_SNAT_PORT);

	return xlb_set(fixed, (__u64)(key->protocol == IPPROTO_UDP), XLB_FIXED_UDP);
}

static __always_inline __u64 locator_mask(void)
{
	return xlb_set(xlb_set(0ULL, ~0ULL, XLB_FIXED_SNAT_PORT), 1ULL, XLB_FIXED_UDP);
}

static __always_inline int locator_entry(const struct xlb_flow_page *page, __u64 hash, __u64 fixed,
					 bool ipv6)
{
	__u32 n, i, word, first;
	__u64 live;

	for (n = 0; n < XLB_CANDIDATES; n++) {
		first = page_bucket(hash, n);
#pragma unroll
		for (i = 0; i < xlb_bucket_entries(ipv6); i++) {
			word = first + i * xlb_entry_words(ipv6);
			if ((page->word[word + 1] ^ fixed) & locator_mask())
				continue;
			live = word_read(&page->word[word]);
			if (flow_lives(live))
				return flow_found(word, live);
		}
	}
	return -1;
}

/* Among the buckets of a place the first entry with the port and protocol that lives; -1: none. */
GLOBAL_STEP int locator_entry4(const struct xlb_flow_page *page, __u64 hash, __u64 fixed)
{
	return page ? locator_entry(page, hash, fixed, false) : -1;
}

GLOBAL_STEP int locator_entry6(const struct xlb_flow_page *page, __u64 hash, __u64 fixed)
{
	return page ? locator_entry(page, hash, fixed, true) : -1;
}

/* The next one after `last`: servers and SNAT addresses may have the same port in use. */
GLOBAL_STEP int locator_entry_after(struct xlb_flow_page *page, __u64 hash, __u32 last, __u64 fixed,
				    __u32 ipv6)
{
	__u32 stride = xlb_entry_words((int)ipv6), entries = xlb_bucket_entries((int)ipv6);
	__u32 n, i, word;
	bool passed = last == LOCATOR_FIRST;
	__u64 live;

	if (!page)
		return -1;
	for (n = 0; n < XLB_CANDIDATES; n++) {
		word = xlb_flow_bucket(hash, n);
		for (i = 0; i < XLB_ENTRIES4; i++, word += stride) {
			if (i >= entries)
				break;
			if (!passed) {
				passed = word == last;
				continue;
			}
			if ((word_read(page_word(page, word + 1)) ^ fixed) & locator_mask())
				continue;
			live = word_read(page_word(page, word));
			if (flow_lives(live))
				return flow_found(word, live);
		}
	}
	return -1;
}

/* The SNAT address of a flow, NULL if its server sees the client's own. */
static __always_inline struct xlb_snat *flow_snat(const struct xlb_server *server, __u64 fixed)
{
	__u32 pool = (__u32)xlb_get(fixed, XLB_FIXED_POOL) % XLB_SERVER_POOLS;

	if (server->mode != XLB_MODE_FULLNAT && !xlb_get(fixed, XLB_FIXED_INSTEAD))
		return NULL;
	return snat_find(server->pools[pool].snat);
}

/* Whether replies with this key come from the flow's server; `ports`: of the flow's key. */
static __always_inline bool reply_is_from(const struct xlb_reply_key *key, __u64 fixed, __u32 ports)
{
	struct xlb_server *server = server_find((__u32)xlb_get(fixed, XLB_FIXED_SERVER));

	return xlb_addr_equal(&server->addr, &key->server) &&
	       key->server_port == (server->port ? server->port : (__be16)ports);
}

/* Whether they go to the SNAT address, or to the client, whose address is in the first two words of the flow's key. */
static __always_inline bool reply_is_to(const struct xlb_reply_key *key,
					const struct xlb_snat *snat, bool ipv6, __u64 first,
					__u64 second)
{
	if (snat)
		return xlb_addr_equal(&key->peer, &snat->addr);
	if (!ipv6)
		return xlb_addr_is_ipv4(&key->peer) && key->peer.words[3] == first >> 32;
	return first == xlb_hash_join(key->peer.words[0], key->peer.words[1]) &&
	       second == xlb_hash_join(key->peer.words[2], key->peer.words[3]);
}

/* Whether replies with this key are the flow's. */
static __always_inline bool reply_is_of(const struct xlb_reply_key *key, struct xlb_flow_page *page,
					const struct flow_at *flow)
{
	struct xlb_server *server = server_find((__u32)xlb_get(flow->fixed, XLB_FIXED_SERVER));
	__u32 word = flow->at.word;
	__u64 first = word_read(page_word(page, word + 2));

	return reply_is_from(key, flow->fixed,
			     (__u32)(flow->ipv6 ? word_read(page_word(page, word + 4)) : first)) &&
	       reply_is_to(key, flow_snat(server, flow->fixed), flow->ipv6, first,
			   flow->ipv6 ? word_read(page_word(page, word + 3)) : 0);
}

static __always_inline struct xlb_flow_page *locator_target(__u64 locator, __u64 extent,
							    struct flow_at *ret)
{
	__u32 ipv6 = (__u32)xlb_get(locator, XLB_LOCATOR_IPV6);

	return table_page(flow_table_find(ipv6), extent, locator_place(locator), &ret->at);
}

/* An entry that may be the reply's flow: read, and compared with all that the reply says. */
static __always_inline bool locator_hits(const struct xlb_reply_key *key,
					 struct xlb_flow_page *page, int found, __u32 ipv6,
					 struct flow_at *ret)
{
	return flow_read(page, found, ipv6, ret) && flow_lives(ret->live) &&
	       reply_is_of(key, page, ret);
}

/*
 * Follows a locator to an extent of its flow's table, entry by entry behind `last`, LOCATOR_FIRST: from the first on.
 * 1 with the flow in ret if one with this key is there, else 0.
 */
GLOBAL_STEP int locator_follow_from(const struct xlb_reply_key *key, __u64 locator, __u64 extent,
				    __u32 last, struct flow_at *ret)
{
	__u32 ipv6 = (__u32)xlb_get(locator, XLB_LOCATOR_IPV6);
	struct xlb_flow_page *page;
	int found, i;

	if (!key || !ret)
		return 0;
	page = locator_target(locator, extent, ret);
	if (!page)
		return 0;
	for (i = 0; i < LOCATOR_TRIES; i++) {
		found = locator_entry_after(page, locator_place(locator), last, locator_wanted(key),
					    ipv6);
		if (found < 0)
			return 0;
		if (locator_hits(key, page, found, ipv6, ret))
			return 1;
		last = ret->at.word;
	}
	return 0;
}

/* The same from the first on, which nearly always is it. */
static __always_inline bool locator_follow(const struct xlb_reply_key *key, __u64 locator,
					   __u64 extent, struct flow_at *ret)
{
	__u32 ipv6 = (__u32)xlb_get(locator, XLB_LOCATOR_IPV6);
	struct xlb_flow_page *page = locator_target(locator, extent, ret);
	int found;

	if (!page)
		return false;
	found = ipv6 ? locator_entry6(page, locator_place(locator), locator_wanted(key)) :
		       locator_entry4(page, locator_place(locator), locator_wanted(key));
	if (found < 0)
		return false;
	return locator_hits(key, page, found, ipv6, ret) ||
	       locator_follow_from(key, locator, extent, ret->at.word, ret);
}

/* The same, wherever in its table the flow is. */
static __always_inline bool locator_leads(const struct xlb_reply_key *key, __u64 locator,
					  struct flow_at *ret)
{
	const struct xlb_flow_table *table =
		flow_table_find((__u32)xlb_get(locator, XLB_LOCATOR_IPV6));
	__u64 extent, old;

	extent = word_read(&table->extent);
	old = word_read(&table->old);
	return (old && locator_follow_from(key, locator, old, LOCATOR_FIRST, ret)) ||
	       locator_follow(key, locator, extent, ret);
}

/* Looks among the locators of one extent, from candidate `start` on: 0, or where to go on. */
GLOBAL_STEP int reply_find_in(const struct xlb_reply_key *key, __u32 start, __u64 extent,
			      struct flow_at *ret)
{
	__u64 mask = xlb_set(xlb_set(0ULL, ~0ULL, XLB_LOCATOR_TAG), 1ULL, XLB_LOCATOR_USED);
	const struct xlb_flow_table *table = table_find(XLB_TABLE_REPLIES);
	struct xlb_flow_page *page;
	__u64 hash, wanted;
	int n, i;

	if (!key || !ret)
		return 0;
	hash = xlb_reply_hash(table->seed, key, (int)reply_is_ipv6(key));
	page = table_page(table, extent, hash, &ret->at);
	wanted = xlb_locator(hash, 0, 0);
	if (!page)
		return 0;
	for (i = 0; i < LOCATOR_TRIES; i++) {
		n = locator_scan(page, hash, start, wanted, mask);
		if (n < 0)
			return 0;
		start = (__u32)n + 1;
		if (locator_leads(key, word_read(page_word(page, xlb_locator_word(hash, (__u32)n))),
				  ret))
			return (int)start;
	}
	return 0;
}

/*
 * Looks for a flow with these replies, from candidate `start` on, of the old extent and then of the new one: 0 if
 * there is none, else where to go on to look for another.
 */
static __always_inline int reply_find(const struct xlb_reply_key *key, __u32 start,
				      struct flow_at *ret)
{
	const struct xlb_flow_table *table = table_find(XLB_TABLE_REPLIES);
	__u64 extent, old;
	int next;

	extent = word_read(&table->extent);
	old = word_read(&table->old);
	if (old && start < LOCATOR_WORDS) {
		next = reply_find_in(key, start, old, ret);
		if (next)
			return next;
	}
	start = start < LOCATOR_WORDS ? 0 : start - LOCATOR_WORDS;
	next = reply_find_in(key, start, extent, ret);
	return next ? next + LOCATOR_WORDS : 0;
}

/* Another flow with the replies of this one, in ret. */
static __always_inline bool reply_clash(const struct xlb_reply_key *key, const struct flow_at *own,
					struct flow_at *ret)
{
	int from = 0, i;

	for (i = 0; i < LOCATOR_TRIES; i++) {
		from = reply_find(key, (__u32)from, ret);
		if (!from)
			return false;
		if (ret->at.chunk != own->at.chunk || ret->at.page != own->at.page ||
		    ret->at.word != own->at.word)
			return true;
	}
	return false;
}

/* How many words of a line are free, above the index of the first that is. */
GLOBAL_STEP int locator_line(const struct xlb_flow_page *page, __u32 first)
{
	__u32 room = 0, at = 0, n;

	if (!page)
		return 0;
	for (n = XLB_LINE_WORDS; n--;) {
		if (word_read(page_word(page, first + n)))
			continue;
		room++;
		at = n;
	}
	return (int)(room * XLB_LINE_WORDS + at);
}

/* The candidate that is free, in the line with more of them, or in the first if that is roomy; -1: none. */
static __always_inline int locator_room(const struct xlb_flow_page *page, __u64 hash)
{
	__u32 one = (__u32)locator_line(page, page_line(hash, 0));
	__u32 other;

	if (one / XLB_LINE_WORDS >= XLB_LINE_ROOMY)
		return (int)(one % XLB_LINE_WORDS);
	other = (__u32)locator_line(page, page_line(hash, XLB_LINE_WORDS));
	if (one < XLB_LINE_WORDS && other < XLB_LINE_WORDS)
		return -1;
	return (int)(one / XLB_LINE_WORDS >= other / XLB_LINE_WORDS ?
			     one % XLB_LINE_WORDS :
			     XLB_LINE_WORDS + other % XLB_LINE_WORDS);
}

/* Puts the locator of the flow with `flow_hash`: 0, or -FLOW_ENOSPC if its lines are full. */
GLOBAL_STEP int locator_put(const struct xlb_reply_key *key, __u64 flow_hash, __u32 ipv6)
{
	struct xlb_flow_page *page;
	__u64 hash = 0;
	int n, i;

	if (!key)
		return 0;
	page = locator_page(key, &hash);
	if (!page)
		return -FLOW_ENOSPC;
	for (i = 0; i < LOCATOR_TRIES; i++) {
		n = locator_room(page, hash);
		if (n < 0)
			return -FLOW_ENOSPC;
		if (word_swap(page_word(page, xlb_locator_word(hash, (__u32)n)), 0,
			      xlb_locator(hash, flow_hash, (int)ipv6)))
			return 0;
	}
	return -FLOW_ENOSPC;
}

GLOBAL_STEP int locator_remove_in(const struct xlb_reply_key *key, __u64 flow_hash, __u32 ipv6,
				  __u64 extent)
{
	const struct xlb_flow_table *table = table_find(XLB_TABLE_REPLIES);
	struct xlb_flow_page *page;
	struct xlb_flow_at at;
	__u64 hash, locator;
	int n, i;

	if (!key)
		return 0;
	hash = xlb_reply_hash(table->seed, key, (int)reply_is_ipv6(key));
	page = table_page(table, extent, hash, &at);
	locator = xlb_locator(hash, flow_hash, (int)ipv6);
	if (!page)
		return 0;
	for (i = 0; i < LOCATOR_TRIES; i++) {
		n = locator_scan(page, hash, 0, locator, ~0ULL);
		if (n < 0)
			return 0;
		if (word_swap(page_word(page, xlb_locator_word(hash, (__u32)n)), locator, 0))
			return 1;
	}
	return 0;
}

/* One that the mover has copied just now goes by the mover, who sees that the first was taken. */
static __always_inline void locator_remove(const struct xlb_reply_key *key, __u64 flow_hash,
					   __u32 ipv6)
{
	const struct xlb_flow_table *table = table_find(XLB_TABLE_REPLIES);
	__u64 extent, old;

	if (dry_run)
		return;
	extent = word_read(&table->extent);
	old = word_read(&table->old);
	if (!old || !locator_remove_in(key, flow_hash, ipv6, old))
		locator_remove_in(key, flow_hash, ipv6, extent);
}

#endif
