// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Tables of turns and of rows; and whether rows, asked as the datapath asks them, level servers under churn. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/turns.h"
#include "xlb/load.h"

#define SLOTS XLB_MAGLEV_SLOTS
#define MANY  1000

static uint16_t table[SLOTS], other[SLOTS];
static struct maglev_server servers[MANY];
static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((random_state >> 33) % n);
}

static double distance(double difference)
{
	return difference < 0 ? -difference : difference;
}

/* Servers with ids from 1. */
static void make_servers(const uint32_t *weights, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		servers[i] = (struct maglev_server){ 1000003ULL * (i * 7 % count + 1), weights[i],
						     i + 1 };
}

static double all_weights(uint32_t count)
{
	double all = 0;

	for (uint32_t i = 0; i < count; i++)
		all += servers[i].weight;
	return all;
}

/* From the first slot on, every server always has what it is to have, to less than one slot. */
static void assert_smooth(uint32_t count)
{
	static uint32_t given[MANY + 1];
	double all = all_weights(count);

	memset(given, 0, sizeof(given));
	for (uint32_t slot = 0; slot < SLOTS; slot++) {
		assert_in_range(table[slot], 1, count);
		given[table[slot]]++;
		for (uint32_t i = 0; i < count; i++) {
			double due = (slot + 1) * (servers[i].weight / all);

			if (distance(given[i + 1] - due) >= 1 + 1e-6)
				fail_msg("after %u slots server %u of %u has %u, %f are due",
					 slot + 1, i + 1, count, given[i + 1], due);
		}
	}
}

static void turns_are_smooth(void **state)
{
	static const struct {
		uint32_t count, weights[6];
	} rows[] = {
		{ 1, { 7 } },
		{ 2, { 1, 1 } },
		{ 2, { 100, 1 } },
		{ 3, { 3, 2, 1 } },
		{ 3, { 25, 0, 75 } },
		{ 6, { 50, 10, 10, 10, 10, 10 } },
		{ 5, { 10000, 1, 1, 17, 99 } },
	};
	uint32_t weights[60];

	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		make_servers(rows[r].weights, rows[r].count);
		assert_int_equal(turns_fill(servers, rows[r].count, table), 0);
		assert_smooth(rows[r].count);
	}
	random_state = 1;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 60; i++)
			weights[i] = random_below(101);
		make_servers(weights, 60);
		assert_int_equal(turns_fill(servers, 60, table), 0);
		assert_smooth(60);
	}
}

static bool is_in(const uint16_t *row, uint32_t count, uint32_t id)
{
	for (uint32_t i = 0; i < count; i++)
		if (row[i] == id)
			return true;
	return false;
}

static void rows_have_different_servers(void **state)
{
	static const uint32_t weights[] = { 100, 1, 1, 50, 50, 3 };
	uint32_t first[7];

	(void)state;
	for (uint32_t count = 1; count <= 6; count++) {
		uint32_t distinct = count < XLB_ROW_SERVERS ? count : XLB_ROW_SERVERS;
		double all;

		memset(first, 0, sizeof(first));
		make_servers(weights, count);
		all = all_weights(count);
		assert_int_equal(rows_fill(servers, count, table), 0);
		for (uint32_t row = 0; row < XLB_ROWS; row++) {
			const uint16_t *ids = table + row * XLB_ROW_SERVERS;

			first[ids[0]]++;
			for (uint32_t i = 0; i < XLB_ROW_SERVERS; i++) {
				assert_in_range(ids[i], 1, count);
				if (i < distinct && is_in(ids, i, ids[i]))
					fail_msg("row %u of %u servers has %u twice", row, count,
						 ids[i]);
			}
		}
		for (uint32_t i = 0; i < count; i++)
			assert_true(distance(first[i + 1] - XLB_ROWS * (weights[i] / all)) <
				    1 + 1e-6);
		assert_in_range(table[SLOTS - 1], 1, count);
	}
}

/* Equal servers are met equally often in every column. */
static void columns_are_fair(void **state)
{
	static uint32_t met[XLB_ROW_SERVERS][11];
	uint32_t weights[10];

	(void)state;
	memset(met, 0, sizeof(met));
	for (int i = 0; i < 10; i++)
		weights[i] = 40;
	make_servers(weights, 10);
	assert_int_equal(rows_fill(servers, 10, table), 0);
	for (uint32_t slot = 0; slot < XLB_ROWS * XLB_ROW_SERVERS; slot++)
		met[slot % XLB_ROW_SERVERS][table[slot]]++;
	for (uint32_t column = 0; column < XLB_ROW_SERVERS; column++)
		for (uint32_t id = 1; id <= 10; id++)
			assert_in_range(met[column][id], XLB_ROWS / 10 * 9 / 10,
					XLB_ROWS / 10 * 11 / 10);
}

static void order_does_not_count(void **state)
{
	static int (*const fills[])(const struct maglev_server *, uint32_t,
				    uint16_t *) = { turns_fill, rows_fill };
	uint32_t weights[9] = { 5, 1, 9, 0, 30, 2, 2, 2, 100 };

	(void)state;
	for (int f = 0; f < 2; f++) {
		make_servers(weights, 9);
		assert_int_equal(fills[f](servers, 9, table), 0);
		for (int i = 0; i < 4; i++) {
			struct maglev_server one = servers[i];

			servers[i] = servers[8 - i];
			servers[8 - i] = one;
		}
		assert_int_equal(fills[f](servers, 9, other), 0);
		assert_memory_equal(table, other, sizeof(table));
	}
}

static void nobody_and_bad_ids(void **state)
{
	static int (*const fills[])(const struct maglev_server *, uint32_t,
				    uint16_t *) = { turns_fill, rows_fill };

	(void)state;
	for (int f = 0; f < 2; f++) {
		make_servers((const uint32_t[]){ 0, 0 }, 2);
		table[5] = 1;
		assert_int_equal(fills[f](servers, 2, table), 0);
		assert_int_equal(table[5], 0);
		servers[1].id = 0;
		assert_int_equal(fills[f](servers, 2, table), -EINVAL);
		servers[1].id = UINT16_MAX + 1;
		assert_int_equal(fills[f](servers, 2, table), -EINVAL);
	}
}

/* --- churn ------------------------------------------------------------------------------------------- */

#define FARM  40
#define TURNS 400000

/* Flows of each server by the server's number, in a world where one begins at each turn. */
struct farm {
	uint32_t count;
	uint64_t flows[FARM];
	uint32_t hold[FARM];	/* turns that a flow stays, on the average */
	uint8_t *ends_at;	/* flows that end at a turn: [turn][server] */
	double peak_sum, peaks; /* of the highest load for its weight, once it is in full swing */
};

static uint32_t least_of_all(const struct farm *farm)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < farm->count; i++)
		if (xlb_carries_less(farm->flows[i], servers[i].weight, farm->flows[best],
				     servers[best].weight))
			best = i;
	return best;
}

static uint32_t least_of_row(const struct farm *farm)
{
	const uint16_t *row = table + random_below(XLB_ROWS) * XLB_ROW_SERVERS;
	uint32_t best = row[0] - 1U;

	for (uint32_t i = 1; i < XLB_ROW_SERVERS; i++)
		if (xlb_carries_less(farm->flows[row[i] - 1], servers[row[i] - 1].weight,
				     farm->flows[best], servers[best].weight))
			best = row[i] - 1U;
	return best;
}

static double peak(const struct farm *farm)
{
	double most = 0, load;

	for (uint32_t i = 0; i < farm->count; i++) {
		load = (double)farm->flows[i] / servers[i].weight;
		most = load > most ? load : most;
	}
	return most;
}

/* The mean of the highest load, for its weight, of any server. */
static double run(struct farm *farm, uint32_t (*choose)(const struct farm *farm))
{
	memset(farm->flows, 0, sizeof(farm->flows));
	memset(farm->ends_at, 0, (size_t)TURNS * FARM);
	farm->peak_sum = farm->peaks = 0;
	random_state = 5;
	for (uint32_t turn = 0; turn < TURNS; turn++) {
		uint32_t one, end;

		for (uint32_t i = 0; i < farm->count; i++)
			farm->flows[i] -= farm->ends_at[(size_t)turn * FARM + i];
		one = choose(farm);
		farm->flows[one]++;
		end = turn + 1 + random_below(2 * farm->hold[one]);
		if (end < TURNS && farm->ends_at[(size_t)end * FARM + one] < UINT8_MAX)
			farm->ends_at[(size_t)end * FARM + one]++;
		if (turn < TURNS / 2 || turn % 16)
			continue;
		farm->peak_sum += peak(farm);
		farm->peaks++;
	}
	return farm->peak_sum / farm->peaks;
}

/* Within 5 % of what least connections among all servers comes to. */
static void rows_level_servers(void **state)
{
	static const struct {
		const char *name;
		uint32_t count, weight_from, weight_to,
			slow; /* servers that hold flows ten times longer */
	} rows[] = {
		{ "4 equal servers", 4, 10, 10, 0 },
		{ "4 servers, one slow", 4, 10, 10, 1 },
		{ "20 equal servers", 20, 10, 10, 0 },
		{ "40 servers of several weights", 40, 5, 20, 0 },
		{ "20 equal servers, one slow", 20, 10, 10, 1 },
		{ "40 servers of several weights, four slow", 40, 5, 20, 4 },
	};
	struct farm farm = { .ends_at = malloc((size_t)TURNS * FARM) };

	(void)state;
	assert_non_null(farm.ends_at);
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		uint32_t weights[FARM];
		double exact, of_rows;

		random_state = 3;
		farm.count = rows[r].count;
		for (uint32_t i = 0; i < farm.count; i++) {
			weights[i] = rows[r].weight_from +
				     random_below(rows[r].weight_to - rows[r].weight_from + 1);
			farm.hold[i] = farm.count * 200 * (i < rows[r].slow ? 10 : 1);
		}
		make_servers(weights, farm.count);
		assert_int_equal(rows_fill(servers, farm.count, table), 0);
		exact = run(&farm, least_of_all);
		of_rows = run(&farm, least_of_row);
		print_message("# %s: highest load %.2f, of exact least connections %.2f\n",
			      rows[r].name, of_rows, exact);
		assert_true(of_rows <= exact * 1.05);
	}
	free(farm.ends_at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_are_smooth),   cmocka_unit_test(rows_have_different_servers),
		cmocka_unit_test(columns_are_fair),   cmocka_unit_test(order_does_not_count),
		cmocka_unit_test(nobody_and_bad_ids), cmocka_unit_test(rows_level_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
