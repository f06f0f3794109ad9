// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Compile: configuration texts in, rows out, against a world made of a few tables. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/compile.h"
#include "core/content.h"
#include "core/tree.h"

/* The fake world: 10.0.1.0/24 and 2001:db8:1::/64 behind eth1, the rest of 198.51.100.0/24 behind eth0. */
struct fake {
	bool eth1_down, route_away;
	const char *down[4], *initial[4]; /* servers by name */
	bool ever_up;
	const char *own[4]; /* addresses of the host */
	uint8_t mac;	    /* last byte of every neighbour's MAC */
	struct port_list host_ports;
};

static bool named(const char *const *names, const char *name)
{
	int i;

	for (i = 0; i < 4 && names[i]; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static int fake_link(void *arg, const char *ifname, struct world_link *ret)
{
	const struct fake *fake = arg;

	if (strcmp(ifname, "eth0") && (strcmp(ifname, "eth1") || fake->eth1_down))
		return -ENODEV;
	*ret = (struct world_link){ .ifindex = (uint32_t)(ifname[3] - '0' + 2),
				    .mtu = 1500,
				    .mac = { 2 } };
	return 0;
}

static int fake_route(void *arg, const struct xlb_addr *addr, struct world_route *ret)
{
	const struct fake *fake = arg;
	char text[ADDR_TEXT_MAX];
	bool servers;

	format_addr(addr, text);
	servers = !strncmp(text, "10.0.1.", 7) || !strncmp(text, "2001:db8:1:", 11);
	if ((servers && fake->route_away) || (!servers && strncmp(text, "198.51.100.", 11)))
		return -ENETUNREACH;
	*ret = (struct world_route){ .ifindex = servers ? 3 : 2, .next = *addr };
	strcpy(ret->ifname, servers ? "eth1" : "eth0");
	parse_addr(addr_family(addr) == XLB_IPV6 ? "2001:db8:1::1" :
		   servers			 ? "10.0.1.1" :
						   "198.51.100.1",
		   &ret->source);
	ret->local = addr_equal(addr, &ret->source);
	return 0;
}

static int fake_neighbour(void *arg, uint32_t ifindex, const struct xlb_addr *addr,
			  uint8_t ret_mac[6])
{
	const struct fake *fake = arg;

	(void)ifindex;
	if (!fake->mac)
		return -ENOENT;
	memcpy(ret_mac, (uint8_t[]){ 2, 0, 0, 0, addr->bytes[15], fake->mac }, 6);
	return 0;
}

static bool fake_owns(void *arg, const struct xlb_addr *addr)
{
	const struct fake *fake = arg;
	char text[ADDR_TEXT_MAX];

	format_addr(addr, text);
	return named(fake->own, text);
}

static uint8_t fake_on_link(void *arg, const char *ifname, const struct xlb_addr *addr)
{
	char text[ADDR_TEXT_MAX];

	(void)arg;
	if (!strcmp(ifname, "eth0"))
		return 96 + 24;
	format_addr(addr, text);
	return !strncmp(text, "10.0.1.", 7) ? 96 + 24 : !strncmp(text, "2001:db8:1:", 11) ? 64 : 0;
}

static const struct port_list *fake_host_ports(void *arg, const struct xlb_addr *addr,
					       uint32_t protocol)
{
	struct fake *fake = arg;

	(void)addr;
	(void)protocol;
	return &fake->host_ports;
}

static enum health fake_health(void *arg, const char *group, const char *server,
			       const struct xlb_addr *addr)
{
	const struct fake *fake = arg;

	(void)group;
	(void)addr;
	return named(fake->down, server)    ? HEALTH_DOWN :
	       named(fake->initial, server) ? HEALTH_INITIAL :
					      HEALTH_UP;
}

static bool fake_ever_up(void *arg, const char *group)
{
	(void)group;
	return ((const struct fake *)arg)->ever_up;
}

static struct world world_of(struct fake *fake)
{
	return (struct world){
		.arg = fake,
		.link = fake_link,
		.route = fake_route,
		.neighbour = fake_neighbour,
		.owns_address = fake_owns,
		.on_link = fake_on_link,
		.host_ports = fake_host_ports,
		.health = fake_health,
		.group_ever_up = fake_ever_up,
		.now = 1000,
		.strict = true,
	};
}

#define HEAD \
	"version: 1\n" \
	"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n" \
	"load_balancers:\n" \
	"  edge:\n" \
	"    addresses: [198.51.100.10]\n" \
	"    listeners: {http: {protocol: tcp, port: 80, server_group: web}}\n" \
	"server_groups:\n" \
	"  web:\n"
#define WEB \
	HEAD "    servers: {web1: {address: 10.0.1.11, port: 8080}, web2: {address: 10.0.1.12, port: 8080}}\n"

static struct model *model_of(const char *text)
{
	struct xlb_err err = {};
	struct tree *tree;
	struct model *model;

	if (tree_parse("test.yaml", text, strlen(text), &tree, &err) ||
	    model_from_tree(tree, &model, &err))
		fail_msg("%u:%u: %s", err.line, err.column, err.text);
	tree_free(tree);
	return model;
}

struct fixture {
	struct fake fake;
	struct world world;
	struct ids *ids;
	struct compiled compiled;
	struct xlb_err err;
	int r;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->fake.mac = 1;
	fixture->fake.ever_up = true;
	fixture->world = world_of(&fixture->fake);
	fixture->ids = ids_new();
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	compiled_done(&fixture->compiled);
	ids_free(fixture->ids);
	free(fixture);
	return 0;
}

static void run(struct fixture *fixture, const char *text)
{
	struct model *model = model_of(text);

	compiled_done(&fixture->compiled);
	memset(&fixture->compiled, 0, sizeof(fixture->compiled));
	memset(&fixture->err, 0, sizeof(fixture->err));
	fixture->world.now++;
	fixture->r =
		compile(model, fixture->ids, &fixture->world, &fixture->compiled, &fixture->err);
	model_free(model);
}

static void run_ok(struct fixture *fixture, const char *text)
{
	run(fixture, text);
	if (fixture->r)
		fail_msg("compile: %s", fixture->err.text);
}

static size_t count_rows(const struct fixture *fixture, enum table_id table)
{
	size_t i, n = 0;

	for (i = 0; i < fixture->compiled.rows.count; i++)
		n += fixture->compiled.rows.rows[i].table == table;
	return n;
}

static struct xlb_server server_row(const struct fixture *fixture, uint32_t id)
{
	const struct row *row =
		rows_find(&fixture->compiled.rows, TABLE_SERVER, &(struct row_id){ id });
	struct xlb_server value;

	assert_non_null(row);
	memcpy(&value, row->value, sizeof(value));
	return value;
}

/* Ids in the IPv4 Maglev recipe of the only group, as a bit mask. */
static uint32_t scheduled(const struct fixture *fixture)
{
	const struct row_maglev_key key = { .group = 1, .family = XLB_IPV4 };
	const struct row *row = rows_find(&fixture->compiled.rows, TABLE_MAGLEV, &key);
	const struct maglev_server *servers;
	const struct recipe *recipe;
	uint32_t mask = 0;
	size_t i;

	if (!row)
		return 0;
	recipe = rows_find_recipe(&fixture->compiled.rows, row);
	assert_non_null(recipe);
	servers = recipe->data;
	for (i = 0; i < recipe->size / sizeof(*servers); i++)
		mask |= 1U << servers[i].id;
	return mask;
}

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
