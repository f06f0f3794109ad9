// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Servers to rows: the way to each of their addresses, SNAT pools, what draining ones do. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "core/compile_private.h"
#include "core/content.h"

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
static int compile_nexthop(struct compiler *c, const struct world_route *route, uint16_t *ret_id)
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
		*ret_id = (uint16_t)entry->id;
	return r;
}

/* The id of an address of xlb's that servers see as their peer, with the rows that make it one. */
static int take_snat(struct compiler *c, const struct xlb_addr *source, bool named,
		     uint16_t *ret_id)
{
	struct frozen_snat frozen = { .value.addr = *source, .named = named };
	struct xlb_address *role = role_of(c, source);
	char text[ADDR_TEXT_MAX];
	struct id_entry *entry;
	int r;

	if (!role)
		return -ENOMEM;
	format_addr(source, text);
	r = take_id(c, ID_SNAT, text, &entry);
	if (r)
		return r;
	entry->drain = UINT64_MAX;
	memcpy(entry->frozen, &frozen, sizeof(frozen));
	*ret_id = role->snat = (uint16_t)entry->id;
	return emit_once(c, TABLE_SNAT, &(struct row_id){ entry->id }, &frozen.value);
}

static int add_pool(struct compiler *c, const struct server_group *group, struct xlb_server *server,
		    const struct xlb_addr *source, bool named)
{
	struct row_bitmap range = { .from = group->snat_ports.from, .to = group->snat_ports.to };
	struct xlb_snat_pool *pool = &server->pools[server->pool_count];
	char name[ID_KEY_MAX], snat_text[ADDR_TEXT_MAX], server_text[ADDR_TEXT_MAX];
	struct id_entry *bitmap;
	int r;

	r = take_snat(c, source, named, &pool->snat);
	if (!r)
		server->pool_count++;
	/* the source of an outer header has no ports to give */
	if (r || !xlb_mode_has(group->forward, XLB_MODE_SNAT))
		return r;
	format_addr(source, snat_text);
	format_addr(&server->addr, server_text);
	snprintf(name, sizeof(name), "%s/%s/%u-%u", server_text, snat_text, range.from, range.to);
	r = take_id(c, ID_BITMAP, name, &bitmap);
	if (r)
		return r;
	bitmap->drain = UINT64_MAX;
	memcpy(bitmap->frozen, &range, sizeof(range));
	pool->bitmap = (uint16_t)bitmap->id;
	return emit_once(c, TABLE_BITMAP, &(struct row_id){ bitmap->id }, &range);
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
	bool snat = xlb_mode_has(group->forward, XLB_MODE_SNAT);
	char text[300], pointer[sizeof(c->err->pointer)];

	if (!addr_is_zero(&route->source) && !addr_is_vip(c, &route->source))
		return add_pool(c, group, &endpoint->value, &route->source, false);
	if (!endpoint->strict)
		return keep_pools(c, group, endpoint);
	snprintf(pointer, sizeof(pointer), "/server_groups/%s/%s", group->object.name,
		 snat ? "snat/addresses" : "forward");
	snprintf(
		text, sizeof(text),
		"server %s/%s: the route through %s has no source address of its own: give the interface an address%s",
		group->object.name, endpoint->server->object.name, route->ifname,
		snat ? ", or set snat.addresses" : "");
	return compile_error(c, pointer, "%s", text);
}

/* What a user is told at once about a server that no packet would reach. */
static int refuse_unreachable(struct compiler *c, const struct server_group *group,
			      const struct endpoint *endpoint, const struct world_route *route)
{
	char text[300], addr[ADDR_TEXT_MAX], gateway[ADDR_TEXT_MAX], nic[IFNAMSIZ];
	int r;

	format_addr(endpoint->addr, addr);
	if (!route) {
		snprintf(text, sizeof(text), "no route to %s", addr);
		return server_error(c, group, endpoint->server, text);
	}
	if (route->local) {
		snprintf(text, sizeof(text),
			 "%s is an address of this host; a server must be another machine", addr);
		return server_error(c, group, endpoint->server, text);
	}
	if (!interface_slot(c, route->ifname)) {
		snprintf(text, sizeof(text), "%s is reached through %s, which is not attached",
			 addr, route->ifname);
		r = server_error(c, group, endpoint->server, text);
		c->world->below_vlans(c->world->arg, route->ifname, nic);
		xlb_err_hint(c->err, "xlbctl attach %s", nic);
		return r;
	}
	if (!xlb_mode_has(group->forward, XLB_MODE_ON_LINK) ||
	    addr_equal(&route->next, endpoint->addr))
		return 0;
	format_addr(&route->next, gateway);
	snprintf(text, sizeof(text),
		 "%s is behind the router %s; with forward: %s a server is on a link of xlb", addr,
		 gateway, mode_word(group->forward));
	r = server_error(c, group, endpoint->server, text);
	xlb_err_hint(c->err, "forward: tunnel reaches servers behind routers");
	return r;
}

/* SNAT pools of one server address, or the source of the header that its packets get. */
static int compile_pools(struct compiler *c, const struct server_group *group,
			 struct endpoint *endpoint, const struct world_route *route)
{
	int r;

	if (!xlb_mode_has(group->forward, XLB_MODE_SNAT | XLB_MODE_ENCAP))
		return 0;
	r = add_named_pools(c, group, &endpoint->value, route);
	if (r || endpoint->value.pool_count)
		return r;
	/* the group names none of the server's family */
	return route && !route->local ? add_route_pool(c, group, endpoint, route) :
					keep_pools(c, group, endpoint);
}

/* Clients on the server's own network would be answered past xlb. */
static void compile_neighbourhood(struct compiler *c, const struct server_group *group,
				  struct endpoint *endpoint, const struct world_route *route)
{
	struct xlb_server old;

	if (!xlb_mode_has(group->forward, XLB_MODE_RETURNS))
		return;
	memcpy(&old, endpoint->entry->frozen, sizeof(old));
	endpoint->value.near_bits = old.near_bits;
	if (route && !route->local)
		endpoint->value.near_bits =
			addr_equal(&route->next, endpoint->addr) ?
				c->world->on_link(c->world->arg, route->ifname, endpoint->addr) :
				0;
}

/* Route, next hop and SNAT pools of one server address. */
static int compile_path(struct compiler *c, const struct server_group *group,
			struct endpoint *endpoint)
{
	struct world_route found = {}, *route = NULL;
	int r = 0;

	if (!c->world->route(c->world->arg, endpoint->addr, &found))
		route = &found;
	if (endpoint->strict)
		r = refuse_unreachable(c, group, endpoint, route);
	if (!r && route && !route->local)
		r = compile_nexthop(c, route, &endpoint->value.nexthop);
	if (r)
		return r;
	compile_neighbourhood(c, group, endpoint, route);
	return compile_pools(c, group, endpoint, route);
}

static void key_of_server(const struct server_group *group, const struct server *server,
			  const struct xlb_addr *server_addr, char key[ID_KEY_MAX])
{
	char addr[ADDR_TEXT_MAX], snat[ADDR_TEXT_MAX];
	uint64_t pools = 0;
	uint32_t i;

	format_addr(server_addr, addr);
	for (i = 0; i < group->snat_addresses.count; i++) {
		format_addr(&group->snat_addresses.addrs[i], snat);
		pools ^= content_hash_text(snat);
	}
	snprintf(key, ID_KEY_MAX,
		 "%s/%s@%s port=%u forward=%u encapsulation=%u snat=%016llx ports=%u-%u",
		 group->object.name, server->object.name, addr, server->port, group->forward,
		 xlb_mode_has(group->forward, XLB_MODE_ENCAP) ? group->encapsulation : 0,
		 (unsigned long long)pools, group->snat_ports.from, group->snat_ports.to);
}

struct id_entry *find_server_id(const struct compiler *c, const struct server_group *group,
				const struct server *server, const struct xlb_addr *addr)
{
	char key[ID_KEY_MAX];

	key_of_server(group, server, addr, key);
	return ids_find(c->ids, ID_SERVER, key);
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

int compile_endpoint(struct compiler *c, const struct server_group *group,
		     struct endpoint *endpoint)
{
	const struct id_entry *known;
	char key[ID_KEY_MAX];
	int r;

	endpoint->value.addr = *endpoint->addr;
	endpoint->value.family = addr_family(endpoint->addr);
	if (!xlb_mode_has(group->forward, XLB_MODE_DIRECT))
		endpoint->value.port = htons((uint16_t)endpoint->server->port);
	endpoint->value.mode = (uint8_t)group->forward;
	if (xlb_mode_has(group->forward, XLB_MODE_ENCAP))
		endpoint->value.encapsulation = (uint8_t)group->encapsulation;
	if (group->hash == HASH_QUIC)
		endpoint->value.flags |= XLB_SERVER_QUIC;
	if (group_is_metered(c, group))
		endpoint->value.flags |= XLB_SERVER_METERED;
	endpoint->takes_flows = takes_flows(endpoint->server);
	endpoint->health = c->world->health(c->world->arg, group->object.name,
					    endpoint->server->object.name, endpoint->addr);
	key_of_server(group, endpoint->server, endpoint->addr, key);
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

int emit_server(struct compiler *c, struct id_entry *entry, const struct xlb_server *value)
{
	struct xlb_address *role;

	if (xlb_mode_has(value->mode, XLB_MODE_RETURNS)) {
		role = role_of(c, &value->addr);
		if (!role)
			return -ENOMEM;
		role->flags |= XLB_ADDRESS_RETURNS;
	}
	return emit(c, TABLE_SERVER, &(struct row_id){ entry->id }, value);
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

/*
 * The source of a retired server's outer header. Its flows have none of their own, so nothing else would keep
 * the id from becoming another address's.
 */
static int keep_outer_source(struct compiler *c, const struct xlb_server *server)
{
	struct id_entry *snat = ids_by_id(c->ids, ID_SNAT, server->pools[0].snat);
	struct frozen_snat frozen;
	uint16_t id;

	if (!snat || !server->pool_count || !xlb_mode_has(server->mode, XLB_MODE_ENCAP))
		return 0;
	memcpy(&frozen, snat->frozen, sizeof(frozen));
	return take_snat(c, &frozen.value.addr, frozen.named, &id);
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
	if (xlb_mode_has(value.mode, XLB_MODE_HOST)) {
		retired->r = emit_server(c, entry, &value);
		return;
	}
	value.nexthop = 0;
	value.weight = 0;
	/* its listener, which may have limits, does not name its group any more */
	value.flags = c->metered ? XLB_SERVER_METERED : 0;
	if (!c->world->route(c->world->arg, &value.addr, &route) && !route.local)
		retired->r = compile_nexthop(c, &route, &value.nexthop);
	if (!retired->r && value.nexthop)
		retired->r = keep_named_addresses(c, &value, route.ifname);
	if (!retired->r)
		retired->r = keep_outer_source(c, &value);
	deadline = entry->live ? retirement_deadline(c->world, entry) : entry->deadline;
	if (c->world->now >= deadline)
		value.flags |= XLB_SERVER_RESET;
	if (!retired->r && c->tls && value.flags & XLB_SERVER_RESET)
		retired->r = emit(c, TABLE_TLS_SERVER, &(struct row_tls_server_key){ 0, entry->id },
				  &(struct row_tls_server){ .cut = true });
	if (!retired->r)
		retired->r = emit_server(c, entry, &value);
}

int compile_retired_servers(struct compiler *c)
{
	struct retired retired = { .c = c };

	ids_each(c->ids, ID_SERVER, retired_server, &retired);
	return retired.r;
}
