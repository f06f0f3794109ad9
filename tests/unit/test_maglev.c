// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "core/maglev.h"

#define SLOTS XLB_MAGLEV_SLOTS
#define MANY  1000

static uint16_t table[SLOTS], other[SLOTS];
static struct maglev_server servers[MANY];

/* Servers named <prefix>0, <prefix>1, ... with ids from 1 */
static void name_servers(const char *prefix, uint32_t count, uint32_t weight)
{
	char name[64];
	uint32_t i;

	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s%u", prefix, i);
		servers[i] = (struct maglev_server){ content_hash_text(name), weight, i + 1 };
	}
}

static void count_slots(const uint16_t *slots, uint32_t ret[MANY + 1])
{
	uint32_t i;

	memset(ret, 0, (MANY + 1) * sizeof(*ret));
	for (i = 0; i < SLOTS; i++) {
		assert_in_range(slots[i], 1, MANY);
		ret[slots[i]]++;
	}
}

static uint32_t moved_slots(void)
{
	uint32_t i, moved = 0;

	for (i = 0; i < SLOTS; i++)
		moved += table[i] != other[i];
	return moved;
}

static void equal_servers_share_evenly(void **state)
{
	uint32_t counts[MANY + 1], i, max = 0;

	(void)state;
	name_servers("web", 100, 100);
	assert_int_equal(maglev_fill(servers, 100, table), 0);
	count_slots(table, counts);
	for (i = 1; i <= 100; i++)
		max = counts[i] > max ? counts[i] : max;
	print_message("# 100 equal servers: max/mean %.4f\n", max * 100.0 / SLOTS);
	assert_true(max * 100.0 / SLOTS <= 1.02);
}

static void weights_hold(void **state)
{
	static const struct {
		uint32_t count, weights[5];
	} rows[] = {
		{ 3, { 1, 1, 2 } },	    { 3, { 25, 25, 50 } },    { 2, { 100, 1 } },
		{ 5, { 1, 2, 3, 50, 99 } }, { 4, { 33, 0, 66, 99 } }, { 1, { 7 } },
	};
	uint32_t counts[MANY + 1], r, i;

	(void)state;
	for (r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		double sum = 0;

		name_servers("s", rows[r].count, 0);
		for (i = 0; i < rows[r].count; i++)
			sum += servers[i].weight = rows[r].weights[i];
		assert_int_equal(maglev_fill(servers, rows[r].count, table), 0);
		count_slots(table, counts);
		for (i = 0; i < rows[r].count; i++) {
			double ideal = SLOTS * rows[r].weights[i] / sum;

			assert_true(counts[i + 1] >= ideal * 0.99 - 1 &&
				    counts[i + 1] <= ideal * 1.01 + 1);
		}
	}
}

/* Every server in turn leaves and is looked at; the worst and the mean count. */
static void few_slots_move_when_one_leaves(void **state)
{
	static const uint32_t weights[] = { 100, 1 };
	uint32_t w, i, gone, moved, worst = 0, all = 0;

	(void)state;
	for (w = 0; w < 2; w++) {
		worst = all = 0;
		name_servers("web", 100, weights[w]);
		assert_int_equal(maglev_fill(servers, 100, table), 0);
		for (i = 0; i < 100; i++) {
			gone = servers[i].weight;
			servers[i].weight = 0;
			assert_int_equal(maglev_fill(servers, 100, other), 0);
			servers[i].weight = gone;
			moved = moved_slots();
			worst = moved > worst ? moved : worst;
			all += moved;
		}
		print_message("# 1 of 100 leaves: %.2f x the ideal, at worst %.2f\n",
			      all / (double)SLOTS, worst * 100.0 / SLOTS);
		assert_true(worst * 100.0 / SLOTS <= 2.0);
	}
}

static void order_is_irrelevant(void **state)
{
	uint32_t i;

	(void)state;
	name_servers("web", 100, 10);
	for (i = 0; i < 100; i++)
		servers[i].weight = i % 7;
	assert_int_equal(maglev_fill(servers, 100, table), 0);
	srand(1);
	for (i = 99; i; i--) {
		uint32_t j = (uint32_t)rand() % (i + 1);
		struct maglev_server swap = servers[i];

		servers[i] = servers[j];
		servers[j] = swap;
	}
	assert_int_equal(maglev_fill(servers, 100, other), 0);
	assert_int_equal(moved_slots(), 0);
}

/* Pins the algorithm: another value here moves every flow of an upgrade and wants a new CONTENT_VERSION. */
static void same_names_same_table(void **state)
{
	(void)state;
	name_servers("web", 3, 1);
	assert_int_equal(maglev_fill(servers, 3, table), 0);
	assert_int_equal(maglev_fill(servers, 3, other), 0);
	assert_int_equal(moved_slots(), 0);
	print_message("# hash of the table of web0, web1, web2: %016llx\n",
		      (unsigned long long)content_hash(table, sizeof(table)));
	assert_true(content_hash(table, sizeof(table)) == 0xa7da62fd47d27bb7ULL);
}

static void nobody_and_nonsense(void **state)
{
	uint32_t i;

	(void)state;
	memset(table, 0xff, sizeof(table));
	assert_int_equal(maglev_fill(NULL, 0, table), 0);
	for (i = 0; i < SLOTS; i++)
		assert_int_equal(table[i], 0);
	name_servers("web", 2, 0);
	assert_int_equal(maglev_fill(servers, 2, table), 0);
	assert_int_equal(table[SLOTS - 1], 0);
	servers[1].weight = 1;
	servers[1].id = 65536;
	assert_int_equal(maglev_fill(servers, 2, table), -EINVAL);
	servers[1].id = 0;
	assert_int_equal(maglev_fill(servers, 2, table), -EINVAL);
}

static double milliseconds(uint32_t count)
{
	struct timespec from, to;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	assert_int_equal(maglev_fill(servers, count, table), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

/* Said, not asserted: a loaded or instrumented machine is no reason to fail. */
static void time_is_measured(void **state)
{
	(void)state;
	name_servers("web", 1000, 100);
	print_message("# 100 servers %.2f ms, 1000 servers %.2f ms\n", milliseconds(100),
		      milliseconds(1000));
	name_servers("web", 1000, 1);
	servers[0].weight = 100;
	print_message("# 1000 servers, one of weight 100, others 1: %.2f ms\n", milliseconds(1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_servers_share_evenly),
		cmocka_unit_test(weights_hold),
		cmocka_unit_test(few_slots_move_when_one_leaves),
		cmocka_unit_test(order_is_irrelevant),
		cmocka_unit_test(same_names_same_table),
		cmocka_unit_test(nobody_and_nonsense),
		cmocka_unit_test(time_is_measured),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("maglev", tests, NULL, NULL);
}
