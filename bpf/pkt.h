/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known about the packet at hand, and the one way to read a frame. Compiles for the host too. */
#ifndef XLB_BPF_PKT_H
#define XLB_BPF_PKT_H

#include <linux/types.h>
#include <stdbool.h>

#include "xlb/abi.h"
#include "xlb/lists.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/*
 * A function of its own, with a stack of its own, for what is rare, big, or inside of a loop: whatever way it
 * took is forgotten when it returns, so that the verifier sees one state of it. Inlined, the loops over ports
 * took 300,000 instructions on 6.1.
 */
#define STEP	    static __attribute__((noinline))
/*
 * The same, and the verifier looks at it once, knowing nothing of its arguments. Before 6.8 it looks even where
 * nobody calls it.
 */
#define GLOBAL_STEP __attribute__((noinline))

/*
 * Results of the steps of the pipeline: 0 to go on (at its end: forward), -XLB_DROP_x to drop, or answer
 * with RST or an ICMP error, for that reason, XLB_PASS if the packet is the host's business.
 */
#define XLB_PASS     1
/* The frame has become xlb's own answer, and goes back where it came from. */
#define XLB_ANSWERED 2
/* Neither TCP nor UDP as they should be, or only a part of that: other programs'. */
#define XLB_ODD	     3
#define XLB_FRAGMENT 4
/* Not of a flow in full swing, as far as one look tells: another program's. */
#define XLB_CHANGE   5

/* bits of the 14th byte of a TCP header */
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* The transport header starts in the first 2 KiB or the packet is not taken: keeps offsets provable. */
#define L4_OFFSET_MAX 2047

/* Plain values only, no pointers: those are taken anew where they are used, and global functions take it. */
struct packet {
	struct xlb_addr source, destination;
	__be16 source_port, destination_port;
	__u32 frame_length;
	__u16 l3_length; /* as the IP header says */
	__u16 l4_length;
	__u16 l4_offset;
	__u8 family; /* XLB_IPV4 or XLB_IPV6 */
	__u8 protocol;
	__u8 tcp_flags;
	__u8 ttl;   /* or hop limit */
	bool reply; /* from a server */
	__s8 fault; /* what is wrong with it, if it is for xlb: 0, -XLB_DROP_x or XLB_PASS */
	__u32 slot; /* NIC it came in by */
	__u32 listener, server; /* ids once known: whom to count it for */
	__u8 tagged;   /* bytes of the tags that it came with, if they are those of a link */
	__u8 stripped; /* the same while they are not in the frame (vlan.h) */
	bool watched; /* somebody may want to hear of it (watch.h); false unless the program observes */
	bool fragmented; /* it is a fragment: the next two tell which (fragment.h) */
	/* not zero at first */
	__u32 link;		   /* slot, or that of the VLAN device that it came in by */
	struct xlb_vlan_tags tags; /* if it is tagged */
	__u16 mtu; /* with -XLB_DROP_MTU_EXCEEDED: how large its sender may make it */
	__u16 fragment; /* offset of its payload in the whole one, in bytes, and in bit 0 whether more follow */
	__u32 fragment_id; /* as it lies in the packet; of IPv4 in the first two bytes */
};

/* The ends that a packet is to have. */
struct ends {
	struct xlb_addr source, destination;
	__be16 source_port, destination_port;
};

/*
 * A size that is 1 to max (a power of two) already, so that the verifier of 6.1 knows it too: it draws no
 * conclusion from a comparison with 0.
 */
static __always_inline __u32 size_within(__u32 size, __u32 max)
{
	return ((size - 1) & (max - 1)) + 1;
}

/*
 * A MAC and what lies behind it in a word of a map. Halves: a MAC that is copied byte by byte takes three times
 * as long, and read as a word then it waits for all of them.
 */
union link_word {
	__u64 word;
	struct {
		__u16 mac[3];
		union {
			__u16 interface; /* of a next hop: slot */
			struct {	 /* of an interface */
				__u8 flags, nic;
			};
		};
	};
};

/* A position in a frame. */
struct cursor {
	void *data, *end;
	__u32 offset;
};

/* The next n bytes, or NULL if the frame ends before. The only place that compares with the end. */
static __always_inline void *take(struct cursor *cursor, __u32 n)
{
	void *start = cursor->data + cursor->offset;

	if (start + n > cursor->end)
		return NULL;
	cursor->offset += n;
	/* nobody needs to look once more whether it is NULL */
	if (!start)
		__builtin_unreachable();
	return start;
}

#endif
