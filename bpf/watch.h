/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Telling who watches what became of a packet. In the program that forwards, pkt->watched is false and none of
 * this is left. In an observing one a packet that nobody wants must stay cheap: once its listener is known
 * one byte says whether there is anything to do at all; then ids are compared, and at last ends.
 */
#ifndef XLB_BPF_WATCH_H
#define XLB_BPF_WATCH_H

#include "edit.h"
#include "maps.h"
#include "pkt.h"
#include "variant.h"
#include "vlan.h"
#include "xlb/addr.h"

/* Each global function ends at once in the program that does not observe: see GLOBAL_STEP. */

/* Variables of each object's own, unlike `tables`. */
#define WATCH_SECTION SEC(".data.watch")
struct xlb_watch watches[XLB_WATCHES] WATCH_SECTION;
/* events that the ring had no room for, by the interface that the frame came by or leaves by */
__u64 watch_skipped[XLB_WATCHES][XLB_MAX_INTERFACES] WATCH_SECTION;
__u8 watched[XLB_MAX_LISTENERS] WATCH_SECTION; /* by listener, 0: not known: XLB_WATCHED_*, or bits of `watches` */

static __always_inline struct event_scratch *watch_scratch(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&event_scratch, &key);
}

/* What will be told of the packet; NULL if nobody wants to hear. */
static __always_inline struct xlb_event *watch_event(const struct packet *pkt)
{
	struct event_scratch *scratch = observing && pkt->watched ? watch_scratch() : NULL;

	return scratch ? &scratch->event : NULL;
}

static __always_inline __u32 watch_interest(__u32 listener)
{
	return watched[listener % XLB_MAX_LISTENERS];
}

/* Now that the listener is known, or known not to be known: begins an event if somebody wants to hear of it. */
static __always_inline void watch_begin(struct packet *pkt, __u32 listener)
{
	struct event_scratch *scratch;

	if (!observing || pkt->watched || !watch_interest(listener))
		return;
	scratch = watch_scratch();
	if (!scratch)
		return;
	__builtin_memset(&scratch->event, 0, offsetof(struct xlb_event, source));
	pkt->watched = true;
}

/* The listener that was found, or that there is none; what the destination of the packet is. */
static __always_inline void watch_role(struct packet *pkt, __u32 listener, __u32 vip, __u32 snat)
{
	struct xlb_event *event;

	watch_begin(pkt, listener);
	event = watch_event(pkt);
	if (!event)
		return;
	event->vip = vip;
	event->snat = snat;
}

/* The same from a flow, `live` being the first word of its entry. */
static __always_inline void watch_flow(struct packet *pkt, __u32 listener, __u32 vip, __u32 snat,
				       __u64 live)
{
	struct xlb_event *event;

	if (!observing)
		return;
	watch_role(pkt, listener, vip, snat);
	event = watch_event(pkt);
	if (!event)
		return;
	event->flow = live;
	event->found |= XLB_FOUND_FLOW;
}

static __always_inline void watch_group(const struct packet *pkt, __u32 group)
{
	struct xlb_event *event = watch_event(pkt);

	if (event)
		event->group = group;
}

static __always_inline void watch_slot(const struct packet *pkt, __u32 slot)
{
	struct xlb_event *event = watch_event(pkt);

	if (!event)
		return;
	event->maglev_slot = slot;
	event->found |= XLB_FOUND_SLOT;
}

/* What a connection id has said, XLB_FOUND_* */
static __always_inline void watch_id(const struct packet *pkt, __u32 found)
{
	struct xlb_event *event = watch_event(pkt);

	if (event)
		event->found |= (__u8)found;
}

/* A server was chosen, for a flow that goes on or for a new one. */
static __always_inline void watch_choice(const struct packet *pkt, bool goes_on)
{
	struct xlb_event *event = goes_on ? NULL : watch_event(pkt);

	if (event)
		event->found |= XLB_FOUND_NEW;
}

static __always_inline void watch_hop(const struct packet *pkt, __u32 nexthop)
{
	struct xlb_event *event = watch_event(pkt);

	if (event)
		event->nexthop = nexthop;
}

static __always_inline void watch_egress(const struct packet *pkt, __u32 link)
{
	struct xlb_event *event = watch_event(pkt);

	if (event)
		event->egress_link = link;
}

static __always_inline bool watch_other_server(const struct xlb_watch *watch,
					       const struct xlb_event *event)
{
	return event->server && watch->other_server == event->server;
}

/*
 * Entries of `watches`, as bits, that want the event as far as everything but its ends goes. Fills the NIC that
 * it leaves by.
 */
GLOBAL_STEP int watch_by_ids(struct xlb_event *event)
{
	const struct xlb_watch *watch;
	__u32 wanted = 0, differs;
	int i;

	if (!observing || !event)
		return 0;
	event->egress = table_row(interfaces, event->egress_link)->nic;
	for (i = 0; i < XLB_WATCHES; i++) {
		watch = &watches[i];
		if (!watch->set)
			continue;
		differs = 0;
		differs |= watch->listener == event->listener ? 0 : XLB_WATCH_LISTENER;
		differs |= watch->server == event->server || watch_other_server(watch, event) ?
				   0 :
				   XLB_WATCH_SERVER;
		differs |= watch->slot == event->slot || watch->slot == event->egress ?
				   0 :
				   XLB_WATCH_SLOT;
		differs |= watch->protocol == event->protocol ? 0 : XLB_WATCH_PROTOCOL;
		differs |= watch->verdict == event->verdict ? 0 : XLB_WATCH_VERDICT;
		differs |= watch->reason == event->reason ? 0 : XLB_WATCH_REASON;
		if (!(differs & watch->set))
			wanted |= 1U << i;
	}
	return wanted;
}

/* 0 if the end is the address and port. */
static __always_inline __u32 end_differs(const struct xlb_watch_end *end,
					 const struct xlb_addr *addr, __be16 port)
{
	__u32 differs = end->port ? (__u32)(end->port ^ port) : 0;

	differs |= (end->addr.words[0] ^ addr->words[0]) & end->mask.words[0];
	differs |= (end->addr.words[1] ^ addr->words[1]) & end->mask.words[1];
	differs |= (end->addr.words[2] ^ addr->words[2]) & end->mask.words[2];
	return differs | ((end->addr.words[3] ^ addr->words[3]) & end->mask.words[3]);
}

static __always_inline bool end_is_met(const struct xlb_watch_end *end,
				       const struct xlb_event *event)
{
	return !end_differs(end, &event->source, event->source_port) ||
	       !end_differs(end, &event->destination, event->destination_port) ||
	       !end_differs(end, &event->new_source, event->new_source_port) ||
	       !end_differs(end, &event->new_destination, event->new_destination_port);
}

/* Those of `wanted` whose ends the packet has. */
GLOBAL_STEP int watch_by_ends(const struct xlb_event *event, __u32 wanted)
{
	__u32 i;

	if (!observing || !event)
		return 0;
	for (i = 0; i < XLB_WATCHES; i++)
		if (wanted & 1U << i && watches[i].set & XLB_WATCH_ENDS &&
		    !(end_is_met(&watches[i].ends[0], event) &&
		      end_is_met(&watches[i].ends[1], event) &&
		      end_is_met(&watches[i].ends[2], event)))
			wanted &= ~(1U << i);
	return wanted;
}

/* Puts an event into the ring, or counts it for those who wanted it. */
static __always_inline void watch_put(const struct xlb_event *event, __u32 size)
{
	__u32 slot = event->stage == XLB_EVENT_AFTER && event->egress ? event->egress : event->slot;
	__u32 i;

	if (!bpf_ringbuf_output(&events, (void *)event, size, 0))
		return;
	if (slot >= XLB_MAX_INTERFACES)
		return;
	for (i = 0; i < XLB_WATCHES; i++)
		if (event->watches & 1U << i)
			__sync_fetch_and_add(&watch_skipped[i][slot], 1);
}

/* Tells those of `wanted` who want this stage; the event of the scratch and the frame, as it is. */
static __always_inline void watch_copy(struct xdp_md *ctx, __u32 wanted, __u32 stage)
{
	struct event_scratch *scratch = watch_scratch();
	__u32 length = (__u32)bpf_xdp_get_buff_len(ctx), snap = 0;
	__u32 i;

	if (!scratch)
		return;
	for (i = 0; i < XLB_WATCHES; i++) {
		if (watches[i].without & 1U << stage)
			wanted &= ~(1U << i);
		if (wanted & 1U << i && watches[i].snap > snap)
			snap = watches[i].snap;
	}
	if (!wanted)
		return;
	if (snap > length)
		snap = length;
	if (snap > XLB_EVENT_BYTES_MAX)
		snap = XLB_EVENT_BYTES_MAX;
	scratch->event.stage = (__u8)stage;
	scratch->event.watches = (__u8)wanted;
	scratch->event.time = bpf_ktime_get_ns();
	scratch->event.length = length;
	scratch->event.captured = 0;
	if (snap > 0 &&
	    !bpf_xdp_load_bytes(ctx, 0, scratch->data, size_within(snap, XLB_EVENT_BYTES_MAX)))
		scratch->event.captured = snap;
	else
		snap = 0;
	watch_put(&scratch->event, sizeof(scratch->event) + snap);
}

/* The same, with the tags that were taken off. Pointers into the frame are to be taken anew. */
GLOBAL_STEP int watch_emit(struct xdp_md *ctx, struct packet *pkt, __u32 wanted, __u32 stage)
{
	bool stripped;

	if (!observing || !pkt)
		return 0;
	stripped = pkt->stripped;
	if (stripped)
		vlan_put(ctx, pkt, 0);
	watch_copy(ctx, wanted, stage);
	if (stripped)
		vlan_strip(ctx, pkt);
	return 0;
}

/* Numbers a packet that is wanted. */
static __always_inline void watch_number(struct xlb_event *event)
{
	struct event_scratch *scratch = watch_scratch();

	if (scratch)
		event->number = (__u64)bpf_get_smp_processor_id() << 48 |
				(++scratch->packets & 0xffffffffffffULL);
}

/*
 * All is decided and nothing rewritten yet. `ends`: what the packet will have, NULL if it is not forwarded.
 * Who wants it is kept in event->watches for watch_after().
 */
static __always_inline void watch_before(struct xdp_md *ctx, struct packet *pkt,
					 const struct ends *ends, enum xlb_verdict verdict,
					 __u32 reason)
{
	struct xlb_event *event = watch_event(pkt);
	__u32 wanted;

	if (!event)
		return;
	event->slot = pkt->slot;
	event->link = pkt->link;
	event->listener = pkt->listener;
	event->server = pkt->server;
	event->protocol = pkt->protocol;
	event->tcp_flags = pkt->tcp_flags;
	event->verdict = (__u8)verdict;
	event->reason = (__u8)reason;
	event->watches = 0;
	if (pkt->reply)
		event->found |= XLB_FOUND_REPLY;
	wanted = (__u32)watch_by_ids(event);
	if (!wanted)
		return;
	event->source = pkt->source;
	event->destination = pkt->destination;
	event->source_port = pkt->source_port;
	event->destination_port = pkt->destination_port;
	event->new_source = ends ? ends->source : pkt->source;
	event->new_destination = ends ? ends->destination : pkt->destination;
	event->new_source_port = ends ? ends->source_port : pkt->source_port;
	event->new_destination_port = ends ? ends->destination_port : pkt->destination_port;
	wanted = (__u32)watch_by_ends(event, wanted);
	if (!wanted)
		return;
	watch_number(event);
	watch_emit(ctx, pkt, wanted, XLB_EVENT_BEFORE);
	event->watches = (__u8)wanted; /* some want to hear of the other stage only */
}

/* The frame as it leaves. */
static __always_inline void watch_after(struct xdp_md *ctx, struct packet *pkt)
{
	struct xlb_event *event = watch_event(pkt);

	if (event && event->watches)
		watch_emit(ctx, pkt, event->watches, XLB_EVENT_AFTER);
}

/* Frames that the way out did not take; by then nobody knows whose they were. */
static __always_inline void watch_lost(__u32 slot, __u32 egress, __u32 reason, __u32 frames,
				       __u32 error)
{
	struct event_scratch *scratch = watch_scratch();
	struct xlb_event *event;

	if (!scratch)
		return;
	event = &scratch->event;
	__builtin_memset(event, 0, sizeof(*event));
	event->slot = event->link = slot;
	event->egress_link = egress;
	event->verdict = XLB_VERDICT_DROP;
	event->reason = (__u8)reason;
	event->lost = frames;
	event->error = (__u8)error;
	event->stage = XLB_EVENT_LOST;
	event->time = bpf_ktime_get_ns();
	event->watches = (__u8)watch_by_ids(event);
	event->watches = (__u8)watch_by_ends(event, event->watches);
	if (event->watches)
		watch_put(event, sizeof(*event));
}

/* Counts a packet for its flow while that is wanted; `vip` and the client's end are the flow's. */
static __always_inline void watch_measure(const struct packet *pkt, const struct ends *ends,
					  __u32 vip)
{
	struct xlb_flow_traffic *traffic, first;
	__u8 reply = pkt->reply;
	struct xlb_flow_key key;

	if (!observing || !pkt->watched || !(watch_interest(pkt->listener) & XLB_WATCHED_MEASURE))
		return;
	first = (struct xlb_flow_traffic){ .packets = 1, .bytes = pkt->frame_length };
	key = (struct xlb_flow_key){ .vip = vip, .protocol = pkt->protocol };
	/* as a bool it could become a factor of an offset, of which the verifier does not know that it is small */
	barrier_var(reply);
	key.client = reply ? ends->destination : pkt->source;
	key.client_port = reply ? ends->destination_port : pkt->source_port;
	key.port = reply ? ends->source_port : pkt->destination_port;
	key.family = xlb_addr_is_ipv4(&key.client) ? XLB_IPV4 : XLB_IPV6;
	traffic = bpf_map_lookup_elem(&flow_traffic, &key);
	if (!traffic) {
		bpf_map_update_elem(&flow_traffic, &key, &first, BPF_NOEXIST);
		return;
	}
	__sync_fetch_and_add(&traffic->packets, 1);
	__sync_fetch_and_add(&traffic->bytes, pkt->frame_length);
}

#endif
