// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The state of interfaces, load balancers and listeners; problems. */
#include "xlbd/api_view.h"

#include <string.h>

#include "core/json.h"
#include "xlbd/api_problems.h"
#include "xlbd/api_summary.h"

static const struct {
	const struct type *type;
	json_t *(*state)(struct view *view, const struct object *object);
} states[] = {
	{ &type_interface, view_interface }, { &type_load_balancer, view_load_balancer },
	{ &type_listener, view_listener },   { &type_server_group, view_server_group },
	{ &type_server, view_server },
};

void view_done(struct view *view)
{
	problems_free(view->problems);
	free(view->scan);
	summary_free(view->summary);
	free(view->vips);
}

json_t *counters_json(const uint64_t counters[XLB_COUNT_MAX])
{
	json_t *json = json_object();

#define X(name, word, help) \
	json_object_set_new(json, #word, json_integer((json_int_t)counters[XLB_COUNT_##name]));
	XLB_FLOW_COUNTERS(X)
#undef X
	return json;
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

static json_t *interface_counters_json(const uint64_t counters[XLB_IFCOUNT_MAX])
{
	json_t *json = json_object();

#define X(name, word, help) \
	json_object_set_new(json, #word, json_integer((json_int_t)counters[XLB_IFCOUNT_##name]));
	XLB_INTERFACE_COUNTERS(X)
#undef X
	return json;
}

/* Fields only: a copy of the head without children, which are shown one by one. */
static json_t *fields_json(const struct object *object)
{
	size_t size = object->type->size;
	AUTO_FREE struct object *shell = malloc(size);
	const struct type *const *child;
	json_t *json;

	if (!shell)
		return NULL;
	memcpy(shell, object, size);
	for (child = types; *child; child++)
		if ((*child)->parent == object->type)
			TAILQ_INIT((struct object_list *)((char *)shell + (*child)->list_offset));
	json = object_json(shell);
	for (child = types; json && *child; child++)
		if ((*child)->parent == object->type)
			json_object_del(json, (*child)->plural);
	return json;
}

json_t *view_object(struct view *view, const struct object *object)
{
	json_t *json = json_pack("{s:s}", "name", object->name), *fields = fields_json(object);
	size_t i;

	if (!json || !fields || json_object_update_missing(json, fields)) {
		json_decref(json);
		json_decref(fields);
		return NULL;
	}
	json_decref(fields);
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (states[i].type == object->type)
			json_object_set_new(json, "state", states[i].state(view, object));
	return json;
}

const char *attach_mode_word(uint32_t mode)
{
	switch (mode) {
	case XLB_ATTACH_NATIVE:
		return "native";
	case XLB_ATTACH_GENERIC:
		return "generic";
	}
	return NULL;
}

json_t *view_interface(struct view *view, const struct object *object)
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
	if (view->problems)
		problems_interface(view, (const struct interface *)object, present ? &link : NULL,
				   info.mode);
	return json_pack("{s:b, s:b, s:s?, s:o, s:s?, s:b, s:o, s:o, s:o}", "attached", attached,
			 "present", present, "mode", attach_mode_word(info.mode), "program_id",
			 attached ? json_integer(info.program_id) : json_null(), "program_tag",
			 attached ? info.program_tag : NULL, "up", present && link.up, "mtu",
			 present ? json_integer(link.mtu) : json_null(), "counters",
			 interface_counters_json(counters), "drops", drops_json(drops));
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

/* The NIC that xlb has put the address on, NULL if none. */
static const char *vip_interface(struct view *view, const struct xlb_addr *addr)
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

json_t *view_load_balancer(struct view *view, const struct object *object)
{
	const struct load_balancer *lb = (const struct load_balancer *)object;
	json_t *addresses = json_array();
	uint64_t flows = 0;
	uint32_t i;

	for (i = 0; i < lb->addresses.count; i++) {
		const struct xlb_addr *addr = &lb->addresses.addrs[i];
		bool host = host_owns_address(engine_host(view->engine), addr);
		const char *ifname = host ? NULL : vip_interface(view, addr);
		char text[ADDR_TEXT_MAX];

		format_addr(addr, text);
		flows += engine_flows(view->engine, ID_VIP,
				      engine_live_id(view->engine, ID_VIP, text));
		json_array_append_new(addresses, json_pack("{s:s, s:s?, s:b, s:b}", "address", text,
							   "interface", ifname, "present",
							   host || ifname, "host", host));
	}
	return json_pack("{s:I, s:o}", "flows", (json_int_t)flows, "addresses", addresses);
}

json_t *view_listener(struct view *view, const struct object *object)
{
	uint64_t counters[XLB_COUNT_MAX] = {};
	char name[ID_KEY_MAX];
	uint64_t flows = 0;
	uint32_t id;

	snprintf(name, sizeof(name), "%s/%s", object->parent->name, object->name);
	id = engine_live_id(view->engine, ID_LISTENER, name);
	if (id) {
		flows = engine_flows(view->engine, ID_LISTENER, id);
		datapath_listener_counters(engine_datapath(view->engine), id, counters);
	}
	return json_pack("{s:I, s:o}", "flows", (json_int_t)flows, "counters",
			 counters_json(counters));
}
