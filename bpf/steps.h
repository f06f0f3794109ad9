/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What happens alike to packets of clients, of servers, and to errors about either. */
#ifndef XLB_BPF_STEPS_H
#define XLB_BPF_STEPS_H

#include "mode.h"
#include "mss.h"
#include "nexthop.h"
#include "path_mtu.h"
#include "quic.h"
#include "record.h"
#include "watch.h"
#include "work.h"

/* What the packet is to a flow whose server has the flags. */
static __always_inline void event_of(struct work *work, __u32 server_flags)
{
	const struct packet *pkt = &work->pkt;
	struct flow_event *ret = &work->event;

	ret->now = work->now;
	ret->idle_timeout = 0;
	ret->server_flags = server_flags;
	ret->protocol = pkt->protocol;
	ret->tcp_flags = pkt->tcp_flags;
	ret->reply = pkt->reply;
	ret->direct = ret->adopt = false;
}

/*
 * Whether a packet changes nothing of its flow although the server has a flag: it goes by connection ids, and was given
 * the chance to learn one.
 */
static __always_inline bool is_unchanged_quic(struct xdp_md *ctx, const struct work *work,
					      __u32 server_flags)
{
	if (!(server_flags & XLB_SERVER_QUIC))
		return false;
	if (quic_is_long(ctx, &work->pkt))
		quic_learn(ctx, &work->pkt, &work->flow);
	return flow_is_unchanged(work->flow.live, work->now, server_flags & ~XLB_SERVER_QUIC,
				 &work->pkt);
}

/* What the packet is to the flow that it found. Fills whom to count it for, and the flow's server. */
static __always_inline int judge(struct xdp_md *ctx, struct work *work,
				 struct xlb_server **ret_server)
{
	const struct flow_at *flow = &work->flow;
	struct packet *pkt = &work->pkt;
	struct xlb_listener *listener;
	struct xlb_server *server;
	__u8 mode;

	pkt->listener = (__u32)xlb_get(flow->fixed, XLB_FIXED_LISTENER);
	pkt->server = (__u32)xlb_get(flow->fixed, XLB_FIXED_SERVER);
	server = server_find(pkt->server);
	*ret_server = server;
	if (flow_is_unchanged(flow->live, work->now, server->flags, pkt) ||
	    is_unchanged_quic(ctx, work, server->flags))
		return FLOW_STEADY;
	listener = listener_find(pkt->listener);
	mode = xlb_flow_mode(flow->fixed, server->mode);
	event_of(work, server->flags);
	work->event.idle_timeout = listener->idle_timeout;
	work->event.direct = xlb_mode_has(mode, XLB_MODE_DIRECT);
	work->event.adopt = xlb_mode_has(mode, XLB_MODE_ADOPT);
	return flow_judge(flow_life_of(flow->live), &work->event);
}

/* The hop back to where the packet came from. */
static __always_inline int reply_hop(const struct xdp_md *ctx, const struct packet *pkt,
				     union hop_word *ret)
{
	struct cursor cursor = cursor_at(ctx, 0);
	struct ethhdr *eth = take(&cursor, sizeof(*eth));

	if (!eth)
		return -XLB_DROP_INTERNAL;
	ret->word = mac_read(eth->h_source, (__u16)pkt->link);
	return 0;
}

/*
 * A SYN announces how long segments to its sender may be. Those of a connection of which xlb sees both directions
 * fit the interface towards the client, by its slot, and the one towards the server; slot 0: it does not.
 * The listener may ask for less.
 */
GLOBAL_STEP int limit_mss(struct xdp_md *ctx, const struct packet *pkt, __u32 client_slot,
			  __u32 client_family)
{
	__u32 limit = MSS_ANY, other;
	struct xlb_server *server;

	if (!pkt)
		return -XLB_DROP_INTERNAL;
	if (client_slot) {
		server = server_find(pkt->server);
		limit = mss_of_mtu(interface_mtu(client_slot), client_family);
		other = mss_of_mtu(interface_mtu(nexthop_slot(server->nexthop)), server->family);
		limit = other < limit ? other : limit;
	}
	other = listener_find(pkt->listener)->mss;
	if (other && other < limit)
		limit = other;
	return mss_lower(ctx, pkt->l4_offset, sizeof(struct tcphdr), limit);
}

/* True if the packet leaves by the NIC that it came in by. */
static __always_inline bool goes_back(const struct packet *pkt, const struct egress *egress)
{
	return egress_nic(egress) == pkt->slot;
}

/* Says to the kernel where the packet goes. */
static __always_inline int direct_out(const struct work *work)
{
	/* the flag is what comes back if the device is not there; nothing happens before the verdict */
	return !goes_back(&work->pkt, &work->egress) &&
			       bpf_redirect_map(&devices, work->egress.slot, XDP_DROP) !=
				       XDP_REDIRECT ?
		       -XLB_DROP_NO_INTERFACE :
		       0;
}

/* Tells who watches that the packet gets these ends, and of which flow it is. */
static __always_inline void watch_out(struct xdp_md *ctx, struct work *work,
				      const struct ends *ends, __u32 vip)
{
	struct packet *pkt = &work->pkt;

	if (!observing)
		return;
	watch_egress(pkt, work->egress.slot);
	watch_measure(pkt, ends, vip);
	watch_before(ctx, pkt, ends,
		     goes_back(pkt, &work->egress) ? XLB_VERDICT_TX : XLB_VERDICT_REDIRECT, 0);
}

/* All is decided: the last step before the packet gets its new ends. */
static __always_inline int commit(struct xdp_md *ctx, struct work *work, __u32 vip)
{
	int r = direct_out(work);

	if (!r)
		watch_out(ctx, work, &work->ends, vip);
	return r;
}

/* The same of a packet to a server in a mode. To the host itself it has no way out, and keeps its ends: pass() tells that. */
static __always_inline int commit_to(struct xdp_md *ctx, struct work *work, __u8 mode, __u32 vip)
{
	if (!xlb_mode_has(mode, XLB_MODE_HOST))
		return commit(ctx, work, vip);
	watch_measure(&work->pkt, &work->ends, vip);
	return 0;
}

/* The way out to a server in a mode, if there is any, for what will measure `length` as an IP packet. */
static __always_inline int egress_to(const struct xdp_md *ctx, struct work *work,
				     const struct xlb_server *server, __u8 mode, __u32 length)
{
	struct packet *pkt = &work->pkt;
	int r;

	if (xlb_mode_has(mode, XLB_MODE_HOST))
		return 0;
	watch_hop(pkt, server->nexthop);
	r = egress_by_id(pkt, server->nexthop, length, &work->egress);
	if (!r && xlb_mode_has(mode, XLB_MODE_ENCAP))
		r = path_check(ctx, pkt, &server->addr, length, work->now);
	return r;
}

#endif
