/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * NAT: only the destination is rewritten, so servers see their clients, and their answers must come back
 * through xlb. Two flows of one client port may meet at one server, by two VIPs or listeners: then another
 * server is chosen, or the client's port is rewritten as well. Clients on the server's own network, the server
 * itself among them, would be answered past xlb: those are fullnat's.
 */
#ifndef XLB_BPF_MODE_NAT_H
#define XLB_BPF_MODE_NAT_H

#include "mode_fullnat.h"
#include "xlb/addr.h"

#define NAT_PORTS 8 /* other ones tried before a flow is refused */

static __always_inline bool nat_is_near(const struct xlb_addr *client,
					const struct xlb_server *server)
{
	__u32 bits = server->near_bits, i, mask;

	if (xlb_addr_equal(client, &server->addr))
		return true;
	if (!bits)
		return false;
#pragma unroll
	for (i = 0; i < 4; i++) {
		mask = bits >= 32 ? 0xffffffff : bits ? bpf_htonl(~0U << (32 - bits)) : 0;
		if ((client->words[i] ^ server->addr.words[i]) & mask)
			return false;
		bits = bits >= 32 ? bits - 32 : 0;
	}
	return true;
}

/* False while another flow of the client's port is known to the server by that port. */
static __always_inline bool nat_takes(const struct packet *pkt, __u32 vip,
				      const struct xlb_server *server)
{
	struct flow_draft *draft = flow_draft_find();
	struct xlb_flow_page *page;

	if (!draft || nat_is_near(&pkt->source, server))
		return true;
	draft->reply.server = server->addr;
	draft->reply.peer = pkt->source;
	draft->reply.server_port = server->port ? server->port : pkt->destination_port;
	draft->reply.peer_port = pkt->source_port;
	draft->reply.protocol = pkt->protocol;
	if (!reply_find(&draft->reply, 0, &draft->found))
		return true;
	page = table_page_at(&draft->found.at);
	if (!page)
		return true;
	return xlb_get(draft->found.fixed, XLB_FIXED_VIP) == vip &&
	       flow_port(page, &draft->found) == pkt->destination_port;
}

/* Gives the draft another port of the client's and puts its locator: false if a flow is known to the server by it. */
GLOBAL_STEP int nat_port_try(void)
{
	__u32 port = XLB_SNAT_FIRST_PORT + bpf_get_prandom_u32() % (65536 - XLB_SNAT_FIRST_PORT);
	struct flow_draft *draft = flow_draft_find();

	if (!draft)
		return false;
	draft->snat_port = draft->reply.peer_port = bpf_htons((__u16)port);
	return !reply_find(&draft->reply, 0, &draft->found) && !record_locate(draft, false);
}

/* 0, or the reason why it cannot be the client's own, if no other can be found. */
static __always_inline int nat_port_change(struct flow_draft *draft, int reason)
{
	int i;

	for (i = 0; i < NAT_PORTS; i++) {
		if (!nat_port_try())
			continue;
		count_flow(draft->listener, draft->server, XLB_COUNT_PORTS_CHANGED);
		return 0;
	}
	return reason;
}

static __always_inline int nat_create(const struct xlb_server *server, struct flow_draft *draft,
				      __u8 tcp_flags)
{
	bool midway = draft->protocol == IPPROTO_TCP && !tcp_is_syn(tcp_flags), held;
	int r = 0;

	if (nat_is_near(&draft->client, server)) {
		draft->instead = true;
		return midway ? -XLB_DROP_NO_FLOW : fullnat_create(server, draft, tcp_flags);
	}
	draft->snat_port = draft->client_port;
	record_reply_key(draft, server);
	held = reply_find(&draft->reply, 0, &draft->found);
	/* the end of a connection that nobody here knows: not worth an entry, but never another flow's end */
	if (midway && tcp_flags & TCP_RST)
		return held ? -XLB_DROP_NO_FLOW : 0;
	/* whose the port is decides what then */
	if (held && !record_oust(draft))
		r = midway ? -XLB_DROP_NO_FLOW : -XLB_DROP_SNAT_EXHAUSTED;
	else if (record_locate(draft, held))
		r = -XLB_DROP_FLOW_TABLE_FULL;
	if (r && !midway)
		r = nat_port_change(draft, r);
	if (r)
		return r;
	r = record_publish();
	if (r == -FLOW_EEXIST)
		return record_follow_winner(draft);
	return r ? record_reason(r) : 0;
}

static __always_inline int nat_ends(const struct packet *pkt, const struct xlb_server *server,
				    const struct mapping *mapping, struct ends *ret)
{
	ret->source = pkt->source;
	ret->destination = server->addr;
	ret->source_port = mapping->snat_port;
	ret->destination_port = mapping->server_port;
	return 0;
}

static __always_inline __u32 nat_length(const struct packet *pkt, const struct xlb_server *server)
{
	(void)server;
	return pkt->l3_length;
}

static __always_inline int nat_edit(struct xdp_md *ctx, const struct packet *pkt,
				    const struct xlb_server *server, const struct ends *ends)
{
	(void)server;
	return edit_ends(ctx, pkt, ends);
}

#endif
