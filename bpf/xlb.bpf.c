// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * xlb's datapath: entry points and the pipeline in order. Steps return 0, -XLB_DROP_x or XLB_PASS (pkt.h);
 * only this file turns them into XDP verdicts, and counts them.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "budget.h"
#include "count.h"
#include "edit.h"
#include "flow.h"
#include "icmp_answer.h"
#include "icmp_error.h"
#include "listener.h"
#include "maps.h"
#include "mode.h"
#include "mss.h"
#include "nexthop.h"
#include "parse.h"
#include "path_mtu.h"
#include "probe.h"
#include "quic.h"
#include "record.h"
#include "rst.h"
#include "select.h"
#include "snat.h"
#include "translate.h"
#include "vlan.h"
#include "watch.h"
#include "work.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* What the packet is to a flow whose server has the flags. */
static __always_inline void event_of(struct work *work, __u32 server_flags)
{
	const struct packet *pkt = &work->pkt;
	struct flow_event *ret = &work->event;

	ret->now = work->now;
	ret->idle_timeout = 0;
	ret->server_flags = server_flags;
	ret->protocol = pkt->protocol;
	ret->tcp_flags = pkt->tcp_flags;
	ret->reply = pkt->reply;
	ret->direct = ret->adopt = false;
}

/*
 * Whether a packet changes nothing of its flow although the server has a flag: it goes by connection ids, and was given
 * the chance to learn one.
 */
static __always_inline bool is_unchanged_quic(struct xdp_md *ctx, const struct work *work,
					      __u32 server_flags)
{
	if (!(server_flags & XLB_SERVER_QUIC))
		return false;
	if (quic_is_long(ctx, &work->pkt))
		quic_learn(ctx, &work->pkt, &work->flow);
	return flow_is_unchanged(work->flow.live, work->now, server_flags & ~XLB_SERVER_QUIC,
				 &work->pkt);
}

/* What the packet is to the flow that it found. Fills whom to count it for, and the flow's server. */
static __always_inline int judge(struct xdp_md *ctx, struct work *work,
				 struct xlb_server **ret_server)
{
	const struct flow_at *flow = &work->flow;
	struct packet *pkt = &work->pkt;
	struct xlb_listener *listener;
	struct xlb_server *server;
	__u8 mode;

	pkt->listener = (__u32)xlb_get(flow->fixed, XLB_FIXED_LISTENER);
	pkt->server = (__u32)xlb_get(flow->fixed, XLB_FIXED_SERVER);
	server = server_find(pkt->server);
	*ret_server = server;
	if (flow_is_unchanged(flow->live, work->now, server->flags, pkt) ||
	    is_unchanged_quic(ctx, work, server->flags))
		return FLOW_STEADY;
	listener = listener_find(pkt->listener);
	mode = record_mode(server, flow->fixed);
	event_of(work, server->flags);
	work->event.idle_timeout = listener->idle_timeout;
	work->event.direct = xlb_mode_has(mode, XLB_MODE_DIRECT);
	work->event.adopt = xlb_mode_has(mode, XLB_MODE_ADOPT);
	return flow_judge(flow_life_of(flow->live), &work->event);
}

/* True if packets to the address are xlb's; false if only those from it may be. */
static __always_inline bool is_own(const struct xlb_address *role)
{
	return role->vip || role->snat;
}

#define CHOICES 4 /* servers asked whether they can take a flow */

/* One of the group's servers by a hash, the first of a few that can take the flow. */
static __always_inline int choose_by_hash(struct packet *pkt, __u32 vip, __u32 group, __u32 hash)
{
	__u32 turn, first = 0;
	int r;

	for (turn = 0; turn < CHOICES; turn++) {
		r = server_select(pkt, group, hash, turn, &pkt->server);
		if (r)
			return r;
		first = first ? first : pkt->server;
		if (mode_takes(pkt, vip, server_find(pkt->server)))
			break;
	}
	if (turn == CHOICES)
		pkt->server = first;
	return 0;
}

/* What the connection id of a datagram says, if the group goes by ids; quic.h says how it is to be read. */
static __always_inline __u64 ask_id(struct xdp_md *ctx, const struct packet *pkt, __u32 vip,
				    __u32 group)
{
	__u64 says = 0;

	if (pkt->protocol == IPPROTO_UDP && group_quic(group).id_length)
		says = quic_ask(ctx, pkt, vip, group);
	watch_id(pkt, (__u32)xlb_get(says, QUIC_SAYS_FOUND));
	return says;
}

/* A server of the listener's group for a packet that starts a flow, into pkt. */
static __always_inline int choose_server(struct xdp_md *ctx, struct packet *pkt, __u32 vip,
					 __u32 group, __u8 *ret_mode)
{
	struct xlb_address own = address_find(&pkt->source);
	__u64 says = ask_id(ctx, pkt, vip, group);
	__u32 found = (__u32)xlb_get(says, QUIC_SAYS_FOUND);
	__u32 value = (__u32)xlb_get(says, QUIC_SAYS_VALUE);
	struct xlb_server *server;
	int r = 0;

	watch_group(pkt, group);
	if (!found || found == XLB_FOUND_ID)
		r = choose_by_hash(pkt, vip, group, found ? value : select_hash(pkt));
	else
		pkt->server = value;
	if (r)
		return r;
	server = server_find(pkt->server);
	if (!server->mode ||
	    (server->family != pkt->family && !xlb_mode_has(server->mode, XLB_MODE_FAMILY)))
		return -XLB_DROP_INTERNAL;
	if (server->flags & XLB_SERVER_RESET)
		return -XLB_DROP_NO_SERVER;
	/* a reply to an address of xlb, or a packet of the server to itself, would never arrive */
	if (is_own(&own) || (xlb_mode_has(server->mode, XLB_MODE_DIRECT) &&
			     xlb_addr_equal(&pkt->source, &server->addr)))
		return -XLB_DROP_HAIRPIN;
	*ret_mode = server->mode;
	return 0;
}

/* Listener and server for a packet that starts a flow, into pkt. */
GLOBAL_STEP int choose(struct xdp_md *ctx, struct packet *pkt, __u32 vip_id)
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
	pkt->listener = listener_match(vip, pkt->protocol, pkt->destination_port);
	watch_role(pkt, pkt->listener, vip_id, 0);
	if (!pkt->listener)
		return vip->flags & XLB_VIP_HOST ? XLB_PASS : -XLB_DROP_NO_LISTENER;
	listener = listener_find(pkt->listener);
	r = listener->flags & XLB_LISTENER_DISABLED ?
		    -XLB_DROP_NO_LISTENER :
		    choose_server(ctx, pkt, vip_id, listener->group, &mode);
	/* a segment of no flow gets an answer, unless a server may know it that would be chosen again */
	if (midway && (r || !xlb_mode_has(mode, XLB_MODE_ADOPT)))
		return -XLB_DROP_NO_FLOW;
	return r;
}

/* The hop back to where the packet came from. */
static __always_inline int reply_hop(const struct xdp_md *ctx, const struct packet *pkt,
				     union hop_word *ret)
{
	struct cursor cursor = cursor_at(ctx, 0);
	struct ethhdr *eth = take(&cursor, sizeof(*eth));

	if (!eth)
		return -XLB_DROP_INTERNAL;
	ret->word = mac_read(eth->h_source, (__u16)pkt->link);
	return 0;
}

/* A new flow for the packet. */
static __always_inline int start(const struct xdp_md *ctx, struct work *work)
{
	struct flow_draft *draft = flow_draft_find();
	const struct packet *pkt = &work->pkt;
	union hop_word hop;
	int r;

	if (!draft || reply_hop(ctx, pkt, &hop))
		return -XLB_DROP_INTERNAL;
	draft->id = work->id;
	draft->client = pkt->source;
	draft->now = work->now;
	draft->server = pkt->server;
	draft->listener = pkt->listener;
	draft->pool = 0;
	draft->client_port = pkt->source_port;
	draft->port = pkt->destination_port;
	draft->snat_port = 0;
	draft->protocol = pkt->protocol;
	draft->instead = draft->made = false;
	draft->hop = hop.hop;
	r = mode_create(pkt->tcp_flags);
	if (!r)
		r = record_confirm();
	if (!r)
		work->flow.fixed = record_fixed(draft);
	return r;
}

/* The packet goes where its flow says. */
static __always_inline int follow(const struct xdp_md *ctx, struct work *work, bool steady)
{
	struct flow_at *flow = &work->flow;
	__u32 learned = 0;
	union hop_word hop;

	if (xlb_get(flow->fixed, XLB_FIXED_SNAT_PORT)) {
		if (reply_hop(ctx, &work->pkt, &hop))
			return -XLB_DROP_INTERNAL;
		learned = hop_learn((__u32)xlb_get(flow->live, XLB_LIVE_HOP), hop.word);
	}
	if (steady && !learned)
		return 0;
	if (steady)
		event_of(work, 0);
	return flow_touch(flow, &work->event, learned);
}

/*
 * A SYN announces how long segments to its sender may be. Those of a connection of which xlb sees both directions
 * fit the interface towards the client, by its slot, and the one towards the server; slot 0: it does not.
 * The listener may ask for less.
 */
GLOBAL_STEP int limit_mss(struct xdp_md *ctx, const struct packet *pkt, __u32 client_slot,
			  __u32 client_family)
{
	__u32 limit = MSS_ANY, other;
	struct xlb_server *server;

	if (!pkt)
		return -XLB_DROP_INTERNAL;
	if (client_slot) {
		server = server_find(pkt->server);
		limit = mss_of_mtu(interface_mtu(client_slot), client_family);
		other = mss_of_mtu(interface_mtu(nexthop_slot(server->nexthop)), server->family);
		limit = other < limit ? other : limit;
	}
	other = listener_find(pkt->listener)->mss;
	if (other && other < limit)
		limit = other;
	return mss_lower(ctx, pkt->l4_offset, sizeof(struct tcphdr), limit);
}

/* True if the packet leaves by the NIC that it came in by. */
static __always_inline bool goes_back(const struct packet *pkt, const struct egress *egress)
{
	return egress_nic(egress) == pkt->slot;
}

/* All is decided: tells who watches, before the packet gets its new ends. */
static __always_inline int commit(struct xdp_md *ctx, struct work *work, __u32 vip)
{
	__u32 slot = work->egress.slot;
	bool back = goes_back(&work->pkt, &work->egress);

	/* the flag is what comes back if the device is not there; nothing happens before the verdict */
	if (!back && bpf_redirect_map(&devices, slot, XDP_DROP) != XDP_REDIRECT)
		return -XLB_DROP_NO_INTERFACE;
	watch_egress(&work->pkt, slot);
	watch_measure(&work->pkt, &work->ends, vip);
	watch_before(ctx, &work->pkt, &work->ends, back ? XLB_VERDICT_TX : XLB_VERDICT_REDIRECT, 0);
	return 0;
}

/* The way out to a server, for what will measure `length` as an IP packet. */
static __always_inline int egress_to(const struct xdp_md *ctx, struct work *work,
				     const struct xlb_server *server, __u32 length)
{
	struct packet *pkt = &work->pkt;
	int r;

	watch_hop(pkt, server->nexthop);
	r = egress_by_id(pkt, server->nexthop, length, &work->egress);
	if (!r && xlb_mode_has(server->mode, XLB_MODE_ENCAP))
		r = path_check(ctx, pkt, &server->addr, length, work->now);
	return r;
}

/* A packet to a VIP. */
static __always_inline int request(struct xdp_md *ctx, struct work *work, __u32 vip)
{
	struct packet *pkt = &work->pkt;
	struct flow_at *flow = &work->flow;
	struct xlb_server *server = NULL;
	struct mapping mapping;
	int act = FLOW_START;
	bool known;
	int r;

	work_clock(work);
	flow_id_of(pkt, vip, &work->id);
	known = flow_find(&work->id, flow);
	if (known) {
		act = judge(ctx, work, &server);
		watch_flow(pkt, pkt->listener, vip, 0, flow->live);
		if (act < 0)
			return act;
	}
	if (act == FLOW_START || act == FLOW_REPICK) {
		r = choose(ctx, pkt, vip);
		if (r)
			return r;
		server = server_find(pkt->server);
		if (act == FLOW_REPICK && xlb_get(flow->fixed, XLB_FIXED_SERVER) == pkt->server)
			act = FLOW_FOLLOW;
		watch_choice(pkt, act == FLOW_FOLLOW);
	}
	if (!server)
		return -XLB_DROP_INTERNAL;
	r = egress_to(ctx, work, server, mode_length(pkt, server));
	if (r)
		return r;
	if (act == FLOW_FOLLOW || act == FLOW_STEADY) {
		r = follow(ctx, work, act == FLOW_STEADY);
	} else {
		if (known && record_retire(flow, work->now, work->event.idle_timeout))
			return -XLB_DROP_FLOW_BUSY;
		r = start(ctx, work);
	}
	if (r)
		return r;
	mapping = record_mapping(server, flow->fixed, pkt->destination_port);
	r = mode_ends(pkt, server, &mapping, &work->ends);
	if (!r)
		r = commit(ctx, work, vip);
	if (r)
		return r;
	if (pkt->tcp_flags & TCP_SYN)
		limit_mss(ctx, pkt, xlb_mode_has(mapping.mode, XLB_MODE_DIRECT) ? 0 : pkt->link,
			  pkt->family);
	return mode_edit(ctx, pkt, server, mapping.mode, &work->ends);
}

/* The ends that a reply gets: from the VIP to the client. */
static __always_inline int reply_ends(const struct flow_at *flow, struct ends *ret)
{
	struct xlb_addr *vip = vip_address_find((__u32)xlb_get(flow->fixed, XLB_FIXED_VIP));
	struct xlb_flow_page *page = table_page_at(&flow->at);
	__u64 live;

	if (!page)
		return -XLB_DROP_INTERNAL;
	ret->source = *vip;
	flow_client(page, flow, &ret->destination, &ret->destination_port, &ret->source_port);
	live = word_read(page_word(page, flow->at.word));
	if (xlb_get(live, XLB_LIVE_INCARNATION) != xlb_get(flow->live, XLB_LIVE_INCARNATION))
		return -XLB_DROP_NO_FLOW;
	return flow_lives(live) || flow_is_moved(live) ? 0 : -XLB_DROP_NO_FLOW;
}

/* How a packet of a server finds its flow. */
static __always_inline void reply_key_of(const struct packet *pkt, struct xlb_reply_key *ret)
{
	*ret = (struct xlb_reply_key){
		.server = pkt->source,
		.peer = pkt->destination,
		.server_port = pkt->source_port,
		.peer_port = pkt->destination_port,
		.protocol = pkt->protocol,
	};
}

/*
 * A packet to the SNAT address, or (snat 0) of a server whose packets to clients come back through xlb: a
 * reply, or the host's business if no flow has its ports.
 */
static __always_inline int reply(struct xdp_md *ctx, struct work *work, __u32 snat)
{
	struct packet *pkt = &work->pkt;
	struct flow_at *flow = &work->flow;
	struct xlb_server *server;
	struct xlb_nexthop *hop;
	__u8 family;
	int act, r;

	reply_key_of(pkt, &work->key);
	if (!reply_find(&work->key, 0, flow))
		return XLB_PASS;
	pkt->reply = true;
	work_clock(work);
	family = flow->ipv6 ? XLB_IPV6 : XLB_IPV4;
	act = judge(ctx, work, &server);
	watch_flow(pkt, pkt->listener, 0, snat, flow->live);
	if (act < 0)
		return act;
	hop = hop_find((__u32)xlb_get(flow->live, XLB_LIVE_HOP));
	r = egress_by(pkt, hop, translate_length(pkt, family), &work->egress);
	if (!r)
		r = reply_ends(flow, &work->ends);
	if (!r && act != FLOW_STEADY)
		r = flow_touch(flow, &work->event, 0);
	if (!r)
		r = commit(ctx, work, (__u32)xlb_get(flow->fixed, XLB_FIXED_VIP));
	if (r)
		return r;
	if (pkt->tcp_flags & TCP_SYN)
		limit_mss(ctx, pkt, work->egress.slot, family);
	return translate_ends(ctx, pkt, &work->ends, family);
}

#define ICMP_STRANGER 4 /* result of icmp_find: no flow, but there may be a server all the same */

/* A router has thrown away a packet of xlb's own making, since it was too large: an outer header and what is in it. */
static __always_inline void icmp_own(const struct xdp_md *ctx, const struct work *work)
{
	struct cursor cursor = cursor_at(ctx, work->pkt.l4_offset & L4_OFFSET_MAX);
	struct icmp_message *message = take(&cursor, sizeof(*message));
	const struct packet *about = &work->about;
	bool ipv4 = about->family == XLB_IPV4;

	if (!message || !outer_is_own(about->protocol, about->source_port))
		return;
	if (ipv4 && message->type == ICMP4_UNREACHABLE && message->code == ICMP4_FRAGMENT_NEEDED)
		path_mtu_learn(&about->source, bpf_ntohs(message->mtu), work->now);
	if (!ipv4 && message->type == ICMP6_TOO_BIG)
		path_mtu_learn(&about->source, bpf_ntohl(message->word), work->now);
}

/* A message that is no error, or one that cannot be read. */
static __always_inline int icmp_other(const struct xdp_md *ctx, const struct packet *pkt, bool host)
{
	struct cursor cursor = cursor_at(ctx, pkt->l4_offset & L4_OFFSET_MAX);
	__u8 *type = take(&cursor, 1);

	if (host)
		return XLB_PASS;
	if (!type || pkt->l4_length < sizeof(struct icmp_message) ||
	    icmp_is_error(pkt->family, *type))
		return -XLB_DROP_BAD_PACKET;
	return icmp_is_echo(pkt->family, *type) ?
		       icmp_echo(ctx, pkt, interface_mac(interface_find(pkt->link))) :
		       XLB_PASS;
}

/*
 * Finds the flow of an ICMP error to an address of xlb's, or (no role at all) maybe to a client of a nat group: 0,
 * ICMP_STRANGER, or what is done with it.
 */
GLOBAL_STEP int icmp_find(struct xdp_md *ctx, __u32 vip, __u32 snat)
{
	bool host = !vip || vip_find(vip)->flags & XLB_VIP_HOST;
	struct cursor cursor = cursor_at(ctx, 0);
	struct work *work = work_find();
	struct packet *about;

	if (!work)
		return -XLB_DROP_INTERNAL;
	about = &work->about;
	work_clock(work);
	__builtin_memset(about, 0, sizeof(*about));
	if (!icmp_read(&cursor, &work->pkt, &work->error, about))
		return icmp_other(ctx, &work->pkt, host);
	if (is_l4(about->protocol) && (snat || !vip)) {
		reply_key_of(about, &work->key);
		about->reply = reply_find(&work->key, 0, &work->flow);
		if (about->reply)
			return 0;
	}
	if (is_l4(about->protocol) && vip) {
		flow_id_of(about, vip, &work->id);
		if (flow_find(&work->id, &work->flow))
			return 0;
		work->flow.fixed = 0;
		return host ? XLB_PASS : ICMP_STRANGER;
	}
	if (snat)
		icmp_own(ctx, work);
	return XLB_PASS;
}

/* From a packet of a VIP to the client that is quoted: to the server whose flow it is. */
static __always_inline int icmp_to_server(const struct xdp_md *ctx, struct work *work)
{
	struct packet *pkt = &work->pkt, *about = &work->about;
	struct xlb_server *server = server_find(pkt->server);
	struct mapping mapping = record_mapping(server, work->flow.fixed, about->destination_port);
	int r = mode_ends(about, server, &mapping, &work->about_ends);

	if (r)
		return r;
	work->error.family = ICMP_AS_IT_IS;
	if (xlb_mode_has(mapping.mode, XLB_MODE_DIRECT)) {
		work->ends =
			(struct ends){ .source = pkt->source, .destination = pkt->destination };
		return egress_to(ctx, work, server, mode_length(pkt, server));
	}
	work->error.family = server->family;
	icmp_ends(pkt, about, &work->about_ends, &work->ends);
	return egress_to(ctx, work, server, icmp_length(pkt, &work->error));
}

/* From a packet to a server that is quoted, as the server was to see it: to the client. */
static __always_inline int icmp_to_client(struct work *work)
{
	struct packet *pkt = &work->pkt;
	struct flow_at *flow = &work->flow;
	int r = reply_ends(flow, &work->about_ends);

	pkt->reply = true;
	work->error.family = flow->ipv6 ? XLB_IPV6 : XLB_IPV4;
	icmp_ends(pkt, &work->about, &work->about_ends, &work->ends);
	return r ? r :
		   egress_by(pkt, hop_find((__u32)xlb_get(flow->live, XLB_LIVE_HOP)),
			     icmp_length(pkt, &work->error), &work->egress);
}

/* Decides where an error goes whose flow, or whose server, is known. */
GLOBAL_STEP int icmp_aim(struct xdp_md *ctx, __u32 vip)
{
	struct work *work = work_find();
	struct packet *pkt;
	int r;

	if (!work)
		return -XLB_DROP_INTERNAL;
	pkt = &work->pkt;
	if (work->flow.fixed) {
		pkt->listener = (__u32)xlb_get(work->flow.fixed, XLB_FIXED_LISTENER);
		pkt->server = (__u32)xlb_get(work->flow.fixed, XLB_FIXED_SERVER);
		watch_flow(pkt, pkt->listener, vip, 0, work->flow.live);
	} else {
		pkt->listener = work->about.listener;
		pkt->server = work->about.server;
		watch_role(pkt, pkt->listener, vip, 0);
	}
	r = work->about.reply ? icmp_to_client(work) : icmp_to_server(ctx, work);
	return r ? r : commit(ctx, work, (__u32)xlb_get(work->flow.fixed, XLB_FIXED_VIP));
}

/* The way of an error to the other end, through a server's outer header too. */
GLOBAL_STEP int icmp_pass_on(struct xdp_md *ctx)
{
	struct work *work = work_find();
	struct xlb_server *server;

	if (!work)
		return -XLB_DROP_INTERNAL;
	server = server_find(work->pkt.server);
	return mode_edit(ctx, &work->pkt, server, server->mode, &work->ends);
}

/* An ICMP message that may be xlb's business. */
static __always_inline int icmp(struct xdp_md *ctx, struct work *work,
				const struct xlb_address *role)
{
	int r = icmp_find(ctx, role->vip, role->snat);

	if (r == ICMP_STRANGER) {
		/* only modes that need no flow: there it is the hash that says whose it is */
		r = choose(ctx, &work->about, role->vip);
		if (r || !xlb_mode_has(server_find(work->about.server)->mode, XLB_MODE_DIRECT))
			return -XLB_DROP_ICMP_UNKNOWN;
	}
	if (!r)
		r = icmp_aim(ctx, role->vip);
	if (r)
		return r;
	return work->error.family == ICMP_AS_IT_IS ? icmp_pass_on(ctx) : icmp_edit_ends(ctx);
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
static __always_inline bool is_returned(const struct packet *pkt, __u32 flags)
{
	return flags & XLB_INTERFACE_RETURNS &&
	       address_find(&pkt->source).flags & XLB_ADDRESS_RETURNS;
}

/* True if the frame had VLAN tags, may be xlb's and has lost them: then it is to be parsed anew. */
GLOBAL_STEP int take_tags(struct xdp_md *ctx, struct packet *pkt)
{
	struct xlb_address role;
	__u32 flags;

	if (!pkt || vlan_read(ctx, pkt))
		return false;
	role = address_find(&pkt->destination);
	flags = interface_flags(pkt->slot);
	if (!is_own(&role) && !(flags & (XLB_INTERFACE_RETURNS | XLB_INTERFACE_PROBES)) &&
	    !observing)
		return false;
	return !vlan_strip(ctx, pkt);
}

/*
 * Addresses of a packet; those of a frame with tags in a second turn, so that packets without pay nothing. The
 * compiler must not take the turns apart: what follows would have to fit both.
 */
static __always_inline int parse_frame(struct xdp_md *ctx, struct packet *pkt,
				       struct cursor *cursor)
{
	int r, turn = 0;

	do {
		barrier_var(turn);
		*cursor = cursor_at(ctx, 0);
		r = parse_ends(cursor, (__u32)((long)ctx->data_end - (long)ctx->data), pkt);
	} while (r && !turn++ && take_tags(ctx, pkt));
	return r;
}

static __always_inline int process(struct xdp_md *ctx, struct work *work)
{
	struct packet *pkt = &work->pkt;
	struct xlb_address role;
	struct cursor cursor;
	__u32 flags = 0;
	bool own;
	int r;

	r = parse_frame(ctx, pkt, &cursor);
	if (r)
		return r;
	role = address_find(&pkt->destination);
	own = is_own(&role);
	if (!own)
		flags = interface_flags(pkt->slot);
	work->returned = !own && is_returned(pkt, flags);
	if (!own && !work->returned && !(flags & XLB_INTERFACE_PROBES) && !observing)
		/* a router may have something to say about a packet to a server of a nat group */
		return flags & XLB_INTERFACE_RETURNS && parse_is_icmp(&cursor, pkt->family) ?
			       XLB_ODD :
			       XLB_PASS;
	parse_rest(&cursor, pkt);
	if (pkt->fault)
		return XLB_ODD;
	r = XLB_PASS;
	if (role.snat || work->returned)
		r = reply(ctx, work, role.snat);
	if (r == XLB_PASS && role.vip)
		r = request(ctx, work, role.vip);
	return r;
}

/* The same for a packet that is not TCP or UDP as it should be. */
static __always_inline int process_odd(struct xdp_md *ctx, struct work *work)
{
	struct packet *pkt = &work->pkt;
	struct xlb_address role;
	struct cursor cursor;
	int r = parse_frame(ctx, pkt, &cursor);

	if (r)
		return r;
	role = address_find(&pkt->destination);
	parse_rest(&cursor, pkt);
	if (pkt->fault == XLB_PASS && pkt->l4_offset)
		return is_own(&role) || interface_flags(pkt->slot) & XLB_INTERFACE_RETURNS ?
			       icmp(ctx, work, &role) :
			       XLB_PASS;
	return is_own(&role) ? fault_of(pkt, &role) : XLB_PASS;
}

/* What goes to the host is its own, but for answers to health checks, which must be changed first. */
static __always_inline int hand_over(struct xdp_md *ctx, const struct packet *pkt)
{
	int r;

	/* without an offset nothing was parsed, or nothing that has ports */
	if (!pkt->l4_offset || pkt->fault || !(interface_flags(pkt->slot) & XLB_INTERFACE_PROBES))
		return XLB_PASS;
	r = probe_answer(ctx, pkt);
	return r ? r : XLB_PASS;
}

/* How the sender of a packet is told why it goes no further; XLB_ANSWER_COUNT: not at all. */
static __always_inline enum xlb_answer answer_to(const struct packet *pkt, __u32 reason)
{
	if ((reason == XLB_DROP_NO_FLOW || reason == XLB_DROP_FLOW_RESET) &&
	    pkt->protocol == IPPROTO_TCP && !(pkt->tcp_flags & TCP_RST))
		return XLB_ANSWER_RST;
	if ((reason == XLB_DROP_MTU_EXCEEDED || reason == XLB_DROP_TTL_EXPIRED) &&
	    is_l4(pkt->protocol))
		return XLB_ANSWER_ICMP;
	return XLB_ANSWER_COUNT;
}

static __always_inline enum xlb_verdict verdict_of(enum xlb_answer answer)
{
	return answer == XLB_ANSWER_RST	 ? XLB_VERDICT_RESET :
	       answer == XLB_ANSWER_ICMP ? XLB_VERDICT_ICMP :
					   XLB_VERDICT_DROP;
}

/* Makes a frame, which is as it came, its answer. */
static __always_inline int answer_make(struct xdp_md *ctx, struct packet *pkt,
				       enum xlb_answer answer, __u32 reason)
{
	__u64 own = interface_mac(interface_find(pkt->link));
	int r = 0;

	if (pkt->tagged)
		r = vlan_strip(ctx, pkt);
	if (!r)
		r = answer == XLB_ANSWER_RST ? rst_make(ctx, pkt, own) :
					       icmp_refuse(ctx, reason, own);
	if (!r && pkt->tagged)
		r = vlan_put(ctx, pkt, 0);
	return r;
}

/*
 * Drops for a reason, or answers with RST or an ICMP error where that is the way to drop it: the verdict. Not among the
 * code of packets that go on, whose registers it would take.
 */
GLOBAL_STEP int refuse(struct xdp_md *ctx, __u32 reason)
{
	struct work *work = work_find();
	enum xlb_answer answer;
	struct packet *pkt;

	if (!work)
		return XDP_DROP;
	pkt = &work->pkt;
	answer = answer_to(pkt, reason);
	/* only who knows a flow gets as many as he likes: anybody can make up packets of none */
	if (answer != XLB_ANSWER_COUNT && reason != XLB_DROP_FLOW_RESET && !budget_spend(answer)) {
		answer = XLB_ANSWER_COUNT;
		reason = XLB_DROP_RATE_LIMITED;
	}
	count_drop(pkt, reason);
	if (pkt->stripped)
		vlan_put(ctx, pkt, 0);
	sample_drop(ctx, reason, pkt->slot, pkt->listener, pkt->server);
	watch_begin(pkt, pkt->listener);
	watch_before(ctx, pkt, NULL, verdict_of(answer), reason);
	if (answer != XLB_ANSWER_COUNT && !answer_make(ctx, pkt, answer, reason)) {
		count_flow(pkt->listener, pkt->server,
			   answer == XLB_ANSWER_RST ? XLB_COUNT_RESETS : XLB_COUNT_DROPS);
		count_interface(pkt, XLB_IFCOUNT_TX);
		watch_after(ctx, pkt);
		return XDP_TX;
	}
	count_flow(pkt->listener, pkt->server, XLB_COUNT_DROPS);
	count_interface(pkt, XLB_IFCOUNT_DROP);
	return XDP_DROP;
}

static __always_inline int forward(struct xdp_md *ctx, struct packet *pkt,
				   const struct egress *egress)
{
	int r = edit_link(ctx, egress->destination, egress->source);

	if (!r && (pkt->stripped || egress_is_tagged(egress)))
		r = vlan_put(ctx, pkt, egress->slot);
	if (r)
		return refuse(ctx, (__u32)-r);
	watch_after(ctx, pkt);
	if (goes_back(pkt, egress)) {
		count_forwarded(pkt);
		count_interface(pkt, XLB_IFCOUNT_TX);
		return XDP_TX;
	}
	count_forwarded(pkt);
	count_interface(pkt, XLB_IFCOUNT_REDIRECT);
	return XDP_REDIRECT;
}

static __always_inline int pass(struct xdp_md *ctx, struct packet *pkt)
{
	watch_begin(pkt, pkt->listener);
	watch_before(ctx, pkt, NULL, XLB_VERDICT_PASS, 0);
	if (pkt->stripped)
		vlan_put(ctx, pkt, 0);
	count_interface(pkt, XLB_IFCOUNT_PASS);
	return XDP_PASS;
}

/* The programs that a packet can go on with, each with a stack of its own: what is rare costs the others nothing. */
enum stage { STAGE_ODD, STAGE_COUNT };
int xlb_odd(struct xdp_md *ctx);
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, STAGE_COUNT);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} stages SEC(".maps") = { .values = { [STAGE_ODD] = (void *)&xlb_odd } };

SEC("xdp")
int xlb(struct xdp_md *ctx)
{
	__u32 ifindex = ctx->ingress_ifindex;
	__u32 slot = interface_slot(ifindex);
	struct work *work = work_begin();
	struct packet *pkt;
	int r;

	/* attached, but not told yet: nothing is xlb's */
	if (!slot || !work)
		return XDP_PASS;
	pkt = &work->pkt;
	pkt->slot = pkt->link = slot;
	r = process(ctx, work);
	if (r == XLB_ODD) {
		if (pkt->stripped)
			vlan_put(ctx, pkt, 0);
		bpf_tail_call(ctx, &stages, STAGE_ODD);
		/* the stage is away for a moment only, while a daemon starts */
		r = XLB_PASS;
	}
	if (r == XLB_PASS)
		r = hand_over(ctx, pkt);
	if (r < 0)
		return refuse(ctx, (__u32)-r);
	return r == XLB_PASS ? pass(ctx, pkt) : forward(ctx, pkt, &work->egress);
}

/* What is neither TCP nor UDP, or cannot be taken as it is. Begins anew: nothing is handed over but the frame. */
SEC("xdp")
int xlb_odd(struct xdp_md *ctx)
{
	__u32 slot = interface_slot(ctx->ingress_ifindex);
	struct work *work = work_begin();
	struct packet *pkt;
	int r;

	if (!slot || !work)
		return XDP_PASS;
	pkt = &work->pkt;
	pkt->slot = pkt->link = slot;
	r = process_odd(ctx, work);
	if (r < 0)
		return refuse(ctx, (__u32)-r);
	if (r == XLB_PASS)
		return pass(ctx, pkt);
	if (r != XLB_ANSWERED)
		return forward(ctx, pkt, &work->egress);
	if (pkt->stripped)
		vlan_put(ctx, pkt, 0);
	count_interface(pkt, XLB_IFCOUNT_TX);
	watch_after(ctx, pkt);
	return XDP_TX;
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

/* Ends one flow for the daemon: 0, or -FLOW_EAGAIN if it is not as the daemon has seen it. */
GLOBAL_STEP int end_one(struct flow_at *flow, __u32 action)
{
	/* the coarse clock is not for programs of this type */
	__u32 now = (__u32)(bpf_ktime_get_ns() >> XLB_STAMP_SHIFT) & XLB_STAMP_MASK;
	struct xlb_flow_page *page;
	__u64 next;

	if (!flow)
		return -FLOW_EAGAIN;
	page = table_page_at(&flow->at);
	if (!page)
		return -FLOW_EAGAIN;
	flow->fixed = word_read(page_word(page, flow->at.word + 1U));
	if (action == XLB_END_TOMBSTONE) {
		next = xlb_set(flow->live, (__u64)now, XLB_LIVE_STAMP);
		next = xlb_set(next, (__u64)XLB_FLOW_TOMBSTONE, XLB_LIVE_STATE);
		return flow_swap(flow, next) ? 0 : -FLOW_EAGAIN;
	}
	return record_end(flow, now);
}

/* Ends flows for the daemon, in step with packets: see struct xlb_flow_ends. */
SEC("syscall")
int xlb_flow_end(struct xlb_flow_ends *args)
{
	struct flow_at flow;
	int i, done = 0;

#pragma unroll
	for (i = 0; i < XLB_END_BATCH; i++) {
		if ((__u32)i >= args->count)
			break;
		flow = (struct flow_at){ .at = args->flow[i].at, .live = args->flow[i].seen };
		flow.ipv6 = args->flow[i].ipv6;
		args->flow[i].result = end_one(&flow, args->flow[i].action);
		done += !args->flow[i].result;
	}
	return done;
}

/*
 * Frames that were lost after the verdict: counted where the packet came in, or told to who watches. The
 * tracepoints belong to all programs and namespaces: what came in by no interface of xlb's is not its own.
 */
static __always_inline int lost(__u32 from_ifindex, __u32 to_ifindex, __u32 reason, __u32 frames,
				__u32 error)
{
	__u32 from = interface_slot(from_ifindex);
	struct packet pkt = {};

	if (!from || !frames)
		return 0;
	if (observing) {
		watch_lost(from, interface_slot(to_ifindex), reason, frames, error);
		return 0;
	}
	pkt.slot = from;
	count_drops(&pkt, reason, frames);
	sample_lost(reason, from);
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
