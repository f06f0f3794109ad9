// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Compile: configuration texts in, rows out, against a world made of a few tables. */
#include "compile_lab.h"

static void test_every_row_of_a_simple_configuration(void **state)
{
	struct fixture *fixture = *state;
	struct xlb_server server;

	run_ok(fixture, WEB);
	assert_int_equal(count_rows(fixture, TABLE_INTERFACE), 2);
	assert_int_equal(count_rows(fixture, TABLE_ATTACHMENT), 2);
	assert_int_equal(count_rows(fixture, TABLE_SERVER), 2);
	assert_int_equal(count_rows(fixture, TABLE_NEXTHOP), 2);
	assert_int_equal(count_rows(fixture, TABLE_NEIGHBOUR), 2);
	assert_int_equal(count_rows(fixture, TABLE_SNAT), 1);
	assert_int_equal(count_rows(fixture, TABLE_BITMAP), 2);
	assert_int_equal(count_rows(fixture, TABLE_MAGLEV), 2); /* of clients of either family */
	assert_int_equal(count_rows(fixture, TABLE_PORT_SET), 1);
	assert_int_equal(count_rows(fixture, TABLE_ADDRESS), 2); /* the VIP and the SNAT address */
	assert_int_equal(count_rows(fixture, TABLE_VIP_ADDR), 1);
	server = server_row(fixture, 1);
	assert_int_equal(ntohs(server.port), 8080);
	assert_int_equal(server.pool_count, 1);
	assert_int_equal(scheduled(fixture), 1U << 1 | 1U << 2);
	assert_string_equal(fixture->compiled.warnings, "");
}

static void test_listener(void **state)
{
	static const char lb[] =
		"version: 1\nserver_groups: {w: {}}\nload_balancers: {edge: {addresses: 198.51.100.10, listeners: {"
		"a: {protocol: tcp, port: 80, server_group: w, idle_timeout: 1500ms, mss: 1400}}}}\n";
	struct fixture *fixture = *state;
	struct xlb_listener listener;
	const struct row *row;

	run_ok(fixture, lb);
	row = rows_find(&fixture->compiled.rows, TABLE_LISTENER, &(struct row_id){ 1 });
	assert_non_null(row);
	memcpy(&listener, row->value, sizeof(listener));
	assert_int_equal(listener.group, 1);
	assert_int_equal(listener.flags, 0);
	assert_int_equal(listener.idle_timeout, 2);
	assert_int_equal(listener.mss, 1400);
}

static void test_settings_of_an_interface(void **state)
{
	static const char text[] =
		"version: 1\ninterfaces: {eth0: {fix: [rp_filter, gro]}, eth1: {fix: lro}, eth2: {fix: lro}}\n";
	struct fixture *fixture = *state;
	struct row_setting_key key = { .ifname = "eth0", .setting = XLB_SETTING_RP_FILTER };
	const struct row *row;

	run_ok(fixture, text);
	/* eth2 is not there */
	assert_int_equal(count_rows(fixture, TABLE_SETTING), 3);
	row = rows_find(&fixture->compiled.rows, TABLE_SETTING, &key);
	assert_non_null(row);
	assert_int_equal(*(const uint32_t *)row->value, 2);
	key.setting = XLB_SETTING_GRO;
	row = rows_find(&fixture->compiled.rows, TABLE_SETTING, &key);
	assert_non_null(row);
	assert_int_equal(*(const uint32_t *)row->value, 0);
	assert_true(tables[TABLE_SETTING].rank < tables[TABLE_ATTACHMENT].rank);
}

static void test_same_input_same_rows(void **state)
{
	struct fixture *fixture = *state;
	struct rows first;
	size_t i;

	run_ok(fixture, WEB);
	first = fixture->compiled.rows;
	memset(&fixture->compiled.rows, 0, sizeof(fixture->compiled.rows));
	run_ok(fixture, WEB);
	assert_int_equal(first.count, fixture->compiled.rows.count);
	for (i = 0; i < first.count; i++)
		assert_memory_equal(&first.rows[i], &fixture->compiled.rows.rows[i],
				    sizeof(first.rows[i]));
	rows_done(&first);
}

static void test_down_server_leaves_and_keeps_its_row(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.down[0] = "web1";
	run_ok(fixture, WEB);
	assert_int_equal(scheduled(fixture), 1U << 2);
	assert_int_equal(server_row(fixture, 1).flags, XLB_SERVER_DOWN);
	assert_int_equal(fixture->compiled.fail_open_groups, 0);
}

static void test_all_down_fails_open_or_closed(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.down[0] = "web1";
	fixture->fake.down[1] = "web2";
	run_ok(fixture, WEB);
	assert_int_equal(scheduled(fixture), 1U << 1 | 1U << 2);
	assert_int_equal(server_row(fixture, 1).flags, 0);
	assert_int_equal(fixture->compiled.fail_open_groups, 1);
	assert_non_null(strstr(fixture->compiled.warnings, "FAIL-OPEN"));
	run_ok(fixture, HEAD
	       "    fail_open: false\n"
	       "    servers: {web1: {address: 10.0.1.11, port: 8080}, web2: {address: 10.0.1.12, port: 8080}}\n");
	assert_int_equal(scheduled(fixture), 0);
	assert_int_equal(fixture->compiled.fail_open_groups, 0);
}

static void test_unchecked_servers_wait_once_the_group_was_up(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.initial[0] = "web2";
	run_ok(fixture, WEB);
	assert_int_equal(scheduled(fixture), 1U << 1);
	fixture->fake.ever_up = false;
	run_ok(fixture, WEB);
	assert_int_equal(scheduled(fixture), 1U << 1 | 1U << 2);
}

static void test_new_address_is_a_new_server_and_the_old_one_drains(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture, WEB);
	run_ok(fixture, HEAD
	       "    drain: {timeout: 5s}\n"
	       "    servers: {web1: {address: 10.0.1.13, port: 8080}, web2: {address: 10.0.1.12, port: 8080}}\n");
	assert_int_equal(scheduled(fixture), 1U << 3 | 1U << 2);
	assert_int_equal(count_rows(fixture, TABLE_SERVER), 3);
	assert_int_equal(server_row(fixture, 1).flags, 0);
	assert_true(server_row(fixture, 1).nexthop != 0);
}

static void test_drain_timeout_resets(void **state)
{
	static const char text[] = HEAD
		"    drain: {timeout: 5s}\n"
		"    servers: {web1: {address: 10.0.1.11, port: 8080, weight: 0}, web2: {address: 10.0.1.12, port: 8080}}\n";
	struct fixture *fixture = *state;

	run_ok(fixture, text);
	assert_int_equal(scheduled(fixture), 1U << 2);
	assert_int_equal(server_row(fixture, 1).flags, 0);
	fixture->world.now += 5;
	run_ok(fixture, text);
	assert_int_equal(server_row(fixture, 1).flags, XLB_SERVER_RESET);
	run_ok(fixture, WEB);
	assert_int_equal(server_row(fixture, 1).flags, 0);
}

static void test_removed_server_resets_after_its_groups_drain(void **state)
{
	struct fixture *fixture = *state;
	static const char both[] = HEAD
		"    drain: {timeout: 5s}\n"
		"    servers: {web1: {address: 10.0.1.11, port: 8080}, web2: {address: 10.0.1.12, port: 8080}}\n";
	static const char one[] = HEAD "    drain: {timeout: 5s}\n"
				       "    servers: {web2: {address: 10.0.1.12, port: 8080}}\n";

	run_ok(fixture, both);
	run_ok(fixture, one);
	assert_int_equal(server_row(fixture, 1).flags, 0);
	assert_true(server_row(fixture, 1).pool_count == 1);
	fixture->world.now += 5;
	run_ok(fixture, one);
	assert_int_equal(server_row(fixture, 1).flags, XLB_SERVER_RESET);
	ids_release(fixture->ids, ID_SERVER, 1);
	run_ok(fixture, one);
	assert_int_equal(count_rows(fixture, TABLE_SERVER), 1);
}

static void test_removed_load_balancer_keeps_its_vip_for_its_flows(void **state)
{
	static const char text[] = "version: 1\n"
				   "load_balancers: {}\n"
				   "interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n";
	struct fixture *fixture = *state;

	run_ok(fixture, WEB);
	run_ok(fixture, text);
	assert_int_equal(count_rows(fixture, TABLE_VIP), 1);
	assert_int_equal(count_rows(fixture, TABLE_VIP_ADDR), 1);
	assert_int_equal(count_rows(fixture, TABLE_PORT_SET), 0);
	assert_int_equal(count_rows(fixture, TABLE_LISTENER), 1);
	assert_int_equal(count_rows(fixture, TABLE_SERVER), 2);
}

static void test_route_away_keeps_the_server(void **state)
{
	struct fixture *fixture = *state;
	struct xlb_server before, after;

	run_ok(fixture, WEB);
	before = server_row(fixture, 1);
	fixture->fake.route_away = true;
	fixture->world.strict = false;
	run_ok(fixture, WEB);
	after = server_row(fixture, 1);
	assert_int_equal(after.nexthop, 0);
	assert_int_equal(after.pool_count, 1);
	assert_memory_equal(before.pools, after.pools, sizeof(before.pools));
	assert_int_equal(count_rows(fixture, TABLE_SNAT), 1);
}

static void test_unresolved_neighbour_is_a_hole_not_an_error(void **state)
{
	struct fixture *fixture = *state;
	const struct row *row;

	fixture->fake.mac = 0;
	run_ok(fixture, WEB);
	row = rows_find(&fixture->compiled.rows, TABLE_NEXTHOP, &(struct row_id){ 1 });
	assert_non_null(row);
	assert_int_equal(((const struct xlb_nexthop *)row->value)->interface, 0);
}

static void test_host_address_spares_the_hosts_ports(void **state)
{
	static struct port_range used[] = { { 22, 22 }, { 32768, 60999 } };
	static const char text[] =
		"version: 1\n"
		"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n"
		"load_balancers: {edge: {addresses: [198.51.100.10], listeners: {all: {protocol: tcp, "
		"port: any, server_group: web}}}}\n"
		"server_groups: {web: {health_check: {type: none}, servers: {web1: {address: "
		"10.0.1.11}}}}\n";
	struct fixture *fixture = *state;
	const struct row_port_set_key key = { .vip = 1, .protocol = IPPROTO_TCP };
	struct content_port_set *content;
	const struct row *row;
	size_t size;

	fixture->fake.own[0] = "198.51.100.10";
	fixture->fake.host_ports = (struct port_list){ .ranges = used, .count = 2 };
	run_ok(fixture, text);
	assert_int_equal(count_rows(fixture, TABLE_VIP_ADDR), 0);
	row = rows_find(&fixture->compiled.rows, TABLE_PORT_SET, &key);
	assert_non_null(row);
	assert_int_equal(content_build(TABLE_PORT_SET,
				       rows_find_recipe(&fixture->compiled.rows, row)->data,
				       rows_find_recipe(&fixture->compiled.rows, row)->size,
				       (void **)&content, &size),
			 0);
	assert_true(content->root[0] & XLB_PORT_PAGE);
	assert_int_equal(content->leaf[content->root[0] & ~XLB_PORT_PAGE][22], 0);
	assert_int_equal(content->leaf[content->root[0] & ~XLB_PORT_PAGE][23], 1);
	assert_int_equal(content->root[200], 0); /* 51200-51455: ephemeral */
	assert_int_equal(content->root[250], 1);
	free(content);
}

static void test_errors_name_the_server_and_the_way_out(void **state)
{
	static const struct {
		const char *address, *text, *hint;
	} rows[] = {
		{ "10.0.1.1", "an address of this host", "" },
		{ "192.0.2.1", "no route to 192.0.2.1", "" },
	};
	struct fixture *fixture = *state;
	char text[1024];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), HEAD "    servers: {web1: {address: %s, port: 80}}\n",
			 rows[i].address);
		run(fixture, text);
		assert_int_equal(fixture->r, -EINVAL);
		assert_non_null(strstr(fixture->err.text, rows[i].text));
		assert_string_equal(fixture->err.pointer,
				    "/server_groups/web/servers/web1/address");
	}
	run(fixture, "version: 1\n"
		     "interfaces: {eth0: {mode: native}}\n"
		     "load_balancers: {}\n"
		     "server_groups: {web: {servers: {web1: {address: 10.0.1.11, port: 80}}}}\n");
	assert_int_equal(fixture->r, -EINVAL);
	assert_non_null(strstr(fixture->err.text, "eth1, which is not attached"));
	assert_string_equal(fixture->err.hint, "xlbctl attach eth1");
}

static void test_known_servers_are_not_refused_for_a_network_fault(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture, WEB);
	fixture->fake.route_away = true;
	run_ok(fixture, WEB); /* world.strict, but the servers are not new */
}

#define SNAT HEAD "    drain: {timeout: 5s}\n    snat: {addresses: [10.0.1.2]}\n"

static bool has_vip_addr(const struct fixture *fixture, const char *addr, const char *ifname)
{
	struct row_vip_addr_key key = {};

	parse_addr(addr, &key.addr);
	memcpy(key.ifname, ifname, strlen(ifname));
	return rows_find(&fixture->compiled.rows, TABLE_VIP_ADDR, &key);
}

/* Flows of a removed server come from its SNAT address until they end: the host must answer for it. */
static void test_retired_snat_address_stays_on_the_host(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture, SNAT "    servers: {web1: {address: 10.0.1.11, port: 8080}}\n");
	assert_true(has_vip_addr(fixture, "10.0.1.2", "eth1"));
	run_ok(fixture, WEB);
	assert_true(has_vip_addr(fixture, "10.0.1.2", "eth1"));
	ids_release(fixture->ids, ID_SERVER, 1);
	ids_release(fixture->ids, ID_SNAT, 1);
	run_ok(fixture, WEB);
	assert_false(has_vip_addr(fixture, "10.0.1.2", "eth1"));
}

/* An address that the host itself has lost is not brought back by xlb. */
static void test_source_of_the_route_is_left_to_the_host(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.own[0] = "10.0.1.1";
	run_ok(fixture, WEB);
	fixture->fake.own[0] = NULL;
	run_ok(fixture, HEAD "    servers: {web2: {address: 10.0.1.12, port: 8080}}\n");
	assert_false(has_vip_addr(fixture, "10.0.1.1", "eth1"));
}

static void test_removal_does_not_prolong_a_drain(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture, SNAT
	       "    servers: {web1: {address: 10.0.1.11, port: 80, weight: 0}, web2: {address: 10.0.1.12, port: 80}}\n");
	fixture->world.now += 3;
	run_ok(fixture, SNAT "    servers: {web2: {address: 10.0.1.12, port: 80}}\n");
	assert_int_equal(server_row(fixture, 1).flags, 0);
	fixture->world.now += 1;
	run_ok(fixture, SNAT "    servers: {web2: {address: 10.0.1.12, port: 80}}\n");
	assert_int_equal(server_row(fixture, 1).flags, XLB_SERVER_RESET);
}

static void test_nobody_to_fail_open_to(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.down[0] = "web1";
	run_ok(fixture, HEAD "    servers: {web1: {address: 10.0.1.11, port: 8080, weight: 0}}\n");
	assert_int_equal(fixture->compiled.fail_open_groups, 0);
	assert_null(strstr(fixture->compiled.warnings, "FAIL-OPEN"));
	assert_int_equal(server_row(fixture, 1).flags, XLB_SERVER_DOWN);
}

static void test_limits_are_said(void **state)
{
	struct fixture *fixture = *state;
	char *text = NULL;
	size_t size;
	FILE *out;
	int i;

	run(fixture, HEAD
	    "    snat: {addresses: [10.0.1.2, 10.0.1.3, 10.0.1.4, 10.0.1.5, 10.0.1.6, 10.0.1.7, "
	    "10.0.1.8, 10.0.1.9, 10.0.1.10]}\n"
	    "    servers: {web1: {address: 10.0.1.11, port: 8080}}\n");
	assert_int_equal(fixture->r, -EINVAL);
	assert_non_null(strstr(fixture->err.text, "more than 8 SNAT addresses"));
	assert_string_equal(fixture->err.pointer, "/server_groups/web/snat/addresses");

	out = open_memstream(&text, &size);
	fputs("version: 1\ninterfaces: {eth0: {mode: native}, eth1: {mode: native}}\nload_balancers:\n"
	      "  edge:\n    addresses: [198.51.100.10]\n    listeners:\n",
	      out);
	for (i = 1; i <= XLB_MAX_LISTENERS; i++)
		fprintf(out, "      l%d: {protocol: tcp, port: %d, server_group: web}\n", i, i);
	fputs("server_groups: {web: {servers: {web1: {address: 10.0.1.11, port: 8080}}}}\n", out);
	fclose(out);
	run(fixture, text);
	free(text);
	assert_int_equal(fixture->r, -ENOSPC);
	assert_non_null(strstr(fixture->err.text, "too many listeners"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_every_row_of_a_simple_configuration),
		TEST(test_same_input_same_rows),
		TEST(test_listener),
		TEST(test_settings_of_an_interface),
		TEST(test_down_server_leaves_and_keeps_its_row),
		TEST(test_all_down_fails_open_or_closed),
		TEST(test_unchecked_servers_wait_once_the_group_was_up),
		TEST(test_new_address_is_a_new_server_and_the_old_one_drains),
		TEST(test_drain_timeout_resets),
		TEST(test_removed_server_resets_after_its_groups_drain),
		TEST(test_removed_load_balancer_keeps_its_vip_for_its_flows),
		TEST(test_route_away_keeps_the_server),
		TEST(test_unresolved_neighbour_is_a_hole_not_an_error),
		TEST(test_host_address_spares_the_hosts_ports),
		TEST(test_errors_name_the_server_and_the_way_out),
		TEST(test_retired_snat_address_stays_on_the_host),
		TEST(test_source_of_the_route_is_left_to_the_host),
		TEST(test_removal_does_not_prolong_a_drain),
		TEST(test_nobody_to_fail_open_to),
		TEST(test_limits_are_said),
		TEST(test_known_servers_are_not_refused_for_a_network_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
