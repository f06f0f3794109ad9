/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map of the datapath. Keys and values are those of abi.h; sizes that vary are set by the loader. */
#ifndef XLB_BPF_MAPS_H
#define XLB_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "pkt.h"
#include "xlb/abi.h"
#include "xlb/flow.h"
#include "xlb/limit.h"
#include "xlb/lists.h"
#include "xlb/tables.h"

/*
 * What the daemon writes through mmap. The program knows where it is, so a row is found by arithmetic alone: a
 * lookup in an array takes a dozen instructions more, and its key goes through memory.
 */
struct xlb_tables tables;

/* A row of one of them. The mask must stay where only the compiler knows that the id is small. */
#define table_row(name, id) \
	({ \
		__u32 table_row_id = (id); \
		_Static_assert((TABLE_ROWS(name) & (TABLE_ROWS(name) - 1)) == 0, \
			       "a mask keeps ids in " #name); \
		barrier_var(table_row_id); \
		&tables.name[table_row_id & (TABLE_ROWS(name) - 1)]; \
	})
#define TABLE_ROWS(name) (sizeof(tables.name) / sizeof(tables.name[0]))

/* An array that the daemon writes through mmap: one aligned 8-byte store switches a live word. */
#define XLB_ARRAY(name, value_type, entries) \
	struct { \
		__uint(type, BPF_MAP_TYPE_ARRAY); \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, entries); \
		__type(key, __u32); \
		__type(value, value_type); \
	} name SEC(".maps")

XLB_ARRAY(port_pages, struct xlb_port_page, XLB_MAX_PORT_PAGES);

/* interface slot -> ifindex to redirect to */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, XLB_MAX_INTERFACES);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

/* not preallocated: only the daemon inserts */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XLB_MAX_PROBES);
	__type(key, struct xlb_probe_key);
	__type(value, struct xlb_probe);
} probes SEC(".maps");

/* the same */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XLB_MAX_SERVERS);
	__type(key, struct xlb_quic_server_key);
	__type(value, struct xlb_quic_server);
} quic_servers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XLB_MAX_QUIC_IDS);
	__type(key, struct xlb_quic_id);
	__type(value, struct xlb_quic_owner);
} quic_ids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XLB_MAX_AFFINITIES);
	__type(key, struct xlb_affinity_key);
	__type(value, struct xlb_affinity);
} affinities SEC(".maps");

/* A connection id while it is looked at; keys of maps must be in a map or on the stack before 6.5. */
struct quic_scratch {
	__u8 header[8]; /* the datagram's first bytes */
	__u32 length; /* of what is there of the datagram, with its UDP header: what IP or the frame have behind it is none of it */
	struct xlb_quic_id id;
	struct xlb_quic_owner owner;
	struct xlb_quic_server_key server;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct quic_scratch);
} quic_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XLB_MAX_SOURCES);
	__type(key, struct xlb_source_key);
	__type(value, struct xlb_meter);
} sources SEC(".maps");

/* What is asked of limits; this CPU's until the packet is done. */
struct limit_scratch {
	struct xlb_source_key key;
	struct xlb_meter fresh; /* all zero */
	struct xlb_limit_ask ask;
	__u64 now;  /* by the clock of limits */
	__u64 keep; /* what may come is written down */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct limit_scratch);
} limit_scratch SEC(".maps");

/*
 * Chunks are the cheapest layout that one switch of a word can replace: the outer lookup and the inner
 * one are both inlined to a bounds check and a load, and a chunk is allocated only when it is used.
 */
struct maglev_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, XLB_MAGLEV_PER_CHUNK *XLB_MAGLEV_WORDS);
	__type(key, __u32);
	__type(value, __u64);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, XLB_MAGLEV_CHUNKS);
	__type(key, __u32);
	__array(values, struct maglev_chunk);
} maglev_chunks SEC(".maps");

struct rule_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, XLB_RULES_PER_CHUNK);
	__uint(key_size, sizeof(__u32));
	/* libbpf does not find the struct, which no argument is of */
	__uint(value_size, sizeof(struct xlb_rules_page));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, XLB_RULES_CHUNKS);
	__type(key, __u32);
	__array(values, struct rule_chunk);
} rule_chunks SEC(".maps");

struct snat_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, XLB_SNAT_PER_CHUNK *XLB_SNAT_WORDS);
	__type(key, __u32);
	__type(value, __u64);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, XLB_SNAT_CHUNKS);
	__type(key, __u32);
	__array(values, struct snat_chunk);
} snat_chunks SEC(".maps");

/*
 * The memory of the flow tables (flow.h): chunks of one size, made by the loader; and their ids, for a daemon that
 * starts: to ask the map of maps for them takes a grace period each.
 */
XLB_ARRAY(flow_chunk_ids, __u32, XLB_FLOW_CHUNKS);
struct flow_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << XLB_CHUNK_SHIFT);
	__type(key, __u32);
	__type(value, struct xlb_flow_page);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, XLB_FLOW_CHUNKS);
	__type(key, __u32);
	__array(values, struct flow_chunk);
} flow_chunks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, XLB_MAX_FRAGMENTED);
	__type(key, struct xlb_fragment_key);
	__type(value, struct xlb_fragment);
} fragmented SEC(".maps");

/* A flow's key as its table has it. */
struct flow_id {
	__u64 key[3]; /* IPv4: client and ports; IPv6: client, client, ports */
	__u64 hash;
	__u64 identity; /* XLB_FIXED_IDENTITY of its word `fixed` */
	__u32 ipv6;
	__u32 pad;
};

/* A flow that a packet has found, as it was then. */
struct flow_at {
	struct xlb_flow_at at;
	__u64 live, fixed;
	__u32 ipv6;
	__u32 pad;
};

/* A new flow while it is put together; the stack has no room for it. This CPU's until the packet is done. */
struct flow_draft {
	struct flow_id id;
	struct xlb_addr client;
	struct flow_at found; /* once made: where it is, or the one of the same key that was there */
	struct flow_at other;		   /* one with the same replies */
	struct xlb_reply_key reply, freed; /* the flow's; one's that is taken apart */
	__u32 now;
	__u32 server, listener;
	__u32 pool;
	__be16 client_port, port; /* as the client knows them */
	__be16 snat_port;	  /* 0: no reply comes back */
	__u8 protocol;
	bool instead; /* fullnat, whatever the server's mode */
	bool made;    /* it has an entry of its own */
	struct xlb_nexthop hop;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_draft);
} flow_draft SEC(".maps");

struct flow_counters {
	__u64 count[XLB_COUNT_MAX];
};
struct interface_counters {
	__u64 count[XLB_IFCOUNT_MAX];
};

#define XLB_COUNTERS(name, value_type, entries) \
	struct { \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
		__uint(max_entries, entries); \
		__type(key, __u32); \
		__type(value, value_type); \
	} name SEC(".maps")

XLB_COUNTERS(listener_counters, struct flow_counters, XLB_MAX_LISTENERS);
XLB_COUNTERS(server_counters, struct flow_counters, XLB_MAX_SERVERS);
XLB_COUNTERS(interface_counters, struct interface_counters, XLB_MAX_INTERFACES);
XLB_COUNTERS(drops, __u64, XLB_MAX_INTERFACES *XLB_DROP_STRIDE);
XLB_COUNTERS(evictions, __u64, 1); /* closed flows that gave up their port early */
XLB_COUNTERS(budgets, struct xlb_budget, XLB_ANSWER_COUNT);
XLB_COUNTERS(drop_samples, struct xlb_drop_sample, XLB_DROP_COUNT);

/*
 * Of observing variants, each its own: made by the loader only there.
 */
struct event_scratch {
	struct xlb_event event;
	__u8 data[XLB_EVENT_BYTES_MAX];
	__u64 packets;
};
XLB_COUNTERS(event_scratch, struct event_scratch, 1);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22); /* bytes */
} events SEC(".maps");

/* least recently used first out: what is busy stays in */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct xlb_flow_key);
	__type(value, struct xlb_flow_traffic);
} flow_traffic SEC(".maps");

#endif
