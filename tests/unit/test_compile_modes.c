// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What forwarding modes and address families make of servers: their rows, roles, tables and ids. */
#include "compile_lab.h"
#include "xlb/lists.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A group that no listener uses, so that a server may have any port in any mode. */
#define ALONE \
	"version: 1\n" \
	"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n" \
	"load_balancers: {}\n" \
	"server_groups:\n" \
	"  web:\n" \
	"    health_check: {type: none}\n"
#define BOTH \
	"    servers: {web1: {address: [10.0.1.11, \"2001:db8:1::11\"], port: 8080}, web2: {address: 10.0.1.12, port: 8080}}\n"
#define EMPTY \
	"version: 1\n" \
	"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n" \
	"load_balancers: {}\n" \
	"server_groups: {web: {}}\n"

static struct xlb_address address_row(const struct fixture *fixture, const char *text)
{
	struct xlb_address value = {};
	const struct row *row;
	struct xlb_addr addr;

	assert_int_equal(parse_addr(text, &addr), 0);
	row = rows_find(&fixture->compiled.rows, TABLE_ADDRESS, &addr);
	if (row)
		memcpy(&value, row->value, sizeof(value));
	return value;
}

static uint16_t interface_flags(const struct fixture *fixture)
{
	const struct row *row =
		rows_find(&fixture->compiled.rows, TABLE_INTERFACE, &(struct row_id){ 1 });
	struct xlb_interface value;

	assert_non_null(row);
	memcpy(&value, row->value, sizeof(value));
	return value.flags;
}

static bool has_source(const struct fixture *fixture, uint32_t id, const char *text)
{
	const struct row *row =
		rows_find(&fixture->compiled.rows, TABLE_SNAT, &(struct row_id){ id });
	struct xlb_snat value;
	struct xlb_addr addr;

	assert_int_equal(parse_addr(text, &addr), 0);
	if (!row)
		return false;
	memcpy(&value, row->value, sizeof(value));
	return addr_equal(&value.addr, &addr);
}

/* Each mode's row of a server, which has what its mode needs and nothing else. */
static void test_row_of_each_mode(void **state)
{
	static const struct {
		const char *fields, *address;
		uint8_t mode, encapsulation, near_bits, pools;
		uint16_t port;
		bool bitmap;
		size_t bitmaps;
		uint16_t role; /* flags of the server's address */
	} rows[] = {
		{ "forward: fullnat", "10.0.1.11", XLB_MODE_FULLNAT, 0, 0, 1, 80, true, 1, 0 },
		{ "forward: fullnat", "2001:db8:1::11", XLB_MODE_FULLNAT, 0, 0, 1, 80, true, 1, 0 },
		{ "snat: {addresses: [10.0.1.2, 10.0.1.3]}", "10.0.1.11", XLB_MODE_FULLNAT, 0, 0, 2,
		  80, true, 2, 0 },
		{ "forward: nat", "10.0.1.11", XLB_MODE_NAT, 0, 96 + 24, 1, 80, true, 1,
		  XLB_ADDRESS_RETURNS },
		{ "forward: nat", "2001:db8:1::11", XLB_MODE_NAT, 0, 64, 1, 80, true, 1,
		  XLB_ADDRESS_RETURNS },
		/* behind a router nobody is known to be near */
		{ "forward: nat", "10.0.2.11", XLB_MODE_NAT, 0, 0, 1, 80, true, 1,
		  XLB_ADDRESS_RETURNS },
		{ "forward: dr", "10.0.1.11", XLB_MODE_DR, 0, 0, 0, 0, false, 0, 0 },
		{ "forward: tunnel", "10.0.1.11", XLB_MODE_TUNNEL, XLB_ENCAPSULATION_IPIP, 0, 1, 0,
		  false, 0, 0 },
		{ "{forward: tunnel, encapsulation: gue}", "2001:db8:1::11", XLB_MODE_TUNNEL,
		  XLB_ENCAPSULATION_GUE, 0, 1, 0, false, 0, 0 },
		{ "forward: tunnel", "10.0.2.11", XLB_MODE_TUNNEL, XLB_ENCAPSULATION_IPIP, 0, 1, 0,
		  false, 0, 0 },
	};
	struct fixture *fixture = *state;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		bool braces = *rows[i].fields == '{';
		/* checked through the datapath */
		bool direct = xlb_mode_has(rows[i].mode, XLB_MODE_DIRECT);
		struct xlb_server server;
		char text[1024];

		ids_free(fixture->ids);
		fixture->ids = ids_new();
		print_message("# %s, server %s\n", rows[i].fields, rows[i].address);
		snprintf(
			text, sizeof(text),
			"version: 1\ninterfaces: {eth0: {mode: native}, eth1: {mode: native}}\nload_balancers: {}\n"
			"server_groups: {web: {%.*s, servers: {web1: {address: \"%s\", port: 80}}}}\n",
			(int)strlen(rows[i].fields) - 2 * braces, rows[i].fields + braces,
			rows[i].address);
		run_ok(fixture, text);
		server = server_row(fixture, 1);
		assert_int_equal(server.mode, rows[i].mode);
		assert_int_equal(server.encapsulation, rows[i].encapsulation);
		assert_int_equal(server.near_bits, rows[i].near_bits);
		assert_int_equal(ntohs(server.port), rows[i].port);
		assert_int_equal(server.pool_count, rows[i].pools);
		assert_int_equal(!!server.pools[0].bitmap, rows[i].bitmap);
		assert_int_equal(!!server.pools[0].snat, rows[i].pools > 0);
		assert_int_equal(count_rows(fixture, TABLE_BITMAP), rows[i].bitmaps);
		assert_true(server.nexthop != 0);
		assert_int_equal(address_row(fixture, rows[i].address).flags, rows[i].role);
		assert_int_equal(interface_flags(fixture),
				 (rows[i].role ? XLB_INTERFACE_RETURNS : 0) |
					 (direct ? XLB_INTERFACE_PROBES : 0));
		assert_int_equal(count_rows(fixture, TABLE_PROBE_FILTER), direct ? 2 : 0);
	}
}

/* The outer header comes from where the route to the server does, and that address is xlb's. */
static void test_source_of_the_outer_header(void **state)
{
	struct fixture *fixture = *state;
	struct xlb_server v4, v6;

	run_ok(fixture, ALONE "    forward: tunnel\n" BOTH);
	v4 = server_row(fixture, 1);
	v6 = server_row(fixture, 2);
	assert_int_equal(v4.family, XLB_IPV4);
	assert_int_equal(v6.family, XLB_IPV6);
	assert_true(has_source(fixture, v4.pools[0].snat, "10.0.1.1"));
	assert_true(has_source(fixture, v6.pools[0].snat, "2001:db8:1::1"));
	assert_int_equal(address_row(fixture, "10.0.1.1").snat, v4.pools[0].snat);
	/* while the route is away the server keeps it */
	fixture->fake.route_away = true;
	fixture->world.strict = false;
	run_ok(fixture, ALONE "    forward: tunnel\n" BOTH);
	assert_memory_equal(server_row(fixture, 1).pools, &v4.pools, sizeof(v4.pools));
	assert_int_equal(server_row(fixture, 1).nexthop, 0);
}

/* A group that names SNAT addresses of one family uses what the route prefers for the other. */
static void test_named_sources_of_one_family(void **state)
{
	struct fixture *fixture = *state;
	struct xlb_server v4, v6;

	run_ok(fixture, ALONE "    snat: {addresses: [10.0.1.2, 10.0.1.3]}\n" BOTH);
	v4 = server_row(fixture, 1);
	v6 = server_row(fixture, 2);
	assert_int_equal(v4.pool_count, 2);
	assert_true(has_source(fixture, v4.pools[0].snat, "10.0.1.2"));
	assert_int_equal(v6.pool_count, 1);
	assert_true(has_source(fixture, v6.pools[0].snat, "2001:db8:1::1"));
	assert_true(v6.pools[0].bitmap != 0);
}

/* No flow holds the id of an outer source: it must not be free while packets are sent from it. */
static void test_source_stays_with_a_retired_tunnel(void **state)
{
	struct fixture *fixture = *state;
	struct xlb_server old;

	run_ok(fixture, ALONE "    forward: tunnel\n    servers: {web1: {address: 10.0.1.11}}\n");
	old = server_row(fixture, 1);
	run_ok(fixture, ALONE "    forward: dr\n    servers: {web1: {address: 10.0.1.11}}\n");
	assert_int_equal(server_row(fixture, 1).mode, XLB_MODE_TUNNEL);
	assert_int_equal(server_row(fixture, 2).mode, XLB_MODE_DR);
	assert_memory_equal(server_row(fixture, 1).pools, &old.pools, sizeof(old.pools));
	assert_true(has_source(fixture, old.pools[0].snat, "10.0.1.1"));
	assert_true(ids_by_id(fixture->ids, ID_SNAT, old.pools[0].snat)->live);
	/* with the last flow of the server it goes too */
	ids_release(fixture->ids, ID_SERVER, 1);
	run_ok(fixture, ALONE "    forward: dr\n    servers: {web1: {address: 10.0.1.11}}\n");
	assert_false(ids_by_id(fixture->ids, ID_SNAT, old.pools[0].snat)->live);
	assert_int_equal(count_rows(fixture, TABLE_SERVER), 1);
}

/* The server's address is a role as long as answers may come from it. */
static void test_answers_are_looked_for_while_a_server_retires(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture, ALONE "    forward: nat\n    servers: {web1: {address: 10.0.1.11}}\n");
	run_ok(fixture, EMPTY);
	assert_int_equal(address_row(fixture, "10.0.1.11").flags, XLB_ADDRESS_RETURNS);
	assert_int_equal(interface_flags(fixture), XLB_INTERFACE_RETURNS);
	assert_int_equal(server_row(fixture, 1).near_bits, 96 + 24);
	ids_release(fixture->ids, ID_SERVER, 1);
	run_ok(fixture, EMPTY);
	assert_int_equal(address_row(fixture, "10.0.1.11").flags, 0);
	assert_int_equal(interface_flags(fixture), 0);
}

/* What is known of a server's network stays while its route is away. */
static void test_neighbourhood_survives_a_link_flap(void **state)
{
	static const char text[] = ALONE
		"    forward: nat\n    servers: {web1: {address: 10.0.1.11}}\n";
	struct fixture *fixture = *state;

	run_ok(fixture, text);
	fixture->fake.route_away = true;
	fixture->world.strict = false;
	run_ok(fixture, text);
	assert_int_equal(server_row(fixture, 1).near_bits, 96 + 24);
	assert_int_equal(server_row(fixture, 1).pool_count, 1);
}

/* A table for clients of either family where servers may be of the other. */
static void test_tables_of_families(void **state)
{
	static const struct {
		const char *fields;
		uint32_t v4, v6; /* ids that have a share: 1, 2 are of web1, 3 of web2 */
	} rows[] = {
		{ "", 1U << 1 | 1U << 3, 1U << 2 | 1U << 3 },
		{ "    address_family_affinity: none\n", 1U << 1 | 1U << 3, 1U << 2 | 1U << 3 },
		{ "    address_family_affinity: same\n", 1U << 1 | 1U << 3, 1U << 2 },
		{ "    forward: tunnel\n", 1U << 1 | 1U << 3, 1U << 2 | 1U << 3 },
		{ "    forward: tunnel\n    address_family_affinity: same\n", 1U << 1 | 1U << 3,
		  1U << 2 },
		{ "    forward: nat\n", 1U << 1 | 1U << 3, 1U << 2 },
		{ "    forward: dr\n", 1U << 1 | 1U << 3, 1U << 2 },
	};
	struct fixture *fixture = *state;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		char text[1024];

		ids_free(fixture->ids);
		fixture->ids = ids_new();
		print_message("# %zu\n", i);
		snprintf(text, sizeof(text), ALONE "%s" BOTH, rows[i].fields);
		run_ok(fixture, text);
		assert_int_equal(scheduled_for(fixture, XLB_IPV4), rows[i].v4);
		assert_int_equal(scheduled_for(fixture, XLB_IPV6), rows[i].v6);
	}
}

/* Clients of a family that the group cannot serve are told of, others are not. */
static void test_clients_of_no_family_are_told_of(void **state)
{
	static const struct {
		const char *fields, *warning;
	} rows[] = {
		{ "", NULL },
		{ "address_family_affinity: same, ", "no IPv6 server, IPv6 clients get no_server" },
		{ "forward: nat, ", "no IPv6 server" },
	};
	struct fixture *fixture = *state;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		char text[1024];

		snprintf(
			text, sizeof(text),
			"version: 1\ninterfaces: {eth0: {mode: native}, eth1: {mode: native}}\n"
			"load_balancers: {edge: {addresses: [198.51.100.10, \"2001:db8:1::10\"], listeners: {http: "
			"{protocol: tcp, port: 80, server_group: web}}}}\n"
			"server_groups: {web: {%sservers: {web1: {address: 10.0.1.11, port: 80}}}}\n",
			rows[i].fields);
		run_ok(fixture, text);
		if (rows[i].warning)
			assert_non_null(strstr(fixture->compiled.warnings, rows[i].warning));
		else
			assert_string_equal(fixture->compiled.warnings, "");
	}
}

/* By its address of the client's family if that is up, else by the other one, never by both. */
static void test_dual_stack_server_counts_once(void **state)
{
	static const char text[] = ALONE
		"    servers: {web1: {address: [10.0.1.11, \"2001:db8:1::11\"], port: 80}}\n";
	static const struct {
		const char *down;
		uint32_t v4, v6;
	} rows[] = {
		{ NULL, 1U << 1, 1U << 2 },
		{ "10.0.1.11", 1U << 2, 1U << 2 },
		{ "2001:db8:1::11", 1U << 1, 1U << 1 },
	};
	struct fixture *fixture = *state;
	size_t i;

	for (i = 0; i < COUNT(rows); i++) {
		fixture->fake.down[0] = rows[i].down;
		run_ok(fixture, text);
		assert_int_equal(scheduled_for(fixture, XLB_IPV4), rows[i].v4);
		assert_int_equal(scheduled_for(fixture, XLB_IPV6), rows[i].v6);
		assert_int_equal(fixture->compiled.fail_open_groups, 0);
		assert_int_equal(server_row(fixture, 1).flags, i == 1 ? XLB_SERVER_DOWN : 0);
		assert_int_equal(server_row(fixture, 2).flags, i == 2 ? XLB_SERVER_DOWN : 0);
	}
}

/* With affinity, or in a mode of one family, clients of one may have nobody while the other goes on. */
static void test_fail_open_with_families(void **state)
{
	static const struct {
		const char *fields, *down[2], *warning;
		uint32_t v4, v6, open;
		uint32_t flags[3]; /* of ids 1-3 */
	} rows[] = {
		/* whoever is up serves everybody */
		{ "", { "10.0.1.11", "10.0.1.12" }, NULL, 1U << 2, 1U << 2, 0, { 1, 0, 1 } },
		{ "", { "2001:db8:1::11" }, NULL, 1U << 1 | 1U << 3, 1U << 1 | 1U << 3, 0, { 0, 1 } },
		{ "",
		  { "web1", "web2" },
		  "no server is up",
		  1U << 1 | 1U << 3,
		  1U << 2 | 1U << 3,
		  1,
		  {} },
		{ "    fail_open: false\n", { "web1", "web2" }, NULL, 0, 0, 0, { 1, 1, 1 } },
		{ "    address_family_affinity: same\n",
		  { "2001:db8:1::11" },
		  "no IPv6 server is up",
		  1U << 1 | 1U << 3,
		  1U << 2,
		  1,
		  {} },
		{ "    forward: dr\n",
		  { "10.0.1.11", "10.0.1.12" },
		  "no IPv4 server is up",
		  1U << 1 | 1U << 3,
		  1U << 2,
		  1,
		  {} },
		{ "    forward: dr\n    fail_open: false\n    on_down: reset\n",
		  { "10.0.1.11", "10.0.1.12" },
		  NULL,
		  0,
		  1U << 2,
		  0,
		  { 3, 0, 3 } },
	};
	struct takers takers;
	struct fixture *fixture = *state;
	size_t i, j;

	for (i = 0; i < COUNT(rows); i++) {
		struct model *model;
		char text[1024];

		ids_free(fixture->ids);
		fixture->ids = ids_new();
		memcpy(fixture->fake.down, rows[i].down, sizeof(rows[i].down));
		print_message("# %zu\n", i);
		snprintf(text, sizeof(text), ALONE "%s" BOTH, rows[i].fields);
		run_ok(fixture, text);
		assert_int_equal(scheduled_for(fixture, XLB_IPV4), rows[i].v4);
		assert_int_equal(scheduled_for(fixture, XLB_IPV6), rows[i].v6);
		assert_int_equal(fixture->compiled.fail_open_groups, rows[i].open);
		for (j = 0; j < 3; j++)
			assert_int_equal(server_row(fixture, (uint32_t)j + 1).flags,
					 rows[i].flags[j]);
		if (rows[i].warning)
			assert_non_null(strstr(fixture->compiled.warnings, rows[i].warning));
		else
			assert_string_equal(fixture->compiled.warnings, "");
		model = model_of(text);
		compile_takers(model, model_group(model, "web"), &fixture->world, &takers);
		assert_int_equal(compile_fails_open(model_group(model, "web"), &takers,
						    &fixture->world),
				 rows[i].open);
		model_free(model);
	}
}

/* dr rewrites the MAC only: behind a router that would be the router's. */
static void test_dr_behind_a_router_is_refused(void **state)
{
	static const char text[] = ALONE
		"    forward: %s\n    servers: {web1: {address: 10.0.2.11}}\n";
	static const char *const others[] = { "fullnat", "nat", "tunnel" };
	struct fixture *fixture = *state;
	char filled[1024];
	size_t i;

	snprintf(filled, sizeof(filled), text, "dr");
	run(fixture, filled);
	assert_int_equal(fixture->r, -EINVAL);
	assert_string_equal(
		fixture->err.text,
		"server web/web1: 10.0.2.11 is behind the router 10.0.1.254; with forward: dr a server is on a link of xlb");
	assert_string_equal(fixture->err.hint, "forward: tunnel reaches servers behind routers");
	assert_string_equal(fixture->err.pointer, "/server_groups/web/servers/web1/address");
	for (i = 0; i < COUNT(others); i++) {
		snprintf(filled, sizeof(filled), text, others[i]);
		run_ok(fixture, filled);
	}
}

/* Flows that exist stay with the old mode: it is another server, and the old one drains. */
static void test_another_mode_is_another_server(void **state)
{
	static const struct {
		const char *fields;
		uint8_t mode, encapsulation;
	} rows[] = {
		{ "forward: fullnat", XLB_MODE_FULLNAT, 0 },
		{ "forward: nat", XLB_MODE_NAT, 0 },
		{ "forward: dr", XLB_MODE_DR, 0 },
		{ "forward: tunnel", XLB_MODE_TUNNEL, XLB_ENCAPSULATION_IPIP },
		{ "forward: tunnel\n    encapsulation: gue", XLB_MODE_TUNNEL,
		  XLB_ENCAPSULATION_GUE },
	};
	struct fixture *fixture = *state;
	char text[1024];
	uint32_t i, id;

	for (i = 0; i < COUNT(rows); i++) {
		snprintf(text, sizeof(text),
			 ALONE "    drain: {timeout: 60s}\n    %s\n"
			       "    servers: {web1: {address: 10.0.1.11}}\n",
			 rows[i].fields);
		run_ok(fixture, text);
		assert_int_equal(scheduled(fixture), 1U << (i + 1));
		assert_int_equal(count_rows(fixture, TABLE_SERVER), i + 1);
		for (id = 1; id <= i + 1; id++) {
			struct xlb_server server = server_row(fixture, id);

			assert_int_equal(server.mode, rows[id - 1].mode);
			assert_int_equal(server.encapsulation, rows[id - 1].encapsulation);
			assert_int_equal(server.flags, 0);
			assert_true(server.nexthop != 0);
		}
	}
	/* said as before, it is the last one again; the others end when their time is up */
	fixture->world.now += 60;
	run_ok(fixture, text);
	for (id = 1; id <= COUNT(rows); id++)
		assert_int_equal(server_row(fixture, id).flags,
				 id < COUNT(rows) ? XLB_SERVER_RESET : 0);
	/* a default that is written changes nothing, back to an older mode is the older server */
	run_ok(fixture,
	       ALONE "    drain: {timeout: 60s}\n    forward: tunnel\n    encapsulation: ipip\n"
		     "    servers: {web1: {address: 10.0.1.11}}\n");
	assert_int_equal(scheduled(fixture), 1U << 4);
	assert_int_equal(server_row(fixture, 4).flags, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_row_of_each_mode),
		TEST(test_source_of_the_outer_header),
		TEST(test_named_sources_of_one_family),
		TEST(test_source_stays_with_a_retired_tunnel),
		TEST(test_answers_are_looked_for_while_a_server_retires),
		TEST(test_neighbourhood_survives_a_link_flap),
		TEST(test_tables_of_families),
		TEST(test_clients_of_no_family_are_told_of),
		TEST(test_dual_stack_server_counts_once),
		TEST(test_fail_open_with_families),
		TEST(test_dr_behind_a_router_is_refused),
		TEST(test_another_mode_is_another_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
