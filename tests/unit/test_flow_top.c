// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The N highest of many, against a plain sort. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/flow_top.h"

#define FLOWS 5000

static uint64_t ranks[FLOWS], kept_rank[FLOWS];

/* Flow n; the same n is the same flow. */
static void offer(struct flow_top *top, uint32_t n, uint64_t rank)
{
	struct flow_found found = { .rank = rank, .packets = n };

	found.key.client.words[3] = n;
	found.key.protocol = 6;
	flow_top_offer(top, &found);
}

static int falling(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x < *y) - (*x > *y);
}

static void sort(struct flow_top *top, uint32_t budget)
{
	uint32_t calls = 1;

	while (!flow_top_sort(top, budget))
		calls++;
	assert_true(calls >= flow_top_count(top) / budget);
}

/* Some flows are met again, with another rank: either of the two counts, but only one. */
static void check_once(uint32_t limit, uint32_t spread, uint32_t budget)
{
	struct flow_top *top = flow_top_new(limit, false);
	bool seen[FLOWS] = {};

	assert_non_null(top);
	for (uint32_t n = 0; n < FLOWS; n++) {
		offer(top, n, (uint64_t)random() % spread);
		if (n % 3 == 0)
			offer(top, (uint32_t)random() % (n + 1), (uint64_t)random() % spread);
	}
	assert_int_equal(flow_top_count(top), limit);
	sort(top, budget);
	for (uint32_t i = 0; i < limit; i++) {
		uint32_t n = (uint32_t)flow_top_at(top, i)->packets;

		assert_false(seen[n]);
		seen[n] = true;
		if (i)
			assert_true(flow_top_at(top, i - 1)->rank >= flow_top_at(top, i)->rank);
	}
	flow_top_free(top);
}

static void matches_a_sort(uint32_t limit, uint32_t spread, bool lowest)
{
	struct flow_top *top = flow_top_new(limit, lowest);
	uint32_t count = limit < FLOWS ? limit : FLOWS;

	assert_non_null(top);
	for (uint32_t n = 0; n < FLOWS; n++) {
		ranks[n] = kept_rank[n] = (uint64_t)random() % spread;
		offer(top, n, ranks[n]);
		offer(top, n, ranks[n]);
	}
	qsort(ranks, FLOWS, sizeof(ranks[0]), falling);
	sort(top, 7);
	assert_int_equal(flow_top_count(top), count);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(kept_rank[flow_top_at(top, i)->packets],
				 ranks[lowest ? FLOWS - 1 - i : i]);
	flow_top_free(top);
}

static void finds_the_highest(void **state)
{
	static const uint32_t limits[] = { 1, 2, 3, 20, 1000, FLOWS, FLOWS + 100 };

	(void)state;
	srandom(4711);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		matches_a_sort(limits[i], 1000000, false);
		matches_a_sort(limits[i], 1000000, true);
		matches_a_sort(limits[i], 5, false); /* many of one rank */
	}
}

static void shows_none_twice(void **state)
{
	(void)state;
	srandom(815);
	check_once(20, 1000000, 3);
	check_once(1000, 50, 100);
	check_once(FLOWS, 1000000, 1000);
}

static void may_be_empty(void **state)
{
	struct flow_top *top = flow_top_new(10, false);

	(void)state;
	assert_non_null(top);
	assert_true(flow_top_sort(top, 1));
	assert_int_equal(flow_top_count(top), 0);
	flow_top_free(top);
	assert_null(flow_top_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_highest),
		cmocka_unit_test(shows_none_twice),
		cmocka_unit_test(may_be_empty),
	};

	return cmocka_run_group_tests_name("flow_top", tests, NULL, NULL);
}
