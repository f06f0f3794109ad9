/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows, tables and sinks: the words in which core tells sys what the world should look like.
 *
 * A row is (table, key bytes, value bytes). core computes the rows wanted, compares them with the rows
 * present and hands the difference to the sinks. A table whose content is too big for a row (a Maglev
 * table, a port set) carries a content hash as its value and the content beside it: equal hash,
 * nothing is rebuilt.
 */
#ifndef XLB_BASE_SINK_H
#define XLB_BASE_SINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "xlb/abi.h"
#include "xlb/limit.h"

/* keys and values of tables that are not plain ABI structs; keys are compared as bytes, so zero the pads */
struct row_id {
	uint32_t id;
};
struct row_hash {
	uint64_t hash;
};
struct row_flags {
	uint32_t flags;
};
struct row_vip {
	uint32_t flags; /* XLB_VIP_* */
	uint32_t rules; /* rule set of pings to it, 0: none */
};
struct row_neighbour_key {
	struct xlb_addr addr;
	uint32_t ifindex;
};
struct row_group {
	struct xlb_choice choice;
	struct xlb_instead instead;
};
struct row_maglev_key {
	uint32_t group;
	uint32_t family; /* XLB_IPV4 or XLB_IPV6 */
};
struct row_port_set_key {
	uint32_t vip;
	uint32_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
};
struct row_attachment_key {
	char ifname[IFNAMSIZ];
};
struct row_attachment {
	uint32_t mode; /* enum xlb_attach_mode */
};
struct row_setting_key {
	char ifname[IFNAMSIZ];
	uint32_t setting; /* enum xlb_setting */
};
struct row_setting {
	uint32_t value;
};
struct row_vip_addr_key {
	struct xlb_addr addr;
	char ifname[IFNAMSIZ];
};
struct row_bitmap {
	uint16_t from,
		to; /* the pool's port range, host order; ports of the host are taken out by the sink */
};

/* a file that HAProxy reads: its name in a directory of its own */
struct row_tls_file_key {
	char name[40];
};
struct row_tls_server_key {
	uint32_t group, server; /* ids */
};
struct row_tls_server {
	uint32_t weight; /* 1-256; 0: it gets no new connections */
	uint32_t cut;	 /* those that it has end now */
};
struct row_tls_setting {
	uint32_t max_connections, threads; /* 0: from the machine */
};

enum xlb_attach_mode { XLB_ATTACH_NATIVE = 1, XLB_ATTACH_GENERIC = 2 };

/*
 * X(NAME, word, value wanted, help)
 * Settings of a NIC that keep packets from being forwarded: `fix` of an interface names those that xlb changes.
 * Numbers are in owner files: append only.
 */
#define XLB_SETTINGS(X) \
	X(LRO, lro, 0, "large receive offload") \
	X(GRO, gro, 0, "generic receive offload") \
	X(GRO_HW, gro_hw, 0, "receive offload by the NIC") \
	X(RX_VLAN, rx_vlan, 0, "VLAN tags taken off by the NIC") \
	X(RP_FILTER, rp_filter, 2, "reverse path filter") \
	X(RX_VLAN_STAG, rx_vlan_stag, 0, "outer VLAN tags (802.1ad) taken off by the NIC")

enum xlb_setting {
#define X(name, word, wanted, help) XLB_SETTING_##name,
	XLB_SETTINGS(X)
#undef X
		XLB_SETTING_COUNT,
};
extern const char *const setting_words[XLB_SETTING_COUNT];

/* content of a row of `maglev`: server id per slot */
struct content_maglev {
	uint16_t slot[XLB_MAGLEV_SLOTS];
};
/* content of a row of `port_set`: root.entry uses XLB_PORT_PAGE | i for leaf[i] */
struct content_port_set {
	uint32_t root[256];
	uint32_t leaf_count;
	uint32_t leaf[][256];
};

/*
 * Where clients of a tls listener come in: an address and ports of one interface, which all belong to the socket of
 * `port`. It is one of a bind, which need not be this one: a range may have gaps.
 */
struct tls_bind {
	struct xlb_addr addr;
	char ifname[IFNAMSIZ];
	uint16_t port, from, to; /* host byte order */
	uint16_t pad;
};
/* Whether the socket is the bind's own, and whether ports are to be brought to it. */
static inline bool tls_bind_has_socket(const struct tls_bind *bind)
{
	return bind->from <= bind->port && bind->port <= bind->to;
}
static inline bool tls_bind_is_shared(const struct tls_bind *bind)
{
	return bind->from != bind->port || bind->to != bind->port;
}
/*
 * content of a row of `tls_listener`: binds, then a text in the language of HAProxy's configuration, with a NUL behind. A
 * line TLS_BIND_MARK and what follows stands for a bind line of each of the binds; lines of servers, "server sID ..." below
 * "backend lID-gID", get their weights.
 */
struct content_tls_listener {
	uint32_t bind_count, text_size;
	struct tls_bind binds[];
};
#define TLS_BIND_MARK  "\tbind * "
#define TLS_FILES_MARK "@files@/" /* the directory of files */
static inline const char *tls_listener_text(const struct content_tls_listener *content)
{
	return (const char *)&content->binds[content->bind_count];
}
/* content of a row of `tls_split`: groups and the parts of new connections that they get, out of `sum` */
struct content_tls_split {
	uint32_t sum, count;
	struct {
		uint32_t group, to; /* the last number, from 0 on */
	} parts[];
};

/*
 * X(NAME, word, sink, key type, value type, rank)
 * Puts run by rising rank, deletes by falling rank: a row is put after what it refers to. `neighbour`
 * rows keep the kernel resolving, `setting` rows make a NIC fit before it is attached, `probe_filter` rows
 * let health checks go as clients' packets do. What ends TLS listens once packets are judged, and no longer. `vip_addr`
 * rows come last: no traffic is attracted before it can be served.
 */
#define XLB_TABLES(X) \
	X(NEIGHBOUR, neighbour, HOST, struct row_neighbour_key, struct row_flags, 0) \
	X(SETTING, setting, HOST, struct row_setting_key, struct row_setting, 0) \
	X(INTERFACE, interface, DATAPATH, struct row_id, struct xlb_interface, 1) \
	X(BOND_PORT, bond_port, DATAPATH, struct row_id, struct row_id, 2) \
	X(NEXTHOP, nexthop, DATAPATH, struct row_id, struct xlb_nexthop, 2) \
	X(SNAT, snat, DATAPATH, struct row_id, struct xlb_snat, 2) \
	X(BITMAP, bitmap, DATAPATH, struct row_id, struct row_bitmap, 2) \
	X(SERVER, server, DATAPATH, struct row_id, struct xlb_server, 3) \
	X(MAGLEV, maglev, DATAPATH, struct row_maglev_key, struct row_hash, 4) \
	X(QUIC_SERVER, quic_server, DATAPATH, struct xlb_quic_server_key, struct xlb_quic_server, \
	  4) \
	X(GROUP, group, DATAPATH, struct row_id, struct row_group, 4) \
	X(RULE_SET, rule_set, DATAPATH, struct row_id, struct row_hash, 4) \
	X(LIMITS, limits, DATAPATH, struct row_id, struct xlb_limits, 4) \
	X(SPLIT, split, DATAPATH, struct row_id, struct xlb_split, 5) \
	X(LISTENER, listener, DATAPATH, struct row_id, struct xlb_listener, 5) \
	X(PORT_SET, port_set, DATAPATH, struct row_port_set_key, struct row_hash, 6) \
	X(VIP, vip, DATAPATH, struct row_id, struct row_vip, 7) \
	X(ADDRESS, address, DATAPATH, struct xlb_addr, struct xlb_address, 8) \
	X(ATTACHMENT, attachment, DATAPATH, struct row_attachment_key, struct row_attachment, 9) \
	X(PROBE_FILTER, probe_filter, DATAPATH, struct row_attachment_key, struct row_flags, 10) \
	X(TLS_SETTING, tls_setting, TLS, struct row_id, struct row_tls_setting, 11) \
	X(TLS_FILE, tls_file, TLS, struct row_tls_file_key, struct row_hash, 11) \
	X(TLS_SERVER, tls_server, TLS, struct row_tls_server_key, struct row_tls_server, 11) \
	X(TLS_TAKER, tls_taker, TLS, struct row_id, struct row_id, 11) \
	X(TLS_SPLIT, tls_split, TLS, struct row_id, struct row_hash, 11) \
	X(TLS_LISTENER, tls_listener, TLS, struct row_id, struct row_hash, 12) \
	X(VIP_ADDR, vip_addr, HOST, struct row_vip_addr_key, struct row_flags, 13)

enum sink_id { SINK_HOST, SINK_DATAPATH, SINK_TLS, SINK_COUNT };

enum table_id {
#define X(name, word, sink, key, value, rank) TABLE_##name,
	XLB_TABLES(X)
#undef X
		TABLE_COUNT,
};

struct table {
	enum table_id id;
	enum sink_id sink;
	const char *word;
	size_t key_size, value_size;
	int rank;
};
extern const struct table tables[TABLE_COUNT];

#define ROW_KEY_MAX   40
#define ROW_VALUE_MAX 64

struct row {
	enum table_id table;
	uint8_t key[ROW_KEY_MAX];     /* unused tail is zero */
	uint8_t value[ROW_VALUE_MAX]; /* unused tail is zero */
};

/* Rows of one table that a plan is going to put. */
struct reservation {
	enum table_id table;
	uint32_t rows;
	uint32_t highest; /* of the ids that the keys begin with */
	size_t bytes;	  /* of their contents together */
};

/*
 * One side of the outside world. `list` calls `add` for every row present that xlb itself put (owner
 * marks, pins). `put` creates or replaces; `content` is only given for tables that have one. All
 * return 0 or -errno with err filled; a failed put or del has changed nothing. `reserve`, NULL where nothing
 * takes long, makes room beforehand; it runs in the worker while nobody puts or deletes. `settle`, NULL where puts and
 * deletes are in effect when they return, waits until those before are.
 */
struct sink {
	int (*list)(struct sink *sink, const struct table *table,
		    void (*add)(void *arg, const struct row *row), void *arg, struct xlb_err *err);
	int (*put)(struct sink *sink, const struct row *row, const void *content,
		   size_t content_size, struct xlb_err *err);
	int (*del)(struct sink *sink, const struct row *row, struct xlb_err *err);
	int (*reserve)(struct sink *sink, const struct reservation *reservation,
		       struct xlb_err *err);
	int (*settle)(struct sink *sink, struct xlb_err *err);
};

#endif
