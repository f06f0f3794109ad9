/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who watches packets: captures, traces, measurements of flows. While somebody does, an observing variant of
 * the program runs in the place of the one that forwards; the last one to leave takes it out again. A
 * variant for dry runs is kept ready.
 */
#ifndef XLB_XLBD_WATCHER_H
#define XLB_XLBD_WATCHER_H

#include <event2/event.h>

#include "sys/datapath_variant.h"

struct watcher;
struct watch_session;

/* NULL on lack of memory. */
struct watcher *watcher_new(struct event_base *base, struct datapath *dp);
/* Begins to load the variant for dry runs, so that the first need not wait for it. */
void watcher_prepare(struct watcher *watcher);
/* Ends all sessions without telling them. */
struct watcher *watcher_free(struct watcher *watcher);

struct watch_handler {
	/* Called once from the loop: the packets are being watched, or err says why not (then leave). */
	void (*ready)(void *arg, int r, const struct xlb_err *err);
	/* An event that the session's watch wants; `data` has event->captured bytes. Must not leave. */
	variant_event event;
	/* After watch_session_stop(): that was the last event. May leave. NULL if it is never called. */
	void (*stopped)(void *arg);
};
/*
 * Joins those who watch. `wanted` (copied) says which packets: its `set` gets XLB_WATCH_ACTIVE. -EBUSY with
 * err if XLB_WATCHES sessions are there already.
 */
int watcher_join(struct watcher *watcher, const struct xlb_watch *wanted,
		 const struct watch_handler *handler, void *arg, struct watch_session **ret,
		 struct xlb_err *err);
/* NULL is fine. */
void watcher_leave(struct watch_session *session);
/* No more packets are watched for a session that is `ready`; what was seen so far still comes, then `stopped`. */
void watch_session_stop(struct watch_session *session);
/* Events that the session should have got but that found no room; of one interface slot, of all. */
uint64_t watch_session_skipped_at(const struct watch_session *session, uint32_t slot);
uint64_t watch_session_skipped(const struct watch_session *session);

/*
 * Counts the packets of every flow for `ms`, then calls done once with what was counted (rows are malloc'd,
 * and who is called has them now) or with err. -EBUSY with err while another measurement runs.
 */
typedef void (*measure_done)(void *arg, int r, struct flow_traffic *rows, size_t count,
			     const struct xlb_err *err);
int watcher_measure(struct watcher *watcher, uint32_t ms, measure_done done, void *arg,
		    struct watch_session **ret, struct xlb_err *err);

/* Calls ready with the variant for dry runs, at once or when it is loaded; or with err. */
typedef void (*dry_ready)(void *arg, struct variant *variant, const struct xlb_err *err);
int watcher_dry_run(struct watcher *watcher, dry_ready ready, void *arg, struct xlb_err *err);
/* Whoever waits with this arg does so no longer. */
void watcher_dry_forget(struct watcher *watcher, void *arg);

#endif
