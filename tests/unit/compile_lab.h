/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A world made of a few tables to compile configuration texts against. Included by one file of a test program. */
#ifndef XLB_TESTS_COMPILE_LAB_H
#define XLB_TESTS_COMPILE_LAB_H

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

/*
 * The fake world: 10.0.1.0/24 and 2001:db8:1::/64 behind eth1, 10.0.2.0/24 behind the router 10.0.1.254 there,
 * the rest of 198.51.100.0/24 behind eth0.
 */
struct fake {
	bool eth1_down, route_away;
	const char *down[4], *initial[4]; /* servers by name, down ones by an address as well */
	bool ever_up;
	const char *own[4]; /* addresses of the host */
	uint64_t served[8]; /* ms, by server id */
	uint8_t mac;	    /* last byte of every neighbour's MAC */
	struct port_list host_ports;
	/* on and below eth0 */
	const struct vlan_device *vlans;
	const struct bond_port *ports;
	uint32_t vlan_count, port_count;
};

static inline bool named(const char *const *names, const char *name)
{
	int i;

	for (i = 0; i < 4 && names[i]; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static inline int fake_link(void *arg, const char *ifname, struct world_link *ret)
{
	const struct fake *fake = arg;

	if (strcmp(ifname, "eth0") && (strcmp(ifname, "eth1") || fake->eth1_down))
		return -ENODEV;
	*ret = (struct world_link){ .ifindex = (uint32_t)(ifname[3] - '0' + 2),
				    .mtu = 1500,
				    .mac = { 2 },
				    .vlan_settings = 1U << XLB_SETTING_RX_VLAN };
	if (strcmp(ifname, "eth0"))
		return 0;
	ret->vlans = fake->vlans;
	ret->vlan_count = fake->vlan_count;
	ret->ports = fake->ports;
	ret->port_count = fake->port_count;
	return 0;
}

static inline void fake_below_vlans(void *arg, const char *ifname, char ret[IFNAMSIZ])
{
	(void)arg;
	snprintf(ret, IFNAMSIZ, "%.*s", (int)strcspn(ifname, "."), ifname);
}

static inline int fake_route(void *arg, const struct xlb_addr *addr, struct world_route *ret)
{
	const struct fake *fake = arg;
	char text[ADDR_TEXT_MAX];
	bool servers, routed;

	format_addr(addr, text);
	routed = !strncmp(text, "10.0.2.", 7);
	servers = routed || !strncmp(text, "10.0.1.", 7) || !strncmp(text, "2001:db8:1:", 11);
	if ((servers && fake->route_away) || (!servers && strncmp(text, "198.51.100.", 11)))
		return -ENETUNREACH;
	*ret = (struct world_route){ .ifindex = servers ? 3 : 2, .next = *addr };
	if (routed)
		parse_addr("10.0.1.254", &ret->next);
	strcpy(ret->ifname, servers ? "eth1" : "eth0");
	parse_addr(addr_family(addr) == XLB_IPV6 ? "2001:db8:1::1" :
		   servers			 ? "10.0.1.1" :
						   "198.51.100.1",
		   &ret->source);
	ret->local = addr_equal(addr, &ret->source);
	return 0;
}

static inline int fake_neighbour(void *arg, uint32_t ifindex, const struct xlb_addr *addr,
				 uint8_t ret_mac[6])
{
	const struct fake *fake = arg;

	(void)ifindex;
	if (!fake->mac)
		return -ENOENT;
	memcpy(ret_mac, (uint8_t[]){ 2, 0, 0, 0, addr->bytes[15], fake->mac }, 6);
	return 0;
}

static inline bool fake_owns(void *arg, const struct xlb_addr *addr)
{
	const struct fake *fake = arg;
	char text[ADDR_TEXT_MAX];

	format_addr(addr, text);
	return named(fake->own, text);
}

static inline uint8_t fake_on_link(void *arg, const char *ifname, const struct xlb_addr *addr)
{
	char text[ADDR_TEXT_MAX];

	(void)arg;
	if (!strcmp(ifname, "eth0"))
		return 96 + 24;
	format_addr(addr, text);
	return !strncmp(text, "10.0.1.", 7) ? 96 + 24 : !strncmp(text, "2001:db8:1:", 11) ? 64 : 0;
}

static inline const struct port_list *fake_host_ports(void *arg, const struct xlb_addr *addr,
						      uint32_t protocol)
{
	struct fake *fake = arg;

	(void)addr;
	(void)protocol;
	return &fake->host_ports;
}

static inline enum health fake_health(void *arg, const char *group, const char *server,
				      const struct xlb_addr *addr)
{
	const struct fake *fake = arg;
	char text[ADDR_TEXT_MAX];

	(void)group;
	format_addr(addr, text);
	return named(fake->down, server) || named(fake->down, text) ? HEALTH_DOWN :
	       named(fake->initial, server)			    ? HEALTH_INITIAL :
								      HEALTH_UP;
}

static inline bool fake_ever_up(void *arg, const char *group)
{
	(void)group;
	return ((const struct fake *)arg)->ever_up;
}

static inline uint64_t fake_served(void *arg, uint32_t server)
{
	const struct fake *fake = arg;

	return server < 8 ? fake->served[server] : 0;
}

static inline struct world world_of(struct fake *fake)
{
	return (struct world){
		.arg = fake,
		.link = fake_link,
		.below_vlans = fake_below_vlans,
		.route = fake_route,
		.neighbour = fake_neighbour,
		.owns_address = fake_owns,
		.on_link = fake_on_link,
		.host_ports = fake_host_ports,
		.health = fake_health,
		.group_ever_up = fake_ever_up,
		.served = fake_served,
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

static inline struct model *model_of(const char *text)
{
	struct xlb_err err = {};
	struct tree *tree = NULL;
	struct model *model = NULL;

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

static inline int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->fake.mac = 1;
	fixture->fake.ever_up = true;
	fixture->world = world_of(&fixture->fake);
	fixture->ids = ids_new();
	*state = fixture;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *fixture = *state;

	compiled_done(&fixture->compiled);
	ids_free(fixture->ids);
	free(fixture);
	return 0;
}

static inline void run(struct fixture *fixture, const char *text)
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

static inline void run_ok(struct fixture *fixture, const char *text)
{
	run(fixture, text);
	if (fixture->r)
		fail_msg("compile: %s", fixture->err.text);
}

static inline size_t count_rows(const struct fixture *fixture, enum table_id table)
{
	size_t i, n = 0;

	for (i = 0; i < fixture->compiled.rows.count; i++)
		n += fixture->compiled.rows.rows[i].table == table;
	return n;
}

static inline struct xlb_server server_row(const struct fixture *fixture, uint32_t id)
{
	const struct row *row =
		rows_find(&fixture->compiled.rows, TABLE_SERVER, &(struct row_id){ id });
	struct xlb_server value;

	assert_non_null(row);
	memcpy(&value, row->value, sizeof(value));
	return value;
}

/* Ids in the Maglev recipe of the only group for clients of the family, as a bit mask. */
static inline uint32_t scheduled_for(const struct fixture *fixture, uint8_t family)
{
	const struct row_maglev_key key = { .group = 1, .family = family };
	const struct row *row = rows_find(&fixture->compiled.rows, TABLE_MAGLEV, &key);
	const struct schedule *schedule;
	const struct recipe *recipe;
	uint32_t mask = 0;
	size_t i;

	if (!row)
		return 0;
	recipe = rows_find_recipe(&fixture->compiled.rows, row);
	assert_non_null(recipe);
	schedule = recipe->data;
	for (i = 0; i < schedule_count(recipe->size); i++)
		mask |= 1U << schedule->servers[i].id;
	return mask;
}

static inline uint32_t scheduled(const struct fixture *fixture)
{
	return scheduled_for(fixture, XLB_IPV4);
}

#endif
