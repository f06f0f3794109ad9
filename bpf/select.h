/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Choice of a server for a new flow. */
#ifndef XLB_BPF_SELECT_H
#define XLB_BPF_SELECT_H

#include "maps.h"
#include "pkt.h"
#include "watch.h"
#include "xlb/hash.h"

static __always_inline struct xlb_server *server_find(__u32 id)
{
	return table_row(servers, id);
}

static __always_inline struct xlb_group *group_find(__u32 id)
{
	return table_row(groups, id);
}

/* What the group goes by instead of addresses and ports, read as the one word that is written. */
static __always_inline struct xlb_quic group_quic(__u32 id)
{
	union {
		__u64 word;
		struct xlb_quic quic;
	} live = { .word = *(const volatile __u64 *)&group_find(id)->quic };

	return live.quic;
}

/* The group's Maglev table for the family, read as the one word that a switch replaces. */
static __always_inline struct xlb_table_ref table_of(const struct xlb_group *group, __u8 family)
{
	const struct xlb_table_ref *ref = family == XLB_IPV4 ? &group->table4 : &group->table6;
	union {
		__u64 word;
		struct xlb_table_ref ref;
	} live = { .word = *(const volatile __u64 *)ref };

	return live.ref;
}

static __always_inline __u32 select_hash(const struct packet *pkt)
{
	return xlb_hash_tuple(&pkt->source, pkt->source_port, &pkt->destination,
			      pkt->destination_port, pkt->protocol);
}

#define SELECT_STEP 25033 /* prime, so that another turn lands among other servers */

/*
 * Fills ret_server with the id that the group's table has for the hash; a turn above 0 gives another choice, the
 * same for the same hash.
 */
static __always_inline int server_select(const struct packet *pkt, __u32 group_id, __u32 hash,
					 __u32 turn, __u32 *ret_server)
{
	struct xlb_table_ref table;
	__u32 slot, chunk, index, id;
	__u64 *word;
	void *inner;

	table = table_of(group_find(group_id), pkt->family);
	if (!group_id || !table.epoch)
		return -XLB_DROP_NO_SERVER;
	chunk = table.chunk;
	inner = bpf_map_lookup_elem(&maglev_chunks, &chunk);
	if (!inner)
		return -XLB_DROP_INTERNAL;
	slot = xlb_maglev_slot(hash);
	slot = (slot + turn * SELECT_STEP) % XLB_MAGLEV_SLOTS;
	watch_slot(pkt, slot);
	index = table.offset * XLB_MAGLEV_WORDS + slot / 4;
	word = bpf_map_lookup_elem(inner, &index);
	if (!word)
		return -XLB_DROP_INTERNAL;
	id = *word >> (slot % 4 * 16) & 0xffff;
	if (!id)
		return -XLB_DROP_NO_SERVER;
	*ret_server = id;
	return 0;
}

#endif
