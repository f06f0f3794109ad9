/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way out: neighbour, interface, and whether the packet may take it. */
#ifndef XLB_BPF_NEXTHOP_H
#define XLB_BPF_NEXTHOP_H

#include "maps.h"
#include "pkt.h"

/* How a packet leaves. */
struct egress {
	__u64 destination, source; /* union link_word */
	__u32 slot;		   /* of a NIC, or of a VLAN device */
};

/* Slot of the NIC, and whether frames get tags, known from the live word that the source MAC is in. */
static __always_inline __u32 egress_nic(const struct egress *egress)
{
	union link_word source = { .word = egress->source };

	return source.nic;
}

static __always_inline bool egress_is_tagged(const struct egress *egress)
{
	union link_word source = { .word = egress->source };

	return source.flags & XLB_INTERFACE_TAGGED;
}

/* The live words, each read by one load. */
union interface_link_word {
	__u64 word;
	struct {
		__u32 ifindex;
		__u32 mtu;
	};
};

static __always_inline struct xlb_interface *interface_find(__u32 slot)
{
	return table_row(interfaces, slot);
}

/* The slot of a NIC, 0: none. */
static __always_inline __u32 interface_slot(__u32 ifindex)
{
	union {
		__u64 word;
		struct xlb_interface_slot slot;
	} live;
	__u32 i;

	for (i = 0; i < XLB_PROBES; i++) {
		live.word = *(volatile __u64 *)table_row(interface_slots, ifindex + i);
		if (!live.word || live.slot.ifindex == ifindex)
			return live.slot.slot;
	}
	return 0;
}

/* 0: there is no such interface. */
static __always_inline __u32 interface_mtu(__u32 slot)
{
	return *(const volatile __u32 *)&interface_find(slot)->mtu;
}

/* The MAC and the flags of a NIC, a union link_word. */
static __always_inline __u64 interface_mac(const struct xlb_interface *interface)
{
	return *(const volatile __u64 *)&interface->mac;
}

static __always_inline __u32 interface_flags(__u32 slot)
{
	union link_word link = { .word = interface_mac(interface_find(slot)) };

	return link.flags;
}

/* The interface by which a next hop is reached, 0: it is not resolved. */
static __always_inline __u32 nexthop_slot(__u32 id)
{
	union link_word next = { .word = *(const volatile __u64 *)table_row(nexthops, id) };

	return next.interface;
}

/* Fills ret if the packet, whose IP packet will measure `length`, can leave by the hop. */
static __always_inline int egress_by(struct packet *pkt, const struct xlb_nexthop *hop,
				     __u32 length, struct egress *ret)
{
	union link_word next = { .word = *(const volatile __u64 *)hop };
	union interface_link_word link;
	struct xlb_interface *interface;

	if (pkt->ttl <= 1)
		return -XLB_DROP_TTL_EXPIRED;
	if (!next.interface)
		return -XLB_DROP_NO_NEIGHBOUR;
	interface = interface_find(next.interface);
	link.word = *(const volatile __u64 *)&interface->ifindex;
	if (!link.ifindex)
		return -XLB_DROP_NO_INTERFACE;
	if (length > link.mtu) {
		pkt->mtu = (__u16)(link.mtu - (length - pkt->l3_length));
		return -XLB_DROP_MTU_EXCEEDED;
	}
	ret->slot = next.interface;
	ret->destination = next.word;
	ret->source = interface_mac(interface);
	return 0;
}

/* The same by the id of a next hop; id 0 and rows not filled have interface 0. */
static __always_inline int egress_by_id(struct packet *pkt, __u32 id, __u32 length,
					struct egress *ret)
{
	return egress_by(pkt, table_row(nexthops, id), length, ret);
}

#endif
