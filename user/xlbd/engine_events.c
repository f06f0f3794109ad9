// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Turns what the engine sees into events. Attachments, VIPs and next hops are read off the plan just carried
 * out: an event then says what packets meet, not what was intended.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/types.h"
#include "xlbd/engine_private.h"
#include "xlbd/version.h"

#define MEMBERS(...) ((const struct event_member[]){ __VA_ARGS__, {} })
#define TEXT(member, value) \
	{ \
		.name = (member), .text = (value) \
	}
#define NUMBER(member, value) \
	{ \
		.name = (member), .number = (value) \
	}
#define MAC_TEXT_MAX 18
#define LINE_MAX     256 /* of a change, as the text of an event shows it */

/* --- health --------------------------------------------------------------------------------------- */

static void health_changed_state(void *arg, const struct check_transition *transition)
{
	const char *from = health_word(transition->from), *to = health_word(transition->to);
	char address[ADDR_TEXT_MAX];
	bool passed = transition->to == HEALTH_UP;
	struct engine *engine = arg;

	format_addr(&transition->addr, address);
	event_emit(engine->events, EVENT_HEALTH,
		   MEMBERS(TEXT("group", transition->group), TEXT("server", transition->server),
			   TEXT("address", address), TEXT("from", from), TEXT("to", to),
			   TEXT("reason", transition->reason),
			   NUMBER("results", transition->results)),
		   "%s/%s%s%s %s -> %s%s%s (%u of %u %s)", transition->group, transition->server,
		   transition->several ? " " : "", transition->several ? address : "", from, to,
		   transition->reason[0] ? "  " : "", transition->reason, transition->results,
		   transition->results, passed ? "passed" : "failed");
}

void engine_events_slow_start(struct engine *engine, uint32_t server,
			      const struct server_group *group, uint32_t part, uint64_t left_ms)
{
	unsigned long long seconds = (left_ms + 999) / 1000;
	char name[ID_KEY_MAX], text[100] = "has all of its weight", *address;

	/* "web/web1@10.0.1.11" */
	ids_name(engine->ids, ID_SERVER, server, name);
	address = strchr(name, '@');
	if (!address)
		return;
	*address++ = '\0';
	if (part < 100)
		snprintf(text, sizeof(text), "starts with %u %% of its weight, all of it in %llu s",
			 part, seconds);
	event_emit(engine->events, EVENT_SLOW_START,
		   MEMBERS(TEXT("group", group->object.name),
			   TEXT("server", name + strcspn(name, "/") + 1), TEXT("address", address),
			   NUMBER("percent", part), NUMBER("seconds", seconds)),
		   "%s %s %s", name, address, text);
}

/* --- configuration -------------------------------------------------------------------------------- */

void engine_events_config(struct engine *engine, const struct model_changes *changes)
{
	uint32_t count = changes->added + changes->changed + changes->removed;
	char line[LINE_MAX], more[32] = "";

	snprintf(line, sizeof(line), "%.*s", (int)strcspn(changes->lines, "\n"), changes->lines);
	if (count > 1)
		snprintf(more, sizeof(more), " (and %u more)", count - 1);
	event_emit(engine->events, EVENT_CONFIG,
		   MEMBERS(NUMBER("revision", engine->revision), TEXT("origin", engine->origin),
			   NUMBER("added", changes->added), NUMBER("changed", changes->changed),
			   NUMBER("removed", changes->removed), TEXT("change", line)),
		   "r%llu %s: %s%s", (unsigned long long)engine->revision, engine->origin, line,
		   more);
}

void engine_events_table(struct engine *engine, enum xlb_flow_table_id id, uint32_t before,
			 uint64_t took_ns)
{
	uint32_t room = datapath_table_room(engine->datapath, id);

	event_emit(engine->events, EVENT_FLOW_TABLE,
		   MEMBERS(TEXT("table", engine_table_words[id]), NUMBER("from", before),
			   NUMBER("to", room), NUMBER("ms", took_ns / 1000000)),
		   "flow table %s has room for %u instead of %u, after %llu ms",
		   engine_table_words[id], room, before, (unsigned long long)(took_ns / 1000000));
}

/* --- interfaces and next hops --------------------------------------------------------------------- */

static void tell_attachment(struct engine *engine, const struct op *op)
{
	static const char *const modes[] = {
		[XLB_ATTACH_NATIVE] = "native", [XLB_ATTACH_GENERIC] = "generic"
	};
	struct row_attachment_key key;
	struct row_attachment value;

	memcpy(&key, op->row.key, sizeof(key));
	memcpy(&value, op->row.value, sizeof(value));
	if (op->kind == OP_DEL)
		event_emit(engine->events, EVENT_INTERFACE,
			   MEMBERS(TEXT("interface", key.ifname), TEXT("to", "detached")),
			   "%s detached", key.ifname);
	else
		event_emit(engine->events, EVENT_INTERFACE,
			   MEMBERS(TEXT("interface", key.ifname), TEXT("to", "attached"),
				   TEXT("mode", modes[value.mode])),
			   "%s attached, %s", key.ifname, modes[value.mode]);
}

static void tell_vip(struct engine *engine, const struct op *op)
{
	bool removed = op->kind == OP_DEL;
	struct row_vip_addr_key key;
	char address[ADDR_TEXT_MAX];

	memcpy(&key, op->row.key, sizeof(key));
	format_addr(&key.addr, address);
	event_emit(engine->events, EVENT_INTERFACE,
		   MEMBERS(TEXT("interface", key.ifname), TEXT("address", address),
			   TEXT("to", removed ? "vip-removed" : "vip-added")),
		   "%s VIP %s %s", key.ifname, address, removed ? "removed" : "added");
}

/* "" of id 0 */
static const char *taker_name(const struct engine *engine, uint32_t id)
{
	const struct id_entry *entry = id ? ids_by_id(engine->ids, ID_GROUP, id) : NULL;

	return entry ? entry->key : "";
}

/* `clients`: "" of both families, else " of IPv4 clients". */
static void tell_taker(struct engine *engine, const char *group, uint16_t to, const char *family,
		       const char *clients)
{
	const char *taker = taker_name(engine, to);

	event_emit(engine->events, EVENT_FALLBACK,
		   MEMBERS(TEXT("group", group), TEXT("to", *taker ? taker : group),
			   TEXT("family", family)),
		   "%s: new flows%s %s %s", group, clients, to ? "go to" : "go again to",
		   *taker ? taker : group);
}

static void tell_group(struct engine *engine, const struct op *op)
{
	const struct id_entry *entry;
	struct row_group before, now;
	struct row_id key;
	bool both;

	memcpy(&key, op->row.key, sizeof(key));
	memcpy(&before, op->old.value, sizeof(before));
	memcpy(&now, op->row.value, sizeof(now));
	entry = ids_by_id(engine->ids, ID_GROUP, key.id);
	if (op->kind != OP_PUT || !entry)
		return;
	both = now.instead.ipv4 == now.instead.ipv6 && before.instead.ipv4 == before.instead.ipv6;
	if (now.instead.ipv4 != before.instead.ipv4)
		tell_taker(engine, entry->key, now.instead.ipv4, both ? "both" : "ipv4",
			   both ? "" : " of IPv4 clients");
	if (now.instead.ipv6 != before.instead.ipv6 && !both)
		tell_taker(engine, entry->key, now.instead.ipv6, "ipv6", " of IPv6 clients");
}

/* "" while it is not resolved. */
static const char *hop_mac(const struct xlb_nexthop *hop, char ret[MAC_TEXT_MAX])
{
	const __u8 *mac = hop->mac;

	ret[0] = '\0';
	if (hop->interface)
		snprintf(ret, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
			 mac[3], mac[4], mac[5]);
	return ret;
}

/* What is new or gone is no news of a neighbour: a configuration named it, or does so no longer. */
static void tell_nexthop(struct engine *engine, const struct op *op)
{
	char ifname[IFNAMSIZ] = "", from[MAC_TEXT_MAX], to[MAC_TEXT_MAX];
	struct xlb_nexthop before, now;
	const struct id_entry *entry;
	const char *address;
	struct row_id key;

	memcpy(&key, op->row.key, sizeof(key));
	memcpy(&before, op->old.value, sizeof(before));
	memcpy(&now, op->row.value, sizeof(now));
	entry = ids_by_id(engine->ids, ID_NEXTHOP, key.id);
	hop_mac(&before, from);
	hop_mac(&now, to);
	if (op->kind != OP_PUT || !op->had_old || !entry || !strcmp(from, to))
		return;
	address = entry->key + strcspn(entry->key, "/");
	snprintf(ifname, sizeof(ifname), "%.*s", (int)(address - entry->key), entry->key);
	address += *address == '/';
	event_emit(engine->events, EVENT_NEIGHBOUR,
		   MEMBERS(TEXT("address", address), TEXT("interface", ifname), TEXT("from", from),
			   TEXT("to", to)),
		   "%s on %s %s%s%s%s", address, ifname,
		   !to[0]   ? "lost, was " :
		   !from[0] ? "resolved: " :
			      "moved: ",
		   from, from[0] && to[0] ? " -> " : "", to);
}

void engine_events_plan(struct engine *engine, const struct plan *plan)
{
	static void (*const tell[TABLE_COUNT])(struct engine * engine, const struct op *op) = {
		[TABLE_ATTACHMENT] = tell_attachment,
		[TABLE_VIP_ADDR] = tell_vip,
		[TABLE_NEXTHOP] = tell_nexthop,
		[TABLE_GROUP] = tell_group,
	};
	size_t i;

	for (i = 0; i < plan->count; i++)
		if (tell[plan->ops[i].row.table])
			tell[plan->ops[i].row.table](engine, &plan->ops[i]);
}

static const char *link_state(const struct engine *engine, const char *name)
{
	struct xlb_err ignored;
	struct host_link link;

	if (host_link(engine->host, name, &link, &ignored))
		return "absent";
	return link.up ? "up" : "down";
}

static const struct link_state *link_find(const struct engine *engine, const char *name)
{
	uint32_t i;

	for (i = 0; i < engine->link_count; i++)
		if (!strcmp(engine->links[i].name, name))
			return &engine->links[i];
	return NULL;
}

void engine_events_links(struct engine *engine)
{
	const struct object *object;
	struct link_state *links;
	uint32_t count = 0;

	TAILQ_FOREACH(object, &engine->model->interfaces, link)
		count++;
	links = calloc(count + 1, sizeof(*links));
	if (!links)
		return; /* the next news is compared with the same */
	count = 0;
	TAILQ_FOREACH(object, &engine->model->interfaces, link) {
		const struct link_state *before = link_find(engine, object->name);
		struct link_state *now = &links[count++];

		snprintf(now->name, sizeof(now->name), "%.*s", IFNAMSIZ - 1, object->name);
		now->state = link_state(engine, object->name);
		if (before && strcmp(before->state, now->state))
			event_emit(engine->events, EVENT_INTERFACE,
				   MEMBERS(TEXT("interface", now->name),
					   TEXT("from", before->state), TEXT("to", now->state)),
				   "%s %s -> %s", now->name, before->state, now->state);
	}
	free(engine->links);
	engine->links = links;
	engine->link_count = count;
}

/* --- counters ------------------------------------------------------------------------------------- */

/* Reasons that say that something has run out. */
static const enum xlb_reason shortages[] = { XLB_DROP_FLOW_TABLE_FULL, XLB_DROP_SNAT_EXHAUSTED };

struct drop_sum {
	struct engine *engine;
	uint64_t drops[XLB_DROP_COUNT];
};

static void add_drops(void *arg, struct id_entry *entry)
{
	uint64_t drops[XLB_DROP_COUNT] = {};
	struct drop_sum *sum = arg;
	size_t i;

	if (datapath_drop_counters(sum->engine->datapath, entry->id, drops))
		return;
	for (i = 0; i < XLB_DROP_COUNT; i++)
		sum->drops[i] += drops[i];
}

/* By how much a counter rose. It falls when an interface goes, and its share with it. */
static uint64_t rise(uint64_t *seen, uint64_t now)
{
	uint64_t before = *seen;

	*seen = now;
	return now > before ? now - before : 0;
}

/* Once a second; the first time only notes what was counted before this run. */
static void look_at_counters(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;
	struct drop_sum sum = { .engine = engine };
	uint64_t evictions = 0, risen;
	size_t i;

	(void)fd;
	(void)what;
	ids_each(engine->ids, ID_INTERFACE, add_drops, &sum);
	if (datapath_evictions(engine->datapath, &evictions))
		evictions = engine->evictions_seen;
	risen = rise(&engine->evictions_seen, evictions);
	if (engine->counters_known)
		events_evictions(engine->events, risen);
	for (i = 0; i < sizeof(shortages) / sizeof(shortages[0]); i++) {
		risen = rise(&engine->drops_seen[shortages[i]], sum.drops[shortages[i]]);
		if (engine->counters_known)
			events_drops(engine->events, shortages[i], risen);
	}
	engine->counters_known = true;
}

/* --- life ----------------------------------------------------------------------------------------- */

int engine_events_open(struct engine *engine, struct xlb_err *err)
{
	engine->events = events_new(engine->base, EVENTS_PER_SECOND, EVENTS_BURST);
	engine->counters_timer = event_new(engine->base, -1, EV_PERSIST, look_at_counters, engine);
	if (!engine->events || !engine->counters_timer)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	return 0;
}

void engine_events_start(struct engine *engine)
{
	static const struct timeval second = { .tv_sec = 1 };

	event_emit(engine->events, EVENT_START,
		   MEMBERS(TEXT("version", XLB_VERSION), NUMBER("revision", engine->revision),
			   TEXT("origin", engine->origin)),
		   "xlbd " XLB_VERSION ", r%llu%s%s%s", (unsigned long long)engine->revision,
		   engine->origin[0] ? " (" : "", engine->origin, engine->origin[0] ? ")" : "");
	checker_on_transition(engine->checker, health_changed_state, engine);
	look_at_counters(-1, 0, engine);
	event_add(engine->counters_timer, &second);
}

void engine_events_close(struct engine *engine)
{
	if (engine->counters_timer)
		event_free(engine->counters_timer);
	events_free(engine->events);
	free(engine->links);
}
