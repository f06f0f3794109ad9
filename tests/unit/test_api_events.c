// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Events through the API, and answers in pieces: clients that follow, lag, talk, leave, and a server that closes. */
#include "api_fixture.c" /* a test is linked from one file */

#include <malloc.h>
#include <unistd.h>

#include "xlbd/api_private.h"

#if defined(__SANITIZE_ADDRESS__)
size_t __sanitizer_get_current_allocated_bytes(void);

static size_t memory_used(void)
{
	return __sanitizer_get_current_allocated_bytes();
}
#else
static size_t memory_used(void)
{
	return mallinfo2().uordblks;
}
#endif

#define EMIT(f, kind, ...) event_emit((f)->events, kind, NULL, __VA_ARGS__)

/* --- a client of an answer in pieces --- */

struct stream {
	int fd;
	char *data; /* all that came, NUL-terminated */
	size_t length;
	bool closed;
};

static struct stream stream_open(struct fixture *f, const char *path, const char *headers)
{
	struct stream s = { .fd = client_new(f), .data = calloc(1, 1) };

	send_request(f, s.fd, "GET", path, headers, NULL);
	return s;
}

static void stream_close(struct stream *s)
{
	close(s->fd);
	free(s->data);
}

/* Takes what is there now. */
static void stream_take(struct stream *s)
{
	ssize_t n;

	do {
		s->data = realloc(s->data, s->length + 65537);
		assert_non_null(s->data);
		n = recv(s->fd, s->data + s->length, 65536, MSG_DONTWAIT);
		if (n > 0)
			s->length += (size_t)n;
		s->data[s->length] = '\0';
	} while (n > 0);
	s->closed = n == 0 || errno != EAGAIN;
}

static void stream_until(struct fixture *f, struct stream *s, const char *wanted)
{
	double end = now_ms() + WAIT_SECONDS * 1000;

	for (stream_take(s); !strstr(s->data, wanted) && !s->closed; stream_take(s)) {
		turn(f);
		if (now_ms() > end)
			break;
	}
	if (!strstr(s->data, wanted))
		fail_msg("no '%s' in: %s", wanted, s->data);
}

static void stream_until_closed(struct fixture *f, struct stream *s)
{
	double end = now_ms() + WAIT_SECONDS * 1000;

	for (stream_take(s); !s->closed; stream_take(s)) {
		turn(f);
		if (now_ms() > end)
			fail_msg("not closed after: %s", s->data);
	}
}

/* Takes the chunk sizes out of the body; what is left is what the client's library would show. */
static void stream_unchunk(struct stream *s)
{
	char *in = strstr(s->data, "\r\n\r\n"), *out, *end;
	size_t size;

	assert_non_null(in);
	in += 4;
	for (out = in;; in += size + 2) {
		size = strtoul(in, &end, 16);
		if (end == in || !size || end + 2 + size > s->data + s->length)
			break;
		in = end + 2;
		memmove(out, in, size);
		out += size;
	}
	*out = '\0';
}

static void turns(struct fixture *f)
{
	int i;

	for (i = 0; i < 20; i++)
		turn(f);
}

static size_t count_of(const char *data, const char *word)
{
	size_t n = 0;

	for (; (data = strstr(data, word)); data += strlen(word))
		n++;
	return n;
}

/* One JSON answer, which comes in pieces. */
static json_t *get_events(struct fixture *f, const char *query)
{
	char path[256];
	struct stream s;
	json_t *json;

	snprintf(path, sizeof(path), "/v1/events%s", query);
	s = stream_open(f, path, NULL);
	stream_until_closed(f, &s);
	if (strncmp(s.data, "HTTP/1.1 200 ", 13))
		fail_msg("%s: %s", path, s.data);
	assert_non_null(strstr(s.data, "0\r\n\r\n")); /* it came to its end */
	stream_unchunk(&s);
	json = json_loads(strstr(s.data, "\r\n\r\n") + 4, 0, NULL);
	if (!json)
		fail_msg("%s: no JSON: %s", path, s.data);
	stream_close(&s);
	return json;
}

/* The texts of the events, each with a blank behind it. */
static void check_texts(struct fixture *f, const char *query, const char *wanted)
{
	json_t *json = get_events(f, query), *list = json_object_get(json, "events"), *item;
	char texts[1024] = "";
	size_t i;

	json_array_foreach(list, i, item)
		snprintf(texts + strlen(texts), sizeof(texts) - strlen(texts), "%s ",
			 json_string_value(json_object_get(item, "text")));
	if (strcmp(texts, wanted))
		fail_msg("%s: '%s' instead of '%s'", query, texts, wanted);
	json_decref(json);
}

/* --- one answer --- */

static void lists_the_ring(void **state)
{
	const struct event_member members[] = { { .name = "group", .text = "we\"b" },
						{ .name = "results", .number = 3 },
						{} };
	struct fixture *f = *state;
	json_t *json, *list;
	char query[64];

	check_texts(f, "", "");
	event_emit(f->events, EVENT_HEALTH, members, "one");
	EMIT(f, EVENT_CONFIG, "two");
	EMIT(f, EVENT_INTERFACE, "three");
	EMIT(f, EVENT_HEALTH, "four");
	json = get_events(f, "");
	list = json_object_get(json, "events");
	assert_int_equal(json_array_size(list), 4);
	assert_string_equal(json_string_value(at(json, "events.0.kind")), "health");
	assert_string_equal(json_string_value(at(json, "events.0.group")), "we\"b");
	assert_int_equal(json_integer_value(at(json, "events.0.results")), 3);
	snprintf(query, sizeof(query), "%s-1", events_epoch(f->events));
	assert_string_equal(json_string_value(at(json, "events.0.id")), query);
	assert_int_equal(strlen(json_string_value(at(json, "events.0.time"))),
			 strlen("2026-11-22T10:00:00.123Z"));
	json_decref(json);
	check_texts(f, "?kind=health", "one four ");
	check_texts(f, "?kind=config,interface", "two three ");
	check_texts(f, "?last=2", "three four ");
	check_texts(f, "?last=0", "");
	check_texts(f, "?last=100", "one two three four ");
	check_texts(f, "?last=1&kind=config", "two ");
	snprintf(query, sizeof(query), "?since=%s-2", events_epoch(f->events));
	check_texts(f, query, "three four ");
	snprintf(query, sizeof(query), "?since=%s-2&last=1", events_epoch(f->events));
	check_texts(f, query, "four ");
	snprintf(query, sizeof(query), "?since=%s-99", events_epoch(f->events));
	check_texts(f, query, "");
	check_texts(f, "?since=1a2b-3", "one two three four "); /* of another run: all there is */
}

static void refuses_nonsense(void **state)
{
	static const char *const queries[] = {
		"?kind=",	"?kind=helth", "?kind=health,", "?since=7",
		"?since=xyz-1", "?since=-1",   "?since=12-",	"?since=12-x",
		"?last=-1",	"?last=1025",  "?follow=maybe", "?follow=1&x=1",
	};
	struct fixture *f = *state;
	struct answer a;
	char path[64];
	size_t i;

	for (i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		snprintf(path, sizeof(path), "/v1/events%s", queries[i]);
		a = expect(f, 400, "GET", path, NULL);
		check_problem(&a, "usage");
		answer_done(&a);
	}
	a = expect(f, 400, "GET", "/v1/events?kind=helth", NULL);
	assert_string_equal(text_at(&a, "hint"), "did you mean health?");
	answer_done(&a);
	expect_done(f, 405, "POST", "/v1/events", "{}");
}

/* A ring that is full, in many pieces; while they go out it goes on turning. */
static void long_lists_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	struct stream s;
	int i;

	for (i = 1; i <= EVENTS_KEPT + 5; i++)
		EMIT(f, EVENT_CONFIG, "%0400d", i);
	f->longest_turn = 0;
	s = stream_open(f, "/v1/events", NULL);
	stream_until(f, &s, "\"events\":[");
	for (i = 0; i < 10; i++)
		EMIT(f, EVENT_CONFIG, "new");
	stream_until_closed(f, &s);
	stream_unchunk(&s);
	assert_null(strstr(s.data, "new"));
	assert_int_equal(count_of(s.data, "\"id\""), EVENTS_KEPT);
	assert_true(!strcmp(s.data + strlen(s.data) - 3, "]}\n"));
	print_message("# %zu bytes, longest turn of the loop %.1f ms\n", strlen(s.data),
		      f->longest_turn);
	stream_close(&s);
}

/* --- following --- */

static void follows(void **state)
{
	struct fixture *f = *state;
	char wanted[256], headers[128];
	struct stream s, again;

	EMIT(f, EVENT_HEALTH, "old");
	s = stream_open(f, "/v1/events?follow=1", NULL);
	stream_until(f, &s, "old");
	assert_non_null(strcasestr(s.data, "\r\nContent-Type: text/event-stream\r\n"));
	assert_non_null(strcasestr(s.data, "\r\nConnection: close\r\n"));
	EMIT(f, EVENT_CONFIG, "r2");
	EMIT(f, EVENT_INTERFACE, "eth0 down");
	stream_until(f, &s, "eth0 down");
	stream_unchunk(&s);
	snprintf(wanted, sizeof(wanted), "\n\nid: %s-2\nevent: config\ndata: {\"id\":\"%s-2\",",
		 events_epoch(f->events), events_epoch(f->events));
	assert_non_null(strstr(s.data, wanted));
	assert_int_equal(count_of(s.data, "\ndata: {"), 3);
	stream_close(&s);

	/* the same by what a browser says, from where it was */
	snprintf(headers, sizeof(headers), "Accept: text/event-stream\r\nLast-Event-ID: %s-1\r\n",
		 events_epoch(f->events));
	again = stream_open(f, "/v1/events?kind=interface", headers);
	stream_until(f, &again, "eth0 down");
	EMIT(f, EVENT_CONFIG, "r3");
	EMIT(f, EVENT_INTERFACE, "eth0 up");
	stream_until(f, &again, "eth0 up");
	assert_null(strstr(again.data, "\"old\""));
	assert_null(strstr(again.data, "r3"));
	stream_close(&again);
	turns(f);
}

static void only_what_comes(void **state)
{
	struct fixture *f = *state;
	struct stream s;

	EMIT(f, EVENT_CONFIG, "before");
	s = stream_open(f, "/v1/events?follow=1&last=0", NULL);
	stream_until(f, &s, ": events of xlbd");
	turns(f);
	EMIT(f, EVENT_CONFIG, "after");
	stream_until(f, &s, "after");
	assert_null(strstr(s.data, "before"));
	stream_close(&s);
}

/* HTTP/1.0 knows no chunks; HEAD and others are refused as everywhere. */
static void old_and_odd_clients(void **state)
{
	static const char old[] = "GET /v1/events?follow=1 HTTP/1.0\r\n\r\n";
	static const char head[] = "HEAD /v1/events HTTP/1.1\r\nHost: xlb\r\n\r\n";
	struct fixture *f = *state;
	struct stream s = { .fd = client_new(f), .data = calloc(1, 1) };
	struct stream refused = { .fd = client_new(f), .data = calloc(1, 1) };

	EMIT(f, EVENT_CONFIG, "r2");
	client_send(f, s.fd, old, strlen(old));
	stream_until(f, &s, "r2");
	EMIT(f, EVENT_CONFIG, "r3");
	stream_until(f, &s, "r3\"}\n\n");
	assert_null(strcasestr(s.data, "Transfer-Encoding"));
	stream_close(&s);
	client_send(f, refused.fd, head, strlen(head));
	stream_until_closed(f, &refused);
	assert_int_equal(strncmp(refused.data, "HTTP/1.1 501 ", 13), 0);
	stream_close(&refused);
	turns(f);
}

/* What a client sends behind its request is not read; that it leaves is seen all the same. */
static void talkative_clients(void **state)
{
	struct fixture *f = *state;
	struct stream s = stream_open(f, "/v1/events?follow=1", NULL);
	struct stream much = stream_open(f, "/v1/events?follow=1", NULL);
	char noise[20000];

	memset(noise, 'x', sizeof(noise));
	send_request(f, s.fd, "GET", "/v1/status", NULL, NULL);
	client_send(f, much.fd, noise, sizeof(noise));
	EMIT(f, EVENT_CONFIG, "r2");
	stream_until(f, &s, "r2");
	stream_until(f, &much, "r2");
	assert_int_equal(count_of(s.data, "HTTP/1.1"), 1);
	close(much.fd);
	close(s.fd);
	turns(f);
	EMIT(f, EVENT_CONFIG, "r3"); /* what is full of noise is found out by writing */
	turns(f);
	EMIT(f, EVENT_CONFIG, "r4");
	turns(f);
	free(s.data);
	free(much.data);
	expect_done(f, 200, "GET", "/v1/status", NULL);
}

static size_t calls_open(const struct fixture *f)
{
	const struct call *call;
	size_t n = 0;

	TAILQ_FOREACH(call, &f->api->calls, link)
		n++;
	return n;
}

static void wait_for_calls(struct fixture *f, size_t wanted)
{
	double end = now_ms() + WAIT_SECONDS * 1000;

	while (calls_open(f) != wanted) {
		turn(f);
		if (now_ms() > end)
			fail_msg("%zu calls are open, not %zu", calls_open(f), wanted);
	}
}

/* Each way to leave frees the place of a follower at once: there are only so many. */
static void clients_that_leave_are_freed(void **state)
{
	static const struct linger abort = { .l_onoff = 1 };
	struct stream streams[EVENTS_READERS];
	struct fixture *f = *state;
	size_t round, i;

	for (round = 0; round < 4; round++) {
		struct answer a;

		for (i = 0; i < EVENTS_READERS; i++)
			streams[i] = stream_open(f, "/v1/events?follow=1", NULL);
		wait_for_calls(f, EVENTS_READERS);
		a = expect(f, 503, "GET", "/v1/events?follow=1", NULL);
		check_problem(&a, "unreachable");
		answer_done(&a);
		check_texts(f, "?kind=drop", ""); /* which needs no place */
		for (i = 0; i < EVENTS_READERS; i++) {
			if (round == 1)
				shutdown(streams[i].fd, SHUT_WR);
			if (round == 2)
				setsockopt(streams[i].fd, SOL_SOCKET, SO_LINGER, &abort,
					   sizeof(abort));
			if (round != 1)
				close(streams[i].fd);
			if (round == 3) /* in the middle of being written to */
				EMIT(f, EVENT_CONFIG, "%0400zu", i);
		}
		wait_for_calls(f, 0);
		for (i = 0; i < EVENTS_READERS; i++) {
			if (round == 1)
				close(streams[i].fd);
			free(streams[i].data);
		}
	}
}

/* A client that stops reading costs a piece, not a backlog; others go on; it is told what it missed. */
static void stopped_clients_cost_nothing(void **state)
{
	struct fixture *f = *state;
	struct stream stopped = stream_open(f, "/v1/events?follow=1", NULL);
	struct stream other = stream_open(f, "/v1/events?follow=1", NULL);
	size_t before, most = 0, seen = 0, missed;
	const char *note;
	char wanted[32];
	int i;

	wait_for_calls(f, 2);
	for (i = 0; i < EVENTS_KEPT; i++)
		EMIT(f, EVENT_CONFIG, "%0400d", i);
	stream_until(f, &other, "01023\"");
	before = memory_used();
	for (; i < 20000; i++) {
		EMIT(f, EVENT_CONFIG, "%0400d", i);
		if (i % 100 == 99) {
			snprintf(wanted, sizeof(wanted), "%05d\"", i);
			stream_until(f, &other, wanted);
			seen += count_of(other.data, "\ndata: {");
			other.length = 0;
			other.data[0] = '\0';
		}
		if (memory_used() > before + most)
			most = memory_used() - before;
	}
	print_message("# 8 MB of events past a client that stopped: %zu kB more memory\n",
		      most / 1024);
	assert_true(most < 1 << 20);
	assert_int_equal(seen, 20000);
	assert_int_equal(calls_open(f), 2);
	stream_until(f, &stopped, "019999\"");
	note = strstr(stopped.data, "\"missed\":");
	assert_non_null(note);
	missed = strtoul(note + strlen("\"missed\":"), NULL, 10);
	assert_non_null(strstr(stopped.data, "event: missed\ndata: {\"kind\":\"missed\","));
	assert_int_equal(count_of(stopped.data, "\nid: ") + missed, 20000);
	assert_int_equal(count_of(stopped.data, "event: missed"), 1);
	stream_close(&stopped);
	stream_close(&other);
}

/* Silence is no fault as long as nothing waits; a client that takes nothing of what does is cut off. */
static void who_takes_nothing_is_cut_off(void **state)
{
	struct fixture *f = *state;
	struct stream stopped, quiet;
	double end;
	int i;

	f->api->stream_patience = 1;
	quiet = stream_open(f, "/v1/events?follow=1&last=0&kind=health", NULL);
	stopped = stream_open(f, "/v1/events?follow=1", NULL);
	wait_for_calls(f, 2);
	for (i = 0; i < EVENTS_KEPT; i++)
		EMIT(f, EVENT_CONFIG, "%0400d", i);
	end = now_ms() + 500;
	while (now_ms() < end)
		turn(f);
	assert_int_equal(calls_open(f), 2);
	wait_for_calls(f, 1);
	stream_until_closed(f, &stopped);
	EMIT(f, EVENT_HEALTH, "down");
	stream_until(f, &quiet, "\"down\"");
	stream_close(&stopped);
	stream_close(&quiet);
}

/* For answers that do not wait for their client, such as captures: there is an end to what is kept for it. */
static void pieces_beyond_the_backlog_are_left_out(void **state)
{
	struct fixture *f = *state;
	struct stream s = stream_open(f, "/v1/events?follow=1", NULL);
	struct evbuffer *piece = evbuffer_new();
	size_t taken = 0, i;
	struct call *call;

	wait_for_calls(f, 1);
	call = TAILQ_FIRST(&f->api->calls);
	for (i = 0; i < 200; i++) {
		evbuffer_add_printf(piece, "%065535d\n", 0);
		if (!call_stream_add(call, piece))
			break;
		assert_int_equal(evbuffer_get_length(piece), 0);
		taken += 65536;
		turn(f);
	}
	assert_int_equal(evbuffer_get_length(piece), 65536);
	assert_in_range(taken, 1 << 20, 3 << 20); /* the socket takes some too */
	call_stream_end(call);
	assert_int_equal(calls_open(f), 0);
	stream_until_closed(f, &s);
	assert_true(!strcmp(s.data + s.length - 7, "\r\n0\r\n\r\n"));
	stream_unchunk(&s);
	assert_int_equal(count_of(s.data, "0\n") * 65536, taken);
	evbuffer_free(piece);
	stream_close(&s);
}

/* As xlbd stops: streams in every state end without a word. */
static void closes_with_followers(void **state)
{
	struct fixture *f = *state;
	struct stream idle = stream_open(f, "/v1/events?follow=1", NULL), full, list;
	int i;

	for (i = 0; i < EVENTS_KEPT; i++)
		EMIT(f, EVENT_CONFIG, "%0400d", i);
	stream_until(f, &idle, "01023\"");
	full = stream_open(f, "/v1/events?follow=1", NULL);
	list = stream_open(f, "/v1/events", NULL);
	wait_for_calls(f, 3);
	turns(f);
	f->api = api_close(f->api);
	EMIT(f, EVENT_CONFIG, "nobody hears this");
	turns(f);
	stream_until_closed(f, &idle);
	stream_until_closed(f, &full);
	assert_null(strstr(full.data, "\r\n0\r\n\r\n"));
	stream_close(&idle);
	stream_close(&full);
	stream_close(&list);
}

/* The connection ends with the answer: what was sent behind the request is not taken for the next one. */
static void nothing_follows_a_stream(void **state)
{
	static const char two[] = "GET /v1/events HTTP/1.1\r\nHost: xlb\r\n\r\n"
				  "GET /v1/status HTTP/1.1\r\nHost: xlb\r\n\r\n";
	struct fixture *f = *state;
	struct stream s = { .fd = client_new(f), .data = calloc(1, 1) };

	EMIT(f, EVENT_CONFIG, "r2");
	client_send(f, s.fd, two, strlen(two));
	stream_until_closed(f, &s);
	assert_int_equal(count_of(s.data, "HTTP/1.1 200"), 1);
	assert_non_null(strstr(s.data, "]}\n\r\n0\r\n\r\n"));
	stream_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(lists_the_ring, setup),
		WITH(refuses_nonsense, setup),
		WITH(long_lists_come_in_pieces, setup),
		WITH(follows, setup),
		WITH(only_what_comes, setup),
		WITH(old_and_odd_clients, setup),
		WITH(talkative_clients, setup),
		WITH(clients_that_leave_are_freed, setup),
		WITH(stopped_clients_cost_nothing, setup),
		WITH(who_takes_nothing_is_cut_off, setup),
		WITH(pieces_beyond_the_backlog_are_left_out, setup),
		WITH(closes_with_followers, setup),
		WITH(nothing_follows_a_stream, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("api_events", tests, NULL, NULL);
}
