// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* POST /v1/trace/live: the same for packets that do come, as they come. */
#include <errno.h>

#include "xlbd/api_query.h"
#include "xlbd/api_trace.h"

#define COUNT_MAX   100000
#define SECONDS_MAX 86400

const char *const trace_live_options[] = { "client", "vip", "protocol", "count", "seconds", NULL };

struct live_trace {
	struct call *call;
	struct watch_session *session;
	struct event *timer;
	struct evbuffer *piece;
	uint64_t left; /* packets until the end */
	uint64_t skipped;
	bool over;
};

static void live_free(void *job)
{
	struct live_trace *live = job;

	watcher_leave(live->session);
	if (live->timer)
		event_free(live->timer);
	if (live->piece)
		evbuffer_free(live->piece);
	free(live);
}

static void put_line(struct live_trace *live, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	if (text)
		evbuffer_add_printf(live->piece, "%s\n", text);
	if (!text || !call_stream_add(live->call, live->piece)) {
		evbuffer_drain(live->piece, evbuffer_get_length(live->piece));
		live->skipped++;
	}
	free(text);
	json_decref(json);
}

/* From the loop, as a session must not be left from within its event. */
static void end(evutil_socket_t fd, short what, void *arg)
{
	struct live_trace *live = arg;
	uint64_t skipped = live->skipped + watch_session_skipped(live->session);

	(void)fd;
	(void)what;
	put_line(live, json_pack("{s:I}", "skipped", (json_int_t)skipped));
	call_stream_end(live->call);
}

static void take_event(void *arg, const struct xlb_event *event, const uint8_t *data)
{
	struct live_trace *live = arg;
	struct trace trace = {};

	if (live->over || event->stage != XLB_EVENT_BEFORE)
		return;
	trace_read(&trace, live->call->api->engine, event, data);
	put_line(live, trace_json(&trace));
	if (live->left && !--live->left) {
		live->over = true;
		event_active(live->timer, EV_TIMEOUT, 0);
	}
}

static void ready(void *arg, int r, const struct xlb_err *err)
{
	struct live_trace *live = arg;

	if (r)
		call_reply_err(live->call, err);
	else
		call_stream(live->call, "application/x-ndjson");
}

void api_trace_live(struct call *call)
{
	static const struct watch_handler handler = { .ready = ready, .event = take_event };
	struct live_trace *live = calloc(1, sizeof(*live));
	struct trace_request request;
	struct xlb_err err = {};
	uint64_t seconds = 0;
	int r;

	if (!live) {
		call_reply_no_memory(call);
		return;
	}
	live->call = call;
	call->job = live;
	call->job_free = live_free;
	live->piece = evbuffer_new();
	live->timer = evtimer_new(call->api->base, end, live);
	if (!live->piece || !live->timer) {
		call_reply_no_memory(call);
		return;
	}
	r = trace_request_read(call, true, &request, &err);
	if (!r)
		r = query_uint(call, "count", 1, COUNT_MAX, 0, &live->left, &err);
	if (!r)
		r = query_uint(call, "seconds", 1, SECONDS_MAX, 0, &seconds, &err);
	if (!r)
		r = watcher_join(call->api->watcher, &request.watch, &handler, live, &live->session,
				 &err);
	if (r)
		call_reply_err(call, &err);
	else if (seconds)
		evtimer_add(live->timer, &(struct timeval){ .tv_sec = (time_t)seconds });
}
