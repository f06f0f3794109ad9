/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of the engine share. */
#ifndef XLB_XLBD_ENGINE_PRIVATE_H
#define XLB_XLBD_ENGINE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <uthash.h>

#include "core/compile.h"
#include "core/plan.h"
#include "xlbd/engine.h"
#include "xlbd/engine_tls.h"
#include "xlbd/state.h"

/* Flows per id, by kind; index is the id. `live` leaves closed flows and tombstones out, `held` counts every record. */
struct flow_counts {
	uint32_t *live[ID_KIND_COUNT], *held[ID_KIND_COUNT];
	uint64_t total; /* flows */
	/* of IPv4, of IPv6, half-open ones left out: entries, and those with a locator */
	uint64_t entries[2], located[2];
};

struct sweep {
	struct flow_walk *walk;
	struct event *timer;
	struct flow_counts done, running; /* of the last whole pass, of the one under way */
	bool under_way;			  /* a pass has begun and is not over */
	bool torn; /* the pass under way has missed records: nothing is concluded from it */
	uint8_t *quiet
		[ID_KIND_COUNT]; /* by id: how long a retired id has been held by no record, see QUIET_* */
	uint32_t stamp;		 /* datapath's now, taken at each slice */
	uint32_t *idle_timeout; /* seconds, by listener id, taken at the start of a pass */
	uint8_t *server_reset;	/* by server id */
	uint8_t *vip_cut;	/* by VIP id */
	uint8_t *listener_cut;	/* by listener id */
	uint16_t *rules;	/* rule set, by listener id */
	uint8_t *recheck;	/* by listener id: RECHECK_* of engine_recheck.c */
	bool rechecks;		/* of some listener: the next pass is soon */
	bool filling;		/* a table fills up quickly: the next pass is soon */
	uint8_t *hop_idle;	/* by way back: passes in a row that no flow has named it */
};

/* A live name and its id, for engine_live_id. The key is the kind, as one character, and the name. */
struct live_name {
	char key[1 + ID_KEY_MAX];
	uint32_t id;
	UT_hash_handle hh;
};

/* What was last told of a NIC of the configuration. */
struct link_state {
	char name[IFNAMSIZ];
	const char *state; /* "up", "down", "absent" */
};

/* Since when servers have taken new flows, and what part of their weights they have: see engine_slow_start.c. */
struct slow_starts {
	struct server_start *servers; /* by id */
	uint64_t *due; /* by group id: when it is to be compiled next, CLOCK_MONOTONIC ns; 0: not for this */
	struct event *timer; /* for the first of them */
	bool known;	     /* everything has been compiled once */
};

/* Groups whose health has changed are compiled alone, up to so many; beyond that everything is. */
#define GROUPS_DUE_MAX 16

struct change; /* one engine_apply on its way */
TAILQ_HEAD(change_list, change);

/* Waits, beside the loop, until no packet sees what changes have replaced, and frees what was large. */
struct settler {
	struct event *event;
	int fd; /* eventfd: a wait is over; -1: not open */
	pthread_t thread;
	bool waiting;
	struct change_list junk, taken; /* for the next thread, by the one that runs */
};

/* A flow table on its way to another size. */
struct growth {
	struct event *timer;
	uint32_t default_max;	     /* flows of each family, where none is configured */
	struct table_resize *resize; /* NULL: none */
	uint32_t before;	     /* its room, 0: a predecessor began it */
	uint64_t began;		     /* CLOCK_MONOTONIC, ns */
	char trouble[640];	     /* why one cannot, "" */
	uint64_t retry_at;
	/* a step that waits is made in a thread */
	struct event *event;
	int fd; /* eventfd: it is over; -1: not open */
	pthread_t thread;
	bool waiting;
	atomic_bool stop;
	enum table_resize_state state; /* what it has come to */
	struct xlb_err err;
};

/* What passive health checks go by. */
struct passive {
	struct event *timer;
	struct passive_server *servers;
};

struct engine {
	struct event_base *base;
	struct paths paths;
	struct datapath *datapath;
	struct host *host;
	struct checker *checker;
	struct sink *sinks[SINK_COUNT];

	struct model *model;
	struct ids *ids;
	uint64_t revision;
	char origin[256];
	struct rows present; /* what the sinks hold */
	uint64_t saved_version; /* ids_version of the state file, UINT64_MAX: it must be written anew */
	struct state_text saved;
	char *warnings; /* of the last compile of everything, lines */
	char *warned;	/* the groups they are about, as compile tells them */
	char trouble[768];
	struct live_name *live_names;
	struct engine_stats stats;

	struct change_list changes; /* the first one is under way */
	bool busy;		    /* the first change is under way */
	bool working;		    /* and in the worker */
	bool host_stale;	    /* host and attachment rows must be listed anew */
	bool present_unsure;	    /* all rows must: a change broke off */
	bool scheduled;		    /* the reconcile timer runs, and not just for a retry */
	bool all_due;		    /* and is to compile everything, not just these groups */
	char due_groups[GROUPS_DUE_MAX][NAME_TEXT_MAX];
	uint32_t due_count;
	struct event *reconcile_timer, *worker_event, *host_event, *apply_timer;
	int worker_fd;
	pthread_t worker;
	struct settler settler;

	struct event *guard_timer;
	uint64_t guard_deadline; /* wall clock seconds, 0: none */
	char (*guarded)[IFNAMSIZ];
	uint32_t guarded_count;

	struct event *announce_timer;
	struct announcement *announcements;
	uint32_t announcement_count;
	pthread_t announcer;
	bool announcing;

	struct events *events;
	struct event *counters_timer;
	uint64_t evictions_seen, drops_seen[XLB_DROP_COUNT];
	bool counters_known; /* the two above are of this run */
	struct link_state *links;
	uint32_t link_count;

	struct networks *networks; /* files of rules, by path */
	struct haproxy *haproxy;
	struct tls_files
		*tls_files; /* by kind and paths; under the lock, but for compiles that read */
	pthread_mutex_t tls_lock;
	uint32_t tls_mark; /* of the last compile of everything */
	uint32_t tls_turns;
	struct event *tls_timer, *tls_event;
	struct sweep sweep;
	struct growth growth;
	struct slow_starts slow_starts;
	struct passive passive;
	struct vlan_device *vlans; /* the last answer to compile's question for an interface */
	struct bond_port *ports;
	struct port_list host_ports; /* the last answer to compile's question for them */
	struct host_socket *sockets; /* of the host, read at most once per compile */
	uint32_t socket_count;
	bool sockets_read;
};

uint64_t engine_now(void); /* wall clock seconds */

/* True if others than xlb can change, and refuse, the table's rows. */
static inline bool engine_shares_table(enum table_id table)
{
	return tables[table].sink == SINK_HOST || table == TABLE_ATTACHMENT;
}

/* engine_world.c: what compile may ask, answered by host and checker */
struct world engine_world(struct engine *engine, bool strict, bool cut_now);
/* Refuses listeners on ports that the host itself uses; -EADDRINUSE names the socket. */
int engine_check_host_ports(struct engine *engine, const struct model *model, struct xlb_err *err);
/*
 * engine_networks.c: the networks in a file, which it owns until the next compile. Anew: as the file says now, once in a
 * compile, and not in effect before _adopt; else as it said when that was, if it is known.
 */
int engine_networks(struct engine *engine, const char *path, bool anew,
		    const struct prefix_list **ret, struct xlb_err *err);
void engine_networks_begin(struct engine *engine); /* a compile */
void engine_networks_adopt(struct engine *engine);
void engine_networks_close(struct engine *engine);
/* engine_fix.c: refuses new interfaces, and new modes, that cannot work */
int engine_check_interfaces(struct engine *engine, const struct model *next, struct xlb_err *err);

/* engine_change.c: brings the world in line with model, health and network; soon, once */
void engine_schedule(struct engine *engine, bool host_stale);
/* The same for one group, whose health has changed. */
void engine_schedule_group(struct engine *engine, const char *group);
/* The same at once: begins before this returns. */
void engine_reconcile(struct engine *engine);
int engine_changes_open(struct engine *engine, struct xlb_err *err);
void engine_changes_close(struct engine *engine);
/*
 * Reads anew what is present: everything, or what others than xlb can change (host tables, attachments). May run in
 * the worker; then the loop takes it.
 */
int engine_list(const struct engine *engine, bool host_only, struct rows *ret, struct xlb_err *err);
void engine_take_list(struct engine *engine, struct rows *listed);
void engine_index_names(struct engine *engine);

/* engine_passive.c */
int engine_passive_open(struct engine *engine, struct xlb_err *err);
void engine_passive_close(struct engine *engine);

/* engine_settle.c */
int engine_settle_open(struct engine *engine, struct xlb_err *err);
void engine_settle_close(struct engine *engine);
/* A change is over, and freed here: what it has replaced may be used again after a grace period. */
void engine_settle(struct engine *engine, struct change *change);

/* engine_guard.c: attachments that vanish unless confirmed */
void engine_guard_start(struct engine *engine, const struct model *before,
			const struct model *after, uint32_t seconds);
bool engine_is_guarded(const struct engine *engine, const char *ifname);
/* Forgets attachments that the engine's model does not have any more. */
void engine_guard_adopted(struct engine *engine);
void engine_guard_close(struct engine *engine);

/* engine_announce.c: gratuitous ARPs and unsolicited NAs, three a second apart */
void engine_announce(struct engine *engine, const struct plan *plan);
void engine_announce_close(struct engine *engine);

/* engine_events.c: tells of what happens */
int engine_events_open(struct engine *engine, struct xlb_err *err);
void engine_events_close(struct engine *engine);
/* The checker is there, and what the engine begins with. */
void engine_events_start(struct engine *engine);
/* A new revision is in effect. */
void engine_events_config(struct engine *engine, const struct model_changes *changes);
/* The plan has been carried out; the engine's ids are already those it was made with. */
void engine_events_plan(struct engine *engine, const struct plan *plan);
/* Looks whether NICs of the configuration went up, down or away. */
void engine_events_links(struct engine *engine);
/* A flow table got another size, from room for `before` entries. */
void engine_events_table(struct engine *engine, enum xlb_flow_table_id id, uint32_t before,
			 uint64_t took_ns);
/* A server's address has another part of its weight: less than all of it, or all again. */
void engine_events_slow_start(struct engine *engine, uint32_t server,
			      const struct server_group *group, uint32_t part, uint64_t left_ms);

/* engine_sweep.c: expiry, counts, retired ids */
int engine_sweep_open(struct engine *engine, struct xlb_err *err);
void engine_sweep_close(struct engine *engine);
/* After each change: the pass under way must not judge by what was. */
void engine_sweep_adopted(struct engine *engine);

/* engine_recheck.c: flows that security groups do not allow any more */
int engine_recheck_open(struct engine *engine, struct xlb_err *err);
void engine_recheck_close(struct engine *engine);
/* A plan has been carried out: flows of listeners whose rules it has changed are looked at, soon. */
void engine_recheck_adopted(struct engine *engine, const struct plan *plan);
/* Of the sweep. */
void engine_recheck_begin(struct engine *engine);
void engine_recheck_end(struct engine *engine);
bool engine_is_denied(struct engine *engine, const struct xlb_flow_key *key, uint32_t listener);

/* engine_slow_start.c: servers that start slowly */
int engine_slow_start_open(struct engine *engine, struct xlb_err *err);
void engine_slow_start_close(struct engine *engine);
/* The answer to compile's question: see struct world. */
uint64_t engine_served(const struct engine *engine, uint32_t server);
/* Takes over what was compiled; `part`: of some groups alone. The model and the ids are those of that compile. */
void engine_slow_start_adopted(struct engine *engine, const struct compiled *compiled, bool part);

/* engine_growth.c: the size of the flow tables */
int engine_growth_open(struct engine *engine, struct xlb_err *err);
void engine_growth_close(struct engine *engine);
/* Begins what is due by the sweep's counts. */
void engine_growth_look(struct engine *engine);
/* A new configuration is in effect. */
void engine_growth_adopted(struct engine *engine);
/* Refuses a flow_table.max that this machine cannot hold. */
int engine_check_flow_table(const struct model *model, struct xlb_err *err);

#endif
