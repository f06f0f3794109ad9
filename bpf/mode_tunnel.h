/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tunnel: the packet goes on inside an outer header, to a server that takes it off, has the VIP on its
 * loopback and answers the client itself. IPv4 and IPv6 in IPv4 and IPv6: RFC 2003, 2473, 4213, 7676's rules
 * for what the inner header gives to the outer one; or in UDP (GUE variant 1, draft-ietf-intarea-gue-09
 * section 3.6: the IP header follows the UDP header), with a source port that tells flows apart.
 */
#ifndef XLB_BPF_MODE_TUNNEL_H
#define XLB_BPF_MODE_TUNNEL_H

#include "direct.h"

#define TUNNEL_TTL	   64
#define TUNNEL_GUE_PORT	   6080
#define TUNNEL_PORT_FIRST  49152 /* source ports are those that are nobody's by assignment */
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV6_FLOW_LABEL	   0x000fffff
#define IPV6_IN_IP	   41 /* IPPROTO_IPV6 is not in the headers for BPF */

struct tunnel {
	struct xlb_addr source, destination;
	__u32 entropy; /* the same for all packets of a flow */
	__u16 inner_length;
	__u8 inner_family, family;
	__u8 inner_class; /* DSCP and ECN (RFC 6040: the outer header gets both) */
	bool gue;
	bool may_fragment; /* the inner packet is IPv4 without DF */
};

static __always_inline __u32 tunnel_overhead(const struct xlb_server *server)
{
	return (server->family == XLB_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) +
	       (server->encapsulation == XLB_ENCAPSULATION_GUE ? sizeof(struct udphdr) : 0);
}

static __always_inline bool tunnel_takes(const struct packet *pkt, __u32 vip,
					 const struct xlb_server *server)
{
	(void)pkt, (void)vip, (void)server;
	return true;
}

static __always_inline int tunnel_create(const struct xlb_flow_key *key,
					 const struct xlb_server *server, struct xlb_flow *record,
					 __u8 tcp_flags)
{
	(void)server;
	return direct_create(key, record, tcp_flags);
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

static __always_inline void tunnel_write_ipv4(struct iphdr *ip, const struct tunnel *tunnel,
					      __u32 length)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	*(__u8 *)ip = 4 << 4 | sizeof(*ip) / 4;
	ip->tos = tunnel->inner_class;
	ip->tot_len = bpf_htons((__u16)(sizeof(*ip) + length));
	if (!tunnel->may_fragment)
		ip->frag_off = bpf_htons(IPV4_DONT_FRAGMENT);
	else
		ip->id = (__u16)bpf_get_prandom_u32();
	ip->ttl = TUNNEL_TTL;
	ip->protocol = tunnel->gue			? IPPROTO_UDP :
		       tunnel->inner_family == XLB_IPV4 ? IPPROTO_IPIP :
							  IPV6_IN_IP;
	ip->saddr = tunnel->source.words[3];
	ip->daddr = tunnel->destination.words[3];
	ip->check = (__u16)~csum_fold(csum_add_words(0, ip, sizeof(*ip) / 4));
}

static __always_inline void tunnel_write_ipv6(struct ipv6hdr *ip, const struct tunnel *tunnel,
					      __u32 length)
{
	*(__be32 *)ip = bpf_htonl(6U << 28 | (__u32)tunnel->inner_class << 20 |
				  (tunnel->entropy & IPV6_FLOW_LABEL));
	ip->payload_len = bpf_htons((__u16)length);
	ip->nexthdr = tunnel->gue		       ? IPPROTO_UDP :
		      tunnel->inner_family == XLB_IPV4 ? IPPROTO_IPIP :
							 IPV6_IN_IP;
	ip->hop_limit = TUNNEL_TTL;
	__builtin_memcpy(&ip->saddr, &tunnel->source, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &tunnel->destination, sizeof(ip->daddr));
}

/* The outer headers, in the room made before the inner packet. */
static __always_inline int tunnel_write(const struct xdp_md *ctx, const struct tunnel *tunnel)
{
	__u32 length = tunnel->inner_length + (tunnel->gue ? sizeof(struct udphdr) : 0);
	struct cursor cursor = cursor_at(ctx, 0);
	struct ethhdr *eth = take(&cursor, sizeof(*eth));
	struct ipv6hdr *ipv6;
	struct iphdr *ipv4;
	struct udphdr *udp;

	if (!eth)
		return -XLB_DROP_INTERNAL;
	if (tunnel->family == XLB_IPV4) {
		ipv4 = take(&cursor, sizeof(*ipv4));
		if (!ipv4)
			return -XLB_DROP_INTERNAL;
		eth->h_proto = bpf_htons(ETH_P_IP);
		tunnel_write_ipv4(ipv4, tunnel, length);
	} else {
		ipv6 = take(&cursor, sizeof(*ipv6));
		if (!ipv6)
			return -XLB_DROP_INTERNAL;
		eth->h_proto = bpf_htons(ETH_P_IPV6);
		tunnel_write_ipv6(ipv6, tunnel, length);
	}
	if (!tunnel->gue)
		return 0;
	udp = take(&cursor, sizeof(*udp));
	if (!udp)
		return -XLB_DROP_INTERNAL;
	udp->source = bpf_htons((__u16)(TUNNEL_PORT_FIRST | tunnel->entropy >> 18));
	udp->dest = bpf_htons(TUNNEL_GUE_PORT);
	udp->len = bpf_htons((__u16)length);
	udp->check =
		0; /* the inner packet has its own; allowed for tunnels over IPv6 too (RFC 6935) */
	return 0;
}

/* What the outer header takes from the inner one. */
static __always_inline int tunnel_read_inner(const struct xdp_md *ctx, struct tunnel *tunnel)
{
	struct cursor cursor = cursor_at(ctx, sizeof(struct ethhdr));
	struct iphdr *ip = take(&cursor, sizeof(*ip));

	if (!ip)
		return -XLB_DROP_INTERNAL;
	if (tunnel->inner_family == XLB_IPV4) {
		tunnel->inner_class = ip->tos;
		tunnel->may_fragment = !(ip->frag_off & bpf_htons(IPV4_DONT_FRAGMENT));
	} else {
		tunnel->inner_class = (__u8)(bpf_ntohl(*(__be32 *)ip) >> 20);
	}
	return 0;
}

STEP int tunnel_wrap(struct xdp_md *ctx, const struct packet *pkt, const struct xlb_server *server)
{
	struct xlb_snat *source = snat_find(server->pools[0].snat);
	struct tunnel tunnel = {
		.destination = server->addr,
		.entropy = tunnel_entropy(pkt),
		.inner_length = pkt->l3_length,
		.inner_family = pkt->family,
		.family = server->family,
		.gue = server->encapsulation == XLB_ENCAPSULATION_GUE,
	};
	int r;

	if (!source)
		return -XLB_DROP_INTERNAL;
	tunnel.source = source->addr;
	r = tunnel_read_inner(ctx, &tunnel);
	if (!r)
		r = edit_hop(ctx, pkt);
	if (r)
		return r;
	if (bpf_xdp_adjust_head(ctx, -(int)tunnel_overhead(server)))
		return -XLB_DROP_INTERNAL;
	return tunnel_write(ctx, &tunnel);
}

static __always_inline int tunnel_edit(struct xdp_md *ctx, const struct packet *pkt,
				       const struct xlb_server *server, const struct ends *ends)
{
	(void)ends;
	return tunnel_wrap(ctx, pkt, server);
}

#endif
