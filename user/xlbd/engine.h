/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The single writer. Every change of configuration, health or network ends in the same path:
 * model + health + ids + network -> compile -> diff against what is present -> sinks.
 */
#ifndef XLB_XLBD_ENGINE_H
#define XLB_XLBD_ENGINE_H

#include <event2/event.h>
#include <string.h>

#include "core/ids.h"
#include "core/model.h"
#include "sys/datapath.h"
#include "sys/host.h"
#include "xlbd/events.h"
#include "xlbd/health.h"
#include "xlbd/paths.h"

struct engine;
struct preflight_source;

/*
 * Loads state (or the first-start file), opens datapath and host, adopts what is pinned, brings the world
 * in line and starts checks and sweep. What cannot be had yet (a missing interface) is waited for.
 */
int engine_open(struct event_base *base, const struct paths *paths, uint32_t flows,
		struct engine **ret, struct xlb_err *err);
/* Saves health and closes handles; the datapath goes on. */
struct engine *engine_close(struct engine *engine);

struct apply_options {
	bool dry_run, yes, force, now;
	uint64_t if_revision; /* 0: any */
	char origin[256];
	uint32_t confirm; /* seconds until a guarded attach is undone; 0: not guarded */
	/*
	 * "", or the server group that alone is changed: then the edit may be given a model that has only this
	 * group, and is called again with all if that turns out not to do.
	 */
	char group[NAME_TEXT_MAX];
};
struct apply_result {
	uint64_t revision;
	uint32_t added, changed, removed;
	uint64_t flows_affected; /* flows that will drain or be cut */
	const char *changes;	 /* newline-separated, never NULL */
	const char *warnings;	 /* the same */
};
/* Makes the model wanted from the current one; runs when the change's turn comes. */
typedef int (*model_edit)(void *arg, const struct model *current, struct model **ret,
			  struct xlb_err *err);
/* Called exactly once, from the loop or before engine_apply returns. r < 0: err says why, nothing changed. */
typedef void (*apply_done)(void *arg, int r, const struct apply_result *result,
			   const struct xlb_err *err);

/* The only way in. Changes queue up; each sees the model its predecessor left. */
void engine_apply(struct engine *engine, const struct apply_options *options, model_edit edit,
		  void *edit_arg, apply_done done, void *done_arg);
/* Where preflight finds what it looks at; valid until the loop turns. */
struct preflight_source engine_preflight_source(const struct engine *engine);
/*
 * Settings that would help the interface, as bits of its `fix`; for a model_edit. Those that somebody else has
 * changed since xlb did are xlb's again with the change that follows.
 */
uint32_t engine_fixable(struct engine *engine, const struct interface *interface, bool dry_run);
/* Keeps a guarded attach. -ENOENT if none waits. */
int engine_confirm(struct engine *engine, struct xlb_err *err);

/* Reading: valid until the loop turns. */
const struct model *engine_model(const struct engine *engine);
uint64_t engine_revision(const struct engine *engine);
const char *engine_origin(const struct engine *engine);
uint32_t engine_confirm_left(const struct engine *engine);
struct ids *engine_ids(const struct engine *engine);
struct datapath *engine_datapath(const struct engine *engine);
struct host *engine_host(const struct engine *engine);
struct checker *engine_checker(const struct engine *engine);
struct events *engine_events(const struct engine *engine);
/* Where new flows of a group go. */
struct group_flows {
	bool fails_open; /* some to servers that are known to be down */
	const char *ipv4,
		*ipv6; /* those of the family's clients to this group, in its place; NULL: they do not */
};
void engine_group_flows(const struct engine *engine, const char *group, struct group_flows *ret);

/* The live id of a name: ID_SERVER "web/web1@10.0.1.11", ID_LISTENER "edge/http", ID_VIP "198.51.100.10"; 0: none. */
uint32_t engine_live_id(const struct engine *engine, enum id_kind kind, const char *name);
/* An address of a server that starts slowly. */
struct slow_start {
	uint32_t part;	  /* percent of its weight that it has now */
	uint64_t left_ms; /* until it has all of it, at the latest */
};
/* False if the address of the live id (0: none) does not. */
bool engine_is_starting(const struct engine *engine, uint32_t server, struct slow_start *ret);
/* That of an address of a server. */
static inline uint32_t engine_live_server(const struct engine *engine, const char *group,
					  const char *server, const struct xlb_addr *addr)
{
	char name[2 * NAME_TEXT_MAX + ADDR_TEXT_MAX], text[ADDR_TEXT_MAX];

	format_addr(addr, text);
	*stpcpy(stpcpy(stpcpy(stpcpy(stpcpy(name, group), "/"), server), "@"), text) = '\0';
	return engine_live_id(engine, ID_SERVER, name);
}
/* Flows of an id as of the last full sweep; kinds ID_SERVER, ID_LISTENER, ID_VIP, ID_BITMAP. */
uint64_t engine_flows(const struct engine *engine, enum id_kind kind, uint32_t id);
uint64_t engine_flows_total(const struct engine *engine);
/* Entries of a flow table, half-open ones left out: of the pass under way if it has seen enough, or of the last. */
uint64_t engine_table_used(const struct engine *engine, enum xlb_flow_table_id id);
/* Entries that it may grow to: replies are of both families. */
uint32_t engine_table_max(const struct engine *engine, enum xlb_flow_table_id id);
bool engine_table_resizes(const struct engine *engine, enum xlb_flow_table_id id);
/* Why a flow table does not get the size that it should have, "" if none does not. */
const char *engine_table_trouble(const struct engine *engine);
extern const char *const engine_table_words[XLB_FLOW_TABLES];
/* Flows of each family that the tables may grow to. */
uint32_t engine_max_flows(const struct engine *engine);
/* Seconds that flows of a listener may be silent, as of the last sweep; a very long time if not known. */
uint32_t engine_idle_timeout(const struct engine *engine, uint32_t listener);
/* True while something known (a change, a health transition, news of the network) is not yet in the maps. */
bool engine_is_pending(const struct engine *engine);

/* What has happened since the daemon started. */
enum expiry { EXPIRY_IDLE, EXPIRY_CLOSED, EXPIRY_CUT, EXPIRY_DENIED, EXPIRY_COUNT };
struct engine_stats {
	uint64_t changes, changes_failed;	/* by users, without dry runs */
	uint64_t reconciles, reconciles_failed; /* after news of health or network */
	uint64_t last_change;			/* wall clock seconds of its end, 0: none yet */
	bool last_change_ok;
	uint64_t expired[EXPIRY_COUNT]; /* flows that the sweep has ended */
};
const struct engine_stats *engine_stats(const struct engine *engine);

/* What works but may surprise, a line each, never NULL. */
const char *engine_warnings(const struct engine *engine);
/* Why the last bringing-in-line did not succeed wholly ("" if it did): shown as a problem. */
const char *engine_trouble(const struct engine *engine);

#endif
