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
	__u32 headers = ip_header_size(family) + sizeof(struct tcphdr);

	return mtu > headers ? mtu - headers : MSS_ANY;
}

/* A value as the checksum sees it: at an odd place of the segment its bytes belong to two words. */
static __always_inline __u16 mss_word(__u32 value, __u32 at)
{
	__u16 word = bpf_htons((__u16)value);

	return at & 1 ? __builtin_bswap16(word) : word;
}

/* Lowers the MSS that lies at the cursor, its option `at` of the header. */
static __always_inline void mss_write(struct cursor *cursor, struct tcphdr *tcp, __u32 at,
				      __u32 limit)
{
	__u8 *value = take(cursor, 2);
	__u32 mss;

	if (!value)
		return;
	mss = (__u32)value[0] << 8 | value[1];
	if (mss <= limit)
		return;
	tcp->check =
		csum_update(tcp->check, csum_replace(0, mss_word(mss, at), mss_word(limit, at)));
	value[0] = (__u8)(limit >> 8);
	value[1] = (__u8)limit;
}

/*
 * Lowers the MSS of the segment with its header at `start`, the first if there are more. The first option is at `at` of the
 * header: said by the caller, so that the verifier knows nothing of it. From a number that it knows it followed every
 * sum of lengths, which took 130,000 instructions on 6.1.
 */
GLOBAL_STEP int mss_lower(struct xdp_md *ctx, __u32 start, __u32 at, __u32 limit)
{
	struct cursor cursor = cursor_at(ctx, start & L4_OFFSET_MAX);
	struct tcphdr *tcp = take(&cursor, sizeof(*tcp));
	__u32 end, size, i;
	__u8 *option;

	if (!tcp)
		return 0;
	end = tcp->doff * 4U;
	for (i = 0; i < MSS_OPTIONS_MAX; i++) {
		at &= MSS_HEADER_MASK;
		cursor.offset = (start & L4_OFFSET_MAX) + at;
		/* what has no second byte can be no MSS */
		option = take(&cursor, 2);
		if (at >= end || !option || option[0] == TCP_OPTION_END)
			return 0;
		size = option[0] == TCP_OPTION_NOTHING ? 1 : option[1];
		if (size > end - at || (size < 2 && option[0] != TCP_OPTION_NOTHING))
			return 0;
		if (option[0] == TCP_OPTION_MSS && size == TCP_OPTION_MSS_SIZE) {
			mss_write(&cursor, tcp, at, limit);
			return 0;
		}
		at += size;
	}
	return 0;
}

#endif
