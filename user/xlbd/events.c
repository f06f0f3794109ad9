// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/events.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/words.h"
#include "xlb/lists.h"

#define TOKEN 1000 /* tokens are counted in thousandths */

static const char *const kind_words[EVENT_KIND_COUNT] = {
#define X(name, word, meaning) #word,
	EVENT_KINDS(X)
#undef X
};

/* A token bucket; while something is suppressed, everything is, so that the number comes in its place. */
struct limit {
	uint64_t tokens, filled_ms, suppressed;
};

/* What a counter rose by since the last event about it. */
struct tally {
	uint64_t count, next_ms;
};

struct events {
	char epoch[17];
	struct event_record *ring[EVENTS_KEPT]; /* by number modulo size */
	uint64_t next;
	uint64_t per_second, burst;
	struct limit limits[EVENT_KIND_COUNT];
	struct event *resume, *wake;
	LIST_HEAD(, events_reader) readers;
	uint32_t reader_count;
	struct tally evictions, drops[XLB_DROP_COUNT];
};

const char *event_kind_word(enum event_kind kind)
{
	return kind_words[kind];
}

/* --- the ring ------------------------------------------------------------------------------------- */

/* Copies to *at and moves it behind the copy. */
static const char *keep_text(char **at, const char *text, size_t length)
{
	char *copy = *at;
	size_t i;

	for (i = 0; i < length; i++)
		copy[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	copy[length] = '\0';
	*at += length + 1;
	return copy;
}

/* One allocation: the record, and behind it its texts. NULL on lack of memory. */
static struct event_record *record_new(enum event_kind kind, const struct event_member *members,
				       const char *text)
{
	size_t lengths[EVENT_MEMBERS_MAX + 1], size = 0, count = 0, i;
	struct event_record *record;
	char *at;

	for (; members && members[count].name && count < EVENT_MEMBERS_MAX; count++) {
		const char *value = members[count].text;

		lengths[count] = value ? strnlen(value, EVENT_TEXT_MAX - 1) : 0;
		size += lengths[count] + 1;
	}
	lengths[count] = strlen(text);
	record = malloc(sizeof(*record) + size + lengths[count] + 1);
	if (!record)
		return NULL;
	*record = (struct event_record){ .kind = kind,
					 .time_ms = clock_ms(CLOCK_REALTIME),
					 .member_count = count };
	at = (char *)(record + 1);
	for (i = 0; i < count; i++) {
		record->members[i] = members[i];
		if (members[i].text)
			record->members[i].text = keep_text(&at, members[i].text, lengths[i]);
	}
	record->text = keep_text(&at, text, lengths[count]);
	return record;
}

static bool store(struct events *events, enum event_kind kind, const struct event_member *members,
		  const char *text)
{
	struct event_record **place = &events->ring[events->next % EVENTS_KEPT];
	struct event_record *record = record_new(kind, members, text);

	if (!record)
		return false;
	record->number = events->next++;
	free(*place);
	*place = record;
	if (!LIST_EMPTY(&events->readers) && !evtimer_pending(events->wake, NULL))
		evtimer_add(events->wake, &(struct timeval){ 0 });
	return true;
}

const char *events_epoch(const struct events *events)
{
	return events->epoch;
}

uint64_t events_first(const struct events *events)
{
	return events->next > EVENTS_KEPT ? events->next - EVENTS_KEPT : 1;
}

uint64_t events_next(const struct events *events)
{
	return events->next;
}

const struct event_record *events_at(const struct events *events, uint64_t number)
{
	if (number < events_first(events) || number >= events->next)
		return NULL;
	return events->ring[number % EVENTS_KEPT];
}

/* --- limits --------------------------------------------------------------------------------------- */

static void limit_fill(const struct events *events, struct limit *limit)
{
	uint64_t now = clock_ms(CLOCK_MONOTONIC);

	limit->tokens += (now - limit->filled_ms) * events->per_second;
	if (limit->tokens > events->burst * TOKEN)
		limit->tokens = events->burst * TOKEN;
	limit->filled_ms = now;
}

static void suppress(struct events *events, struct limit *limit)
{
	static const struct timeval second = { .tv_sec = 1 };

	limit->suppressed++;
	if (!evtimer_pending(events->resume, NULL))
		evtimer_add(events->resume, &second);
}

static bool limit_allows(struct events *events, struct limit *limit)
{
	limit_fill(events, limit);
	if (limit->suppressed || limit->tokens < TOKEN)
		return false;
	limit->tokens -= TOKEN;
	return true;
}

/* A second has passed: there is room again for some, first of all for the number of those left out. */
static void resume(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval second = { .tv_sec = 1 };
	struct events *events = arg;
	bool again = false;
	size_t kind;

	(void)fd;
	(void)what;
	for (kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		struct limit *limit = &events->limits[kind];
		const struct event_member members[] = {
			{ .name = "suppressed", .number = limit->suppressed }, {}
		};
		char text[EVENT_TEXT_MAX];

		if (!limit->suppressed)
			continue;
		limit_fill(events, limit);
		snprintf(text, sizeof(text), "suppressed %llu event%s",
			 (unsigned long long)limit->suppressed, limit->suppressed == 1 ? "" : "s");
		if (limit->tokens >= TOKEN && store(events, kind, members, text)) {
			limit->tokens -= TOKEN;
			limit->suppressed = 0;
		} else {
			again = true;
		}
	}
	if (again)
		evtimer_add(events->resume, &second);
}

void event_emit(struct events *events, enum event_kind kind, const struct event_member *members,
		const char *format, ...)
{
	struct limit *limit = &events->limits[kind];
	char text[EVENT_TEXT_MAX];
	va_list args;

	if (!limit_allows(events, limit)) {
		suppress(events, limit);
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!store(events, kind, members, text))
		suppress(events, limit);
}

/* --- counters ------------------------------------------------------------------------------------- */

/* True if it is time to tell of *ret more. */
static bool tally_due(struct tally *tally, uint64_t count, uint64_t *ret)
{
	uint64_t now = clock_ms(CLOCK_MONOTONIC);

	tally->count += count;
	if (!tally->count || now < tally->next_ms)
		return false;
	*ret = tally->count;
	*tally = (struct tally){ .next_ms = now + EVENTS_TALLY_SECONDS * 1000 };
	return true;
}

void events_evictions(struct events *events, uint64_t count)
{
	if (!tally_due(&events->evictions, count, &count))
		return;
	event_emit(events, EVENT_EVICTION,
		   (const struct event_member[]){ { .name = "count", .number = count }, {} },
		   "%llu closed flow%s gave up the SNAT port early", (unsigned long long)count,
		   count == 1 ? "" : "s");
}

void events_drops(struct events *events, uint32_t reason, uint64_t count)
{
	if (!tally_due(&events->drops[reason], count, &count))
		return;
	event_emit(events, EVENT_DROP,
		   (const struct event_member[]){ { .name = "reason", .text = reason_word(reason) },
						  { .name = "count", .number = count },
						  {} },
		   "%s: %llu packet%s dropped", reason_word(reason), (unsigned long long)count,
		   count == 1 ? "" : "s");
}

/* --- readers -------------------------------------------------------------------------------------- */

static void wake_readers(evutil_socket_t fd, short what, void *arg)
{
	struct events *events = arg;
	struct events_reader *reader, *next;

	(void)fd;
	(void)what;
	for (reader = LIST_FIRST(&events->readers); reader; reader = next) {
		next = LIST_NEXT(reader, link);
		reader->woken(reader->arg);
	}
}

int events_watch(struct events *events, struct events_reader *reader)
{
	if (events->reader_count == EVENTS_READERS)
		return -EBUSY;
	events->reader_count++;
	reader->events = events;
	LIST_INSERT_HEAD(&events->readers, reader, link);
	return 0;
}

void events_unwatch(struct events_reader *reader)
{
	if (!reader->events)
		return;
	reader->events->reader_count--;
	reader->events = NULL;
	LIST_REMOVE(reader, link);
}

/* --- life ----------------------------------------------------------------------------------------- */

struct events *events_new(struct event_base *base, uint32_t per_second, uint32_t burst)
{
	struct events *events = calloc(1, sizeof(*events));
	size_t kind;

	if (!events)
		return NULL;
	events->next = 1;
	events->per_second = per_second;
	events->burst = burst;
	LIST_INIT(&events->readers);
	snprintf(events->epoch, sizeof(events->epoch), "%llx",
		 (unsigned long long)clock_ms(CLOCK_REALTIME));
	for (kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		events->limits[kind].tokens = events->burst * TOKEN;
		events->limits[kind].filled_ms = clock_ms(CLOCK_MONOTONIC);
	}
	events->resume = evtimer_new(base, resume, events);
	events->wake = evtimer_new(base, wake_readers, events);
	return events->resume && events->wake ? events : events_free(events);
}

struct events *events_free(struct events *events)
{
	size_t i;

	if (!events)
		return NULL;
	while (!LIST_EMPTY(&events->readers))
		events_unwatch(LIST_FIRST(&events->readers));
	if (events->resume)
		event_free(events->resume);
	if (events->wake)
		event_free(events->wake);
	for (i = 0; i < EVENTS_KEPT; i++)
		free(events->ring[i]);
	free(events);
	return NULL;
}
