/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tunnel: the packet goes on inside an outer header, to a server that takes it off, has the VIP on its
 * loopback and answers the client itself.
 */
#ifndef XLB_BPF_MODE_TUNNEL_H
#define XLB_BPF_MODE_TUNNEL_H

#include "direct.h"
#include "outer.h"

static __always_inline __u32 tunnel_overhead(const struct xlb_server *server)
{
	return ip_header_size(server->family) +
	       (server->encapsulation == XLB_ENCAPSULATION_GUE ? sizeof(struct udphdr) : 0);
}

static __always_inline bool tunnel_takes(const struct packet *pkt, __u32 vip,
					 const struct xlb_server *server)
{
	(void)pkt, (void)vip, (void)server;
	return true;
}

static __always_inline int tunnel_create(const struct xlb_server *server, struct flow_draft *draft,
					 __u8 tcp_flags)
{
	(void)server;
	return direct_create(draft, tcp_flags);
}

static __always_inline int tunnel_ends(const struct packet *pkt, const struct xlb_server *server,
				       const struct mapping *mapping, struct ends *ret)
{
	(void)server, (void)mapping;
	direct_ends(pkt, ret);
	return 0;
}

static __always_inline __u32 tunnel_length(const struct packet *pkt,
					   const struct xlb_server *server)
{
	return pkt->l3_length + tunnel_overhead(server);
}

/* Ports and addresses of the packet, mixed; not secret, but spread. */
static __always_inline __u32 tunnel_entropy(const struct packet *pkt)
{
	__u32 mix = (__u32)pkt->source_port << 16 | pkt->destination_port;

	mix ^= pkt->source.words[0] ^ pkt->source.words[1] ^ pkt->source.words[2] ^
	       pkt->source.words[3];
	mix ^= pkt->destination.words[3];
	mix *= 0x9e3779b1; /* 2^32 / golden ratio */
	return mix ^ mix >> 15;
}

/* The outer headers, in the room made before the inner packet. */
static __always_inline int tunnel_write(const struct xdp_md *ctx, const struct outer *outer)
{
	struct cursor cursor = cursor_at(ctx, 0);
	struct ethhdr *eth = take(&cursor, sizeof(*eth));
	struct ipv6hdr *ipv6;
	struct iphdr *ipv4;
	struct udphdr *udp;

	if (!eth)
		return -XLB_DROP_INTERNAL;
	if (outer->family == XLB_IPV4) {
		ipv4 = take(&cursor, sizeof(*ipv4));
		if (!ipv4)
			return -XLB_DROP_INTERNAL;
		eth->h_proto = bpf_htons(ETH_P_IP);
		outer_fill_ipv4(ipv4, outer);
	} else {
		ipv6 = take(&cursor, sizeof(*ipv6));
		if (!ipv6)
			return -XLB_DROP_INTERNAL;
		eth->h_proto = bpf_htons(ETH_P_IPV6);
		outer_fill_ipv6(ipv6, outer);
	}
	if (!outer->gue)
		return 0;
	udp = take(&cursor, sizeof(*udp));
	if (!udp)
		return -XLB_DROP_INTERNAL;
	outer_fill_udp(udp, outer);
	return 0;
}

/* What the outer header takes from the inner one. */
static __always_inline int tunnel_read_inner(const struct xdp_md *ctx, struct outer *outer)
{
	struct cursor cursor = cursor_at(ctx, sizeof(struct ethhdr));
	struct iphdr *ip = take(&cursor, sizeof(*ip));

	if (!ip)
		return -XLB_DROP_INTERNAL;
	if (outer->inner_family == XLB_IPV4) {
		outer->inner_class = ip->tos;
		outer->may_fragment = !(ip->frag_off & bpf_htons(IPV4_DONT_FRAGMENT));
	} else {
		outer->inner_class = (__u8)(bpf_ntohl(*(__be32 *)ip) >> 20);
	}
	return 0;
}

STEP int tunnel_wrap(struct xdp_md *ctx, const struct packet *pkt, const struct xlb_server *server)
{
	struct xlb_snat *source = snat_find(server->pools[0].snat);
	struct outer outer = {
		.destination = server->addr,
		.entropy = tunnel_entropy(pkt),
		.inner_length = pkt->l3_length,
		.inner_family = pkt->family,
		.family = server->family,
		.gue = server->encapsulation == XLB_ENCAPSULATION_GUE,
	};
	int r;

	outer.source = source->addr;
	r = tunnel_read_inner(ctx, &outer);
	if (!r)
		r = edit_hop(ctx, pkt);
	if (r)
		return r;
	if (bpf_xdp_adjust_head(ctx, -(int)tunnel_overhead(server)))
		return -XLB_DROP_INTERNAL;
	return tunnel_write(ctx, &outer);
}

static __always_inline int tunnel_edit(struct xdp_md *ctx, const struct packet *pkt,
				       const struct xlb_server *server, const struct ends *ends)
{
	(void)ends;
	return tunnel_wrap(ctx, pkt, server);
}

#endif
