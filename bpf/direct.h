/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What modes share whose servers answer clients themselves: such a flow is a record and nothing else. */
#ifndef XLB_BPF_DIRECT_H
#define XLB_BPF_DIRECT_H

#include "edit.h"
#include "record.h"

/* Without room for a record the flow is served all the same: the scheduler will choose the same server again. */
static __always_inline int direct_create(const struct xlb_flow_key *key, struct xlb_flow *record,
					 __u8 tcp_flags)
{
	int r;

	/* the end of a connection that nobody here knows: not worth a record */
	if (key->protocol == IPPROTO_TCP && tcp_flags & TCP_RST)
		return 0;
	r = record_publish(key, record);
	if (r == -FLOW_EEXIST)
		return record_follow_winner(key, record);
	return 0;
}

static __always_inline void direct_ends(const struct packet *pkt, struct ends *ret)
{
	ret->source = pkt->source;
	ret->destination = pkt->destination;
	ret->source_port = pkt->source_port;
	ret->destination_port = pkt->destination_port;
}

#endif
