/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a flow's record, whatever its mode: its reply locator and its SNAT port, if it has them, come
 * and go with it.
 */
#ifndef XLB_BPF_RECORD_H
#define XLB_BPF_RECORD_H

#include <bpf/bpf_endian.h>

#include "count.h"
#include "flow.h"
#include "select.h"
#include "snat.h"

/* The part of a record that says what a client's packets become. */
struct mapping {
	__u32 snat;
	__be16 snat_port, server_port;
	__u8 mode;
};

static __always_inline struct mapping record_mapping(const struct xlb_flow *record)
{
	struct mapping mapping = {
		.snat = record->snat,
		.snat_port = record->snat_port,
		.server_port = record->server_port,
		.mode = record->mode,
	};

	return mapping;
}

/* Where a record's replies are found, if it has a locator: written to the scratch. */
static __always_inline struct xlb_reply_key *record_reply_key(struct flow_scratch *scratch,
							      const struct xlb_flow_key *key,
							      const struct xlb_server *server,
							      const struct xlb_flow *record)
{
	struct xlb_snat *snat = record->snat ? snat_find(record->snat) : NULL;
	struct xlb_reply_key *reply = &scratch->reply;

	reply->server = server->addr;
	reply->peer = snat ? snat->addr : key->client;
	reply->server_port = record->server_port;
	reply->peer_port = record->snat_port;
	reply->protocol = key->protocol;
	return reply;
}

/*
 * Deletes a record that the caller has claimed, with its locator and its port. If the locator's bucket is
 * locked by what this CPU interrupted, all stays for the sweep, which finds the record dead.
 */
static __always_inline int record_free(const struct xlb_flow_key *key, struct xlb_flow *record,
				       const struct xlb_server *server)
{
	struct flow_scratch *scratch = flow_scratch_find();
	struct xlb_reply_key *reply;

	if (!scratch)
		return -XLB_DROP_INTERNAL;
	reply = record_reply_key(scratch, key, server, record);
	if (reply->peer_port) {
		if (reply_remove(reply) == -FLOW_EBUSY)
			return -XLB_DROP_FLOW_BUSY;
		/* before the record goes: should that fail, the port is not released twice */
		flow_forget_port(record);
		if (record->bitmap)
			snat_port_release(record->bitmap, bpf_ntohs(reply->peer_port));
	}
	flow_remove(key);
	return 0;
}

/*
 * Moves a claimed record to a key that no packet has, so that its port is not used again at once and its
 * server is still answered. Returns 0 if it was moved.
 */
static __always_inline int record_rest(const struct xlb_flow_key *key, struct xlb_flow *record,
				       const struct xlb_server *server, union flow_word seen)
{
	struct flow_scratch *scratch = flow_scratch_find();
	struct xlb_flow *copy;
	int r;

	if (!scratch)
		return -XLB_DROP_INTERNAL;
	copy = &scratch->record;
	*copy = *record;
	copy->stamp = seen.stamp;
	copy->state = seen.state;
	copy->flags = seen.flags;
	scratch->other = *key;
	scratch->other.rest = record->snat_port;
	r = flow_insert(&scratch->other, copy);
	if (r)
		return r;
	r = reply_replace(record_reply_key(scratch, key, server, record), &scratch->other);
	if (r) {
		flow_remove(&scratch->other);
		return r;
	}
	flow_forget_port(record);
	flow_remove(key);
	return 0;
}

/* Makes room for a new flow of the same key. */
STEP int record_retire(const struct xlb_flow_key *key, struct xlb_flow *record, __u64 word,
		       __u32 now, __u32 idle_timeout)
{
	struct xlb_server *server = server_find(record->server);
	union flow_word seen = { .word = word };
	__u32 lifetime = xlb_flow_lifetime(key->protocol, seen.state, seen.flags, idle_timeout);

	if (!server)
		return -XLB_DROP_INTERNAL;
	if (!flow_claim(record, seen, now))
		return -XLB_DROP_FLOW_BUSY;
	if (key->protocol == IPPROTO_TCP && seen.state != XLB_FLOW_DEAD && record->bitmap &&
	    record->snat_port && xlb_flow_age(now, seen.stamp) <= lifetime &&
	    !record_rest(key, record, server, seen))
		return 0;
	return record_free(key, record, server);
}

/*
 * Hands the scratch's locator to the flow `key` if the one that has it is closed and only waits for its port
 * to be safe again; that one's record goes, which is room in the flow table too. Fills ret_bitmap with the
 * holder of the port.
 */
static __always_inline bool record_oust(struct flow_scratch *scratch,
					const struct xlb_flow_key *key, __u32 now,
					__u32 *ret_bitmap)
{
	struct xlb_flow_key *found = reply_find(&scratch->reply);
	union flow_word seen;
	struct xlb_flow *record;

	if (!found)
		return false;
	scratch->other = *found;
	record = flow_find(&scratch->other);
	if (!record || record->snat_port != scratch->reply.peer_port)
		return false;
	seen = flow_word_read(record);
	*ret_bitmap = record->bitmap;
	if (seen.state != XLB_FLOW_CLOSED || !flow_claim(record, seen, now))
		return false;
	if (reply_replace(&scratch->reply, key))
		return false;
	flow_forget_port(record);
	flow_remove(&scratch->other);
	count_eviction();
	return true;
}

/* Inserts the finished record: 0 or the error of flow_insert. */
static __always_inline int record_publish(const struct xlb_flow_key *key,
					  const struct xlb_flow *record)
{
	int r = flow_insert(key, record);

	if (!r)
		count_flow(record->listener, record->server, XLB_COUNT_FLOWS);
	return r;
}

/* The record of another CPU that has made the same flow: record becomes a copy of it. */
static __always_inline int record_follow_winner(const struct xlb_flow_key *key,
						struct xlb_flow *record)
{
	struct xlb_flow *winner = flow_find(key);

	if (!winner || winner->server != record->server || winner->mode != record->mode ||
	    flow_word_read(winner).state == XLB_FLOW_DEAD)
		return -XLB_DROP_FLOW_BUSY;
	*record = *winner;
	return 0;
}

#endif
