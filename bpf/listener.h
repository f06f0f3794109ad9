/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the destination of a packet to the listener that answers for it. */
#ifndef XLB_BPF_LISTENER_H
#define XLB_BPF_LISTENER_H

#include <linux/in.h>

#include <bpf/bpf_endian.h>

#include "maps.h"
#include "pkt.h"
#include "xlb/addr.h"
#include "xlb/hash.h"

/* A role as the one word that the daemon writes. */
union role {
	__u64 word;
	struct xlb_address address;
};

/* True if a search for the address ends at the place; fills its role then, 0: it has none. */
static __always_inline bool address_ends(const struct xlb_addr *addr, __u32 place, __u64 *ret_role)
{
	struct xlb_address_place *entry = table_row(addresses, place);
	__u64 role = *(volatile __u64 *)&entry->role;

	*ret_role = 0;
	if (xlb_addr_equal(addr, &entry->addr)) {
		/* the place may have become another's before the address was read */
		if (role == *(volatile __u64 *)&entry->role)
			*ret_role = role;
		return true;
	}
	return !role && !(entry->addr.words[0] | entry->addr.words[1] | entry->addr.words[2] |
			  entry->addr.words[3]);
}

/* The word of the role of an address that is not at the first of its places. */
GLOBAL_STEP __u64 address_search(const struct xlb_addr *addr, __u32 first)
{
	__u64 role = 0;
	__u32 i = 0;
	bool end;

	if (!addr)
		return 0;
	/* a `for` here became a loop whose step lies before its first turn, which 6.1 refuses ("back-edge") */
	do
		end = address_ends(addr, first + ++i, &role);
	while (!end && i < XLB_PROBES - 1);
	return role;
}

/* What the address is to xlb; all zero: nothing. Most searches end at the first place: those call nobody. */
static __always_inline struct xlb_address address_find(const struct xlb_addr *addr)
{
	__u32 first = xlb_hash_addr(addr);
	union role role;

	if (!address_ends(addr, first, &role.word))
		role.word = address_search(addr, first);
	return role.address;
}

static __always_inline struct xlb_vip *vip_find(__u32 id)
{
	return table_row(vips, id);
}

static __always_inline struct xlb_addr *vip_address_find(__u32 id)
{
	return table_row(vip_addresses, id);
}

static __always_inline struct xlb_listener *listener_find(__u32 id)
{
	return table_row(listeners, id);
}

/* The listener id that a VIP's port set has for a port, 0: none. At most two loads of a page. */
static __always_inline __u32 listener_match(const struct xlb_vip *vip, __u8 protocol, __be16 port)
{
	__u32 index = protocol == IPPROTO_TCP ? vip->tcp_root : vip->udp_root;
	__u16 port_h = bpf_ntohs(port);
	struct xlb_port_page *page;
	__u32 entry;

	if (!index)
		return 0;
	page = bpf_map_lookup_elem(&port_pages, &index);
	if (!page)
		return 0;
	entry = page->entry[port_h >> 8];
	if (!(entry & XLB_PORT_PAGE))
		return entry;
	index = entry & ~XLB_PORT_PAGE;
	page = bpf_map_lookup_elem(&port_pages, &index);
	return page ? page->entry[port_h & 0xff] : 0;
}

#endif
