// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ring of events, as one JSON answer or as server-sent events that go on. Either way the client has one
 * piece on its way at most, made when it has taken the one before: who is slow holds a number of the ring,
 * and is told how many events it missed if that number has left the ring.
 */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "xlbd/api_query.h"
#include "xlbd/events.h"

#define PIECE_MAX     (16 << 10) /* bytes; some 70 events, well below a slice of the loop */
#define ALIVE_SECONDS 15

struct follow {
	struct call *call;
	struct events *events;
	struct events_reader reader;
	struct event
		*alive; /* comments that tell a connection from a dead one; NULL: one JSON answer */
	uint64_t next, end; /* numbers still to be sent; follows the ring if there is `alive` */
	uint32_t kinds;	    /* bits */
	bool on_its_way;    /* a piece that the client has not taken */
	bool some;	    /* the array has an element already */
};

static void follow_free(void *job)
{
	struct follow *follow = job;

	events_unwatch(&follow->reader);
	if (follow->alive)
		event_free(follow->alive);
	free(follow);
}

/* --- one event ------------------------------------------------------------------------------------ */

static void format_time(uint64_t ms, char *ret, size_t size)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	snprintf(ret, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned int)(ms % 1000));
}

static json_t *event_json(const struct event_record *record, const char *id)
{
	char time[64];
	json_t *json;
	size_t i;

	format_time(record->time_ms, time, sizeof(time));
	json = json_pack("{s:s, s:s, s:s, s:s}", "id", id, "time", time, "kind",
			 event_kind_word(record->kind), "text", record->text);
	for (i = 0; json && i < record->member_count; i++) {
		const struct event_member *member = &record->members[i];

		json_object_set_new(json, member->name,
				    member->text ? json_string(member->text) :
						   json_integer((json_int_t)member->number));
	}
	return json;
}

/* Frames an event: an element of the array, or "event:", "id:", "data:". `id` NULL: it has none. */
static void put_event(struct follow *follow, struct evbuffer *out, const char *kind, const char *id,
		      json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (!text)
		return; /* no memory: the client misses one, the daemon goes on */
	if (follow->alive && id)
		evbuffer_add_printf(out, "id: %s\n", id);
	if (follow->alive)
		evbuffer_add_printf(out, "event: %s\ndata: %s\n\n", kind, text);
	else
		evbuffer_add_printf(out, "%s%s", follow->some ? "," : "", text);
	follow->some = true;
	free(text);
}

static void put_missed(struct follow *follow, struct evbuffer *out, uint64_t count)
{
	char text[64];

	snprintf(text, sizeof(text), "missed %llu event%s", (unsigned long long)count,
		 count == 1 ? "" : "s");
	put_event(follow, out, "missed", NULL,
		  json_pack("{s:s, s:s, s:I}", "kind", "missed", "text", text, "missed",
			    (json_int_t)count));
}

/* --- pieces --------------------------------------------------------------------------------------- */

static void put_events(struct follow *follow, struct evbuffer *out)
{
	uint64_t first = events_first(follow->events);
	char id[64];

	if (first > follow->end)
		first = follow->end;
	if (follow->next < first) {
		put_missed(follow, out, first - follow->next);
		follow->next = first;
	}
	while (follow->next < follow->end && evbuffer_get_length(out) < PIECE_MAX) {
		const struct event_record *record = events_at(follow->events, follow->next++);

		if (!record || !(follow->kinds & 1U << record->kind))
			continue;
		snprintf(id, sizeof(id), "%s-%llu", events_epoch(follow->events),
			 (unsigned long long)record->number);
		put_event(follow, out, event_kind_word(record->kind), id, event_json(record, id));
	}
}

static void send_piece(struct follow *follow, struct evbuffer *piece)
{
	follow->on_its_way = evbuffer_get_length(piece) > 0;
	if (follow->on_its_way)
		call_stream_add(follow->call, piece);
	evbuffer_free(piece);
}

/* Sends what there is unless a piece is on its way. May end the call. */
static void follow_go_on(void *arg)
{
	struct follow *follow = arg;
	bool whole = !follow->alive && follow->next == follow->end;
	struct evbuffer *piece;

	if (follow->on_its_way)
		return;
	if (follow->alive)
		follow->end = events_next(follow->events);
	piece = whole ? NULL : evbuffer_new();
	if (!piece) {
		if (!follow->alive)
			call_stream_end(follow->call);
		return; /* no memory: the next event, or the next sign of life, tries again */
	}
	put_events(follow, piece);
	if (!follow->alive && follow->next == follow->end)
		evbuffer_add_printf(piece, "]}\n");
	send_piece(follow, piece);
}

static void piece_taken(struct call *call)
{
	struct follow *follow = call->job;

	follow->on_its_way = false;
	follow_go_on(follow);
}

static void say_alive(evutil_socket_t fd, short what, void *arg)
{
	struct follow *follow = arg;
	struct evbuffer *piece;

	(void)fd;
	(void)what;
	follow_go_on(follow);
	piece = follow->on_its_way ? NULL : evbuffer_new();
	if (!piece)
		return;
	evbuffer_add_printf(piece, ": alive\n\n");
	send_piece(follow, piece);
}

/* --- the request ---------------------------------------------------------------------------------- */

/* "health,config" as bits */
static int parse_kinds(const char *text, uint32_t *ret, struct xlb_err *err)
{
	const char *names[EVENT_KIND_COUNT], *nearest;
	char word[32], list[160] = "";
	size_t i, length;

	for (i = 0; i < EVENT_KIND_COUNT; i++) {
		names[i] = event_kind_word(i);
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "",
			 names[i]);
	}
	for (*ret = 0; text; text = text[length] ? text + length + 1 : NULL) {
		length = strcspn(text, ",");
		snprintf(word, sizeof(word), "%.*s", (int)length, text);
		for (i = 0; i < EVENT_KIND_COUNT && strcmp(word, names[i]); i++)
			;
		if (i < EVENT_KIND_COUNT) {
			*ret |= 1U << i;
			continue;
		}
		xlb_err_set(err, XLB_ERR_USAGE, -EINVAL, "kind '%s' is not one of %s", word, list);
		nearest = nearest_word(word, names, EVENT_KIND_COUNT);
		if (nearest)
			xlb_err_hint(err, "did you mean %s?", nearest);
		return -EINVAL;
	}
	return 0;
}

/* The number that follows event `id`: of an earlier run, that of the oldest event there is. */
static int parse_since(const struct events *events, const char *id, uint64_t *ret,
		       struct xlb_err *err)
{
	size_t length = strspn(id, "0123456789abcdef");
	const char *epoch = events_epoch(events);
	uint64_t number;

	if (!length || id[length] != '-' || parse_uint(id + length + 1, 0, UINT64_MAX - 1, &number))
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "'%.64s' is not the id of an event, such as %s-1", id, epoch);
	*ret = events_first(events);
	if (length == strlen(epoch) && !strncmp(id, epoch, length))
		*ret = number < events_next(events) ? number + 1 : events_next(events);
	return 0;
}

/* The number from which on there are `last` events of the kinds wanted; not before `next`. */
static uint64_t skip_to_last(const struct follow *follow, uint64_t last)
{
	uint64_t number = follow->end;

	while (number > follow->next && number > events_first(follow->events) && last) {
		const struct event_record *record = events_at(follow->events, --number);

		last -= record && follow->kinds & 1U << record->kind;
	}
	return last ? follow->next : number;
}

static int parse_query(struct follow *follow, bool *ret_follows, struct xlb_err *err)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(follow->call->request);
	const char *since = query_text(follow->call, "since");
	const char *kinds = query_text(follow->call, "kind");
	const char *accept = evhttp_find_header(headers, "Accept");
	uint64_t last;
	int r;

	r = query_flag(follow->call, "follow", ret_follows, err);
	if (!r)
		r = query_uint(follow->call, "last", 0, EVENTS_KEPT, EVENTS_KEPT, &last, err);
	if (!r && kinds)
		r = parse_kinds(kinds, &follow->kinds, err);
	if (!since)
		since = evhttp_find_header(headers, "Last-Event-ID");
	if (!r && since)
		r = parse_since(follow->events, since, &follow->next, err);
	if (r)
		return r;
	*ret_follows |= accept && strstr(accept, "text/event-stream");
	if (query_text(follow->call, "last"))
		follow->next = skip_to_last(follow, last);
	return 0;
}

static int follow_live(struct follow *follow, struct xlb_err *err)
{
	static const struct timeval period = { .tv_sec = ALIVE_SECONDS };

	if (events_watch(follow->events, &follow->reader))
		return xlb_err_set(err, XLB_ERR_UNREACHABLE, -EBUSY,
				   "%d clients follow the events already: end one of them",
				   EVENTS_READERS);
	follow->alive = event_new(follow->call->api->base, -1, EV_PERSIST, say_alive, follow);
	if (!follow->alive || event_add(follow->alive, &period))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	return 0;
}

static void start_answer(struct follow *follow)
{
	struct call *call = follow->call;
	struct evbuffer *head;

	call->drained = piece_taken;
	evhttp_add_header(evhttp_request_get_output_headers(call->request), "Cache-Control",
			  "no-cache");
	call_stream(call, follow->alive ? "text/event-stream" : "application/json");
	head = evbuffer_new();
	if (!head) {
		call_stream_end(call);
		return;
	}
	evbuffer_add_printf(head, follow->alive ? ": events of xlbd\n\n" : "{\"events\":[");
	if (!follow->alive && follow->next == follow->end)
		evbuffer_add_printf(head, "]}\n");
	send_piece(follow, head);
}

void api_events(struct call *call)
{
	struct follow *follow = calloc(1, sizeof(*follow));
	struct xlb_err err = {};
	bool live;
	int r;

	if (!follow) {
		call_reply_no_memory(call);
		return;
	}
	call->job = follow;
	call->job_free = follow_free;
	follow->call = call;
	follow->events = engine_events(call->api->engine);
	follow->reader = (struct events_reader){ .woken = follow_go_on, .arg = follow };
	follow->kinds = ~0U;
	follow->next = events_first(follow->events);
	follow->end = events_next(follow->events);
	r = parse_query(follow, &live, &err);
	if (!r && live)
		r = follow_live(follow, &err);
	if (r)
		call_reply_err(call, &err);
	else
		start_answer(follow);
}
