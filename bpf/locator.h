/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Locators: from the ends of a reply to its flow. A locator is a hint; the flow's entry says whether it is true. */
#ifndef XLB_BPF_LOCATOR_H
#define XLB_BPF_LOCATOR_H

#include "flow.h"
#include "select.h"
#include "snat.h"

#define LOCATOR_WORDS (2 * XLB_LINE_WORDS)
#define LOCATOR_TRIES 4 /* locators with the tag that is looked for, entries with the port */

static __always_inline __u32 reply_is_ipv6(const struct xlb_reply_key *key)
{
	return !xlb_addr_is_ipv4(&key->server);
}

/* Hash of the key, and the page with its locator if it has one. */
static __always_inline struct xlb_flow_page *locator_page(const struct xlb_reply_key *key,
							  __u64 *ret_hash)
{
	struct xlb_flow_table *table = table_find(XLB_TABLE_REPLIES);
	struct xlb_flow_at at;

	if (!table)
		return NULL;
	*ret_hash = xlb_reply_hash(table->seed, key, (int)reply_is_ipv6(key));
	return table_page(table, *ret_hash, &at);
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

/* From the n-th entry on, among the buckets of a place: the entry with the port and protocol that lives; -1. */
GLOBAL_STEP int locator_entry(struct xlb_flow_page *page, __u64 hash, __u32 start, __u64 fixed,
			      __u32 ipv6)
{
	__u64 mask = xlb_set(xlb_set(0ULL, ~0ULL, XLB_FIXED_SNAT_PORT), 1ULL, XLB_FIXED_UDP);
	__u32 stride = ipv6 ? XLB_ENTRY_WORDS6 : XLB_ENTRY_WORDS4, n, i, word;
	__u32 entries = ipv6 ? XLB_ENTRIES6 : XLB_ENTRIES4;
	__u64 live;

	if (!page)
		return -1;
	for (n = 0; n < XLB_CANDIDATES; n++) {
		word = xlb_flow_bucket(hash, n);
		for (i = 0; i < XLB_ENTRIES4; i++, word += stride) {
			if (i >= entries)
				break;
			if ((word_read(page_word(page, word + 1)) ^ fixed) & mask ||
			    n * XLB_ENTRIES4 + i < start)
				continue;
			live = word_read(page_word(page, word));
			if (flow_lives(live))
				return (int)(flow_found(word, live) | (int)(n * XLB_ENTRIES4 + i)
									      << 12);
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

/* Whether replies with this key are the flow's. */
static __always_inline bool reply_is_of(const struct xlb_reply_key *key, struct xlb_flow_page *page,
					const struct flow_at *flow)
{
	struct xlb_server *server = server_find((__u32)xlb_get(flow->fixed, XLB_FIXED_SERVER));
	__u32 word = flow->at.word;
	struct xlb_snat *snat;
	__u64 first, ports;

	if (!server || !xlb_addr_equal(&server->addr, &key->server))
		return false;
	first = word_read(page_word(page, word + 2));
	ports = flow->ipv6 ? word_read(page_word(page, word + 4)) : first;
	if (key->server_port != (server->port ? server->port : (__be16)ports))
		return false;
	snat = flow_snat(server, flow->fixed);
	if (snat)
		return xlb_addr_equal(&key->peer, &snat->addr);
	if (!flow->ipv6)
		return xlb_addr_is_ipv4(&key->peer) && key->peer.words[3] == first >> 32;
	return first == xlb_hash_join(key->peer.words[0], key->peer.words[1]) &&
	       word_read(page_word(page, word + 3)) ==
		       xlb_hash_join(key->peer.words[2], key->peer.words[3]);
}

/* Follows a locator: 1 with the flow in ret if it leads to one with this key, else 0. */
GLOBAL_STEP int locator_follow(const struct xlb_reply_key *key, __u64 locator, struct flow_at *ret)
{
	__u32 ipv6 = (__u32)xlb_get(locator, XLB_LOCATOR_IPV6), start = 0;
	__u64 hash = xlb_set(0ULL, xlb_get(locator, XLB_LOCATOR_PLACE), XLB_HASH_PLACE), fixed = 0;
	struct xlb_flow_table *table = table_find(ipv6 ? XLB_TABLE_IPV6 : XLB_TABLE_IPV4);
	struct xlb_flow_page *page;
	int found, i;

	if (!key || !ret || !table)
		return 0;
	page = table_page(table, hash, &ret->at);
	fixed = xlb_set(fixed, (__u64)key->peer_port, XLB_FIXED_SNAT_PORT);
	fixed = xlb_set(fixed, (__u64)(key->protocol == IPPROTO_UDP), XLB_FIXED_UDP);
	if (!page)
		return 0;
	for (i = 0; i < LOCATOR_TRIES; i++) {
		found = locator_entry(page, hash, start, fixed, ipv6);
		if (found < 0)
			return 0;
		start = ((__u32)found >> 12) + 1;
		if (flow_read(page, found & 0xfff, ipv6, ret) && reply_is_of(key, page, ret))
			return 1;
	}
	return 0;
}

/*
 * Looks for a flow with these replies, from candidate `start` on: 0 if there is none, else where to go on to
 * look for another.
 */
GLOBAL_STEP int reply_find(const struct xlb_reply_key *key, __u32 start, struct flow_at *ret)
{
	__u64 mask = xlb_set(xlb_set(0ULL, ~0ULL, XLB_LOCATOR_TAG), 1ULL, XLB_LOCATOR_USED);
	struct xlb_flow_page *page;
	__u64 hash = 0, wanted;
	int n, i;

	if (!key || !ret)
		return 0;
	page = locator_page(key, &hash);
	wanted = xlb_locator(hash, 0, 0);
	if (!page)
		return 0;
	for (i = 0; i < LOCATOR_TRIES; i++) {
		n = locator_scan(page, hash, start, wanted, mask);
		if (n < 0)
			return 0;
		start = (__u32)n + 1;
		if (locator_follow(
			    key, word_read(page_word(page, xlb_locator_word(hash, (__u32)n))), ret))
			return (int)start;
	}
	return 0;
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

/* How many words of a line are free, above the index of one that is. */
GLOBAL_STEP int locator_line(const struct xlb_flow_page *page, __u32 first)
{
	__u32 room = 0, at = 0, n;

	if (!page)
		return 0;
	for (n = 0; n < XLB_LINE_WORDS; n++) {
		if (word_read(page_word(page, first + n)))
			continue;
		room++;
		at = n;
	}
	return (int)(room * XLB_LINE_WORDS + at);
}

/* The candidate that is free, in the line with more of them; -1: none. */
static __always_inline int locator_room(const struct xlb_flow_page *page, __u64 hash)
{
	__u32 one = (__u32)locator_line(page, page_line(hash, 0));
	__u32 other = (__u32)locator_line(page, page_line(hash, XLB_LINE_WORDS));

	if (one < XLB_LINE_WORDS && other < XLB_LINE_WORDS)
		return -1;
	return (int)(one / XLB_LINE_WORDS >= other / XLB_LINE_WORDS ?
			     one % XLB_LINE_WORDS :
			     XLB_LINE_WORDS + other % XLB_LINE_WORDS);
}

/* Puts the locator of the flow with `flow_hash`: 0 or -FLOW_ENOSPC. */
GLOBAL_STEP int locator_put(const struct xlb_reply_key *key, __u64 flow_hash, __u32 ipv6)
{
	struct xlb_flow_page *page;
	__u64 hash = 0;
	int n, i;

	if (!key || dry_run)
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

GLOBAL_STEP int locator_remove(const struct xlb_reply_key *key, __u64 flow_hash, __u32 ipv6)
{
	struct xlb_flow_page *page;
	__u64 hash = 0, locator;
	int n, i;

	if (!key || dry_run)
		return 0;
	page = locator_page(key, &hash);
	locator = xlb_locator(hash, flow_hash, (int)ipv6);
	if (!page)
		return 0;
	for (i = 0; i < LOCATOR_TRIES; i++) {
		n = locator_scan(page, hash, 0, locator, ~0ULL);
		if (n < 0)
			return 0;
		if (word_swap(page_word(page, xlb_locator_word(hash, (__u32)n)), locator, 0))
			return 0;
	}
	return 0;
}

#endif
