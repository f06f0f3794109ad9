/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the datapath*.c files share: the handle's inside, errors, pins, tables. */
#ifndef XLB_SYS_DATAPATH_PRIVATE_H
#define XLB_SYS_DATAPATH_PRIVATE_H

#include <sys/queue.h>

#include "sys/datapath.h"
#include "sys/datapath_words.h"
#include "xlb/tables.h"

struct xlb; /* the skeleton */
struct variant;
struct bpf_object;
struct bpf_map;
struct bpf_program;

/* X(NAME, name): the tables of struct xlb_tables, one pinned map */
#define DATAPATH_TABLES(X) \
	X(INTERFACES, interfaces) \
	X(INTERFACE_SLOTS, interface_slots) \
	X(VLAN_SLOTS, vlan_slots) \
	X(ADDRESSES, addresses) \
	X(VIPS, vips) \
	X(VIP_ADDRESSES, vip_addresses) \
	X(LISTENERS, listeners) \
	X(SPLITS, splits) \
	X(GROUPS, groups) \
	X(RULE_SETS, rule_sets) \
	X(LIMITS, limits) \
	X(METERS, meters) \
	X(SERVERS, servers) \
	X(NEXTHOPS, nexthops) \
	X(SNATS, snats) \
	X(SERVER_OTHERS, server_others) \
	X(FLOW_TABLES, flow_tables) \
	X(HOPS, hops)

/* X(NAME, name): the other maps of the object that user space works on; each is pinned under its name */
#define DATAPATH_MAPS(X) \
	X(DEVICES, devices) \
	X(PORT_PAGES, port_pages) \
	X(MAGLEV_CHUNKS, maglev_chunks) \
	X(SNAT_CHUNKS, snat_chunks) \
	X(RULE_CHUNKS, rule_chunks) \
	X(FLOW_CHUNKS, flow_chunks) \
	X(FLOW_CHUNK_IDS, flow_chunk_ids) \
	X(LISTENER_COUNTERS, listener_counters) \
	X(SERVER_COUNTERS, server_counters) \
	X(INTERFACE_COUNTERS, interface_counters) \
	X(DROPS, drops) \
	X(DROP_SAMPLES, drop_samples) \
	X(EVICTIONS, evictions) \
	X(QUIC_SERVERS, quic_servers) \
	X(PROBES, probes)

enum map_id {
#define X(NAME, name) MAP_##NAME,
	DATAPATH_TABLES(X) DATAPATH_MAPS(X)
#undef X
		MAP_COUNT,
};

#define TRACEPOINT_COUNT  4
#define VERIFIER_LOG_SIZE (1U << 20)

/* A link to a NIC, pinned under its name. */
struct attachment {
	TAILQ_ENTRY(attachment) entry;
	char ifname[IFNAMSIZ];
	int fd;
};

/* The mapped memory of the flow tables. */
struct flow_tables {
	uint32_t shift;		      /* a chunk has 1 << shift pages */
	struct xlb_flow_page **chunk; /* by index in map `flow_chunks`, NULL: not there */
};

struct datapath {
	struct sink sink;
	struct xlb *skel;
	char *pin_dir;	/* NULL: nothing is pinned */
	int program_fd; /* what is attached: own_program_fd, or that of an observing variant */
	int own_program_fd, flow_end_fd;
	struct variant *jumbo; /* whose program is own_program_fd, once a NIC needs it; else NULL */
	int tracepoints[TRACEPOINT_COUNT]; /* links, -1: not attached */
	bool tracepoints_wanted;
	char tracepoint_fault[128];
	struct map maps[MAP_COUNT];
	/* rows of plain arrays that were put, by id: a row may be all zero */
	uint8_t *present[TABLE_COUNT];
	struct chunks maglev, snat, rules;
	struct flow_tables tables;
	struct slots maglev_tables, port_pages, rule_pages;
	uint64_t *host_ports; /* bits, XLB_SNAT_WORDS; NULL: to be asked for anew */
	int settle_outer_fd, settle_inner_fd;
	TAILQ_HEAD(, attachment) attachments;
};

typedef void (*row_add)(void *arg, const struct row *row);

/* datapath.c */

/* "WHAT: reason" with class and hint by errno; returns r. */
int datapath_err(struct xlb_err *err, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Row of a table from key and value, tails zeroed. */
void datapath_row(enum table_id table, const void *key, const void *value, struct row *ret);

/* The name of a map, "tables" of that with struct xlb_tables, which libbpf calls after its section. */
const char *map_word(const struct bpf_map *map);
/* Whether all objects share it: not if libbpf made it for other variables. */
bool map_is_shared(const struct bpf_map *map);

/* Why a program was not loaded; `log`: what the verifier said, empty if the failure was another. */
int datapath_load_err(struct xlb_err *err, int r, const char *log);

/* datapath_variant.c: maps that only variants have are not made, programs that are attached elsewhere stay */
void variant_leave_out(struct bpf_object *object);
/*
 * From now on the program that takes frames of several buffers is the one that forwards, where it is attached next.
 * Its stages are still to be committed.
 */
int jumbo_use(struct datapath *dp, struct xlb_err *err);
/* Its map of devices, to be kept as map `devices` is; -1: it is not used. */
int jumbo_devices(const struct datapath *dp);

/* datapath_tracepoints.c: counting what is lost after the verdict; without it xlb forwards all the same */

/* Attaches and pins the tracepoint programs while anything is attached to a NIC, removes them when nothing is. */
void tracepoints_follow(struct datapath *dp);
/* Closes handles. */
void tracepoints_close(struct datapath *dp);
/* Whether a program of the object is one of those that count such losses. */
bool is_tracepoint(const struct bpf_program *program);
/* Attaches the tracepoint programs of an object, into links of TRACEPOINT_COUNT; -errno with why. */
int tracepoints_attach(struct bpf_object *object, int *ret_links, char *ret_fault, size_t size);

/* datapath_tables.c */

/* A map like the chunks of tables of so many flows, which the map of chunks is made after: its fd, or -errno. */
int tables_model(uint32_t flows);
/* Makes the tables, or finds those that are there, whose size stays. */
int tables_open(struct datapath *dp, uint32_t flows, struct xlb_err *err);
void tables_close(struct datapath *dp);
struct xlb_flow_table *table_row(const struct datapath *dp, enum xlb_flow_table_id id);
/* A page of an extent by its number; NULL behind the last. Fills chunk and page of ret_at. */
struct xlb_flow_page *table_page(const struct datapath *dp, uint64_t extent, uint64_t page,
				 struct xlb_flow_at *ret_at);
/* Where a table's next extent, for so many entries, can be: -E2BIG if there are not enough chunks. */
int extent_place(const struct datapath *dp, enum xlb_flow_table_id id, uint32_t room,
		 uint64_t *ret);
/* Makes up to `count` of an extent's chunks, `from` the n-th on: how many, or -errno. */
int extent_make(struct datapath *dp, uint64_t extent, uint32_t from, uint32_t count);
uint32_t extent_chunks(const struct datapath *dp, uint64_t extent);
/* Finds a chunk that is in neither of the table's extents, and lets go of one. */
bool chunks_left(struct datapath *dp, enum xlb_flow_table_id id, uint32_t *ret_index);
void chunk_drop(struct datapath *dp, uint32_t index);

/* datapath_move.c: entries that go over from the old extent of a table to the new one */

/* Moves a page of the old extent; how much stays, because it has no place there now. Adds what there was to *cost. */
uint32_t move_page(struct datapath *dp, enum xlb_flow_table_id id, uint32_t page, uint32_t *cost);
/* The same of the page that a predecessor was at when it was killed: what it left half done is finished. */
void move_page_again(struct datapath *dp, enum xlb_flow_table_id id, uint32_t page);

/* datapath_flows.c */

/* Whether an entry is neither free nor being made or taken apart. */
static inline bool entry_lives(uint64_t live)
{
	uint64_t state = xlb_get(live, XLB_LIVE_STATE);

	return state >= XLB_FLOW_NEW && state <= XLB_FLOW_TOMBSTONE;
}

/* The hash of an entry's key. */
static inline uint64_t entry_hash(const struct xlb_flow_table *table, const __u64 *entry, bool ipv6)
{
	return xlb_flow_hash(table->seed, entry + 2, entry[1] & XLB_FIXED_IDENTITY, ipv6);
}

/* The n-th entry of a page. */
static inline uint16_t entry_word(uint32_t n, bool ipv6)
{
	return (uint16_t)(n / xlb_bucket_entries(ipv6) * XLB_BUCKET_WORDS +
			  n % xlb_bucket_entries(ipv6) * xlb_entry_words(ipv6));
}

static inline uint32_t page_entries(bool ipv6)
{
	return ipv6 ? XLB_PAGE_ENTRIES6 : XLB_PAGE_ENTRIES4;
}

/* datapath_pins.c */

/* Makes the directory (with parents) and its `links`. */
int pins_prepare(const char *pin_dir, struct xlb_err *err);
/* Gives the object, before it is loaded, the maps that are pinned; ret_adopted has a bit per map, in order. */
int pins_adopt(const char *pin_dir, struct bpf_object *object, uint64_t *ret_adopted,
	       struct xlb_err *err);
/* Pins the maps of a loaded object that were not adopted. */
int pins_complete(const char *pin_dir, struct bpf_object *object, uint64_t adopted,
		  struct xlb_err *err);
/*
 * The map of programs that the main one goes on with is each object's own, and the kernel empties it when nobody but
 * programs has it: it is pinned beside the one before, and takes its place once no interface runs the program before.
 */
#define STAGES	     "stages"
#define STAGES_JUMBO "stages_jumbo"
#define STAGES_OBSERVING \
	"stages_observing" /* while that program is attached: it may outlive its daemon */
int pins_stages_prepare(const char *pin_dir, const char *name, const struct bpf_map *stages,
			struct xlb_err *err);
/* Nothing is prepared: nothing is done. */
int pins_stages_commit(const char *pin_dir, const char *name, struct xlb_err *err);
/* No interface runs the program any more. */
void pins_stages_remove(const char *pin_dir, const char *name);
/* Removes every pin and the directory. */
void pins_remove(const char *pin_dir);

/*
 * A port bitmap describes itself in words whose ports are in no pool, so that it is found again after a
 * restart.
 *  word XLB_SNAT_RANGE_WORD: bits 0-15 first port of the pool, bits 16-31 last port (abi.h);
 *			      bit 63 the bitmap exists
 *  word SNAT_HOST_WORD: how many ports of the pool were set from the start because they are the host's
 */
#define SNAT_HOST_WORD 1
#define SNAT_EXISTS    (1ULL << 63)
_Static_assert(XLB_SNAT_RANGE_WORD == 0 && SNAT_HOST_WORD < XLB_SNAT_FIRST_PORT / 64,
	       "words of ports that are in no pool");

/* What the sink does for one table. */
struct table_ops {
	int (*list)(struct datapath *dp, enum table_id table, row_add add, void *arg,
		    struct xlb_err *err);
	int (*put)(struct datapath *dp, const struct row *row, const void *content, size_t size,
		   struct xlb_err *err);
	int (*del)(struct datapath *dp, const struct row *row, struct xlb_err *err);
};
/* tables with content or with more than one map */
extern const struct table_ops interface_ops, bond_port_ops, address_ops, maglev_ops, port_set_ops,
	rule_set_ops, bitmap_ops, attachment_ops, probe_filter_ops, quic_server_ops;

/* datapath_rows.c */
int datapath_rows_open(struct datapath *dp);
void datapath_rows_close(struct datapath *dp);

/* datapath_bitmaps.c: the next bitmap asks anew which ports are the host's */
void host_ports_forget(struct datapath *dp);

/* Finds what is in use after a restart. */
int maglev_adopt(struct datapath *dp, struct xlb_err *err);
int port_set_adopt(struct datapath *dp, struct xlb_err *err);
int rules_adopt(struct datapath *dp, struct xlb_err *err);

/* datapath_rules.c: makes room for contents of so many bytes together */
int rules_reserve(struct datapath *dp, size_t bytes, struct xlb_err *err);

/* datapath_probe.c: sockets that a predecessor has left are closed */
void probes_clear(struct datapath *dp);

/* datapath_attach.c: switches the links that are pinned to the program just loaded */
int attachments_adopt(struct datapath *dp, struct xlb_err *err);
void attachments_close(struct datapath *dp);
/* Switches every attached NIC, and those to come, to another program. */
int attachments_switch(struct datapath *dp, int program_fd, struct xlb_err *err);

#endif
