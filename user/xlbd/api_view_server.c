// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The state of server groups and servers. */
#include <string.h>
#include <time.h>

#include "xlbd/api_problems.h"

/* Who takes new flows in the group's place, of clients of each family. */
static void put_takers(struct json_out *out, const struct group_look *group)
{
	out_open(out, "taken_by", '{');
	out_text(out, "ipv4", *group->taker4 ? group->taker4 : NULL);
	out_text(out, "ipv6", *group->taker6 ? group->taker6 : NULL);
	out_close(out, '}');
}

void view_server_group(struct view *view, const struct object *object)
{
	const struct group_look *group = look_group(&view->look, object->name);
	struct json_out *out = &view->out;

	if (view->problems)
		problems_group(view, group);
	out_uint(out, "flows", group->flows);
	out_uint(out, "up", group->up);
	out_uint(out, "servers", group->servers);
	out_bool(out, "fail_open", group->fails_open);
	put_takers(out, group);
}

/* Fill of each SNAT pool that the address uses, by its row in the datapath. */
static void put_snat(struct view *view, const struct xlb_server *row)
{
	struct json_out *out = &view->out;
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
	}
	out_close(out, ']');
}

static void put_address(struct view *view, const struct address_look *address)
{
	uint64_t counters[XLB_COUNT_MAX] = {};
	struct json_out *out = &view->out;
	struct next_hop_look next_hop;
	struct xlb_server row;

	look_row(&view->look, address, &row);
	look_add_counters(&view->look, TABLE_SERVER, address->id, counters);
	look_next_hop(&view->look, row.nexthop, &next_hop);
	out_open(out, NULL, '{');
	out_text(out, "address", address->text);
	out_text(out, "health", health_word(address->check.health));
	out_text(out, "reason", address->check.reason);
	out_uint(out, "flows", address->flows);
	view_counters(view, counters);
	put_snat(view, &row);
	out_text(out, "neighbour", next_hop.mac[0] ? next_hop.mac : NULL);
	out_text(out, "interface", next_hop.ifname[0] ? next_hop.ifname : NULL);
	out_close(out, '}');
}

void view_server(struct view *view, const struct object *object)
{
	const struct server *server = (const struct server *)object;
	const struct group_look *group;
	struct json_out *out = &view->out;
	const struct check_status *check;
	struct server_look seen;
	char since[TIME_TEXT_MAX] = "";
	uint32_t i;

	look_server(&view->look, server, &seen);
	group = look_group(&view->look, object->parent->name);
	check = &seen.addresses[seen.worst].check;
	if (check->since)
		format_utc((time_t)check->since, since);
	if (view->problems)
		problems_server(view, &seen, group->servers);
	if (!view->brief)
		out_text(out, "health", health_word(seen.addresses[seen.best].check.health));
	out_text(out, "state", server_state_word(look_state(&seen)));
	out_uint(out, "flows", seen.flows);
	out_text(out, "reason", check->reason);
	out_text(out, "since", since[0] ? since : NULL);
	out_real(out, "weight_percent", 100 * look_share(group, &seen));
	out_real(out, "effective_weight", look_weight(&seen));
	if (seen.start.part < 100)
		out_uint(out, "slow_start_left", (seen.start.left_ms + 999) / 1000);
	else
		out_text(out, "slow_start_left", NULL);
	if (view->brief)
		return;
	out_open(out, "addresses", '[');
	for (i = 0; i < seen.count; i++)
		put_address(view, &seen.addresses[i]);
	out_close(out, ']');
}
