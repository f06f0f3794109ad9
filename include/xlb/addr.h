/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses of either family in 16 bytes, for datapath and daemon. */
#ifndef XLB_ADDR_H
#define XLB_ADDR_H

#include <linux/types.h>

#include "xlb/abi.h"

/* what 0000ffff is in network order: the third word of an IPv4-mapped address */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define XLB_ADDR_MAPPED 0xffff0000U
#else
#define XLB_ADDR_MAPPED 0x0000ffffU
#endif

static inline void xlb_addr_set_ipv4(struct xlb_addr *addr, __be32 ipv4)
{
	addr->words[0] = 0;
	addr->words[1] = 0;
	addr->words[2] = XLB_ADDR_MAPPED;
	addr->words[3] = ipv4;
}

static inline void xlb_addr_set_ipv6(struct xlb_addr *addr, const __u32 words[4])
{
	addr->words[0] = words[0];
	addr->words[1] = words[1];
	addr->words[2] = words[2];
	addr->words[3] = words[3];
}

static inline int xlb_addr_is_ipv4(const struct xlb_addr *addr)
{
	return !addr->words[0] && !addr->words[1] && addr->words[2] == XLB_ADDR_MAPPED;
}

static inline int xlb_addr_equal(const struct xlb_addr *a, const struct xlb_addr *b)
{
	return ((a->words[0] ^ b->words[0]) | (a->words[1] ^ b->words[1]) |
		(a->words[2] ^ b->words[2]) | (a->words[3] ^ b->words[3])) == 0;
}

#endif
