// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Opening, closing and reading the engine; what it does is in engine_*.c. */
#include "xlbd/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "core/content.h"
#include "core/tree.h"
#include "core/types.h"
#include "xlbd/config_file.h"
#include "xlbd/engine_private.h"
#include "xlbd/state.h"

uint64_t engine_now(void)
{
	return (uint64_t)time(NULL);
}

static void host_has_changed(void *arg)
{
	engine_events_links(arg); /* before the next news: a NIC may be back by then */
	engine_schedule(arg, true);
}

static void health_has_changed(void *arg)
{
	struct engine *engine = arg;
	struct xlb_err err;

	if (checker_save(engine->checker, engine->paths.health_file, &err))
		log_warning("%s, going on", err.text);
}

static void health_of_group(void *arg, const char *group)
{
	engine_schedule_group(arg, group);
}

static void host_readable(evutil_socket_t fd, short events, void *arg)
{
	struct engine *engine = arg;

	(void)fd;
	(void)events;
	host_dispatch(engine->host);
}

/* The state, or on a first start the configuration file, or nothing. */
static int load_truth(struct engine *engine, struct xlb_err *err)
{
	struct state state = {};
	int r;

	r = state_load(&engine->paths, &state, err);
	if (!r) {
		engine->model = state.model;
		engine->ids = state.ids;
		engine->revision = state.revision;
		snprintf(engine->origin, sizeof(engine->origin), "%s", state.origin);
		engine->model->has_interfaces = true;
		engine->saved_version = ids_version(engine->ids);
		return 0;
	}
	if (r != -ENOENT)
		return r;
	engine->ids = ids_new();
	if (!access(engine->paths.config_file, F_OK)) {
		r = config_file_parse(engine->paths.config_file, &engine->model, err);
		if (r)
			return r;
		engine->revision = 1;
		snprintf(engine->origin, sizeof(engine->origin), "%s", engine->paths.config_file);
		log_notice("first start: applying %s", engine->paths.config_file);
	} else {
		engine->model = model_new();
	}
	if (!engine->model || !engine->ids)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	engine->model->has_interfaces = true;
	engine->saved_version = UINT64_MAX; /* nothing saved yet */
	return 0;
}

struct listing {
	struct rows rows;
	int r;
};

static void list_row(void *arg, const struct row *row)
{
	struct listing *listing = arg;

	if (!listing->r)
		listing->r = rows_add(&listing->rows, row->table, row->key, row->value);
}

/* Recipes of contents that are still there; one whose content was left half changed is of no use. */
static void keep_recipes(struct rows *from, struct rows *rows)
{
	size_t i, kept = 0;

	for (i = 0; i < from->recipe_count; i++) {
		struct recipe *recipe = &from->recipes[i];
		const struct row *row = rows_find(rows, recipe->table, recipe->key);
		uint64_t hash = content_hash(recipe->data, recipe->size);

		if (row && !memcmp(row->value, &hash, sizeof(hash)))
			from->recipes[kept++] = *recipe;
		else
			free(recipe->data);
	}
	rows->recipes = TAKE(from->recipes);
	rows->recipe_count = kept;
	rows->recipe_capacity = from->recipe_capacity;
	from->recipe_count = 0;
}

int engine_list(const struct engine *engine, bool host_only, struct rows *ret, struct xlb_err *err)
{
	struct listing listing = {};
	size_t i;
	int id, r = 0;

	for (id = 0; !r && id < TABLE_COUNT; id++) {
		struct sink *sink = engine->sinks[tables[id].sink];

		if (host_only && !engine_shares_table(id))
			continue;
		r = sink->list(sink, &tables[id], list_row, &listing, err);
	}
	for (i = 0; !r && host_only && i < engine->present.count; i++)
		if (!engine_shares_table(engine->present.rows[i].table))
			list_row(&listing, &engine->present.rows[i]);
	if (!r && (listing.r || rows_sort(&listing.rows)))
		r = xlb_err_set(err, XLB_ERR_FAILED, -EIO, "cannot read what is present");
	if (r)
		rows_done(&listing.rows);
	else
		*ret = listing.rows;
	return r;
}

void engine_take_list(struct engine *engine, struct rows *listed)
{
	keep_recipes(&engine->present, listed);
	rows_done(&engine->present);
	engine->present = *listed;
	*listed = (struct rows){};
}

static void index_name(void *arg, struct id_entry *entry)
{
	struct engine *engine = arg;
	struct live_name *name;
	size_t length;

	if (!entry->live)
		return;
	name = calloc(1, sizeof(*name));
	if (!name)
		return;
	length = strcspn(entry->key, " ");
	name->key[0] = (char)entry->kind;
	memcpy(name->key + 1, entry->key, length);
	name->id = entry->id;
	HASH_ADD(hh, engine->live_names, key, (unsigned int)length + 1, name);
}

static void names_free(struct engine *engine)
{
	struct live_name *name, *next;

	HASH_ITER(hh, engine->live_names, name, next) {
		HASH_DEL(engine->live_names, name);
		free(name);
	}
}

void engine_index_names(struct engine *engine)
{
	names_free(engine);
	ids_each(engine->ids, ID_SERVER, index_name, engine);
	ids_each(engine->ids, ID_LISTENER, index_name, engine);
	ids_each(engine->ids, ID_VIP, index_name, engine);
	ids_each(engine->ids, ID_INTERFACE, index_name, engine);
}

static int check_begins(void *arg, const struct xlb_probe_key *key, const struct xlb_probe *probe)
{
	const struct engine *engine = arg;

	return datapath_probe_begin(engine->datapath, key, probe);
}

static void check_ends(void *arg, const struct xlb_probe_key *key)
{
	const struct engine *engine = arg;

	datapath_probe_end(engine->datapath, key);
}

static int open_world(struct engine *engine, uint32_t flows, struct xlb_err *err)
{
	struct datapath_options options = { .pin_dir = engine->paths.pin_dir, .flows = flows };
	struct event_base *base = engine->base;
	int r;

	r = datapath_open(&options, &engine->datapath, err);
	if (r)
		return r;
	r = host_open(engine->paths.owner_file, host_has_changed, engine, &engine->host, err);
	if (r)
		return r;
	engine->sinks[SINK_DATAPATH] = datapath_sink(engine->datapath);
	engine->sinks[SINK_HOST] = host_sink(engine->host);
	r = engine_tls_open(engine, err);
	if (r)
		return r;
	engine->checker = checker_new(base, health_has_changed, engine);
	engine->host_event =
		event_new(base, host_fd(engine->host), EV_READ | EV_PERSIST, host_readable, engine);
	if (!engine->checker || !engine->host_event)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	event_add(engine->host_event, NULL);
	checker_on_group(engine->checker, health_of_group, engine);
	checker_through(engine->checker, check_begins, check_ends, engine);
	if (checker_load(engine->checker, engine->paths.health_file, err))
		log_warning("%s, starting without known health", err->text);
	r = checker_configure(engine->checker, engine->model, err);
	return r ? r : engine_list(engine, false, &engine->present, err);
}

int engine_open(struct event_base *base, const struct paths *paths, uint32_t flows,
		struct engine **ret, struct xlb_err *err)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	engine->base = base;
	engine->paths = *paths;
	pthread_mutex_init(&engine->tls_lock, NULL);
	engine->worker_fd = engine->settler.fd = engine->growth.fd = -1;
	r = engine_changes_open(engine, err);
	if (!r)
		r = engine_settle_open(engine, err);
	if (!r)
		r = engine_events_open(engine, err);
	if (!r)
		r = engine_slow_start_open(engine, err);
	if (!r)
		r = load_truth(engine, err);
	if (!r)
		r = open_world(engine, flows, err);
	if (!r)
		r = engine_sweep_open(engine, err);
	if (!r)
		r = engine_growth_open(engine, err);
	if (!r)
		r = engine_passive_open(engine, err);
	if (!r && engine->saved_version ==
			  UINT64_MAX) /* a first start: nobody has looked at this model yet */
		r = engine_check_host_ports(engine, engine->model, err);
	if (r) {
		engine_close(engine);
		return r;
	}
	engine_events_start(engine);
	/* before any change: what the ids of the state file stand for is known once they are compiled */
	engine_reconcile(engine);
	*ret = engine;
	return 0;
}

/* Nothing configured, nothing attached: nothing in the kernel is worth keeping. */
static bool is_empty(const struct engine *engine)
{
	const struct model *model = engine->model;
	size_t i;

	for (i = 0; i < engine->present.count; i++)
		if (engine->present.rows[i].table == TABLE_ATTACHMENT)
			return false;
	return TAILQ_EMPTY(&model->interfaces) && TAILQ_EMPTY(&model->load_balancers) &&
	       TAILQ_EMPTY(&model->server_groups);
}

struct engine *engine_close(struct engine *engine)
{
	struct xlb_err err;

	if (!engine)
		return NULL;
	engine_changes_close(engine);
	engine_settle_close(engine);
	engine_passive_close(engine);
	engine_growth_close(engine);
	engine_slow_start_close(engine);
	engine_sweep_close(engine);
	engine_guard_close(engine);
	engine_announce_close(engine);
	if (engine->datapath && engine->host && is_empty(engine))
		datapath_unpin(engine->datapath);
	if (engine->checker && engine->host_event &&
	    checker_save(engine->checker, engine->paths.health_file, &err))
		log_warning("%s", err.text);
	if (engine->host_event)
		event_free(engine->host_event);
	checker_free(engine->checker);
	engine_events_close(engine);
	host_close(engine->host);
	datapath_close(engine->datapath);
	rows_done(&engine->present);
	names_free(engine);
	model_free(engine->model);
	ids_free(engine->ids);
	engine_networks_close(engine);
	engine_tls_close(engine);
	pthread_mutex_destroy(&engine->tls_lock);
	free(engine->vlans);
	free(engine->ports);
	free(engine->host_ports.ranges);
	free(engine->sockets);
	free(engine->warnings);
	free(engine->warned);
	state_text_done(&engine->saved);
	free(engine);
	return NULL;
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
	return engine->origin;
}

struct ids *engine_ids(const struct engine *engine)
{
	return engine->ids;
}

struct datapath *engine_datapath(const struct engine *engine)
{
	return engine->datapath;
}

struct host *engine_host(const struct engine *engine)
{
	return engine->host;
}

struct checker *engine_checker(const struct engine *engine)
{
	return engine->checker;
}

struct events *engine_events(const struct engine *engine)
{
	return engine->events;
}

const char *engine_trouble(const struct engine *engine)
{
	return engine->trouble;
}

const struct engine_stats *engine_stats(const struct engine *engine)
{
	return &engine->stats;
}

uint32_t engine_live_id(const struct engine *engine, enum id_kind kind, const char *name)
{
	size_t length = strlen(name);
	char key[1 + ID_KEY_MAX];
	struct live_name *found;

	if (length >= ID_KEY_MAX)
		return 0;
	key[0] = (char)kind;
	memcpy(key + 1, name, length);
	HASH_FIND(hh, engine->live_names, key, (unsigned int)length + 1, found);
	return found ? found->id : 0;
}

void engine_group_flows(const struct engine *engine, const char *name, struct group_flows *ret)
{
	const struct server_group *group = model_group(engine->model, name);
	struct world world = engine_world((struct engine *)engine, false, false);
	struct takers takers;

	*ret = (struct group_flows){};
	if (!group)
		return;
	compile_takers(engine->model, group, &world, &takers);
	ret->fails_open = compile_fails_open(group, &takers, &world);
	if (takers.ipv4 != group)
		ret->ipv4 = takers.ipv4->object.name;
	if (takers.ipv6 != group)
		ret->ipv6 = takers.ipv6->object.name;
}

const char *engine_warnings(const struct engine *engine)
{
	return engine->warnings ? engine->warnings : "";
}

bool engine_is_pending(const struct engine *engine)
{
	struct haproxy_state tls;

	haproxy_state(engine->haproxy, &tls);
	return engine->scheduled || !TAILQ_EMPTY(&engine->changes) ||
	       checker_is_pending(engine->checker) || tls.pending;
}
