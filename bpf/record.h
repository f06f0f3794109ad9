/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a flow, whatever its mode: its entry, its reply locator and its SNAT port, if it has them, come and
 * go together.
 */
#ifndef XLB_BPF_RECORD_H
#define XLB_BPF_RECORD_H

#include <bpf/bpf_endian.h>

#include "count.h"
#include "flow.h"
#include "hop.h"
#include "insert.h"
#include "locator.h"
#include "select.h"
#include "snat.h"

#define RECORD_TRIES 3 /* flows that must go before there is room */

/* The part of a flow that says what its client's packets become. */
struct mapping {
	__u32 snat;
	__be16 snat_port, server_port;
	__u8 mode;
};

static __always_inline struct xlb_snat_pool record_pool(const struct xlb_server *server,
							__u64 fixed)
{
	return server->pools[(__u32)xlb_get(fixed, XLB_FIXED_POOL) % XLB_SERVER_POOLS];
}

/* `port`: that the client asked for. */
static __always_inline struct mapping record_mapping(const struct xlb_server *server, __u64 fixed,
						     __be16 port)
{
	struct mapping mapping = {
		.snat = record_pool(server, fixed).snat,
		.snat_port = (__be16)xlb_get(fixed, XLB_FIXED_SNAT_PORT),
		.server_port = server->port ? server->port : port,
		.mode = xlb_flow_mode(fixed, server->mode),
	};

	return mapping;
}

/* The bitmap that holds the flow's SNAT port, 0: none does. */
static __always_inline __u32 record_bitmap(const struct xlb_server *server, __u64 fixed)
{
	return xlb_flow_mode(fixed, server->mode) == XLB_MODE_FULLNAT &&
			       xlb_get(fixed, XLB_FIXED_SNAT_PORT) ?
		       record_pool(server, fixed).bitmap :
		       0;
}

/* The hash of an entry's key, which leads to its locator. */
static __always_inline __u64 record_hash(struct xlb_flow_page *page, const struct flow_at *flow)
{
	struct flow_id id;

	flow_id_at(page, flow, &id);
	return id.hash;
}

/* Takes a flow apart that the caller has claimed: its locator, its port, its entry. */
GLOBAL_STEP int record_free(struct flow_at *flow)
{
	struct flow_draft *draft = flow_draft_find();
	struct xlb_flow_page *page;
	struct xlb_reply_key *reply;
	struct xlb_server *server;
	struct xlb_snat *snat;
	__be16 client_port, port;

	if (!flow || !draft || dry_run)
		return 0;
	reply = &draft->freed;
	page = table_page_at(&flow->at);
	server = server_find((__u32)xlb_get(flow->fixed, XLB_FIXED_SERVER));
	if (!page)
		return 0;
	reply->peer_port = (__be16)xlb_get(flow->fixed, XLB_FIXED_SNAT_PORT);
	if (server && reply->peer_port) {
		flow_client(page, flow, &reply->peer, &client_port, &port);
		snat = flow_snat(server, flow->fixed);
		if (snat)
			reply->peer = snat->addr;
		reply->server = server->addr;
		reply->server_port = server->port ? server->port : port;
		reply->protocol = xlb_get(flow->fixed, XLB_FIXED_UDP) ? IPPROTO_UDP : IPPROTO_TCP;
		locator_remove(reply, record_hash(page, flow), flow->ipv6);
		/* before it is released: should this CPU come no further, it is not released twice */
		*(volatile __u64 *)page_word(page, flow->at.word + 1U) =
			xlb_set(flow->fixed, 0ULL, XLB_FIXED_SNAT_PORT);
		snat_port_release(record_bitmap(server, flow->fixed), bpf_ntohs(reply->peer_port));
	}
	flow_swap(flow, flow_freed(flow->live));
	return 0;
}

/* Takes a flow apart if it still is as it was seen: 0, or -FLOW_EAGAIN. */
static __always_inline int record_end(struct flow_at *flow, __u32 now)
{
	/* one that never came alive has nothing but its entry, and no word but the first can be believed */
	if (xlb_get(flow->live, XLB_LIVE_STATE) == XLB_FLOW_BUSY)
		return flow_swap(flow, flow_freed(flow->live)) ? 0 : -FLOW_EAGAIN;
	return flow_claim(flow, now) ? record_free(flow) : -FLOW_EAGAIN;
}

/* Makes way for a new flow of the same key: 0, or -FLOW_EAGAIN. */
GLOBAL_STEP int record_retire(struct flow_at *flow, __u32 now, __u32 idle_timeout)
{
	struct flow_life life;
	struct xlb_server *server;
	bool udp;

	if (!flow)
		return -FLOW_EAGAIN;
	life = flow_life_of(flow->live);
	server = server_find((__u32)xlb_get(flow->fixed, XLB_FIXED_SERVER));
	udp = xlb_get(flow->fixed, XLB_FIXED_UDP);
	if (xlb_get(flow->live, XLB_LIVE_MOVING))
		return -FLOW_EAGAIN;
	if (!udp && server && record_bitmap(server, flow->fixed) &&
	    xlb_flow_age(now, life.stamp) <=
		    xlb_flow_lifetime(IPPROTO_TCP, life.state, life.flags, idle_timeout))
		return flow_swap(flow, xlb_set(flow->live, 1ULL, XLB_LIVE_REST)) ? 0 : -FLOW_EAGAIN;
	return record_end(flow, now);
}

/* Where the replies of the draft's flow will come from and go to. */
static __always_inline void record_reply_key(struct flow_draft *draft,
					     const struct xlb_server *server)
{
	struct xlb_snat *snat = NULL;

	if (server->mode == XLB_MODE_FULLNAT || draft->instead)
		snat = snat_find(server->pools[draft->pool % XLB_SERVER_POOLS].snat);
	draft->reply.server = server->addr;
	draft->reply.peer = snat ? snat->addr : draft->client;
	draft->reply.server_port = server->port ? server->port : draft->port;
	draft->reply.peer_port = draft->snat_port;
	draft->reply.protocol = draft->protocol;
}

/*
 * Ends the flow that has the replies of the draft's flow, if it is closed and only waits for its port to be
 * safe again.
 */
static __always_inline bool record_oust(struct flow_draft *draft)
{
	struct flow_at *holder = &draft->found;

	if (!reply_find(&draft->reply, 0, holder) ||
	    xlb_get(holder->live, XLB_LIVE_STATE) != XLB_FLOW_CLOSED ||
	    record_end(holder, draft->now))
		return false;
	count_eviction();
	return true;
}

static __always_inline __u64 record_live(const struct flow_draft *draft)
{
	__u64 live = xlb_set(0ULL, draft->now, XLB_LIVE_STAMP);
	union hop_word from = { .hop = draft->hop };

	if (draft->snat_port)
		live = xlb_set(live, (__u32)hop_number(from.word), XLB_LIVE_HOP);
	return xlb_set(live, draft->now, XLB_LIVE_CREATED);
}

static __always_inline __u64 record_fixed(const struct flow_draft *draft)
{
	__u64 fixed = draft->id.identity;

	fixed = xlb_set(fixed, draft->server, XLB_FIXED_SERVER);
	fixed = xlb_set(fixed, draft->listener, XLB_FIXED_LISTENER);
	fixed = xlb_set(fixed, draft->pool, XLB_FIXED_POOL);
	fixed = xlb_set(fixed, draft->snat_port, XLB_FIXED_SNAT_PORT);
	fixed = xlb_set(fixed, (__u64)draft->instead, XLB_FIXED_INSTEAD);
	return xlb_set(fixed, draft->now >> 16, XLB_FIXED_CREATED);
}

/* An entry for the draft, BUSY: what flow_insert says. */
static __always_inline int record_insert(struct flow_draft *draft)
{
	__u64 live = record_live(draft), fixed = record_fixed(draft);
	int r = -FLOW_ENOSPC, i;
	bool evicted = false;

	for (i = 0; i < RECORD_TRIES; i++) {
		r = flow_insert(&draft->id, live, fixed, evicted, &draft->found);
		if (r != -FLOW_EAGAIN && r != -FLOW_EBUSY)
			return r;
		if (r == -FLOW_EBUSY || record_end(&draft->found, draft->now))
			continue;
		count_eviction();
		evicted = true;
	}
	return r;
}

/*
 * Puts the locator of the draft's replies, if it has any; it leads nowhere until the flow lives. 0, or -FLOW_ENOSPC.
 * `ousted`: where a flow with these replies has gone, whose locator only a dry run has left.
 */
static __always_inline int record_locate(struct flow_draft *draft, bool ousted)
{
	if (!draft->snat_port || (ousted && dry_run))
		return 0;
	return locator_put(&draft->reply, draft->id.hash, draft->id.ipv6);
}

/*
 * Makes the flow of the draft. Its locator and its SNAT port, if it has them, are there already, and are given back on
 * any failure: 0, -FLOW_EEXIST with the flow that is there, -FLOW_EBUSY or -FLOW_ENOSPC.
 */
GLOBAL_STEP int record_publish(void)
{
	struct flow_draft *draft = flow_draft_find();
	struct xlb_server *server;
	__u64 fixed;
	int r;

	if (!draft)
		return -FLOW_ENOSPC;
	server = server_find(draft->server);
	if (!server)
		return -FLOW_ENOSPC;
	fixed = record_fixed(draft);
	r = record_insert(draft);
	if (!r && !flow_settle(&draft->found))
		r = flow_rival(&draft->id, &draft->found);
	draft->made = !r;
	if (r && draft->snat_port) {
		locator_remove(&draft->reply, draft->id.hash, draft->id.ipv6);
		snat_port_release(record_bitmap(server, fixed), bpf_ntohs(draft->snat_port));
	}
	return r;
}

/* What a failure to make a flow is to its packet. */
static __always_inline int record_reason(int error)
{
	return error == -FLOW_ENOSPC ? -XLB_DROP_FLOW_TABLE_FULL : -XLB_DROP_FLOW_BUSY;
}

/* Another CPU has made the flow: the draft becomes a copy of it if it went to the same server. */
static __always_inline int record_follow_winner(struct flow_draft *draft)
{
	__u64 fixed = draft->found.fixed;

	if (flow_await(&draft->found) || xlb_get(fixed, XLB_FIXED_SERVER) != draft->server ||
	    xlb_get(fixed, XLB_FIXED_INSTEAD) != draft->instead)
		return -XLB_DROP_FLOW_BUSY;
	draft->pool = (__u32)xlb_get(fixed, XLB_FIXED_POOL);
	draft->snat_port = (__be16)xlb_get(fixed, XLB_FIXED_SNAT_PORT);
	return 0;
}

/*
 * The last step for a flow that has been made, if it has. Where a client keeps its port, another CPU may have given the
 * same replies to another flow: each sees the other, neither goes on. 0, or -XLB_DROP_FLOW_BUSY.
 */
GLOBAL_STEP int record_confirm(void)
{
	struct flow_draft *draft = flow_draft_find();
	struct xlb_server *server;

	if (!draft || !draft->made)
		return 0;
	server = server_find(draft->server);
	if (server && draft->snat_port && !record_bitmap(server, record_fixed(draft)) &&
	    reply_clash(&draft->reply, &draft->found, &draft->other) &&
	    flow_claim(&draft->found, draft->now)) {
		locator_remove(&draft->reply, draft->id.hash, draft->id.ipv6);
		flow_swap(&draft->found, flow_freed(draft->found.live));
		return -XLB_DROP_FLOW_BUSY;
	}
	count_flow(draft->listener, draft->server, XLB_COUNT_FLOWS);
	return 0;
}

#endif
