/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What modes share whose servers answer clients themselves: such a flow is an entry and nothing else. */
#ifndef XLB_BPF_DIRECT_H
#define XLB_BPF_DIRECT_H

#include "edit.h"
#include "record.h"

/* Without room the flow is served all the same: the scheduler will choose the same server again. */
static __always_inline int direct_create(struct flow_draft *draft, __u8 tcp_flags)
{
	/* the end of a connection that nobody here knows: not worth an entry */
	if (draft->protocol == IPPROTO_TCP && tcp_flags & TCP_RST)
		return 0;
	return record_publish() == -FLOW_EEXIST ? record_follow_winner(draft) : 0;
}

/* The packet keeps its ends: only who watches asks for them. */
static __always_inline void direct_ends(const struct packet *pkt, struct ends *ret)
{
	if (!observing)
		return;
	ret->source = pkt->source;
	ret->destination = pkt->destination;
	ret->source_port = pkt->source_port;
	ret->destination_port = pkt->destination_port;
}

#endif
