// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* GET /v1/counters/<view>: rows of name, state and counters, for those who look again and again. */
#include <errno.h>
#include <string.h>

#include "xlbd/api_list.h"
#include "xlbd/api_view_server.h"
#include "xlbd/version.h"

#define FLOW_COLUMNS	    ",\"flows\"" COUNTER_COLUMNS
#define X(name, word, help) ",\"" #word "\""
#define COUNTER_COLUMNS	    XLB_FLOW_COUNTERS(X)
#define INTERFACE_COLUMNS   XLB_INTERFACE_COUNTERS(X)

static json_t *head(const struct api *api)
{
	const struct engine *engine = api->engine;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:I}", "time_ns",
			 (json_int_t)now.tv_sec * 1000000000 + now.tv_nsec, "version", XLB_VERSION,
			 "instance", api->paths.instance, "uptime",
			 (json_int_t)(now.tv_sec - api->started), "revision",
			 (json_int_t)engine_revision(engine), "flows",
			 (json_int_t)engine_flows_total(engine), "max_flows",
			 (json_int_t)datapath_max_flows(engine_datapath(engine)));
}

/* `["name","state",number,...]`; names and words of xlb need no escape. */
static int print_row(struct view *view, struct evbuffer *out, const char *name, const char *state,
		     const uint64_t *numbers, size_t count)
{
	char text[512];
	size_t i;
	int used;

	used = snprintf(text, sizeof(text), "%s[\"%s\",\"%s\"", view->rows++ ? "," : "", name,
			state);
	for (i = 0; i < count; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, ",%llu",
				 (unsigned long long)numbers[i]);
	return evbuffer_add_printf(out, "%s]", text) < 0 ? -ENOMEM : 0;
}

static int print_listener(struct view *view, const struct object *object, struct evbuffer *out)
{
	uint64_t numbers[1 + XLB_COUNT_MAX] = {};
	char name[2 * NAME_TEXT_MAX];
	uint32_t id;

	snprintf(name, sizeof(name), "%s/%s", object->parent->name, object->name);
	id = engine_live_id(view->engine, ID_LISTENER, name);
	if (id) {
		numbers[0] = engine_flows(view->engine, ID_LISTENER, id);
		datapath_listener_counters(engine_datapath(view->engine), id, numbers + 1);
	}
	return print_row(view, out, name,
			 ((const struct listener *)object)->enabled ? "enabled" : "disabled",
			 numbers, sizeof(numbers) / sizeof(numbers[0]));
}

static int print_server(struct view *view, const struct object *object, struct evbuffer *out)
{
	uint64_t numbers[1 + XLB_COUNT_MAX] = {};
	char name[2 * NAME_TEXT_MAX];
	struct server_view seen;
	uint32_t i, j;

	view_look_at_server(view, (const struct server *)object, &seen);
	numbers[0] = seen.flows;
	for (i = 0; i < seen.count; i++) {
		uint64_t counters[XLB_COUNT_MAX] = {};

		if (!seen.addresses[i].id ||
		    datapath_server_counters(engine_datapath(view->engine), seen.addresses[i].id,
					     counters))
			continue;
		for (j = 0; j < XLB_COUNT_MAX; j++)
			numbers[1 + j] += counters[j];
	}
	snprintf(name, sizeof(name), "%s/%s", object->parent->name, object->name);
	return print_row(view, out, name, view_server_state(&seen), numbers,
			 sizeof(numbers) / sizeof(numbers[0]));
}

static int print_interface(struct view *view, const struct object *object, struct evbuffer *out)
{
	const struct id_entry *slot =
		ids_find(engine_ids(view->engine), ID_INTERFACE, object->name);
	uint64_t numbers[1 + XLB_IFCOUNT_MAX] = {};
	struct datapath *datapath = engine_datapath(view->engine);
	const char *state = "missing";
	struct attachment_info info;
	struct host_link link;
	struct xlb_err ignored;

	if (!host_link(engine_host(view->engine), object->name, &link, &ignored)) {
		numbers[0] = link.mtu;
		state = "detached";
		if (!datapath_attachment(datapath, object->name, &info))
			state = link.up ? attach_mode_word(info.mode) : "down";
	}
	if (slot)
		datapath_interface_counters(datapath, slot->id, numbers + 1);
	return print_row(view, out, object->name, state, numbers,
			 sizeof(numbers) / sizeof(numbers[0]));
}

/* One row for each reason that has occurred. */
static int print_drops(struct view *view, const struct object *object, struct evbuffer *out)
{
	static const char *const words[XLB_DROP_COUNT] = {
#define REASON(name, word, meaning) [XLB_DROP_##name] = #word,
		XLB_REASONS(REASON)
#undef REASON
	};
	const struct id_entry *slot =
		ids_find(engine_ids(view->engine), ID_INTERFACE, object->name);
	uint64_t drops[XLB_DROP_COUNT] = {};
	size_t i;
	int r = 0;

	if (slot)
		datapath_drop_counters(engine_datapath(view->engine), slot->id, drops);
	for (i = 0; !r && i < XLB_DROP_COUNT; i++)
		if (drops[i] && words[i])
			r = print_row(view, out, object->name, words[i], &drops[i], 1);
	return r;
}

static const struct counter_view {
	const char *word;
	const struct type *type; /* whose objects are asked */
	listing_print print;
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

static int add_rows(struct listing *listing, const struct model *model,
		    const struct counter_view *counters, const struct object *parent)
{
	const struct object *object;
	int r = 0;

	TAILQ_FOREACH(object, model_list(model, counters->type, parent), link)
		if (!r)
			r = listing_call(listing, counters->print, object);
	return r;
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
	r = listing_open(listing, head);
	if (!r)
		r = listing_text(listing, ",\"columns\":[");
	if (!r)
		r = listing_text(listing, counters->columns);
	if (!r)
		r = listing_text(listing, "],\"rows\":[");
	if (!r && !counters->type->parent)
		r = add_rows(listing, model, counters, NULL);
	else if (!r)
		TAILQ_FOREACH(parent, model_list(model, counters->type->parent, NULL), link)
			if (!r)
				r = add_rows(listing, model, counters, parent);
	return r ? r : listing_text(listing, "]}\n");
}

void api_counters(struct call *call)
{
	listing_run(call, plan_counters, false);
}
