/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets of servers to clients. */
#ifndef XLB_BPF_REPLY_H
#define XLB_BPF_REPLY_H

#include "limit.h"
#include "steps.h"
#include "translate.h"

/* The ends that a reply gets: from the VIP to the client. */
static __always_inline int reply_ends(const struct flow_at *flow, struct ends *ret)
{
	struct xlb_addr *vip = vip_address_find((__u32)xlb_get(flow->fixed, XLB_FIXED_VIP));
	struct xlb_flow_page *page = table_page_at(&flow->at);
	__u64 live;

	if (!page)
		return -XLB_DROP_INTERNAL;
	ret->source = *vip;
	flow_client(page, flow, &ret->destination, &ret->destination_port, &ret->source_port);
	live = word_read(page_word(page, flow->at.word));
	if (xlb_get(live, XLB_LIVE_INCARNATION) != xlb_get(flow->live, XLB_LIVE_INCARNATION))
		return -XLB_DROP_NO_FLOW;
	return flow_lives(live) || flow_is_moved(live) ? 0 : -XLB_DROP_NO_FLOW;
}

/* How a packet of a server finds its flow. */
static __always_inline void reply_key_of(const struct packet *pkt, struct xlb_reply_key *ret)
{
	*ret = (struct xlb_reply_key){
		.server = pkt->source,
		.peer = pkt->destination,
		.server_port = pkt->source_port,
		.peer_port = pkt->destination_port,
		.protocol = pkt->protocol,
	};
}

/*
 * A packet to the SNAT address, or (snat 0) of a server whose packets to clients come back through xlb: a
 * reply, or the host's business if no flow has its ports. `found`: its flow is in the work.
 */
static __always_inline int reply(struct xdp_md *ctx, struct work *work, __u32 snat, bool found)
{
	struct packet *pkt = &work->pkt;
	struct flow_at *flow = &work->flow;
	struct xlb_server *server;
	struct xlb_nexthop *hop;
	__u8 family;
	int act, r;

	reply_key_of(pkt, &work->key);
	if (!found && !reply_find(&work->key, 0, flow))
		return XLB_PASS;
	pkt->reply = true;
	work_clock(work);
	family = flow->ipv6 ? XLB_IPV6 : XLB_IPV4;
	act = judge(ctx, work, &server);
	watch_flow(pkt, pkt->listener, 0, snat, flow->live);
	if (act < 0)
		return act;
	hop = hop_find((__u32)xlb_get(flow->live, XLB_LIVE_HOP));
	r = egress_by(pkt, hop, translate_length(pkt, family), &work->egress);
	if (!r)
		r = reply_ends(flow, &work->ends);
	if (!r && server->flags & XLB_SERVER_METERED)
		r = limit_take(pkt, &work->ends.destination, false);
	if (!r && act != FLOW_STEADY)
		r = flow_touch(flow, &work->event, 0);
	if (!r)
		r = commit(ctx, work, (__u32)xlb_get(flow->fixed, XLB_FIXED_VIP));
	if (r)
		return r;
	if (pkt->tcp_flags & TCP_SYN)
		limit_mss(ctx, pkt, work->egress.slot, family);
	return translate_ends(ctx, pkt, &work->ends, family);
}

#endif
