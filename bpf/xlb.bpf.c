// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * xlb's datapath: entry points and the pipeline in order. Steps return 0, -XLB_DROP_x or XLB_PASS (pkt.h);
 * only this file turns them into XDP verdicts, and counts them.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "count.h"
#include "edit.h"
#include "flow.h"
#include "listener.h"
#include "maps.h"
#include "mode.h"
#include "nexthop.h"
#include "parse.h"
#include "probe.h"
#include "record.h"
#include "rst.h"
#include "select.h"
#include "snat.h"
#include "translate.h"
#include "watch.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* What a packet is to the flow whose record it found. Fills whom to count it for, and the flow's server. */
static __always_inline int judge(struct packet *pkt, const struct xlb_flow *flow,
				 union flow_word seen, struct flow_event *event,
				 struct xlb_server **ret_server)
{
	struct xlb_listener *listener;
	struct xlb_server *server;

	pkt->listener = flow->listener;
	pkt->server = flow->server;
	listener = listener_find(flow->listener);
	server = server_find(flow->server);
	if (!listener || !server)
		return -XLB_DROP_INTERNAL;
	event->idle_timeout = listener->idle_timeout;
	event->server_flags = server->flags;
	event->direct = xlb_mode_has(seen.mode, XLB_MODE_DIRECT);
	event->adopt = xlb_mode_has(seen.mode, XLB_MODE_ADOPT);
	*ret_server = server;
	return flow_judge(seen, event);
}

/* True if packets to the address are xlb's; false if only those from it may be. */
static __always_inline bool is_own(const struct xlb_address *role)
{
	return role->vip || role->snat;
}

#define CHOICES 4 /* servers asked whether they can take a flow */

/* A server of the listener's group for a packet that starts a flow, into pkt. */
static __always_inline int choose_server(struct packet *pkt, __u32 vip, __u32 group, __u8 *ret_mode)
{
	/* before 6.5 a map's key must be on the stack, or of a map */
	struct xlb_addr source = pkt->source;
	struct xlb_address *own = address_find(&source);
	struct xlb_server *server;
	__u32 turn, first = 0;
	int r;

	watch_group(pkt, group);
	for (turn = 0; turn < CHOICES; turn++) {
		r = server_select(pkt, group, turn, &pkt->server);
		if (r)
			return r;
		first = first ? first : pkt->server;
		server = server_find(pkt->server);
		if (!server)
			return -XLB_DROP_INTERNAL;
		if (mode_takes(pkt, vip, server))
			break;
	}
	if (turn == CHOICES)
		pkt->server = first;
	server = server_find(pkt->server);
	if (!server || !server->mode ||
	    (server->family != pkt->family && !xlb_mode_has(server->mode, XLB_MODE_FAMILY)))
		return -XLB_DROP_INTERNAL;
	if (server->flags & XLB_SERVER_RESET)
		return -XLB_DROP_NO_SERVER;
	/* a reply to an address of xlb, or a packet of the server to itself, would never arrive */
	if ((own && is_own(own)) || (xlb_mode_has(server->mode, XLB_MODE_DIRECT) &&
				     xlb_addr_equal(&pkt->source, &server->addr)))
		return -XLB_DROP_HAIRPIN;
	*ret_mode = server->mode;
	return 0;
}

/* Listener and server for a packet that starts a flow, into pkt. */
GLOBAL_STEP int choose(struct packet *pkt, __u32 vip_id)
{
	struct xlb_vip *vip = vip_find(vip_id);
	struct xlb_listener *listener;
	__u8 mode = XLB_MODE_NONE;
	bool midway;
	int r;

	if (!pkt)
		return -XLB_DROP_INTERNAL;
	midway = pkt->protocol == IPPROTO_TCP && !tcp_is_syn(pkt->tcp_flags);
	pkt->listener = 0;
	pkt->server = 0;
	if (!vip)
		return -XLB_DROP_INTERNAL;
	pkt->listener = listener_match(vip, pkt->protocol, pkt->destination_port);
	watch_role(pkt, pkt->listener, vip_id, 0);
	if (!pkt->listener)
		return vip->flags & XLB_VIP_HOST ? XLB_PASS : -XLB_DROP_NO_LISTENER;
	listener = listener_find(pkt->listener);
	if (!listener)
		return -XLB_DROP_INTERNAL;
	r = listener->flags & XLB_LISTENER_DISABLED ?
		    -XLB_DROP_NO_LISTENER :
		    choose_server(pkt, vip_id, listener->group, &mode);
	/* a segment of no flow gets an answer, unless a server may know it that would be chosen again */
	if (midway && (r || !xlb_mode_has(mode, XLB_MODE_ADOPT)))
		return -XLB_DROP_NO_FLOW;
	return r;
}

/* The hop back to where the packet came from. */
static __always_inline int reply_hop(const struct xdp_md *ctx, const struct packet *pkt,
				     struct xlb_nexthop *ret)
{
	struct cursor cursor = cursor_at(ctx, 0);
	struct ethhdr *eth = take(&cursor, sizeof(*eth));

	if (!eth)
		return -XLB_DROP_INTERNAL;
	__builtin_memcpy(ret->mac, eth->h_source, ETH_ALEN);
	ret->interface = (__u16)pkt->slot;
	return 0;
}

/* A new flow for the packet. */
static __always_inline int start(struct packet *pkt, const struct xlb_flow_key *key,
				 const struct xlb_server *server, struct xlb_nexthop hop,
				 const struct flow_event *event, struct mapping *ret)
{
	struct flow_scratch *scratch = flow_scratch_find();
	struct xlb_flow *record;
	int r;

	if (!scratch)
		return -XLB_DROP_INTERNAL;
	scratch->key = *key;
	record = &scratch->record;
	*record = (struct xlb_flow){
		.stamp = event->now,
		.state = XLB_FLOW_NEW,
		.mode = server->mode,
		.reply = hop,
		.vip = pkt->destination,
		.server = pkt->server,
		.listener = pkt->listener,
		.server_port = server->port ? server->port : pkt->destination_port,
		.created = event->now,
	};
	r = mode_create(pkt->tcp_flags);
	if (r)
		return r;
	*ret = record_mapping(record);
	return 0;
}

/* The packet goes where its flow's record says. */
static __always_inline int follow(struct xlb_flow *flow, union flow_word seen,
				  struct xlb_nexthop hop, const struct flow_event *event,
				  struct mapping *ret)
{
	int r = flow_touch(flow, seen, event);

	if (r)
		return r;
	flow_learn_reply(flow, hop);
	*ret = record_mapping(flow);
	return 0;
}

/* All is decided: tells who watches, before the packet gets its new ends. */
static __always_inline int commit(struct xdp_md *ctx, const struct packet *pkt,
				  const struct ends *ends, const struct egress *egress,
				  const struct xlb_flow_key *key)
{
	bool back = egress->slot == pkt->slot;

	/* the flag is what comes back if the device is not there; nothing happens before the verdict */
	if (!back && bpf_redirect_map(&devices, egress->slot, XDP_DROP) != XDP_REDIRECT)
		return -XLB_DROP_NO_INTERFACE;
	watch_egress(pkt, egress->slot);
	watch_measure(pkt, key);
	watch_before(ctx, pkt, ends, back ? XLB_VERDICT_TX : XLB_VERDICT_REDIRECT, 0);
	return 0;
}

/* A packet to a VIP. */
static __always_inline int request(struct xdp_md *ctx, struct packet *pkt, __u32 vip,
				   struct egress *ret_egress)
{
	struct xlb_flow_key key = {
		.client = pkt->source,
		.vip = vip,
		.client_port = pkt->source_port,
		.port = pkt->destination_port,
		.protocol = pkt->protocol,
		.family = pkt->family,
	};
	struct flow_event event = {
		.now = flow_now(),
		.protocol = pkt->protocol,
		.tcp_flags = pkt->tcp_flags,
	};
	struct xlb_flow *flow = flow_find(&key);
	struct mapping mapping = {};
	union flow_word seen = {};
	struct xlb_server *server = NULL;
	struct xlb_nexthop hop;
	struct ends ends;
	int act = FLOW_START;
	int r;

	if (flow) {
		seen = flow_word_read(flow);
		watch_flow(pkt, flow, vip, 0, seen.word);
		act = judge(pkt, flow, seen, &event, &server);
		if (act < 0)
			return act;
	}
	if (act != FLOW_FOLLOW) {
		r = choose(pkt, vip);
		if (r)
			return r;
		server = server_find(pkt->server);
		if (act == FLOW_REPICK && flow && flow->server == pkt->server)
			act = FLOW_FOLLOW;
		watch_choice(pkt, act == FLOW_FOLLOW);
	}
	if (!server)
		return -XLB_DROP_INTERNAL;
	watch_hop(pkt, server->nexthop);
	r = egress_by_id(pkt, server->nexthop, mode_length(pkt, server), ret_egress);
	if (r)
		return r;
	r = reply_hop(ctx, pkt, &hop);
	if (r)
		return r;
	if (flow && act == FLOW_FOLLOW) {
		r = follow(flow, seen, hop, &event, &mapping);
	} else {
		r = flow ? record_retire(&key, flow, seen.word, event.now, event.idle_timeout) : 0;
		if (!r)
			r = start(pkt, &key, server, hop, &event, &mapping);
	}
	if (!r)
		r = mode_ends(pkt, server, &mapping, &ends);
	if (!r)
		r = commit(ctx, pkt, &ends, ret_egress, &key);
	return r ? r : mode_edit(ctx, pkt, server, mapping.mode, &ends);
}

/*
 * A packet to the SNAT address, or (snat 0) of a server whose packets to clients come back through xlb: a
 * reply, or the host's business if no flow has its ports.
 */
static __always_inline int reply(struct xdp_md *ctx, struct packet *pkt, __u32 snat,
				 struct egress *ret_egress)
{
	struct xlb_reply_key key = {
		.server = pkt->source,
		.peer = pkt->destination,
		.server_port = pkt->source_port,
		.peer_port = pkt->destination_port,
		.protocol = pkt->protocol,
	};
	struct flow_event event = {
		.now = flow_now(),
		.protocol = pkt->protocol,
		.tcp_flags = pkt->tcp_flags,
		.reply = true,
	};
	struct xlb_flow_key *found = reply_find(&key), flow_key;
	struct xlb_server *server;
	union flow_word seen;
	struct xlb_flow *flow;
	struct ends ends;
	int r;

	if (!found)
		return XLB_PASS;
	pkt->reply = true;
	flow_key = *found;
	flow = flow_find(&flow_key);
	if (!flow || flow->snat != snat || flow->snat_port != pkt->destination_port)
		return -XLB_DROP_NO_FLOW;
	seen = flow_word_read(flow);
	watch_flow(pkt, flow, 0, snat, seen.word);
	r = judge(pkt, flow, seen, &event, &server);
	if (r)
		return r;
	r = egress_by(pkt, &flow->reply, translate_length(pkt, flow_key.family), ret_egress);
	if (r)
		return r;
	r = flow_touch(flow, seen, &event);
	if (r)
		return r;
	ends.source = flow->vip;
	ends.destination = flow_key.client;
	ends.source_port = flow_key.port;
	ends.destination_port = flow_key.client_port;
	r = commit(ctx, pkt, &ends, ret_egress, &flow_key);
	return r ? r : translate_ends(ctx, pkt, &ends, flow_key.family);
}

/* Whether a packet that cannot be taken as it is matters, now that the role of its destination is known. */
static __always_inline int fault_of(const struct packet *pkt, const struct xlb_address *role)
{
	struct xlb_vip *vip;

	if (pkt->fault != -XLB_DROP_FRAGMENT)
		return pkt->fault;
	/* fragments have no port to tell by: to an address of the host they are the host's */
	vip = role->vip ? vip_find(role->vip) : NULL;
	return vip && !(vip->flags & XLB_VIP_HOST) ? pkt->fault : XLB_PASS;
}

/* A packet to nobody that xlb knows: a reply all the same, if its source is a server's of a nat group. */
static __always_inline int returned(struct xdp_md *ctx, struct packet *pkt,
				    struct egress *ret_egress)
{
	struct xlb_interface *interface = interface_find(pkt->slot);
	struct xlb_address *from;

	if (!interface || !(interface->flags & XLB_INTERFACE_RETURNS) || pkt->fault)
		return XLB_PASS;
	from = address_find(&pkt->source);
	return from && from->flags & XLB_ADDRESS_RETURNS ? reply(ctx, pkt, 0, ret_egress) :
							   XLB_PASS;
}

static __always_inline int process(struct xdp_md *ctx, struct packet *pkt,
				   struct egress *ret_egress)
{
	struct xlb_address *role;
	__u32 vip, snat;
	int r;

	r = parse_packet((void *)(long)ctx->data, (void *)(long)ctx->data_end,
			 (__u32)((long)ctx->data_end - (long)ctx->data), pkt);
	if (r)
		return r;
	role = address_find(&pkt->destination);
	if (!role || !is_own(role))
		return returned(ctx, pkt, ret_egress);
	if (pkt->fault)
		return fault_of(pkt, role);
	vip = role->vip;
	snat = role->snat;
	r = XLB_PASS;
	if (snat)
		r = reply(ctx, pkt, snat, ret_egress);
	if (r == XLB_PASS && vip)
		r = request(ctx, pkt, vip, ret_egress);
	return r;
}

/* What goes to the host is its own, but for answers to health checks, which must be changed first. */
static __always_inline int hand_over(struct xdp_md *ctx, const struct packet *pkt)
{
	struct xlb_interface *interface = interface_find(pkt->slot);
	int r;

	if (!interface || !(interface->flags & XLB_INTERFACE_PROBES) || pkt->fault ||
	    !pkt->l4_offset)
		return XLB_PASS;
	r = probe_answer(ctx, pkt);
	return r ? r : XLB_PASS;
}

/* Drops for a reason, or answers with RST where that is the way to drop a TCP segment. */
static __always_inline int refuse(struct xdp_md *ctx, struct packet *pkt, __u32 reason)
{
	bool answer = (reason == XLB_DROP_NO_FLOW || reason == XLB_DROP_FLOW_RESET) &&
		      pkt->protocol == IPPROTO_TCP && !(pkt->tcp_flags & TCP_RST);
	struct xlb_interface *interface;
	__u8 mac[ETH_ALEN];

	/* only who knows a flow gets the others: anybody can make up segments of none */
	if (answer && reason == XLB_DROP_NO_FLOW && !rst_allowed()) {
		answer = false;
		reason = XLB_DROP_RATE_LIMITED;
	}
	count_drop(pkt, reason);
	sample_drop(ctx, reason, pkt->slot, pkt->listener, pkt->server);
	watch_begin(pkt, pkt->listener);
	watch_before(ctx, pkt, NULL, answer ? XLB_VERDICT_RESET : XLB_VERDICT_DROP, reason);
	interface = interface_find(pkt->slot);
	if (answer && interface) {
		interface_mac(interface, mac);
		if (!rst_make(ctx, pkt, mac)) {
			count_flow(pkt->listener, pkt->server, XLB_COUNT_RESETS);
			count_interface(pkt, XLB_IFCOUNT_TX);
			watch_after(ctx, pkt);
			return XDP_TX;
		}
	}
	count_flow(pkt->listener, pkt->server, XLB_COUNT_DROPS);
	count_interface(pkt, XLB_IFCOUNT_DROP);
	return XDP_DROP;
}

static __always_inline int forward(struct xdp_md *ctx, struct packet *pkt,
				   const struct egress *egress)
{
	int r = edit_link(ctx, egress->destination, egress->source);

	if (r)
		return refuse(ctx, pkt, (__u32)-r);
	watch_after(ctx, pkt);
	if (egress->slot == pkt->slot) {
		count_forwarded(pkt);
		count_interface(pkt, XLB_IFCOUNT_TX);
		return XDP_TX;
	}
	count_forwarded(pkt);
	count_interface(pkt, XLB_IFCOUNT_REDIRECT);
	return XDP_REDIRECT;
}

SEC("xdp")
int xlb(struct xdp_md *ctx)
{
	__u32 ifindex = ctx->ingress_ifindex;
	__u32 *slot = bpf_map_lookup_elem(&interface_slots, &ifindex);
	struct egress egress = {};
	struct packet pkt = {};
	int r;

	/* attached, but not told yet: nothing is xlb's */
	if (!slot)
		return XDP_PASS;
	pkt.slot = *slot;
	r = process(ctx, &pkt, &egress);
	if (r == XLB_PASS)
		r = hand_over(ctx, &pkt);
	if (r < 0)
		return refuse(ctx, &pkt, (__u32)-r);
	if (r == XLB_PASS) {
		count_interface(&pkt, XLB_IFCOUNT_PASS);
		watch_begin(&pkt, pkt.listener);
		watch_before(ctx, &pkt, NULL, XLB_VERDICT_PASS, 0);
		return XDP_PASS;
	}
	return forward(ctx, &pkt, &egress);
}

/* For the far end of a veth: XDP_TX and redirect into one need a program there. */
SEC("xdp")
int xlb_pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

/* On the way out of an interface that health checks through the datapath leave by. */
SEC("tc")
int xlb_probe_out(struct __sk_buff *skb)
{
	return probe_send(skb);
}

/* Ends a flow for the daemon, in step with packets: see struct xlb_flow_end. */
SEC("syscall")
int xlb_flow_end(struct xlb_flow_end *args)
{
	struct xlb_flow_key key = args->key;
	union flow_word seen = { .word = args->seen }, stone = seen;
	struct xlb_flow *flow = flow_find(&key);
	struct xlb_server *server;
	/* the coarse clock is not for programs of this type */
	__u32 now = (__u32)(bpf_ktime_get_ns() >> XLB_STAMP_SHIFT);

	if (!flow)
		return -FLOW_ENOENT;
	if (args->action == XLB_END_TOMBSTONE) {
		stone.stamp = now;
		stone.state = XLB_FLOW_TOMBSTONE;
		return flow_word_swap(flow, &seen, stone) ? 0 : -FLOW_EAGAIN;
	}
	server = server_find(flow->server);
	if (!server || !flow_claim(flow, seen, now))
		return -FLOW_EAGAIN;
	return record_free(&key, flow, server) ? -FLOW_EAGAIN : 0;
}

/*
 * Frames that were lost after the verdict: counted where the packet came in, or told to who watches. The
 * tracepoints belong to all programs and namespaces: what came in by no interface of xlb's is not its own.
 */
static __always_inline int lost(__u32 from_ifindex, __u32 to_ifindex, __u32 reason, __u32 frames,
				__u32 error)
{
	__u32 *from = bpf_map_lookup_elem(&interface_slots, &from_ifindex), *to;
	struct packet pkt = {};

	if (!from || !frames)
		return 0;
	if (observing) {
		to = bpf_map_lookup_elem(&interface_slots, &to_ifindex);
		watch_lost(*from, to ? *to : 0, reason, frames, error);
		return 0;
	}
	pkt.slot = *from;
	count_drops(&pkt, reason, frames);
	sample_lost(reason, *from);
	return 0;
}

/* Arguments as in /sys/kernel/tracing/events/xdp/NAME/format, the same since 5.8. */
struct redirect_err {
	__u64 common;
	__s32 program;
	__u32 act;
	__s32 ifindex, error, to_ifindex;
};
struct devmap_xmit {
	__u64 common;
	__s32 from_ifindex;
	__u32 act;
	__s32 to_ifindex, drops, sent, error;
};
struct bulk_tx {
	__u64 common;
	__s32 ifindex;
	__u32 act;
	__s32 drops, sent, error;
};
struct exception {
	__u64 common;
	__s32 program;
	__u32 act;
	__s32 ifindex;
};

/* The kernel refused the redirect of one frame. */
SEC("tracepoint/xdp/xdp_redirect_err")
int xdp_redirect_err(struct redirect_err *args)
{
	return lost((__u32)args->ifindex, (__u32)args->to_ifindex, XLB_DROP_REDIRECT_FAILED, 1,
		    (__u32)-args->error);
}

/* The driver of the other interface did not take all frames of a bulk. */
SEC("tracepoint/xdp/xdp_devmap_xmit")
int xdp_devmap_xmit(struct devmap_xmit *args)
{
	return lost((__u32)args->from_ifindex, (__u32)args->to_ifindex, XLB_DROP_REDIRECT_FAILED,
		    (__u32)args->drops, (__u32)-args->error);
}

/* The same for frames that go back where they came from. */
SEC("tracepoint/xdp/xdp_bulk_tx")
int xdp_bulk_tx(struct bulk_tx *args)
{
	return lost((__u32)args->ifindex, (__u32)args->ifindex, XLB_DROP_TX_FAILED,
		    (__u32)args->drops, (__u32)-args->error);
}

/* The driver could not do what one verdict said. */
SEC("tracepoint/xdp/xdp_exception")
int xdp_exception(struct exception *args)
{
	return args->act == XDP_TX ?
		       lost((__u32)args->ifindex, (__u32)args->ifindex, XLB_DROP_TX_FAILED, 1, 0) :
		       0;
}
