/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's side of xlb: program, maps, links, pins. The only user of libbpf. */
#ifndef XLB_SYS_DATAPATH_H
#define XLB_SYS_DATAPATH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/flow.h"
#include "base/parse.h"
#include "base/sink.h"
#include "xlb/abi.h"
#include "xlb/lists.h"

struct datapath;

struct datapath_options {
	/* "/sys/fs/bpf/xlb/abi9" or "/sys/fs/bpf/xlb-NAME/abi9"; NULL: nothing is pinned (tests) */
	const char *pin_dir;
	uint32_t flows; /* room for so many of each family, 0: XLB_DEFAULT_FLOWS; tables that are pinned keep their size */
};

/*
 * Loads the program. With a pin_dir, maps and links pinned there are adopted with all they hold, and the
 * running links are switched to the program just loaded; else all is created. Errors say what the kernel
 * said and what to do (capability, bpffs, kernel version; a verifier log goes to stderr with XLB_DEBUG).
 */
int datapath_open(const struct datapath_options *options, struct datapath **ret,
		  struct xlb_err *err);
/* Closes handles; pinned maps and links stay in the kernel. */
struct datapath *datapath_close(struct datapath *dp);
DEFINE_CLEANUP(struct datapath, datapath_close)
/* Removes pins and directory: call after the last detach, when nothing is configured. */
void datapath_unpin(struct datapath *dp);

/* Sink of every table with SINK_DATAPATH. */
struct sink *datapath_sink(struct datapath *dp);
/* Waits until no packet can still see what the last puts and dels replaced (one RCU grace period). */
void datapath_settle(struct datapath *dp);
/*
 * The same in steps, for callers that must not wait: _begin is false if nothing was replaced; _wait may run in a
 * thread of its own, beside anything else; after it _end. One at a time.
 */
bool datapath_settle_begin(struct datapath *dp);
void datapath_settle_wait(struct datapath *dp);
void datapath_settle_end(struct datapath *dp);
/* File descriptor of the program, for BPF_PROG_TEST_RUN; of a map by its name, -ENOENT. */
int datapath_program_fd(const struct datapath *dp);
int datapath_map_fd(const struct datapath *dp, const char *name);

/* What is attached to a NIC. */
struct attachment_info {
	uint32_t mode; /* enum xlb_attach_mode */
	uint32_t program_id;
	char program_tag[17]; /* hex */
};
/* -ENOENT if xlb is not attached there. */
int datapath_attachment(struct datapath *dp, const char *ifname, struct attachment_info *ret);

/* Id of xlb's program on the NIC by the link pinned below `pin_dir`, 0: none. Needs no open datapath. */
uint32_t datapath_pinned_program(const char *pin_dir, const char *ifname);
/* Name of any program, "?" if it cannot be had. */
void datapath_program_name(uint32_t id, char ret[16]);

/* Sums over CPUs; ret has XLB_COUNT_MAX, XLB_IFCOUNT_MAX or XLB_DROP_COUNT entries. */
/* Of `count` ids of TABLE_LISTENER or TABLE_SERVER at once; -ENOENT if the map ends before the last. */
int datapath_flow_counters(struct datapath *dp, enum table_id table, uint32_t first, uint32_t count,
			   uint64_t (*ret)[XLB_COUNT_MAX]);
int datapath_interface_counters(struct datapath *dp, uint32_t slot, uint64_t *ret);
int datapath_drop_counters(struct datapath *dp, uint32_t slot, uint64_t *ret);
/* The last packet dropped for a reason, of all CPUs; -ENOENT if there was none. */
int datapath_drop_sample(struct datapath *dp, uint32_t reason, struct xlb_drop_sample *ret);
/* Why packets that are lost after the verdict are not counted; "" if they are. */
const char *datapath_lost_uncounted(const struct datapath *dp);
/* Closed flows that gave up their SNAT port, and their record, early because others had none. */
int datapath_evictions(struct datapath *dp, uint64_t *ret);
/* How many connections a server has that are no flows: they count where the least loaded is chosen. */
void datapath_server_others(struct datapath *dp, uint32_t server, uint64_t connections);
/* Zeroes the counters of an id before it is used again. */
int datapath_clear_counters(struct datapath *dp, enum table_id table, uint32_t id);

/* Taken and usable ports of a bitmap. */
int datapath_bitmap_usage(struct datapath *dp, uint32_t bitmap, uint32_t *ret_used,
			  uint32_t *ret_total);

/*
 * A socket of this host speaks to a server for a health check: from now to the end its packets are to the VIP
 * on the wire, and those from the VIP come to it (abi.h, map `probes`). 0 or -errno.
 */
int datapath_probe_begin(struct datapath *dp, const struct xlb_probe_key *key,
			 const struct xlb_probe *probe);
void datapath_probe_end(struct datapath *dp, const struct xlb_probe_key *key);

/* What a rule set says of a flow (xlb/rules.h); all are allowed where there is no such set. */
uint32_t datapath_rules_answer(const struct datapath *dp, uint32_t set,
			       const struct xlb_flow_key *key);
/* New flows that a rule, by its number in the set, has decided since the set was last changed. */
uint64_t datapath_rule_hits(const struct datapath *dp, uint32_t set, uint32_t rule);

/* Now in the stamps of struct xlb_flow. */
uint32_t datapath_stamp(void);

/*
 * A walk over the flow tables, one of any number. Each call visits `budget` flows or a page more, also such that
 * rest; pages without flows count as well, for less. What visit answers is done to the flow, if no packet has changed it
 * meanwhile; a deleted flow's reply locator and SNAT port go with it. `*ret_done` is true when the walk has
 * come round; the next call begins anew. A flow that is there all the time is visited once.
 */
enum flow_action { FLOW_KEEP, FLOW_DELETE, FLOW_TO_TOMBSTONE };
typedef enum flow_action (*flow_visit)(void *arg, const struct xlb_flow_key *key,
				       const struct xlb_flow *flow);
struct flow_walk;
/* NULL on lack of memory. The datapath must stay open until it is freed. */
struct flow_walk *flow_walk_new(struct datapath *dp);
struct flow_walk *flow_walk_free(struct flow_walk *walk);
DEFINE_CLEANUP(struct flow_walk, flow_walk_free)
int flow_walk_next(struct flow_walk *walk, uint32_t budget, flow_visit visit, void *arg,
		   bool *ret_done, struct xlb_err *err);
/* How much of a table the round under way has passed, 0 to 1. */
double flow_walk_share(const struct flow_walk *walk, enum xlb_flow_table_id id);
/* Does it to one flow: -EAGAIN if it is not as `flow` says any more. */
int datapath_flow_end(struct datapath *dp, const struct xlb_flow *flow, enum flow_action action);
/* The flow with this key, not one that rests; -ENOENT if there is none. */
int datapath_flow_get(struct datapath *dp, const struct xlb_flow_key *key, struct xlb_flow *ret);

/* How many entries a flow table was made for: flows, or replies. */
uint32_t datapath_table_room(const struct datapath *dp, enum xlb_flow_table_id id);
/* Bytes of memory that a table for so many takes, and that the tables take now. */
uint64_t datapath_table_bytes(enum xlb_flow_table_id id, uint32_t room);
uint64_t datapath_tables_memory(const struct datapath *dp);

/*
 * A flow table on its way to another size, larger or smaller. Packets go on meanwhile, and no flow is lost: one that
 * finds no place in the new memory stays in the old until it does. One a table at a time. A process that ends, or is
 * killed, leaves a table that works, and whose way can be gone on.
 */
struct table_resize;
enum table_resize_state {
	TABLE_RESIZE_GOES_ON,
	TABLE_RESIZE_LATER, /* the same, but nothing more can be moved just now */
	TABLE_RESIZE_DONE,
	TABLE_RESIZE_FAILED, /* the table is as before */
};
/* NULL with the reason if it cannot be. */
struct table_resize *table_resize_new(struct datapath *dp, enum xlb_flow_table_id id, uint32_t room,
				      struct xlb_err *err);
/* What a predecessor has left of one, NULL: nothing. -ENOMEM. */
int table_resize_left(struct datapath *dp, enum xlb_flow_table_id id, struct table_resize **ret,
		      struct xlb_err *err);
struct table_resize *table_resize_free(struct table_resize *resize);
enum xlb_flow_table_id table_resize_table(const struct table_resize *resize);
/*
 * Whether the next step takes long: it may be made in a thread of its own, beside anything. The others move about
 * `budget` entries each and are for the thread that walks and ends flows.
 */
bool table_resize_waits(const struct table_resize *resize);
enum table_resize_state table_resize_step(struct table_resize *resize, uint32_t budget,
					  struct xlb_err *err);

/* Whether a learned way back to clients is in use, and the end of one that no flow names any more. */
bool datapath_hop_is_known(const struct datapath *dp, uint32_t hop);
void datapath_hop_forget(struct datapath *dp, uint32_t hop);

#endif
