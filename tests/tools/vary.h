/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What vary.bpf.c shares with who drives it: which packet is sent, and which flow each one is of. */
#ifndef XLB_TESTS_VARY_H
#define XLB_TESTS_VARY_H

#include <linux/types.h>

#define VARY_WORDS \
	12 /* of 8 bytes: Ethernet, IPv6, TCP with 20 bytes of options and what is left of the frame */
#define VARY_LENGTH (VARY_WORDS * 8)

enum { VARY_RANDOM, VARY_NEXT /* one after the other, and round again */ };

/* Ends of a flow as its server knows them, network order; of addresses the last four bytes. */
struct vary_end {
	__u32 server, peer;
	__u16 port; /* of the peer */
	__u16 pad;
};

/* Variable of vary.bpf.c. Numbers of flows are turned into a client's address and port. */
struct vary {
	__u64 head[VARY_WORDS]; /* the frame, zero where flows differ */
	__u64 ip_sum,
		l4_sum; /* sums of what does not vary: IPv4 header, segment with pseudo header */
	__u64 state;	/* of the generator, or how many flows of VARY_NEXT are done */
	__u32 first, flows, stride; /* flow numbers first, first + stride, ...: so many */
	__u32 client; /* host order: the last four bytes of the first client's address */
	__u32 pick;   /* VARY_* */
	__u32 udp;
	__u32 learn;   /* keep each flow's ends as the program behind left them */
	__u32 last;    /* the flow of the frame that is there now */
	__u64 leaving; /* frames that have been seen as the program left them */
};

#endif
