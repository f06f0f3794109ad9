/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet that starts a flow: its listener, and the server that is to have it. */
#ifndef XLB_BPF_CHOOSE_H
#define XLB_BPF_CHOOSE_H

#include "affinity.h"
#include "listener.h"
#include "mode.h"
#include "quic.h"
#include "rules.h"
#include "select.h"
#include "split.h"
#include "watch.h"
#include "xlb/addr.h"

/* True if packets to the address are xlb's; false if only those from it may be. */
static __always_inline bool is_own(const struct xlb_address *role)
{
	return role->vip || role->snat;
}

#define CHOICES 4 /* servers asked whether they can take a flow */

/* One of the group's servers by what leads to a slot, the first of a few that can take the flow. */
static __always_inline int choose_by_hash(struct packet *pkt, __u32 vip, __u32 group, __u32 hash)
{
	__u32 turn, first = 0;
	int r;

	for (turn = 0; turn < CHOICES; turn++) {
		r = server_select(pkt, group, hash, turn, &pkt->server);
		if (r)
			return r;
		first = first ? first : pkt->server;
		if (mode_takes(pkt, vip, server_find(pkt->server)))
			break;
	}
	if (turn == CHOICES)
		pkt->server = first;
	return 0;
}

/* What the connection id of a datagram says, if the group goes by ids; quic.h says how it is to be read. */
static __always_inline __u64 ask_id(struct xdp_md *ctx, const struct packet *pkt, __u32 vip,
				    const struct xlb_listener *listener)
{
	__u64 says = 0;

	if (pkt->protocol == IPPROTO_UDP && group_choice(listener->group).id_length)
		says = quic_ask(ctx, pkt, vip);
	watch_id(pkt, (__u32)xlb_get(says, QUIC_SAYS_FOUND));
	return says;
}

/* The server that the source is with in the group, if it can take the flow; 0: none. */
static __always_inline __u32 ask_affinity(const struct packet *pkt, __u32 vip, __u32 group,
					  struct xlb_choice choice)
{
	__u32 server = choice.affinity ? (__u32)affinity_ask(pkt, group) : 0;

	if (!server || !mode_takes(pkt, vip, server_find(server)))
		return 0;
	watch_id(pkt, XLB_FOUND_KEPT);
	return server;
}

/*
 * A server of the listener's groups for a packet that starts a flow, into pkt; `again`: only one that would be chosen
 * for other packets of the connection too.
 */
static __always_inline int choose_server(struct xdp_md *ctx, struct packet *pkt, __u32 vip,
					 const struct xlb_listener *listener, bool again,
					 __u32 *ret_group, __u8 *ret_mode)
{
	struct xlb_address own = address_find(&pkt->source);
	__u64 says = ask_id(ctx, pkt, vip, listener);
	__u32 found = (__u32)xlb_get(says, QUIC_SAYS_FOUND);
	__u32 value = (__u32)xlb_get(says, QUIC_SAYS_VALUE);
	__u32 group = group_taker(listener_group(pkt, listener, found == XLB_FOUND_ID ? value : 0),
				  pkt->family);
	struct xlb_choice choice = group_choice(group);
	struct xlb_server *server;
	int r = 0;

	watch_group(pkt, group);
	if (!found || found == XLB_FOUND_ID)
		pkt->server = ask_affinity(pkt, vip, group, choice);
	else
		pkt->server = value;
	if (!pkt->server && again && !select_is_stable(choice))
		return -XLB_DROP_NO_FLOW;
	if (!pkt->server)
		r = choose_by_hash(pkt, vip, group,
				   found ? value : select_hash(pkt, group, choice));
	if (r)
		return r;
	server = server_find(pkt->server);
	if (!server->mode ||
	    (server->family != pkt->family && !xlb_mode_has(server->mode, XLB_MODE_FAMILY)))
		return -XLB_DROP_INTERNAL;
	if (server->flags & XLB_SERVER_RESET)
		return -XLB_DROP_NO_SERVER;
	/* a reply to an address of xlb, or a packet of the server to itself, would never arrive */
	if (is_own(&own) || (xlb_mode_has(server->mode, XLB_MODE_DIRECT) &&
			     xlb_addr_equal(&pkt->source, &server->addr)))
		return -XLB_DROP_HAIRPIN;
	*ret_group = group;
	*ret_mode = server->mode;
	return 0;
}

/*
 * Listener and server for a packet that starts a flow, into pkt; `again`: none will be made, it is about a packet that
 * was sent to the server.
 */
GLOBAL_STEP int choose(struct xdp_md *ctx, struct packet *pkt, __u32 vip_id, bool again)
{
	struct xlb_vip *vip = vip_find(vip_id);
	struct xlb_listener *listener;
	__u8 mode = XLB_MODE_NONE;
	__u32 group = 0;
	bool midway;
	int r;

	if (!pkt)
		return -XLB_DROP_INTERNAL;
	midway = pkt->protocol == IPPROTO_TCP && !tcp_is_syn(pkt->tcp_flags);
	pkt->listener = 0;
	pkt->server = 0;
	pkt->listener = listener_match(vip, pkt->protocol, pkt->destination_port);
	watch_role(pkt, pkt->listener, vip_id, 0);
	if (!pkt->listener)
		return vip->flags & XLB_VIP_HOST ? XLB_PASS : -XLB_DROP_NO_LISTENER;
	listener = listener_find(pkt->listener);
	/* who is not let in gets no answer either */
	if (listener->rules) {
		r = rules_check(pkt, listener->rules);
		if (r)
			return r;
	}
	r = listener->flags & XLB_LISTENER_DISABLED ?
		    -XLB_DROP_NO_LISTENER :
		    choose_server(ctx, pkt, vip_id, listener, again || midway, &group, &mode);
	/* a segment of no flow gets an answer, unless a server may know it that would be chosen again */
	if (midway && (r || !xlb_mode_has(mode, XLB_MODE_ADOPT)))
		return -XLB_DROP_NO_FLOW;
	if (!r && !again && group_choice(group).affinity)
		affinity_keep(pkt, group);
	return r;
}

#endif
