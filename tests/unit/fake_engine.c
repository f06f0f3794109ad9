// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fake_engine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/tree.h"
#include "core/types.h"
#include "sys/host_poke.h"
#include "xlb/addr.h"

struct queued {
	TAILQ_ENTRY(queued) link;
	struct apply_options options;
	model_edit edit;
	void *edit_arg;
	apply_done done;
	void *done_arg;
};

struct engine {
	struct model *model;
	struct ids *ids;
	uint64_t revision, flows;
	enum health health;
	uint32_t confirm;
	bool held;
	struct apply_options last;
	struct fake_flow *flow_table; /* fake_engine_add_flow */
	size_t flow_count, flow_capacity;
	struct events *events;
	TAILQ_HEAD(, queued) queue;
};

static struct sink vip_sink;
static enum health fake_health; /* the checker has no pointer back */

static void name_id(struct ids *ids, enum id_kind kind, const char *key, const void *frozen,
		    size_t size)
{
	struct id_entry *entry = ids_get(ids, kind, key);

	if (entry)
		memcpy(entry->frozen, frozen, size);
}

/* Ids as compile would give them, by the names that engine_live_id knows. */
static void rebuild_ids(struct engine *engine)
{
	struct xlb_server row = { .pool_count = 1,
				  .pools = { { .snat = 1, .bitmap = 1 } },
				  .nexthop = 1 };
	const struct object *parent, *child;
	char key[ID_KEY_MAX], text[ADDR_TEXT_MAX];
	uint32_t i;

	ids_free(engine->ids);
	engine->ids = ids_new();
	ids_begin(engine->ids);
	name_id(engine->ids, ID_SNAT, "10.0.1.2", "", 0);
	name_id(engine->ids, ID_NEXTHOP, "eth0/10.0.1.254", "", 0);
	TAILQ_FOREACH(parent, &engine->model->interfaces, link)
		name_id(engine->ids, ID_INTERFACE, parent->name, "", 0);
	TAILQ_FOREACH(parent, &engine->model->load_balancers, link)
		TAILQ_FOREACH(child, &((const struct load_balancer *)parent)->listeners, link) {
			snprintf(key, sizeof(key), "%s/%s", parent->name, child->name);
			name_id(engine->ids, ID_LISTENER, key, "", 0);
		}
	TAILQ_FOREACH(parent, &engine->model->server_groups, link)
		TAILQ_FOREACH(child, &((const struct server_group *)parent)->servers, link) {
			const struct server *server = (const struct server *)child;

			for (i = 0; i < server->address.count; i++) {
				row.addr = server->address.addrs[i];
				format_addr(&row.addr, text);
				snprintf(key, sizeof(key), "%s/%s@%s", parent->name, child->name,
					 text);
				name_id(engine->ids, ID_SERVER, key, &row, sizeof(row));
			}
		}
}

struct engine *fake_engine_new(const char *text)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	AUTO(tree_free) struct tree *tree = NULL;
	struct xlb_err err = {};

	if (!engine)
		abort();
	TAILQ_INIT(&engine->queue);
	engine->revision = 1;
	engine->health = fake_health = HEALTH_UP;
	if (!text) {
		engine->model = model_new();
	} else if (tree_parse("fake.yaml", text, strlen(text), &tree, &err) ||
		   model_from_tree(tree, &engine->model, &err)) {
		fprintf(stderr, "fake engine: %s:%u:%u: %s\n", err.file, err.line, err.column,
			err.text);
		abort();
	}
	rebuild_ids(engine);
	return engine;
}

static int change_model(struct engine *engine, const struct queued *change,
			struct apply_result *ret, struct model_changes *ret_changes,
			struct xlb_err *err)
{
	AUTO(model_free) struct model *next = NULL;
	int r;

	if (change->options.if_revision && change->options.if_revision != engine->revision)
		return xlb_err_set(err, XLB_ERR_CONFLICT, -ESTALE,
				   "the configuration has moved on");
	r = change->edit(change->edit_arg, engine->model, &next, err);
	if (!r)
		r = model_check(next, err);
	if (!r)
		r = model_diff(engine->model, next, ret_changes);
	if (r)
		return r;
	if (engine->flows && ret_changes->removed && !change->options.yes)
		return xlb_err_set(err, XLB_ERR_CONFIRM, -ECANCELED, "this would cut flows");
	*ret = (struct apply_result){ .added = ret_changes->added,
				      .changed = ret_changes->changed,
				      .removed = ret_changes->removed,
				      .changes = ret_changes->lines,
				      .warnings = "first\nsecond\n" };
	if (!change->options.dry_run) {
		model_free(engine->model);
		engine->model = TAKE(next);
		engine->revision++;
		rebuild_ids(engine);
	}
	ret->revision = engine->revision;
	return 0;
}

static void run_change(struct engine *engine, const struct queued *change)
{
	struct apply_result result = {};
	struct model_changes changes = {};
	struct xlb_err err = {};
	int r;

	engine->last = change->options;
	r = change_model(engine, change, &result, &changes, &err);
	change->done(change->done_arg, r, &result, &err);
	free(changes.lines);
}

void engine_apply(struct engine *engine, const struct apply_options *options, model_edit edit,
		  void *edit_arg, apply_done done, void *done_arg)
{
	struct queued change = { .options = *options,
				 .edit = edit,
				 .edit_arg = edit_arg,
				 .done = done,
				 .done_arg = done_arg };
	struct queued *kept;

	if (!engine->held) {
		run_change(engine, &change);
		return;
	}
	kept = malloc(sizeof(*kept));
	if (!kept)
		abort();
	*kept = change;
	TAILQ_INSERT_TAIL(&engine->queue, kept, link);
}

void fake_engine_hold(struct engine *engine, bool hold)
{
	struct queued *change;

	engine->held = hold;
	while (!hold && (change = TAILQ_FIRST(&engine->queue))) {
		TAILQ_REMOVE(&engine->queue, change, link);
		run_change(engine, change);
		free(change);
	}
}

void fake_engine_free(struct engine *engine)
{
	struct xlb_err err = {};
	struct queued *change;

	xlb_err_set(&err, XLB_ERR_FAILED, -ECANCELED, "stopping");
	while ((change = TAILQ_FIRST(&engine->queue))) {
		TAILQ_REMOVE(&engine->queue, change, link);
		change->done(change->done_arg, -ECANCELED, NULL, &err);
		free(change);
	}
	model_free(engine->model);
	ids_free(engine->ids);
	free(engine->flow_table);
	free(engine);
}

size_t fake_engine_queued(const struct engine *engine)
{
	const struct queued *change;
	size_t n = 0;

	TAILQ_FOREACH(change, &engine->queue, link)
		n++;
	return n;
}

void fake_engine_set(struct engine *engine, enum health health, uint64_t flows, uint32_t confirm)
{
	engine->health = fake_health = health;
	engine->flows = flows;
	engine->confirm = confirm;
}

const struct apply_options *fake_engine_last_options(const struct engine *engine)
{
	return &engine->last;
}

int engine_confirm(struct engine *engine, struct xlb_err *err)
{
	if (!engine->confirm)
		return xlb_err_set(err, XLB_ERR_NOT_FOUND, -ENOENT,
				   "no attach waits for confirmation");
	engine->confirm = 0;
	return 0;
}

const struct model *engine_model(const struct engine *engine)
{
	return engine->model;
}

uint64_t engine_revision(const struct engine *engine)
{
	return engine->revision;
}

const char *engine_origin(const struct engine *engine)
{
	return engine->last.origin;
}

bool engine_file_differs(const struct engine *engine)
{
	return engine->revision > 1;
}

uint32_t engine_confirm_left(const struct engine *engine)
{
	return engine->confirm;
}

struct ids *engine_ids(const struct engine *engine)
{
	return engine->ids;
}

struct datapath *engine_datapath(const struct engine *engine)
{
	return (struct datapath *)engine;
}

struct host *engine_host(const struct engine *engine)
{
	return (struct host *)engine;
}

void fake_engine_events(struct engine *engine, struct events *events)
{
	engine->events = events;
}

struct events *engine_events(const struct engine *engine)
{
	return engine->events;
}

struct checker *engine_checker(const struct engine *engine)
{
	return (struct checker *)engine;
}

bool engine_group_fails_open(const struct engine *engine, const char *group)
{
	const struct server_group *found = model_group(engine->model, group);

	return found && found->fail_open && !TAILQ_EMPTY(&found->servers) &&
	       engine->health == HEALTH_DOWN;
}

uint32_t engine_live_id(const struct engine *engine, enum id_kind kind, const char *name)
{
	const struct id_entry *entry = ids_find(engine->ids, kind, name);

	return entry ? entry->id : 0;
}

uint64_t engine_flows(const struct engine *engine, enum id_kind kind, uint32_t id)
{
	(void)kind;
	return id ? engine->flows : 0;
}

uint64_t engine_flows_total(const struct engine *engine)
{
	return engine->flows;
}

bool engine_is_pending(const struct engine *engine)
{
	(void)engine;
	return false;
}

const char *engine_warnings(const struct engine *engine)
{
	(void)engine;
	return "";
}

const char *engine_trouble(const struct engine *engine)
{
	return engine->flows == 13 ? "the map is full" : "";
}

int checker_status(const struct checker *checker, const char *group, const char *server,
		   const struct xlb_addr *addr, struct check_status *ret)
{
	(void)checker;
	(void)group;
	(void)server;
	(void)addr;
	*ret = (struct check_status){ .health = fake_health, .since = 1700000000 };
	if (fake_health == HEALTH_DOWN)
		snprintf(ret->reason, sizeof(ret->reason), "connection refused");
	return 0;
}

bool checker_group_ever_up(const struct checker *checker, const char *group)
{
	(void)checker;
	(void)group;
	return true;
}

int datapath_attachment(struct datapath *dp, const char *ifname, struct attachment_info *ret)
{
	(void)dp;
	if (strcmp(ifname, "eth0") && strcmp(ifname, "eth1"))
		return -ENOENT;
	*ret = (struct attachment_info){ .mode = !strcmp(ifname, "eth0") ? XLB_ATTACH_NATIVE :
									   XLB_ATTACH_GENERIC,
					 .program_id = 12,
					 .program_tag = "0123456789abcdef" };
	return 0;
}

int datapath_listener_counters(struct datapath *dp, uint32_t listener, uint64_t *ret)
{
	(void)dp;
	(void)listener;
	ret[XLB_COUNT_FLOWS] = 7;
	return 0;
}

int datapath_server_counters(struct datapath *dp, uint32_t server, uint64_t *ret)
{
	return datapath_listener_counters(dp, server, ret);
}

int datapath_interface_counters(struct datapath *dp, uint32_t slot, uint64_t *ret)
{
	(void)dp;
	(void)slot;
	ret[XLB_IFCOUNT_PACKETS] = 99;
	return 0;
}

int datapath_drop_counters(struct datapath *dp, uint32_t slot, uint64_t *ret)
{
	(void)dp;
	(void)slot;
	ret[XLB_DROP_NO_LISTENER] = 3;
	return 0;
}

int datapath_bitmap_usage(struct datapath *dp, uint32_t bitmap, uint32_t *ret_used,
			  uint32_t *ret_total)
{
	(void)dp;
	(void)bitmap;
	*ret_used = 90;
	*ret_total = 100;
	return 0;
}

/* --- flows --- */

struct fake_flow *fake_engine_add_flow(struct engine *engine, uint32_t n)
{
	size_t capacity = engine->flow_capacity ? engine->flow_capacity * 2 : 64;
	struct fake_flow *made;

	if (engine->flow_count == engine->flow_capacity) {
		made = reallocarray(engine->flow_table, capacity, sizeof(*made));
		if (!made)
			abort();
		engine->flow_table = made;
		engine->flow_capacity = capacity;
	}
	made = &engine->flow_table[engine->flow_count++];
	*made = (struct fake_flow){
		.key = { .client_port = htons((uint16_t)(1024 + n % 60000)),
			 .vip = 1,
			 .port = htons(80),
			 .protocol = IPPROTO_TCP,
			 .family = XLB_IPV4 },
		.flow = { .stamp = FAKE_NOW,
			  .created = FAKE_NOW - n,
			  .state = XLB_FLOW_ESTABLISHED,
			  .server = 1,
			  .listener = 1,
			  .snat = 1,
			  .snat_port = htons(40000),
			  .server_port = htons(8080),
			  .reply = { .mac = { 2, [5] = 9 }, .interface = 1 } },
	};
	xlb_addr_set_ipv4(&made->key.client, htonl(0xcb007100 + n / 60000)); /* 203.0.113.0 */
	parse_addr("198.51.100.10", &made->flow.vip);
	return made;
}

struct fake_flow *fake_engine_flow(struct engine *engine, size_t at)
{
	return &engine->flow_table[at];
}

struct flow_walk {
	struct engine *engine;
	size_t next;
};

struct flow_walk *flow_walk_new(struct datapath *dp)
{
	struct flow_walk *walk = calloc(1, sizeof(*walk));

	if (!walk)
		abort();
	walk->engine = (struct engine *)dp;
	return walk;
}

struct flow_walk *flow_walk_free(struct flow_walk *walk)
{
	free(walk);
	return NULL;
}

int flow_walk_next(struct flow_walk *walk, uint32_t budget, flow_visit visit, void *arg,
		   bool *ret_done, struct xlb_err *err)
{
	(void)err;
	for (; budget && walk->next < walk->engine->flow_count; budget--) {
		const struct fake_flow *at = &walk->engine->flow_table[walk->next++];

		if (visit(arg, &at->key, &at->flow) != FLOW_KEEP)
			abort(); /* lists and kills end flows by themselves */
	}
	*ret_done = walk->next == walk->engine->flow_count;
	return 0;
}

static struct fake_flow *flow_find(struct datapath *dp, const struct xlb_flow_key *key)
{
	struct engine *engine = (struct engine *)dp;
	size_t i;

	for (i = 0; i < engine->flow_count; i++)
		if (!memcmp(&engine->flow_table[i].key, key, sizeof(*key)))
			return &engine->flow_table[i];
	return NULL;
}

int datapath_flow_get(struct datapath *dp, const struct xlb_flow_key *key, struct xlb_flow *ret)
{
	const struct fake_flow *found = flow_find(dp, key);

	if (!found)
		return -ENOENT;
	*ret = found->flow;
	return 0;
}

int datapath_flow_end(struct datapath *dp, const struct xlb_flow_key *key,
		      const struct xlb_flow *flow, enum flow_action action)
{
	struct fake_flow *found = flow_find(dp, key);

	if (!found)
		return -ENOENT;
	if (found->changes) { /* a packet comes first */
		found->changes--;
		found->flow.stamp++;
	}
	if (memcmp(&found->flow, flow, sizeof(uint64_t)))
		return -EAGAIN;
	found->flow.state = action == FLOW_DELETE ? XLB_FLOW_DEAD : XLB_FLOW_TOMBSTONE;
	return 0;
}

uint32_t datapath_stamp(void)
{
	return FAKE_NOW;
}

uint32_t engine_idle_timeout(const struct engine *engine, uint32_t listener)
{
	(void)engine;
	(void)listener;
	return 900;
}

struct poke fake_pokes[FAKE_POKES];
size_t fake_poke_count;

int poker_open(struct poker **ret, struct xlb_err *err)
{
	(void)err;
	*ret = NULL;
	return 0;
}

struct poker *poker_close(struct poker *poker)
{
	(void)poker;
	return NULL;
}

int poker_poke(const struct poker *poker, const struct xlb_addr *from, __be16 from_port,
	       const struct xlb_addr *to, __be16 to_port)
{
	(void)poker;
	if (fake_poke_count == FAKE_POKES)
		return -ENOBUFS;
	fake_pokes[fake_poke_count++] = (struct poke){ *from, *to, from_port, to_port };
	return 0;
}

uint32_t datapath_max_flows(const struct datapath *dp)
{
	(void)dp;
	return XLB_DEFAULT_FLOWS;
}

int host_link(struct host *host, const char *name, struct host_link *ret, struct xlb_err *err)
{
	(void)host;
	if (strcmp(name, "eth0") && strcmp(name, "eth1"))
		return xlb_err_set(err, XLB_ERR_NOT_FOUND, -ENODEV, "no interface '%s'", name);
	*ret = (struct host_link){ .ifindex = 2, .mtu = 1500, .up = true };
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

int host_route(struct host *host, const struct xlb_addr *addr, struct host_route *ret,
	       struct xlb_err *err)
{
	(void)host;
	(void)addr;
	(void)ret;
	return xlb_err_set(err, XLB_ERR_FAILED, -ENETUNREACH, "no route");
}

int host_neighbour(struct host *host, uint32_t ifindex, const struct xlb_addr *addr,
		   uint8_t ret_mac[6])
{
	(void)host;
	(void)ifindex;
	(void)addr;
	memcpy(ret_mac, (uint8_t[6]){ 0x52, 0x54, 0, 0xaa, 1, 0x11 }, 6);
	return 0;
}

bool host_owns_address(struct host *host, const struct xlb_addr *addr)
{
	(void)host;
	return addr_family(addr) == XLB_IPV6;
}

static int list_vips(struct sink *sink, const struct table *table,
		     void (*add)(void *arg, const struct row *row), void *arg, struct xlb_err *err)
{
	struct row_vip_addr_key key = { .ifname = "eth0" };
	struct row row = { .table = table->id };

	(void)sink;
	(void)err;
	parse_addr("198.51.100.10", &key.addr);
	memcpy(row.key, &key, sizeof(key));
	add(arg, &row);
	return 0;
}

struct sink *host_sink(struct host *host)
{
	(void)host;
	vip_sink.list = list_vips;
	return &vip_sink;
}

uint32_t datapath_stamp(void)
{
	return 1000;
}
