// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What listeners with several server groups become: the listener's row, and who has which hashes. */
#include "compile_lab.h"

#define LISTENER(groups) \
	"version: 1\n" \
	"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n" \
	"load_balancers:\n" \
	"  edge:\n" \
	"    addresses: [198.51.100.10]\n" \
	"    listeners: {http: {protocol: tcp, port: 80, server_group: " groups "}}\n" \
	"server_groups:\n" \
	"  web: {servers: {web1: {address: 10.0.1.11, port: 8080}}}\n" \
	"  api: {servers: {api1: {address: 10.0.1.12, port: 8080}}}\n" \
	"  old: {servers: {old1: {address: 10.0.1.13, port: 8080}}}\n"
/* in the text's order */
#define WEB_ID 1
#define API_ID 2
#define OLD_ID 3

static struct xlb_listener listener_row(const struct fixture *fixture)
{
	const struct row *row =
		rows_find(&fixture->compiled.rows, TABLE_LISTENER, &(struct row_id){ 1 });
	struct xlb_listener value;

	assert_non_null(row);
	memcpy(&value, row->value, sizeof(value));
	return value;
}

static struct xlb_split split_row(const struct fixture *fixture)
{
	const struct row *row =
		rows_find(&fixture->compiled.rows, TABLE_SPLIT, &(struct row_id){ 1 });
	struct xlb_split value;

	assert_non_null(row);
	memcpy(&value, row->value, sizeof(value));
	return value;
}

static void test_alone(void **state)
{
	static const char *const texts[] = { LISTENER("api"), LISTENER("{api: 7}"),
					     LISTENER("[{group: api, weight: 1}]"),
					     LISTENER("[api]") };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		run_ok(fixture, texts[i]);
		assert_int_equal(count_rows(fixture, TABLE_SPLIT), 0);
		assert_int_equal(listener_row(fixture).flags, 0);
		assert_int_equal(listener_row(fixture).group, API_ID);
	}
}

/* The parts follow each other by name, so the order of the text does not matter. */
static void test_parts(void **state)
{
	static const char *const texts[] = {
		LISTENER("{web: 70, old: 5, api: 25}"),
		LISTENER("{api: 25, old: 5, web: 70}"),
		LISTENER(
			"[{group: old, weight: 5}, {group: web, weight: 70}, {group: api, weight: 25}]"),
		LISTENER("\"old=5,api=25,web=70\""),
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct xlb_split split;

		run_ok(fixture, texts[i]);
		split = split_row(fixture);
		assert_int_equal(listener_row(fixture).flags, XLB_LISTENER_SPLIT);
		assert_int_equal(split.groups[0].group, API_ID);
		assert_int_equal(split.groups[0].limit, (1ULL << 32) / 4 - 1);
		assert_int_equal(split.groups[1].group, OLD_ID);
		assert_int_equal(split.groups[1].limit, (30ULL << 32) / 100 - 1);
		assert_int_equal(split.groups[2].group, WEB_ID);
		assert_int_equal(split.groups[2].limit, UINT32_MAX);
		assert_int_equal(split.groups[3].group, 0);
	}
}

/* Of weight 0: behind the last hash, where nobody looks for a new flow; back again, the others are where they were. */
static void test_zero(void **state)
{
	struct fixture *fixture = *state;
	struct xlb_split split;

	run_ok(fixture, LISTENER("{api: 0, web: 30, old: 10}"));
	split = split_row(fixture);
	assert_int_equal(split.groups[0].group, OLD_ID);
	assert_int_equal(split.groups[0].limit, (1ULL << 32) / 4 - 1);
	assert_int_equal(split.groups[1].group, WEB_ID);
	assert_int_equal(split.groups[1].limit, UINT32_MAX);
	assert_int_equal(split.groups[2].group, API_ID);
	assert_int_equal(split.groups[2].limit, UINT32_MAX);
}

/* A change of weights moves the hashes that change hands, and no others. */
static void test_moves(void **state)
{
	struct fixture *fixture = *state;
	struct xlb_split before, after;

	run_ok(fixture, LISTENER("{api: 5, web: 95}"));
	before = split_row(fixture);
	run_ok(fixture, LISTENER("{web: 75, api: 25}"));
	after = split_row(fixture);
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t hash = i * (UINT32_MAX / 1000) + UINT32_MAX / 2000;
		bool was = hash <= before.groups[0].limit, is = hash <= after.groups[0].limit;

		assert_true(is || !was);
		assert_int_equal(is, i < 250);
		assert_int_equal(was, i < 50);
	}
	assert_int_equal(before.groups[0].group, after.groups[0].group);
}

/* All eight, of weights that leave a remainder. */
static void test_many(void **state)
{
	struct fixture *fixture = *state;
	struct xlb_split split;
	char text[2048];
	size_t used = 0;

	used += (size_t)snprintf(text, sizeof(text),
				 "version: 1\ninterfaces: {eth0: {}, eth1: {}}\n"
				 "load_balancers: {edge: {addresses: 198.51.100.10, listeners: "
				 "{http: {protocol: tcp, port: 80, server_group: {g1: 1000, g2: 1, "
				 "g3: 1, g4: 1, g5: 1, g6: 1, g7: 1, g8: 1}}}}}\nserver_groups:\n");
	for (int i = 1; i <= XLB_SPLIT_GROUPS; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "  g%d: {servers: {a: {address: 10.0.1.%d, port: 80}}}\n",
					 i, 10 + i);
	run_ok(fixture, text);
	split = split_row(fixture);
	for (uint32_t i = 0; i < XLB_SPLIT_GROUPS; i++)
		assert_int_equal(split.groups[i].limit, ((1000ULL + i) << 32) / 1007 - 1);
}

/* Groups that go by the client's address share by it too, if all do. */
static void test_source(void **state)
{
	static const char *const texts[] = {
		LISTENER("{web: 1, api: 1}") "  more: {hash: source}\n",
		LISTENER("{by1: 1, web: 1}") "  by1: {hash: source}\n",
		LISTENER("{by1: 1, by2: 0}") "  by1: {hash: source}\n  by2: {scheduler: sch}\n",
		LISTENER(
			"{by1: 1, by2: 1}") "  by1: {hash: source}\n  by2: {affinity: {timeout: 1h}}\n",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		run_ok(fixture, texts[i]);
		assert_int_equal(!!(listener_row(fixture).flags & XLB_LISTENER_SOURCE), i >= 2);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_alone), TEST(test_parts), TEST(test_zero),
		TEST(test_moves), TEST(test_many),  TEST(test_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
