/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets that change their address family on the way: the IP/ICMP translation algorithm (RFC 7915), but for
 * ICMP. IPv4 options and IPv6 extension headers end here, as it wants.
 */
#ifndef XLB_BPF_TRANSLATE_H
#define XLB_BPF_TRANSLATE_H

#include "edit.h"
#include "parse.h"

#define TRANSLATE_DF 0x4000
#define TRANSLATE_SMALL \
	1260 /* an IPv4 packet up to this may be fragmented by routers (section 5.1) */
#define TRANSLATE_CHUNK	     512 /* bytes that the kernel's bpf_csum_diff takes, on 6.1 */
#define TRANSLATE_CHUNKS_MAX 18

struct translate_chunk {
	__u8 data[TRANSLATE_CHUNK];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct translate_chunk);
} translate_scratch SEC(".maps");

/* Bytes of the headers that a packet gets in the family. */
static __always_inline __u32 translate_header(const struct packet *pkt, __u8 family)
{
	bool extended = family == XLB_IPV6 && pkt->fragmented;

	return ip_header_size(family) + (extended ? sizeof(struct ipv6_extension) : 0);
}

/* What the IP packet will measure in the family. */
static __always_inline __u32 translate_length(const struct packet *pkt, __u8 family)
{
	return pkt->family == family ? pkt->l3_length :
				       pkt->l4_length + translate_header(pkt, family);
}

/*
 * Internet checksum over `length` bytes from `offset`, not complemented; negative if that cannot be. Chunk by
 * chunk through a buffer, since no helper sums up a packet.
 */
GLOBAL_STEP int translate_sum(struct xdp_md *ctx, __u32 offset, __u32 length)
{
	__u32 key = 0, at, size, sum = 0;
	struct translate_chunk *chunk = bpf_map_lookup_elem(&translate_scratch, &key);
	int i;

	if (!chunk || !length)
		return -1;
	for (i = 0; i < TRANSLATE_CHUNKS_MAX; i++) {
		at = (__u32)i * TRANSLATE_CHUNK;
		if (at >= length)
			break;
		size = length - at;
		if (size > TRANSLATE_CHUNK)
			size = TRANSLATE_CHUNK;
		if (size < TRANSLATE_CHUNK)
			__builtin_memset(chunk, 0, sizeof(*chunk));
		if (bpf_xdp_load_bytes(ctx, offset + at, chunk, size_within(size, TRANSLATE_CHUNK)))
			return -1;
		sum = (__u32)bpf_csum_diff(NULL, 0, (__be32 *)chunk, TRANSLATE_CHUNK, sum);
	}
	return length > TRANSLATE_CHUNKS_MAX * TRANSLATE_CHUNK ? -1 : csum_fold(sum);
}

/* The checksum that a UDP packet from IPv4 lacks and IPv6 requires (section 4.5), before other changes. */
static __always_inline int translate_fill_checksum(struct xdp_md *ctx, const struct packet *pkt)
{
	struct cursor cursor = cursor_at(ctx, pkt->l4_offset & L4_OFFSET_MAX);
	struct udphdr *udp = take(&cursor, sizeof(*udp));
	__u32 length;
	__u64 sum;
	int r;

	if (!udp)
		return -XLB_DROP_INTERNAL;
	if (udp->check)
		return 0;
	/* what it would have to cover is not all here */
	if (pkt->fragmented)
		return -XLB_DROP_FRAGMENT;
	length = bpf_ntohs(udp->len);
	r = translate_sum(ctx, pkt->l4_offset, length);
	if (r < 0)
		return -XLB_DROP_INTERNAL;
	cursor = cursor_at(ctx, pkt->l4_offset & L4_OFFSET_MAX);
	udp = take(&cursor, sizeof(*udp));
	if (!udp)
		return -XLB_DROP_INTERNAL;
	sum = bpf_htons((__u16)length) + bpf_htons(IPPROTO_UDP) + (__u32)r;
	sum = csum_add_addr(sum, &pkt->source);
	sum = csum_add_addr(sum, &pkt->destination);
	udp->check = (__u16)~csum_fold(sum);
	if (!udp->check)
		udp->check = 0xffff;
	return 0;
}

static __always_inline void translate_write_ipv4(struct iphdr *ip, const struct packet *pkt,
						 const struct ends *ends, __u8 class)
{
	__u32 length = sizeof(*ip) + pkt->l4_length;

	__builtin_memset(ip, 0, sizeof(*ip));
	*(__u8 *)ip = 4 << 4 | sizeof(*ip) / 4;
	ip->tos = class;
	ip->tot_len = bpf_htons((__u16)length);
	if (pkt->fragmented) {
		ip->id = (__u16)pkt->fragment_id;
		ip->frag_off = bpf_htons(
			(__u16)(pkt->fragment >> 3 | (pkt->fragment & 1 ? IPV4_MORE : 0)));
	} else if (length > TRANSLATE_SMALL) {
		ip->frag_off = bpf_htons(TRANSLATE_DF);
	} else {
		ip->id = (__u16)bpf_get_prandom_u32();
	}
	ip->ttl = (__u8)(pkt->ttl - 1);
	ip->protocol = pkt->protocol;
	ip->saddr = ends->source.words[3];
	ip->daddr = ends->destination.words[3];
	ip->check = (__u16)~csum_fold(csum_add_words(0, ip, sizeof(*ip) / 4));
}

static __always_inline void translate_write_ipv6(struct ipv6hdr *ip, const struct packet *pkt,
						 const struct ends *ends, __u8 class)
{
	*(__be32 *)ip = bpf_htonl(6U << 28 | (__u32) class << 20);
	ip->payload_len = bpf_htons(pkt->l4_length);
	ip->nexthdr = pkt->protocol;
	ip->hop_limit = (__u8)(pkt->ttl - 1);
	__builtin_memcpy(&ip->saddr, &ends->source, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &ends->destination, sizeof(ip->daddr));
}

/* Puts a fragment header (RFC 8200 section 4.5) behind an IPv6 header that was just written. */
static __always_inline int translate_write_fragment(struct cursor *cursor, struct ipv6hdr *ip,
						    const struct packet *pkt)
{
	struct ipv6_extension *extension = take(cursor, sizeof(*extension));

	if (!extension)
		return -XLB_DROP_INTERNAL;
	ip->nexthdr = IPV6_FRAGMENT_HEADER;
	ip->payload_len = bpf_htons((__u16)(pkt->l4_length + sizeof(*extension)));
	extension->next_header = pkt->protocol;
	extension->length = 0;
	extension->fragment = bpf_htons(pkt->fragment);
	extension->rest = pkt->fragment_id;
	return 0;
}

/* DSCP and ECN, which both families have in one byte. */
static __always_inline int translate_class(const struct xdp_md *ctx, const struct packet *pkt)
{
	struct cursor cursor = cursor_at(ctx, sizeof(struct ethhdr));
	struct iphdr *ip = take(&cursor, sizeof(*ip));

	if (!ip)
		return -1;
	return pkt->family == XLB_IPV4 ? ip->tos : (bpf_ntohl(*(__be32 *)ip) >> 20 & 0xff);
}

/* The new header where the frame now begins. */
static __always_inline int translate_write(const struct xdp_md *ctx, const struct packet *pkt,
					   const struct ends *ends, __u8 class)
{
	struct cursor cursor = cursor_at(ctx, 0);
	struct ethhdr *eth = take(&cursor, sizeof(*eth));
	struct ipv6hdr *ipv6;
	struct iphdr *ipv4;

	if (!eth)
		return -XLB_DROP_INTERNAL;
	if (pkt->family == XLB_IPV6) {
		ipv4 = take(&cursor, sizeof(*ipv4));
		if (!ipv4)
			return -XLB_DROP_INTERNAL;
		eth->h_proto = bpf_htons(ETH_P_IP);
		translate_write_ipv4(ipv4, pkt, ends, class);
	} else {
		ipv6 = take(&cursor, sizeof(*ipv6));
		if (!ipv6)
			return -XLB_DROP_INTERNAL;
		eth->h_proto = bpf_htons(ETH_P_IPV6);
		translate_write_ipv6(ipv6, pkt, ends, class);
		if (pkt->fragmented)
			return translate_write_fragment(&cursor, ipv6, pkt);
	}
	return 0;
}

/* Gives the packet new ends, of the other family. */
STEP int translate(struct xdp_md *ctx, const struct packet *pkt, const struct ends *ends)
{
	__u32 header = translate_header(pkt, other_family(pkt->family));
	bool has_l4 = !pkt->fragmented || pkt->fragment < 8;
	int class = translate_class(ctx, pkt);
	int r = 0;

	if (class < 0)
		return -XLB_DROP_INTERNAL;
	if (has_l4 && pkt->family == XLB_IPV4 && pkt->protocol == IPPROTO_UDP)
		r = translate_fill_checksum(ctx, pkt);
	if (!r && has_l4)
		r = edit_l4(ctx, pkt, ends, edit_change(pkt, ends));
	if (r)
		return r;
	if (bpf_xdp_adjust_head(ctx, (int)pkt->l4_offset - (int)(sizeof(struct ethhdr) + header)))
		return -XLB_DROP_INTERNAL;
	return translate_write(ctx, pkt, ends, (__u8) class);
}

/* Gives the packet new ends of `family` and takes one from its TTL, which is above 1. */
static __always_inline int translate_ends(struct xdp_md *ctx, const struct packet *pkt,
					  const struct ends *ends, __u8 family)
{
	return family == pkt->family ? edit_ends(ctx, pkt, ends) : translate(ctx, pkt, ends);
}

#endif
