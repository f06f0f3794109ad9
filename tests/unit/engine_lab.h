/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The real engine on fakes of datapath, host and checker: rows in memory, a flow table of a few records, a
 * wall clock that stands still. Included by one file of each test program.
 */
#ifndef XLB_TESTS_ENGINE_LAB_H
#define XLB_TESTS_ENGINE_LAB_H

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/content.h"
#include "core/tree.h"
#include "core/types.h"
#include "sys/haproxy.h"
#include "sys/host_nic.h"
#include "sys/sink_fake.h"
#include "xlbd/engine.h"

#define LAB_FLOWS 16

/* What outlives an engine, as the kernel does. */
static struct {
	struct sink_fake *datapath, *host;
	/* flow table */
	struct xlb_flow_key keys[LAB_FLOWS];
	struct xlb_flow flows[LAB_FLOWS];
	uint32_t rooms[XLB_FLOW_TABLES], resizes;
	bool no_memory;
	uint32_t flow_count, walk_next, walk_fail_at; /* position + 1 whose ending fails, 0: none */
	bool one_by_one, keeps_deleted;
	bool hops[4];	       /* ways back to clients that are known */
	void (*between)(void); /* called before each slice but the first of a pass */
	uint32_t passes;
	uint32_t cleared[32], cleared_count;
	uint64_t evictions, exhausted;
	/* host */
	host_changed changed;
	void *changed_arg;
	const char *missing;   /* interface */
	const char *unplugged; /* interface that is there but down */
	uint8_t mac_byte;      /* of all neighbours; 1: they are not resolved */
	const char *busy_port; /* address on which sshd has port 80 */
	atomic_int probe_ms;
	atomic_bool probe_busy, probing, settling;
	atomic_uint announced;
	uint32_t released;
	/* checker */
	checker_changed health_changed;
	void *health_arg;
	checker_group_changed group_changed;
	void *group_arg;
	uint32_t groups_configured;
	checker_transition transition;
	void *transition_arg;
	const char *down;
	bool ever_up;
	time_t now;
	uint64_t unpinned;
} lab_world;

static time_t lab_now(void)
{
	return lab_world.now;
}

/* The engine's clock: replaces libc's. */
time_t time(time_t *ret)
{
	if (ret)
		*ret = lab_now();
	return lab_now();
}

#include "lab_tls.h"

/* --- datapath --- */

int datapath_open(const struct datapath_options *options, struct datapath **ret,
		  struct xlb_err *err)
{
	(void)options;
	(void)err;
	*ret = (struct datapath *)&lab_world;
	return 0;
}

struct datapath *datapath_close(struct datapath *dp)
{
	(void)dp;
	return NULL;
}

void datapath_unpin(struct datapath *dp)
{
	(void)dp;
	lab_world.unpinned++;
}

struct sink *datapath_sink(struct datapath *dp)
{
	(void)dp;
	return sink_fake_sink(lab_world.datapath);
}

void datapath_settle(struct datapath *dp)
{
	(void)dp;
}

bool datapath_settle_begin(struct datapath *dp)
{
	(void)dp;
	return !lab_world.settling;
}

void datapath_settle_wait(struct datapath *dp)
{
	(void)dp;
	lab_world.settling = true;
}

void datapath_settle_end(struct datapath *dp)
{
	(void)dp;
	assert_true(lab_world.settling);
}

uint32_t datapath_stamp(void)
{
	return 1000;
}

int datapath_probe_begin(struct datapath *dp, const struct xlb_probe_key *key,
			 const struct xlb_probe *probe)
{
	(void)dp, (void)key, (void)probe;
	return 0;
}

void datapath_probe_end(struct datapath *dp, const struct xlb_probe_key *key)
{
	(void)dp, (void)key;
}

int datapath_clear_counters(struct datapath *dp, enum table_id table, uint32_t id)
{
	(void)dp;
	if (table == TABLE_SERVER && lab_world.cleared_count < 32)
		lab_world.cleared[lab_world.cleared_count++] = id;
	return 0;
}

int datapath_flow_counters(struct datapath *dp, enum table_id table, uint32_t first, uint32_t count,
			   uint64_t (*ret)[XLB_COUNT_MAX])
{
	(void)dp, (void)table, (void)first, (void)count, (void)ret;
	return -ENOENT;
}

int datapath_drop_counters(struct datapath *dp, uint32_t slot, uint64_t *ret)
{
	(void)dp;
	(void)slot;
	ret[XLB_DROP_SNAT_EXHAUSTED] = lab_world.exhausted;
	return 0;
}

int datapath_evictions(struct datapath *dp, uint64_t *ret)
{
	(void)dp;
	*ret = lab_world.evictions;
	return 0;
}

bool datapath_hop_is_known(const struct datapath *dp, uint32_t hop)
{
	(void)dp;
	return hop < sizeof(lab_world.hops) && lab_world.hops[hop];
}

void datapath_hop_forget(struct datapath *dp, uint32_t hop)
{
	(void)dp;
	lab_world.hops[hop] = false;
}

static void flow_delete(uint32_t at)
{
	lab_world.flow_count--;
	lab_world.flows[at] = lab_world.flows[lab_world.flow_count];
	lab_world.keys[at] = lab_world.keys[lab_world.flow_count];
}

struct flow_walk *flow_walk_new(struct datapath *dp)
{
	return (struct flow_walk *)dp;
}

struct flow_walk *flow_walk_free(struct flow_walk *walk)
{
	(void)walk;
	return NULL;
}

int flow_walk_next(struct flow_walk *walk, uint32_t budget, flow_visit visit, void *arg,
		   bool *ret_done, struct xlb_err *err)
{
	(void)walk;
	(void)budget;
	if (lab_world.walk_next && lab_world.between)
		lab_world.between();
	while (lab_world.walk_next < lab_world.flow_count) {
		uint32_t at = lab_world.walk_next++;
		enum flow_action action = visit(arg, &lab_world.keys[at], &lab_world.flows[at]);

		if (action == FLOW_DELETE && !lab_world.keeps_deleted) {
			flow_delete(at);
			lab_world.walk_next--;
		} else if (action == FLOW_TO_TOMBSTONE) {
			lab_world.flows[at].state = XLB_FLOW_TOMBSTONE;
		}
		if (lab_world.walk_fail_at == at + 1)
			return xlb_err_set(err, XLB_ERR_FAILED, -EIO, "failed as asked");
		if (lab_world.one_by_one && lab_world.walk_next < lab_world.flow_count) {
			*ret_done = false;
			return 0;
		}
	}
	lab_world.walk_next = 0;
	lab_world.passes++;
	*ret_done = true;
	return 0;
}

double flow_walk_share(const struct flow_walk *walk, enum xlb_flow_table_id id)
{
	(void)walk, (void)id;
	return 0; /* nothing is concluded before a pass is over */
}

/* --- the size of the flow tables: a resize waits once, moves once, and is done */

#define LAB_MEMORY (8ULL << 30)
#define LAB_ROOM   1000000 /* entries that each table has room for at first */

struct table_resize {
	enum xlb_flow_table_id id;
	uint32_t room, steps;
};

uint32_t datapath_rules_answer(const struct datapath *dp, uint32_t set,
			       const struct xlb_flow_key *key)
{
	(void)dp, (void)set, (void)key;
	return XLB_RULES_ALLOW;
}

uint32_t datapath_table_room(const struct datapath *dp, enum xlb_flow_table_id id)
{
	(void)dp;
	return lab_world.rooms[id] ? lab_world.rooms[id] : LAB_ROOM;
}

uint64_t datapath_table_bytes(enum xlb_flow_table_id id, uint32_t room)
{
	(void)id;
	return 32ULL * room;
}

uint64_t datapath_tables_memory(const struct datapath *dp)
{
	(void)dp;
	return 0;
}

struct table_resize *table_resize_new(struct datapath *dp, enum xlb_flow_table_id id, uint32_t room,
				      struct xlb_err *err)
{
	struct table_resize *resize = calloc(1, sizeof(*resize));

	(void)dp, (void)err;
	assert_non_null(resize);
	*resize = (struct table_resize){ .id = id, .room = room };
	return resize;
}

int table_resize_left(struct datapath *dp, enum xlb_flow_table_id id, struct table_resize **ret,
		      struct xlb_err *err)
{
	(void)dp, (void)id, (void)err;
	*ret = NULL;
	return 0;
}

struct table_resize *table_resize_free(struct table_resize *resize)
{
	free(resize);
	return NULL;
}

enum xlb_flow_table_id table_resize_table(const struct table_resize *resize)
{
	return resize->id;
}

bool table_resize_waits(const struct table_resize *resize)
{
	return resize->steps == 0;
}

enum table_resize_state table_resize_step(struct table_resize *resize, uint32_t budget,
					  struct xlb_err *err)
{
	(void)budget;
	if (lab_world.no_memory) {
		xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "no memory, as asked");
		return TABLE_RESIZE_FAILED;
	}
	if (resize->steps++ == 0)
		return TABLE_RESIZE_GOES_ON;
	lab_world.rooms[resize->id] = resize->room;
	lab_world.resizes++;
	return TABLE_RESIZE_DONE;
}

/* --- host: 10.0.1.0/24 behind eth1, all else behind eth0 --- */

#include "engine_lab_host.h"

/* --- the lab --- */

struct lab {
	struct event_base *base;
	struct paths paths;
	struct engine *engine;
};

static void lab_start(struct lab *lab)
{
	struct xlb_err err = {};

	if (engine_open(lab->base, &lab->paths, 0, &lab->engine, &err))
		fail_msg("engine_open: %s", err.text);
}

static void lab_stop(struct lab *lab)
{
	lab->engine = engine_close(lab->engine);
	lab_world.walk_next = 0;
}

/* Lets the loop turn for a while. */
static void lab_run(struct lab *lab, int ms)
{
	struct timeval time = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_base_loopexit(lab->base, &time);
	event_base_dispatch(lab->base);
}

/* Lets the loop turn until what is known to be due has been done, well or not. */
static void lab_settle(struct lab *lab)
{
	int i;

	for (i = 0; i < 2000 && engine_is_pending(lab->engine); i++)
		lab_run(lab, 5);
	assert_false(engine_is_pending(lab->engine));
}

static int lab_setup(void **state)
{
	char dir[] = "/tmp/xlb-engine-XXXXXX";
	struct lab *lab = calloc(1, sizeof(*lab));

	memset(&lab_world, 0, sizeof(lab_world));
	lab_world.datapath = sink_fake_new();
	lab_world.host = sink_fake_new();
	lab_world.now = 1000000;
	assert_non_null(mkdtemp(dir));
	snprintf(lab->paths.state_dir, sizeof(lab->paths.state_dir), "%s/state", dir);
	snprintf(lab->paths.state_file, sizeof(lab->paths.state_file), "%s/state/current", dir);
	snprintf(lab->paths.config_file, sizeof(lab->paths.config_file), "%s/xlb.yaml", dir);
	lab->base = event_base_new();
	lab_start(lab);
	lab_settle(lab);
	*state = lab;
	return 0;
}

static int lab_teardown(void **state)
{
	struct lab *lab = *state;
	char command[128];

	if (lab->engine)
		lab_stop(lab);
	event_base_free(lab->base);
	assert_true(sink_fake_is_sane(lab_world.datapath));
	sink_fake_free(lab_world.datapath);
	sink_fake_free(lab_world.host);
	snprintf(command, sizeof(command), "rm -rf '%.*s'", (int)strlen(lab->paths.state_dir) - 6,
		 lab->paths.state_dir);
	assert_int_equal(system(command), 0);
	free(lab);
	return 0;
}

static struct model *lab_model(const char *text)
{
	struct xlb_err err = {};
	struct tree *tree;
	struct model *model;

	if (tree_parse("test.yaml", text, strlen(text), &tree, &err) ||
	    model_from_tree(tree, &model, &err))
		fail_msg("%u:%u: %s", err.line, err.column, err.text);
	tree_free(tree);
	return model;
}

/* An apply and what came of it. */
struct request {
	struct apply_options options;
	const char *text;
	bool done;
	int r;
	struct apply_result result;
	char changes[2048], warnings[2048];
	struct xlb_err err;
};

static int request_edit(void *arg, const struct model *current, struct model **ret,
			struct xlb_err *err)
{
	const struct request *request = arg;

	(void)current;
	(void)err;
	*ret = lab_model(request->text);
	return 0;
}

static void request_done(void *arg, int r, const struct apply_result *result,
			 const struct xlb_err *err)
{
	struct request *request = arg;

	assert_false(request->done);
	request->done = true;
	request->r = r;
	request->result = *result;
	snprintf(request->changes, sizeof(request->changes), "%s", result->changes);
	snprintf(request->warnings, sizeof(request->warnings), "%s", result->warnings);
	if (r)
		request->err = *err;
}

static void lab_begin(struct lab *lab, struct request *request, const char *text)
{
	request->text = text;
	request->done = false;
	if (!request->options.origin[0])
		strcpy(request->options.origin, "test");
	engine_apply(lab->engine, &request->options, request_edit, request, request_done, request);
}

static void lab_finish(struct lab *lab, struct request *request)
{
	int i;

	for (i = 0; !request->done && i < 1000; i++)
		lab_run(lab, 5);
	assert_true(request->done);
}

static int lab_apply(struct lab *lab, struct request *request, const char *text)
{
	lab_begin(lab, request, text);
	lab_finish(lab, request);
	return request->r;
}

static void lab_apply_ok(struct lab *lab, const char *text)
{
	struct request request = { .options = { .yes = true } };

	if (lab_apply(lab, &request, text))
		fail_msg("apply: %s", request.err.text);
	lab_settle(lab); /* the bringing in line after it */
}

static char *lab_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, 1 << 18);

	if (file) {
		assert_true(fread(text, 1, (1 << 18) - 1, file) < (1 << 18) - 1);
		fclose(file);
	}
	return text;
}

/* Everything that an apply which fails must leave alone, as one text. */
__attribute__((unused)) static char *lab_snapshot(struct lab *lab)
{
	char *datapath = sink_fake_dump(lab_world.datapath), *host = sink_fake_dump(lab_world.host);
	char *file = lab_file(lab->paths.state_file),
	     *model = model_export(engine_model(lab->engine)), *text;

	assert_true(asprintf(&text, "r%llu %s ids %llu\n%s\n%s\n%s\n%s",
			     (unsigned long long)engine_revision(lab->engine),
			     engine_origin(lab->engine),
			     (unsigned long long)ids_version(engine_ids(lab->engine)), model, file,
			     host, datapath) > 0);
	free(datapath);
	free(host);
	free(file);
	free(model);
	return text;
}

/* The checker tells that the health of every group's servers may have changed. */
__attribute__((unused)) static void lab_tell_health(struct lab *lab)
{
	const struct object *object;

	TAILQ_FOREACH(object, &engine_model(lab->engine)->server_groups, link)
		lab_world.group_changed(lab_world.group_arg, object->name);
	lab_world.health_changed(lab_world.health_arg);
}

/* The same of one group, and all that follows. */
__attribute__((unused)) static void lab_tell_group(struct lab *lab, const char *group)
{
	lab_world.group_changed(lab_world.group_arg, group);
	lab_world.health_changed(lab_world.health_arg);
	lab_settle(lab);
}

struct finding {
	const struct row *wanted;
	struct row found;
	uint32_t count;
};

static void finding_add(void *arg, const struct row *row)
{
	struct finding *finding = arg;

	finding->count++;
	if (finding->wanted && !memcmp(row->key, finding->wanted->key, sizeof(row->key)))
		finding->found = *row;
}

__attribute__((unused)) static uint32_t lab_count(enum table_id table)
{
	struct sink *sink = tables[table].sink == SINK_HOST ? sink_fake_sink(lab_world.host) :
							      sink_fake_sink(lab_world.datapath);
	struct finding finding = {};
	struct xlb_err err;

	sink->list(sink, &tables[table], finding_add, &finding, &err);
	return finding.count;
}

/* The row's value in the sink; false if there is none. */
__attribute__((unused)) static bool lab_row(enum table_id table, const void *key, void *ret)
{
	struct sink *sink = tables[table].sink == SINK_HOST ? sink_fake_sink(lab_world.host) :
							      sink_fake_sink(lab_world.datapath);
	struct row wanted = { .table = table };
	struct finding finding = { .wanted = &wanted, .found = { .table = TABLE_COUNT } };
	struct xlb_err err;

	memcpy(wanted.key, key, tables[table].key_size);
	sink->list(sink, &tables[table], finding_add, &finding, &err);
	if (finding.found.table == TABLE_COUNT)
		return false;
	memcpy(ret, finding.found.value, tables[table].value_size);
	return true;
}

__attribute__((unused)) static uint32_t lab_id(struct lab *lab, enum id_kind kind, const char *name)
{
	return engine_live_id(lab->engine, kind, name);
}

/* A TCP flow through VIP 1 and listener 1. */
__attribute__((unused)) static struct xlb_flow *lab_flow(uint32_t server)
{
	uint32_t at = lab_world.flow_count++;

	lab_world.keys[at] =
		(struct xlb_flow_key){ .vip = 1, .protocol = IPPROTO_TCP, .family = XLB_IPV4 };
	lab_world.flows[at] = (struct xlb_flow){
		.stamp = 1000,
		.state = XLB_FLOW_ESTABLISHED,
		.server = server,
		.listener = 1,
		.snat = 1,
		.bitmap = server,
	};
	return &lab_world.flows[at];
}

/* Waits for whole passes of the sweep. */
__attribute__((unused)) static void lab_sweep(struct lab *lab, uint32_t passes)
{
	uint32_t wanted = lab_world.passes + passes;
	int i;

	for (i = 0; (int32_t)(lab_world.passes - wanted) < 0 && i < 1000; i++)
		lab_run(lab, 10);
	assert_true((int32_t)(lab_world.passes - wanted) >= 0);
	lab_run(lab, 40);
}

#define LAB_INTERFACES "version: 1\ninterfaces: {eth0: {mode: native}, eth1: {mode: native}}\n"
#define LAB_EDGE \
	"load_balancers: {edge: {addresses: [198.51.100.10], listeners: {http: {protocol: tcp, port: 80, " \
	"server_group: web}}}}\n"
#define LAB_WEB1       "web1: {address: 10.0.1.11, port: 8080}"
#define LAB_WEB2       "web2: {address: 10.0.1.12, port: 8080}"
#define LAB_WEB3       "web3: {address: 10.0.1.13, port: 8080}"
#define LAB_GROUP(...) "server_groups: {web: {drain: {timeout: 5s}, servers: {" __VA_ARGS__ "}}}\n"
#define LAB_BOTH       LAB_INTERFACES LAB_EDGE LAB_GROUP(LAB_WEB1 ", " LAB_WEB2)
#define LAB_ONE	       LAB_INTERFACES LAB_EDGE LAB_GROUP(LAB_WEB1)
#define LAB_OTHER      LAB_INTERFACES LAB_EDGE LAB_GROUP(LAB_WEB1 ", " LAB_WEB3)

#endif
