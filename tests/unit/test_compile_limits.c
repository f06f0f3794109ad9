// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What limits become: their rows, what listeners are held to, and whose servers' packets are looked at one by one. */
#include "compile_lab.h"

#define TEXT(lb, http, dns) \
	"version: 1\n" \
	"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n" \
	"load_balancers:\n" \
	"  edge:\n" \
	"    addresses: [198.51.100.10]\n" lb "    listeners:\n" \
	"      http: {protocol: tcp, port: 80, server_group: web" http "}\n" \
	"      dns: {protocol: udp, port: 53, server_group: names" dns "}\n" GROUPS
#define GROUPS \
	"server_groups:\n" \
	"  web: {servers: {web1: {address: 10.0.1.11, port: 8080}}}\n" \
	"  names: {health_check: {type: none}, servers: {dns1: {address: 10.0.1.12, port: 53}}}\n"
#define EMPTY \
	"version: 1\ninterfaces: {eth0: {mode: native}, eth1: {mode: native}}\nload_balancers: {}\n" GROUPS
/* in the text's order */
#define HTTP_ID 1U
#define DNS_ID	2U
#define WEB1_ID 1U
#define DNS1_ID 2U
#define EDGE_ID 1U
#define EDGE	(XLB_LIMITS_OF_LB + EDGE_ID)

static struct xlb_limited limited(const struct fixture *fixture, uint32_t listener)
{
	const struct row *row =
		rows_find(&fixture->compiled.rows, TABLE_LISTENER, &(struct row_id){ listener });
	struct xlb_listener value;

	assert_non_null(row);
	memcpy(&value, row->value, sizeof(value));
	return value.limited;
}

static struct xlb_limits limits_row(const struct fixture *fixture, uint32_t number)
{
	const struct row *row =
		rows_find(&fixture->compiled.rows, TABLE_LIMITS, &(struct row_id){ number });
	struct xlb_limits value;

	assert_non_null(row);
	memcpy(&value, row->value, sizeof(value));
	return value;
}

static bool is_metered(const struct fixture *fixture, uint32_t server)
{
	return server_row(fixture, server).flags & XLB_SERVER_METERED;
}

/* Without limits a listener knows its load balancer, whose flows are counted, and nothing more. */
static void test_none(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture, TEXT("", "", ""));
	assert_int_equal(count_rows(fixture, TABLE_LIMITS), 0);
	assert_int_equal(limited(fixture, HTTP_ID).lb, EDGE_ID);
	assert_int_equal(limited(fixture, DNS_ID).lb, EDGE_ID);
	assert_int_equal(limited(fixture, HTTP_ID).by, 0);
	assert_false(is_metered(fixture, WEB1_ID));
}

static void test_rates(void **state)
{
	struct fixture *fixture = *state;
	struct xlb_limits row;

	run_ok(fixture,
	       TEXT("    limits: {connections: 10k, per_source: {connections: 5}}\n",
		    ", limits: {new_connections_per_second: 7, bits_per_second: 1G, packets_per_second: 2M}",
		    ", limits: {per_source: {bits_per_second: 10M, new_connections_per_second: 3, packets_per_second: 1}}"));
	assert_int_equal(count_rows(fixture, TABLE_LIMITS), 3);
	row = limits_row(fixture, EDGE);
	assert_memory_equal(&row, &((struct xlb_limits){ .all.flows = 10000, .source.flows = 5 }),
			    sizeof(row));
	row = limits_row(fixture, HTTP_ID);
	assert_memory_equal(&row, &((struct xlb_limits){ .all = { 1000000000, 2000000, 7, 0 } }),
			    sizeof(row));
	row = limits_row(fixture, DNS_ID);
	assert_memory_equal(&row, &((struct xlb_limits){ .source = { 10000000, 1, 3, 0 } }),
			    sizeof(row));
	assert_int_equal(limited(fixture, HTTP_ID).by,
			 XLB_LIMITED_LISTENER | XLB_LIMITED_LB | XLB_LIMITED_LB_SOURCE);
	assert_int_equal(limited(fixture, DNS_ID).by,
			 XLB_LIMITED_SOURCE | XLB_LIMITED_LB | XLB_LIMITED_LB_SOURCE);
}

/* Only limits of bits and packets need a look at each packet, and only of the servers behind them. */
static void test_metered(void **state)
{
	static const struct {
		const char *text;
		bool web, dns;
	} rows[] = {
		{ TEXT("", ", limits: {connections: 1, new_connections_per_second: 1}", ""), false,
		  false },
		{ TEXT("", ", limits: {packets_per_second: 1}", ""), true, false },
		{ TEXT("", "", ", limits: {per_source: {bits_per_second: 10k}}"), false, true },
		{ TEXT("    limits: {bits_per_second: 10k}\n", "", ""), true, true },
		{ TEXT("    limits: {per_source: {packets_per_second: 5}}\n", "",
		       ", enabled: false"),
		  true, false },
		{ TEXT("    limits: {bits_per_second: 10k}\n    enabled: false\n", "", ""), false,
		  false },
		{ TEXT("", ", limits: {per_source: {}}", ""), false, false },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		run_ok(fixture, rows[i].text);
		if (is_metered(fixture, WEB1_ID) != rows[i].web ||
		    is_metered(fixture, DNS1_ID) != rows[i].dns)
			fail_msg("row %zu", i);
	}
}

/* A listener that is gone still has flows: they are those of its load balancer. */
static void test_retired(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture, TEXT("    limits: {connections: 9, packets_per_second: 1}\n",
			     ", limits: {connections: 1}", ""));
	run_ok(fixture, TEXT("    limits: {per_source: {connections: 9}}\n",
			     ", limits: {connections: 1}, enabled: false", ""));
	assert_int_equal(limited(fixture, HTTP_ID).lb, EDGE_ID);
	assert_int_equal(limited(fixture, HTTP_ID).by, XLB_LIMITED_LB_SOURCE);
	assert_null(rows_find(&fixture->compiled.rows, TABLE_LIMITS, &(struct row_id){ HTTP_ID }));
	/* the load balancer goes as well: its id does not become another's before its flows have ended */
	run_ok(fixture, EMPTY);
	assert_int_equal(limited(fixture, HTTP_ID).lb, EDGE_ID);
	assert_int_equal(limited(fixture, HTTP_ID).by, 0);
	assert_int_equal(count_rows(fixture, TABLE_LIMITS), 0);
	assert_non_null(ids_find(fixture->ids, ID_LB, "edge"));
	ids_release(fixture->ids, ID_LISTENER, HTTP_ID);
	ids_release(fixture->ids, ID_LISTENER, DNS_ID);
	run_ok(fixture, EMPTY);
	assert_null(ids_find(fixture->ids, ID_LB, "edge"));
}

/* So has a server that is gone. */
static void test_retired_server(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture, TEXT("", "", ""));
	run_ok(fixture,
	       "version: 1\ninterfaces: {eth0: {mode: native}, eth1: {mode: native}}\n"
	       "load_balancers: {edge: {addresses: 198.51.100.10, listeners: {http: {protocol: tcp, port: 80, "
	       "server_group: web, limits: {bits_per_second: 1M}}}}}\n"
	       "server_groups: {web: {servers: {web2: {address: 10.0.1.13, port: 8080}}}}\n");
	assert_true(is_metered(fixture, WEB1_ID));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_none),    TEST(test_rates),	       TEST(test_metered),
		TEST(test_retired), TEST(test_retired_server),
	};

	return cmocka_run_group_tests_name("compile_limits", tests, NULL, NULL);
}
