/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What limits know of listeners, and of source addresses. */
#ifndef XLB_BPF_SOURCE_H
#define XLB_BPF_SOURCE_H

#include "maps.h"
#include "variant.h"

/* What the listener's packets are held to, read as the one word that is written. */
static __always_inline struct xlb_limited limited_of(__u32 listener)
{
	union {
		__u64 word;
		struct xlb_limited limited;
	} live = { .word = *(const volatile __u64 *)&table_row(listeners, listener)->limited };

	return live.limited;
}

static __always_inline struct limit_scratch *limit_scratch_find(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&limit_scratch, &key);
}

/* The meter of the address in the scratch, by the limits of the number; NULL: there is none, nor was one made. */
static __always_inline struct xlb_meter *source_meter(struct limit_scratch *scratch, __u32 number,
						      bool make)
{
	struct xlb_source_key *key = &scratch->key;
	struct xlb_meter *meter;

	key->limits = number;
	key->epoch = (__u32) * (const volatile __u64 *)&table_row(meters, number)->epoch;
	meter = bpf_map_lookup_elem(&sources, key);
	if (meter || !make || dry_run)
		return meter;
	/* another CPU may do the same: then its meter is the one */
	bpf_map_update_elem(&sources, key, &scratch->fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&sources, key);
}

/* A flow of the address has opened (1), or was open until now (-1). One that was not counted is not taken off. */
static __always_inline void source_count(struct limit_scratch *scratch, __u32 number, int change)
{
	struct xlb_meter *meter = source_meter(scratch, number, change > 0);

	if (meter && (change > 0 || (__s64) * (const volatile __u64 *)&meter->flows > 0))
		__sync_fetch_and_add(&meter->flows, (__u64)change);
}

#endif
