/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments of packets (RFC 791, RFC 8200 section 4.5). The first one has the ports and goes the way of any packet;
 * what became of it is kept for the others, which follow it. One that comes before the first has no way.
 */
#ifndef XLB_BPF_FRAGMENT_H
#define XLB_BPF_FRAGMENT_H

#include "serve.h"

static __always_inline bool fragment_is_first(const struct packet *pkt)
{
	return pkt->fragment < 8;
}

/* Fills the packet's key and, if its first fragment came not long ago, what that has said; whether it did. */
GLOBAL_STEP int fragment_find(void)
{
	struct work *work = work_find();
	struct xlb_fragment *known;
	struct packet *pkt;

	if (!work)
		return false;
	pkt = &work->pkt;
	work->fragment_key = (struct xlb_fragment_key){
		.source = pkt->source,
		.destination = pkt->destination,
		.id = pkt->fragment_id,
		.protocol = pkt->protocol,
		.family = pkt->family,
	};
	known = bpf_map_lookup_elem(&fragmented, &work->fragment_key);
	if (!known ||
	    xlb_flow_age(work->now, known->stamp) > xlb_lifetime_units(XLB_FRAGMENT_LIFETIME))
		return false;
	work->fragment = *known;
	return true;
}

/*
 * The first fragment's transport header, which must be all there, and must not be written over by what follows
 * (RFC 1858, RFC 3128). 0 or -XLB_DROP_BAD_PACKET.
 */
static __always_inline int fragment_read(const struct xdp_md *ctx, struct packet *pkt)
{
	struct cursor cursor = cursor_at(ctx, pkt->l4_offset & L4_OFFSET_MAX);
	struct udphdr *udp;

	if (pkt->protocol == IPPROTO_TCP)
		return parse_tcp(&cursor, pkt, true);
	udp = take(&cursor, sizeof(*udp));
	if (!udp || pkt->l4_length < sizeof(*udp) || bpf_ntohs(udp->len) < pkt->l4_length)
		return -XLB_DROP_BAD_PACKET;
	pkt->source_port = udp->source;
	pkt->destination_port = udp->dest;
	return 0;
}

/* True of a later one that lies over what decides where the packet goes, or that is no sound part of anything. */
static __always_inline bool fragment_is_bad(const struct packet *pkt)
{
	__u32 offset = pkt->fragment & ~7U;

	return (pkt->protocol == IPPROTO_TCP && offset < sizeof(struct tcphdr)) ||
	       !pkt->l4_length || (pkt->fragment & 1 && pkt->l4_length % 8) ||
	       offset + pkt->l4_length > 0xffff;
}

/* Keeps for the other fragments what becomes of the first; its new id is in `fragment` already. */
GLOBAL_STEP int fragment_keep(void)
{
	struct work *work = work_find();
	struct xlb_fragment *value;
	struct xlb_server *server;
	struct packet *pkt;

	if (!work)
		return 0;
	pkt = &work->pkt;
	server = server_find(pkt->server);
	value = &work->fragment;
	value->source = work->ends.source;
	value->destination = work->ends.destination;
	value->listener = pkt->listener;
	value->server = pkt->server;
	value->hop = (__u32)xlb_get(work->flow.live, XLB_LIVE_HOP);
	value->stamp = work->now;
	value->mode = xlb_flow_mode(work->flow.fixed, server->mode);
	value->family = !pkt->reply ? server->family : work->flow.ipv6 ? XLB_IPV6 : XLB_IPV4;
	value->reply = pkt->reply;
	value->pad = 0;
	if (xlb_mode_has(value->mode, XLB_MODE_DIRECT)) {
		value->source_port = pkt->source_port;
		value->destination_port = pkt->destination_port;
	}
	if (!dry_run)
		bpf_map_update_elem(&fragmented, &work->fragment_key, value, BPF_ANY);
	return 0;
}

/* Writes the id into a fragment whose family stays. */
GLOBAL_STEP int fragment_number(struct xdp_md *ctx, __u32 id)
{
	struct work *work = work_find();
	struct cursor cursor = cursor_at(ctx, sizeof(struct ethhdr));
	struct ipv6_extension *extension;
	struct iphdr *ip;

	if (!work)
		return -XLB_DROP_INTERNAL;
	if (work->pkt.family == XLB_IPV4) {
		ip = take(&cursor, sizeof(*ip));
		if (!ip)
			return -XLB_DROP_INTERNAL;
		ip->check = csum_update(ip->check, csum_replace(0, ip->id, (__u16)id));
		ip->id = (__u16)id;
		return 0;
	}
	cursor.offset = (work->pkt.l4_offset - sizeof(*extension)) & L4_OFFSET_MAX;
	extension = take(&cursor, sizeof(*extension));
	if (!extension)
		return -XLB_DROP_INTERNAL;
	extension->rest = id;
	return 0;
}

/* True if the packet needs an id of its own: its source becomes one that other hosts have too (RFC 6864 section 5.1). */
static __always_inline bool fragment_is_numbered(const struct xlb_fragment *fragment)
{
	return !xlb_mode_has(fragment->mode, XLB_MODE_DIRECT) &&
	       (fragment->reply || fragment->mode == XLB_MODE_FULLNAT);
}

/* New addresses for a fragment without transport header. */
GLOBAL_STEP int fragment_edit(struct xdp_md *ctx)
{
	struct work *work = work_find();
	struct packet *pkt;

	if (!work)
		return -XLB_DROP_INTERNAL;
	pkt = &work->pkt;
	if (work->fragment.family != pkt->family)
		return translate(ctx, pkt, &work->ends);
	return pkt->family == XLB_IPV4 ?
		       edit_ipv4(ctx, pkt, &work->ends, edit_change(pkt, &work->ends)) :
		       edit_ipv6(ctx, pkt, &work->ends);
}

/* The way of a later fragment, of a packet whose first is known. */
GLOBAL_STEP int fragment_follow(struct xdp_md *ctx)
{
	struct work *work = work_find();
	struct xlb_fragment *known;
	struct xlb_server *server;
	struct packet *pkt;
	__u32 length;
	int r;

	if (!work)
		return -XLB_DROP_INTERNAL;
	pkt = &work->pkt;
	known = &work->fragment;
	server = server_find(known->server);
	pkt->listener = known->listener;
	pkt->server = known->server;
	pkt->reply = known->reply;
	watch_role(pkt, pkt->listener, 0, 0);
	work->ends = (struct ends){ .source = known->source, .destination = known->destination };
	length = translate_length(pkt, known->family);
	if (xlb_mode_has(known->mode, XLB_MODE_DIRECT)) {
		work->ends =
			(struct ends){ .source = pkt->source, .destination = pkt->destination };
		length = mode_length(pkt, server, server->mode);
	}
	if (pkt->reply)
		r = egress_by(pkt, hop_find(known->hop), length, &work->egress);
	else
		r = egress_to(ctx, work, server, server->mode, length);
	if (!r && server->flags & XLB_SERVER_METERED)
		r = limit_take(pkt, pkt->reply ? &work->ends.destination : &pkt->source, false);
	return r ? r : commit_to(ctx, work, known->mode, 0);
}

/* A later fragment. */
static __always_inline int fragment_later(struct xdp_md *ctx, struct work *work,
					  const struct xlb_address *role)
{
	struct xlb_fragment *known = &work->fragment;
	struct packet *pkt = &work->pkt;
	int r;

	if (!fragment_find())
		/* of what is not xlb's alone the host may make a packet */
		return !role->vip || vip_find(role->vip)->flags & XLB_VIP_HOST ? XLB_PASS :
										 -XLB_DROP_FRAGMENT;
	if (fragment_is_bad(pkt))
		return -XLB_DROP_BAD_PACKET;
	r = fragment_follow(ctx);
	if (r)
		return r;
	if (xlb_mode_has(known->mode, XLB_MODE_DIRECT)) {
		pkt->source_port = known->source_port;
		pkt->destination_port = known->destination_port;
		return mode_edit(ctx, pkt, server_find(known->server), known->mode, &work->ends);
	}
	pkt->fragment_id = known->id;
	r = fragment_edit(ctx);
	if (!r && known->family == pkt->family && fragment_is_numbered(known))
		r = fragment_number(ctx, known->id);
	return r;
}

/* The first fragment: it goes as every packet does, with the id that the others will have too. */
static __always_inline int fragment_first(struct xdp_md *ctx, struct work *work,
					  const struct xlb_address *role)
{
	struct xlb_fragment *kept = &work->fragment;
	struct packet *pkt = &work->pkt;
	int r = fragment_read(ctx, pkt);

	if (r)
		return role->vip ? r : XLB_PASS;
	if (!fragment_find())
		kept->id = bpf_get_prandom_u32() & (pkt->family == XLB_IPV4 ? 0xffff : 0xffffffff);
	pkt->fragment_id = kept->id;
	r = serve(ctx, work, role, LOOK_NOTHING);
	/* the host gets it: as the server, and the others too, or because it is none of xlb's, and has no server */
	if (r && !(r == XLB_PASS && pkt->server))
		return r;
	fragment_keep();
	if (r)
		return r;
	return kept->family == pkt->family && fragment_is_numbered(kept) ?
		       fragment_number(ctx, kept->id) :
		       0;
}

/* A fragment to an address with the role, or of a server of a nat group. */
static __always_inline int fragment(struct xdp_md *ctx, struct work *work,
				    const struct xlb_address *role)
{
	work_clock(work);
	return fragment_is_first(&work->pkt) ? fragment_first(ctx, work, role) :
					       fragment_later(ctx, work, role);
}

#endif
