/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Internet checksums (RFC 1071) and their incremental update (RFC 1624, equation 3). Sums are taken over
 * words as they lie in memory; no byte swap is needed as long as nothing mixes orders.
 */
#ifndef XLB_BPF_CSUM_H
#define XLB_BPF_CSUM_H

#include <linux/types.h>

#include "pkt.h"

/* A sum of 32-bit words, folded only at the end. */
static __always_inline __u64 csum_replace(__u64 sum, __u32 old, __u32 new)
{
	return sum + (__u32)~old + new;
}

/* The 12 bytes that mapped IPv4 addresses share add up to nothing: for both families, and from one to the other. */
static __always_inline __u64 csum_replace_addr(__u64 sum, const struct xlb_addr *old,
					       const struct xlb_addr *new)
{
	sum = csum_replace(sum, old->words[0], new->words[0]);
	sum = csum_replace(sum, old->words[1], new->words[1]);
	sum = csum_replace(sum, old->words[2], new->words[2]);
	return csum_replace(sum, old->words[3], new->words[3]);
}

/* Of a sum below 2^40, which 256 words cannot exceed: twice leaves at most 0x10100. */
static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* The checksum after what it covers changed by `change` (sums of csum_replace). */
static __always_inline __u16 csum_update(__u16 check, __u64 change)
{
	return (__u16)~csum_fold((__u16)~check + change);
}

static __always_inline __u64 csum_add_addr(__u64 sum, const struct xlb_addr *addr)
{
	return sum + addr->words[0] + addr->words[1] + addr->words[2] + addr->words[3];
}

/* Sum of `count` 32-bit words; count is a constant. */
static __always_inline __u64 csum_add_words(__u64 sum, const void *data, __u32 count)
{
	const __u32 *words = data;
	__u32 i;

#pragma unroll
	for (i = 0; i < count; i++)
		sum += words[i];
	return sum;
}

#endif
