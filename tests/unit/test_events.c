// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The ring of events, its limits, its readers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "xlb/lists.h"
#include "xlbd/events.h"

#define LIMIT_MS 20000

struct lab {
	struct event_base *base;
	struct events *events;
};

static int lab_open(void **state, uint32_t per_second, uint32_t burst)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	lab->base = event_base_new();
	lab->events = events_new(lab->base, per_second, burst);
	*state = lab;
	return lab->events ? 0 : -1;
}

static int setup(void **state)
{
	return lab_open(state, EVENTS_PER_SECOND, EVENTS_BURST);
}

static int setup_unlimited(void **state)
{
	return lab_open(state, 1000000, 1000000);
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	events_free(lab->events);
	event_base_free(lab->base);
	free(lab);
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Turns the loop until there is an event of that number. */
static const struct event_record *wait_for(struct lab *lab, uint64_t number)
{
	uint64_t end = now_ms() + LIMIT_MS;

	while (events_next(lab->events) <= number) {
		if (now_ms() > end)
			fail_msg("no event %llu", (unsigned long long)number);
		event_base_loop(lab->base, EVLOOP_ONCE);
	}
	return events_at(lab->events, number);
}

static uint64_t suppressed_of(const struct event_record *record)
{
	return record->member_count == 1 && !strcmp(record->members[0].name, "suppressed") ?
		       record->members[0].number :
		       0;
}

static void keeps_what_it_is_told(void **state)
{
	const struct event_member members[] = { { .name = "group", .text = "web" },
						{ .name = "results", .number = 3 },
						{ .name = "reason", .text = "a\nb\x80\"" },
						{} };
	struct lab *lab = *state;
	const struct event_record *record;

	assert_int_equal(events_first(lab->events), 1);
	assert_int_equal(events_next(lab->events), 1);
	assert_null(events_at(lab->events, 1));
	event_emit(lab->events, EVENT_HEALTH, members, "%s\t%d", "web/a", 7);
	record = events_at(lab->events, 1);
	assert_non_null(record);
	assert_int_equal(record->number, 1);
	assert_int_equal(record->kind, EVENT_HEALTH);
	assert_string_equal(event_kind_word(record->kind), "health");
	assert_in_range(record->time_ms, (uint64_t)time(NULL) * 1000 - 10000,
			(uint64_t)time(NULL) * 1000 + 10000);
	assert_string_equal(record->text, "web/a?7");
	assert_int_equal(record->member_count, 3);
	assert_string_equal(record->members[0].text, "web");
	assert_ptr_not_equal(record->members[0].text, members[0].text);
	assert_null(record->members[1].text);
	assert_int_equal(record->members[1].number, 3);
	assert_string_equal(record->members[2].text, "a?b?\"");
	assert_true(strlen(events_epoch(lab->events)) > 0);
	assert_int_equal(strspn(events_epoch(lab->events), "0123456789abcdef"),
			 strlen(events_epoch(lab->events)));
}

/* What others say may be long or many; an event stays small. */
static void long_texts_are_cut(void **state)
{
	struct event_member members[EVENT_MEMBERS_MAX + 3] = {};
	struct lab *lab = *state;
	const struct event_record *record;
	char text[5000];
	size_t i;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (i = 0; i < EVENT_MEMBERS_MAX + 2; i++)
		members[i] = (struct event_member){ .name = "m", .text = text };
	event_emit(lab->events, EVENT_CONFIG, members, "%s", text);
	record = events_at(lab->events, 1);
	assert_int_equal(strlen(record->text), EVENT_TEXT_MAX - 1);
	assert_int_equal(record->member_count, EVENT_MEMBERS_MAX);
	for (i = 0; i < EVENT_MEMBERS_MAX; i++)
		assert_int_equal(strlen(record->members[i].text), EVENT_TEXT_MAX - 1);
}

static void forgets_the_oldest(void **state)
{
	struct lab *lab = *state;
	uint64_t i;

	for (i = 1; i <= EVENTS_KEPT + 10; i++)
		event_emit(lab->events, EVENT_CONFIG, NULL, "%llu", (unsigned long long)i);
	assert_int_equal(events_next(lab->events), EVENTS_KEPT + 11);
	assert_int_equal(events_first(lab->events), 11);
	assert_null(events_at(lab->events, 10));
	for (i = 11; i <= EVENTS_KEPT + 10; i++) {
		const struct event_record *record = events_at(lab->events, i);

		assert_int_equal(record->number, i);
		assert_int_equal(strtoull(record->text, NULL, 10), i);
	}
	assert_null(events_at(lab->events, EVENTS_KEPT + 11));
}

/* Every event of a storm is either there or in the number that follows. */
static void storms_add_up(void **state)
{
	struct lab *lab = *state;
	const struct event_record *record;
	uint64_t i, kept, stop;

	for (i = 0; i < 300; i++)
		event_emit(lab->events, EVENT_HEALTH, NULL, "down");
	kept = events_next(lab->events) - 1;
	assert_in_range(kept, EVENTS_BURST, EVENTS_BURST + 20); /* a slow machine gains a few */
	/* other kinds have limits of their own */
	event_emit(lab->events, EVENT_CONFIG, NULL, "r2");
	record = events_at(lab->events, kept + 1);
	assert_int_equal(record->kind, EVENT_CONFIG);
	record = wait_for(lab, kept + 2);
	assert_int_equal(record->kind, EVENT_HEALTH);
	assert_int_equal(suppressed_of(record), 300 - kept);
	/*
	 * And then they come again, one by one, until the second is used up too: the number was one, and libevent's
	 * timer may be a little early, by which part of another is missing.
	 */
	stop = events_next(lab->events);
	for (i = 0; i < 50; i++)
		event_emit(lab->events, EVENT_HEALTH, NULL, "up");
	kept = events_next(lab->events) - stop;
	assert_in_range(kept, EVENTS_PER_SECOND - 2, 49);
	record = wait_for(lab, stop + kept);
	assert_int_equal(suppressed_of(record), 50 - kept);
}

/* While something is left out nothing overtakes the number that says so. */
static void the_number_comes_first(void **state)
{
	struct lab *lab = *state;
	uint64_t end = now_ms() + 400, sent = 0, kept = 0, left_out = 0, number;

	for (; now_ms() < end; sent++)
		event_emit(lab->events, EVENT_HEALTH, NULL, "down");
	kept = events_next(lab->events) - 1;
	/* tokens came in meanwhile, but not for those behind the first that was left out */
	assert_in_range(kept, EVENTS_BURST, EVENTS_BURST + 2);
	number = kept + 1;
	left_out = suppressed_of(wait_for(lab, number));
	assert_int_equal(kept + left_out, sent);
}

static void counters_are_told_now_and_then(void **state)
{
	struct lab *lab = *state;
	const struct event_record *record;

	events_evictions(lab->events, 0);
	assert_int_equal(events_next(lab->events), 1);
	events_evictions(lab->events, 5);
	record = events_at(lab->events, 1);
	assert_int_equal(record->kind, EVENT_EVICTION);
	assert_string_equal(record->members[0].name, "count");
	assert_int_equal(record->members[0].number, 5);
	events_evictions(lab->events, 7); /* kept for the next one */
	events_evictions(lab->events, 0);
	assert_int_equal(events_next(lab->events), 2);
	events_drops(lab->events, XLB_DROP_SNAT_EXHAUSTED, 1);
	events_drops(lab->events, XLB_DROP_FLOW_TABLE_FULL, 2);
	events_drops(lab->events, XLB_DROP_FLOW_TABLE_FULL, 2);
	assert_int_equal(events_next(lab->events), 4);
	record = events_at(lab->events, 3);
	assert_int_equal(record->kind, EVENT_DROP);
	assert_string_equal(record->members[0].text, "flow_table_full");
	assert_string_equal(record->text, "flow_table_full: 2 packets dropped");
}

struct waiter {
	struct events_reader reader;
	int woken;
	bool leaves;
};

static void woken(void *arg)
{
	struct waiter *waiter = arg;

	waiter->woken++;
	if (waiter->leaves)
		events_unwatch(&waiter->reader);
}

static void wakes_readers_once(void **state)
{
	struct waiter waiters[EVENTS_READERS + 1] = {};
	struct lab *lab = *state;
	size_t i;

	for (i = 0; i <= EVENTS_READERS; i++) {
		waiters[i].reader = (struct events_reader){ .woken = woken, .arg = &waiters[i] };
		waiters[i].leaves = i % 2;
		assert_int_equal(events_watch(lab->events, &waiters[i].reader),
				 i < EVENTS_READERS ? 0 : -EBUSY);
	}
	for (i = 0; i < 10; i++)
		event_emit(lab->events, EVENT_CONFIG, NULL, "r%zu", i);
	assert_int_equal(waiters[0].woken, 0); /* never from within event_emit */
	event_base_loop(lab->base, EVLOOP_NONBLOCK);
	for (i = 0; i < EVENTS_READERS; i++)
		assert_int_equal(waiters[i].woken, 1);
	event_emit(lab->events, EVENT_CONFIG, NULL, "again");
	event_base_loop(lab->base, EVLOOP_NONBLOCK);
	for (i = 0; i <= EVENTS_READERS; i++)
		assert_int_equal(waiters[i].woken, i == EVENTS_READERS ? 0 : i % 2 ? 1 : 2);
	events_unwatch(&waiters[EVENTS_READERS].reader); /* never did: nothing happens */
	assert_int_equal(events_watch(lab->events, &waiters[EVENTS_READERS].reader), 0);
	for (i = 0; i <= EVENTS_READERS; i++)
		events_unwatch(&waiters[i].reader);
}

#define WITH(test, make) cmocka_unit_test_setup_teardown(test, make, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(keeps_what_it_is_told, setup),
		WITH(long_texts_are_cut, setup),
		WITH(forgets_the_oldest, setup_unlimited),
		WITH(storms_add_up, setup),
		WITH(the_number_comes_first, setup),
		WITH(counters_are_told_now_and_then, setup),
		WITH(wakes_readers_once, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
