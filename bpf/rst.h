/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Turns a TCP segment into the RST that answers it (RFC 9293 section 3.10.7.1). */
#ifndef XLB_BPF_RST_H
#define XLB_BPF_RST_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>

#include "csum.h"
#include "edit.h"
#include "maps.h"

#define RST_TTL		      64
#define RST_DOFF_FLAGS(flags) bpf_htons((__u16)(sizeof(struct tcphdr) / 4 << 12 | (flags)))

/* The TCP header of the answer, checksum not yet filled. */
static __always_inline int rst_answer(const struct xdp_md *ctx, const struct packet *pkt,
				      struct tcphdr *ret)
{
	struct cursor cursor = cursor_at(ctx, pkt->l4_offset & L4_OFFSET_MAX);
	struct tcphdr *tcp = take(&cursor, sizeof(*tcp));
	__u32 length;

	if (!tcp)
		return -XLB_DROP_INTERNAL;
	__builtin_memset(ret, 0, sizeof(*ret));
	ret->source = tcp->dest;
	ret->dest = tcp->source;
	if (pkt->tcp_flags & TCP_ACK) {
		ret->seq = tcp->ack_seq;
		((__be16 *)ret)[6] = RST_DOFF_FLAGS(TCP_RST);
		return 0;
	}
	length = pkt->l4_length - tcp->doff * 4U;
	length += !!(pkt->tcp_flags & TCP_SYN) + !!(pkt->tcp_flags & TCP_FIN);
	ret->ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + length);
	((__be16 *)ret)[6] = RST_DOFF_FLAGS(TCP_RST | TCP_ACK);
	return 0;
}

static __always_inline int rst_write_ipv4(struct cursor *cursor, const struct packet *pkt)
{
	struct iphdr *ip = take(cursor, sizeof(*ip));

	if (!ip)
		return -XLB_DROP_INTERNAL;
	__builtin_memset(ip, 0, sizeof(*ip));
	*(__u8 *)ip = 4 << 4 | sizeof(*ip) / 4;
	ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(struct tcphdr));
	ip->frag_off = bpf_htons(0x4000); /* do not fragment */
	ip->ttl = RST_TTL;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = pkt->destination.words[3];
	ip->daddr = pkt->source.words[3];
	ip->check = (__u16)~csum_fold(csum_add_words(0, ip, sizeof(*ip) / 4));
	return 0;
}

static __always_inline int rst_write_ipv6(struct cursor *cursor, const struct packet *pkt)
{
	struct ipv6hdr *ip = take(cursor, sizeof(*ip));

	if (!ip)
		return -XLB_DROP_INTERNAL;
	__builtin_memset(ip, 0, sizeof(*ip));
	*(__u8 *)ip = 6 << 4;
	ip->payload_len = bpf_htons(sizeof(struct tcphdr));
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = RST_TTL;
	__builtin_memcpy(&ip->saddr, &pkt->destination, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &pkt->source, sizeof(ip->daddr));
	return 0;
}

/* Checksum of the answer over pseudo header and header; a mapped prefix adds 0xffff, which is nothing. */
static __always_inline __u16 rst_checksum(const struct packet *pkt, const struct tcphdr *tcp)
{
	__u64 sum = bpf_htons(sizeof(*tcp)) + bpf_htons(IPPROTO_TCP);

	sum = csum_add_addr(sum, &pkt->source);
	sum = csum_add_addr(sum, &pkt->destination);
	return (__u16)~csum_fold(csum_add_words(sum, tcp, sizeof(*tcp) / 4));
}

/*
 * Replaces the frame by the answer to it, back to the MAC it came from, from the MAC `source` (union link_word). Options,
 * extension headers and payload go: what is sent is never longer than what came.
 */
static __always_inline int rst_make(struct xdp_md *ctx, const struct packet *pkt, __u64 source)
{
	__u32 header = ip_header_size(pkt->family);
	__u32 length = sizeof(struct ethhdr) + header + sizeof(struct tcphdr);
	struct cursor cursor;
	struct ethhdr *eth;
	struct tcphdr *tcp, answer;
	int r;

	r = rst_answer(ctx, pkt, &answer);
	if (r)
		return r;
	answer.check = rst_checksum(pkt, &answer);
	if (bpf_xdp_adjust_tail(ctx, (int)length - (int)pkt->frame_length))
		return -XLB_DROP_INTERNAL;

	cursor = cursor_at(ctx, 0);
	eth = take(&cursor, sizeof(*eth));
	if (!eth)
		return -XLB_DROP_INTERNAL;
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	mac_write(eth->h_source, source);
	r = pkt->family == XLB_IPV4 ? rst_write_ipv4(&cursor, pkt) : rst_write_ipv6(&cursor, pkt);
	if (r)
		return r;
	tcp = take(&cursor, sizeof(*tcp));
	if (!tcp)
		return -XLB_DROP_INTERNAL;
	*tcp = answer;
	return 0;
}

#endif
