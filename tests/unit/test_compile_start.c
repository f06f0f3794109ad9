// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What becomes of the weights of servers that start slowly. */
#include "compile_lab.h"

#define GROUP(fields, servers) \
	"version: 1\n" \
	"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n" \
	"load_balancers: {}\n" \
	"server_groups: {web: {health_check: {type: none}, " fields "servers: {" servers "}}}\n"
#define TWO   "web1: {address: 10.0.1.11, weight: 50}, web2: {address: 10.0.1.12, weight: 20}"
#define EQUAL "web1: {address: 10.0.1.11}, web2: {address: 10.0.1.12}"
/* ids 1 and 2, 3 and 4 */
#define BOTH \
	"web1: {address: [10.0.1.11, '2001:db8:1::11']}, web2: {address: [10.0.1.12, '2001:db8:1::12']}"
#define MINUTE "slow_start: 60s, "
#define LONG   UINT64_MAX

static const struct recipe *recipe_of(const struct fixture *fixture, uint8_t family)
{
	const struct row_maglev_key key = { .group = 1, .family = family };
	const struct row *row = rows_find(&fixture->compiled.rows, TABLE_MAGLEV, &key);

	assert_non_null(row);
	return rows_find_recipe(&fixture->compiled.rows, row);
}

static void expect_weights(const struct fixture *fixture, uint8_t family, uint32_t first,
			   uint32_t second)
{
	const struct recipe *recipe = recipe_of(fixture, family);
	const struct schedule *schedule = recipe->data;

	assert_int_equal(schedule_count(recipe->size), 2);
	assert_int_equal(schedule->servers[0].weight, first);
	assert_int_equal(schedule->servers[1].weight, second);
}

static const struct server_part *part_of(const struct fixture *fixture, uint32_t server)
{
	for (uint32_t i = 0; i < fixture->compiled.part_count; i++)
		if (fixture->compiled.parts[i].server == server)
			return &fixture->compiled.parts[i];
	fail_msg("no part of server %u", server);
	return NULL;
}

/* A tenth at first, then more by the time; by percent of weights, and only while somebody starts. */
static void parts_of_weights(void **state)
{
	static const struct {
		const char *text;
		uint64_t served[2]; /* ms */
		uint32_t weights[2], parts[2];
	} rows[] = {
		{ GROUP("", TWO), { LONG, 0 }, { 50, 20 }, { 100, 100 } },
		{ GROUP(MINUTE, TWO), { LONG, LONG }, { 50, 20 }, { 100, 100 } },
		{ GROUP(MINUTE, TWO), { LONG, 0 }, { 5000, 200 }, { 100, 10 } },
		{ GROUP(MINUTE, TWO), { 0, LONG }, { 500, 2000 }, { 10, 100 } },
		{ GROUP(MINUTE, TWO), { LONG, 30000 }, { 5000, 1100 }, { 100, 55 } },
		{ GROUP(MINUTE, TWO), { LONG, 59000 }, { 5000, 1980 }, { 100, 99 } },
		{ GROUP(MINUTE, TWO), { LONG, 60000 }, { 50, 20 }, { 100, 100 } },
		{ GROUP(MINUTE "scheduler: wrr, ", TWO), { LONG, 0 }, { 5000, 200 }, { 100, 10 } },
		{ GROUP(MINUTE "scheduler: rr, ", TWO), { LONG, 0 }, { 100, 10 }, { 100, 10 } },
		{ GROUP(MINUTE "scheduler: wlc, ", TWO), { LONG, 0 }, { 5000, 200 }, { 100, 10 } },
		/* who starts among such as start needs no less than they */
		{ GROUP(MINUTE, TWO), { 0, 0 }, { 50, 20 }, { 100, 100 } },
		{ GROUP(MINUTE, TWO), { 7000, 7000 }, { 50, 20 }, { 100, 100 } },
		{ GROUP(MINUTE, TWO), { 30000, 0 }, { 5000, 360 }, { 100, 18 } },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy(&fixture->fake.served[1], rows[i].served, sizeof(rows[i].served));
		run_ok(fixture, rows[i].text);
		expect_weights(fixture, XLB_IPV4, rows[i].weights[0], rows[i].weights[1]);
		for (uint32_t n = 0; n < 2; n++)
			assert_int_equal(part_of(fixture, n + 1)->part, rows[i].parts[n]);
	}
}

/* The datapath compares, and asks, by the same weights as the table is made with. */
static void rows_have_the_same_weights(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.served[1] = LONG;
	run_ok(fixture, GROUP(MINUTE "scheduler: wlc, ", TWO));
	assert_int_equal(server_row(fixture, 1).weight, 5000);
	assert_int_equal(server_row(fixture, 2).weight, 200);
	run_ok(fixture, GROUP(MINUTE "affinity: {timeout: 1h}, ", EQUAL));
	assert_int_equal(server_row(fixture, 1).weight, 10000);
	assert_int_equal(server_row(fixture, 2).weight, 1000);
	fixture->fake.served[2] = 60000;
	run_ok(fixture, GROUP(MINUTE "scheduler: wlc, ", TWO));
	assert_int_equal(server_row(fixture, 1).weight, 50);
	assert_int_equal(server_row(fixture, 2).weight, 20);
}

/* The table without anybody who starts is the one of a group without slow start. */
static void same_table_afterwards(void **state)
{
	struct fixture *fixture = *state;
	struct row_hash without;
	const struct row_maglev_key key = { .group = 1, .family = XLB_IPV4 };

	run_ok(fixture, GROUP("", EQUAL));
	memcpy(&without, rows_find(&fixture->compiled.rows, TABLE_MAGLEV, &key)->value,
	       sizeof(without));
	fixture->fake.served[1] = LONG;
	run_ok(fixture, GROUP(MINUTE, EQUAL));
	assert_memory_not_equal(rows_find(&fixture->compiled.rows, TABLE_MAGLEV, &key)->value,
				&without, sizeof(without));
	fixture->fake.served[2] = 3600000;
	run_ok(fixture, GROUP(MINUTE, EQUAL));
	assert_memory_equal(rows_find(&fixture->compiled.rows, TABLE_MAGLEV, &key)->value, &without,
			    sizeof(without));
}

/* Of 65537 slots, whatever fills them, a server with a tenth of the weight of the other has an eleventh. */
static void slots_by_parts(void **state)
{
	static const char *const texts[] = {
		GROUP(MINUTE, EQUAL),
		GROUP(MINUTE "scheduler: wrr, ", EQUAL),
		GROUP(MINUTE "scheduler: rr, ",
		      "web1: {address: 10.0.1.11, weight: 1}, web2: {address: 10.0.1.12}"),
		GROUP(MINUTE, "web1: {address: 10.0.1.11, weight: 1}, "
			      "web2: {address: 10.0.1.12, weight: 1}"),
	};
	struct fixture *fixture = *state;

	fixture->fake.served[1] = LONG;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct content_maglev *content;
		const struct recipe *recipe;
		uint32_t slots = 0;
		void *built;
		size_t size;

		run_ok(fixture, texts[i]);
		recipe = recipe_of(fixture, XLB_IPV4);
		assert_int_equal(
			content_build(TABLE_MAGLEV, recipe->data, recipe->size, &built, &size), 0);
		content = built;
		for (uint32_t n = 0; n < XLB_MAGLEV_SLOTS; n++)
			slots += content->slot[n] == 2;
		free(built);
		assert_in_range(slots, XLB_MAGLEV_SLOTS / 11 - 10, XLB_MAGLEV_SLOTS / 11 + 10);
	}
}

/* Nobody else takes new flows: all of it at once. Who is down, or wanted so, is no one to wait for. */
static void alone_is_whole(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.served[1] = LONG;
	fixture->fake.down[0] = "web1";
	run_ok(fixture, GROUP(MINUTE, TWO));
	assert_int_equal(
		((const struct schedule *)recipe_of(fixture, XLB_IPV4)->data)->servers[0].weight,
		20);
	assert_int_equal(part_of(fixture, 1)->part, 0);
	assert_int_equal(part_of(fixture, 2)->part, 100);
	assert_true(part_of(fixture, 2)->up);
	fixture->fake.down[0] = NULL;
	run_ok(fixture, GROUP(MINUTE, "web1: {address: 10.0.1.11, enabled: false}, "
				      "web2: {address: 10.0.1.12}"));
	assert_int_equal(part_of(fixture, 1)->part, 0);
	assert_int_equal(part_of(fixture, 2)->part, 100);
}

/* With all of them down nobody starts; and who was never checked is told from who is up. */
static void who_is_not_up(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.served[1] = LONG;
	fixture->fake.down[0] = "web1";
	fixture->fake.down[1] = "web2";
	run_ok(fixture, GROUP(MINUTE, TWO));
	expect_weights(fixture, XLB_IPV4, 50, 20);
	assert_int_equal(part_of(fixture, 2)->part, 0);
	memset(fixture->fake.down, 0, sizeof(fixture->fake.down));
	fixture->fake.initial[0] = "web2";
	run_ok(fixture, GROUP(MINUTE, TWO));
	assert_int_equal(part_of(fixture, 2)->part, 0);
	fixture->fake.ever_up = false;
	run_ok(fixture, GROUP(MINUTE, TWO));
	assert_int_equal(part_of(fixture, 2)->part, 10);
	assert_false(part_of(fixture, 2)->up);
	assert_true(part_of(fixture, 1)->up);
}

/* A machine is warm by whichever address; of addresses that serve clients of one family alone, each by its own. */
static void servers_of_two_addresses(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.served[1] = fixture->fake.served[2] = LONG;
	fixture->fake.served[3] = LONG;
	run_ok(fixture, GROUP(MINUTE, BOTH));
	expect_weights(fixture, XLB_IPV4, 100, 100);
	expect_weights(fixture, XLB_IPV6, 100, 100);
	fixture->fake.served[3] = 0;
	run_ok(fixture, GROUP(MINUTE, BOTH));
	expect_weights(fixture, XLB_IPV4, 10000, 1000);
	expect_weights(fixture, XLB_IPV6, 10000, 1000);
	assert_int_equal(part_of(fixture, 3)->part, 10);
	assert_int_equal(part_of(fixture, 4)->part, 10);
	compiled_done(&fixture->compiled);
	fixture->ids = (ids_free(fixture->ids), ids_new());
	fixture->fake.served[3] = LONG;
	run_ok(fixture, GROUP(MINUTE "address_family_affinity: same, ", BOTH));
	expect_weights(fixture, XLB_IPV4, 100, 100);
	expect_weights(fixture, XLB_IPV6, 10000, 1000);
	assert_int_equal(part_of(fixture, 3)->part, 100);
	assert_int_equal(part_of(fixture, 4)->part, 10);
}

#define SPARED \
	"version: 1\n" \
	"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n" \
	"load_balancers: {}\n" \
	"server_groups:\n" \
	"  web: {health_check: {type: none}, fallback: spare, min_healthy: 2, " MINUTE \
	"servers: {" TWO "}}\n" \
	"  spare: {health_check: {type: none}, servers: {spare1: {address: 10.0.1.21}}}\n"

/* Servers in whose place a fallback takes the new flows get none, so they begin when it gives them back. */
static void who_has_a_fallback(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.served[1] = LONG;
	run_ok(fixture, SPARED);
	expect_weights(fixture, XLB_IPV4, 5000, 200);
	assert_int_equal(part_of(fixture, 2)->part, 10);
	fixture->fake.down[0] = "web2";
	run_ok(fixture, SPARED);
	assert_int_equal(part_of(fixture, 1)->part, 0);
	assert_int_equal(part_of(fixture, 2)->part, 0);
	assert_int_equal(part_of(fixture, 3)->part, 100);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(parts_of_weights),		TEST(rows_have_the_same_weights),
		TEST(same_table_afterwards),	TEST(slots_by_parts),
		TEST(alone_is_whole),		TEST(who_is_not_up),
		TEST(servers_of_two_addresses), TEST(who_has_a_fallback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
