/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Full NAT: source and destination are rewritten both ways; a SNAT port stands for the client. */
#ifndef XLB_BPF_MODE_FULLNAT_H
#define XLB_BPF_MODE_FULLNAT_H

#include "record.h"
#include "translate.h"

#define FULLNAT_MORE   4 /* tries beside one for each pool */
#define FULLNAT_STEALS 8

/* What a global function returns is not followed by the verifier: one pool is like another. */
GLOBAL_STEP int fullnat_pool_after(__u32 pool, __u32 count)
{
	return pool + 1 < count ? (int)pool + 1 : 0;
}

/*
 * Takes a free port of the draft's pool and puts its locator: 0, or without the port -XLB_DROP_SNAT_EXHAUSTED if there
 * is none, or a flow of another bitmap has it, -XLB_DROP_FLOW_TABLE_FULL if its locator finds no place.
 */
GLOBAL_STEP int fullnat_port_try(void)
{
	struct flow_draft *draft = flow_draft_find();
	int port, r = -XLB_DROP_SNAT_EXHAUSTED;
	struct xlb_server *server;
	__u32 bitmap;

	if (!draft)
		return r;
	server = server_find(draft->server);
	if (!server)
		return r;
	bitmap = server->pools[draft->pool % XLB_SERVER_POOLS].bitmap;
	port = snat_port_take(bitmap);
	if (!port)
		return r;
	draft->snat_port = bpf_htons((__u16)port);
	record_reply_key(draft, server);
	if (!reply_find(&draft->reply, 0, &draft->other)) {
		if (!record_locate(draft, false))
			return 0;
		r = -XLB_DROP_FLOW_TABLE_FULL;
	}
	snat_port_release(bitmap, (__u32)port);
	return r;
}

/*
 * Fills pool and snat_port of the draft with a free port of the server's pools: 0, or -XLB_DROP_x. Each try is of the next
 * pool, the first one is up to the flow: so pools fill evenly. Were they filled one after the other, ports without a place for
 * their locators would be the last free ones of each, and all that most new flows find.
 */
static __always_inline int fullnat_port_take(const struct xlb_server *server,
					     struct flow_draft *draft)
{
	__u32 count = server->pool_count, i;
	int reason = -XLB_DROP_SNAT_EXHAUSTED, r;

	draft->pool = (__u32)(xlb_get(draft->id.hash, 0, 16) * count >> 16);
	for (i = 0; i < XLB_SERVER_POOLS + FULLNAT_MORE; i++) {
		if (!count || i >= count + FULLNAT_MORE)
			break;
		r = fullnat_port_try();
		if (!r)
			return 0;
		if (r == -XLB_DROP_FLOW_TABLE_FULL)
			reason = r;
		draft->pool = (__u32)fullnat_pool_after(draft->pool, count);
	}
	return reason;
}

/* One look for a flow that is closed and only waits for its port to be safe again, at a random port of the pool. */
GLOBAL_STEP int fullnat_port_steal(void)
{
	struct flow_draft *draft = flow_draft_find();
	struct xlb_server *server;
	__u32 bitmap, port;

	if (!draft)
		return -FLOW_ENOSPC;
	server = server_find(draft->server);
	if (!server)
		return -FLOW_ENOSPC;
	bitmap = server->pools[draft->pool % XLB_SERVER_POOLS].bitmap;
	port = (__u32)snat_port_random(bitmap);
	draft->snat_port = bpf_htons((__u16)port);
	record_reply_key(draft, server);
	if (!record_oust(draft) || !snat_port_take_this(bitmap, port))
		return -FLOW_ENOSPC;
	if (!record_locate(draft, true))
		return 0;
	snat_port_release(bitmap, port);
	return -FLOW_ENOSPC;
}

/* The same with a few ports of all pools. */
static __always_inline bool fullnat_port_find_closed(const struct xlb_server *server,
						     struct flow_draft *draft)
{
	int i;

	for (i = 0; i < FULLNAT_STEALS; i++) {
		if (!fullnat_port_steal())
			return true;
		draft->pool = (__u32)fullnat_pool_after(draft->pool, server->pool_count);
	}
	return false;
}

static __always_inline bool fullnat_takes(const struct packet *pkt, __u32 vip,
					  const struct xlb_server *server)
{
	(void)pkt, (void)vip, (void)server;
	return true;
}

/* Another CPU may have made the flow meanwhile: the draft becomes a copy of that one. */
static __always_inline int fullnat_create(const struct xlb_server *server, struct flow_draft *draft,
					  __u8 tcp_flags)
{
	int r = fullnat_port_take(server, draft);

	(void)tcp_flags;
	if (r && !fullnat_port_find_closed(server, draft))
		return r;
	r = record_publish();
	if (r == -FLOW_EEXIST)
		return record_follow_winner(draft);
	return r ? record_reason(r) : 0;
}

/* What a client's packet becomes: from the SNAT port to the server. */
static __always_inline int fullnat_ends(const struct packet *pkt, const struct xlb_server *server,
					const struct mapping *mapping, struct ends *ret)
{
	struct xlb_snat *snat = snat_find(mapping->snat);

	(void)pkt;
	ret->source = snat->addr;
	ret->destination = server->addr;
	ret->source_port = mapping->snat_port;
	ret->destination_port = mapping->server_port;
	return 0;
}

static __always_inline __u32 fullnat_length(const struct packet *pkt,
					    const struct xlb_server *server)
{
	return translate_length(pkt, server->family);
}

static __always_inline int fullnat_edit(struct xdp_md *ctx, const struct packet *pkt,
					const struct xlb_server *server, const struct ends *ends)
{
	return translate_ends(ctx, pkt, ends, server->family);
}

#endif
