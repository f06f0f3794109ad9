/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frame to struct packet: Ethernet, IPv4 with options, IPv6 with extension headers, TCP, UDP; where ICMP lies. */
#ifndef XLB_BPF_PARSE_H
#define XLB_BPF_PARSE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>

#include "pkt.h"
#include "xlb/addr.h"

#define IPV4_FRAGMENT	    0x3fff /* more fragments, or an offset */
#define IPV4_MORE	    0x2000
#define IPV4_OFFSET	    0x1fff
#define IPV6_FRAGMENT	    0xfff9
#define IPV6_OFFSET	    0xfff8
#define IPV6_EXTENSIONS_MAX 8

/* as linux/in6.h has them, which cannot be included beside the C library's */
#define IPV6_HOP_BY_HOP	     0
#define IPV6_ROUTING	     43
#define IPV6_FRAGMENT_HEADER 44
#define IPV6_DESTINATION     60

/* First bytes of every extension header; a routing header's segments-left lies in the fourth. */
struct ipv6_extension {
	__u8 next_header;
	__u8 length; /* in 8 bytes, the first 8 not counted */
	union {
		struct {
			__u8 type;
			__u8 segments_left;
		} routing;
		__be16 fragment;
	};
	__u32 rest;
};

/* What a packet is that cannot be used: where ICMP and fragments are not looked at (not odd), somebody else's. */
static __always_inline int parse_fault(bool odd, int fault)
{
	return odd ? fault : XLB_ODD;
}

static __always_inline int parse_tcp(struct cursor *cursor, struct packet *pkt, bool odd)
{
	struct tcphdr *tcp = take(cursor, sizeof(*tcp));
	__u32 header;

	if (!tcp || pkt->l4_length < sizeof(*tcp))
		return parse_fault(odd, -XLB_DROP_BAD_PACKET);
	header = tcp->doff * 4U;
	if (header < sizeof(*tcp) || header > pkt->l4_length)
		return parse_fault(odd, -XLB_DROP_BAD_PACKET);
	pkt->source_port = tcp->source;
	pkt->destination_port = tcp->dest;
	pkt->tcp_flags = ((__u8 *)tcp)[13];
	return 0;
}

static __always_inline int parse_udp(struct cursor *cursor, struct packet *pkt, bool odd)
{
	struct udphdr *udp = take(cursor, sizeof(*udp));
	__u16 length;

	if (!udp || pkt->l4_length < sizeof(*udp))
		return parse_fault(odd, -XLB_DROP_BAD_PACKET);
	length = bpf_ntohs(udp->len);
	if (length < sizeof(*udp) || length > pkt->l4_length)
		return parse_fault(odd, -XLB_DROP_BAD_PACKET);
	pkt->source_port = udp->source;
	pkt->destination_port = udp->dest;
	return 0;
}

static __always_inline bool is_l4(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

/* The ICMP of an address family. */
static __always_inline __u8 icmp_protocol(__u8 family)
{
	return family == XLB_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

static __always_inline int parse_l4(struct cursor *cursor, struct packet *pkt, bool odd)
{
	if (cursor->offset > L4_OFFSET_MAX)
		return parse_fault(odd, -XLB_DROP_BAD_PACKET);
	pkt->l4_offset = (__u16)cursor->offset;
	if (odd && !is_l4(pkt->protocol))
		return XLB_PASS;
	if (pkt->protocol == IPPROTO_TCP)
		return parse_tcp(cursor, pkt, odd);
	return parse_udp(cursor, pkt, odd);
}

/* The rest of a fragment: where its payload is, behind `options` bytes. */
static __always_inline int parse_fragment(struct cursor *cursor, __u32 options, struct packet *pkt)
{
	if (!is_l4(pkt->protocol))
		return XLB_PASS;
	if (!take(cursor, options) || cursor->offset > L4_OFFSET_MAX)
		return -XLB_DROP_BAD_PACKET;
	pkt->l4_offset = (__u16)cursor->offset;
	pkt->fragmented = true;
	return -XLB_DROP_FRAGMENT;
}

static __always_inline int parse_ipv4_rest(struct cursor *cursor, struct packet *pkt, bool odd)
{
	struct iphdr *ip = take(cursor, sizeof(*ip));
	__u32 header, length;

	if (!ip)
		return parse_fault(odd, -XLB_DROP_BAD_PACKET);
	header = ip->ihl * 4U;
	length = bpf_ntohs(ip->tot_len);
	if (header < sizeof(*ip) || length < header ||
	    length > pkt->frame_length - sizeof(struct ethhdr))
		return parse_fault(odd, -XLB_DROP_BAD_PACKET);
	pkt->l3_length = (__u16)length;
	pkt->l4_length = (__u16)(length - header);
	pkt->protocol = ip->protocol;
	pkt->ttl = ip->ttl;
	if (!is_l4(pkt->protocol) && !(odd && pkt->protocol == IPPROTO_ICMP))
		return parse_fault(odd, XLB_PASS);
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT)) {
		if (!odd)
			return XLB_ODD;
		pkt->fragment = (__u16)((bpf_ntohs(ip->frag_off) & IPV4_OFFSET) << 3);
		pkt->fragment |= !!(ip->frag_off & bpf_htons(IPV4_MORE));
		pkt->fragment_id = ip->id;
		return parse_fragment(cursor, header - sizeof(*ip), pkt);
	}
	if (!take(cursor, header - sizeof(*ip)))
		return parse_fault(odd, -XLB_DROP_BAD_PACKET);
	return parse_l4(cursor, pkt, odd);
}

static __always_inline int parse_ipv4_ends(struct cursor *cursor, struct packet *pkt)
{
	struct iphdr *ip = take(cursor, sizeof(*ip));

	if (!ip || ip->version != 4)
		return XLB_PASS;
	pkt->family = XLB_IPV4;
	xlb_addr_set_ipv4(&pkt->source, ip->saddr);
	xlb_addr_set_ipv4(&pkt->destination, ip->daddr);
	return 0;
}

/* All but one or two extension headers are rare. */
static __always_inline int parse_ipv6_rest(struct cursor *cursor, struct packet *pkt, bool odd)
{
	struct ipv6hdr *ip = take(cursor, sizeof(*ip));
	struct ipv6_extension *extension;
	__u32 left, size;
	__u8 next;
	int i;

	if (!ip)
		return parse_fault(odd, -XLB_DROP_BAD_PACKET);
	left = bpf_ntohs(ip->payload_len);
	next = ip->nexthdr;
	if (left > pkt->frame_length - sizeof(struct ethhdr) - sizeof(*ip) ||
	    left > 0xffff - sizeof(*ip))
		return parse_fault(odd, -XLB_DROP_BAD_PACKET);
	pkt->l3_length = (__u16)(sizeof(*ip) + left);
	pkt->ttl = ip->hop_limit;
	for (i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		if (is_l4(next) || (odd && next == IPPROTO_ICMPV6)) {
			pkt->protocol = next;
			pkt->l4_length = (__u16)left;
			return parse_l4(cursor, pkt, odd);
		}
		if (next != IPV6_HOP_BY_HOP && next != IPV6_ROUTING &&
		    next != IPV6_FRAGMENT_HEADER && next != IPV6_DESTINATION)
			return parse_fault(odd, XLB_PASS);
		extension = take(cursor, sizeof(*extension));
		if (!extension || left < sizeof(*extension))
			return parse_fault(odd, -XLB_DROP_BAD_PACKET);
		size = sizeof(*extension);
		if (next == IPV6_FRAGMENT_HEADER) {
			if (extension->fragment & bpf_htons(IPV6_FRAGMENT)) {
				if (!odd)
					return XLB_ODD;
				pkt->fragment = bpf_ntohs(extension->fragment) & IPV6_FRAGMENT;
				pkt->fragment_id = extension->rest;
				pkt->protocol = extension->next_header;
				pkt->l4_length = (__u16)(left - sizeof(*extension));
				return left < sizeof(*extension) ? -XLB_DROP_BAD_PACKET :
								   parse_fragment(cursor, 0, pkt);
			}
		} else {
			/* not yet at its last address: a router's business */
			if (next == IPV6_ROUTING && extension->routing.segments_left)
				return parse_fault(odd, XLB_PASS);
			size += extension->length * 8U;
		}
		next = extension->next_header;
		if (size > left || !take(cursor, size - sizeof(*extension)))
			return parse_fault(odd, -XLB_DROP_BAD_PACKET);
		left -= size;
	}
	return parse_fault(odd, -XLB_DROP_BAD_PACKET);
}

/* True if the IP header names ICMP, of a cursor at the frame's begin; no use with extension headers. */
static __always_inline bool parse_is_icmp(const struct cursor *cursor, __u8 family)
{
	struct cursor at = *cursor;
	struct ipv6hdr *ip;

	at.offset = sizeof(struct ethhdr);
	ip = take(&at, sizeof(struct iphdr));
	return ip && (family == XLB_IPV4 ? ((struct iphdr *)ip)->protocol : ip->nexthdr) ==
			     icmp_protocol(family);
}

static __always_inline int parse_ipv6_ends(struct cursor *cursor, struct packet *pkt)
{
	struct ipv6hdr *ip = take(cursor, sizeof(*ip));

	if (!ip || ip->version != 6)
		return XLB_PASS;
	pkt->family = XLB_IPV6;
	__builtin_memcpy(&pkt->source, &ip->saddr, sizeof(pkt->source));
	__builtin_memcpy(&pkt->destination, &ip->daddr, sizeof(pkt->destination));
	/* what stands for an IPv4 address inside of programs may not be meant by one on the wire */
	if (xlb_addr_is_ipv4(&pkt->source) || xlb_addr_is_ipv4(&pkt->destination))
		return XLB_PASS;
	return 0;
}

/*
 * The first of two steps: fills addresses and length of pkt, which is zero but for its slot, from a frame of
 * `length` bytes of which those to the cursor's end can be read. XLB_PASS: not IP at all.
 */
static __always_inline int parse_ends(struct cursor *cursor, __u32 length, struct packet *pkt)
{
	struct ethhdr *eth = take(cursor, sizeof(*eth));

	pkt->frame_length = length;
	if (!eth)
		return XLB_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return parse_ipv4_ends(cursor, pkt);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return parse_ipv6_ends(cursor, pkt);
	return XLB_PASS;
}

static __always_inline int parse_whole(struct cursor *cursor, struct packet *pkt, bool odd)
{
	cursor->offset = sizeof(struct ethhdr);
	return pkt->family == XLB_IPV4 ? parse_ipv4_rest(cursor, pkt, odd) :
					 parse_ipv6_rest(cursor, pkt, odd);
}

/*
 * The second: the rest. Most packets of others need none. True if the packet is TCP or UDP as it should be; else it is
 * parse_rest's, from the frame's begin.
 */
static __always_inline bool parse_plain(struct cursor *cursor, struct packet *pkt)
{
	return !parse_whole(cursor, pkt, false);
}

/*
 * The same of whatever packet: ICMP and fragments are looked at too. Whether it can be used is then in pkt->fault, which
 * matters only if the packet is xlb's. Of a whole ICMP message the fault is XLB_PASS, and l4_offset tells it from
 * what cannot be used.
 */
static __always_inline void parse_rest(struct cursor *cursor, struct packet *pkt)
{
	pkt->fault = (__s8)parse_whole(cursor, pkt, true);
}

/* Both; returns what the first does. */
static __always_inline int parse_packet(void *data, void *end, __u32 length, struct packet *pkt)
{
	struct cursor cursor = { .data = data, .end = end };
	int r = parse_ends(&cursor, length, pkt);

	if (!r)
		parse_rest(&cursor, pkt);
	return r;
}

#endif
