/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SNAT ports: bitmaps of one (server address, SNAT address) pair each. */
#ifndef XLB_BPF_SNAT_H
#define XLB_BPF_SNAT_H

#include "maps.h"
#include "pkt.h"
#include "variant.h"

#define SNAT_TRIES 16

static __always_inline struct xlb_snat *snat_find(__u32 id)
{
	return table_row(snats, id);
}

/* The word of a bitmap that holds a port's bit. */
static __always_inline __u64 *snat_word(__u32 bitmap, __u32 index)
{
	__u32 chunk = bitmap / XLB_SNAT_PER_CHUNK;
	void *inner = bpf_map_lookup_elem(&snat_chunks, &chunk);

	index += bitmap % XLB_SNAT_PER_CHUNK * XLB_SNAT_WORDS;
	return inner ? bpf_map_lookup_elem(inner, &index) : NULL;
}

/* The ports among which a bitmap's pool lies. */
struct snat_range {
	__u32 from, to;
};

static __always_inline struct snat_range snat_range_of(__u32 bitmap)
{
	struct snat_range range = { .from = XLB_SNAT_FIRST_PORT, .to = 65535 };
	__u64 *word = snat_word(bitmap, XLB_SNAT_RANGE_WORD);
	__u32 from, to;

	if (!word)
		return range;
	from = *word & 0xffff;
	to = *word >> 16 & 0xffff;
	if (from >= XLB_SNAT_FIRST_PORT && to >= from) {
		range.from = from;
		range.to = to;
	}
	return range;
}

/* Position of a set bit at or above `start`, going round; bits is not 0. */
static __always_inline __u32 snat_bit_from(__u64 bits, __u32 start)
{
	__u64 turned = bits >> start | bits << (-start & 63);
	__u32 position = 0;
	__u32 step;

#pragma unroll
	for (step = 32; step; step /= 2) {
		if (!(turned & ((1ULL << step) - 1))) {
			turned >>= step;
			position += step;
		}
	}
	return (start + position) % 64;
}

/*
 * Takes a free port (host order) of a bitmap; 0 if 16 words have none, or the bitmap does not exist. The
 * words are spread over the range by steps of its golden section, since the ports in the middle of the
 * usual range are the host's; of a small pool every word is looked at.
 */
GLOBAL_STEP int snat_port_take(__u32 bitmap)
{
	struct snat_range range = snat_range_of(bitmap);
	__u32 first = range.from / 64, count = range.to / 64 - first + 1;
	__u32 step = count <= SNAT_TRIES ? 1 : count * 633 / 1024;
	__u32 random = bpf_get_prandom_u32();
	__u32 at = random % count;
	__u64 *word, mask;
	__u32 bit;
	int i;

	for (i = 0; i < SNAT_TRIES; i++) {
		word = snat_word(bitmap, first + at);
		if (!word)
			return 0;
		if (~*word) {
			bit = snat_bit_from(~*word, random >> 26);
			mask = 1ULL << bit;
			if (dry_run || !(__sync_fetch_and_or(word, mask) & mask))
				return (int)(((first + at) * 64 + bit) & 0xffff);
		}
		at = (at + step) % count;
	}
	return 0;
}

/* Takes one port (host order); false if it is taken. */
static __always_inline bool snat_port_take_this(__u32 bitmap, __u32 port_h)
{
	__u64 *word = snat_word(bitmap, (port_h & 0xffff) / 64), mask = 1ULL << port_h % 64;

	return word && (dry_run || !(__sync_fetch_and_or(word, mask) & mask));
}

/* Any port (host order) of the pool's range, taken or not. */
GLOBAL_STEP int snat_port_random(__u32 bitmap)
{
	struct snat_range range = snat_range_of(bitmap);

	return (int)((range.from + bpf_get_prandom_u32() % (range.to - range.from + 1)) & 0xffff);
}

/* Gives a port (host order) back. */
GLOBAL_STEP int snat_port_release(__u32 bitmap, __u32 port_h)
{
	__u64 *word = snat_word(bitmap, (port_h & 0xffff) / 64);

	if (word && !dry_run)
		__sync_fetch_and_and(word, ~(1ULL << port_h % 64));
	return 0;
}

#endif
