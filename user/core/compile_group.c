// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Server groups and their schedulers to rows: who gets new flows. Servers are compile_server.c's. */
#include <stdlib.h>
#include <string.h>

#include "core/compile_private.h"
#include "core/content.h"
#include "core/scheduler.h"

struct endpoints {
	struct endpoint *list; /* owned; the addresses of one server follow each other */
	uint32_t count;
};

/* Whether clients of the family may be served at an address of the other. */
static bool crosses_families(const struct server_group *group)
{
	return xlb_mode_has(group->forward, XLB_MODE_FAMILY) && group->affinity == AFFINITY_NONE;
}

bool serves_family(const struct server_group *group, const struct xlb_addr *addr, uint8_t family)
{
	return addr_family(addr) == family || crosses_families(group);
}

/*
 * A server counts once, by its address of the clients' family if that can be used. `starting`: with its part of its
 * weight, in percent.
 */
static uint32_t choose(const struct server_group *group, const struct endpoints *endpoints,
		       uint8_t family, bool ever_up, bool all, bool starting,
		       struct maglev_server *ret)
{
	const struct server *last = NULL;
	uint32_t i, n = 0;

	for (i = 0; i < endpoints->count; i++) {
		const struct endpoint *endpoint = &endpoints->list[i];

		if (!serves_family(group, endpoint->addr, family) || !endpoint->takes_flows ||
		    !(all || is_fit(endpoint->health, ever_up)))
			continue;
		if (endpoint->server != last) {
			ret[n].name_hash = content_hash_text(endpoint->server->object.name);
			ret[n].weight = scheduler_weight(group, endpoint->server) *
					(starting ? endpoint->part : 1);
			ret[n++].id = endpoint->entry->id;
		} else if (endpoint->value.family == family) {
			ret[n - 1].id = endpoint->entry->id;
		}
		last = endpoint->server;
	}
	return n;
}

/* The shares in a table that was just made are the servers' weights, where the datapath asks for them. */
static void weigh(const struct server_group *group, const struct endpoints *endpoints,
		  const struct maglev_server *chosen, uint32_t count)
{
	uint32_t i, n = 0;

	if (group->scheduler != SCHEDULER_WLC && group->affinity_timeout == UINT64_MAX)
		return;
	/* both are in one order */
	for (i = 0; i < endpoints->count && n < count; i++)
		if (endpoints->list[i].entry->id == chosen[n].id)
			endpoints->list[i].value.weight = (uint16_t)chosen[n++].weight;
}

/*
 * The table for clients of one family. ret_open: it has servers that are down, for lack of better. `taken`: another group
 * is in its place; the table stays, so that no more than a word follows from that.
 */
static int compile_scheduler(struct compiler *c, const struct server_group *group,
			     uint32_t group_id, const struct endpoints *endpoints, uint8_t family,
			     bool taken, bool *ret_open)
{
	struct row_maglev_key key = { .group = group_id, .family = family };
	AUTO_FREE struct schedule *schedule = calloc(
		1, sizeof(*schedule) + (endpoints->count + 1) * sizeof(schedule->servers[0]));
	bool ever_up = c->world->group_ever_up(c->world->arg, group->object.name);
	bool starting;
	uint32_t n;

	if (!schedule)
		return no_memory(c);
	schedule->fill = scheduler_fill(group);
	/* while nobody asks the group, its servers do not get used to it either */
	starting = !taken &&
		   compile_parts(c, group, endpoints->list, endpoints->count, family, ever_up);
	n = choose(group, endpoints, family, ever_up, false, starting, schedule->servers);
	if (!n && (group->fail_open || taken)) {
		n = choose(group, endpoints, family, ever_up, true, false, schedule->servers);
		*ret_open = n && !taken;
	}
	weigh(group, endpoints, schedule->servers, n);
	return n ? emit_recipe(c, TABLE_MAGLEV, &key, schedule,
			       sizeof(*schedule) + n * sizeof(schedule->servers[0])) :
		   0;
}

/* What becomes of the flows of servers that are down; open4, open6: clients of the family are sent there. */
static void judge_down(struct compiler *c, const struct server_group *group,
		       struct endpoints *endpoints, bool open4, bool open6)
{
	bool down4 = false, down6 = false;
	uint32_t i;

	for (i = 0; i < endpoints->count; i++) {
		struct endpoint *endpoint = &endpoints->list[i];
		bool serves4 = serves_family(group, endpoint->addr, XLB_IPV4);
		bool serves6 = serves_family(group, endpoint->addr, XLB_IPV6);

		if (endpoint->health != HEALTH_DOWN)
			continue;
		down4 = down4 || serves4;
		down6 = down6 || serves6;
		if ((serves4 && open4) || (serves6 && open6))
			continue; /* its UDP flows have nowhere better to go */
		endpoint->value.flags |= XLB_SERVER_DOWN;
		if (group->on_down == ON_DOWN_RESET)
			endpoint->value.flags |= XLB_SERVER_RESET;
	}
	open4 = open4 && down4;
	open6 = open6 && down6;
	if (!open4 && !open6)
		return;
	c->fail_open_groups++;
	compile_warn(c, group, "group %s: FAIL-OPEN: no%s server is up, sending to all of them",
		     group->object.name,
		     open4 && open6 ? "" :
		     open4	    ? " IPv4" :
				      " IPv6");
}

/* The pools are what a server finds again in the state file when its route is away (keep_pools). */
static void note_pools(struct compiler *c, const struct endpoint *endpoint)
{
	struct xlb_server frozen;

	memcpy(&frozen, endpoint->entry->frozen, sizeof(frozen));
	if (memcmp(frozen.pools, endpoint->value.pools, sizeof(frozen.pools)))
		ids_note_change(c->ids);
}

/* Freezes and emits the servers once the scheduler has set their flags. */
static int emit_servers(struct compiler *c, const struct endpoints *endpoints)
{
	uint32_t i;
	int r = 0;

	for (i = 0; !r && i < endpoints->count; i++) {
		struct endpoint *endpoint = &endpoints->list[i];

		note_pools(c, endpoint);
		memcpy(endpoint->entry->frozen, &endpoint->value, sizeof(endpoint->value));
		r = emit_server(c, endpoint->entry, &endpoint->value);
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

/* The group's row: what of a packet, or of the servers, chooses, and who takes flows in its place. */
static int compile_choice(struct compiler *c, const struct server_group *group, uint32_t group_id,
			  const struct endpoints *endpoints, const struct takers *takers)
{
	struct row_group row = { .choice.by = scheduler_by(group) };
	int r = compile_quic(c, group, group_id, endpoints->list, endpoints->count, &row.choice);

	if (group->affinity_timeout != UINT64_MAX)
		row.choice.affinity = (uint32_t)((group->affinity_timeout + 999) / 1000);
	if (!r)
		r = compile_instead(c, group, takers, &row.instead);
	return r ? r : emit(c, TABLE_GROUP, &(struct row_id){ group_id }, &row);
}

int compile_group(struct compiler *c, const struct server_group *group)
{
	struct endpoints endpoints = {};
	bool open4 = false, open6 = false;
	struct id_entry *entry;
	struct takers takers;
	int r;

	compile_part_takers(c->model, c->part, group, c->world, &takers);
	r = take_id(c, ID_GROUP, group->object.name, &entry);
	if (!r)
		r = collect_endpoints(c, group, &endpoints);
	if (!r)
		r = compile_scheduler(c, group, entry->id, &endpoints, XLB_IPV4,
				      takers.ipv4 != group, &open4);
	if (!r)
		r = compile_scheduler(c, group, entry->id, &endpoints, XLB_IPV6,
				      takers.ipv6 != group, &open6);
	if (!r) {
		judge_down(c, group, &endpoints, open4, open6);
		r = emit_servers(c, &endpoints);
	}
	if (!r)
		r = compile_tls_group(c, group, entry->id, endpoints.list, endpoints.count,
				      &takers);
	if (!r)
		r = compile_note_parts(c, entry->id, endpoints.list, endpoints.count);
	if (!r)
		r = compile_choice(c, group, entry->id, &endpoints, &takers);
	free(endpoints.list);
	return r;
}

/* Itself or by one of its fallbacks. */
static bool group_serves_family(const struct compiler *c, const struct server_group *group,
				uint8_t family, uint32_t depth)
{
	const struct object *object;
	uint32_t i;

	if (!group || depth == XLB_FALLBACKS)
		return false;
	TAILQ_FOREACH(object, &group->servers, link) {
		const struct server *server = (const struct server *)object;

		for (i = 0; i < server->address.count; i++)
			if (serves_family(group, &server->address.addrs[i], family))
				return true;
	}
	return group_serves_family(c, part_group(c->model, c->part, group->fallback), family,
				   depth + 1);
}

/* Works, but some clients of a VIP will find nobody: said once per listener, group and address. */
static void warn_of_families(struct compiler *c, const struct load_balancer *lb,
			     const struct listener *listener, const struct server_group *group)
{
	for (uint32_t i = 0; i < lb->addresses.count; i++) {
		uint8_t family = addr_family(&lb->addresses.addrs[i]);

		if (!group_serves_family(c, group, family, 0))
			compile_warn(
				c, group,
				"listener %s/%s: group %s has no IPv%u server, IPv%u clients get no_server%s",
				lb->object.name, listener->object.name, group->object.name, family,
				family,
				xlb_mode_has(group->forward, XLB_MODE_FAMILY) ?
					"" :
					"; forward: fullnat and tunnel can serve them");
	}
}

static void warn_of_listeners(struct compiler *c, const struct load_balancer *lb)
{
	const struct object *object;

	TAILQ_FOREACH(object, &lb->listeners, link) {
		const struct listener *listener = (const struct listener *)object;
		const struct share_list *list = &listener->server_group;

		for (uint32_t i = 0; listener->enabled && i < list->count; i++) {
			const struct server_group *group =
				model_group(c->model, list->shares[i].group);

			if (group)
				warn_of_families(c, lb, listener, group);
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
		warn_of_listeners(c, (const struct load_balancer *)object);
	return 0;
}
