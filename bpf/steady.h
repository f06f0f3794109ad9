/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets of flows in full swing, which most are: of a flow whose table does not change its size, that was seen in this
 * second, and of which the packet changes nothing. Here is all that they need. What one look does not tell to be such
 * a packet goes on in a program of its own (serve.h): its code would take the registers of these.
 */
#ifndef XLB_BPF_STEADY_H
#define XLB_BPF_STEADY_H

#include "locator.h"
#include "reply.h"
#include "steps.h"
#include "translate.h"

/* An entry as it was at one moment. */
struct steady_entry {
	__u64 live, fixed, key[3];
	__u32 word; /* of the page, the entry's first */
};

/* False if it was changed meanwhile. */
static __always_inline bool steady_read(const __u64 *entry, bool ipv6, struct steady_entry *ret)
{
	ret->live = word_read(entry);
	ret->fixed = word_read(entry + 1);
	ret->key[0] = word_read(entry + 2);
	if (ipv6) {
		ret->key[1] = word_read(entry + 3);
		ret->key[2] = word_read(entry + 4);
	}
	return word_read(entry) == ret->live;
}

/*
 * Reads the first entry in the buckets that a hash names whose word `index` is the one wanted, as far as the mask goes. What
 * differs from entry to entry is where they lie: the verifier forgets that when they are read.
 */
static __always_inline enum look steady_look(const struct xlb_flow_page *page, __u64 hash,
					     bool ipv6, __u32 index, __u64 wanted, __u64 mask,
					     struct steady_entry *ret)
{
	__u32 n, i, first;
	const __u64 *entry;

	for (n = 0; n < XLB_CANDIDATES; n++) {
		first = page_bucket(hash, n);
#pragma unroll
		for (i = 0; i < xlb_bucket_entries(ipv6); i++) {
			entry = &page->word[first + i * xlb_entry_words(ipv6)];
			if ((entry[index] ^ wanted) & mask)
				continue;
			ret->word = first + i * xlb_entry_words(ipv6);
			return steady_read(entry, ipv6, ret) ? LOOK_FOUND : LOOK_NOTHING;
		}
	}
	return LOOK_NONE;
}

/* The page of a table that a hash names, NULL while the table changes its size. */
static __always_inline struct xlb_flow_page *steady_page(const struct xlb_flow_table *table,
							 __u64 hash, struct xlb_flow_at *ret)
{
	__u64 extent = word_read(&table->extent);

	return word_read(&table->old) ? NULL : table_page(table, extent, hash, ret);
}

/* The packet is of the flow with the entry, whose page is in the work, but needs more than is done here. */
static __always_inline int steady_not(struct work *work, const struct steady_entry *entry,
				      bool ipv6)
{
	struct flow_at *flow = &work->flow;

	flow->at.word = (__u16)entry->word;
	flow->live = entry->live;
	flow->fixed = entry->fixed;
	flow->ipv6 = ipv6;
	/* a client does not meet one that rests */
	if (work->pkt.reply ? flow_lives(entry->live) : flow_is_met(entry->live))
		work->look = LOOK_FOUND;
	else
		work->pkt.reply = false;
	return XLB_CHANGE;
}

/* The flow's server if the packet leaves the flow as it is, else NULL. Fills whom to count it for. */
static __always_inline struct xlb_server *steady_server(const struct xdp_md *ctx, struct work *work,
							const struct steady_entry *entry)
{
	struct packet *pkt = &work->pkt;
	struct xlb_server *server;
	__u32 flags;

	pkt->listener = (__u32)xlb_get(entry->fixed, XLB_FIXED_LISTENER);
	pkt->server = (__u32)xlb_get(entry->fixed, XLB_FIXED_SERVER);
	server = server_find(pkt->server);
	flags = server->flags;
	/* others have nothing to learn from */
	if (flags == XLB_SERVER_QUIC && !quic_is_long(ctx, pkt))
		flags = 0;
	work_clock(work);
	return !xlb_get(entry->live, XLB_LIVE_REST) &&
			       flow_is_unchanged(entry->live, work->now, flags, pkt) ?
		       server :
		       NULL;
}

/* True if answers to the client go where the packet comes from, or past xlb. */
static __always_inline bool steady_way_back(const struct xdp_md *ctx, const struct packet *pkt,
					    const struct steady_entry *entry)
{
	union hop_word hop;

	return !xlb_get(entry->fixed, XLB_FIXED_SNAT_PORT) ||
	       (!reply_hop(ctx, pkt, &hop) &&
		hop_is((__u32)xlb_get(entry->live, XLB_LIVE_HOP), hop.word));
}

/* The packet gets ends of the other family. By memory that is there for it, so that other packets' need not be in any. */
static __always_inline int steady_translate(struct xdp_md *ctx, struct work *work,
					    const struct ends *ends)
{
	work->ends = *ends;
	return translate(ctx, &work->pkt, &work->ends);
}

/* The client's packet goes to the server; the mode is a constant. */
static __always_inline int steady_send(struct xdp_md *ctx, struct work *work,
				       const struct xlb_server *server, __u64 fixed, __u8 mode)
{
	struct packet *pkt = &work->pkt;
	struct mapping mapping = record_mapping(server, fixed, pkt->destination_port);
	int r = egress_to(ctx, work, server, mode, mode_length(pkt, server, mode));
	struct ends ends;

	if (xlb_mode_has(mode, XLB_MODE_HOST)) {
		commit_to(ctx, work, mode, (__u32)xlb_get(fixed, XLB_FIXED_VIP));
		return mode_edit(ctx, pkt, server, mode, &work->ends);
	}
	mapping.mode = mode;
	if (!r)
		r = direct_out(work);
	if (!r)
		r = mode_ends(pkt, server, &mapping, &ends);
	if (r)
		return r;
	watch_out(ctx, work, &ends, (__u32)xlb_get(fixed, XLB_FIXED_VIP));
	if (!xlb_mode_has(mode, XLB_MODE_DIRECT) && pkt->family != server->family)
		return steady_translate(ctx, work, &ends);
	return mode_edit(ctx, pkt, server, mode, &ends);
}

/* A packet of a client of the family, a constant, to a VIP. */
static __always_inline enum look steady_request_of(struct work *work, __u32 vip, bool ipv6,
						   struct steady_entry *ret)
{
	const struct xlb_flow_table *table = flow_table_find(ipv6);
	struct xlb_flow_page *page;
	enum look look;
	struct flow_id id;
	__u64 hash;

	flow_id_of(&work->pkt, vip, ipv6, &id);
	hash = xlb_flow_hash(table->seed, id.key, id.identity, ipv6);
	page = steady_page(table, hash, &work->flow.at);
	if (!page)
		return LOOK_NOTHING;
	look = steady_look(page, hash, ipv6, 2, id.key[0], ~0ULL, ret);
	if (look == LOOK_FOUND &&
	    (((ret->fixed ^ id.identity) & XLB_FIXED_IDENTITY) || ret->key[0] != id.key[0] ||
	     (ipv6 && (ret->key[1] != id.key[1] || ret->key[2] != id.key[2]))))
		return LOOK_NOTHING;
	return look;
}

/* A packet to a VIP. */
static __always_inline int steady_request(struct xdp_md *ctx, struct work *work, __u32 vip)
{
	struct packet *pkt = &work->pkt;
	struct steady_entry entry;
	struct xlb_server *server;
	enum look look;

	look = pkt->family == XLB_IPV6 ? steady_request_of(work, vip, true, &entry) :
					 steady_request_of(work, vip, false, &entry);
	work->look = look == LOOK_NONE ? LOOK_NONE : LOOK_NOTHING;
	if (look != LOOK_FOUND)
		return XLB_CHANGE;
	server = steady_server(ctx, work, &entry);
	if (!server || !steady_way_back(ctx, pkt, &entry))
		return steady_not(work, &entry, pkt->family == XLB_IPV6);
	watch_flow(pkt, pkt->listener, vip, 0, entry.live);
	watch_hop(pkt, server->nexthop);
	switch (xlb_flow_mode(entry.fixed, server->mode)) {
#define X(NAME, word, properties, help) \
	case XLB_MODE_##NAME: \
		return steady_send(ctx, work, server, entry.fixed, XLB_MODE_##NAME);
		XLB_MODES(X)
#undef X
	}
	return -XLB_DROP_INTERNAL;
}

/* The first locator in the lines that a reply's hash names with the reply's tag, 0: none. */
static __always_inline __u64 steady_locator(const struct xlb_flow_page *page, __u64 hash)
{
	__u64 mask = xlb_set(xlb_set(0ULL, ~0ULL, XLB_LOCATOR_TAG), 1ULL, XLB_LOCATOR_USED);
	__u64 wanted = xlb_locator(hash, 0, 0), word;
	const __u64 *line;
	__u32 n, i;

	for (n = 0; n < LOCATOR_WORDS; n += XLB_LINE_WORDS) {
		line = &page->word[page_line(hash, n)];
#pragma unroll
		for (i = 0; i < XLB_LINE_WORDS; i++) {
			word = word_read(line + i);
			if (((word ^ wanted) & mask) == 0)
				return word;
		}
	}
	return 0;
}

/* The flow of a client of the family, a constant, that a locator leads to. */
static __always_inline bool steady_reply_of(const struct xlb_reply_key *key, __u64 locator,
					    bool ipv6, struct xlb_flow_at *at,
					    struct steady_entry *ret)
{
	__u64 place = locator_place(locator);
	struct xlb_flow_page *page = steady_page(flow_table_find(ipv6), place, at);

	return page &&
	       steady_look(page, place, ipv6, 1, locator_wanted(key), locator_mask(), ret) ==
		       LOOK_FOUND &&
	       !((ret->fixed ^ locator_wanted(key)) & locator_mask()) &&
	       reply_is_from(key, ret->fixed, flow_ports_of(ret->key, ipv6)) &&
	       reply_is_to(key,
			   flow_snat(server_find((__u32)xlb_get(ret->fixed, XLB_FIXED_SERVER)),
				     ret->fixed),
			   ipv6, ret->key[0], ret->key[1]);
}

/* The reply goes to the client of the family, a constant. */
static __always_inline int steady_answer(struct xdp_md *ctx, struct work *work,
					 const struct steady_entry *entry, bool ipv6)
{
	struct xlb_nexthop *hop = hop_find((__u32)xlb_get(entry->live, XLB_LIVE_HOP));
	__u32 vip = (__u32)xlb_get(entry->fixed, XLB_FIXED_VIP);
	__u8 family = ipv6 ? XLB_IPV6 : XLB_IPV4;
	struct packet *pkt = &work->pkt;
	struct ends ends;
	int r;

	r = egress_by(pkt, hop, translate_length(pkt, family), &work->egress);
	if (!r)
		r = direct_out(work);
	if (r)
		return r;
	ends.source = *vip_address_find(vip);
	flow_client_of(entry->key, ipv6, &ends.destination, &ends.destination_port,
		       &ends.source_port);
	watch_out(ctx, work, &ends, vip);
	return pkt->family == family ? edit_ends(ctx, pkt, &ends) :
				       steady_translate(ctx, work, &ends);
}

/* A packet that may be a reply, as to reply(). */
static __always_inline int steady_reply(struct xdp_md *ctx, struct work *work, __u32 snat)
{
	const struct xlb_flow_table *table = table_find(XLB_TABLE_REPLIES);
	struct packet *pkt = &work->pkt;
	struct steady_entry entry;
	struct xlb_flow_page *page;
	struct xlb_reply_key key;
	__u64 hash, locator;
	bool ipv6;

	work->look = LOOK_NOTHING;
	reply_key_of(pkt, &key);
	hash = xlb_reply_hash(table->seed, &key, (int)reply_is_ipv6(&key));
	page = steady_page(table, hash, &work->flow.at);
	locator = page ? steady_locator(page, hash) : 0;
	ipv6 = xlb_get(locator, XLB_LOCATOR_IPV6);
	if (!locator || !(ipv6 ? steady_reply_of(&key, locator, true, &work->flow.at, &entry) :
				 steady_reply_of(&key, locator, false, &work->flow.at, &entry)))
		return XLB_CHANGE;
	pkt->reply = true;
	if (!steady_server(ctx, work, &entry))
		return steady_not(work, &entry, ipv6);
	watch_flow(pkt, pkt->listener, 0, snat, entry.live);
	return ipv6 ? steady_answer(ctx, work, &entry, true) :
		      steady_answer(ctx, work, &entry, false);
}

#endif
