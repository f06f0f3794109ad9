/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ports that are brought to another port's socket: what bpf/sockets.bpf.c and the daemon share. */
#ifndef XLB_SOCKETS_H
#define XLB_SOCKETS_H

#include <linux/types.h>

#include "xlb/abi.h"

/* A place of the host that clients connect to: an address and a port of one interface. */
struct xlb_place {
	__u32 ifindex;
	struct xlb_addr addr;
	__be16 port;
	__u16 pad;
};
_Static_assert(sizeof(struct xlb_place) == 24, "key of a socket");

/* Places that agree in their first `bits` bits (struct bpf_lpm_trie_key): ports of one interface and address. */
struct xlb_places {
	__u32 bits;
	struct xlb_place place;
};
_Static_assert(sizeof(struct xlb_places) == 28, "key of a trie");

/* That all ports of an address have in common; the port has 16 more. */
#define XLB_PLACE_BITS (8 * (__u32)(sizeof(__u32) + sizeof(struct xlb_addr)))

#define XLB_PLACE_PREFIXES (1U << 20)
#define XLB_PLACE_SOCKETS  8192

#endif
