// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is wrong with server groups and servers: told by its cause, not by each thing that follows from it. */
#include <string.h>
#include <time.h>

#include "base/parse.h"
#include "xlbd/api_problems.h"

#define SNAT_WARN_PERCENT 80
/* Small pools, and those with flows for this part of their range, are asked how many ports they really have. */
#define SNAT_SMALL	  4096
#define SNAT_PART	  5
#define ROUTES_ASKED	  256

/* What is remembered from server to server of one answer. */
struct problem_scan {
	char ifname[IFNAMSIZ];	 /* the NIC asked for last; "": none */
	uint32_t ifindex;	 /* 0: there is no such NIC */
	uint32_t routes;	 /* asked for so far */
	struct host_route route; /* the last answer */
	bool routed;
};

void problems_group(struct view *view, const char *name, const struct group_view *group)
{
	if (group->fails_open)
		problems_add(
			view->problems,
			&(struct finding){ .kind = PROBLEM_FAIL_OPEN, .scope = name },
			"group %s: FAIL-OPEN, new flows go to servers that are known to be down",
			name);
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

static struct problem_scan *scan_get(struct view *view)
{
	if (!view->scan)
		view->scan = calloc(1, sizeof(*view->scan));
	return view->scan;
}

static uint32_t ifindex_of(struct view *view, const char *ifname)
{
	struct problem_scan *scan = scan_get(view);
	struct host_link link;
	struct xlb_err ignored;

	if (!scan)
		return 0;
	if (!strcmp(scan->ifname, ifname))
		return scan->ifindex;
	snprintf(scan->ifname, sizeof(scan->ifname), "%s", ifname);
	scan->ifindex =
		host_link(engine_host(view->engine), ifname, &link, &ignored) ? 0 : link.ifindex;
	return scan->ifindex;
}

/* No next hop: there is no route, or it leads through a NIC that xlb may not use. */
static bool path_trouble(struct view *view, const struct xlb_addr *addr, const char *addr_text,
			 struct trouble *ret)
{
	struct problem_scan *scan = scan_get(view);
	struct xlb_err ignored;

	if (!scan)
		return false;
	/* where so many have none, it is one cause for all: the kernel is not asked ten thousand times */
	if (scan->routes < ROUTES_ASKED) {
		scan->routes++;
		scan->routed = !host_route(engine_host(view->engine), addr, &scan->route, &ignored);
	}
	if (!scan->routed) {
		ret->kind = PROBLEM_NO_ROUTE;
		snprintf(ret->where, sizeof(ret->where), "%s", addr_text);
		snprintf(ret->text, sizeof(ret->text),
			 "cannot be reached: the host has no route to %s", addr_text);
		return true;
	}
	if (scan->route.local)
		return false;
	ret->kind = PROBLEM_SERVER_UNATTACHED;
	snprintf(ret->scope, sizeof(ret->scope), "%s", scan->route.ifname);
	snprintf(ret->text, sizeof(ret->text),
		 "gets no packets: %s is reached through %s, which is not attached", addr_text,
		 scan->route.ifname);
	return true;
}

/* The next hop is known, but nobody answers for it. */
static bool neighbour_trouble(struct view *view, uint32_t nexthop, const char *addr_text,
			      struct trouble *ret)
{
	const struct id_entry *entry = ids_by_id(engine_ids(view->engine), ID_NEXTHOP, nexthop);
	char ifname[IFNAMSIZ], next[ADDR_TEXT_MAX];
	struct xlb_addr addr;
	uint32_t ifindex;
	uint8_t mac[6];

	if (!entry || !next_hop_parse(entry->key, ifname, &addr))
		return false;
	ifindex = ifindex_of(view, ifname);
	if (!ifindex || !host_neighbour(engine_host(view->engine), ifindex, &addr, mac))
		return false;
	format_addr(&addr, next);
	snprintf(ret->where, sizeof(ret->where), "%s dev %s", next, ifname);
	if (!strcmp(next, addr_text)) {
		ret->kind = PROBLEM_NEIGHBOUR;
		snprintf(ret->cause, sizeof(ret->cause), "%s", ifname);
		snprintf(ret->text, sizeof(ret->text),
			 "has no neighbour: %s on %s has no MAC address, nobody answers for it",
			 next, ifname);
		return true;
	}
	ret->kind = PROBLEM_GATEWAY;
	snprintf(ret->scope, sizeof(ret->scope), "%s", ret->where);
	snprintf(ret->cause, sizeof(ret->cause), "%s on %s", next, ifname);
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
static bool health_trouble(const struct server_view *server, const struct check_status *check,
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

/* The row of an address in the datapath, NULL if it has none. */
static const struct xlb_server *address_row(const struct view *view,
					    const struct address_view *address,
					    struct xlb_server *ret)
{
	const struct id_entry *entry =
		address->id ? ids_by_id(engine_ids(view->engine), ID_SERVER, address->id) : NULL;

	if (!entry)
		return NULL;
	memcpy(ret, entry->frozen, sizeof(*ret));
	return ret;
}

/* The deepest cause of one address. */
static bool address_trouble(struct view *view, const struct server_view *server, uint32_t i,
			    struct trouble *ret)
{
	const struct address_view *address = &server->addresses[i];
	const struct xlb_addr *addr = &server->server->address.addrs[i];
	struct xlb_server row;

	if (address_row(view, address, &row)) {
		if (!row.nexthop && path_trouble(view, addr, address->text, ret))
			return true;
		if (row.nexthop && neighbour_trouble(view, row.nexthop, address->text, ret))
			return true;
	}
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

static void snat_problem(struct view *view, const struct server_view *server,
			 const struct address_view *address, uint32_t of)
{
	const char *group = server->group->object.name, *name = server->server->object.name;
	const struct port_range *range = &server->group->snat_ports;
	struct finding finding = {
		.kind = PROBLEM_SNAT_EXHAUSTED, .scope = group, .object = name, .of = of
	};
	const struct id_entry *snat;
	uint64_t used, total;
	struct xlb_server row;

	if (!address_row(view, address, &row) || !pools_usage(view, &row, &used, &total) ||
	    used * 100 < total * SNAT_WARN_PERCENT)
		return;
	snat = ids_by_id(engine_ids(view->engine), ID_SNAT, row.pools[0].snat);
	finding.cause = finding.where = snat ? snat->key : "";
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

void problems_server(struct view *view, const struct server_view *server, uint32_t of)
{
	const char *group = server->group->object.name, *name = server->server->object.name;
	struct trouble gravest = { .kind = PROBLEM_KIND_COUNT };
	struct finding finding = { .scope = group, .object = name, .of = of };
	char whole_name[2 * NAME_TEXT_MAX];
	const char *at = "";
	uint32_t i, bad = 0;

	if (!server->server->enabled || !server->server->weight)
		return; /* it takes no new flows because somebody wants so */
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
