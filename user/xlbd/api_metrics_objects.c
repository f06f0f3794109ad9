// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The samples of each kind of object. */
#include <errno.h>
#include <string.h>

#include "base/words.h"
#include "xlbd/api_metrics.h"

static const char *bit(bool value)
{
	return value ? "1" : "0";
}

static void scrape_bool(struct scrape *scrape, size_t family, const char *labels, bool value)
{
	scrape_uint(scrape, family, labels, NULL, NULL, value);
}

static void put_counter(struct scrape *scrape, const struct metric_counter *counter,
			const char *labels, uint64_t number)
{
	scrape_uint(scrape, counter->family, labels, counter->label, counter->value, number);
}

static int result(const struct scrape *scrape)
{
	return scrape->failed ? -ENOMEM : 0;
}

static void put_interface_counters(struct scrape *scrape, const struct view *view, uint32_t slot,
				   const char *labels)
{
	struct datapath *datapath = engine_datapath(view->engine);
	uint64_t counters[XLB_IFCOUNT_MAX] = {}, drops[XLB_DROP_COUNT] = {};
	int i;

	if (slot) {
		datapath_interface_counters(datapath, slot, counters);
		datapath_drop_counters(datapath, slot, drops);
	}
	for (i = 0; i < XLB_IFCOUNT_MAX; i++)
		if (metric_interface_counter(i))
			put_counter(scrape, metric_interface_counter(i), labels, counters[i]);
	for (i = 0; i < XLB_DROP_COUNT; i++)
		if (reason_word((uint32_t)i))
			scrape_uint(scrape, METRIC_DROPS, labels, "reason",
				    reason_word((uint32_t)i), drops[i]);
}

int scrape_interface(void *arg, struct view *view, const struct object *object)
{
	const struct id_entry *slot =
		ids_find(engine_ids(view->engine), ID_INTERFACE, object->name);
	struct attachment_info info = {};
	char labels[LABELS_MAX] = "";
	struct scrape *scrape = arg;
	struct host_link link = {};
	struct xlb_err ignored;
	const char *mode;
	bool present;

	label_add(labels, "interface", object->name);
	present = !host_link(engine_host(view->engine), object->name, &link, &ignored);
	if (present)
		datapath_attachment(engine_datapath(view->engine), object->name, &info);
	mode = attach_mode_word(info.mode);
	scrape_uint(scrape, METRIC_INTERFACE_ATTACHED, labels, "mode", mode ? mode : "none",
		    !!mode);
	scrape_bool(scrape, METRIC_INTERFACE_UP, labels, present && link.up);
	if (present)
		scrape_uint(scrape, METRIC_INTERFACE_MTU, labels, NULL, NULL, link.mtu);
	put_interface_counters(scrape, view, slot ? slot->id : 0, labels);
	return result(scrape);
}

int scrape_load_balancer(void *arg, struct view *view, const struct object *object)
{
	const struct load_balancer *lb = (const struct load_balancer *)object;
	char labels[LABELS_MAX] = "", text[ADDR_TEXT_MAX];
	struct scrape *scrape = arg;
	uint32_t i;

	label_add(labels, "load_balancer", object->name);
	scrape_uint(scrape, METRIC_LB_FLOWS, labels, NULL, NULL,
		    look_load_balancer_flows(&view->look, lb));
	for (i = 0; i < lb->addresses.count; i++) {
		const struct xlb_addr *addr = &lb->addresses.addrs[i];

		format_addr(addr, text);
		scrape_uint(scrape, METRIC_LB_ADDRESS, labels, "address", text,
			    host_owns_address(engine_host(view->engine), addr) ||
				    view_vip_interface(view, addr));
	}
	return result(scrape);
}

int scrape_listener(void *arg, struct view *view, const struct object *object)
{
	uint32_t id = look_listener_id(&view->look, object);
	uint64_t counters[XLB_COUNT_MAX] = {};
	char labels[LABELS_MAX] = "";
	struct scrape *scrape = arg;
	int i;

	label_add(labels, "load_balancer", object->parent->name);
	label_add(labels, "listener", object->name);
	scrape_uint(scrape, METRIC_LISTENER_FLOWS, labels, NULL, NULL,
		    id ? engine_flows(view->engine, ID_LISTENER, id) : 0);
	look_add_counters(&view->look, TABLE_LISTENER, id, counters);
	for (i = 0; i < XLB_COUNT_MAX; i++)
		put_counter(scrape, metric_listener_counter(i), labels, counters[i]);
	return result(scrape);
}

static void seconds_text(uint64_t us, char ret[32])
{
	snprintf(ret, 32, "%g", (double)us / 1e6);
	if (!strpbrk(ret, ".e"))
		strcat(ret, ".0");
}

static void put_durations(struct scrape *scrape, const char *labels,
			  const struct check_durations *durations)
{
	char number[32], bound[32];
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i <= CHECK_BOUNDS; i++) {
		if (i < CHECK_BOUNDS)
			seconds_text(check_bounds_us[i], bound);
		sum += durations->counts[i];
		scrape_part(scrape, METRIC_CHECK_DURATION, "_bucket", labels, "le",
			    i < CHECK_BOUNDS ? bound : "+Inf", format_uint(sum, number));
	}
	snprintf(number, sizeof(number), "%.6f", (double)durations->sum_us / 1e6);
	scrape_part(scrape, METRIC_CHECK_DURATION, "_sum", labels, NULL, NULL, number);
	scrape_part(scrape, METRIC_CHECK_DURATION, "_count", labels, NULL, NULL,
		    format_uint(sum, number));
}

int scrape_group(void *arg, struct view *view, const struct object *object)
{
	const struct group_look *group = look_group(&view->look, object->name);
	const struct check_durations *durations =
		checker_durations(engine_checker(view->engine), object->name);
	char labels[LABELS_MAX] = "";
	struct scrape *scrape = arg;

	label_add(labels, "server_group", object->name);
	scrape_uint(scrape, METRIC_GROUP_FLOWS, labels, NULL, NULL, group->flows);
	scrape_uint(scrape, METRIC_GROUP_SERVERS, labels, NULL, NULL, group->servers);
	scrape_uint(scrape, METRIC_GROUP_UP, labels, NULL, NULL, group->up);
	scrape_bool(scrape, METRIC_GROUP_FAIL_OPEN, labels, group->fails_open);
	if (*group->fallback) {
		scrape_part(scrape, METRIC_GROUP_FALLBACK, "", labels, "family", "ipv4",
			    bit(*group->taker4));
		scrape_part(scrape, METRIC_GROUP_FALLBACK, "", labels, "family", "ipv6",
			    bit(*group->taker6));
	}
	if (durations && scrape_wants(scrape, SCOPE_HEALTH))
		put_durations(scrape, labels, durations);
	return result(scrape);
}

static void put_state(struct scrape *scrape, const struct group_look *group,
		      const struct server_look *server, const char *labels)
{
	enum server_state is = look_state(server), state;
	uint32_t weight = server->server->weight;

	scrape_bool(scrape, METRIC_SERVER_UP, labels,
		    server->addresses[server->best].check.health == HEALTH_UP);
	for (state = 0; state < SERVER_STATES; state++)
		scrape_part(scrape, METRIC_SERVER_STATE, "", labels, "state",
			    server_state_word(state), bit(state == is));
	scrape_uint(scrape, METRIC_SERVER_WEIGHT, labels, NULL, NULL, weight);
	scrape_real(scrape, METRIC_SERVER_EFFECTIVE_WEIGHT, labels, NULL, NULL,
		    look_weight(server));
	scrape_real(scrape, METRIC_SERVER_SHARE, labels, "kind", "want",
		    group->weight && server->server->enabled ? weight / (double)group->weight : 0);
	scrape_real(scrape, METRIC_SERVER_SHARE, labels, "kind", "table",
		    look_share(group, server));
	scrape_uint(scrape, METRIC_SERVER_FLOWS, labels, NULL, NULL, server->flows);
}

static void put_traffic(struct scrape *scrape, struct look *look, const struct server_look *server,
			const char *labels)
{
	uint64_t counters[XLB_COUNT_MAX] = {};
	bool resolved = true;
	uint32_t i;

	for (i = 0; i < server->count; i++) {
		struct next_hop_look next_hop;
		struct xlb_server row;

		look_row(look, &server->addresses[i], &row);
		look_next_hop(look, row.nexthop, &next_hop);
		resolved &= next_hop.mac[0] != '\0';
		look_add_counters(look, TABLE_SERVER, server->addresses[i].id, counters);
	}
	scrape_bool(scrape, METRIC_NEIGHBOUR_UP, labels, resolved);
	for (i = 0; i < XLB_COUNT_MAX; i++)
		put_counter(scrape, metric_server_counter(i), labels, counters[i]);
}

static void put_checks(struct scrape *scrape, const struct server_look *server, const char *labels)
{
	struct check_status sum = {};
	uint32_t i;

	for (i = 0; i < server->count; i++) {
		const struct check_status *check = &server->addresses[i].check;

		sum.passed += check->passed;
		sum.failed += check->failed;
		sum.ups += check->ups;
		sum.downs += check->downs;
		sum.since = check->since > sum.since ? check->since : sum.since;
	}
	if (!sum.since)
		return; /* not checked */
	scrape_uint(scrape, METRIC_CHECKS, labels, "result", "passed", sum.passed);
	scrape_uint(scrape, METRIC_CHECKS, labels, "result", "failed", sum.failed);
	scrape_uint(scrape, METRIC_TRANSITIONS, labels, "to", "up", sum.ups);
	scrape_uint(scrape, METRIC_TRANSITIONS, labels, "to", "down", sum.downs);
	scrape_uint(scrape, METRIC_LAST_CHANGE, labels, NULL, NULL, sum.since);
}

static void put_pools(struct scrape *scrape, const struct look *look,
		      const struct server_look *server, const char *labels)
{
	uint32_t address, i;

	for (address = 0; address < server->count; address++) {
		struct xlb_server row;

		look_row(look, &server->addresses[address], &row);
		for (i = 0; i < row.pool_count && i < XLB_SERVER_POOLS; i++) {
			uint32_t used = 0, total = 0;
			const char *snat = look_pool(look, &row.pools[i], &used, &total);

			if (!snat)
				continue;
			scrape_uint(scrape, METRIC_SNAT_PORTS, labels, "address", snat, total);
			scrape_uint(scrape, METRIC_SNAT_USED, labels, "address", snat, used);
		}
	}
}

int scrape_server(void *arg, struct view *view, const struct object *object)
{
	const struct server *server = (const struct server *)object;
	char labels[LABELS_MAX] = "";
	struct scrape *scrape = arg;
	struct server_look seen;

	look_server(&view->look, server, &seen);
	label_add(labels, "server_group", object->parent->name);
	label_add(labels, "server", object->name);
	if (scrape_wants(scrape, SCOPE_SERVER)) {
		put_state(scrape, look_group(&view->look, object->parent->name), &seen, labels);
		put_traffic(scrape, &view->look, &seen, labels);
	}
	if (scrape_wants(scrape, SCOPE_HEALTH))
		put_checks(scrape, &seen, labels);
	if (scrape_wants(scrape, SCOPE_SNAT))
		put_pools(scrape, &view->look, &seen, labels);
	return result(scrape);
}
