// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* GET /v1/counters/<view>: rows of name, state and counters, for those who look again and again. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/words.h"
#include "xlbd/api_list.h"
#include "xlbd/version.h"

#define FLOW_COLUMNS	    ",\"flows\"" COUNTER_COLUMNS
#define X(name, word, help) ",\"" #word "\""
#define COUNTER_COLUMNS	    XLB_FLOW_COUNTERS(X)
#define INTERFACE_COLUMNS   XLB_INTERFACE_COUNTERS(X)

static int print_head(void *arg, struct view *view, const struct object *object)
{
	const struct engine *engine = view->engine;
	struct json_out *out = &view->out;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	(void)arg;
	(void)object;
	out_open(out, NULL, '{');
	out_uint(out, "time_ns", now);
	out_text(out, "version", XLB_VERSION);
	out_text(out, "instance", view->api->paths.instance);
	out_uint(out, "uptime", now / NS_PER_SECOND - (uint64_t)view->api->started);
	out_uint(out, "revision", engine_revision(engine));
	out_uint(out, "flows", engine_flows_total(engine));
	out_uint(out, "max_flows", engine_max_flows(engine));
	return 0;
}

/* `["name","state",number,...]` */
static int print_row(struct view *view, const char *name, const char *state,
		     const uint64_t *numbers, size_t count)
{
	struct json_out *out = &view->out;
	size_t i;

	out_open(out, NULL, '[');
	out_text(out, NULL, name);
	out_text(out, NULL, state);
	for (i = 0; i < count; i++)
		out_uint(out, NULL, numbers[i]);
	out_close(out, ']');
	return 0;
}

static int print_listener(void *arg, struct view *view, const struct object *object)
{
	uint32_t id = look_listener_id(&view->look, object);
	uint64_t numbers[1 + XLB_COUNT_MAX] = {};
	char name[2 * NAME_TEXT_MAX];

	(void)arg;
	snprintf(name, sizeof(name), "%s/%s", object->parent->name, object->name);
	if (id)
		numbers[0] = engine_flows(view->engine, ID_LISTENER, id);
	look_add_counters(&view->look, TABLE_LISTENER, id, numbers + 1);
	return print_row(view, name,
			 ((const struct listener *)object)->enabled ? "enabled" : "disabled",
			 numbers, sizeof(numbers) / sizeof(numbers[0]));
}

static int print_server(void *arg, struct view *view, const struct object *object)
{
	uint64_t numbers[1 + XLB_COUNT_MAX] = {};
	char name[2 * NAME_TEXT_MAX];
	struct server_look seen;
	uint32_t i;

	(void)arg;
	look_server(&view->look, (const struct server *)object, &seen);
	numbers[0] = seen.flows;
	for (i = 0; i < seen.count; i++)
		look_add_counters(&view->look, TABLE_SERVER, seen.addresses[i].id, numbers + 1);
	snprintf(name, sizeof(name), "%s/%s", object->parent->name, object->name);
	return print_row(view, name, server_state_word(look_state(&seen)), numbers,
			 sizeof(numbers) / sizeof(numbers[0]));
}

static int print_interface(void *arg, struct view *view, const struct object *object)
{
	const struct id_entry *slot =
		ids_find(engine_ids(view->engine), ID_INTERFACE, object->name);
	uint64_t numbers[1 + XLB_IFCOUNT_MAX] = {};
	struct datapath *datapath = engine_datapath(view->engine);
	const char *state = "missing";
	struct attachment_info info;
	struct host_link link;
	struct xlb_err ignored;

	(void)arg;
	if (!host_link(engine_host(view->engine), object->name, &link, &ignored)) {
		numbers[0] = link.mtu;
		state = "detached";
		if (!datapath_attachment(datapath, object->name, &info))
			state = link.up ? attach_mode_word(info.mode) : "down";
	}
	if (slot)
		datapath_interface_counters(datapath, slot->id, numbers + 1);
	return print_row(view, object->name, state, numbers, sizeof(numbers) / sizeof(numbers[0]));
}

/* One row for each reason that has occurred. */
static int print_drops(void *arg, struct view *view, const struct object *object)
{
	const struct id_entry *slot =
		ids_find(engine_ids(view->engine), ID_INTERFACE, object->name);
	uint64_t drops[XLB_DROP_COUNT] = {};
	uint32_t i;

	(void)arg;
	if (slot)
		datapath_drop_counters(engine_datapath(view->engine), slot->id, drops);
	for (i = 0; i < XLB_DROP_COUNT; i++)
		if (drops[i] && reason_word(i))
			print_row(view, object->name, reason_word(i), &drops[i], 1);
	return 0;
}

static const struct counter_view {
	const char *word;
	const struct type *type; /* whose objects are asked */
	listing_visit print;
	const char *columns;
} counter_views[] = {
	{ "listeners", &type_listener, print_listener, "\"name\",\"state\"" FLOW_COLUMNS },
	{ "servers", &type_server, print_server, "\"name\",\"state\"" FLOW_COLUMNS },
	{ "drops", &type_interface, print_drops, "\"interface\",\"reason\",\"drops\"" },
	{ "interfaces", &type_interface, print_interface,
	  "\"name\",\"state\",\"mtu\"" INTERFACE_COLUMNS },
};

/* `word` behind "counters/"; NULL if there is no such view */
static const struct counter_view *counter_view(const char *path)
{
	const char *word = strchr(path, '/') + 1;
	size_t i;

	for (i = 0; i < sizeof(counter_views) / sizeof(counter_views[0]); i++)
		if (!strcmp(counter_views[i].word, word))
			return &counter_views[i];
	return NULL;
}

static int plan_counters(struct listing *listing, const struct model *model, struct xlb_err *err)
{
	const struct counter_view *counters = counter_view(listing_path(listing));
	const struct object *parent;
	int r;

	if (!counters)
		return xlb_err_set(err, XLB_ERR_NOT_FOUND, -ENOENT,
				   "no counters '%.64s': listeners, servers, drops, interfaces",
				   strchr(listing_path(listing), '/') + 1);
	r = listing_visit_object(listing, print_head, NULL);
	if (!r)
		r = listing_text(listing, ",\"columns\":[");
	if (!r)
		r = listing_text(listing, counters->columns);
	if (!r)
		r = listing_text(listing, "],\"rows\":[");
	if (!r && !counters->type->parent)
		r = listing_visit_all(listing, model, counters->type, NULL, counters->print);
	else if (!r)
		TAILQ_FOREACH(parent, model_list(model, counters->type->parent, NULL), link)
			if (!r)
				r = listing_visit_all(listing, model, counters->type, parent,
						      counters->print);
	return r ? r : listing_text(listing, "]}\n");
}

void api_counters(struct call *call)
{
	listing_run(call, &(struct listing_kind){ .plan = plan_counters });
}
