/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What has happened, in a ring: the last EVENTS_KEPT events, each with a number that rises by one. Whoever
 * reads holds such a number and nothing else, so that a slow reader costs no memory.
 */
#ifndef XLB_XLBD_EVENTS_H
#define XLB_XLBD_EVENTS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define EVENTS_KEPT	     1024
#define EVENTS_READERS	     64
#define EVENT_TEXT_MAX	     512 /* bytes of a text, its NUL included */
#define EVENT_MEMBERS_MAX    8
#define EVENTS_PER_SECOND    20 /* of one kind, once EVENTS_BURST came at once */
#define EVENTS_BURST	     100
#define EVENTS_TALLY_SECONDS 10 /* between two events about the same counter */

/* X(NAME, word, meaning) */
#define EVENT_KINDS(X) \
	X(START, start, "xlbd started: ids begin anew") \
	X(HEALTH, health, "an address of a server passed or failed its checks") \
	X(FALLBACK, fallback, \
	  "another group takes the new flows of one that has too few healthy servers, or gives them back") \
	X(SLOW_START, slow_start, \
	  "an address of a server begins with a part of its weight, or has all of it") \
	X(CONFIG, config, "a new configuration took effect") \
	X(INTERFACE, interface, \
	  "a NIC went up, down or away, was attached or detached, got or lost a VIP") \
	X(NEIGHBOUR, neighbour, "a next hop was resolved, was lost, or has another MAC address") \
	X(EVICTION, eviction, "closed flows gave up their SNAT port early, to make room") \
	X(DROP, drop, "new flows are dropped for lack of room or SNAT ports") \
	X(FLOW_TABLE, flow_table, "a flow table has grown or shrunk") \
	X(CERTIFICATE, certificate, \
	  "a certificate in use has less than 30, 14 or 3 days left, or has expired") \
	X(PROBLEM, problem, "the host could not be brought in line, or is in line again")

enum event_kind {
#define X(name, word, meaning) EVENT_##name,
	EVENT_KINDS(X)
#undef X
		EVENT_KIND_COUNT,
};
const char *event_kind_word(enum event_kind kind);

/* A named part of an event. */
struct event_member {
	const char *name; /* a literal */
	const char *text; /* NULL: it is a number */
	uint64_t number;
};

struct event_record {
	uint64_t number;  /* from 1 */
	uint64_t time_ms; /* wall clock */
	enum event_kind kind;
	const char *text;
	size_t member_count;
	struct event_member members[EVENT_MEMBERS_MAX];
};

struct events;

/* EVENTS_PER_SECOND and EVENTS_BURST but for tests. NULL on lack of memory. */
struct events *events_new(struct event_base *base, uint32_t per_second, uint32_t burst);
struct events *events_free(struct events *events);

/*
 * Something happened. `members` ends with a row without a name, NULL: none. All is copied; texts are cut to
 * EVENT_TEXT_MAX and made printable ASCII. Beyond the limit of its kind it is only counted: an event of
 * that kind with the member `suppressed` follows. Never blocks and never fails: what finds no memory counts
 * as suppressed.
 */
void event_emit(struct events *events, enum event_kind kind, const struct event_member *members,
		const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Once a second: closed flows that gave way since the last call. At most one event in EVENTS_TALLY_SECONDS. */
void events_evictions(struct events *events, uint64_t count);
/* The same of packets dropped for an enum xlb_reason. */
void events_drops(struct events *events, uint32_t reason, uint64_t count);

/* Names this run of xlbd: numbers of another epoch mean nothing here. Lower-case hexadecimal digits. */
const char *events_epoch(const struct events *events);
/* Numbers of the oldest event kept and of the next one to come; equal if there is none. */
uint64_t events_first(const struct events *events);
uint64_t events_next(const struct events *events);
/* Valid until the next event_emit; NULL if it is not kept. */
const struct event_record *events_at(const struct events *events, uint64_t number);

/* Somebody who waits for events. */
struct events_reader {
	LIST_ENTRY(events_reader) link;
	void (*woken)(void *arg); /* from the loop, once for many events; may unwatch itself */
	void *arg;
	struct events *events; /* NULL: does not watch */
};
/* -EBUSY if EVENTS_READERS watch already. */
int events_watch(struct events *events, struct events_reader *reader);
void events_unwatch(struct events_reader *reader);

#endif
