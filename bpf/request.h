/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets to a VIP. */
#ifndef XLB_BPF_REQUEST_H
#define XLB_BPF_REQUEST_H

#include "choose.h"
#include "limit.h"
#include "steps.h"

/* A new flow for the packet. */
static __always_inline int start(const struct xdp_md *ctx, struct work *work)
{
	struct flow_draft *draft = flow_draft_find();
	const struct packet *pkt = &work->pkt;
	union hop_word hop;
	int r;

	if (!draft || reply_hop(ctx, pkt, &hop))
		return -XLB_DROP_INTERNAL;
	draft->id = work->id;
	draft->client = pkt->source;
	draft->now = work->now;
	draft->server = pkt->server;
	draft->listener = pkt->listener;
	draft->pool = 0;
	draft->client_port = pkt->source_port;
	draft->port = pkt->destination_port;
	draft->snat_port = 0;
	draft->protocol = pkt->protocol;
	draft->instead = draft->made = false;
	draft->hop = hop.hop;
	r = mode_create(pkt->tcp_flags);
	if (!r)
		r = record_confirm();
	if (!r)
		work->flow.fixed = record_fixed(draft);
	return r;
}

/* The packet goes where its flow says. */
static __always_inline int follow(const struct xdp_md *ctx, struct work *work, bool steady)
{
	struct flow_at *flow = &work->flow;
	__u32 learned = 0;
	union hop_word hop;

	if (xlb_get(flow->fixed, XLB_FIXED_SNAT_PORT)) {
		if (reply_hop(ctx, &work->pkt, &hop))
			return -XLB_DROP_INTERNAL;
		learned = hop_learn((__u32)xlb_get(flow->live, XLB_LIVE_HOP), hop.word);
	}
	if (steady && !learned)
		return 0;
	if (steady)
		event_of(work, 0);
	return flow_touch(flow, &work->event, learned);
}

/* A packet to a VIP. */
static __always_inline int request(struct xdp_md *ctx, struct work *work, __u32 vip, enum look look)
{
	struct packet *pkt = &work->pkt;
	struct flow_at *flow = &work->flow;
	struct xlb_server *server = NULL;
	struct mapping mapping;
	int act = FLOW_START;
	bool known;
	int r;

	work_clock(work);
	flow_id_of(pkt, vip, pkt->family == XLB_IPV6, &work->id);
	flow_id_hash(&work->id);
	known = look == LOOK_FOUND || (look == LOOK_NOTHING && flow_find(&work->id, flow));
	if (known) {
		act = judge(ctx, work, &server);
		watch_flow(pkt, pkt->listener, vip, 0, flow->live);
		if (act < 0)
			return act;
	}
	if (act == FLOW_START || act == FLOW_REPICK) {
		r = choose(ctx, pkt, vip, false);
		if (r)
			return r;
		server = server_find(pkt->server);
		if (act == FLOW_REPICK && xlb_get(flow->fixed, XLB_FIXED_SERVER) == pkt->server)
			act = FLOW_FOLLOW;
		watch_choice(pkt, act == FLOW_FOLLOW);
	}
	if (!server)
		return -XLB_DROP_INTERNAL;
	r = egress_to(ctx, work, server, server->mode, mode_length(pkt, server, server->mode));
	if (!r)
		r = limit_request(pkt, server, act == FLOW_START);
	if (r)
		return r;
	if (act == FLOW_FOLLOW || act == FLOW_STEADY) {
		r = follow(ctx, work, act == FLOW_STEADY);
	} else {
		if (known && record_retire(flow, work->now, work->event.idle_timeout))
			return -XLB_DROP_FLOW_BUSY;
		r = start(ctx, work);
	}
	if (r)
		return r;
	mapping = record_mapping(server, flow->fixed, pkt->destination_port);
	r = mode_ends(pkt, server, &mapping, &work->ends);
	if (!r)
		r = commit_to(ctx, work, mapping.mode, vip);
	if (r)
		return r;
	if (pkt->tcp_flags & TCP_SYN)
		limit_mss(ctx, pkt, xlb_mode_has(mapping.mode, XLB_MODE_DIRECT) ? 0 : pkt->link,
			  pkt->family);
	return mode_edit(ctx, pkt, server, mapping.mode, &work->ends);
}

#endif
