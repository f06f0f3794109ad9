// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/watcher.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "xlbd/slice.h"

/* some 10 us each for every session that wants it: a turn stays below 5 ms */
#define EVENTS_PER_TURN 64

/* A variant and the thread that loads it. */
struct loader {
	struct watcher *watcher;
	enum variant_kind kind;
	void (*loaded)(struct watcher *watcher);
	pthread_t thread;
	bool running;
	int fd; /* eventfd: the thread has ended */
	struct event *event;
	struct variant *variant; /* NULL: not loaded, or the thread has it */
	struct xlb_err err;
	int r;
};

enum measure_phase {
	MEASURE_CLEAR, /* what others have left in the map is taken out */
	MEASURE_COUNT,
	MEASURE_TAKE,
};

struct watch_session {
	LIST_ENTRY(watch_session) link;
	struct watcher *watcher;
	uint32_t index; /* in the datapath's watches; XLB_WATCHES: a measurement */
	struct xlb_watch wanted;
	const struct watch_handler *handler;
	void *arg;
	bool told; /* ready was called */
	bool stopping;
	uint64_t since; /* CLOCK_MONOTONIC, ns: events before are those of who had the entry before */
	/* of a measurement */
	enum measure_phase phase;
	struct event *timer; /* of the next turn */
	uint32_t ms;
	struct flow_traffic *rows;
	size_t row_count, row_room;
	measure_done done;
};

struct dry_waiter {
	LIST_ENTRY(dry_waiter) link;
	dry_ready ready;
	void *arg;
};

struct watcher {
	struct event_base *base;
	struct datapath *dp;
	struct loader observe, dry;
	struct event *readable; /* the ring of the observing variant */
	struct event *joined;	/* there are sessions to tell that it runs already */
	LIST_HEAD(, watch_session) sessions;
	LIST_HEAD(, dry_waiter) waiters;
};

/* --- loading ------------------------------------------------------------------------------------- */

static void *load(void *arg)
{
	struct loader *loader = arg;
	uint64_t one = 1;

	loader->r = variant_load(loader->watcher->dp, loader->kind, &loader->variant, &loader->err);
	if (write(loader->fd, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes any count below its limit */
	return NULL;
}

static void load_ended(evutil_socket_t fd, short what, void *arg)
{
	struct loader *loader = arg;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	pthread_join(loader->thread, NULL);
	loader->running = false;
	loader->loaded(loader->watcher);
}

static int load_start(struct loader *loader, struct xlb_err *err)
{
	int r;

	loader->err = (struct xlb_err){};
	r = pthread_create(&loader->thread, NULL, load, loader);
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, -r, "cannot start a thread: %s",
				   strerror(r));
	loader->running = true;
	return 0;
}

static int loader_open(struct loader *loader, struct watcher *watcher, enum variant_kind kind,
		       void (*loaded)(struct watcher *watcher))
{
	loader->watcher = watcher;
	loader->kind = kind;
	loader->loaded = loaded;
	loader->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loader->fd < 0)
		return -errno;
	loader->event =
		event_new(watcher->base, loader->fd, EV_READ | EV_PERSIST, load_ended, loader);
	return loader->event && !event_add(loader->event, NULL) ? 0 : -ENOMEM;
}

static void loader_close(struct loader *loader)
{
	if (loader->running)
		pthread_join(loader->thread, NULL);
	if (loader->event)
		event_free(loader->event);
	cleanup_close(&loader->fd);
	loader->variant = variant_free(loader->variant);
}

/* --- sessions ------------------------------------------------------------------------------------ */

static bool is_measurement(const struct watch_session *session)
{
	return session->index == XLB_WATCHES;
}

static void measure_end(struct watch_session *session, int r, const struct xlb_err *err)
{
	if (r)
		session->done(session->arg, r, NULL, 0, err);
	else
		session->done(session->arg, 0, TAKE(session->rows), session->row_count, NULL);
}

static void measure_later(struct watch_session *session, uint32_t ms)
{
	struct timeval time = { .tv_sec = ms / 1000, .tv_usec = (suseconds_t)ms % 1000 * 1000 };
	struct xlb_err err = {};

	if (evtimer_add(session->timer, &time))
		measure_end(session, xlb_err_set(&err, XLB_ERR_FAILED, -ENOMEM, "out of memory"),
			    &err);
}

static int measure_take(struct watch_session *session, bool *ret_done, struct xlb_err *err)
{
	size_t taken;
	int r;

	if (session->row_room - session->row_count < VARIANT_TRAFFIC_STEP) {
		size_t room = session->row_room ? 2 * session->row_room : 16 * VARIANT_TRAFFIC_STEP;
		struct flow_traffic *grown = reallocarray(session->rows, room, sizeof(*grown));

		if (!grown)
			return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
		session->rows = grown;
		session->row_room = room;
	}
	r = variant_traffic_take(session->watcher->observe.variant,
				 session->rows + session->row_count, &taken, ret_done, err);
	if (!r && session->phase == MEASURE_TAKE)
		session->row_count += taken;
	return r;
}

/* A slice of taking rows out of the map, before and after they are counted. */
static void measure_turn(evutil_socket_t fd, short what, void *arg)
{
	struct watch_session *session = arg;
	struct variant *variant = session->watcher->observe.variant;
	uint64_t end = slice_begin();
	struct xlb_err err = {};
	bool done = false;
	int r;

	(void)fd;
	(void)what;
	if (session->phase == MEASURE_COUNT) {
		variant_measure(variant, false);
		session->phase = MEASURE_TAKE;
	}
	do
		r = measure_take(session, &done, &err);
	while (!r && !done && !slice_is_over(end));
	if (r || (done && session->phase == MEASURE_TAKE)) {
		measure_end(session, r, &err);
	} else if (done) {
		variant_measure(variant, true);
		session->phase = MEASURE_COUNT;
		measure_later(session, session->ms);
	} else {
		measure_later(session, 0);
	}
}

/* The session's turn with the variant that now runs; or, with err, why there is none. */
static void session_tell(struct watch_session *session, int r, const struct xlb_err *err)
{
	struct watcher *watcher = session->watcher;

	session->told = true;
	if (is_measurement(session)) {
		if (r)
			measure_end(session, r, err);
		else
			measure_later(session, 0);
		return;
	}
	if (!r) {
		session->since = clock_ns(CLOCK_MONOTONIC);
		variant_watch(watcher->observe.variant, session->index, &session->wanted);
	}
	session->handler->ready(session->arg, r, err);
}

static void tell_all(struct watcher *watcher, int r, const struct xlb_err *err)
{
	struct watch_session *session, *next;

	for (session = LIST_FIRST(&watcher->sessions); session; session = next) {
		next = LIST_NEXT(session, link);
		if (!session->told)
			session_tell(session, r, err);
	}
}

static void take_event(void *arg, const struct xlb_event *event, const uint8_t *data)
{
	struct watcher *watcher = arg;
	struct watch_session *session;

	LIST_FOREACH(session, &watcher->sessions, link)
		if (!is_measurement(session) && session->told &&
		    event->watches & 1U << session->index && event->time >= session->since)
			session->handler->event(session->arg, event, data);
}

/* What is left is still readable and read in the next turn. */
static void ring_readable(evutil_socket_t fd, short what, void *arg)
{
	struct watch_session *session, *next;
	struct watcher *watcher = arg;

	(void)fd;
	(void)what;
	if (variant_read(watcher->observe.variant, EVENTS_PER_TURN, take_event, watcher))
		return;
	for (session = LIST_FIRST(&watcher->sessions); session; session = next) {
		next = LIST_NEXT(session, link);
		if (!session->stopping)
			continue;
		session->stopping = false;
		session->handler->stopped(session->arg);
	}
}

static void *free_variant(void *arg)
{
	variant_free(arg);
	return NULL;
}

/* The kernel takes its time to let go of tracepoints: not the loop's. */
static void let_go(struct variant *variant)
{
	pthread_t thread;

	if (!variant)
		return;
	if (pthread_create(&thread, NULL, free_variant, variant))
		variant_free(variant);
	else
		pthread_detach(thread);
}

static void observe_stop(struct watcher *watcher)
{
	struct xlb_err err;

	if (watcher->observe.variant &&
	    variant_detach(watcher->dp, watcher->observe.variant, &err)) {
		/* it forwards as well as the other; the next one to join finds it, the last to leave tries again */
		log_error("%s, going on with the observing program", err.text);
		return;
	}
	if (watcher->readable)
		event_free(watcher->readable);
	watcher->readable = NULL;
	event_del(watcher->joined);
	let_go(watcher->observe.variant);
	watcher->observe.variant = NULL;
}

static void observe_loaded(struct watcher *watcher)
{
	struct loader *loader = &watcher->observe;
	int r = loader->r;

	if (LIST_EMPTY(&watcher->sessions)) {
		observe_stop(watcher);
		return;
	}
	if (!r) {
		watcher->readable = event_new(watcher->base, variant_fd(loader->variant),
					      EV_READ | EV_PERSIST, ring_readable, watcher);
		if (!watcher->readable || event_add(watcher->readable, NULL))
			r = xlb_err_set(&loader->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	}
	if (!r)
		r = variant_attach(watcher->dp, loader->variant, &loader->err);
	if (r)
		observe_stop(watcher);
	tell_all(watcher, r, &loader->err);
}

static void tell_joined(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tell_all(arg, 0, NULL);
}

/* Links the session and sees that the variant runs; `ready` comes from the loop, never from within. */
static int session_start(struct watch_session *session, struct xlb_err *err)
{
	struct watcher *watcher = session->watcher;
	int r = 0;

	if (watcher->readable && evtimer_add(watcher->joined, &(struct timeval){}))
		r = xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	else if (!watcher->readable && !watcher->observe.running)
		r = load_start(&watcher->observe, err);
	if (!r)
		LIST_INSERT_HEAD(&watcher->sessions, session, link);
	return r;
}

static struct watch_session *session_new(struct watcher *watcher, uint32_t index, void *arg)
{
	struct watch_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->watcher = watcher;
	session->index = index;
	session->arg = arg;
	return session;
}

static bool index_is_taken(const struct watcher *watcher, uint32_t index)
{
	const struct watch_session *session;

	LIST_FOREACH(session, &watcher->sessions, link)
		if (session->index == index)
			return true;
	return false;
}

int watcher_join(struct watcher *watcher, const struct xlb_watch *wanted,
		 const struct watch_handler *handler, void *arg, struct watch_session **ret,
		 struct xlb_err *err)
{
	struct watch_session *session;
	uint32_t index = 0;
	int r;

	while (index < XLB_WATCHES && index_is_taken(watcher, index))
		index++;
	if (index == XLB_WATCHES)
		return xlb_err_set(err, XLB_ERR_UNREACHABLE, -EBUSY,
				   "%d captures and traces run already: end one of them",
				   XLB_WATCHES);
	session = session_new(watcher, index, arg);
	if (!session)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	session->wanted = *wanted;
	session->wanted.set |= XLB_WATCH_ACTIVE;
	session->handler = handler;
	r = session_start(session, err);
	if (r)
		free(session);
	else
		*ret = session;
	return r;
}

void watcher_leave(struct watch_session *session)
{
	struct watcher *watcher;

	if (!session)
		return;
	watcher = session->watcher;
	LIST_REMOVE(session, link);
	if (watcher->observe.variant && !watcher->observe.running) {
		if (is_measurement(session))
			variant_measure(watcher->observe.variant, false);
		else
			variant_unwatch(watcher->observe.variant, session->index);
		if (LIST_EMPTY(&watcher->sessions))
			observe_stop(watcher);
	}
	if (session->timer)
		event_free(session->timer);
	free(session->rows);
	free(session);
}

void watch_session_stop(struct watch_session *session)
{
	struct watcher *watcher = session->watcher;

	session->stopping = true;
	variant_unwatch(watcher->observe.variant, session->index);
	event_active(watcher->readable, EV_READ, 0);
}

uint64_t watch_session_skipped_at(const struct watch_session *session, uint32_t slot)
{
	struct variant *variant = session->watcher->observe.variant;

	return variant && session->told ? variant_skipped(variant, session->index, slot) : 0;
}

uint64_t watch_session_skipped(const struct watch_session *session)
{
	uint64_t sum = 0;

	for (uint32_t slot = 0; slot < XLB_MAX_INTERFACES; slot++)
		sum += watch_session_skipped_at(session, slot);
	return sum;
}

int watcher_measure(struct watcher *watcher, uint32_t ms, measure_done done, void *arg,
		    struct watch_session **ret, struct xlb_err *err)
{
	struct watch_session *session;
	int r;

	if (index_is_taken(watcher, XLB_WATCHES))
		return xlb_err_set(err, XLB_ERR_UNREACHABLE, -EBUSY,
				   "another measurement of flows runs: try again when it is over");
	session = session_new(watcher, XLB_WATCHES, arg);
	if (session)
		session->timer = evtimer_new(watcher->base, measure_turn, session);
	if (!session || !session->timer) {
		free(session);
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	}
	session->ms = ms;
	session->done = done;
	r = session_start(session, err);
	if (r) {
		event_free(session->timer);
		free(session);
	} else {
		*ret = session;
	}
	return r;
}

/* --- dry runs ------------------------------------------------------------------------------------ */

static void dry_loaded(struct watcher *watcher)
{
	struct dry_waiter *waiter;

	if (watcher->dry.r)
		log_warning("no dry runs: %s", watcher->dry.err.text);
	while ((waiter = LIST_FIRST(&watcher->waiters))) {
		LIST_REMOVE(waiter, link);
		waiter->ready(waiter->arg, watcher->dry.variant, &watcher->dry.err);
		free(waiter);
	}
}

int watcher_dry_run(struct watcher *watcher, dry_ready ready, void *arg, struct xlb_err *err)
{
	struct dry_waiter *waiter;
	int r = 0;

	if (watcher->dry.variant && !watcher->dry.running) {
		ready(arg, watcher->dry.variant, NULL);
		return 0;
	}
	waiter = calloc(1, sizeof(*waiter));
	if (!waiter)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	if (!watcher->dry.running)
		r = load_start(&watcher->dry, err);
	if (r) {
		free(waiter);
		return r;
	}
	waiter->ready = ready;
	waiter->arg = arg;
	LIST_INSERT_HEAD(&watcher->waiters, waiter, link);
	return 0;
}

void watcher_dry_forget(struct watcher *watcher, void *arg)
{
	struct dry_waiter *waiter, *next;

	for (waiter = LIST_FIRST(&watcher->waiters); waiter; waiter = next) {
		next = LIST_NEXT(waiter, link);
		if (waiter->arg != arg)
			continue;
		LIST_REMOVE(waiter, link);
		free(waiter);
	}
}

/* --- the whole ----------------------------------------------------------------------------------- */

struct watcher *watcher_new(struct event_base *base, struct datapath *dp)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));

	if (!watcher)
		return NULL;
	watcher->base = base;
	watcher->dp = dp;
	watcher->observe.fd = watcher->dry.fd = -1;
	LIST_INIT(&watcher->sessions);
	LIST_INIT(&watcher->waiters);
	watcher->joined = evtimer_new(base, tell_joined, watcher);
	if (!watcher->joined ||
	    loader_open(&watcher->observe, watcher, VARIANT_OBSERVE, observe_loaded) ||
	    loader_open(&watcher->dry, watcher, VARIANT_DRY_RUN, dry_loaded))
		return watcher_free(watcher);
	return watcher;
}

void watcher_prepare(struct watcher *watcher)
{
	struct xlb_err err;

	if (!watcher->dry.variant && !watcher->dry.running && load_start(&watcher->dry, &err))
		log_warning("no dry runs: %s", err.text);
}

struct watcher *watcher_free(struct watcher *watcher)
{
	struct watch_session *session;
	struct dry_waiter *waiter;

	if (!watcher)
		return NULL;
	while ((session = LIST_FIRST(&watcher->sessions)))
		watcher_leave(session);
	while ((waiter = LIST_FIRST(&watcher->waiters))) {
		LIST_REMOVE(waiter, link);
		free(waiter);
	}
	if (watcher->joined)
		event_free(watcher->joined);
	loader_close(&watcher->observe);
	loader_close(&watcher->dry);
	free(watcher);
	return NULL;
}
