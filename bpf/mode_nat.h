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

#define NAT_PORTS 8 /* tried before a flow is refused */

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
	struct flow_scratch *scratch = flow_scratch_find();
	struct xlb_flow_key *found;

	if (!scratch || nat_is_near(&pkt->source, server))
		return true;
	scratch->reply.server = server->addr;
	scratch->reply.peer = pkt->source;
	scratch->reply.server_port = server->port ? server->port : pkt->destination_port;
	scratch->reply.peer_port = pkt->source_port;
	scratch->reply.protocol = pkt->protocol;
	found = reply_find(&scratch->reply);
	return !found || (found->vip == vip && found->port == pkt->destination_port);
}

/* Publishes a locator for the record under another port of the client's: true if it was free. */
STEP bool nat_port_try(const struct xlb_flow_key *key, const struct xlb_server *server,
		       struct xlb_flow *record)
{
	struct flow_scratch *scratch = flow_scratch_find();
	__u32 port = XLB_SNAT_FIRST_PORT + bpf_get_prandom_u32() % (65536 - XLB_SNAT_FIRST_PORT);

	if (!scratch)
		return false;
	record->snat_port = bpf_htons((__u16)port);
	return !reply_insert(record_reply_key(scratch, key, server, record), key);
}

static __always_inline int nat_port_change(const struct xlb_flow_key *key,
					   const struct xlb_server *server, struct xlb_flow *record)
{
	int i;

	for (i = 0; i < NAT_PORTS; i++) {
		if (!nat_port_try(key, server, record))
			continue;
		count_flow(record->listener, record->server, XLB_COUNT_PORTS_CHANGED);
		return 0;
	}
	return -XLB_DROP_SNAT_EXHAUSTED;
}

/* Publishes the record's locator; whose it is if it is taken decides what then. */
static __always_inline int nat_locate(struct flow_scratch *scratch, const struct xlb_flow_key *key,
				      const struct xlb_server *server, struct xlb_flow *record,
				      bool midway)
{
	struct xlb_reply_key *reply = record_reply_key(scratch, key, server, record);
	__u32 bitmap; /* nobody holds the port */
	int r = reply_insert(reply, key);

	if (!r)
		return 0;
	if (r != -FLOW_EEXIST)
		return flow_insert_reason(r);
	if (record_oust(scratch, key, record->created, &bitmap))
		return 0;
	return midway ? -XLB_DROP_NO_FLOW : nat_port_change(key, server, record);
}

static __always_inline int nat_create(const struct xlb_flow_key *key,
				      const struct xlb_server *server, struct xlb_flow *record,
				      __u8 tcp_flags)
{
	bool midway = key->protocol == IPPROTO_TCP && !tcp_is_syn(tcp_flags);
	struct flow_scratch *scratch = flow_scratch_find();
	int r;

	if (!scratch)
		return -XLB_DROP_INTERNAL;
	if (nat_is_near(&key->client, server)) {
		record->mode = XLB_MODE_FULLNAT;
		return midway ? -XLB_DROP_NO_FLOW : fullnat_create(key, server, record, tcp_flags);
	}
	record->snat_port = key->client_port;
	/* the end of a connection that nobody here knows: not worth a record, but never another flow's end */
	if (midway && tcp_flags & TCP_RST)
		return reply_find(record_reply_key(scratch, key, server, record)) ?
			       -XLB_DROP_NO_FLOW :
			       0;
	r = nat_locate(scratch, key, server, record, midway);
	if (r)
		return r;
	r = record_publish(key, record);
	if (!r)
		return 0;
	reply_remove(record_reply_key(scratch, key, server, record));
	return r == -FLOW_EEXIST ? record_follow_winner(key, record) : flow_insert_reason(r);
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
