/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Full NAT: source and destination are rewritten both ways; a SNAT port stands for the client. */
#ifndef XLB_BPF_MODE_FULLNAT_H
#define XLB_BPF_MODE_FULLNAT_H

#include "record.h"
#include "translate.h"

#define FULLNAT_CLASHES 4 /* ports found taken by a flow of another pool's bitmap */
#define FULLNAT_STEALS	8

/* result of publishing, beside 0 and -XLB_DROP_x */
#define FULLNAT_CLASH 1

/* What a global function returns is not followed by the verifier: one pool is like another. */
GLOBAL_STEP int fullnat_pool_after(int pool)
{
	return pool + 1;
}

/*
 * Publishes the locator of a port that was taken for the record: 0, FULLNAT_CLASH if a flow of another
 * bitmap has it (it is given back), or -XLB_DROP_x.
 */
STEP int fullnat_port_publish(const struct xlb_flow_key *key, const struct xlb_server *server,
			      struct xlb_flow *record, __u32 port_h)
{
	struct flow_scratch *scratch = flow_scratch_find();
	int r;

	if (!scratch)
		return -XLB_DROP_INTERNAL;
	record->snat_port = bpf_htons((__u16)port_h);
	r = reply_insert(record_reply_key(scratch, key, server, record), key);
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

/* One look for a flow that is closed and only waits for its port to be safe again, at a random port of a pool. */
STEP bool fullnat_port_steal(const struct xlb_flow_key *key, const struct xlb_server *server,
			     struct xlb_flow *record, __u32 pool)
{
	struct flow_scratch *scratch = flow_scratch_find();

	if (!scratch || pool >= XLB_SERVER_POOLS)
		return false;
	record->snat = server->pools[pool].snat;
	record->snat_port = bpf_htons((__u16)snat_port_random(server->pools[pool].bitmap));
	record_reply_key(scratch, key, server, record);
	return record_oust(scratch, key, record->created, &record->bitmap);
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

static __always_inline bool fullnat_takes(const struct packet *pkt, __u32 vip,
					  const struct xlb_server *server)
{
	(void)pkt, (void)vip, (void)server;
	return true;
}

/*
 * Makes a flow from `record`, which lacks its SNAT port only. Another CPU may have made it meanwhile: the
 * record becomes a copy of that one.
 */
static __always_inline int fullnat_create(const struct xlb_flow_key *key,
					  const struct xlb_server *server, struct xlb_flow *record,
					  __u8 tcp_flags)
{
	struct flow_scratch *scratch = flow_scratch_find();
	int r = fullnat_port_take(key, server, record);
	bool stolen = false;
	int error, i;

	(void)tcp_flags;
	if (!scratch)
		return -XLB_DROP_INTERNAL;
	for (i = 0; i < 2; i++) {
		if (r) {
			if (stolen || !fullnat_port_find_closed(key, server, record))
				return r;
			stolen = true;
		}
		error = record_publish(key, record);
		if (!error)
			return 0;
		reply_remove(record_reply_key(scratch, key, server, record));
		snat_port_release(record->bitmap, bpf_ntohs(record->snat_port));
		if (error == -FLOW_EEXIST)
			return record_follow_winner(key, record);
		r = flow_insert_reason(error);
	}
	return r;
}

/* What a client's packet becomes: from the SNAT port to the server. */
static __always_inline int fullnat_ends(const struct packet *pkt, const struct xlb_server *server,
					const struct mapping *mapping, struct ends *ret)
{
	struct xlb_snat *snat = snat_find(mapping->snat);

	(void)pkt;
	if (!snat)
		return -XLB_DROP_INTERNAL;
	ret->source = snat->addr;
	ret->destination = server->addr;
	ret->source_port = mapping->snat_port;
	ret->destination_port = mapping->server_port;
	return 0;
}

static __always_inline __u32 fullnat_length(const struct packet *pkt,
					    const struct xlb_server *server)
{
	return translate_length(pkt, server->family);
}

static __always_inline int fullnat_edit(struct xdp_md *ctx, const struct packet *pkt,
					const struct xlb_server *server, const struct ends *ends)
{
	return translate_ends(ctx, pkt, ends, server->family);
}

#endif
