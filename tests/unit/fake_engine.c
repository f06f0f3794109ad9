// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fake_engine.h"
#include "fake_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/tree.h"
#include "core/types.h"
#include "sys/host_poke.h"
#include "xlb/addr.h"
#include "xlbd/preflight.h"

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
	bool held, has_sample, uncounted;
	struct xlb_drop_sample sample;
	struct apply_options last;
	struct fake_flow *flow_table; /* fake_engine_add_flow */
	size_t flow_count, flow_capacity;
	struct events *events;
	struct slow_start start; /* of server 2; part 0: it does not start */
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

void engine_group_flows(const struct engine *engine, const char *group, struct group_flows *ret)
{
	const struct server_group *found = model_group(engine->model, group);
	bool down = found && !TAILQ_EMPTY(&found->servers) && engine->health == HEALTH_DOWN;

	*ret = (struct group_flows){};
	if (down && *found->fallback)
		ret->ipv4 = ret->ipv6 = found->fallback;
	else if (down)
		ret->fails_open = found->fail_open;
}

uint32_t engine_live_id(const struct engine *engine, enum id_kind kind, const char *name)
{
	const struct id_entry *entry = ids_find(engine->ids, kind, name);

	return entry ? entry->id : 0;
}

bool engine_is_starting(const struct engine *engine, uint32_t server, struct slow_start *ret)
{
	*ret = engine->start;
	return server == 2 && engine->start.part;
}

void fake_engine_starts(struct engine *engine, uint32_t part, uint64_t left_ms)
{
	engine->start = (struct slow_start){ part, left_ms };
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

const struct engine_stats *engine_stats(const struct engine *engine)
{
	static const struct engine_stats stats = { .changes = 5,
						   .changes_failed = 2,
						   .reconciles = 3,
						   .last_change = 1700000001,
						   .expired = { 11, 12, 13 } };

	(void)engine;
	return &stats;
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
	*ret = (struct check_status){ .health = fake_health,
				      .since = 1700000000,
				      .passed = 31,
				      .failed = 32,
				      .ups = 33,
				      .downs = 34 };
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

const uint64_t check_bounds_us[CHECK_BOUNDS] = { 500,	1000,	2500,	5000,	10000,	 25000,
						 50000, 100000, 250000, 500000, 1000000, 5000000 };

const struct check_durations *checker_durations(const struct checker *checker, const char *group)
{
	static const struct check_durations durations = { .counts = { 4, [CHECK_BOUNDS] = 1 },
							  .sum_us = 6001000 };

	(void)checker;
	(void)group;
	return &durations;
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

/* Every id has counters of its own. */
int datapath_flow_counters(struct datapath *dp, enum table_id table, uint32_t first, uint32_t count,
			   uint64_t (*ret)[XLB_COUNT_MAX])
{
	(void)dp;
	(void)table;
	memset(ret, 0, count * sizeof(*ret));
	for (uint32_t i = 0; i < count; i++) {
		ret[i][XLB_COUNT_FLOWS] = 7;
		ret[i][XLB_COUNT_BYTES_OUT] = 1000 * (uint64_t)(first + i);
	}
	return 0;
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

int datapath_drop_sample(struct datapath *dp, uint32_t reason, struct xlb_drop_sample *ret)
{
	const struct engine *engine = (const struct engine *)dp;

	if (reason != XLB_DROP_NO_LISTENER || !engine->has_sample)
		return -ENOENT;
	*ret = engine->sample;
	return 0;
}

const char *datapath_lost_uncounted(const struct datapath *dp)
{
	return ((const struct engine *)dp)->uncounted ? "no tracefs" : "";
}

void fake_engine_sample(struct engine *engine, const struct xlb_drop_sample *sample)
{
	engine->has_sample = sample;
	if (sample)
		engine->sample = *sample;
}

void fake_engine_uncounted(struct engine *engine, bool uncounted)
{
	engine->uncounted = uncounted;
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

#include "fake_flows.c"

int datapath_evictions(struct datapath *dp, uint64_t *ret)
{
	(void)dp;
	*ret = 3;
	return 0;
}

uint32_t datapath_rules_answer(const struct datapath *dp, uint32_t set,
			       const struct xlb_flow_key *key)
{
	(void)dp, (void)set, (void)key;
	return XLB_RULES_ALLOW;
}

uint64_t datapath_rule_hits(const struct datapath *dp, uint32_t set, uint32_t rule)
{
	(void)dp, (void)set, (void)rule;
	return 0;
}

uint32_t datapath_table_room(const struct datapath *dp, enum xlb_flow_table_id id)
{
	(void)dp;
	return id == XLB_TABLE_REPLIES ? 2 * XLB_DEFAULT_FLOWS : XLB_DEFAULT_FLOWS;
}

uint64_t datapath_table_bytes(enum xlb_flow_table_id id, uint32_t room)
{
	(void)id;
	return 32ULL * room;
}

uint64_t datapath_tables_memory(const struct datapath *dp)
{
	(void)dp;
	return 128ULL * XLB_DEFAULT_FLOWS;
}

const char *const engine_table_words[XLB_FLOW_TABLES] = { "ipv4", "ipv6", "replies" };

uint64_t engine_table_used(const struct engine *engine, enum xlb_flow_table_id id)
{
	return id == XLB_TABLE_IPV4 ? engine->flows : 0;
}

uint32_t engine_max_flows(const struct engine *engine)
{
	uint32_t max = engine->model->flow_table.max;

	return max ? max : XLB_DEFAULT_FLOWS;
}

uint32_t engine_table_max(const struct engine *engine, enum xlb_flow_table_id id)
{
	return engine_max_flows(engine) * (id == XLB_TABLE_REPLIES ? 2 : 1);
}

bool engine_table_resizes(const struct engine *engine, enum xlb_flow_table_id id)
{
	(void)engine, (void)id;
	return false;
}

const char *engine_table_trouble(const struct engine *engine)
{
	(void)engine;
	return "";
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

void host_below_vlans(struct host *host, const char *ifname, char ret[IFNAMSIZ])
{
	(void)host;
	snprintf(ret, IFNAMSIZ, "%s", ifname);
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

uint8_t host_on_link(struct host *host, const char *ifname, const struct xlb_addr *addr)
{
	(void)host, (void)ifname, (void)addr;
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

/* --- what preflight asks: a veth without a carrier, lro on --- */

struct preflight_source engine_preflight_source(const struct engine *engine)
{
	return (struct preflight_source){ .model = engine->model, .ids = engine->ids };
}

uint32_t engine_fixable(struct engine *engine, const struct interface *interface, bool dry_run)
{
	(void)engine;
	(void)interface;
	(void)dry_run;
	return 1U << XLB_SETTING_LRO;
}

int host_nic(struct host *host, const char *name, struct nic *ret, struct xlb_err *err)
{
	*ret = (struct nic){ .driver = "virtio_net",
			     .features[NIC_LRO] = { .known = true, .on = true } };
	return host_link(host, name, &ret->link, err);
}

void host_system(struct host *host, struct host_system *ret)
{
	(void)host;
	*ret = (struct host_system){ .release = "6.1.0", .version = 6001, .bpffs = true };
}

uint32_t host_settings(struct host *host, const char *ifname,
		       struct host_setting_state ret[XLB_SETTING_COUNT])
{
	(void)host;
	(void)ifname;
	ret[0] = (struct host_setting_state){ .setting = XLB_SETTING_LRO, .was = 1 };
	return 1;
}

uint32_t datapath_pinned_program(const char *pin_dir, const char *ifname)
{
	(void)pin_dir;
	(void)ifname;
	return 0;
}

void datapath_program_name(uint32_t id, char ret[16])
{
	(void)id;
	(void)ret;
}
