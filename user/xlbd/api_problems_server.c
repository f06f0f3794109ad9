// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is wrong with server groups and servers: told by its cause, not by each thing that follows from it. */
#include <string.h>
#include <time.h>

#include "base/parse.h"
#include "core/field.h"
#include "xlbd/api_problems.h"

#define SNAT_WARN_PERCENT 80
/* Small pools, and those with flows for this part of their range, are asked how many ports they really have. */
#define SNAT_SMALL	  4096
#define SNAT_PART	  5
#define ROUTES_ASKED	  256

/* Flows of one family alone, or of both to one group, are told in one sentence. */
static void fallback_problem(struct view *view, const struct group_look *group)
{
	bool both = !strcmp(group->taker4, group->taker6);
	char least[16], to[2 * NAME_TEXT_MAX + 60];

	if (both)
		snprintf(to, sizeof(to), "%s", group->taker4);
	else if (*group->taker4 && *group->taker6)
		snprintf(to, sizeof(to), "%s (IPv4 clients) and %s (IPv6 clients)", group->taker4,
			 group->taker6);
	else
		snprintf(to, sizeof(to), "%s (%s clients only)",
			 *group->taker4 ? group->taker4 : group->taker6,
			 *group->taker4 ? "IPv4" : "IPv6");
	quota_text(&group->min_healthy, least, sizeof(least));
	problems_add(view->problems,
		     &(struct finding){ .kind = PROBLEM_FALLBACK, .scope = group->name },
		     "group %s: new flows go to %s: %u of %u servers are up, min_healthy is %s",
		     group->name, to, group->up, group->servers, least);
}

void problems_group(struct view *view, const struct group_look *group)
{
	const char *name = group->name;

	if (group->fails_open)
		problems_add(
			view->problems,
			&(struct finding){ .kind = PROBLEM_FAIL_OPEN, .scope = name },
			"group %s: FAIL-OPEN, new flows go to servers that are known to be down",
			name);
	else if (*group->taker4 || *group->taker6)
		fallback_problem(view, group);
	else if (group->servers && !group->up && !group->receiving_weight)
		problems_add(view->problems,
			     &(struct finding){ .kind = PROBLEM_NO_SERVER, .scope = name },
			     "group %s: no server is up, new flows are dropped (no_server)", name);
}

/* What is wrong with one address of one server. Texts become those of a finding. */
struct trouble {
	enum problem_kind kind;
	char scope[128]; /* "": the group, and the object is the server's name */
	char text[256], cause[160], where[128];
};

/* No next hop: there is no route, or it leads through a NIC that xlb may not use. */
static bool path_trouble(struct view *view, const struct xlb_addr *addr, const char *addr_text,
			 struct trouble *ret)
{
	struct route_look *route = &view->route;
	struct xlb_err ignored;

	/* where so many have none, it is one cause for all: the kernel is not asked ten thousand times */
	if (route->asked < ROUTES_ASKED) {
		route->asked++;
		route->found = !host_route(engine_host(view->engine), addr, &route->last, &ignored);
	}
	if (!route->found) {
		ret->kind = PROBLEM_NO_ROUTE;
		snprintf(ret->where, sizeof(ret->where), "%s", addr_text);
		snprintf(ret->text, sizeof(ret->text),
			 "cannot be reached: the host has no route to %s", addr_text);
		return true;
	}
	if (route->last.local)
		return false;
	ret->kind = PROBLEM_SERVER_UNATTACHED;
	snprintf(ret->scope, sizeof(ret->scope), "%s", route->last.ifname);
	snprintf(ret->text, sizeof(ret->text),
		 "gets no packets: %s is reached through %s, which is not attached", addr_text,
		 route->last.ifname);
	return true;
}

/* The next hop is known, but nobody answers for it. */
static bool neighbour_trouble(struct view *view, uint32_t nexthop, const char *addr_text,
			      struct trouble *ret)
{
	struct next_hop_look next_hop;
	char next[ADDR_TEXT_MAX];

	if (!look_next_hop(&view->look, nexthop, &next_hop) || !next_hop.present || next_hop.mac[0])
		return false;
	format_addr(&next_hop.addr, next);
	snprintf(ret->where, sizeof(ret->where), "%s dev %s", next, next_hop.ifname);
	if (!strcmp(next, addr_text)) {
		ret->kind = PROBLEM_NEIGHBOUR;
		snprintf(ret->cause, sizeof(ret->cause), "%s", next_hop.ifname);
		snprintf(ret->text, sizeof(ret->text),
			 "has no neighbour: %s on %s has no MAC address, nobody answers for it",
			 next, next_hop.ifname);
		return true;
	}
	ret->kind = PROBLEM_GATEWAY;
	snprintf(ret->scope, sizeof(ret->scope), "%s", ret->where);
	snprintf(ret->cause, sizeof(ret->cause), "%s on %s", next, next_hop.ifname);
	snprintf(ret->text, sizeof(ret->text),
		 "has no neighbour: its gateway %s has no MAC address, nobody answers for it",
		 ret->cause);
	return true;
}

static void format_since(uint64_t since, char *ret, size_t size)
{
	uint64_t now = (uint64_t)time(NULL), age = since && since <= now ? now - since : 0;

	ret[0] = '\0';
	if (age >= 7200)
		snprintf(ret, size, " for %llu h", (unsigned long long)age / 3600);
	else if (age >= 120)
		snprintf(ret, size, " for %llu min", (unsigned long long)age / 60);
	else if (since)
		snprintf(ret, size, " for %llu s", (unsigned long long)age);
}

/* A refused connection often means a wrong port. */
static bool health_trouble(const struct server_look *server, const struct check_status *check,
			   struct trouble *ret)
{
	const struct health_check *config = &server->group->health_check;
	uint32_t port = config->port ? config->port : server->server->port;
	char since[32];

	if (check->health != HEALTH_DOWN)
		return false;
	ret->kind = PROBLEM_SERVER_DOWN;
	format_since(check->since, since, sizeof(since));
	if (!strcasecmp(check->reason, "connection refused"))
		snprintf(ret->cause, sizeof(ret->cause), "%s, does a service listen on port %u?",
			 check->reason, port);
	else
		snprintf(ret->cause, sizeof(ret->cause), "%s", check->reason);
	snprintf(ret->text, sizeof(ret->text), "is down%s%s%s", since, ret->cause[0] ? ": " : "",
		 ret->cause);
	return true;
}

/* The deepest cause of one address. */
static bool address_trouble(struct view *view, const struct server_look *server, uint32_t i,
			    struct trouble *ret)
{
	const struct address_look *address = &server->addresses[i];
	const struct xlb_addr *addr = &server->server->address.addrs[i];
	struct xlb_server row;

	look_row(&view->look, address, &row);
	if (address->id && !row.nexthop && path_trouble(view, addr, address->text, ret))
		return true;
	if (row.nexthop && neighbour_trouble(view, row.nexthop, address->text, ret))
		return true;
	return health_trouble(server, &address->check, ret);
}

/*
 * Ports in use and all ports of an address's pools; false if there is no pool. Ports that only rest after
 * their flow are not in use: they are taken when no other is free.
 */
static bool pools_usage(struct view *view, const struct xlb_server *row, uint64_t *ret_used,
			uint64_t *ret_total)
{
	bool known = false;
	uint32_t i;

	*ret_used = *ret_total = 0;
	for (i = 0; i < row->pool_count && i < XLB_SERVER_POOLS; i++) {
		uint32_t id = row->pools[i].bitmap, taken, total;
		const struct id_entry *bitmap = ids_by_id(engine_ids(view->engine), ID_BITMAP, id);
		uint64_t used = engine_flows(view->engine, ID_BITMAP, id);
		struct row_bitmap range = {};

		if (bitmap)
			memcpy(&range, bitmap->frozen, sizeof(range));
		total = (uint32_t)range.to - range.from + 1;
		if ((total <= SNAT_SMALL || used * SNAT_PART >= total) &&
		    datapath_bitmap_usage(engine_datapath(view->engine), id, &taken, &total))
			continue;
		known = true;
		*ret_used += used;
		*ret_total += total;
	}
	return known;
}

static void snat_problem(struct view *view, const struct server_look *server,
			 const struct address_look *address, uint32_t of)
{
	const char *group = server->group->object.name, *name = server->server->object.name;
	const struct port_range *range = &server->group->snat_ports;
	struct finding finding = {
		.kind = PROBLEM_SNAT_EXHAUSTED, .scope = group, .object = name, .of = of
	};
	uint64_t used, total;
	struct xlb_server row;
	char snat[ID_KEY_MAX];

	look_row(&view->look, address, &row);
	if (!pools_usage(view, &row, &used, &total) || used * 100 < total * SNAT_WARN_PERCENT)
		return;
	finding.cause = finding.where =
		ids_name(engine_ids(view->engine), ID_SNAT, row.pools[0].snat, snat);
	if (!total) {
		problems_add(
			view->problems, &finding,
			"group %s: server %s: SNAT address %s has no port: the host uses all of snat.ports %u-%u itself (net.ipv4.ip_local_port_range)",
			group, name, finding.where, range->from, range->to);
		return;
	}
	if (used < total)
		finding.kind = PROBLEM_SNAT_FULL;
	problems_add(
		view->problems, &finding,
		"group %s: server %s: %llu of %llu ports of SNAT address %s%s towards %s are in use: add a SNAT address or widen snat.ports",
		group, name, (unsigned long long)used, (unsigned long long)total, finding.where,
		row.pool_count > 1 ? " and its others" : "", address->text);
}

/* Not a problem, but why it has few new flows. */
static void tell_slow_start(struct view *view, const struct server_look *server, uint32_t of)
{
	const char *group = server->group->object.name, *name = server->server->object.name;

	if (server->start.part < 100)
		problems_add(
			view->problems,
			&(struct finding){ .kind = PROBLEM_SLOW_START,
					   .scope = group,
					   .object = name,
					   .of = of },
			"group %s: server %s starts slowly: it has %u %% of its weight, all of it in %llu s",
			group, name, server->start.part,
			(unsigned long long)(server->start.left_ms + 999) / 1000);
}

void problems_server(struct view *view, const struct server_look *server, uint32_t of)
{
	const char *group = server->group->object.name, *name = server->server->object.name;
	struct trouble gravest = { .kind = PROBLEM_KIND_COUNT };
	struct finding finding = { .scope = group, .object = name, .of = of };
	char whole_name[2 * NAME_TEXT_MAX];
	const char *at = "";
	uint32_t i, bad = 0;

	if (!server->server->enabled || !server->server->weight)
		return; /* it takes no new flows because somebody wants so */
	tell_slow_start(view, server, of);
	for (i = 0; i < server->count; i++) {
		struct trouble trouble = {};

		snat_problem(view, server, &server->addresses[i], of);
		if (!address_trouble(view, server, i, &trouble))
			continue;
		bad++;
		if (trouble.kind >= gravest.kind)
			continue;
		gravest = trouble;
		at = server->addresses[i].text;
	}
	if (!bad)
		return;
	if (gravest.scope[0]) {
		snprintf(whole_name, sizeof(whole_name), "%s/%s", group, name);
		finding.scope = gravest.scope;
		finding.object = whole_name;
	}
	finding.kind = gravest.kind;
	finding.cause = gravest.cause;
	finding.where = gravest.where;
	problems_add(view->problems, &finding, "group %s: server %s%s%s %s", group, name,
		     bad < server->count ? " at " : "", bad < server->count ? at : "",
		     gravest.text);
}
