/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hash that chooses a server. Datapath, tests and tools must agree on every bit of it, and so must
 * two load balancers that share a VIP: it has no seed, and changing it moves every flow without a record.
 */
#ifndef XLB_HASH_H
#define XLB_HASH_H

#include <linux/types.h>

#include "xlb/abi.h"

/* One round: multiply by an odd 64-bit constant (2^64 / golden ratio), fold the high half down. */
static inline __u64 xlb_hash_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 32);
}

/* Joins two words of an address as they lie in memory, in the same way on every machine. */
static inline __u64 xlb_hash_join(__u32 high, __u32 low)
{
	return (__u64)high << 32 | low;
}

/* Hash of client address and port, VIP address and port, and protocol. */
static inline __u32 xlb_hash_tuple(const struct xlb_addr *client, __be16 client_port,
				   const struct xlb_addr *vip, __be16 port, __u8 protocol)
{
	__u64 hash = 0;

	hash = xlb_hash_mix(hash, xlb_hash_join(client->words[0], client->words[1]));
	hash = xlb_hash_mix(hash, xlb_hash_join(client->words[2], client->words[3]));
	hash = xlb_hash_mix(hash, xlb_hash_join(vip->words[0], vip->words[1]));
	hash = xlb_hash_mix(hash, xlb_hash_join(vip->words[2], vip->words[3]));
	hash = xlb_hash_mix(hash, (__u64)client_port << 32 | (__u64)port << 8 | protocol);
	hash = xlb_hash_mix(hash, 0);
	return (__u32)(hash >> 32);
}

/* Hash of the client's address alone. */
static inline __u32 xlb_hash_source(const struct xlb_addr *client)
{
	__u64 hash = xlb_hash_mix(0, xlb_hash_join(client->words[0], client->words[1]));

	hash = xlb_hash_mix(hash, xlb_hash_join(client->words[2], client->words[3]));
	hash = xlb_hash_mix(hash, 0);
	return (__u32)(hash >> 32);
}

/* Hash of a connection id of QUIC, whoever it came from. */
static inline __u32 xlb_hash_quic(const struct xlb_quic_id *id)
{
	__u64 hash = xlb_hash_mix(0, xlb_hash_join(id->words[0], id->words[1]));

	hash = xlb_hash_mix(hash, xlb_hash_join(id->words[2], id->words[3]));
	hash = xlb_hash_mix(hash, id->words[4]);
	hash = xlb_hash_mix(hash, 0);
	return (__u32)(hash >> 32);
}

/* For a group among those that share a listener, from the hash that chooses a server in it: they must not agree. */
static inline __u32 xlb_hash_split(__u32 hash)
{
	return (__u32)(xlb_hash_mix(xlb_hash_mix(1, hash), 1) >> 32);
}

/* What tells a server from another that gets its id later. */
static inline __u32 xlb_server_seal(const struct xlb_server *server)
{
	__u64 hash = xlb_hash_mix(0, xlb_hash_join(server->addr.words[0], server->addr.words[1]));

	hash = xlb_hash_mix(hash, xlb_hash_join(server->addr.words[2], server->addr.words[3]));
	hash = xlb_hash_mix(hash, (__u64)server->port << 16 | (__u64)server->mode << 8 |
					  server->encapsulation);
	return (__u32)(hash >> 32);
}

/* For a place in a table of addresses. */
static inline __u32 xlb_hash_addr(const struct xlb_addr *addr)
{
	__u64 hash = xlb_hash_mix(0, xlb_hash_join(addr->words[0], addr->words[1]));

	hash = xlb_hash_mix(hash, xlb_hash_join(addr->words[2], addr->words[3]));
	return (__u32)(hash >> 32);
}

/* For a place in the table of VLAN devices. */
static inline __u32 xlb_hash_vlan(__u32 ifindex, const struct xlb_vlan_tags *tags)
{
	__u64 hash = xlb_hash_mix(ifindex, xlb_hash_join(tags->tag[0], tags->tag[1]));

	return (__u32)(hash >> 32);
}

/* The slot of a Maglev table that a hash falls into. */
static inline __u32 xlb_maglev_slot(__u32 hash)
{
	return hash % XLB_MAGLEV_SLOTS;
}

#endif
