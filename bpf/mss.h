/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maximum segment size that a SYN announces: the longest segment, less its fixed headers, that its sender
 * wants to get (RFC 9293 section 3.7.1, RFC 6691). It may be lowered on the way; every other option stays as it is.
 */
#ifndef XLB_BPF_MSS_H
#define XLB_BPF_MSS_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "csum.h"
#include "edit.h"

#define MSS_ANY		0xffff /* no limit: the option holds no more */
#define MSS_HEADER_MASK 63     /* a TCP header has at most 60 bytes */
#define MSS_OPTIONS_MAX 40     /* of one byte each */

#define TCP_OPTION_END	    0
#define TCP_OPTION_NOTHING  1 /* the only other one without a length */
#define TCP_OPTION_MSS	    2
#define TCP_OPTION_MSS_SIZE 4

/* The MSS of segments that fit an MTU, 0: not known. */
static __always_inline __u32 mss_of_mtu(__u32 mtu, __u32 family)
{
	__u32 headers = sizeof(struct tcphdr) +
			(family == XLB_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));

	return mtu > headers ? mtu - headers : MSS_ANY;
}

/* A value as the checksum sees it: at an odd place of the segment its bytes belong to two words. */
static __always_inline __u16 mss_word(__u32 value, __u32 at)
{
	__u16 word = bpf_htons((__u16)value);

	return at & 1 ? __builtin_bswap16(word) : word;
}

/*
 * Where the option at `at` of the TCP header at `start` ends; 0 if the list ends there or the option lies about its
 * length. An MSS above the limit is lowered. What it returns the verifier does not follow: followed through all
 * options, one after the other, they took 130,000 instructions on 6.1.
 */
GLOBAL_STEP int mss_option(struct xdp_md *ctx, __u32 start, __u32 at, __u32 end, __u32 limit)
{
	struct cursor cursor = cursor_at(ctx, start & L4_OFFSET_MAX);
	struct tcphdr *tcp = take(&cursor, sizeof(*tcp));
	__u32 left = end - at, mss;
	__u8 *kind, *length, *value;

	cursor.offset = (start & L4_OFFSET_MAX) + (at & MSS_HEADER_MASK);
	kind = take(&cursor, 1);
	if (!tcp || !kind || *kind == TCP_OPTION_END)
		return 0;
	if (*kind == TCP_OPTION_NOTHING)
		return (int)at + 1;
	length = take(&cursor, 1);
	if (left < 2 || !length || *length < 2 || *length > left)
		return 0;
	if (*kind != TCP_OPTION_MSS || *length != TCP_OPTION_MSS_SIZE)
		return (int)at + *length;
	value = take(&cursor, 2);
	if (!value)
		return 0;
	mss = (__u32)value[0] << 8 | value[1];
	if (mss > limit) {
		tcp->check = csum_update(tcp->check,
					 csum_replace(0, mss_word(mss, at), mss_word(limit, at)));
		value[0] = (__u8)(limit >> 8);
		value[1] = (__u8)limit;
	}
	return (int)at + TCP_OPTION_MSS_SIZE;
}

/* Lowers every MSS that the segment announces to the limit. A receiver may go by any of them. */
static __always_inline void mss_lower(struct xdp_md *ctx, const struct packet *pkt, __u32 limit)
{
	struct cursor cursor = cursor_at(ctx, pkt->l4_offset & L4_OFFSET_MAX);
	struct tcphdr *tcp = take(&cursor, sizeof(*tcp));
	__u32 at = sizeof(*tcp), end, i;

	if (!tcp)
		return;
	end = tcp->doff * 4U;
	for (i = 0; i < MSS_OPTIONS_MAX && at && at < end; i++)
		at = (__u32)mss_option(ctx, pkt->l4_offset, at, end, limit);
}

#endif
