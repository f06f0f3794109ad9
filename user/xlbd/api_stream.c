// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Answers in pieces, for as long as the client stays: events, captures. The connection ends with the answer:
 * while it lasts, silence is no fault and what the client says is not read, and neither is true of a
 * connection that goes on to the next request.
 */
#include <event2/bufferevent.h>
#include <poll.h>

#include "xlbd/api_private.h"

#define BACKLOG_MAX (1 << 20) /* bytes that a client may be behind */
#define INPUT_MAX   4096      /* of what a client says meanwhile; nothing is expected */

static struct bufferevent *stream_of(const struct call *call)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(call->request);

	return connection ? evhttp_connection_get_bufferevent(connection) : NULL;
}

/* libevent has let go of the request; ending the answer frees it. */
static void client_gone(struct evhttp_connection *connection, void *arg)
{
	struct call *call = arg;

	evhttp_connection_set_closecb(connection, NULL, NULL);
	if (!evhttp_request_get_connection(call->request))
		evhttp_send_reply_end(call->request);
	call_free(call);
}

void call_stream(struct call *call, const char *content_type)
{
	const struct timeval patience = { .tv_sec = call->api->stream_patience };
	struct evhttp_connection *connection = evhttp_request_get_connection(call->request);

	call_content_type(call, content_type);
	evhttp_add_header(evhttp_request_get_output_headers(call->request), "Connection", "close");
	call->streaming = true;
	evhttp_send_reply_start(call->request, HTTP_OK, NULL);
	/* libevent reads on, to see the client leave */
	bufferevent_set_timeouts(stream_of(call), NULL, &patience);
	bufferevent_setwatermark(stream_of(call), EV_READ, 0, INPUT_MAX);
	evhttp_connection_set_closecb(connection, client_gone, call);
}

static void all_taken(struct evhttp_connection *connection, void *arg)
{
	struct call *call = arg;

	(void)connection;
	if (call->drained)
		call->drained(call);
}

bool call_stream_add(struct call *call, struct evbuffer *piece)
{
	struct evbuffer *waiting = bufferevent_get_output(stream_of(call));

	if (evbuffer_get_length(waiting) > BACKLOG_MAX)
		return false;
	evhttp_send_reply_chunk_with_cb(call->request, piece, all_taken, call);
	return true;
}

void call_stream_end(struct call *call)
{
	call_stream_forget(call);
	evhttp_send_reply_end(call->request);
	call_free(call);
}

/* Nothing is read while an answer is waited for: only the socket knows. */
bool call_is_abandoned(const struct call *call)
{
	struct pollfd poll_fd = { .fd = bufferevent_getfd(stream_of(call)) };

	return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents & (POLLHUP | POLLERR);
}

void call_stream_forget(struct call *call)
{
	struct evhttp_connection *connection;

	if (!call->streaming)
		return;
	connection = evhttp_request_get_connection(call->request);
	if (connection)
		evhttp_connection_set_closecb(connection, NULL, NULL);
}
