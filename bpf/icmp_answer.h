/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP messages of xlb's own: what it tells the sender of a packet that cannot go on, and answers to echo requests. */
#ifndef XLB_BPF_ICMP_ANSWER_H
#define XLB_BPF_ICMP_ANSWER_H

#include "icmp_error.h"

#define ICMP_TTL	 64
#define ICMP_CLASS	 0xc0 /* RFC 1812 section 4.3.2.5: internetwork control */
#define ICMP_LENGTH_MAX4 576  /* of the whole answer: RFC 1812 section 4.3.2.3 */
#define ICMP_LENGTH_MAX6 1280 /* RFC 4443 section 2.4 (c) */
#define ICMP_MAC_GROUP	 1    /* of the first byte of a MAC: it is many stations' */
#define IPV4_MULTICAST	 0xe0 /* and above, of the first byte: not one host */
#define IPV6_MULTICAST	 0xff

/* True if a packet with the source could be answered: an address of one host, which is not this one. */
static __always_inline bool icmp_can_answer(const struct ethhdr *eth, const struct packet *pkt)
{
	const __u8 *bytes = pkt->source.bytes;

	if ((eth->h_dest[0] | eth->h_source[0]) & ICMP_MAC_GROUP)
		return false;
	if (pkt->family == XLB_IPV4)
		return bytes[12] && bytes[12] != 127 && bytes[12] < IPV4_MULTICAST;
	return bytes[0] && bytes[0] != IPV6_MULTICAST;
}

/* Where the answer to the frame goes: from the MAC `own`, and so much before it. */
static __always_inline int icmp_turn_link(const struct xdp_md *ctx, const __u8 to[ETH_ALEN],
					  __u64 own, __be16 type)
{
	struct cursor cursor = cursor_at(ctx, 0);
	struct ethhdr *eth = take(&cursor, sizeof(*eth));

	if (!eth)
		return -1;
	__builtin_memcpy(eth->h_dest, to, ETH_ALEN);
	mac_write(eth->h_source, own);
	eth->h_proto = type;
	return 0;
}

/* The IP header of the answer to pkt, whose payload is l4_length bytes. */
static __always_inline int icmp_write_ip(const struct xdp_md *ctx, const struct packet *pkt)
{
	struct cursor cursor = cursor_at(ctx, sizeof(struct ethhdr));
	struct ends ends = { .source = pkt->destination, .destination = pkt->source };
	struct ipv6hdr *ipv6;
	struct iphdr *ipv4;

	if (pkt->family == XLB_IPV4) {
		ipv4 = take(&cursor, sizeof(*ipv4));
		if (!ipv4)
			return -1;
		translate_write_ipv4(ipv4, pkt, &ends, ICMP_CLASS);
		return 0;
	}
	ipv6 = take(&cursor, sizeof(*ipv6));
	if (!ipv6)
		return -1;
	translate_write_ipv6(ipv6, pkt, &ends, 0);
	return 0;
}

/* What pkt could not do, to its sender. */
static __always_inline void icmp_refusal(const struct packet *pkt, __u32 reason,
					 struct icmp_message *ret)
{
	bool ipv4 = pkt->family == XLB_IPV4;
	__u32 mtu = pkt->mtu;

	if (reason == XLB_DROP_TTL_EXPIRED) {
		ret->type = ipv4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED;
	} else if (ipv4) {
		ret->type = ICMP4_UNREACHABLE;
		ret->code = ICMP4_FRAGMENT_NEEDED;
		ret->mtu = bpf_htons(mtu < ICMP_MTU_MIN4 ? ICMP_MTU_MIN4 : (__u16)mtu);
	} else {
		ret->type = ICMP6_TOO_BIG;
		ret->word = bpf_htonl(mtu < ICMP_MTU_MIN6 ? ICMP_MTU_MIN6 : mtu);
	}
}

/*
 * Replaces the frame by the ICMP error that tells its sender why it goes no further: back to the MAC it came from,
 * from the MAC `own` (union link_word) and the address that it was sent to, which is the one its sender knows. 0 or
 * negative, then the frame is as it was.
 */
GLOBAL_STEP int icmp_refuse(struct xdp_md *ctx, __u32 reason, __u64 own)
{
	struct cursor cursor = cursor_at(ctx, 0);
	struct ethhdr *eth = take(&cursor, sizeof(*eth));
	struct work *work = work_find();
	struct icmp_message message = {}, *to;
	__u32 header, quoted, maximum;
	__u8 mac[ETH_ALEN];
	struct packet *pkt;
	__be16 type;
	__u64 sum;
	int r;

	if (!eth || !work)
		return -1;
	pkt = &work->pkt;
	if (!icmp_can_answer(eth, pkt))
		return -1;
	__builtin_memcpy(mac, eth->h_source, ETH_ALEN);
	type = eth->h_proto;
	header = ip_header_size(pkt->family) + sizeof(message);
	maximum = (pkt->family == XLB_IPV4 ? ICMP_LENGTH_MAX4 : ICMP_LENGTH_MAX6) - header;
	quoted = pkt->l3_length < maximum ? pkt->l3_length : maximum;
	r = translate_sum(ctx, sizeof(*eth), quoted);
	if (r < 0 || bpf_xdp_adjust_head(ctx, -(int)header))
		return -1;
	/* behind the quote nothing may follow: the link's padding would not count, but be sent */
	bpf_xdp_adjust_tail(ctx, (int)(sizeof(*eth) + quoted) - (int)pkt->frame_length);
	icmp_refusal(pkt, reason, &message);
	pkt->l4_length = (__u16)(sizeof(message) + quoted);
	pkt->protocol = icmp_protocol(pkt->family);
	pkt->fragmented = false; /* what is answered may have been a fragment, the answer is none */
	pkt->ttl = ICMP_TTL + 1;
	sum = csum_add_words((__u32)r, &message, sizeof(message) / 4);
	sum += icmp_pseudo(&pkt->destination, &pkt->source, pkt->family, pkt->l4_length);
	message.check = (__u16)~csum_fold(sum);
	if (icmp_turn_link(ctx, mac, own, type) || icmp_write_ip(ctx, pkt))
		return -1;
	cursor = cursor_at(ctx, sizeof(*eth) + header - sizeof(message));
	to = take(&cursor, sizeof(*to));
	if (!to)
		return -1;
	*to = message;
	return 0;
}

/* Swaps the addresses, which no checksum notices, and gives the packet a TTL or hop limit of its own. */
static __always_inline int icmp_turn_ip(const struct xdp_md *ctx, const struct packet *pkt)
{
	struct cursor cursor = cursor_at(ctx, sizeof(struct ethhdr));
	struct ipv6hdr *ipv6;
	struct iphdr *ipv4;
	__u64 change;

	if (pkt->family == XLB_IPV6) {
		ipv6 = take(&cursor, sizeof(*ipv6));
		if (!ipv6)
			return -1;
		__builtin_memcpy(&ipv6->saddr, &pkt->destination, sizeof(ipv6->saddr));
		__builtin_memcpy(&ipv6->daddr, &pkt->source, sizeof(ipv6->daddr));
		ipv6->hop_limit = ICMP_TTL;
		return 0;
	}
	ipv4 = take(&cursor, sizeof(*ipv4));
	if (!ipv4)
		return -1;
	change = csum_replace(0, bpf_htons((__u16)(pkt->ttl << 8)), bpf_htons(ICMP_TTL << 8));
	ipv4->check = csum_update(ipv4->check, change);
	ipv4->saddr = pkt->destination.words[3];
	ipv4->daddr = pkt->source.words[3];
	ipv4->ttl = ICMP_TTL;
	return 0;
}

/* True of an echo request that is as simple as most are. The host answers others, as far as it has the address. */
static __always_inline bool icmp_echo_is_plain(const struct xdp_md *ctx, const struct packet *pkt)
{
	__u16 header = (__u16)(sizeof(struct ethhdr) + ip_header_size(pkt->family));
	struct cursor cursor = cursor_at(ctx, 0);
	struct ethhdr *eth = take(&cursor, sizeof(*eth));
	struct icmp_message *message;

	if (!eth || pkt->l4_offset != header || !icmp_can_answer(eth, pkt))
		return false;
	cursor.offset = header;
	message = take(&cursor, sizeof(*message));
	return message && !message->code;
}

/* Turns an echo request that is plain into its reply, from the MAC `own` (union link_word). 0 or -XLB_DROP_x. */
static __always_inline int icmp_echo(const struct xdp_md *ctx, const struct packet *pkt, __u64 own)
{
	struct cursor cursor = cursor_at(ctx, 0);
	struct ethhdr *eth = take(&cursor, sizeof(*eth));
	struct icmp_message *message;
	__u8 mac[ETH_ALEN];
	__be16 *word;
	__u16 old;

	if (!eth)
		return -XLB_DROP_INTERNAL;
	__builtin_memcpy(mac, eth->h_source, ETH_ALEN);
	cursor.offset = pkt->l4_offset & L4_OFFSET_MAX;
	message = take(&cursor, sizeof(*message));
	if (!message)
		return -XLB_DROP_INTERNAL;
	word = (__be16 *)message;
	old = *word;
	message->type = pkt->family == XLB_IPV4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
	message->check = csum_update(message->check, csum_replace(0, old, *word));
	/* as good, and the only right one if all else is zero, which of ICMPv4 it may be */
	if (!message->check)
		message->check = 0xffff;
	return icmp_turn_ip(ctx, pkt) || icmp_turn_link(ctx, mac, own, eth->h_proto) ?
		       -XLB_DROP_INTERNAL :
		       0;
}

#endif
