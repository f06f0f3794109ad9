/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a packet means to a flow: pure functions of the first word of its entry. */
#ifndef XLB_BPF_STATE_H
#define XLB_BPF_STATE_H

#include "pkt.h"
#include "xlb/flow.h"
#include "xlb/lifetime.h"

/* What of an entry's first word a packet may change. */
struct flow_life {
	__u32 stamp;
	__u8 state;
	__u8 flags;
};

static __always_inline struct flow_life flow_life_of(__u64 live)
{
	struct flow_life life = {
		.stamp = (__u32)xlb_get(live, XLB_LIVE_STAMP),
		.state = (__u8)xlb_get(live, XLB_LIVE_STATE),
		.flags = (__u8)xlb_get(live, XLB_LIVE_FLAGS),
	};

	return life;
}

/* False while the entry is free, being made or taken apart. */
static __always_inline bool flow_lives(__u64 live)
{
	__u32 state = (__u32)xlb_get(live, XLB_LIVE_STATE);

	return state >= XLB_FLOW_NEW && state <= XLB_FLOW_TOMBSTONE;
}

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

/* What to do with a packet that has a flow, or -XLB_DROP_x. */
#define FLOW_FOLLOW 0 /* forward it as the flow says */
#define FLOW_START  1 /* the flow has served its time: a new one begins */
#define FLOW_REPICK 2 /* follow only if the choice of today is the same server */
#define FLOW_STEADY 3 /* follow, and nothing of the flow changes */

/* True if the segment opens a connection. */
static __always_inline bool tcp_is_syn(__u8 tcp_flags)
{
	return (tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

static __always_inline int flow_judge_udp(struct flow_life seen, const struct flow_event *event,
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
static __always_inline int flow_judge_syn(struct flow_life seen, const struct flow_event *event)
{
	bool unconnected = seen.state == XLB_FLOW_NEW || seen.flags & XLB_FLOW_RST_SERVER;

	return unconnected && event->server_flags & XLB_SERVER_DOWN ? FLOW_REPICK : FLOW_FOLLOW;
}

/* True of a flow in the state that has been seen in this second and that nobody wants to end. */
static __always_inline bool flow_is_fresh(__u64 live, __u32 now, __u32 state)
{
	__u64 mask = xlb_set(0ULL, ~0ULL, XLB_LIVE_STAMP), wanted = now;

	mask = xlb_set(mask, ~0ULL, XLB_LIVE_FLAGS);
	mask = xlb_set(mask, ~0ULL, XLB_LIVE_STATE);
	wanted = xlb_set(wanted, (__u64)state, XLB_LIVE_STATE);
	return (live & mask) == wanted;
}

/*
 * True of what most packets are: one of a flow in full swing, or of one of UDP that no server answers, so that
 * nothing is to be judged, nor written. It comes to what flow_judge and flow_next would.
 */
static __always_inline bool flow_is_unchanged(__u64 live, __u32 now, __u32 server_flags,
					      const struct packet *pkt)
{
	if (server_flags || pkt->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST))
		return false;
	return flow_is_fresh(live, now, XLB_FLOW_ESTABLISHED) ||
	       (pkt->protocol == IPPROTO_UDP && !pkt->reply &&
		flow_is_fresh(live, now, XLB_FLOW_NEW));
}

static __always_inline bool flow_is_steady(__u64 live, const struct flow_event *event)
{
	return flow_is_fresh(live, event->now, XLB_FLOW_ESTABLISHED) && !event->server_flags &&
	       !(event->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST));
}

/* Judges a packet by the flow that it found. */
static __always_inline int flow_judge(struct flow_life seen, const struct flow_event *event)
{
	__u32 age = xlb_flow_age(event->now, seen.stamp);
	bool over = age > xlb_lifetime_units(xlb_flow_timeout(event->protocol, seen.state,
							      seen.flags, event->idle_timeout));
	bool gone = age >
		    xlb_flow_lifetime(event->protocol, seen.state, seen.flags, event->idle_timeout);
	bool tcp = event->protocol == IPPROTO_TCP;
	bool start = !event->reply && (!tcp || tcp_is_syn(event->tcp_flags));
	bool cut;

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

static __always_inline void flow_next_tcp(struct flow_life *life, const struct flow_event *event)
{
	__u8 fin = event->reply ? XLB_FLOW_FIN_SERVER : XLB_FLOW_FIN_CLIENT;
	__u8 rst = event->reply ? XLB_FLOW_RST_SERVER : XLB_FLOW_RST_CLIENT;
	bool was_reset = life->flags & rst;

	if (life->state == XLB_FLOW_CLOSED)
		return;
	if (event->tcp_flags & TCP_RST) {
		life->flags |= rst;
		life->state = XLB_FLOW_CLOSING;
		return;
	}
	/* who sent a RST does not speak again: it was forged, unless a new connection begins, to which no FIN counts */
	if (was_reset && event->tcp_flags & TCP_SYN) {
		life->flags = 0;
		life->state = XLB_FLOW_NEW;
		return;
	}
	life->flags &= (__u8)~rst;
	if (event->tcp_flags & TCP_FIN)
		life->flags |= fin;
	if ((life->flags & XLB_FLOW_FIN_CLIENT) && (life->flags & XLB_FLOW_FIN_SERVER))
		life->state = XLB_FLOW_CLOSED;
	else if (life->flags)
		life->state = XLB_FLOW_CLOSING;
	else if (life->state == XLB_FLOW_CLOSING)
		life->state = XLB_FLOW_ESTABLISHED;
	/* half-open until the client has answered the server: a flood of forged SYNs never does */
	else if (!event->reply && event->tcp_flags & TCP_ACK)
		life->state = XLB_FLOW_ESTABLISHED;
}

/* The entry's first word after a packet that follows the flow. */
static __always_inline __u64 flow_next(__u64 live, const struct flow_event *event)
{
	struct flow_life life = flow_life_of(live);

	if (event->protocol == IPPROTO_TCP)
		flow_next_tcp(&life, event);
	else if (event->reply)
		life.state = XLB_FLOW_ESTABLISHED;
	life.stamp += xlb_flow_age(event->now, life.stamp);
	live = xlb_set(live, life.stamp, XLB_LIVE_STAMP);
	live = xlb_set(live, life.flags, XLB_LIVE_FLAGS);
	return xlb_set(live, life.state, XLB_LIVE_STATE);
}

#endif
