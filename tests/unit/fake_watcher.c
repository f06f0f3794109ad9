// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A watcher without a datapath: a measurement ends at the loop's next turn with the rows set here. */
#include <stdlib.h>

#include "xlbd/watcher.h"

struct watcher {
	struct event_base *base;
};

struct watch_session {
	struct event *timer;
	measure_done done;
	void *arg;
};

struct flow_traffic fake_traffic[8];
size_t fake_traffic_count;
uint32_t fake_measured_ms;
struct xlb_err fake_measure_err; /* of class NONE: it succeeds */

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

	(void)fd;
	(void)what;
	if (fake_measure_err.class)
		session->done(session->arg, -1, NULL, 0, &fake_measure_err);
	else
		session->done(session->arg, 0, fake_traffic, fake_traffic_count, NULL);
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

void watcher_leave(struct watch_session *session)
{
	if (!session)
		return;
	event_free(session->timer);
	free(session);
}
