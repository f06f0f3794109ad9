/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Choice of a server for a new flow. */
#ifndef XLB_BPF_SELECT_H
#define XLB_BPF_SELECT_H

#include "maps.h"
#include "pkt.h"
#include "watch.h"
#include "xlb/hash.h"
#include "xlb/load.h"

static __always_inline struct xlb_server *server_find(__u32 id)
{
	return table_row(servers, id);
}

static __always_inline struct xlb_group *group_find(__u32 id)
{
	return table_row(groups, id);
}

/* What chooses the group's servers, read as the one word that is written. */
static __always_inline struct xlb_choice group_choice(__u32 id)
{
	union {
		__u64 word;
		struct xlb_choice choice;
	} live = { .word = *(const volatile __u64 *)&group_find(id)->choice };

	return live.choice;
}

/* Who is in the group's place, read as the one word that is written. */
static __always_inline struct xlb_instead group_instead(__u32 id)
{
	union {
		__u64 word;
		struct xlb_instead instead;
	} live = { .word = *(const volatile __u64 *)&group_find(id)->instead };

	return live.instead;
}

/* The group that takes new flows of the group from clients of the family: mostly itself. */
static __always_inline __u32 group_taker(__u32 id, __u8 family)
{
	struct xlb_instead instead = group_instead(id);
	__u32 other = family == XLB_IPV4 ? instead.ipv4 : instead.ipv6;

	return other ? other : id;
}

/* The group's table for the family, read as the one word that a switch replaces. */
static __always_inline struct xlb_table_ref table_of(const struct xlb_group *group, __u8 family)
{
	const struct xlb_table_ref *ref = family == XLB_IPV4 ? &group->table4 : &group->table6;
	union {
		__u64 word;
		struct xlb_table_ref ref;
	} live = { .word = *(const volatile __u64 *)ref };

	return live.ref;
}

/* True if packets of one connection always find the same server, as long as the group's table stays. */
static __always_inline bool select_is_stable(struct xlb_choice choice)
{
	return choice.by == XLB_BY_TUPLE || choice.by == XLB_BY_SOURCE;
}

/* The group's next turn, which nobody else gets. */
static __always_inline __u32 select_turn(__u32 group)
{
	__u64 *turns = table_row(turns, group);

	return (__u32)((dry_run ? *turns : __sync_fetch_and_add(turns, 1)) % XLB_MAGLEV_SLOTS);
}

static __always_inline __u32 packet_hash(const struct packet *pkt)
{
	return xlb_hash_tuple(&pkt->source, pkt->source_port, &pkt->destination,
			      pkt->destination_port, pkt->protocol);
}

/* What leads a packet to a slot, by the group's choice. */
static __always_inline __u32 select_hash(const struct packet *pkt, __u32 group,
					 struct xlb_choice choice)
{
	switch (choice.by) {
	case XLB_BY_SOURCE:
		return xlb_hash_source(&pkt->source);
	case XLB_BY_TURN:
		return select_turn(group);
	case XLB_BY_LOAD:
		return bpf_get_prandom_u32();
	default:
		return packet_hash(pkt);
	}
}

/*
 * The server of a row, four ids, that carries least; a turn above 0 gives another one. What the row repeats, for want of
 * other servers, does no harm.
 */
GLOBAL_STEP int select_least(__u64 row, __u32 turn)
{
	__u32 i, id, weight, best_weight = 0, best = 0;
	__u64 flows, best_flows = 0;

#pragma unroll
	for (i = 0; i < XLB_ROW_SERVERS; i++) {
		id = row >> (i * 16) & 0xffff;
		weight = *(const volatile __u16 *)&server_find(id)->weight;
		flows = *(const volatile __u64 *)table_row(server_flows, id) +
			*(const volatile __u64 *)table_row(server_others, id);
		if (i && !xlb_carries_less(flows, weight, best_flows, best_weight))
			continue;
		best = i;
		best_flows = flows;
		best_weight = weight;
	}
	return (int)(row >> ((best + turn) % XLB_ROW_SERVERS * 16) & 0xffff);
}

#define SELECT_STEP 25033 /* prime, so that another turn lands among other servers */

/* The slot of the group's table: of a group that goes by load, the first of its row, whatever the turn. */
static __always_inline __u32 select_slot(struct xlb_choice choice, __u32 hash, __u32 turn)
{
	if (choice.by == XLB_BY_LOAD)
		return hash % XLB_ROWS * XLB_ROW_SERVERS;
	return (xlb_maglev_slot(hash) + turn * SELECT_STEP) % XLB_MAGLEV_SLOTS;
}

/*
 * Fills ret_server with the id that the group's table has for the hash; a turn above 0 gives another choice, the
 * same for the same hash.
 */
static __always_inline int server_select(const struct packet *pkt, __u32 group_id, __u32 hash,
					 __u32 turn, __u32 *ret_server)
{
	struct xlb_choice choice = group_choice(group_id);
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
	slot = select_slot(choice, hash, turn);
	watch_slot(pkt, slot);
	index = table.offset * XLB_MAGLEV_WORDS + slot / 4;
	word = bpf_map_lookup_elem(inner, &index);
	if (!word)
		return -XLB_DROP_INTERNAL;
	id = choice.by == XLB_BY_LOAD ? (__u32)select_least(*word, turn) :
					*word >> (slot % 4 * 16) & 0xffff;
	if (!id)
		return -XLB_DROP_NO_SERVER;
	*ret_server = id;
	return 0;
}

#endif
