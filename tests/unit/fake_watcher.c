// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A watcher without a datapath: a measurement ends at the loop's next turn with the rows set here; a session
 * is ready then, and gets the events that a test hands over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xlbd/watcher.h"

struct watcher {
	struct event_base *base;
};

struct watch_session {
	struct event *timer;
	measure_done done;
	void *arg;
	const struct watch_handler *handler; /* NULL: a measurement */
	struct xlb_watch wanted;
	bool stopping;
};

struct flow_traffic fake_traffic[8];
size_t fake_traffic_count;
uint32_t fake_measured_ms;
struct xlb_err fake_measure_err;    /* of class NONE: it succeeds */
struct watch_session *fake_session; /* the last one that joined, NULL: it has left */
struct xlb_err fake_ready_err;	    /* the same for the next one to join */
uint64_t fake_skipped;		    /* by the ring, on slot 1 */

struct watcher *watcher_new(struct event_base *base, struct datapath *dp)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));

	(void)dp;
	if (watcher)
		watcher->base = base;
	return watcher;
}

void watcher_prepare(struct watcher *watcher)
{
	(void)watcher;
}

struct watcher *watcher_free(struct watcher *watcher)
{
	free(watcher);
	return NULL;
}

static void measured_now(evutil_socket_t fd, short what, void *arg)
{
	struct watch_session *session = arg;
	struct flow_traffic *rows;

	(void)fd;
	(void)what;
	if (fake_measure_err.class) {
		session->done(session->arg, -1, NULL, 0, &fake_measure_err);
		return;
	}
	rows = malloc(sizeof(fake_traffic));
	if (!rows)
		abort();
	memcpy(rows, fake_traffic, sizeof(fake_traffic));
	session->done(session->arg, 0, rows, fake_traffic_count, NULL);
}

int watcher_measure(struct watcher *watcher, uint32_t ms, measure_done done, void *arg,
		    struct watch_session **ret, struct xlb_err *err)
{
	struct watch_session *session = calloc(1, sizeof(*session));

	(void)err;
	if (!session)
		abort();
	fake_measured_ms = ms;
	session->done = done;
	session->arg = arg;
	session->timer = evtimer_new(watcher->base, measured_now, session);
	evtimer_add(session->timer, &(struct timeval){ 0 });
	*ret = session;
	return 0;
}

static void session_turn(evutil_socket_t fd, short what, void *arg)
{
	struct watch_session *session = arg;

	(void)fd;
	(void)what;
	if (session->stopping)
		session->handler->stopped(session->arg);
	else if (fake_ready_err.class)
		session->handler->ready(session->arg, -1, &fake_ready_err);
	else
		session->handler->ready(session->arg, 0, NULL);
}

int watcher_join(struct watcher *watcher, const struct xlb_watch *wanted,
		 const struct watch_handler *handler, void *arg, struct watch_session **ret,
		 struct xlb_err *err)
{
	struct watch_session *session = calloc(1, sizeof(*session));

	(void)err;
	if (!session)
		abort();
	session->handler = handler;
	session->wanted = *wanted;
	session->arg = arg;
	session->timer = evtimer_new(watcher->base, session_turn, session);
	evtimer_add(session->timer, &(struct timeval){ 0 });
	fake_session = *ret = session;
	return 0;
}

void watch_session_stop(struct watch_session *session)
{
	session->stopping = true;
	evtimer_add(session->timer, &(struct timeval){ 0 });
}

uint64_t watch_session_skipped_at(const struct watch_session *session, uint32_t slot)
{
	(void)session;
	return slot == 1 ? fake_skipped : 0;
}

uint64_t watch_session_skipped(const struct watch_session *session)
{
	return watch_session_skipped_at(session, 1);
}

int watcher_dry_run(struct watcher *watcher, dry_ready ready, void *arg, struct xlb_err *err)
{
	(void)watcher;
	(void)ready;
	(void)arg;
	return xlb_err_set(err, XLB_ERR_UNSUPPORTED, -ENOSYS, "no dry runs without a datapath");
}

void watcher_dry_forget(struct watcher *watcher, void *arg)
{
	(void)watcher;
	(void)arg;
}

void watcher_leave(struct watch_session *session)
{
	if (!session)
		return;
	if (session == fake_session)
		fake_session = NULL;
	event_free(session->timer);
	free(session);
}

/* Dry runs are never ready here. */
bool variant_read(struct variant *variant, uint32_t budget, variant_event take, void *arg)
{
	(void)variant, (void)budget, (void)take, (void)arg;
	abort();
}

void variant_watch(struct variant *variant, uint32_t index, const struct xlb_watch *watch)
{
	(void)variant, (void)index, (void)watch;
	abort();
}

int variant_run(struct variant *variant, uint32_t ifindex, const void *frame, size_t size,
		uint32_t *ret_action, struct xlb_err *err)
{
	(void)variant, (void)ifindex, (void)frame, (void)size, (void)ret_action, (void)err;
	abort();
}
