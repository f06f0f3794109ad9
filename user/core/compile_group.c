// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Server groups, servers, next hops, SNAT pools and Maglev recipes to rows. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/compile_private.h"
#include "core/content.h"

/* One address of one server while its group is compiled. */
struct endpoint {
	const struct server *server;
	const struct xlb_addr *addr;
	struct id_entry *entry;
	struct xlb_server value;
	enum health health;
	bool takes_flows; /* enabled and of a weight above 0 */
	bool strict;	  /* what cannot be reached is an error, not waited for */
};

struct endpoints {
	struct endpoint *list; /* owned */
	uint32_t count;
};

static int server_error(struct compiler *c, const struct server_group *group,
			const struct server *server, const char *text)
{
	char pointer[sizeof(c->err->pointer)];

	snprintf(pointer, sizeof(pointer), "/server_groups/%s/servers/%s/address",
		 group->object.name, server->object.name);
	return compile_error(c, pointer, "server %s/%s: %s", group->object.name,
			     server->object.name, text);
}

/*
 * Rows that resolve and name the next hop of `addr`. What cannot be resolved yet gives next hop 0, which
 * drops no_neighbour; the next change of the network compiles again.
 */
static int compile_nexthop(struct compiler *c, const struct world_route *route, uint32_t *ret_id)
{
	struct row_neighbour_key neighbour = { .addr = route->next, .ifindex = route->ifindex };
	struct xlb_nexthop value = {};
	char name[ID_KEY_MAX], text[ADDR_TEXT_MAX];
	struct id_entry *entry;
	uint32_t slot = interface_slot(c, route->ifname);
	int r;

	*ret_id = 0;
	if (!slot)
		return 0;
	format_addr(&route->next, text);
	snprintf(name, sizeof(name), "%s/%s", route->ifname, text);
	r = take_id(c, ID_NEXTHOP, name, &entry);
	if (r)
		return r;
	if (!c->world->neighbour(c->world->arg, route->ifindex, &route->next, value.mac))
		value.interface = (uint16_t)slot;
	r = emit_once(c, TABLE_NEIGHBOUR, &neighbour, &(struct row_flags){ 0 });
	if (!r)
		r = emit_once(c, TABLE_NEXTHOP, &(struct row_id){ entry->id }, &value);
	if (!r)
		*ret_id = entry->id;
	return r;
}

static int add_pool(struct compiler *c, const struct server_group *group, struct xlb_server *server,
		    const struct xlb_addr *source, bool named)
{
	struct frozen_snat frozen = { .value.addr = *source, .named = named };
	struct row_bitmap range = { .from = group->snat_ports.from, .to = group->snat_ports.to };
	struct xlb_snat_pool *pool = &server->pools[server->pool_count];
	char name[ID_KEY_MAX], snat_text[ADDR_TEXT_MAX], server_text[ADDR_TEXT_MAX];
	struct id_entry *snat, *bitmap;
	struct xlb_address *role;
	int r;

	format_addr(source, snat_text);
	format_addr(&server->addr, server_text);
	r = take_id(c, ID_SNAT, snat_text, &snat);
	if (r)
		return r;
	snprintf(name, sizeof(name), "%s/%s/%u-%u", server_text, snat_text, range.from, range.to);
	r = take_id(c, ID_BITMAP, name, &bitmap);
	if (r)
		return r;
	snat->drain = bitmap->drain = UINT64_MAX;
	memcpy(snat->frozen, &frozen, sizeof(frozen));
	memcpy(bitmap->frozen, &range, sizeof(range));
	role = role_of(c, source);
	if (!role)
		return -ENOMEM;
	role->snat = (uint16_t)snat->id;
	r = emit_once(c, TABLE_SNAT, &(struct row_id){ snat->id }, &frozen.value);
	if (!r)
		r = emit_once(c, TABLE_BITMAP, &(struct row_id){ bitmap->id }, &range);
	if (r)
		return r;
	pool->snat = (uint16_t)snat->id;
	pool->bitmap = (uint16_t)bitmap->id;
	server->pool_count++;
	return 0;
}

/* SNAT addresses the group names, of the server's family; the host is made to answer for them. */
static int add_named_pools(struct compiler *c, const struct server_group *group,
			   struct xlb_server *server, const struct world_route *route)
{
	char pointer[sizeof(c->err->pointer)];
	uint32_t i;
	int r = 0;

	snprintf(pointer, sizeof(pointer), "/server_groups/%s/snat/addresses", group->object.name);
	for (i = 0; !r && i < group->snat_addresses.count; i++) {
		const struct xlb_addr *source = &group->snat_addresses.addrs[i];

		if (addr_family(source) != server->family)
			continue;
		if (server->pool_count == XLB_SERVER_POOLS)
			return compile_error(
				c, pointer,
				"server group %s names more than %d SNAT addresses of one family",
				group->object.name, XLB_SERVER_POOLS);
		r = add_pool(c, group, server, source, true);
		if (!r && route)
			r = emit_owned_address(c, source, route->ifname);
	}
	return r;
}

/* The pools it had: what a server keeps while its route is away (a link flap), so that it stays the same server. */
static int keep_pools(struct compiler *c, const struct server_group *group,
		      struct endpoint *endpoint)
{
	struct xlb_server old;
	uint32_t i;
	int r = 0;

	memcpy(&old, endpoint->entry->frozen, sizeof(old));
	for (i = 0; !r && i < old.pool_count && i < XLB_SERVER_POOLS; i++) {
		struct id_entry *snat = ids_by_id(c->ids, ID_SNAT, old.pools[i].snat);
		struct frozen_snat frozen;

		if (!snat)
			continue;
		memcpy(&frozen, snat->frozen, sizeof(frozen));
		r = add_pool(c, group, &endpoint->value, &frozen.value.addr, false);
	}
	return r;
}

static bool addr_is_zero(const struct xlb_addr *addr)
{
	static const struct xlb_addr zero, zero4 = { .bytes = { [10] = 0xff, [11] = 0xff } };

	return addr_equal(addr, &zero) || addr_equal(addr, &zero4);
}

static bool addr_is_vip(const struct compiler *c, const struct xlb_addr *addr)
{
	const struct object *object;
	uint32_t i;

	TAILQ_FOREACH(object, &c->model->load_balancers, link) {
		const struct load_balancer *lb = (const struct load_balancer *)object;

		for (i = 0; i < lb->addresses.count; i++)
			if (addr_equal(&lb->addresses.addrs[i], addr) &&
			    !c->world->owns_address(c->world->arg, addr))
				return true;
	}
	return false;
}

static int add_route_pool(struct compiler *c, const struct server_group *group,
			  struct endpoint *endpoint, const struct world_route *route)
{
	char text[300], pointer[sizeof(c->err->pointer)];

	if (!addr_is_zero(&route->source) && !addr_is_vip(c, &route->source))
		return add_pool(c, group, &endpoint->value, &route->source, false);
	if (!endpoint->strict)
		return keep_pools(c, group, endpoint);
	snprintf(pointer, sizeof(pointer), "/server_groups/%s/snat/addresses", group->object.name);
	snprintf(
		text, sizeof(text),
		"server %s/%s: the route through %s has no source address of its own: give the interface an address, or set snat.addresses",
		group->object.name, endpoint->server->object.name, route->ifname);
	return compile_error(c, pointer, "%s", text);
}

/* Route, next hop and SNAT pools of one server address. */
static int compile_path(struct compiler *c, const struct server_group *group,
			struct endpoint *endpoint)
{
	struct world_route route = {};
	char text[300], addr[ADDR_TEXT_MAX];
	bool routed = !c->world->route(c->world->arg, endpoint->addr, &route);
	int r;

	format_addr(endpoint->addr, addr);
	if (endpoint->strict && !routed) {
		snprintf(text, sizeof(text), "no route to %s", addr);
		return server_error(c, group, endpoint->server, text);
	}
	if (endpoint->strict && route.local) {
		snprintf(text, sizeof(text),
			 "%s is an address of this host; a server must be another machine", addr);
		return server_error(c, group, endpoint->server, text);
	}
	if (endpoint->strict && !interface_slot(c, route.ifname)) {
		snprintf(text, sizeof(text), "%s is reached through %s, which is not attached",
			 addr, route.ifname);
		r = server_error(c, group, endpoint->server, text);
		xlb_err_hint(c->err, "xlbctl attach %s", route.ifname);
		return r;
	}
	if (routed && !route.local) {
		r = compile_nexthop(c, &route, &endpoint->value.nexthop);
		if (r)
			return r;
	}
	if (group->snat_addresses.count)
		r = add_named_pools(c, group, &endpoint->value, routed ? &route : NULL);
	else
		r = routed && !route.local ? add_route_pool(c, group, endpoint, &route) :
					     keep_pools(c, group, endpoint);
	return r;
}

static void key_of_server(const struct server_group *group, const struct endpoint *endpoint,
			  char key[ID_KEY_MAX])
{
	char addr[ADDR_TEXT_MAX], snat[ADDR_TEXT_MAX];
	uint64_t pools = 0;
	uint32_t i;

	format_addr(endpoint->addr, addr);
	for (i = 0; i < group->snat_addresses.count; i++) {
		format_addr(&group->snat_addresses.addrs[i], snat);
		pools ^= content_hash_text(snat);
	}
	snprintf(key, ID_KEY_MAX, "%s/%s@%s port=%u forward=%u snat=%016llx ports=%u-%u",
		 group->object.name, endpoint->server->object.name, addr, endpoint->server->port,
		 group->forward, (unsigned long long)pools, group->snat_ports.from,
		 group->snat_ports.to);
}

/* What a server that takes no more flows does with those it has. */
static void update_draining(struct compiler *c, struct endpoint *endpoint,
			    const struct server_group *group)
{
	struct id_entry *entry = endpoint->entry;
	uint64_t now = c->world->now;

	entry->drain = group->drain_timeout == UINT64_MAX ? UINT64_MAX :
							    (group->drain_timeout + 999) / 1000;
	if (endpoint->takes_flows == entry->draining)
		ids_note_change(c->ids);
	if (endpoint->takes_flows) {
		entry->draining = false;
		entry->since = 0;
		entry->deadline = UINT64_MAX;
		return;
	}
	if (!entry->draining) {
		entry->draining = true;
		entry->since = now;
		entry->deadline = c->world->cut_now ? now : UINT64_MAX;
	}
	if (entry->deadline > entry->since) /* else it was cut by the user's wish */
		entry->deadline = entry->drain == UINT64_MAX ? UINT64_MAX :
							       entry->since + entry->drain;
	if (now >= entry->deadline)
		endpoint->value.flags |= XLB_SERVER_RESET;
}

static int compile_endpoint(struct compiler *c, const struct server_group *group,
			    struct endpoint *endpoint)
{
	const struct id_entry *known;
	char key[ID_KEY_MAX];
	int r;

	endpoint->value.addr = *endpoint->addr;
	endpoint->value.family = addr_family(endpoint->addr);
	endpoint->value.port = htons((uint16_t)endpoint->server->port);
	endpoint->value.mode = (uint8_t)group->forward;
	endpoint->takes_flows = endpoint->server->enabled && endpoint->server->weight > 0;
	endpoint->health = c->world->health(c->world->arg, group->object.name,
					    endpoint->server->object.name, endpoint->addr);
	key_of_server(group, endpoint, key);
	known = ids_find(c->ids, ID_SERVER, key);
	endpoint->strict = c->world->strict && !(known && known->live);
	r = take_id(c, ID_SERVER, key, &endpoint->entry);
	if (r)
		return r;
	r = compile_path(c, group, endpoint);
	if (!r)
		update_draining(c, endpoint, group);
	return r;
}

/*
 * Who of a family gets new flows: those that are up; before any server of the group ever was up, those not
 * checked yet; if that is nobody, everybody (fail open) or nobody.
 */
static bool is_fit(enum health health, bool ever_up)
{
	return health == HEALTH_UP || (health == HEALTH_INITIAL && !ever_up);
}

static uint32_t choose(const struct endpoints *endpoints, uint8_t family, bool ever_up, bool all,
		       struct maglev_server *ret)
{
	uint32_t i, n = 0;

	for (i = 0; i < endpoints->count; i++) {
		const struct endpoint *endpoint = &endpoints->list[i];

		if (endpoint->value.family != family || !endpoint->takes_flows ||
		    !(all || is_fit(endpoint->health, ever_up)))
			continue;
		ret[n].name_hash = content_hash_text(endpoint->server->object.name);
		ret[n].weight = endpoint->server->weight;
		ret[n++].id = endpoint->entry->id;
	}
	return n;
}

bool compile_fails_open(const struct server_group *group, const struct world *world)
{
	bool fit[2] = {}, down[2] = {},
	     ever_up = world->group_ever_up(world->arg, group->object.name);
	const struct object *object;
	uint32_t i;

	TAILQ_FOREACH(object, &group->servers, link) {
		const struct server *server = (const struct server *)object;

		for (i = 0; server->enabled && server->weight && i < server->address.count; i++) {
			const struct xlb_addr *addr = &server->address.addrs[i];
			bool v6 = addr_family(addr) == XLB_IPV6;
			enum health health =
				world->health(world->arg, group->object.name, object->name, addr);

			*(is_fit(health, ever_up) ? &fit[v6] : &down[v6]) = true;
		}
	}
	return group->fail_open && ((down[0] && !fit[0]) || (down[1] && !fit[1]));
}

static int compile_scheduler(struct compiler *c, const struct server_group *group,
			     uint32_t group_id, struct endpoints *endpoints, uint8_t family)
{
	struct row_maglev_key key = { .group = group_id, .family = family };
	AUTO_FREE struct maglev_server *chosen = calloc(endpoints->count + 1, sizeof(*chosen));
	bool ever_up = c->world->group_ever_up(c->world->arg, group->object.name);
	uint32_t i, n, fail_open = 0; /* how many it takes in */
	bool down = false;

	if (!chosen)
		return no_memory(c);
	n = choose(endpoints, family, ever_up, false, chosen);
	if (!n && group->fail_open)
		n = fail_open = choose(endpoints, family, ever_up, true, chosen);
	for (i = 0; i < endpoints->count; i++) {
		struct endpoint *endpoint = &endpoints->list[i];

		if (endpoint->value.family != family || endpoint->health != HEALTH_DOWN)
			continue;
		down = true;
		if (fail_open)
			continue; /* its UDP flows have nowhere better to go */
		endpoint->value.flags |= XLB_SERVER_DOWN;
		if (group->on_down == ON_DOWN_RESET)
			endpoint->value.flags |= XLB_SERVER_RESET;
	}
	if (fail_open && down) {
		c->fail_open_groups++;
		fprintf(c->warnings,
			"group %s: FAIL-OPEN: no IPv%u server is up, sending to all of them\n",
			group->object.name, family);
	}
	return n ? emit_recipe(c, TABLE_MAGLEV, &key, chosen, n * sizeof(*chosen)) : 0;
}

/* Freezes and emits the servers once the scheduler has set their flags. */
static int emit_servers(struct compiler *c, const struct endpoints *endpoints)
{
	uint32_t i;
	int r = 0;

	for (i = 0; !r && i < endpoints->count; i++) {
		struct endpoint *endpoint = &endpoints->list[i];

		memcpy(endpoint->entry->frozen, &endpoint->value, sizeof(endpoint->value));
		r = emit(c, TABLE_SERVER, &(struct row_id){ endpoint->entry->id },
			 &endpoint->value);
	}
	return r;
}

static int collect_endpoints(struct compiler *c, const struct server_group *group,
			     struct endpoints *ret)
{
	const struct object *object;
	uint32_t i, n = 0;
	int r;

	TAILQ_FOREACH(object, &group->servers, link)
		n += ((const struct server *)object)->address.count;
	ret->list = calloc(n + 1, sizeof(*ret->list));
	if (!ret->list)
		return no_memory(c);
	TAILQ_FOREACH(object, &group->servers, link) {
		const struct server *server = (const struct server *)object;

		for (i = 0; i < server->address.count; i++) {
			struct endpoint *endpoint = &ret->list[ret->count++];

			endpoint->server = server;
			endpoint->addr = &server->address.addrs[i];
			r = compile_endpoint(c, group, endpoint);
			if (r)
				return r;
		}
	}
	return 0;
}

static int compile_group(struct compiler *c, const struct server_group *group)
{
	struct endpoints endpoints = {};
	struct id_entry *entry;
	int r;

	r = take_id(c, ID_GROUP, group->object.name, &entry);
	if (!r)
		r = collect_endpoints(c, group, &endpoints);
	if (!r)
		r = compile_scheduler(c, group, entry->id, &endpoints, XLB_IPV4);
	if (!r)
		r = compile_scheduler(c, group, entry->id, &endpoints, XLB_IPV6);
	if (!r)
		r = emit_servers(c, &endpoints);
	free(endpoints.list);
	return r;
}

static bool group_has_family(const struct server_group *group, uint8_t family)
{
	const struct object *object;
	uint32_t i;

	TAILQ_FOREACH(object, &group->servers, link) {
		const struct server *server = (const struct server *)object;

		for (i = 0; i < server->address.count; i++)
			if (addr_family(&server->address.addrs[i]) == family)
				return true;
	}
	return false;
}

/* Works, but some clients of a VIP will find nobody: said once per listener and address. */
static void warn_of_families(struct compiler *c, const struct load_balancer *lb)
{
	const struct object *object;
	uint32_t i;

	TAILQ_FOREACH(object, &lb->listeners, link) {
		const struct listener *listener = (const struct listener *)object;
		const struct server_group *group = model_group(c->model, listener->server_group);

		for (i = 0; group && listener->enabled && i < lb->addresses.count; i++) {
			uint8_t family = addr_family(&lb->addresses.addrs[i]);

			if (!group_has_family(group, family))
				fprintf(c->warnings,
					"listener %s/%s: group %s has no IPv%u server, IPv%u clients get no_server\n",
					lb->object.name, object->name, group->object.name, family,
					family);
		}
	}
}

int compile_groups(struct compiler *c)
{
	const struct object *object;
	int r;

	TAILQ_FOREACH(object, &c->model->server_groups, link) {
		r = compile_group(c, (const struct server_group *)object);
		if (r)
			return r;
	}
	TAILQ_FOREACH(object, &c->model->load_balancers, link)
		warn_of_families(c, (const struct load_balancer *)object);
	return 0;
}

struct retired {
	struct compiler *c;
	int r;
};

/* The named SNAT addresses of a retired server stay on the host: its flows come from them. */
static int keep_named_addresses(struct compiler *c, const struct xlb_server *server,
				const char *ifname)
{
	uint32_t i;
	int r = 0;

	for (i = 0; !r && i < server->pool_count && i < XLB_SERVER_POOLS; i++) {
		struct id_entry *snat = ids_by_id(c->ids, ID_SNAT, server->pools[i].snat);
		struct frozen_snat frozen;

		if (!snat)
			continue;
		memcpy(&frozen, snat->frozen, sizeof(frozen));
		if (frozen.named)
			r = emit_owned_address(c, &frozen.value.addr, ifname);
	}
	return r;
}

/* A server that is gone from the configuration: its flows go on to it until they end or its time is up. */
static void retired_server(void *arg, struct id_entry *entry)
{
	struct retired *retired = arg;
	struct compiler *c = retired->c;
	struct world_route route = {};
	struct xlb_server value;
	uint64_t deadline;

	if (ids_is_touched(c->ids, entry) || retired->r)
		return;
	memcpy(&value, entry->frozen, sizeof(value));
	value.nexthop = 0;
	value.flags = 0;
	if (!c->world->route(c->world->arg, &value.addr, &route) && !route.local)
		retired->r = compile_nexthop(c, &route, &value.nexthop);
	if (!retired->r && value.nexthop)
		retired->r = keep_named_addresses(c, &value, route.ifname);
	deadline = entry->live ? retirement_deadline(c->world, entry) : entry->deadline;
	if (c->world->now >= deadline)
		value.flags |= XLB_SERVER_RESET;
	if (!retired->r)
		retired->r = emit(c, TABLE_SERVER, &(struct row_id){ entry->id }, &value);
}

int compile_retired_servers(struct compiler *c)
{
	struct retired retired = { .c = c };

	ids_each(c->ids, ID_SERVER, retired_server, &retired);
	return retired.r;
}
