/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames with VLAN tags (IEEE 802.1Q), at most two. Those of a packet that is xlb's are taken off before it is
 * looked at any further, and the tags of the link that it leaves by are put on at last, so that nothing in between
 * knows of them. A frame without tags runs through none of this.
 */
#ifndef XLB_BPF_VLAN_H
#define XLB_BPF_VLAN_H

#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>

#include "edit.h"
#include "maps.h"
#include "parse.h"
#include "xlb/hash.h"

/* parts of a tag */
#define VLAN_TYPE     bpf_htonl(0xffff0000)
#define VLAN_PRIORITY bpf_htonl(0xf000) /* PCP and DEI */
#define VLAN_ID	      bpf_htonl(0x0fff)

/* Both MACs of a frame. */
struct vlan_macs {
	__u32 words[3];
};

static __always_inline bool vlan_is_tag(__be32 tag)
{
	tag &= VLAN_TYPE;
	return tag == bpf_htonl((__u32)ETH_P_8021Q << 16) ||
	       tag == bpf_htonl((__u32)ETH_P_8021AD << 16);
}

/* The slot of the VLAN device with these tags on a NIC, 0: there is none. */
static __always_inline __u32 vlan_slot(__u32 ifindex, const struct xlb_vlan_tags *tags)
{
	__u32 first = xlb_hash_vlan(ifindex, tags), i;
	union {
		__u64 word;
		struct xlb_interface_slot nic;
	} live;
	struct xlb_vlan_slot *place;

	for (i = 0; i < XLB_PROBES; i++) {
		place = table_row(vlan_slots, first + i);
		live.word = *(volatile __u64 *)&place->nic;
		if (!live.word)
			return 0;
		if (live.nic.ifindex == ifindex && place->tags.tag[0] == tags->tag[0] &&
		    place->tags.tag[1] == tags->tag[1])
			return live.nic.slot;
	}
	return 0;
}

/* Reads the tags behind the MACs into pkt; tells those by which a link is known: an id of 0 is priority alone. */
static __always_inline struct xlb_vlan_tags vlan_take(struct cursor *cursor, struct packet *pkt)
{
	struct xlb_vlan_tags link = {};
	__be32 *tag;
	int i;

	pkt->tags = link;
#pragma unroll
	for (i = 0; i < XLB_VLAN_TAGS; i++) {
		tag = take(cursor, sizeof(*tag));
		if (!tag || !vlan_is_tag(*tag))
			break;
		pkt->tags.tag[i] = *tag;
		pkt->tagged += sizeof(*tag);
		if (!(*tag & VLAN_ID))
			continue;
		if (link.tag[0])
			link.tag[1] = *tag & ~VLAN_PRIORITY;
		else
			link.tag[0] = *tag & ~VLAN_PRIORITY;
	}
	return link;
}

/*
 * What parse_ends does, of a frame that has tags; they stay. Else XLB_PASS: it has none, or those of no link of
 * xlb's, or there is no IP behind them.
 */
static __always_inline int vlan_read(const struct xdp_md *ctx, struct packet *pkt)
{
	struct cursor cursor = cursor_at(ctx, 2 * ETH_ALEN);
	__u32 length = pkt->frame_length;
	struct xlb_vlan_tags tags;

	tags = vlan_take(&cursor, pkt);
	if (tags.tag[0])
		pkt->link = vlan_slot(table_row(interfaces, pkt->slot)->ifindex, &tags);
	/* seen from there, the tags lie before the frame */
	cursor = cursor_at(ctx, pkt->tagged);
	if (pkt->tagged && pkt->link && !parse_ends(&cursor, length, pkt))
		return 0;
	pkt->tagged = 0;
	pkt->link = pkt->slot;
	return XLB_PASS;
}

/* Takes off the tags that were read. 0 or -XLB_DROP_x; pointers into the frame are to be taken anew. */
GLOBAL_STEP int vlan_strip(struct xdp_md *ctx, struct packet *pkt)
{
	struct cursor cursor = cursor_at(ctx, 0);
	struct vlan_macs *from = take(&cursor, sizeof(*from)), *to, macs;
	__u32 length;

	if (!pkt || !from)
		return -XLB_DROP_INTERNAL;
	macs = *from;
	length = pkt->tagged;
	cursor.offset = length;
	to = take(&cursor, sizeof(*to));
	if (!to)
		return -XLB_DROP_INTERNAL;
	*to = macs;
	if (bpf_xdp_adjust_head(ctx, (int)length))
		return -XLB_DROP_INTERNAL;
	pkt->stripped = pkt->tagged;
	pkt->frame_length -= length;
	return 0;
}

/* The tags of the link that the packet leaves by, with the priority that it came with. */
static __always_inline struct xlb_vlan_tags vlan_tags(const struct packet *pkt, __u32 slot)
{
	struct xlb_interface *link = table_row(interfaces, slot);
	const __be32 *came = pkt->tags.tag;
	union {
		__u64 word;
		struct xlb_vlan_tags tags;
	} live = { .word = *(volatile __u64 *)&link->tags };

	if (!pkt->tagged)
		return live.tags;
	if (live.tags.tag[0])
		live.tags.tag[0] |= came[0] & VLAN_PRIORITY;
	if (live.tags.tag[1])
		live.tags.tag[1] |= (came[1] ? came[1] : came[0]) & VLAN_PRIORITY;
	return live.tags;
}

/*
 * Puts tags on a frame that has none: those of the link with the slot, or (0) those that were taken off, which
 * makes the frame what it was. The packet's length is that with which it came again.
 */
GLOBAL_STEP int vlan_put(struct xdp_md *ctx, struct packet *pkt, __u32 slot)
{
	struct vlan_macs *from, *to, macs;
	struct xlb_vlan_tags tags;
	struct cursor cursor;
	__u32 length;
	__be32 *tag;

	if (!pkt)
		return -XLB_DROP_INTERNAL;
	tags = slot ? vlan_tags(pkt, slot) : pkt->tags;
	pkt->frame_length += pkt->stripped;
	pkt->stripped = 0;
	if (!tags.tag[0])
		return 0;
	length = tags.tag[1] ? sizeof(tags) : sizeof(*tag);
	if (bpf_xdp_adjust_head(ctx, -(int)length))
		return -XLB_DROP_INTERNAL;
	cursor = cursor_at(ctx, length);
	from = take(&cursor, sizeof(*from));
	cursor.offset = 0;
	to = take(&cursor, sizeof(*to));
	if (!from || !to)
		return -XLB_DROP_INTERNAL;
	macs = *from;
	*to = macs;
	tag = take(&cursor, sizeof(*tag));
	if (!tag)
		return -XLB_DROP_INTERNAL;
	*tag = tags.tag[0];
	if (!tags.tag[1])
		return 0;
	tag = take(&cursor, sizeof(*tag));
	if (!tag)
		return -XLB_DROP_INTERNAL;
	*tag = tags.tag[1];
	return 0;
}

#endif
