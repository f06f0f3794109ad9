/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which of its listener's server groups takes a new flow. */
#ifndef XLB_BPF_SPLIT_H
#define XLB_BPF_SPLIT_H

#include "listener.h"
#include "maps.h"
#include "pkt.h"
#include "select.h"
#include "xlb/hash.h"

/* One of the groups of a listener's split, read as the one word that is written; group 0: there are no more. */
static __always_inline struct xlb_split_group split_group(__u32 listener, __u32 i)
{
	union {
		__u64 word;
		struct xlb_split_group group;
	} live = { .word = *(const volatile __u64 *)&table_row(splits, listener)->groups[i] };

	return live.group;
}

/*
 * The group that a listener with SPLIT has for the packet, by its connection id's hash if that is not 0. While words are
 * written, the last group may be missing for a moment: then the one before it is as good.
 */
GLOBAL_STEP __u32 split_choose(const struct packet *pkt, __u32 flags, __u32 id_hash)
{
	struct xlb_split_group next;
	__u32 found = 0, i = 0, hash;

	if (!pkt)
		return 0;
	hash = xlb_hash_split(id_hash			  ? id_hash :
			      flags & XLB_LISTENER_SOURCE ? xlb_hash_source(&pkt->source) :
							    packet_hash(pkt));
	do {
		next = split_group(pkt->listener, i);
		if (!next.group)
			break;
		found = next.group;
	} while (hash > next.limit && ++i < XLB_SPLIT_GROUPS);
	return found;
}

/* The group for a packet that starts a flow; id_hash: of its connection id, 0 if it is to have no part in it. */
static __always_inline __u32 listener_group(const struct packet *pkt,
					    const struct xlb_listener *listener, __u32 id_hash)
{
	__u32 flags = listener->flags;

	return flags & XLB_LISTENER_SPLIT ? split_choose(pkt, flags, id_hash) : listener->group;
}

#endif
