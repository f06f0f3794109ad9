// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The state of server groups and servers. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"
#include "xlbd/api_view.h"

#define SNAT_WARN_PERCENT 80

void view_server_group(struct view *view, const struct object *object, struct json_out *out)
{
	const struct group_look *group =
		look_group(&view->look, (const struct server_group *)object);
	char command[160];

	snprintf(command, sizeof(command), "xlbctl server list %s", object->name);
	if (group->fails_open)
		view_problem(
			view, PROBLEM_ERROR, command,
			"group %s: FAIL-OPEN, new flows go to servers that are known to be down",
			object->name);
	else if (group->servers && !group->up && !group->receiving_weight)
		view_problem(view, PROBLEM_ERROR, command,
			     "group %s: no server is up, new flows are dropped (no_server)",
			     object->name);
	out_uint(out, "flows", group->flows);
	out_uint(out, "up", group->up);
	out_uint(out, "servers", group->servers);
	out_bool(out, "fail_open", group->fails_open);
}

static void snat_problem(struct view *view, const struct server_look *server,
			 const struct address_look *address, const char *snat, uint32_t used,
			 uint32_t total)
{
	char command[200];

	if (!total || (uint64_t)used * 100 <= (uint64_t)total * SNAT_WARN_PERCENT)
		return;
	snprintf(command, sizeof(command), "xlbctl group show %s", server->group->object.name);
	view_problem(
		view, PROBLEM_WARNING, command,
		"server %s/%s: %u of %u ports of SNAT address %s towards %s are taken: add a SNAT address",
		server->group->object.name, server->server->object.name, used, total, snat,
		address->text);
}

/* Fill of each SNAT pool that the address uses, by its row in the datapath. */
static void put_snat(struct view *view, const struct server_look *server,
		     const struct address_look *address, const struct xlb_server *row,
		     struct json_out *out)
{
	uint32_t i;

	out_open(out, "snat", '[');
	for (i = 0; i < row->pool_count && i < XLB_SERVER_POOLS; i++) {
		uint32_t used = 0, total = 0;
		const char *snat = look_pool(&view->look, &row->pools[i], &used, &total);

		if (!snat)
			continue;
		out_open(out, NULL, '{');
		out_text(out, "address", snat);
		out_uint(out, "used", used);
		out_uint(out, "total", total);
		out_close(out, '}');
		snat_problem(view, server, address, snat, used, total);
	}
	out_close(out, ']');
}

static void put_address(struct view *view, const struct server_look *server,
			const struct address_look *address, struct json_out *out)
{
	uint64_t counters[XLB_COUNT_MAX] = {};
	char ifname[IFNAMSIZ], mac[18];
	struct xlb_server row;

	look_row(&view->look, address, &row);
	look_add_counters(&view->look, TABLE_SERVER, address->id, counters);
	look_next_hop(&view->look, row.nexthop, ifname, mac);
	out_open(out, NULL, '{');
	out_text(out, "address", address->text);
	out_text(out, "health", health_word(address->check.health));
	out_text(out, "reason", address->check.reason);
	out_uint(out, "flows", address->flows);
	view_counters(counters, out);
	put_snat(view, server, address, &row, out);
	out_text(out, "neighbour", mac[0] ? mac : NULL);
	out_text(out, "interface", ifname[0] ? ifname : NULL);
	out_close(out, '}');
}

static void server_problems(struct view *view, const struct server_look *server,
			    enum server_state state)
{
	const struct address_look *worst = &server->addresses[server->worst];
	const struct check_status *check = &worst->check;
	const char *group = server->group->object.name, *name = server->server->object.name;
	bool partial = state == SERVER_PARTIAL;
	uint64_t now = (uint64_t)time(NULL);
	char command[200], since[32] = "";

	if (state != SERVER_DOWN && !(partial && check->health == HEALTH_DOWN))
		return;
	if (check->since && check->since <= now)
		snprintf(since, sizeof(since), " for %" PRIu64 " s", now - check->since);
	snprintf(command, sizeof(command), "xlbctl server show %s %s", group, name);
	view_problem(view, PROBLEM_ERROR, command, "group %s: server %s%s%s is down%s%s%s", group,
		     name, partial ? " at " : "", partial ? worst->text : "", since,
		     check->reason[0] ? ": " : "", check->reason);
}

void view_server(struct view *view, const struct object *object, struct json_out *out)
{
	const struct server *server = (const struct server *)object;
	const struct group_look *group;
	const struct check_status *check;
	struct server_look seen;
	char since[32] = "";
	enum server_state state;
	struct tm tm;
	uint32_t i;

	look_server(&view->look, server, &seen);
	group = look_group(&view->look, seen.group);
	check = &seen.addresses[seen.worst].check;
	state = look_state(&seen);
	if (check->since && gmtime_r(&(time_t){ (time_t)check->since }, &tm))
		strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &tm);
	server_problems(view, &seen, state);
	if (!view->brief)
		out_text(out, "health", health_word(seen.addresses[seen.best].check.health));
	out_text(out, "state", server_state_word(state));
	out_uint(out, "flows", seen.flows);
	/* most have neither */
	if (!view->brief || check->reason[0])
		out_text(out, "reason", check->reason);
	if (!view->brief || since[0])
		out_text(out, "since", since[0] ? since : NULL);
	out_real(out, "weight_percent", 100 * look_share(group, &seen));
	if (view->brief)
		return;
	out_open(out, "addresses", '[');
	for (i = 0; i < seen.count; i++)
		put_address(view, &seen, &seen.addresses[i], out);
	out_close(out, ']');
}
