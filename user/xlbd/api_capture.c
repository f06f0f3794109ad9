// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Captures: packets that the datapath tells of, as a stream to the client. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "xlbd/api_capture.h"

#define RETRY_USEC 50000 /* until a client that is behind is asked again */

uint32_t capture_slot(const struct xlb_event *event)
{
	return event->stage == XLB_EVENT_AFTER && event->egress ? event->egress : event->slot;
}

uint64_t capture_skipped_at(const struct capture *capture, uint32_t slot)
{
	return capture->interfaces[slot].skipped + watch_session_skipped_at(capture->session, slot);
}

uint64_t capture_skipped(const struct capture *capture)
{
	uint64_t sum = watch_session_skipped(capture->session);

	for (uint32_t slot = 0; slot < XLB_MAX_INTERFACES; slot++)
		sum += capture->interfaces[slot].skipped;
	return sum;
}

static void capture_free(void *job)
{
	struct capture *capture = job;

	watcher_leave(capture->session);
	if (capture->timer)
		event_free(capture->timer);
	if (capture->piece)
		evbuffer_free(capture->piece);
	free(capture);
}

/* The program is to watch no more; `stopped` follows when all it has seen is read. */
static void capture_stop(struct capture *capture)
{
	if (capture->state != CAPTURE_WATCHING)
		return;
	capture->state = CAPTURE_STOPPING;
	watch_session_stop(capture->session);
}

/* Its time is over, its count is reached, or a client that was behind may have caught up. */
static void timer_fired(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval retry = { .tv_usec = RETRY_USEC };
	struct capture *capture = arg;

	(void)fd;
	(void)what;
	capture_stop(capture);
	if (capture->state != CAPTURE_ENDING)
		return;
	if (call_stream_add(capture->call, capture->piece))
		call_stream_end(capture->call);
	else
		event_add(capture->timer, &retry);
}

static void capture_ready(void *arg, int r, const struct xlb_err *err)
{
	struct capture *capture = arg;
	struct timeval time = { .tv_sec = (time_t)capture->seconds };

	if (r) {
		call_reply_err(capture->call, err);
		return;
	}
	capture->start = clock_ns(CLOCK_REALTIME);
	capture->offset = capture->start - clock_ns(CLOCK_MONOTONIC);
	capture->state = CAPTURE_WATCHING;
	call_stream(capture->call, capture->form->content_type);
	capture->form->begin(capture);
	call_stream_add(capture->call, capture->piece);
	if (capture->seconds)
		event_add(capture->timer, &time);
}

static void capture_event(void *arg, const struct xlb_event *event, const uint8_t *data)
{
	struct capture *capture = arg;
	struct capture_interface *interface;
	uint32_t slot = capture_slot(event);

	if ((capture->count && capture->sent == capture->count) || slot >= XLB_MAX_INTERFACES)
		return;
	interface = &capture->interfaces[slot];
	capture->form->packet(capture, event, data);
	if (!call_stream_add(capture->call, capture->piece)) {
		evbuffer_drain(capture->piece, evbuffer_get_length(capture->piece));
		interface->skipped++;
		return;
	}
	interface->sent++;
	capture->sent++;
	if (capture->sent == capture->count)
		event_active(capture->timer, EV_TIMEOUT, 0);
}

static void capture_stopped(void *arg)
{
	struct capture *capture = arg;

	capture->form->end(capture);
	capture->state = CAPTURE_ENDING;
	event_active(capture->timer, EV_TIMEOUT, 0);
}

static const struct watch_handler handler = {
	.ready = capture_ready,
	.event = capture_event,
	.stopped = capture_stopped,
};

static struct capture *capture_find(const struct api *api, const char *name)
{
	struct call *call;

	TAILQ_FOREACH(call, &api->calls, link) {
		struct capture *capture = call->job;

		if (call->job_free == capture_free && capture->name[0] &&
		    !strcmp(capture->name, name))
			return capture;
	}
	return NULL;
}

void api_capture(struct call *call)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	struct xlb_err err = {};
	int r;

	if (!capture) {
		call_reply_no_memory(call);
		return;
	}
	capture->call = call;
	capture->piece = evbuffer_new();
	capture->timer = evtimer_new(call->api->base, timer_fired, capture);
	r = capture_filter(call, capture, &err);
	if (!r && capture_find(call->api, capture->name))
		r = xlb_err_set(&err, XLB_ERR_CONFLICT, -EEXIST,
				"a capture with the name '%s' runs already", capture->name);
	call->job = capture;
	call->job_free = capture_free;
	if (!r && (!capture->piece || !capture->timer))
		r = xlb_err_set(&err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	if (!r)
		r = watcher_join(call->api->watcher, &capture->watch, &handler, capture,
				 &capture->session, &err);
	if (r)
		call_reply_err(call, &err);
}

/* POST capture/NAME/stop: the capture of that name ends as if its time were over. */
void api_capture_stop(struct call *call)
{
	AUTO_FREE char *path = path_parent(call->path);
	struct capture *capture;
	struct xlb_err err;

	if (!path) {
		call_reply_no_memory(call);
		return;
	}
	capture = capture_find(call->api, path + strlen("capture/"));
	if (!capture || capture->state == CAPTURE_LOADING) {
		xlb_err_set(&err, XLB_ERR_NOT_FOUND, -ENOENT, "no capture '%.64s' runs",
			    path + strlen("capture/"));
		call_reply_err(call, &err);
		return;
	}
	capture_stop(capture);
	call_reply_json(call, json_object());
}
