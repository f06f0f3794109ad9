/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Learned ways back to clients. Many flows share one: an entry of a flow has room for its number only. What no
 * flow names any more is taken out by the daemon's sweep; a flow that names it all the same learns anew.
 */
#ifndef XLB_BPF_HOP_H
#define XLB_BPF_HOP_H

#include "maps.h"
#include "pkt.h"
#include "variant.h"
#include "xlb/hash.h"

#define HOP_TRIES 16

union hop_word {
	struct xlb_nexthop hop;
	__u64 word;
};

static __always_inline struct xlb_nexthop *hop_find(__u32 id)
{
	return (struct xlb_nexthop *)table_row(hops, id);
}

/* The number of a way back, found or made; 0 if there is no room near its place. */
GLOBAL_STEP int hop_number(__u64 word)
{
	__u32 start = (__u32)(xlb_hash_mix(0, word) >> 32), id;
	__u64 *entry, seen;
	int i;

	for (i = 0; i < HOP_TRIES; i++) {
		id = (start + (__u32)i) % XLB_MAX_HOPS;
		entry = table_row(hops, id);
		if (!id)
			continue;
		seen = *(volatile __u64 *)entry;
		if (seen == word || (!seen && dry_run))
			return (int)id;
		if (seen)
			continue;
		seen = __sync_val_compare_and_swap(entry, 0, word);
		if (!seen || seen == word)
			return (int)id;
	}
	return 0;
}

/* True if the way back known by the number is this one. */
static __always_inline bool hop_is(__u32 number, __u64 word)
{
	return *(volatile __u64 *)table_row(hops, number) == word;
}

/* The number of a way back if the one known by `number` is another, else 0. */
static __always_inline __u32 hop_learn(__u32 number, __u64 word)
{
	if (hop_is(number, word))
		return 0;
	return (__u32)hop_number(word) % XLB_MAX_HOPS;
}

#endif
