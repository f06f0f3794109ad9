/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Outer headers. IPv4 and IPv6 in IPv4 and IPv6: RFC 2003, 2473, 4213; or in UDP (GUE variant 1,
 * draft-ietf-intarea-gue-09 section 3.6: the IP header follows the UDP header), with a source port that tells
 * flows apart.
 */
#ifndef XLB_BPF_OUTER_H
#define XLB_BPF_OUTER_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "csum.h"

#define OUTER_TTL	   64
#define OUTER_GUE_PORT	   6080
#define OUTER_PORT_FIRST   49152 /* source ports are those that are nobody's by assignment */
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV6_FLOW_LABEL	   0x000fffff
#define IPV6_IN_IP	   41 /* IPPROTO_IPV6 is not in the headers for BPF */

struct outer {
	struct xlb_addr source, destination;
	__u32 entropy; /* the same for all packets of a flow */
	__u16 inner_length;
	__u8 inner_family, family;
	__u8 inner_class; /* DSCP and ECN (RFC 6040: the outer header gets both) */
	bool gue;
	bool may_fragment; /* the inner packet is IPv4 without DF */
};

/* True of what follows an outer IP header: its protocol, and with UDP the destination port. */
static __always_inline bool outer_is_own(__u8 protocol, __be16 port)
{
	return protocol == IPPROTO_IPIP || protocol == IPV6_IN_IP ||
	       (protocol == IPPROTO_UDP && port == bpf_htons(OUTER_GUE_PORT));
}

/* Bytes behind the outer IP header. */
static __always_inline __u32 outer_payload(const struct outer *outer)
{
	return outer->inner_length + (outer->gue ? sizeof(struct udphdr) : 0);
}

static __always_inline void outer_fill_ipv4(struct iphdr *ip, const struct outer *outer)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	*(__u8 *)ip = 4 << 4 | sizeof(*ip) / 4;
	ip->tos = outer->inner_class;
	ip->tot_len = bpf_htons((__u16)(sizeof(*ip) + outer_payload(outer)));
	if (!outer->may_fragment)
		ip->frag_off = bpf_htons(IPV4_DONT_FRAGMENT);
	else
		ip->id = (__u16)bpf_get_prandom_u32();
	ip->ttl = OUTER_TTL;
	ip->protocol = outer->gue		       ? IPPROTO_UDP :
		       outer->inner_family == XLB_IPV4 ? IPPROTO_IPIP :
							 IPV6_IN_IP;
	ip->saddr = outer->source.words[3];
	ip->daddr = outer->destination.words[3];
	ip->check = (__u16)~csum_fold(csum_add_words(0, ip, sizeof(*ip) / 4));
}

static __always_inline void outer_fill_ipv6(struct ipv6hdr *ip, const struct outer *outer)
{
	*(__be32 *)ip = bpf_htonl(6U << 28 | (__u32)outer->inner_class << 20 |
				  (outer->entropy & IPV6_FLOW_LABEL));
	ip->payload_len = bpf_htons((__u16)outer_payload(outer));
	ip->nexthdr = outer->gue		      ? IPPROTO_UDP :
		      outer->inner_family == XLB_IPV4 ? IPPROTO_IPIP :
							IPV6_IN_IP;
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, &outer->source, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &outer->destination, sizeof(ip->daddr));
}

static __always_inline void outer_fill_udp(struct udphdr *udp, const struct outer *outer)
{
	udp->source = bpf_htons((__u16)(OUTER_PORT_FIRST | outer->entropy >> 18));
	udp->dest = bpf_htons(OUTER_GUE_PORT);
	udp->len = bpf_htons((__u16)(outer->inner_length + sizeof(*udp)));
	udp->check =
		0; /* the inner packet has its own; allowed for tunnels over IPv6 too (RFC 6935) */
}

#endif
