// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The state of interfaces, load balancers and listeners; problems. */
#include "xlbd/api_view.h"

#include <stdarg.h>
#include <string.h>

#include "core/json.h"

#define PROBLEMS_MAX 100

static const struct {
	const struct type *type;
	void (*state)(struct view *view, const struct object *object, struct json_out *out);
} states[] = {
	{ &type_interface, view_interface }, { &type_load_balancer, view_load_balancer },
	{ &type_listener, view_listener },   { &type_server_group, view_server_group },
	{ &type_server, view_server },
};

void view_done(struct view *view)
{
	json_decref(view->problems);
	free(view->vips);
	look_done(&view->look);
}

static const char *const level_words[] = {
	[PROBLEM_ERROR] = "error",
	[PROBLEM_WARNING] = "warning",
	[PROBLEM_INFO] = "info",
};

void view_problem(struct view *view, enum problem_level level, const char *command,
		  const char *format, ...)
{
	char text[512];
	va_list args;

	if (!view->problems || view->problem_count++ >= PROBLEMS_MAX)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(view->problems,
			      json_pack("{s:s, s:s, s:s?}", "level", level_words[level], "text",
					text, "command", command));
}

/* Works, but may surprise. What is a problem of its own (FAIL-OPEN) is told by it. */
static void warning_problems(struct view *view)
{
	AUTO_FREE char *text = strdup(engine_warnings(view->engine));
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")))
		if (*line && !strstr(line, "FAIL-OPEN"))
			view_problem(view, PROBLEM_INFO, NULL, "%s", line);
}

void view_finish_problems(struct view *view, const struct paths *paths)
{
	const char *trouble = engine_trouble(view->engine);
	uint32_t left = engine_confirm_left(view->engine);
	uint32_t hidden = view->problem_count > PROBLEMS_MAX ? view->problem_count - PROBLEMS_MAX :
							       0;
	char command[128];

	view->problem_count = 0; /* these are few and always shown */
	if (hidden)
		view_problem(view, PROBLEM_WARNING, "xlbctl server list",
			     "... and %u more problems", hidden);
	if (trouble[0])
		view_problem(view, PROBLEM_ERROR, NULL, "%s", trouble);
	if (left)
		view_problem(view, PROBLEM_WARNING, "xlbctl confirm",
			     "the last attach is undone in %u s unless confirmed", left);
	warning_problems(view);
	if (engine_file_differs(view->engine)) {
		snprintf(command, sizeof(command), "xlbctl diff %s", paths->config_file);
		view_problem(view, PROBLEM_INFO, command,
			     "%s differs from the running configuration", paths->config_file);
	}
}

void view_counters(const uint64_t counters[XLB_COUNT_MAX], struct json_out *out)
{
	out_open(out, "counters", '{');
#define X(name, word, help) out_uint(out, #word, counters[XLB_COUNT_##name]);
	XLB_FLOW_COUNTERS(X)
#undef X
	out_close(out, '}');
}

json_t *drops_json(const uint64_t drops[XLB_DROP_COUNT])
{
	json_t *json = json_object();

#define X(name, word, meaning) \
	if (drops[XLB_DROP_##name]) \
		json_object_set_new(json, #word, json_integer((json_int_t)drops[XLB_DROP_##name]));
	XLB_REASONS(X)
#undef X
	return json;
}

static void interface_counters(const uint64_t counters[XLB_IFCOUNT_MAX],
			       const uint64_t drops[XLB_DROP_COUNT], struct json_out *out)
{
	out_open(out, "counters", '{');
#define X(name, word, help) out_uint(out, #word, counters[XLB_IFCOUNT_##name]);
	XLB_INTERFACE_COUNTERS(X)
#undef X
	out_close(out, '}');
	out_open(out, "drops", '{');
#define X(name, word, meaning) \
	if (drops[XLB_DROP_##name]) \
		out_uint(out, #word, drops[XLB_DROP_##name]);
	XLB_REASONS(X)
#undef X
	out_close(out, '}');
}

void view_object(struct view *view, const struct object *object, struct json_out *out)
{
	size_t i;

	out_open(out, NULL, '{');
	out_text(out, "name", object->name);
	object_fields_json(out, object, !view->brief);
	out_open(out, "state", '{');
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (states[i].type == object->type)
			states[i].state(view, object, out);
	out_close(out, '}');
}

static void interface_problems(struct view *view, const struct object *object, bool present,
			       const struct attachment_info *info)
{
	char command[128];

	snprintf(command, sizeof(command), "xlbctl attach %s", object->name);
	if (!present)
		view_problem(
			view, PROBLEM_ERROR, NULL,
			"interface %s is configured but does not exist: it is attached once it appears",
			object->name);
	else if (!info->mode)
		view_problem(view, PROBLEM_ERROR, command,
			     "interface %s is configured but not attached", object->name);
	else if (info->mode == XLB_ATTACH_GENERIC)
		view_problem(view, PROBLEM_WARNING, command,
			     "interface %s runs in generic mode: every packet takes the slow path",
			     object->name);
}

const char *view_mode_word(uint32_t mode)
{
	switch (mode) {
	case XLB_ATTACH_NATIVE:
		return "native";
	case XLB_ATTACH_GENERIC:
		return "generic";
	}
	return NULL;
}

void view_interface(struct view *view, const struct object *object, struct json_out *out)
{
	const struct id_entry *slot =
		ids_find(engine_ids(view->engine), ID_INTERFACE, object->name);
	struct datapath *datapath = engine_datapath(view->engine);
	uint64_t counters[XLB_IFCOUNT_MAX] = {}, drops[XLB_DROP_COUNT] = {};
	struct attachment_info info = {};
	struct host_link link = {};
	struct xlb_err ignored;
	bool present, attached;

	present = !host_link(engine_host(view->engine), object->name, &link, &ignored);
	attached = present && !datapath_attachment(datapath, object->name, &info);
	if (slot) {
		datapath_interface_counters(datapath, slot->id, counters);
		datapath_drop_counters(datapath, slot->id, drops);
	}
	interface_problems(view, object, present, &info);
	out_bool(out, "attached", attached);
	out_bool(out, "present", present);
	out_text(out, "mode", view_mode_word(info.mode));
	if (attached)
		out_uint(out, "program_id", info.program_id);
	else
		out_null(out, "program_id");
	out_text(out, "program_tag", attached ? info.program_tag : NULL);
	out_bool(out, "up", present && link.up);
	if (present)
		out_uint(out, "mtu", link.mtu);
	else
		out_null(out, "mtu");
	interface_counters(counters, drops, out);
}

static void add_vip(void *arg, const struct row *row)
{
	struct view *view = arg;
	struct row_vip_addr_key *grown;

	grown = realloc(view->vips, (view->vip_count + 1) * sizeof(*grown));
	if (!grown)
		return;
	view->vips = grown;
	memcpy(&view->vips[view->vip_count++], row->key, sizeof(*grown));
}

const char *view_vip_interface(struct view *view, const struct xlb_addr *addr)
{
	struct sink *sink = host_sink(engine_host(view->engine));
	struct xlb_err ignored;
	size_t i;

	if (!view->vips_listed)
		sink->list(sink, &tables[TABLE_VIP_ADDR], add_vip, view, &ignored);
	view->vips_listed = true;
	for (i = 0; i < view->vip_count; i++)
		if (addr_equal(&view->vips[i].addr, addr))
			return view->vips[i].ifname;
	return NULL;
}

void view_load_balancer(struct view *view, const struct object *object, struct json_out *out)
{
	const struct load_balancer *lb = (const struct load_balancer *)object;
	uint32_t i;

	out_uint(out, "flows", look_load_balancer_flows(&view->look, lb));
	if (view->brief)
		return;
	out_open(out, "addresses", '[');
	for (i = 0; i < lb->addresses.count; i++) {
		const struct xlb_addr *addr = &lb->addresses.addrs[i];
		bool host = host_owns_address(engine_host(view->engine), addr);
		const char *ifname = host ? NULL : view_vip_interface(view, addr);
		char text[ADDR_TEXT_MAX];

		format_addr(addr, text);
		out_open(out, NULL, '{');
		out_text(out, "address", text);
		out_text(out, "interface", ifname);
		out_bool(out, "present", host || ifname);
		out_bool(out, "host", host);
		out_close(out, '}');
	}
	out_close(out, ']');
}

void view_listener(struct view *view, const struct object *object, struct json_out *out)
{
	uint32_t id = look_listener_id(&view->look, object);
	uint64_t counters[XLB_COUNT_MAX] = {};

	look_add_counters(&view->look, TABLE_LISTENER, id, counters);
	out_uint(out, "flows", id ? engine_flows(view->engine, ID_LISTENER, id) : 0);
	view_counters(counters, out);
}
