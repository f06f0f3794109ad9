// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The state of interfaces, load balancers and listeners. */
#include "xlbd/api_view.h"

#include <string.h>

#include "base/words.h"
#include "core/json.h"
#include "sys/host_nic.h"
#include "xlbd/api_problems.h"
#include "xlbd/api_tls.h"

static const struct {
	const struct type *type;
	void (*state)(struct view *view, const struct object *object);
} states[] = {
	{ &type_interface, view_interface },
	{ &type_load_balancer, view_load_balancer },
	{ &type_listener, view_listener },
	{ &type_server_group, view_server_group },
	{ &type_server, view_server },
	{ &type_flow_table, view_flow_table },
	{ &type_security_group, view_security_group },
	{ &type_rule, view_rule },
};

void view_done(struct view *view)
{
	problems_free(view->problems);
	free(view->vips);
	look_done(&view->look);
}

void view_counters(struct view *view, const uint64_t counters[XLB_COUNT_MAX])
{
	out_open(&view->out, "counters", '{');
#define X(name, word, help) out_uint(&view->out, #word, counters[XLB_COUNT_##name]);
	XLB_FLOW_COUNTERS(X)
#undef X
	out_close(&view->out, '}');
}

void view_drops(struct view *view, const char *key, const uint64_t drops[XLB_DROP_COUNT])
{
	uint32_t i;

	out_open_map(&view->out, key);
	for (i = 0; i < XLB_DROP_COUNT; i++)
		if (drops[i] && reason_word(i))
			out_uint(&view->out, reason_word(i), drops[i]);
	out_close(&view->out, '}');
}

static void interface_counters(struct view *view, const uint64_t counters[XLB_IFCOUNT_MAX])
{
	out_open(&view->out, "counters", '{');
#define X(name, word, help) out_uint(&view->out, #word, counters[XLB_IFCOUNT_##name]);
	XLB_INTERFACE_COUNTERS(X)
#undef X
	out_close(&view->out, '}');
}

void view_object(struct view *view, const struct object *object)
{
	struct json_out *out = &view->out;
	size_t i;

	out_open(out, NULL, '{');
	if (*object->name)
		out_text(out, "name", object->name);
	object_fields_json(out, object, !view->brief);
	out_open(out, "state", '{');
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (states[i].type == object->type)
			states[i].state(view, object);
	out_close(out, '}');
}

/* What xlb changed on the NIC. */
static void put_settings(struct view *view, const char *ifname)
{
	struct host_setting_state changed[XLB_SETTING_COUNT];
	uint32_t count = host_settings(engine_host(view->engine), ifname, changed);

	out_open(&view->out, "settings", '[');
	for (uint32_t i = 0; i < count; i++) {
		out_open(&view->out, NULL, '{');
		out_text(&view->out, "setting", setting_words[changed[i].setting]);
		out_uint(&view->out, "was", changed[i].was);
		out_uint(&view->out, "now", changed[i].now);
		out_close(&view->out, '}');
	}
	out_close(&view->out, ']');
}

void view_interface(struct view *view, const struct object *object)
{
	const struct id_entry *slot =
		ids_find(engine_ids(view->engine), ID_INTERFACE, object->name);
	struct datapath *datapath = engine_datapath(view->engine);
	uint64_t counters[XLB_IFCOUNT_MAX] = {}, drops[XLB_DROP_COUNT] = {};
	struct json_out *out = &view->out;
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
	out_bool(out, "attached", attached);
	out_bool(out, "present", present);
	out_text(out, "mode", attach_mode_word(info.mode));
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
	interface_counters(view, counters);
	view_drops(view, "drops", drops);
	if (!view->brief)
		put_settings(view, object->name);
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

void view_load_balancer(struct view *view, const struct object *object)
{
	const struct load_balancer *lb = (const struct load_balancer *)object;
	struct json_out *out = &view->out;
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

void view_listener(struct view *view, const struct object *object)
{
	uint32_t id = look_listener_id(&view->look, object);
	uint64_t counters[XLB_COUNT_MAX] = {};

	look_add_counters(&view->look, TABLE_LISTENER, id, counters);
	out_uint(&view->out, "flows", id ? engine_flows(view->engine, ID_LISTENER, id) : 0);
	view_counters(view, counters);
	view_tls(view, (const struct listener *)object, id);
}

void view_flow_table(struct view *view, const struct object *object)
{
	struct datapath *datapath = engine_datapath(view->engine);
	struct json_out *out = &view->out;

	(void)object;
	out_uint(out, "max", engine_max_flows(view->engine));
	out_uint(out, "bytes", datapath_tables_memory(datapath));
	out_text(out, "trouble", engine_table_trouble(view->engine));
	out_open(out, "tables", '[');
	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++) {
		uint32_t room = datapath_table_room(datapath, id);

		out_open(out, NULL, '{');
		out_text(out, "table", engine_table_words[id]);
		out_uint(out, "used", engine_table_used(view->engine, id));
		out_uint(out, "room", room);
		out_uint(out, "bytes", datapath_table_bytes(id, room));
		out_bool(out, "resizing", engine_table_resizes(view->engine, id));
		out_close(out, '}');
	}
	out_close(out, ']');
}
