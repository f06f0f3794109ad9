// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The state of server groups and servers. */
#include <string.h>
#include <time.h>

#include "base/parse.h"
#include "xlbd/api_problems.h"
#include "xlbd/api_view_server.h"

static int health_rank(enum health health)
{
	return health == HEALTH_UP ? 2 : health == HEALTH_INITIAL;
}

static void look_at_address(struct view *view, const struct server_view *server,
			    const struct xlb_addr *addr, struct address_view *ret)
{
	const char *group = server->group->object.name, *name = server->server->object.name;
	char key[ID_KEY_MAX];

	format_addr(addr, ret->text);
	if (checker_status(engine_checker(view->engine), group, name, addr, &ret->check))
		ret->check.health = HEALTH_UP; /* not checked at all */
	snprintf(key, sizeof(key), "%s/%s@%s", group, name, ret->text);
	ret->id = engine_live_id(view->engine, ID_SERVER, key);
	ret->flows = ret->id ? engine_flows(view->engine, ID_SERVER, ret->id) : 0;
}

void view_look_at_server(struct view *view, const struct server *server, struct server_view *ret)
{
	uint32_t i;

	memset(ret, 0, sizeof(*ret));
	ret->server = server;
	ret->group = (const struct server_group *)server->object.parent;
	for (i = 0; i < server->address.count && i < 2; i++) {
		struct address_view *address = &ret->addresses[ret->count++];

		look_at_address(view, ret, &server->address.addrs[i], address);
		ret->flows += address->flows;
		if (health_rank(address->check.health) >
		    health_rank(ret->addresses[ret->best].check.health))
			ret->best = i;
		if (health_rank(address->check.health) <
		    health_rank(ret->addresses[ret->worst].check.health))
			ret->worst = i;
	}
}

bool view_receives(const struct group_view *group, const struct server_view *server)
{
	enum health health = server->addresses[server->best].check.health;

	if (!server->server->enabled || !server->server->weight)
		return false;
	return health == HEALTH_UP || (health == HEALTH_INITIAL && !group->ever_up) ||
	       group->fails_open;
}

static const struct group_view *look_at_group(struct view *view, const struct server_group *group)
{
	struct group_view *ret = &view->group;
	const struct object *object;

	if (ret->group == group)
		return ret;
	memset(ret, 0, sizeof(*ret));
	ret->group = group;
	ret->fails_open = engine_group_fails_open(view->engine, group->object.name);
	ret->ever_up = checker_group_ever_up(engine_checker(view->engine), group->object.name);
	TAILQ_FOREACH(object, &group->servers, link) {
		struct server_view server;

		view_look_at_server(view, (const struct server *)object, &server);
		ret->servers++;
		ret->flows += server.flows;
		if (server.addresses[server.best].check.health == HEALTH_UP)
			ret->up++;
		if (view_receives(ret, &server))
			ret->receiving_weight += server.server->weight;
	}
	return ret;
}

json_t *view_server_group(struct view *view, const struct object *object)
{
	const struct group_view *group = look_at_group(view, (const struct server_group *)object);

	if (view->problems)
		problems_group(view, object->name, group);
	return json_pack("{s:I, s:i, s:i, s:b}", "flows", (json_int_t)group->flows, "up",
			 (int)group->up, "servers", (int)group->servers, "fail_open",
			 group->fails_open);
}

const char *view_server_state(const struct server_view *server)
{
	bool refuses = !server->server->enabled || !server->server->weight;

	if (refuses && server->flows)
		return "draining";
	if (!server->server->enabled)
		return "disabled";
	if (server->addresses[server->best].check.health == HEALTH_UP &&
	    server->addresses[server->worst].check.health != HEALTH_UP)
		return "partial";
	return health_word(server->addresses[server->best].check.health);
}

/* Fill of each SNAT pool that the address uses, by its row in the datapath. */
static json_t *snat_json(struct view *view, const struct xlb_server *row)
{
	const struct ids *ids = engine_ids(view->engine);
	json_t *pools = json_array();
	uint32_t i;

	for (i = 0; i < row->pool_count && i < XLB_SERVER_POOLS; i++) {
		const struct id_entry *snat = ids_by_id(ids, ID_SNAT, row->pools[i].snat);
		uint32_t used = 0, total = 0;

		if (!snat || datapath_bitmap_usage(engine_datapath(view->engine),
						   row->pools[i].bitmap, &used, &total))
			continue;
		json_array_append_new(pools,
				      json_pack("{s:s, s:I, s:I}", "address", snat->key, "used",
						(json_int_t)used, "total", (json_int_t)total));
	}
	return pools;
}

bool next_hop_parse(const char *key, char ret_ifname[IFNAMSIZ], struct xlb_addr *ret)
{
	const char *slash = strchr(key, '/');

	if (!slash || slash - key >= IFNAMSIZ || parse_addr(slash + 1, ret))
		return false;
	snprintf(ret_ifname, IFNAMSIZ, "%.*s", (int)(slash - key), key);
	return true;
}

/* NIC and MAC of the next hop. */
static void next_hop(struct view *view, uint32_t id, char ret_ifname[IFNAMSIZ], char ret_mac[18])
{
	const struct id_entry *entry = id ? ids_by_id(engine_ids(view->engine), ID_NEXTHOP, id) :
					    NULL;
	struct host_link link;
	struct xlb_err ignored;
	struct xlb_addr addr;
	uint8_t mac[6];

	ret_ifname[0] = ret_mac[0] = '\0';
	if (!entry || !next_hop_parse(entry->key, ret_ifname, &addr))
		return;
	if (!host_link(engine_host(view->engine), ret_ifname, &link, &ignored) &&
	    !host_neighbour(engine_host(view->engine), link.ifindex, &addr, mac))
		snprintf(ret_mac, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
			 mac[3], mac[4], mac[5]);
}

static json_t *address_json(struct view *view, const struct address_view *address)
{
	const struct id_entry *entry =
		address->id ? ids_by_id(engine_ids(view->engine), ID_SERVER, address->id) : NULL;
	uint64_t counters[XLB_COUNT_MAX] = {};
	char ifname[IFNAMSIZ], mac[18];
	struct xlb_server row = {};

	if (entry) {
		memcpy(&row, entry->frozen, sizeof(row));
		datapath_server_counters(engine_datapath(view->engine), address->id, counters);
	}
	next_hop(view, row.nexthop, ifname, mac);
	return json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:s?, s:s?}", "address", address->text,
			 "health", health_word(address->check.health), "reason",
			 address->check.reason, "flows", (json_int_t)address->flows, "counters",
			 counters_json(counters), "snat", snat_json(view, &row), "neighbour",
			 mac[0] ? mac : NULL, "interface", ifname[0] ? ifname : NULL);
}

json_t *view_server(struct view *view, const struct object *object)
{
	const struct server *server = (const struct server *)object;
	const struct group_view *group;
	const struct check_status *check;
	struct server_view seen;
	char since[32] = "";
	json_t *addresses = json_array();
	const char *state;
	double share = 0;
	struct tm tm;
	uint32_t i;

	view_look_at_server(view, server, &seen);
	group = look_at_group(view, seen.group);
	check = &seen.addresses[seen.worst].check;
	state = view_server_state(&seen);
	if (group->receiving_weight && view_receives(group, &seen))
		share = 100.0 * server->weight / (double)group->receiving_weight;
	if (check->since && gmtime_r(&(time_t){ (time_t)check->since }, &tm))
		strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &tm);
	for (i = 0; i < seen.count; i++)
		json_array_append_new(addresses, address_json(view, &seen.addresses[i]));
	if (view->problems)
		problems_server(view, &seen, group->servers);
	return json_pack("{s:s, s:s, s:I, s:s, s:s?, s:f, s:o}", "health",
			 health_word(seen.addresses[seen.best].check.health), "state", state,
			 "flows", (json_int_t)seen.flows, "reason", check->reason, "since",
			 since[0] ? since : NULL, "weight_percent", share, "addresses", addresses);
}
