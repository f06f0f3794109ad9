/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Full NAT: source and destination are rewritten both ways; a SNAT port stands for the client. */
#ifndef XLB_BPF_MODE_FULLNAT_H
#define XLB_BPF_MODE_FULLNAT_H

#include "count.h"
#include "edit.h"
#include "flow.h"
#include "select.h"
#include "snat.h"

#define FULLNAT_CLASHES 4 /* ports found taken by a flow of another pool's bitmap */
#define FULLNAT_STEALS	8

/* result of publishing, beside 0 and -XLB_DROP_x */
#define FULLNAT_CLASH 1

/*
 * A function of its own inside of a loop: whatever way it took is forgotten when it returns, so that the
 * verifier sees one state per round. Inlined, the two loops below took 300,000 instructions on 6.1.
 */
#define FULLNAT_STEP static __attribute__((noinline))

/* For the same reason: what a global function returns is not followed, one pool is like another. */
__attribute__((noinline)) int fullnat_pool_after(int pool)
{
	return pool + 1;
}

/* The part of a flow's record that says what its packets become. */
struct fullnat_mapping {
	__u32 snat;
	__be16 snat_port, server_port;
};

static __always_inline struct xlb_reply_key fullnat_reply_key(const struct xlb_server *server,
							      const struct xlb_flow *flow,
							      __u8 protocol)
{
	struct xlb_reply_key key = {
		.server = server->addr,
		.snat = flow->snat,
		.server_port = flow->server_port,
		.snat_port = flow->snat_port,
		.protocol = protocol,
	};

	return key;
}

/*
 * Deletes a record that the caller has claimed, with its locator and its port. If the locator's bucket is
 * locked by what this CPU interrupted, all stays for the sweep, which finds the record dead.
 */
static __always_inline int fullnat_free(const struct xlb_flow_key *key, struct xlb_flow *flow,
					const struct xlb_server *server)
{
	struct xlb_reply_key reply = fullnat_reply_key(server, flow, key->protocol);

	if (reply.snat_port) {
		if (reply_remove(&reply) == -FLOW_EBUSY)
			return -XLB_DROP_FLOW_BUSY;
		/* before the record goes: should that fail, the port is not released twice */
		flow_forget_port(flow);
		snat_port_release(flow->bitmap, bpf_ntohs(reply.snat_port));
	}
	flow_remove(key);
	return 0;
}

/*
 * Moves a claimed record to a key that no packet has, so that its port is not used again at once and its
 * server is still answered. Returns 0 if it was moved.
 */
static __always_inline int fullnat_rest(const struct xlb_flow_key *key, struct xlb_flow *flow,
					const struct xlb_server *server, union flow_word seen)
{
	struct xlb_reply_key reply = fullnat_reply_key(server, flow, key->protocol);
	struct xlb_flow_key rest = *key;
	struct xlb_flow *copy = flow_scratch_find();
	int r;

	if (!copy)
		return -XLB_DROP_INTERNAL;
	*copy = *flow;
	copy->stamp = seen.stamp;
	copy->state = seen.state;
	copy->flags = seen.flags;
	rest.rest = flow->snat_port;
	r = flow_insert(&rest, copy);
	if (r)
		return r;
	r = reply_replace(&reply, &rest);
	if (r) {
		flow_remove(&rest);
		return r;
	}
	flow_forget_port(flow);
	flow_remove(key);
	return 0;
}

/* Makes room for a new flow of the same key. */
FULLNAT_STEP int fullnat_retire(const struct xlb_flow_key *key, struct xlb_flow *flow, __u64 word,
				__u32 now, __u32 idle_timeout)
{
	struct xlb_server *server = server_find(flow->server);
	union flow_word seen = { .word = word };
	__u32 lifetime = xlb_flow_lifetime(key->protocol, seen.state, seen.flags, idle_timeout);

	if (!server)
		return -XLB_DROP_INTERNAL;
	if (!flow_claim(flow, seen, now))
		return -XLB_DROP_FLOW_BUSY;
	if (key->protocol == IPPROTO_TCP && seen.state != XLB_FLOW_DEAD && flow->snat_port &&
	    xlb_flow_age(now, seen.stamp) <= lifetime && !fullnat_rest(key, flow, server, seen))
		return 0;
	return fullnat_free(key, flow, server);
}

/*
 * Publishes the locator of a port that was taken for the record: 0, FULLNAT_CLASH if a flow of another
 * bitmap has it (it is given back), or -XLB_DROP_x.
 */
FULLNAT_STEP int fullnat_port_publish(const struct xlb_flow_key *key,
				      const struct xlb_server *server, struct xlb_flow *record,
				      __u32 port_h)
{
	struct xlb_reply_key reply;
	int r;

	record->snat_port = bpf_htons((__u16)port_h);
	reply = fullnat_reply_key(server, record, key->protocol);
	r = reply_insert(&reply, key);
	if (!r)
		return 0;
	snat_port_release(record->bitmap, port_h);
	return r == -FLOW_EEXIST ? FULLNAT_CLASH : flow_insert_reason(r);
}

/* Fills snat, snat_port and bitmap of the record with a free port of the server's pools, each in turn. */
static __always_inline int fullnat_port_take(const struct xlb_flow_key *key,
					     const struct xlb_server *server,
					     struct xlb_flow *record)
{
	__u32 pool = 0;
	int port, r, i;

	for (i = 0; i < XLB_SERVER_POOLS + FULLNAT_CLASHES; i++) {
		if (pool >= server->pool_count || pool >= XLB_SERVER_POOLS)
			break;
		record->snat = server->pools[pool].snat;
		record->bitmap = server->pools[pool].bitmap;
		port = snat_port_take(record->bitmap);
		if (!port) {
			pool = (__u32)fullnat_pool_after((int)pool);
			continue;
		}
		r = fullnat_port_publish(key, server, record, (__u32)port);
		if (r <= 0)
			return r;
	}
	return -XLB_DROP_SNAT_EXHAUSTED;
}

/*
 * One look for a flow that is closed and only waits for its port to be safe again, at a random port of a
 * pool. Its port and locator go to the record, its own record goes: that is room in the flow table too.
 */
FULLNAT_STEP bool fullnat_port_steal(const struct xlb_flow_key *key,
				     const struct xlb_server *server, struct xlb_flow *record,
				     __u32 pool)
{
	struct xlb_flow_key *found, owner;
	struct xlb_reply_key reply;
	union flow_word seen;
	struct xlb_flow *flow;

	if (pool >= XLB_SERVER_POOLS)
		return false;
	record->snat = server->pools[pool].snat;
	record->snat_port = bpf_htons((__u16)snat_port_random(server->pools[pool].bitmap));
	reply = fullnat_reply_key(server, record, key->protocol);
	found = reply_find(&reply);
	if (!found)
		return false;
	owner = *found;
	flow = flow_find(&owner);
	if (!flow || flow->snat != reply.snat || flow->snat_port != reply.snat_port)
		return false;
	seen = flow_word_read(flow);
	record->bitmap = flow->bitmap;
	if (seen.state != XLB_FLOW_CLOSED || !flow_claim(flow, seen, record->created))
		return false;
	if (reply_replace(&reply, key))
		return false;
	flow_forget_port(flow);
	flow_remove(&owner);
	count_eviction();
	return true;
}

/* The same with a few ports of all pools. */
static __always_inline bool fullnat_port_find_closed(const struct xlb_flow_key *key,
						     const struct xlb_server *server,
						     struct xlb_flow *record)
{
	__u32 pool = 0;
	int i;

	for (i = 0; i < FULLNAT_STEALS; i++) {
		if (fullnat_port_steal(key, server, record, pool))
			return true;
		pool = (__u32)fullnat_pool_after((int)pool);
		if (pool >= server->pool_count)
			pool = 0;
	}
	return false;
}

/*
 * Makes a flow from `record`, which lacks its SNAT port only. Another CPU may have made it meanwhile: the
 * record becomes a copy of that one.
 */
static __always_inline int fullnat_create(struct packet *pkt, const struct xlb_flow_key *key,
					  const struct xlb_server *server, struct xlb_flow *record)
{
	int r = fullnat_port_take(key, server, record);
	struct xlb_reply_key reply;
	struct xlb_flow *winner;
	bool stolen = false;
	int error, i;

	for (i = 0; i < 2; i++) {
		if (r) {
			if (stolen || !fullnat_port_find_closed(key, server, record))
				return r;
			stolen = true;
		}
		error = flow_insert(key, record);
		if (!error) {
			count_flow(pkt, XLB_COUNT_FLOWS);
			return 0;
		}
		reply = fullnat_reply_key(server, record, key->protocol);
		reply_remove(&reply);
		snat_port_release(record->bitmap, bpf_ntohs(record->snat_port));
		if (error == -FLOW_EEXIST)
			break;
		r = flow_insert_reason(error);
	}
	if (error != -FLOW_EEXIST)
		return r;
	winner = flow_find(key);
	if (!winner || winner->server != record->server ||
	    flow_word_read(winner).state == XLB_FLOW_DEAD)
		return -XLB_DROP_FLOW_BUSY;
	*record = *winner;
	return 0;
}

/* What a client's packet becomes: from the SNAT port to the server. */
static __always_inline int fullnat_request(const struct xlb_server *server,
					   const struct fullnat_mapping *mapping, struct ends *ret)
{
	struct xlb_snat *snat = snat_find(mapping->snat);

	if (!snat)
		return -XLB_DROP_INTERNAL;
	ret->source = snat->addr;
	ret->destination = server->addr;
	ret->source_port = mapping->snat_port;
	ret->destination_port = mapping->server_port;
	return 0;
}

/* What a server's packet becomes: from the VIP to the client. */
static __always_inline void fullnat_reply(const struct xlb_flow_key *key,
					  const struct xlb_flow *flow, struct ends *ret)
{
	ret->source = flow->vip;
	ret->destination = key->client;
	ret->source_port = key->port;
	ret->destination_port = key->client_port;
}

#endif
