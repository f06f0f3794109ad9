/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Runs the health checks of every address of every server; one timer and at most one socket each. */
#ifndef XLB_XLBD_HEALTH_H
#define XLB_XLBD_HEALTH_H

#include <event2/event.h>

#include "core/health.h"
#include "core/model.h"

struct checker;

/* Called from the loop after some address changed its state (coalesced). */
typedef void (*checker_changed)(void *arg);
/* What is known of the health of a group's servers is not what it was: once for each group, before the above. */
typedef void (*checker_group_changed)(void *arg, const char *group);

struct checker *checker_new(struct event_base *base, checker_changed changed, void *arg);
struct checker *checker_free(struct checker *checker);
/*
 * Follows a new model: unchanged checks go on undisturbed, new ones run at once (the start of many is
 * spread over one interval after the first result), vanished ones stop. Disabled servers are checked too.
 */
int checker_configure(struct checker *checker, const struct model *model, struct xlb_err *err);
/* The same for one group of the model, the others are as they were. */
int checker_configure_group(struct checker *checker, const struct model *model,
			    const struct server_group *group, struct xlb_err *err);

/* A change of state, told at once (the one above follows). */
struct check_transition {
	const char *group, *server;
	struct xlb_addr addr;
	bool several; /* addresses of this server: its name alone does not tell which */
	enum health from, to;
	const char *reason; /* of the last failure, "" if it passed */
	uint32_t results;   /* in a row, which made the change: as many as its threshold */
};
typedef void (*checker_transition)(void *arg, const struct check_transition *transition);
/* At most one listener; `arg` must outlive the checker. */
void checker_on_transition(struct checker *checker, checker_transition transition, void *arg);

/* At most one listener, before the first configure; `arg` must outlive the checker. */
void checker_on_group(struct checker *checker, checker_group_changed changed, void *arg);
/*
 * Tells the checker of the datapath, through which checks with via: datapath then go: begin and end as
 * datapath_probe_begin and _end. Before the first configure; `arg` must outlive the checker.
 */
void checker_through(struct checker *checker,
		     int (*begin)(void *arg, const struct xlb_probe_key *key,
				  const struct xlb_probe *probe),
		     void (*end)(void *arg, const struct xlb_probe_key *key), void *arg);

struct check_status {
	enum health health;
	bool ever_up;
	char reason[128]; /* of the last failure: "connection refused", "http 503 from /healthz"; "" once it is up and passes */
	uint64_t since;	  /* wall clock seconds of the last change of state */
	uint64_t passed, failed; /* checks so far */
	uint64_t ups, downs;	 /* changes of state so far */
};
/* The address of a server; -ENOENT if it is not checked (type none: then health is HEALTH_UP). */
int checker_status(const struct checker *checker, const char *group, const char *server,
		   const struct xlb_addr *addr, struct check_status *ret);
/* Its health alone; unlike the rest, a thread may ask while no configure runs. */
int checker_health(const struct checker *checker, const char *group, const char *server,
		   const struct xlb_addr *addr, enum health *ret);
/* How long the checks of a group took: counts by upper bound, not summed up; the last is of those above all. */
#define CHECK_BOUNDS 12
extern const uint64_t check_bounds_us[CHECK_BOUNDS];
struct check_durations {
	uint64_t counts[CHECK_BOUNDS + 1];
	uint64_t sum_us;
};
/* Since the group has been checked; NULL if it is not. Valid until the loop turns. */
const struct check_durations *checker_durations(const struct checker *checker, const char *group);
/*
 * Puts an address that is up down, for a reason that its checks do not know; they bring it back, after as many passed as
 * any that is down needs. `results`: how many made the reason, for those who are told. -ENOENT if it is not up.
 */
int checker_eject(struct checker *checker, const char *group, const char *server,
		  const struct xlb_addr *addr, const char *reason, uint32_t results);
/* True while a change of state has not been told yet (see checker_changed). */
bool checker_is_pending(const struct checker *checker);
/* As checker_health. */
bool checker_group_ever_up(const struct checker *checker, const char *group);

/* Known health survives restarts: load before the first configure, save after changes and at exit. */
int checker_load(struct checker *checker, const char *file, struct xlb_err *err);
int checker_save(const struct checker *checker, const char *file, struct xlb_err *err);

#endif
