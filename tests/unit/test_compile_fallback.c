// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who takes the new flows of a group with a fallback: its row, its table, and what its servers are told. */
#include "compile_lab.h"

#define EDGE \
	"version: 1\n" \
	"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n" \
	"load_balancers:\n" \
	"  edge:\n" \
	"    addresses: [198.51.100.10]\n" \
	"    listeners: {http: {protocol: tcp, port: 80, server_group: web}}\n" \
	"server_groups:\n"
#define WEB_OF(fields) \
	"  web:\n" fields \
	"    servers: {web1: {address: 10.0.1.11, port: 80}, web2: {address: 10.0.1.12, port: 80}, " \
	"web3: {address: 10.0.1.13, port: 80}, web4: {address: 10.0.1.14, port: 80}}\n"
#define SPARE_OF(fields) \
	"  spare:\n" fields \
	"    servers: {spare1: {address: 10.0.1.21, port: 80}, spare2: {address: 10.0.1.22, port: 80}}\n"
#define LAST "  last:\n    servers: {last1: {address: 10.0.1.31, port: 80}}\n"
#define CHAIN(web, spare) \
	EDGE WEB_OF("    fallback: spare\n" web) SPARE_OF("    fallback: last\n" spare) LAST

static struct row_group row_of(const struct fixture *fixture, const char *group)
{
	const struct id_entry *entry = ids_find(fixture->ids, ID_GROUP, group);
	const struct row *row = entry ? rows_find(&fixture->compiled.rows, TABLE_GROUP,
						  &(struct row_id){ entry->id }) :
					NULL;
	struct row_group value;

	assert_non_null(row);
	memcpy(&value, row->value, sizeof(value));
	return value;
}

static const char *name_of(const struct fixture *fixture, uint16_t id)
{
	return id ? ids_by_id(fixture->ids, ID_GROUP, id)->key : "";
}

/* Wants the group's flows to go to `ipv4` and `ipv6`, "": they stay. */
static void assert_taken(const struct fixture *fixture, const char *group, const char *ipv4,
			 const char *ipv6)
{
	struct xlb_instead instead = row_of(fixture, group).instead;

	assert_string_equal(name_of(fixture, instead.ipv4), ipv4);
	assert_string_equal(name_of(fixture, instead.ipv6), ipv6);
}

static void set_down(struct fixture *fixture, const char *const down[4])
{
	memcpy(fixture->fake.down, down, sizeof(fixture->fake.down));
}

/* How many healthy servers are enough, of four. */
static void test_min_healthy(void **state)
{
	static const struct {
		const char *web, *down[4], *taker;
	} rows[] = {
		{ "", { "web1", "web2", "web3" }, "" },
		{ "", { "web1", "web2", "web3", "web4" }, "spare" },
		{ "    min_healthy: 1\n", { "web1", "web2", "web3" }, "" },
		{ "    min_healthy: 3\n", { "web1" }, "" },
		{ "    min_healthy: 3\n", { "web1", "web2" }, "spare" },
		{ "    min_healthy: 50%\n", { "web1", "web2" }, "" },
		{ "    min_healthy: 51%\n", { "web1", "web2" }, "spare" },
		{ "    min_healthy: 100%\n", { NULL }, "" },
		{ "    min_healthy: 100%\n", { "web4" }, "spare" },
		{ "    min_healthy: 1%\n", { "web1", "web2", "web3" }, "" },
		{ "    min_healthy: 1%\n", { "web1", "web2", "web3", "web4" }, "spare" },
	};
	struct fixture *fixture = *state;
	char text[2048];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text),
			 EDGE "  web:\n    fallback: spare\n%s"
			      "    servers: {web1: {address: 10.0.1.11, port: 80}, web2: {address: "
			      "10.0.1.12, port: 80}, web3: {address: 10.0.1.13, port: 80}, web4: "
			      "{address: 10.0.1.14, port: 80}}\n" SPARE_OF(""),
			 rows[i].web);
		set_down(fixture, rows[i].down);
		run_ok(fixture, text);
		assert_taken(fixture, "web", rows[i].taker, rows[i].taker);
		assert_taken(fixture, "spare", "", "");
		assert_string_equal(name_of(fixture, row_of(fixture, "web").instead.fallback),
				    "spare");
		assert_int_equal(row_of(fixture, "spare").instead.fallback, 0);
		assert_int_equal(fixture->compiled.fail_open_groups, 0);
	}
}

/* Servers that are to take no flows are no part of the whole. */
static void test_of_those_that_take_flows(void **state)
{
	struct fixture *fixture = *state;

	set_down(fixture, (const char *const[4]){ "web1" });
	run_ok(fixture, EDGE
	       "  web:\n    fallback: spare\n    min_healthy: 50%\n"
	       "    servers: {web1: {address: 10.0.1.11, port: 80}, web2: {address: 10.0.1.12, port: 80}, "
	       "web3: {address: 10.0.1.13, port: 80, weight: 0}, web4: {address: 10.0.1.14, port: 80, enabled: false}}\n" SPARE_OF(
		       ""));
	assert_taken(fixture, "web", "", "");
	set_down(fixture, (const char *const[4]){ "web1", "web2" });
	run_ok(fixture, EDGE
	       "  web:\n    fallback: spare\n    min_healthy: 50%\n"
	       "    servers: {web1: {address: 10.0.1.11, port: 80}, web2: {address: 10.0.1.12, port: 80}, "
	       "web3: {address: 10.0.1.13, port: 80, weight: 0}, web4: {address: 10.0.1.14, port: 80, enabled: false}}\n" SPARE_OF(
		       ""));
	assert_taken(fixture, "web", "spare", "spare");
	run_ok(fixture,
	       EDGE "  web:\n    fallback: spare\n    servers: {web1: {address: 10.0.1.11, port: "
		    "80, enabled: false}}\n" SPARE_OF(""));
	assert_taken(fixture, "web", "spare", "spare");
}

/* Each group of the row by its own measure; where none has enough, the first that has any; else each for itself. */
static void test_chain(void **state)
{
	static const struct {
		const char *down[4], *web, *spare;
		uint32_t open;
	} rows[] = {
		{ { NULL }, "", "", 0 },
		{ { "web1", "web2" }, "", "", 0 },
		{ { "web1", "web2", "web3" }, "spare", "", 0 },
		{ { "web1", "web2", "web3", "spare1" }, "last", "last", 0 },
		{ { "last1" }, "", "", 1 },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set_down(fixture, rows[i].down);
		run_ok(fixture, CHAIN("    min_healthy: 2\n", "    min_healthy: 2\n"));
		assert_taken(fixture, "web", rows[i].web, rows[i].web);
		assert_taken(fixture, "spare", rows[i].spare, rows[i].spare);
		assert_taken(fixture, "last", "", "");
		assert_int_equal(fixture->compiled.fail_open_groups, rows[i].open);
	}
}

#define FEW \
	EDGE "  web:\n    fallback: spare\n    min_healthy: 2\n%s" \
	     "    servers: {web1: {address: 10.0.1.11, port: 80}, web2: {address: 10.0.1.12, port: 80}}\n" \
	     "  spare:\n    min_healthy: 2\n    fallback: last\n" \
	     "    servers: {spare1: {address: 10.0.1.21, port: 80}, spare2: {address: 10.0.1.22, port: 80}}\n" LAST

/* Whoever has any healthy server goes before those that have none; fail_open is the last that helps. */
static void test_last_resort(void **state)
{
	static const struct {
		const char *web, *down[4], *taker;
		uint32_t table;
	} rows[] = {
		{ "", { "web1", "last1" }, "spare", 1 << 2 },
		{ "", { "web1", "spare1", "last1" }, "", 1 << 2 },
		{ "", { "web1", "web2", "spare1", "last1" }, "spare", 1 << 1 | 1 << 2 },
		{ "    fail_open: false\n",
		  { "web1", "web2", "spare1", "last1" },
		  "spare",
		  1 << 1 | 1 << 2 },
	};
	struct fixture *fixture = *state;
	char text[2048];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), FEW, rows[i].web);
		set_down(fixture, rows[i].down);
		run_ok(fixture, text);
		assert_taken(fixture, "web", rows[i].taker, rows[i].taker);
		assert_int_equal(scheduled(fixture), rows[i].table);
		/* of `last` alone */
		assert_int_equal(fixture->compiled.fail_open_groups, 1);
	}
}

/* With nobody left anywhere the group does as without a fallback. */
static void test_fail_open_last(void **state)
{
	struct fixture *fixture = *state;
	static const char two[] = EDGE
		"  web:\n    fallback: spare\n    servers: {web1: {address: 10.0.1.11, port: 80}}\n"
		"  spare:\n    servers: {spare1: {address: 10.0.1.21, port: 80}}\n";
	static const char closed[] = EDGE
		"  web:\n    fallback: spare\n    fail_open: false\n    on_down: reset\n"
		"    servers: {web1: {address: 10.0.1.11, port: 80}}\n"
		"  spare:\n    servers: {spare1: {address: 10.0.1.21, port: 80}}\n";

	set_down(fixture, (const char *const[4]){ "web1" });
	run_ok(fixture, two);
	assert_taken(fixture, "web", "spare", "spare");
	assert_string_equal(fixture->compiled.warnings, "");
	/* its UDP flows have somewhere better to go */
	assert_int_equal(server_row(fixture, 1).flags, XLB_SERVER_DOWN);

	set_down(fixture, (const char *const[4]){ "web1", "spare1" });
	run_ok(fixture, two);
	assert_taken(fixture, "web", "", "");
	assert_int_equal(fixture->compiled.fail_open_groups, 2);
	assert_int_equal(server_row(fixture, 1).flags, 0);
	assert_int_equal(scheduled(fixture), 1 << 1);

	run_ok(fixture, closed);
	assert_taken(fixture, "web", "", "");
	assert_int_equal(fixture->compiled.fail_open_groups, 1);
	assert_int_equal(scheduled(fixture), 0);
	assert_int_equal(server_row(fixture, 1).flags, XLB_SERVER_DOWN | XLB_SERVER_RESET);

	/* the table is there again with the fallback, for nothing more than a word to follow */
	set_down(fixture, (const char *const[4]){ "web1" });
	run_ok(fixture, closed);
	assert_taken(fixture, "web", "spare", "spare");
	assert_int_equal(scheduled(fixture), 1 << 1);
	assert_int_equal(server_row(fixture, 1).flags, XLB_SERVER_DOWN | XLB_SERVER_RESET);
}

/* Clients of each family for themselves, where servers serve their own only. */
static void test_families(void **state)
{
	static const char text[] = EDGE
		"  web:\n    fallback: spare\n    address_family_affinity: same\n"
		"    servers: {web1: {address: [10.0.1.11, \"2001:db8:1::11\"], port: 80}}\n"
		"  spare:\n    forward: nat\n    servers: {spare1: {address: [10.0.1.21, \"2001:db8:1::21\"], port: 80}}\n";
	struct fixture *fixture = *state;

	set_down(fixture, (const char *const[4]){ "2001:db8:1::11" });
	run_ok(fixture, text);
	assert_taken(fixture, "web", "", "spare");
	set_down(fixture, (const char *const[4]){ "10.0.1.11" });
	run_ok(fixture, text);
	assert_taken(fixture, "web", "spare", "");
	/* the fallback's own address of that family is down as well */
	set_down(fixture, (const char *const[4]){ "10.0.1.11", "10.0.1.21" });
	run_ok(fixture, text);
	assert_taken(fixture, "web", "", "");
}

/* A family that the group has no server for at all is the fallback's, and nobody is warned of it. */
static void test_other_family(void **state)
{
	static const char text[] =
		"version: 1\n"
		"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n"
		"load_balancers: {edge: {addresses: [198.51.100.10, \"2001:db8:ff::10\"], listeners: "
		"{http: {protocol: tcp, port: 80, server_group: web}}}}\n"
		"server_groups:\n"
		"  web: {fallback: spare, forward: nat, servers: {web1: {address: 10.0.1.11, port: 80}}}\n"
		"  spare: {forward: nat, servers: {spare1: {address: \"2001:db8:1::21\", port: 80}}}\n";
	struct fixture *fixture = *state;

	run_ok(fixture, text);
	assert_taken(fixture, "web", "", "spare");
	assert_string_equal(fixture->compiled.warnings, "");
}

/* Before anything was checked all are taken for healthy. */
static void test_initial(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.initial[0] = "web1";
	fixture->fake.initial[1] = "web2";
	fixture->fake.initial[2] = "web3";
	fixture->fake.initial[3] = "web4";
	fixture->fake.ever_up = false;
	run_ok(fixture, CHAIN("    min_healthy: 4\n", ""));
	assert_taken(fixture, "web", "", "");
	fixture->fake.ever_up = true;
	run_ok(fixture, CHAIN("    min_healthy: 4\n", ""));
	assert_taken(fixture, "web", "spare", "spare");
}

static void test_out_of_reach(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture, CHAIN("    min_healthy: 5\n", ""));
	assert_taken(fixture, "web", "spare", "spare");
	assert_string_equal(
		fixture->compiled.warnings,
		"group web: min_healthy is 5, but only 4 of its servers may take new flows: its fallback spare takes all of them\n");
}

/* A part sees the groups that are changed as they are to be, and comes to the same rows. */
static void test_part(void **state)
{
	struct fixture *fixture = *state;
	struct model *model = model_of(CHAIN("", "")), *next = model_of(CHAIN("", ""));
	const struct server_group *groups[] = { model_group(next, "spare"),
						model_group(model, "web") };
	struct ids *part;

	set_down(fixture, (const char *const[4]){ "web1", "web2", "web3", "web4" });
	run_ok(fixture, CHAIN("", ""));
	assert_taken(fixture, "web", "spare", "spare");
	((struct server *)object_find(&groups[0]->servers, "spare1"))->enabled = false;
	((struct server *)object_find(&groups[0]->servers, "spare2"))->weight = 0;
	compiled_done(&fixture->compiled);
	part = ids_part(fixture->ids);
	assert_int_equal(compile_part(model, groups, 2, part, &fixture->world, &fixture->compiled,
				      &fixture->err),
			 0);
	assert_taken(fixture, "web", "last", "last");
	assert_taken(fixture, "spare", "last", "last");
	ids_free(part);
	model_free(next);
	model_free(model);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_min_healthy),	   TEST(test_of_those_that_take_flows),
		TEST(test_chain),	   TEST(test_last_resort),
		TEST(test_fail_open_last), TEST(test_families),
		TEST(test_other_family),   TEST(test_initial),
		TEST(test_out_of_reach),   TEST(test_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
