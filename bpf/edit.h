/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rewrites a packet in place, checksums kept right by what changed. */
#ifndef XLB_BPF_EDIT_H
#define XLB_BPF_EDIT_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>

#include "csum.h"
#include "maps.h"

static __always_inline __u8 other_family(__u8 family)
{
	return family == XLB_IPV4 ? XLB_IPV6 : XLB_IPV4;
}

/* Bytes of an IP header, without options or extension headers. */
static __always_inline __u32 ip_header_size(__u32 family)
{
	return family == XLB_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

static __always_inline struct cursor cursor_at(const struct xdp_md *ctx, __u32 offset)
{
	struct cursor cursor = {
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
		.offset = offset,
	};

	return cursor;
}

/* Writes the MAC of a union link_word, by halves: in a frame it is aligned to no more. */
static __always_inline void mac_write(__u8 mac[6], __u64 word)
{
	union link_word link = { .word = word };
	__u16 *halves = (__u16 *)mac;

	halves[0] = link.mac[0];
	halves[1] = link.mac[1];
	halves[2] = link.mac[2];
}

/* The union link_word of a frame's MAC and the slot of an interface. */
static __always_inline __u64 mac_read(const __u8 mac[6], __u16 interface)
{
	const __u16 *halves = (const __u16 *)mac;
	union link_word link = { .mac = { halves[0], halves[1], halves[2] } };

	link.interface = interface;
	return link.word;
}

static __always_inline int edit_link(const struct xdp_md *ctx, __u64 destination, __u64 source)
{
	struct cursor cursor = cursor_at(ctx, 0);
	struct ethhdr *eth = take(&cursor, sizeof(*eth));

	if (!eth)
		return -XLB_DROP_INTERNAL;
	mac_write(eth->h_dest, destination);
	mac_write(eth->h_source, source);
	return 0;
}

/* `change`: of the addresses, in checksums. */
static __always_inline int edit_ipv4(const struct xdp_md *ctx, const struct packet *pkt,
				     const struct ends *ends, __u64 change)
{
	struct cursor cursor = cursor_at(ctx, sizeof(struct ethhdr));
	struct iphdr *ip = take(&cursor, sizeof(*ip));

	if (!ip)
		return -XLB_DROP_INTERNAL;
	/* TTL is the high byte of its 16-bit word */
	change = csum_replace(change, bpf_htons((__u16)(pkt->ttl << 8)),
			      bpf_htons((__u16)((pkt->ttl - 1) << 8)));
	ip->check = csum_update(ip->check, change);
	ip->saddr = ends->source.words[3];
	ip->daddr = ends->destination.words[3];
	ip->ttl = (__u8)(pkt->ttl - 1);
	return 0;
}

static __always_inline int edit_ipv6(const struct xdp_md *ctx, const struct packet *pkt,
				     const struct ends *ends)
{
	struct cursor cursor = cursor_at(ctx, sizeof(struct ethhdr));
	struct ipv6hdr *ip = take(&cursor, sizeof(*ip));

	if (!ip)
		return -XLB_DROP_INTERNAL;
	__builtin_memcpy(&ip->saddr, &ends->source, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &ends->destination, sizeof(ip->daddr));
	ip->hop_limit = (__u8)(pkt->ttl - 1);
	return 0;
}

/* One from the TTL or hop limit, which is above 1, as a router does that changes nothing else. */
static __always_inline int edit_hop(const struct xdp_md *ctx, const struct packet *pkt)
{
	struct cursor cursor = cursor_at(ctx, sizeof(struct ethhdr));
	struct ipv6hdr *ipv6;
	struct iphdr *ip;
	__u32 check;

	if (pkt->family == XLB_IPV6) {
		ipv6 = take(&cursor, sizeof(*ipv6));
		if (!ipv6)
			return -XLB_DROP_INTERNAL;
		ipv6->hop_limit = (__u8)(pkt->ttl - 1);
		return 0;
	}
	ip = take(&cursor, sizeof(*ip));
	if (!ip)
		return -XLB_DROP_INTERNAL;
	/* TTL is the high byte of its 16-bit word; 0xffff is 0, and a carry comes back in (RFC 1141) */
	check = ip->check + (__u32)bpf_htons(0x0100);
	ip->check = (__u16)(check + (check >= 0xffff));
	ip->ttl = (__u8)(pkt->ttl - 1);
	return 0;
}

/* What new addresses, of whatever family, change in the checksum. */
static __always_inline __u64 edit_change(const struct packet *pkt, const struct ends *ends)
{
	return csum_replace_addr(csum_replace_addr(0, &pkt->source, &ends->source),
				 &pkt->destination, &ends->destination);
}

/* Ports and checksum, of which `change` is known; UDP without a checksum stays without. */
static __always_inline int edit_l4(const struct xdp_md *ctx, const struct packet *pkt,
				   const struct ends *ends, __u64 change)
{
	struct cursor cursor = cursor_at(ctx, pkt->l4_offset & L4_OFFSET_MAX);
	struct tcphdr *tcp;
	struct udphdr *udp;

	change = csum_replace(change, pkt->source_port, ends->source_port);
	change = csum_replace(change, pkt->destination_port, ends->destination_port);
	if (pkt->protocol == IPPROTO_TCP) {
		tcp = take(&cursor, sizeof(*tcp));
		if (!tcp)
			return -XLB_DROP_INTERNAL;
		tcp->source = ends->source_port;
		tcp->dest = ends->destination_port;
		tcp->check = csum_update(tcp->check, change);
		return 0;
	}
	udp = take(&cursor, sizeof(*udp));
	if (!udp)
		return -XLB_DROP_INTERNAL;
	udp->source = ends->source_port;
	udp->dest = ends->destination_port;
	if (udp->check) {
		udp->check = csum_update(udp->check, change);
		/* 0 would say that there is none */
		if (!udp->check)
			udp->check = 0xffff;
	}
	return 0;
}

/* Gives the packet new ends of its own family and takes one from its TTL, which is above 1. */
static __always_inline int edit_ends(const struct xdp_md *ctx, const struct packet *pkt,
				     const struct ends *ends)
{
	__u64 change;
	int r;

	if (pkt->family == XLB_IPV4) {
		change = csum_replace(0, pkt->source.words[3], ends->source.words[3]);
		change =
			csum_replace(change, pkt->destination.words[3], ends->destination.words[3]);
		r = edit_ipv4(ctx, pkt, ends, change);
	} else {
		change = edit_change(pkt, ends);
		r = edit_ipv6(ctx, pkt, ends);
	}
	return r ? r : edit_l4(ctx, pkt, ends, change);
}

#endif
