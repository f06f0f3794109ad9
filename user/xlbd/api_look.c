// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/scheduler.h"

void look_done(struct look *look)
{
	struct group_look *group, *next;

	HASH_ITER(hh, look->groups, group, next) {
		HASH_DEL(look->groups, group);
		free(group);
	}
	free(look->listeners);
	free(look->servers);
}

static int health_rank(enum health health)
{
	return health == HEALTH_UP ? 2 : health == HEALTH_INITIAL;
}

static void look_address(struct look *look, const struct server_look *server,
			 const struct xlb_addr *addr, struct address_look *ret)
{
	const char *group = server->group->object.name, *name = server->server->object.name;

	format_addr(addr, ret->text);
	if (checker_status(engine_checker(look->engine), group, name, addr, &ret->check))
		ret->check.health = HEALTH_UP; /* not checked at all */
	ret->id = engine_live_server(look->engine, group, name, addr);
	ret->flows = ret->id ? engine_flows(look->engine, ID_SERVER, ret->id) : 0;
}

/* Of addresses that start together, as they mostly do, each has the same part. */
static void look_start(const struct look *look, uint32_t id, struct slow_start *least)
{
	struct slow_start start;

	if (engine_is_starting(look->engine, id, &start) && start.part < least->part)
		*least = start;
}

void look_server(struct look *look, const struct server *server, struct server_look *ret)
{
	uint32_t i;

	memset(ret, 0, sizeof(*ret));
	ret->server = server;
	ret->group = (const struct server_group *)server->object.parent;
	ret->start.part = 100;
	for (i = 0; i < server->address.count && i < 2; i++) {
		struct address_look *address = &ret->addresses[ret->count++];

		look_address(look, ret, &server->address.addrs[i], address);
		ret->flows += address->flows;
		look_start(look, address->id, &ret->start);
		if (health_rank(address->check.health) >
		    health_rank(ret->addresses[ret->best].check.health))
			ret->best = i;
		if (health_rank(address->check.health) <
		    health_rank(ret->addresses[ret->worst].check.health))
			ret->worst = i;
	}
}

bool look_receives(const struct group_look *group, const struct server_look *server)
{
	enum health health = server->addresses[server->best].check.health;

	if (!server->server->enabled || !server->server->weight ||
	    (*group->taker4 && *group->taker6))
		return false;
	return health == HEALTH_UP || (health == HEALTH_INITIAL && !group->ever_up) ||
	       group->fails_open;
}

double look_weight(const struct server_look *server)
{
	return server->server->weight * server->start.part / 100.0;
}

/* What the scheduler goes by. */
static double scheduled_weight(const struct server_look *server)
{
	return scheduler_weight(server->group, server->server) * server->start.part / 100.0;
}

double look_share(const struct group_look *group, const struct server_look *server)
{
	return group->receiving_weight > 0 && look_receives(group, server) ?
		       scheduled_weight(server) / group->receiving_weight :
		       0;
}

int look_begin(struct look *look, const struct server_group *group)
{
	const char *name = group->object.name;
	struct group_look *ret = calloc(1, sizeof(*ret));
	const struct object *object;
	struct group_flows flows;

	if (!ret)
		return -ENOMEM;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	engine_group_flows(look->engine, name, &flows);
	ret->fails_open = flows.fails_open;
	snprintf(ret->taker4, sizeof(ret->taker4), "%s", flows.ipv4 ? flows.ipv4 : "");
	snprintf(ret->taker6, sizeof(ret->taker6), "%s", flows.ipv6 ? flows.ipv6 : "");
	snprintf(ret->fallback, sizeof(ret->fallback), "%s", group->fallback);
	ret->min_healthy = group->min_healthy;
	ret->ever_up = checker_group_ever_up(engine_checker(look->engine), name);
	TAILQ_FOREACH(object, &group->servers, link)
		ret->servers++;
	HASH_ADD_STR(look->groups, name, ret);
	look->group = ret;
	return 0;
}

void look_count(struct look *look, const struct server_look *server)
{
	struct group_look *group = look_group(look, server->group->object.name);

	group->flows += server->flows;
	if (server->addresses[server->best].check.health == HEALTH_UP)
		group->up++;
	if (server->server->enabled)
		group->weight += server->server->weight;
	if (look_receives(group, server))
		group->receiving_weight += scheduled_weight(server);
}

struct group_look *look_group(struct look *look, const char *name)
{
	struct group_look *group = look->group;

	if (!group || strcmp(group->name, name)) {
		HASH_FIND_STR(look->groups, name, group);
		if (group)
			look->group = group;
	}
	return group;
}

enum server_state look_state(const struct server_look *server)
{
	static const enum server_state by_health[] = {
		[HEALTH_INITIAL] = SERVER_INITIAL,
		[HEALTH_UP] = SERVER_UP,
		[HEALTH_DOWN] = SERVER_DOWN,
	};
	enum health best = server->addresses[server->best].check.health;

	if ((!server->server->enabled || !server->server->weight) && server->flows)
		return SERVER_DRAINING;
	if (!server->server->enabled)
		return SERVER_DISABLED;
	if (best == HEALTH_UP && server->addresses[server->worst].check.health != HEALTH_UP)
		return SERVER_PARTIAL;
	return by_health[best];
}

const char *server_state_word(enum server_state state)
{
	static const char *const words[] = {
		[SERVER_UP] = "up",
		[SERVER_PARTIAL] = "partial",
		[SERVER_DOWN] = "down",
		[SERVER_INITIAL] = "initial",
		[SERVER_DRAINING] = "draining",
		[SERVER_DISABLED] = "disabled",
	};

	return words[state];
}

uint64_t look_load_balancer_flows(const struct look *look, const struct load_balancer *lb)
{
	char text[ADDR_TEXT_MAX];
	uint64_t flows = 0;
	uint32_t i;

	for (i = 0; i < lb->addresses.count; i++) {
		format_addr(&lb->addresses.addrs[i], text);
		flows += engine_flows(look->engine, ID_VIP,
				      engine_live_id(look->engine, ID_VIP, text));
	}
	return flows;
}

void look_row(const struct look *look, const struct address_look *address, struct xlb_server *ret)
{
	const struct id_entry *entry =
		address->id ? ids_by_id(engine_ids(look->engine), ID_SERVER, address->id) : NULL;

	memset(ret, 0, sizeof(*ret));
	if (entry)
		memcpy(ret, entry->frozen, sizeof(*ret));
}

/* Asking the kernel for a NIC costs more than all else about a server, and most share one. */
static const struct host_link *find_link(struct look *look, const char *ifname)
{
	struct xlb_err ignored;

	if (strcmp(look->link.name, ifname) &&
	    host_link(engine_host(look->engine), ifname, &look->link, &ignored)) {
		look->link = (struct host_link){ .ifindex = 0 };
		snprintf(look->link.name, sizeof(look->link.name), "%s", ifname);
	}
	return look->link.ifindex ? &look->link : NULL;
}

/* The key of a next hop's id is "ifname/address". */
bool look_next_hop(struct look *look, uint32_t id, struct next_hop_look *ret)
{
	const struct id_entry *entry = id ? ids_by_id(engine_ids(look->engine), ID_NEXTHOP, id) :
					    NULL;
	const char *slash = entry ? strchr(entry->key, '/') : NULL;
	const struct host_link *link;
	uint8_t mac[6];

	memset(ret, 0, sizeof(*ret));
	if (!slash || slash - entry->key >= IFNAMSIZ || parse_addr(slash + 1, &ret->addr))
		return false;
	snprintf(ret->ifname, IFNAMSIZ, "%.*s", (int)(slash - entry->key), entry->key);
	link = find_link(look, ret->ifname);
	ret->present = link;
	if (link && !host_neighbour(engine_host(look->engine), link->ifindex, &ret->addr, mac))
		snprintf(ret->mac, sizeof(ret->mac), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
			 mac[1], mac[2], mac[3], mac[4], mac[5]);
	return true;
}

const char *look_pool(const struct look *look, const struct xlb_snat_pool *pool, uint32_t *ret_used,
		      uint32_t *ret_total)
{
	const struct id_entry *snat = ids_by_id(engine_ids(look->engine), ID_SNAT, pool->snat);

	return snat && !datapath_bitmap_usage(engine_datapath(look->engine), pool->bitmap, ret_used,
					      ret_total) ?
		       snat->key :
		       NULL;
}

void look_add_counters(struct look *look, enum table_id table, uint32_t id,
		       uint64_t sums[XLB_COUNT_MAX])
{
	struct counter_window **window = table == TABLE_SERVER ? &look->servers : &look->listeners;
	uint32_t limit = table == TABLE_SERVER ? XLB_MAX_SERVERS : XLB_MAX_LISTENERS;
	struct counter_window *read;
	size_t i;

	if (!id || id >= limit)
		return;
	if (!*window)
		*window = calloc(1, sizeof(**window));
	read = *window;
	if (!read)
		return;
	if (id < read->first || id - read->first >= read->count) {
		read->first = id;
		read->count = limit - id < COUNTER_WINDOW ? limit - id : COUNTER_WINDOW;
		if (datapath_flow_counters(engine_datapath(look->engine), table, read->first,
					   read->count, read->counters)) {
			read->count = 0;
			return;
		}
	}
	for (i = 0; i < XLB_COUNT_MAX; i++)
		sums[i] += read->counters[id - read->first][i];
}

uint32_t look_listener_id(const struct look *look, const struct object *listener)
{
	char name[2 * NAME_TEXT_MAX];

	*stpcpy(stpcpy(stpcpy(name, listener->parent->name), "/"), listener->name) = '\0';
	return engine_live_id(look->engine, ID_LISTENER, name);
}
