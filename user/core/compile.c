// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Interfaces, VIPs and listeners to rows; groups and servers are compile_group.c's. */
#include "core/compile.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/compile_private.h"
#include "core/content.h"

int compile_error(struct compiler *c, const char *pointer, const char *format, ...)
{
	va_list args;

	xlb_err_set(c->err, XLB_ERR_CONFIG, -EINVAL, "%s", "");
	va_start(args, format);
	vsnprintf(c->err->text, sizeof(c->err->text), format, args);
	va_end(args);
	snprintf(c->err->pointer, sizeof(c->err->pointer), "%s", pointer);
	return -EINVAL;
}

void compile_warn(struct compiler *c, const struct server_group *group, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(c->warnings, format, args);
	va_end(args);
	fputc('\n', c->warnings);
	fprintf(c->warned, "%s\n", group->object.name);
}

int emit(struct compiler *c, enum table_id table, const void *key, const void *value)
{
	return rows_add(c->rows, table, key, value) ? no_memory(c) : 0;
}

int emit_once(struct compiler *c, enum table_id table, const void *key, const void *value)
{
	struct emitted *found, *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return no_memory(c);
	memcpy(entry->key, &(uint32_t){ table }, sizeof(uint32_t));
	memcpy(entry->key + sizeof(uint32_t), key, tables[table].key_size);
	HASH_FIND(hh, c->emitted, entry->key, sizeof(entry->key), found);
	if (found) {
		free(entry);
		return 0;
	}
	HASH_ADD(hh, c->emitted, key, sizeof(entry->key), entry);
	return emit(c, table, key, value);
}

int emit_recipe(struct compiler *c, enum table_id table, const void *key, void *recipe, size_t size)
{
	struct row_hash value = { .hash = content_hash(recipe, size) };
	int r;

	r = rows_add_recipe(c->rows, table, key, recipe, size);
	return r ? no_memory(c) : emit(c, table, key, &value);
}

int take_id(struct compiler *c, enum id_kind kind, const char *key, struct id_entry **ret)
{
	static const char *const kinds[] = {
		[ID_INTERFACE] = "interfaces",
		[ID_VIP] = "VIPs",
		[ID_LISTENER] = "listeners",
		[ID_GROUP] = "server groups",
		[ID_SERVER] = "servers",
		[ID_SNAT] = "SNAT addresses",
		[ID_BITMAP] = "pairs of server and SNAT address",
		[ID_NEXTHOP] = "next hops",
		[ID_LB] = "load balancers",
		[ID_RULE_SET] = "combinations of security groups",
	};
	struct id_entry *entry = ids_get(c->ids, kind, key);

	if (!entry) {
		xlb_err_set(
			c->err, XLB_ERR_CONFIG, -ENOSPC,
			"no room for \"%s\": too many %s, counting removed ones whose flows are not over",
			key, kinds[kind]);
		return -ENOSPC;
	}
	*ret = entry;
	return 0;
}

struct xlb_address *role_of(struct compiler *c, const struct xlb_addr *addr)
{
	struct role *role;

	HASH_FIND(hh, c->roles, addr, sizeof(*addr), role);
	if (!role) {
		role = calloc(1, sizeof(*role));
		if (!role) {
			no_memory(c);
			return NULL;
		}
		role->addr = *addr;
		HASH_ADD(hh, c->roles, addr, sizeof(role->addr), role);
	}
	return &role->value;
}

uint32_t interface_slot(const struct compiler *c, const char *ifname)
{
	uint32_t i;

	for (i = 0; i < c->attached_count; i++)
		if (!strcmp(c->attached[i].ifname, ifname))
			return c->attached[i].slot;
	return 0;
}

/* What xlb changes on a NIC while it is attached. */
static int compile_settings(struct compiler *c, const char *ifname, uint32_t settings)
{
	static const struct row_setting wanted[] = {
#define X(name, word, value, help) [XLB_SETTING_##name] = { value },
		XLB_SETTINGS(X)
#undef X
	};
	struct row_setting_key key = {};
	int r = 0;

	memcpy(key.ifname, ifname, strnlen(ifname, sizeof(key.ifname) - 1));
	for (; !r && key.setting < XLB_SETTING_COUNT; key.setting++)
		if (settings & 1U << key.setting)
			r = emit(c, TABLE_SETTING, &key, &wanted[key.setting]);
	return r;
}

/* What the user names, and what hides the tags of VLANs, if there are any. */
static int compile_all_settings(struct compiler *c, const struct interface *interface,
				const struct world_link *link)
{
	uint32_t settings = link->vlan_count ? link->vlan_settings : 0;
	int r = compile_settings(c, interface->object.name, interface->fix | settings);

	/* tags are taken off by the ports of a bond */
	for (uint32_t i = 0; !r && i < link->port_count; i++)
		r = compile_settings(c, link->ports[i].name, settings);
	return r;
}

static void note_attached(struct compiler *c, const char *ifname, uint32_t slot)
{
	struct attached *attached = &c->attached[c->attached_count++];

	memcpy(attached->ifname, ifname, strnlen(ifname, sizeof(attached->ifname) - 1));
	attached->slot = slot;
}

/* The row of a VLAN device, which sends by the NIC of `nic`. */
static int compile_vlan(struct compiler *c, const struct vlan_device *vlan,
			const struct xlb_interface *nic)
{
	struct xlb_interface value = { .ifindex = nic->ifindex,
				       .mtu = vlan->mtu,
				       .flags = XLB_INTERFACE_TAGGED,
				       .nic = nic->nic,
				       .tags = vlan->tags };
	struct id_entry *entry;

	/* waited for by its name: what is wrong with that is said where it is attached */
	if (object_find(&c->model->interfaces, vlan->name))
		return 0;
	entry = ids_get(c->ids, ID_INTERFACE, vlan->name);
	if (!entry) {
		fprintf(c->warnings,
			"no room for VLAN device %s: more than %u interfaces and VLAN devices\n",
			vlan->name, XLB_MAX_INTERFACES - 1);
		return 0;
	}
	note_attached(c, vlan->name, entry->id);
	memcpy(value.mac, vlan->mac, sizeof(value.mac));
	return emit(c, TABLE_INTERFACE, &(struct row_id){ entry->id }, &value);
}

/* The row of a NIC, and of what lies on it or below it. */
static int compile_slots(struct compiler *c, const struct world_link *link, uint32_t slot)
{
	struct xlb_interface value = { .ifindex = link->ifindex,
				       .mtu = link->mtu,
				       .nic = (uint8_t)slot };
	int r;

	value.flags = (c->returns ? XLB_INTERFACE_RETURNS : 0) |
		      (c->probes ? XLB_INTERFACE_PROBES : 0);
	memcpy(value.mac, link->mac, sizeof(value.mac));
	r = emit(c, TABLE_INTERFACE, &(struct row_id){ slot }, &value);
	for (uint32_t i = 0; !r && i < link->port_count; i++)
		r = emit(c, TABLE_BOND_PORT, &(struct row_id){ link->ports[i].ifindex },
			 &(struct row_id){ slot });
	for (uint32_t i = 0; !r && i < link->vlan_count; i++)
		r = compile_vlan(c, &link->vlans[i], &value);
	return r;
}

static int compile_interface(struct compiler *c, const struct interface *interface)
{
	const char *name = interface->object.name;
	struct row_attachment attachment = { .mode = interface->mode };
	struct row_attachment_key key = {};
	struct world_link link;
	struct id_entry *entry;
	int r;

	r = take_id(c, ID_INTERFACE, name, &entry);
	if (r)
		return r;
	if (c->world->link(c->world->arg, name, &link)) {
		fprintf(c->warnings, "interface %s is missing: waiting for it\n", name);
		return 0;
	}
	note_attached(c, name, entry->id);
	r = compile_slots(c, &link, entry->id);
	if (r)
		return r;
	r = compile_all_settings(c, interface, &link);
	if (r)
		return r;
	memcpy(key.ifname, name, strnlen(name, sizeof(key.ifname) - 1));
	r = emit(c, TABLE_ATTACHMENT, &key, &attachment);
	if (!r && c->probes)
		r = emit(c, TABLE_PROBE_FILTER, &key, &(struct row_flags){ 0 });
	return r;
}

/* The attached interface that has the VIP in one of its prefixes, else the first: a routed VIP needs no ARP. */
static const char *vip_interface(struct compiler *c, const struct xlb_addr *addr)
{
	for (uint32_t i = 0; i < c->attached_count; i++)
		if (c->world->on_link(c->world->arg, c->attached[i].ifname, addr))
			return c->attached[i].ifname;
	return c->attached_count ? c->attached[0].ifname : NULL;
}

int emit_owned_address(struct compiler *c, const struct xlb_addr *addr, const char *ifname)
{
	struct row_vip_addr_key key = { .addr = *addr };

	if (c->world->owns_address(c->world->arg, addr))
		return 0;
	memcpy(key.ifname, ifname, strnlen(ifname, sizeof(key.ifname) - 1));
	return emit_once(c, TABLE_VIP_ADDR, &key, &(struct row_flags){ 0 });
}

/* Rows that make an address a VIP; without port sets for a VIP that only waits for its flows to end. */
static int emit_vip(struct compiler *c, const struct xlb_addr *addr, const struct id_entry *entry,
		    bool managed, uint32_t rules)
{
	bool host = c->world->owns_address(c->world->arg, addr);
	struct row_vip value = { .flags = host ? XLB_VIP_HOST : 0, .rules = rules };
	struct xlb_address *role = role_of(c, addr);
	const char *ifname;
	int r;

	if (!role)
		return -ENOMEM;
	role->vip = entry->id;
	r = emit(c, TABLE_VIP, &(struct row_id){ entry->id }, &value);
	if (r || !managed)
		return r;
	ifname = vip_interface(c, addr);
	return ifname ? emit_owned_address(c, addr, ifname) : 0;
}

static int port_rule_add(struct compiler *c, struct port_rules *rules,
			 const struct port_range *range, enum port_class class, uint32_t listener)
{
	return port_rules_add(rules, range->from, range->to, class, listener) ? no_memory(c) : 0;
}

/* Ranges and `any` on the host's own address leave the host what it uses itself. */
static int spare_host_ports(struct compiler *c, struct port_rules *rules,
			    const struct xlb_addr *addr, uint32_t protocol)
{
	const struct port_list *used = c->world->host_ports(c->world->arg, addr, protocol);
	uint32_t i;
	int r;

	for (i = 0; used && i < used->count; i++) {
		r = port_rule_add(c, rules, &used->ranges[i], PORT_HOST, 0);
		if (r)
			return r;
	}
	return 0;
}

static int compile_port_set(struct compiler *c, const struct load_balancer *lb,
			    const struct xlb_addr *addr, uint32_t vip, uint32_t protocol)
{
	struct row_port_set_key key = { .vip = vip, .protocol = protocol };
	struct port_rules rules = {};
	const struct object *object;
	uint32_t i;
	int r = 0;

	TAILQ_FOREACH(object, &lb->listeners, link) {
		const struct listener *listener = (const struct listener *)object;
		char name[ID_KEY_MAX];
		struct id_entry *entry;

		if (!listener->enabled || listener_transport(listener) != protocol)
			continue;
		snprintf(name, sizeof(name), "%s/%s", lb->object.name, object->name);
		entry = ids_find(c->ids, ID_LISTENER, name);
		for (i = 0; !r && i < listener->port.count; i++) {
			const struct port_range *range = &listener->port.ranges[i];
			enum port_class class = listener_port_class(listener, range);

			r = port_rule_add(c, &rules, range, class, entry->id);
		}
	}
	if (!r && rules.count && c->world->owns_address(c->world->arg, addr))
		r = spare_host_ports(c, &rules, addr, protocol);
	if (!r && rules.count)
		r = emit_recipe(c, TABLE_PORT_SET, &key, rules.rules,
				rules.count * sizeof(*rules.rules));
	port_rules_done(&rules);
	return r;
}

static int compile_listener(struct compiler *c, const struct load_balancer *lb, uint32_t lb_id,
			    const struct listener *listener)
{
	struct xlb_listener value = {
		.idle_timeout = (uint32_t)((listener->idle_timeout + 999) / 1000),
		.mss = (uint16_t)listener->mss,
		.limited = { .lb = lb_id, .by = limited_by(lb, listener) },
	};
	struct id_entry *entry;
	char name[ID_KEY_MAX];
	uint32_t rules;
	int r;

	snprintf(name, sizeof(name), "%s/%s", lb->object.name, listener->object.name);
	r = take_id(c, ID_LISTENER, name, &entry);
	if (!r)
		r = listener_is_tls(listener) ?
			    compile_tls_listener(c, lb, listener, entry->id, &value) :
			    compile_split(c, listener, entry->id, &value);
	if (!r)
		r = compile_limits(c, &listener->limits, entry->id);
	if (r)
		return r;
	r = compile_rules(c, lb, listener, &rules);
	if (r)
		return r;
	value.rules = (uint16_t)rules;
	entry->drain = UINT64_MAX;
	memcpy(entry->frozen, &value, sizeof(value));
	return emit(c, TABLE_LISTENER, &(struct row_id){ entry->id }, &value);
}

static int compile_lb(struct compiler *c, const struct load_balancer *lb)
{
	bool managed = lb->address_management == ADDRESS_MANAGEMENT_XLB;
	const struct object *object;
	struct id_entry *id;
	uint32_t i, rules;
	int r = compile_rules(c, lb, NULL, &rules);

	if (!r)
		r = take_id(c, ID_LB, lb->object.name, &id);
	if (!r)
		r = compile_limits(c, &lb->limits, XLB_LIMITS_OF_LB + id->id);
	if (r)
		return r;
	TAILQ_FOREACH(object, &lb->listeners, link) {
		const struct listener *listener = (const struct listener *)object;

		r = listener->enabled ? compile_listener(c, lb, id->id, listener) : 0;
		if (r)
			return r;
	}
	for (i = 0; i < lb->addresses.count; i++) {
		const struct xlb_addr *addr = &lb->addresses.addrs[i];
		char text[ADDR_TEXT_MAX];
		struct id_entry *entry;

		format_addr(addr, text);
		r = take_id(c, ID_VIP, text, &entry);
		if (r)
			return r;
		entry->drain = UINT64_MAX;
		entry->frozen[0] = managed;
		r = emit_vip(c, addr, entry, managed, rules);
		if (!r)
			r = compile_port_set(c, lb, addr, entry->id, IPPROTO_TCP);
		if (!r)
			r = compile_port_set(c, lb, addr, entry->id, IPPROTO_UDP);
		if (r)
			return r;
	}
	return 0;
}

struct visit {
	struct compiler *c;
	int r;
};

static void retired_listener(void *arg, struct id_entry *entry)
{
	struct visit *visit = arg;
	struct xlb_listener value;

	if (entry->live || visit->r)
		return;
	memcpy(&value, entry->frozen, sizeof(value));
	value.flags |= XLB_LISTENER_DISABLED;
	value.rules = 0; /* nobody new is judged; the set may go */
	value.limited = retired_limited(visit->c, entry, value.limited);
	visit->r = emit(visit->c, TABLE_LISTENER, &(struct row_id){ entry->id }, &value);
}

static void retired_vip(void *arg, struct id_entry *entry)
{
	struct visit *visit = arg;
	struct xlb_addr addr;

	if (entry->live || visit->r || parse_addr(entry->key, &addr))
		return;
	visit->r = emit_vip(visit->c, &addr, entry, entry->frozen[0], 0);
}

static void retired_snat(void *arg, struct id_entry *entry)
{
	struct visit *visit = arg;
	struct xlb_address *role;
	struct xlb_snat value;

	if (entry->live || visit->r)
		return;
	memcpy(&value, entry->frozen, sizeof(value));
	role = role_of(visit->c, &value.addr);
	if (!role) {
		visit->r = -ENOMEM;
		return;
	}
	role->snat = (uint16_t)entry->id;
	visit->r = emit(visit->c, TABLE_SNAT, &(struct row_id){ entry->id }, &value);
}

static void retired_bitmap(void *arg, struct id_entry *entry)
{
	struct visit *visit = arg;

	if (!entry->live && !visit->r)
		visit->r =
			emit(visit->c, TABLE_BITMAP, &(struct row_id){ entry->id }, entry->frozen);
}

/* Nothing in a flow refers to these: they go as soon as the configuration does not name them. */
static void retired_unreferenced(void *arg, struct id_entry *entry)
{
	struct visit *visit = arg;

	if (!entry->live)
		ids_release(visit->c->ids, entry->kind, entry->id);
}

uint64_t retirement_deadline(const struct world *world, const struct id_entry *entry)
{
	if (world->cut_now)
		return world->now;
	if (entry->draining)
		return entry->deadline; /* its time runs already */
	return entry->drain >= UINT64_MAX - world->now ? UINT64_MAX : world->now + entry->drain;
}

static uint64_t retirement_limit(void *arg, const struct id_entry *entry)
{
	return retirement_deadline(arg, entry);
}

static int compile_retired(struct compiler *c)
{
	struct visit visit = { .c = c };

	ids_each(c->ids, ID_LISTENER, retired_listener, &visit);
	ids_each(c->ids, ID_VIP, retired_vip, &visit);
	ids_each(c->ids, ID_SNAT, retired_snat, &visit);
	ids_each(c->ids, ID_BITMAP, retired_bitmap, &visit);
	ids_each(c->ids, ID_NEXTHOP, retired_unreferenced, &visit);
	ids_each(c->ids, ID_GROUP, retired_unreferenced, &visit);
	ids_each(c->ids, ID_LB, retired_unreferenced, &visit);
	ids_each(c->ids, ID_RULE_SET, retired_unreferenced, &visit);
	return visit.r;
}

static int emit_roles(struct compiler *c)
{
	struct role *role, *next;
	int r = 0;

	HASH_ITER(hh, c->roles, role, next) {
		r = emit(c, TABLE_ADDRESS, &role->addr, &role->value);
		if (r)
			break;
	}
	return r;
}

static void note_returns(void *arg, struct id_entry *entry)
{
	struct compiler *c = arg;
	struct xlb_server value;

	memcpy(&value, entry->frozen, sizeof(value));
	c->returns = c->returns || xlb_mode_has(value.mode, XLB_MODE_RETURNS);
}

/* Of servers named now, and of those that have retired but still have flows. */
static bool any_returns(struct compiler *c)
{
	const struct object *object;

	TAILQ_FOREACH(object, &c->model->server_groups, link)
		if (xlb_mode_has(((const struct server_group *)object)->forward, XLB_MODE_RETURNS))
			return true;
	ids_each(c->ids, ID_SERVER, note_returns, c);
	return c->returns;
}

static bool any_probes(const struct model *model)
{
	const struct object *object;

	TAILQ_FOREACH(object, &model->server_groups, link) {
		const struct health_check *check =
			&((const struct server_group *)object)->health_check;

		if (check->type != CHECK_NONE && check->via == CHECK_VIA_DATAPATH)
			return true;
	}
	return false;
}

static int compile_all(struct compiler *c)
{
	const struct object *object;
	int r;

	c->returns = any_returns(c);
	c->probes = any_probes(c->model);
	ids_begin(c->ids);
	TAILQ_FOREACH(object, &c->model->interfaces, link) {
		r = compile_interface(c, (const struct interface *)object);
		if (r)
			return r;
	}
	r = compile_groups(c);
	if (!r)
		r = compile_tls_host(c);
	if (r)
		return r;
	TAILQ_FOREACH(object, &c->model->load_balancers, link) {
		const struct load_balancer *lb = (const struct load_balancer *)object;

		r = lb->enabled ? compile_lb(c, lb) : 0;
		if (r)
			return r;
	}
	r = compile_retired_servers(c);
	if (!r)
		r = compile_retired_lbs(c);
	if (r)
		return r;
	ids_retire(c->ids, c->world->now, retirement_limit, (void *)c->world);
	r = compile_retired(c);
	return r ? r : emit_roles(c);
}

/* One that had a row is attached. */
static void note_interface(struct compiler *c, const char *ifname)
{
	const struct id_entry *entry = ids_find(c->ids, ID_INTERFACE, ifname);

	if (entry)
		note_attached(c, ifname, entry->id);
}

/* Only which interfaces there are: their rows stay. */
static void note_interfaces(struct compiler *c)
{
	const struct object *object;
	struct world_link link;

	TAILQ_FOREACH(object, &c->model->interfaces, link) {
		if (c->world->link(c->world->arg, object->name, &link))
			continue;
		note_interface(c, object->name);
		for (uint32_t i = 0; i < link.vlan_count; i++)
			note_interface(c, link.vlans[i].name);
	}
}

static int compile_groups_alone(struct compiler *c)
{
	int r = 0;

	note_interfaces(c);
	for (size_t i = 0; !r && i < c->part->count; i++)
		r = compile_group(c, c->part->groups[i]);
	return r;
}

static void compiler_done(struct compiler *c)
{
	struct emitted *emitted, *emitted_next;
	struct role *role, *role_next;

	HASH_ITER(hh, c->emitted, emitted, emitted_next) {
		HASH_DEL(c->emitted, emitted);
		free(emitted);
	}
	HASH_ITER(hh, c->roles, role, role_next) {
		HASH_DEL(c->roles, role);
		free(role);
	}
}

static int compile_any(struct compiler *c, struct compiled *ret)
{
	struct compiled compiled = {};
	size_t size, warned_size;
	int r;

	c->compiled = &compiled;
	c->rows = &compiled.rows;
	c->warnings = open_memstream(&compiled.warnings, &size);
	c->warned = c->warnings ? open_memstream(&compiled.warned, &warned_size) : NULL;
	if (!c->warned) {
		if (c->warnings)
			fclose(c->warnings);
		free(compiled.warnings);
		return no_memory(c);
	}
	fputc('\n', c->warned);
	note_metered(c);
	note_tls(c);
	r = c->part ? compile_groups_alone(c) : compile_all(c);
	fclose(c->warnings);
	fclose(c->warned);
	if (!r && c->part && *compiled.warnings)
		r = xlb_err_set(c->err, XLB_ERR_FAILED, -ESTALE, "warnings change");
	if (!r && rows_sort(&compiled.rows))
		r = xlb_err_set(c->err, XLB_ERR_FAILED, -EEXIST,
				"compile made a row twice: please report");
	compiler_done(c);
	compiled.fail_open_groups = c->fail_open_groups;
	if (r)
		compiled_done(&compiled);
	else
		*ret = compiled;
	return r;
}

int compile(const struct model *model, struct ids *ids, const struct world *world,
	    struct compiled *ret, struct xlb_err *err)
{
	struct compiler c = { .model = model, .ids = ids, .world = world, .err = err };

	return compile_any(&c, ret);
}

int compile_part(const struct model *model, const struct server_group *const *groups, size_t count,
		 struct ids *ids, const struct world *world, struct compiled *ret,
		 struct xlb_err *err)
{
	struct part part = { groups, count };
	struct compiler c = {
		.model = model, .part = &part, .ids = ids, .world = world, .err = err
	};

	return compile_any(&c, ret);
}

void compiled_done(struct compiled *compiled)
{
	rows_done(&compiled->rows);
	free(compiled->warnings);
	free(compiled->warned);
	free(compiled->parts);
	compiled->warnings = compiled->warned = NULL;
	compiled->parts = NULL;
	compiled->part_count = 0;
}
