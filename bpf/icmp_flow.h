/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP messages to addresses of xlb: whose they are, and where they go. */
#ifndef XLB_BPF_ICMP_FLOW_H
#define XLB_BPF_ICMP_FLOW_H

#include "choose.h"
#include "icmp_answer.h"
#include "icmp_error.h"
#include "reply.h"
#include "rules.h"
#include "steps.h"

#define ICMP_STRANGER 5 /* result of icmp_find: no flow, but there may be a server all the same */

/* A router has thrown away a packet of xlb's own making, since it was too large: an outer header and what is in it. */
static __always_inline void icmp_own(const struct work *work)
{
	const struct icmp_message *message = &work->error.message;
	const struct packet *about = &work->about;
	bool ipv4 = about->family == XLB_IPV4;

	if (!outer_is_own(about->protocol, about->source_port))
		return;
	if (ipv4 && message->type == ICMP4_UNREACHABLE && message->code == ICMP4_FRAGMENT_NEEDED)
		path_mtu_learn(&about->source, bpf_ntohs(message->mtu), work->now);
	if (!ipv4 && message->type == ICMP6_TOO_BIG)
		path_mtu_learn(&about->source, bpf_ntohl(message->word), work->now);
}

/* What is done with a message that is no error, or one that cannot be read; XLB_ANSWERED: it is to be answered. */
static __always_inline int icmp_other(const struct xdp_md *ctx, const struct packet *pkt, bool host,
				      __u32 rules)
{
	struct cursor cursor = cursor_at(ctx, pkt->l4_offset & L4_OFFSET_MAX);
	__u8 *type = take(&cursor, 1);
	int r = 0;

	if (host)
		return XLB_PASS;
	if (!type || pkt->l4_length < sizeof(struct icmp_message) ||
	    icmp_is_error(pkt->family, *type))
		return -XLB_DROP_BAD_PACKET;
	if (!icmp_is_echo(pkt->family, *type))
		return XLB_PASS;
	if (rules)
		r = rules_check(pkt, rules);
	if (r)
		return r;
	return icmp_echo_is_plain(ctx, pkt) ? XLB_ANSWERED : XLB_PASS;
}

/*
 * Finds the flow of an ICMP error to an address of xlb's, or (no role at all) maybe to a client of a nat group: 0,
 * ICMP_STRANGER, or what is done with it.
 */
GLOBAL_STEP int icmp_find(struct xdp_md *ctx, __u32 vip, __u32 snat)
{
	bool host = !vip || vip_find(vip)->flags & XLB_VIP_HOST;
	struct cursor cursor = cursor_at(ctx, 0);
	struct work *work = work_find();
	struct packet *about;

	if (!work)
		return -XLB_DROP_INTERNAL;
	about = &work->about;
	work_clock(work);
	__builtin_memset(about, 0, sizeof(*about));
	if (!icmp_read(&cursor, &work->pkt, &work->error, about))
		return icmp_other(ctx, &work->pkt, host, vip ? vip_find(vip)->rules : 0);
	if (is_l4(about->protocol) && (snat || !vip)) {
		reply_key_of(about, &work->key);
		about->reply = reply_find(&work->key, 0, &work->flow);
		if (about->reply)
			return 0;
	}
	/* an address may be a VIP too, and GUE is UDP */
	if (snat)
		icmp_own(work);
	if (is_l4(about->protocol) && vip) {
		flow_id_of(about, vip, about->family == XLB_IPV6, &work->id);
		flow_id_hash(&work->id);
		if (flow_find(&work->id, &work->flow))
			return 0;
		work->flow.fixed = 0;
		return host ? XLB_PASS : ICMP_STRANGER;
	}
	return XLB_PASS;
}

/* From a packet of a VIP to the client that is quoted: to the server whose flow it is. */
static __always_inline int icmp_to_server(const struct xdp_md *ctx, struct work *work)
{
	struct packet *pkt = &work->pkt, *about = &work->about;
	struct xlb_server *server = server_find(pkt->server);
	struct mapping mapping = record_mapping(server, work->flow.fixed, about->destination_port);
	int r = mode_ends(about, server, &mapping, &work->about_ends);

	if (r)
		return r;
	work->error.family = ICMP_AS_IT_IS;
	if (xlb_mode_has(mapping.mode, XLB_MODE_DIRECT)) {
		work->ends =
			(struct ends){ .source = pkt->source, .destination = pkt->destination };
		return egress_to(ctx, work, server, server->mode,
				 mode_length(pkt, server, server->mode));
	}
	work->error.family = server->family;
	icmp_ends(pkt, about, &work->about_ends, &work->ends);
	return egress_to(ctx, work, server, server->mode, icmp_length(pkt, &work->error));
}

/* From a packet to a server that is quoted, as the server was to see it: to the client. */
static __always_inline int icmp_to_client(struct work *work)
{
	struct packet *pkt = &work->pkt;
	struct flow_at *flow = &work->flow;
	int r = reply_ends(flow, &work->about_ends);

	pkt->reply = true;
	work->error.family = flow->ipv6 ? XLB_IPV6 : XLB_IPV4;
	icmp_ends(pkt, &work->about, &work->about_ends, &work->ends);
	return r ? r :
		   egress_by(pkt, hop_find((__u32)xlb_get(flow->live, XLB_LIVE_HOP)),
			     icmp_length(pkt, &work->error), &work->egress);
}

/* Decides where an error goes whose flow, or whose server, is known. */
GLOBAL_STEP int icmp_aim(struct xdp_md *ctx, __u32 vip)
{
	struct work *work = work_find();
	struct packet *pkt;
	int r;

	if (!work)
		return -XLB_DROP_INTERNAL;
	pkt = &work->pkt;
	if (work->flow.fixed) {
		pkt->listener = (__u32)xlb_get(work->flow.fixed, XLB_FIXED_LISTENER);
		pkt->server = (__u32)xlb_get(work->flow.fixed, XLB_FIXED_SERVER);
		watch_flow(pkt, pkt->listener, vip, 0, work->flow.live);
	} else {
		pkt->listener = work->about.listener;
		pkt->server = work->about.server;
		watch_role(pkt, pkt->listener, vip, 0);
	}
	r = work->about.reply ? icmp_to_client(work) : icmp_to_server(ctx, work);
	return r ? r :
		   commit_to(ctx, work, server_find(pkt->server)->mode,
			     (__u32)xlb_get(work->flow.fixed, XLB_FIXED_VIP));
}

/*
 * The way of an error to the other end, through a server's outer header too: that is as those of the flow are, so that
 * who spreads load by it sends both the same way.
 */
GLOBAL_STEP int icmp_pass_on(struct xdp_md *ctx)
{
	struct work *work = work_find();
	struct xlb_server *server;
	struct packet *pkt;

	if (!work)
		return -XLB_DROP_INTERNAL;
	pkt = &work->pkt;
	pkt->source = work->about.source;
	pkt->source_port = work->about.source_port;
	pkt->destination_port = work->about.destination_port;
	server = server_find(pkt->server);
	return mode_edit(ctx, pkt, server, server->mode, &work->ends);
}

/* Answers an echo request to a VIP: XLB_ANSWERED or -XLB_DROP_x. */
GLOBAL_STEP int icmp_answer(struct xdp_md *ctx)
{
	struct work *work = work_find();
	struct packet *pkt;
	int r;

	if (!work)
		return -XLB_DROP_INTERNAL;
	pkt = &work->pkt;
	watch_before(ctx, pkt, NULL, XLB_VERDICT_ICMP, 0);
	r = icmp_echo(ctx, pkt, interface_mac(interface_find(pkt->link)));
	return r ? r : XLB_ANSWERED;
}

/* An ICMP message that may be xlb's business. */
static __always_inline int icmp(struct xdp_md *ctx, struct work *work,
				const struct xlb_address *role)
{
	int r;

	watch_role(&work->pkt, 0, role->vip, role->snat);
	r = icmp_find(ctx, role->vip, role->snat);
	if (r == ICMP_STRANGER) {
		/* only modes that need no flow: there it is the hash that says whose it is */
		r = choose(ctx, &work->about, role->vip, true);
		if (r || !xlb_mode_has(server_find(work->about.server)->mode, XLB_MODE_DIRECT))
			return -XLB_DROP_ICMP_UNKNOWN;
	}
	if (!r)
		r = icmp_aim(ctx, role->vip);
	if (r == XLB_ANSWERED)
		return icmp_answer(ctx);
	if (r)
		return r;
	return work->error.family == ICMP_AS_IT_IS ? icmp_pass_on(ctx) : icmp_edit_ends(ctx);
}

#endif
