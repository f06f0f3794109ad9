// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What schedulers become: the group's row, what fills its tables, weights. */
#include "compile_lab.h"

#define GROUP(scheduler, servers) \
	"version: 1\n" \
	"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n" \
	"load_balancers: {}\n" \
	"server_groups:\n" \
	"  web:\n" \
	"    health_check: {type: none}\n" scheduler "    servers: {" servers "}\n"
#define TWO "web1: {address: 10.0.1.11, weight: 30}, web2: {address: 10.0.1.12, weight: 60}"

static struct xlb_choice choice_row(const struct fixture *fixture)
{
	const struct row *row =
		rows_find(&fixture->compiled.rows, TABLE_GROUP, &(struct row_id){ 1 });
	struct xlb_choice choice;

	assert_non_null(row);
	memcpy(&choice, row->value, sizeof(choice));
	return choice;
}

static const struct schedule *schedule_of(const struct fixture *fixture, uint32_t *ret_count)
{
	const struct row_maglev_key key = { .group = 1, .family = XLB_IPV4 };
	const struct row *row = rows_find(&fixture->compiled.rows, TABLE_MAGLEV, &key);
	const struct recipe *recipe;

	assert_non_null(row);
	recipe = rows_find_recipe(&fixture->compiled.rows, row);
	assert_non_null(recipe);
	*ret_count = schedule_count(recipe->size);
	return recipe->data;
}

static void test_schedulers(void **state)
{
	static const struct {
		const char *text;
		uint8_t by;
		enum fill fill;
		uint32_t weights[2];  /* in the table */
		uint16_t compared[2]; /* of the servers' rows */
	} rows[] = {
		{ GROUP("", TWO), XLB_BY_TUPLE, FILL_MAGLEV, { 30, 60 }, { 0, 0 } },
		{ GROUP("    scheduler: tch\n", TWO),
		  XLB_BY_TUPLE,
		  FILL_MAGLEV,
		  { 30, 60 },
		  { 0, 0 } },
		{ GROUP("    hash: source\n", TWO),
		  XLB_BY_SOURCE,
		  FILL_MAGLEV,
		  { 30, 60 },
		  { 0, 0 } },
		{ GROUP("    scheduler: sch\n", TWO),
		  XLB_BY_SOURCE,
		  FILL_MAGLEV,
		  { 30, 60 },
		  { 0, 0 } },
		{ GROUP("    scheduler: wrr\n", TWO),
		  XLB_BY_TURN,
		  FILL_TURNS,
		  { 30, 60 },
		  { 0, 0 } },
		{ GROUP("    scheduler: rr\n", TWO), XLB_BY_TURN, FILL_TURNS, { 1, 1 }, { 0, 0 } },
		{ GROUP("    scheduler: wlc\n", TWO),
		  XLB_BY_LOAD,
		  FILL_ROWS,
		  { 30, 60 },
		  { 30, 60 } },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct schedule *schedule;
		uint32_t count;

		run_ok(fixture, rows[i].text);
		assert_int_equal(choice_row(fixture).by, rows[i].by);
		schedule = schedule_of(fixture, &count);
		assert_int_equal(schedule->fill, rows[i].fill);
		assert_int_equal(count, 2);
		for (uint32_t n = 0; n < 2; n++) {
			assert_int_equal(schedule->servers[n].weight, rows[i].weights[n]);
			assert_int_equal(server_row(fixture, n + 1).weight, rows[i].compared[n]);
		}
	}
}

/* Who takes no flows has no turn, also where weights do not count otherwise. */
static void test_nothing(void **state)
{
	struct fixture *fixture = *state;
	uint32_t count;

	run_ok(fixture, GROUP("    scheduler: rr\n",
			      "web1: {address: 10.0.1.11, weight: 0}, web2: {address: 10.0.1.12}, "
			      "web3: {address: 10.0.1.13, enabled: false}"));
	assert_int_equal(schedule_of(fixture, &count)->servers[0].id, 2);
	assert_int_equal(count, 1);
	run_ok(fixture,
	       GROUP("    scheduler: wlc\n",
		     "web1: {address: 10.0.1.11, enabled: false}, web2: {address: 10.0.1.12}"));
	assert_int_equal(server_row(fixture, 1).weight, 0);
	assert_int_equal(server_row(fixture, 2).weight, 100);
}

/* The datapath asks a server of such a group whether it takes new flows. */
static void test_affinity(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture,
	       GROUP("    affinity: {timeout: 1500ms}\n",
		     "web1: {address: 10.0.1.11, weight: 7}, web2: {address: 10.0.1.12, weight: 0}, "
		     "web3: {address: 10.0.1.13, enabled: false}"));
	assert_int_equal(choice_row(fixture).affinity, 2);
	assert_int_equal(server_row(fixture, 1).weight, 7);
	assert_int_equal(server_row(fixture, 2).weight, 0);
	assert_int_equal(server_row(fixture, 3).weight, 0);
	run_ok(fixture, GROUP("", TWO));
	assert_int_equal(choice_row(fixture).affinity, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_schedulers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_affinity, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
