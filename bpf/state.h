/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a packet means to a flow's record: pure functions of the record's first word. */
#ifndef XLB_BPF_STATE_H
#define XLB_BPF_STATE_H

#include "pkt.h"
#include "xlb/lifetime.h"

/* The first live word of struct xlb_flow. */
union flow_word {
	__u64 word;
	struct {
		__u32 stamp;
		__u8 state;
		__u8 flags;
		__u8 mode;
		__u8 pad;
	};
};

/* A packet as a flow sees it. */
struct flow_event {
	__u32 now;	    /* stamp */
	__u32 idle_timeout; /* of the flow's listener */
	__u32 server_flags; /* of the flow's server */
	__u8 protocol;
	__u8 tcp_flags;
	bool reply;
	/* of the flow's mode: nobody here hears the server; the server may know a connection that the flow lost */
	bool direct, adopt;
};

/* What to do with a packet that has a record, or -XLB_DROP_x. */
#define FLOW_FOLLOW 0 /* forward it as the record says */
#define FLOW_START  1 /* the record has served its time: a new flow begins */
#define FLOW_REPICK 2 /* follow only if the choice of today is the same server */

/* True if the segment opens a connection. */
static __always_inline bool tcp_is_syn(__u8 tcp_flags)
{
	return (tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

static __always_inline int flow_judge_udp(union flow_word seen, const struct flow_event *event,
					  bool over)
{
	bool cut = seen.state == XLB_FLOW_TOMBSTONE || event->server_flags & XLB_SERVER_RESET;

	if (event->reply)
		return cut ? -XLB_DROP_FLOW_RESET : over ? -XLB_DROP_NO_FLOW : FLOW_FOLLOW;
	if (cut || over)
		return FLOW_START;
	return event->server_flags & XLB_SERVER_DOWN ? FLOW_REPICK : FLOW_FOLLOW;
}

/* A SYN on a live flow may be forged: the server's answer to it tells the client, if there is a server. */
static __always_inline int flow_judge_syn(union flow_word seen, const struct flow_event *event)
{
	bool unconnected = seen.state == XLB_FLOW_NEW || seen.flags & XLB_FLOW_RST_SERVER;

	return unconnected && event->server_flags & XLB_SERVER_DOWN ? FLOW_REPICK : FLOW_FOLLOW;
}

/* Judges a packet by the record that it found. */
static __always_inline int flow_judge(union flow_word seen, const struct flow_event *event)
{
	__u32 age = xlb_flow_age(event->now, seen.stamp);
	bool over = age > xlb_lifetime_units(xlb_flow_timeout(event->protocol, seen.state,
							      seen.flags, event->idle_timeout));
	bool gone = age >
		    xlb_flow_lifetime(event->protocol, seen.state, seen.flags, event->idle_timeout);
	bool tcp = event->protocol == IPPROTO_TCP;
	bool start = !event->reply && (!tcp || tcp_is_syn(event->tcp_flags));
	bool cut;

	if (seen.state == XLB_FLOW_DEAD) {
		if (!gone)
			return -XLB_DROP_FLOW_BUSY;
		return start ? FLOW_START : -XLB_DROP_NO_FLOW;
	}
	if (!tcp)
		return flow_judge_udp(seen, event, over);
	cut = over || seen.state == XLB_FLOW_TOMBSTONE || event->server_flags & XLB_SERVER_RESET;
	/* where only the client is heard, its FIN may be all that tells of the end */
	if (start)
		return cut || seen.state == XLB_FLOW_CLOSED ||
				       (event->direct && seen.state == XLB_FLOW_CLOSING) ?
			       FLOW_START :
			       flow_judge_syn(seen, event);
	if (event->adopt && !event->reply && (gone || (over && seen.state == XLB_FLOW_NEW)))
		return FLOW_START;
	if (gone)
		return -XLB_DROP_NO_FLOW;
	return cut ? -XLB_DROP_FLOW_RESET : FLOW_FOLLOW;
}

static __always_inline void flow_next_tcp(union flow_word *word, const struct flow_event *event)
{
	__u8 fin = event->reply ? XLB_FLOW_FIN_SERVER : XLB_FLOW_FIN_CLIENT;
	__u8 rst = event->reply ? XLB_FLOW_RST_SERVER : XLB_FLOW_RST_CLIENT;
	bool was_reset = word->flags & rst;

	if (word->state == XLB_FLOW_CLOSED)
		return;
	if (event->tcp_flags & TCP_RST) {
		word->flags |= rst;
		word->state = XLB_FLOW_CLOSING;
		return;
	}
	/* who sent a RST does not speak again: it was forged */
	word->flags &= (__u8)~rst;
	if (event->tcp_flags & TCP_FIN)
		word->flags |= fin;
	if ((word->flags & XLB_FLOW_FIN_CLIENT) && (word->flags & XLB_FLOW_FIN_SERVER))
		word->state = XLB_FLOW_CLOSED;
	else if (word->flags)
		word->state = XLB_FLOW_CLOSING;
	else if (was_reset && !event->reply && tcp_is_syn(event->tcp_flags))
		word->state = XLB_FLOW_NEW;
	else if (word->state == XLB_FLOW_CLOSING)
		word->state = XLB_FLOW_ESTABLISHED;
	/* half-open until the client has answered the server: a flood of forged SYNs never does */
	else if (!event->reply && event->tcp_flags & TCP_ACK)
		word->state = XLB_FLOW_ESTABLISHED;
}

/* The word after a packet that follows the flow. */
static __always_inline union flow_word flow_next(union flow_word seen,
						 const struct flow_event *event)
{
	union flow_word next = seen;

	next.stamp += xlb_flow_age(event->now, seen.stamp);
	if (event->protocol == IPPROTO_TCP)
		flow_next_tcp(&next, event);
	else if (event->reply)
		next.state = XLB_FLOW_ESTABLISHED;
	return next;
}

#endif
