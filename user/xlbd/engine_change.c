// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The one path of every change: edit -> check -> compile -> plan -> (worker: probe VIPs, build contents)
 * -> state file -> sinks. Changes of health and network take it too, without an edit. One at a time.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "core/content.h"
#include "core/object.h"
#include "core/types.h"
#include "xlbd/check_files.h"
#include "xlbd/engine_change.h"

#define RECONCILE_DELAY_MS 10  /* lets a burst of notifications become one change */
#define TROUBLE_DELAY_MS   200 /* the same while they may be the echo of what fails */
#define RETRY_SECONDS	   5

static void run_changes(struct engine *engine);

void engine_change_free(struct change *change)
{
	model_free(change->next);
	if (change->group)
		object_free(&change->group->object);
	free(change->left_out);
	free(change->diff.lines);
	ids_free(change->ids);
	ids_free(change->ids_before);
	compiled_done(&change->compiled);
	rows_done(&change->listed);
	free(change->new_warnings);
	plan_done(&change->plan);
	free(change);
}

/* The lines of `now` that are not in `before`: what this change is to be warned of. NULL on lack of memory. */
static char *new_lines(const char *now, const char *before)
{
	char *text = strdup(now), *line, *rest = text, *fresh;
	size_t size;
	FILE *out;

	if (!text)
		return NULL;
	out = open_memstream(&fresh, &size);
	while (out && (line = strsep(&rest, "\n")))
		if (*line && !strstr(before, line))
			fprintf(out, "%s\n", line);
	free(text);
	if (!out)
		return NULL;
	fclose(out);
	return fresh;
}

static void count_change(struct engine_stats *stats, const struct change *change)
{
	if (!change->by_user) {
		stats->reconciles++;
		stats->reconciles_failed += change->r < 0;
	} else if (!change->options.dry_run) {
		stats->changes++;
		stats->changes_failed += change->r < 0;
		stats->last_change = engine_now();
		stats->last_change_ok = change->r >= 0;
	}
}

/* Reports, frees and goes on with the next. */
static void change_finish(struct engine *engine, struct change *change)
{
	struct apply_result result = {
		.revision = engine->revision,
		.added = change->diff.added,
		.changed = change->diff.changed,
		.removed = change->diff.removed,
		.flows_affected = change->flows_affected,
		.changes = change->diff.lines ? change->diff.lines : "",
		.warnings = change->new_warnings ? change->new_warnings : "",
	};

	count_change(&engine->stats, change);
	TAILQ_REMOVE(&engine->changes, change, link);
	if (change->done)
		change->done(change->done_arg, change->r, &result, &change->err);
	engine_settle(engine, change);
}

static int make_next(struct engine *engine, struct change *change)
{
	int r;

	if (change->options.if_revision && change->options.if_revision != engine->revision) {
		xlb_err_set(&change->err, XLB_ERR_CONFLICT, -ESTALE,
			    "conflict: you edited r%llu, the daemon has r%llu (by %s)",
			    (unsigned long long)change->options.if_revision,
			    (unsigned long long)engine->revision, engine->origin);
		xlb_err_hint(&change->err, "look at `xlbctl diff FILE`, then apply again");
		return -ESTALE;
	}
	r = change->edit(change->edit_arg, engine->model, &change->next, &change->err);
	if (!r && model_keep_interfaces(change->next, engine->model))
		r = xlb_err_set(&change->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	return r ? r : engine_check_interfaces(engine, change->next, &change->err);
}

/* What there is to say against the model, and what is new in it. */
static int judge_next(struct engine *engine, struct change *change)
{
	int r = model_check(change->next, &change->err);

	if (!r)
		r = engine_check_flow_table(change->next, &change->err);
	if (!r)
		r = check_files_of_model(change->next, engine->model, engine->paths.config_dir,
					 &change->err);
	if (!r && !change->options.force)
		r = engine_check_host_ports(engine, change->next, &change->err);
	return r ? r : model_diff(engine->model, change->next, &change->diff);
}

struct retiring {
	struct engine *engine;
	uint64_t flows, refused; /* of one kind of ids */
};

/* Takes no new flows: retired, disabled or of weight 0. */
static bool is_closed(const struct id_entry *entry)
{
	return !entry->live || entry->draining;
}

/* Counts flows of what this change closes; those that cannot end in peace need the user's consent. */
static void count_retiring(void *arg, struct id_entry *entry)
{
	struct retiring *retiring = arg;
	const struct id_entry *before = ids_find(retiring->engine->ids, entry->kind, entry->key);
	uint64_t flows = engine_flows(retiring->engine, entry->kind, entry->id), now = engine_now();
	bool closed, cut;

	if (!before)
		return;
	closed = is_closed(entry) && !is_closed(before);
	cut = is_closed(entry) && entry->deadline <= now &&
	      !(is_closed(before) && before->deadline <= now);
	if (closed)
		retiring->flows += flows;
	if (cut || (closed && entry->kind != ID_SERVER))
		retiring->refused += flows;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static bool detaches(const struct engine *engine, const struct model *next)
{
	const struct object *object;

	TAILQ_FOREACH(object, &engine->model->interfaces, link)
		if (!object_find(&next->interfaces, object->name))
			return true;
	return false;
}

int engine_check_consent(struct engine *engine, struct change *change)
{
	static const enum id_kind kinds[] = { ID_SERVER, ID_LISTENER, ID_VIP };
	bool detach = change->next && detaches(engine, change->next);
	size_t i;

	/* a flow has one id of each kind: the largest sum is nearest to the number of flows */
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct retiring retiring = { .engine = engine };

		ids_each(change->ids, kinds[i], count_retiring, &retiring);
		change->flows_affected = larger(change->flows_affected, retiring.flows);
		change->flows_refused = larger(change->flows_refused, retiring.refused);
	}
	if (detach)
		change->flows_affected = change->flows_refused = engine_flows_total(engine);
	if (!change->flows_refused || change->options.yes || change->options.dry_run)
		return 0;
	xlb_err_set(&change->err, XLB_ERR_CONFIRM, -ECANCELED, "this would %s %llu flow%s",
		    detach ? "cut" : "leave without a listener or cut",
		    (unsigned long long)change->flows_refused,
		    change->flows_refused == 1 ? "" : "s");
	xlb_err_hint(&change->err, "repeat with --yes to go on");
	return -ECANCELED;
}

/* Beside the loop: nothing of what it asks changes while a change is under way, or it has a lock. */
int engine_compile(struct engine *engine, struct change *change)
{
	struct world world = engine_world(engine, change->by_user, change->options.now);
	int r = 0;

	engine->sockets_read = false;
	engine_networks_begin(engine);
	engine_tls_begin(engine);
	if (change->by_user)
		r = judge_next(engine, change);
	if (r)
		return r;
	change->ids = ids_copy(engine->ids);
	if (!change->ids)
		return xlb_err_set(&change->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	r = compile(change->by_user ? change->next : engine->model, change->ids, &world,
		    &change->compiled, &change->err);
	if (!r)
		change->new_warnings = new_lines(change->compiled.warnings,
						 engine->warnings ? engine->warnings : "");
	if (!r && change->lists)
		r = engine_list(engine, !change->lists_all, &change->listed, &change->err);
	if (!r)
		r = plan_make(&change->compiled.rows,
			      change->lists ? &change->listed : &engine->present, &change->plan,
			      &change->err);
	return r;
}

/* News of the groups' health are followed alone unless there is more to follow. */
static void take_due(struct engine *engine, struct change *change)
{
	bool all = engine->all_due || engine->trouble[0];

	memcpy(change->due_groups, engine->due_groups, sizeof(change->due_groups));
	change->due_count = all ? 0 : engine->due_count;
	engine->all_due = false;
	engine->due_count = 0;
}

static bool needs_worker(const struct change *change)
{
	size_t i;

	/* contents are built there, addresses asked for */
	for (i = 0; i < change->plan.count; i++) {
		enum table_id table = change->plan.ops[i].row.table;

		if (content_expected(table) || table == TABLE_VIP_ADDR)
			return true;
	}
	return change->saves;
}

static void note_trouble(struct engine *engine, const struct change *change)
{
	struct timeval retry = { .tv_sec = RETRY_SECONDS };

	if (change->by_user)
		return;
	if (!change->r) {
		if (engine->trouble[0]) {
			log_notice("in line again");
			event_emit(engine->events, EVENT_PROBLEM, NULL, "in line again");
		}
		engine->trouble[0] = '\0';
		return;
	}
	if (strcmp(engine->trouble, change->err.text)) {
		log_error("cannot bring the host in line: %s, trying again every %d s",
			  change->err.text, RETRY_SECONDS);
		event_emit(engine->events, EVENT_PROBLEM,
			   (const struct event_member[]){
				   { .name = "reason", .text = change->err.text }, {} },
			   "cannot bring the host in line: %s, trying again every %d s",
			   change->err.text, RETRY_SECONDS);
	}
	snprintf(engine->trouble, sizeof(engine->trouble), "%s", change->err.text);
	engine->host_stale = engine->all_due = true;
	if (!engine->scheduled)
		evtimer_add(engine->reconcile_timer, &retry);
}

/* The end, good or not. */
static void finish(struct engine *engine, struct change *change)
{
	bool counts = !change->options.dry_run;

	if (change->r)
		engine_unsave(engine, change);
	else if (counts)
		engine_adopt(engine, change);
	if (change->r && change->by_user && change->committing)
		engine_schedule(engine, true); /* looks whether all was undone */
	if (!change->r)
		change->r = change->held_up;
	note_trouble(engine, change);
	engine->busy = false;
	change_finish(engine, change);
}

static void commit(struct engine *engine, struct change *change, bool whole)
{
	static const struct timeval now;

	change->committing = !change->options.dry_run;
	if (change->committing)
		change->r = engine_commit(engine, change, whole);
	if (change->r == -EINPROGRESS)
		evtimer_add(engine->apply_timer, &now);
	else
		finish(engine, change);
}

static void start_work(struct engine *engine, struct change *change)
{
	engine->working = !pthread_create(&engine->worker, NULL, engine_work, engine);
	if (engine->working)
		return;
	change->r = xlb_err_set(&change->err, XLB_ERR_FAILED, -EAGAIN, "cannot start a thread");
	finish(engine, change);
}

/* What is to be done is known. */
static void carry_out(struct engine *engine, struct change *change)
{
	if (!change->options.dry_run)
		engine_plan_save(engine, change);
	if (needs_worker(change))
		start_work(engine, change);
	else
		commit(engine, change, false);
}

/* Back from the worker with everything compiled. */
static void take_plan(struct engine *engine, struct change *change)
{
	change->compiles = false;
	if (change->lists && !change->r) {
		engine_take_list(engine, &change->listed);
	} else if (change->lists) {
		engine->host_stale = true;
		engine->present_unsure |= change->lists_all;
	}
	if (!change->r && change->by_user)
		change->r = engine_check_consent(engine, change);
	if (change->r)
		finish(engine, change);
	else
		carry_out(engine, change);
}

static void worker_done(evutil_socket_t fd, short events, void *arg)
{
	struct engine *engine = arg;
	struct change *change = TAILQ_FIRST(&engine->changes);
	uint64_t count;

	(void)events;
	if (read(fd, &count, sizeof(count)) != sizeof(count) || !engine->working)
		return;
	pthread_join(engine->worker, NULL);
	engine->working = false;
	if (change->compiles)
		take_plan(engine, change);
	else if (change->r)
		finish(engine, change);
	else
		commit(engine, change, false);
	run_changes(engine);
}

static void apply_on(evutil_socket_t fd, short events, void *arg)
{
	struct engine *engine = arg;

	(void)fd;
	(void)events;
	commit(engine, TAILQ_FIRST(&engine->changes), false);
	run_changes(engine);
}

/* A part is known at once; of everything the worker makes a plan. */
static void begin(struct engine *engine, struct change *change)
{
	engine->busy = true;
	if (!change->by_user)
		take_due(engine, change);
	if (!engine_prepare_part(engine, change)) {
		carry_out(engine, change);
		return;
	}
	if (change->by_user)
		change->r = make_next(engine, change);
	if (change->r) {
		finish(engine, change);
		return;
	}
	change->lists = engine->host_stale || engine->present_unsure;
	change->lists_all = engine->present_unsure;
	engine->host_stale = engine->present_unsure = false;
	change->compiles = true;
	start_work(engine, change);
}

static void run_changes(struct engine *engine)
{
	struct change *change;

	while (!engine->busy && (change = TAILQ_FIRST(&engine->changes)))
		begin(engine, change);
}

static struct change *change_new(struct engine *engine)
{
	struct change *change = calloc(1, sizeof(*change));

	if (change)
		TAILQ_INSERT_TAIL(&engine->changes, change, link);
	return change;
}

void engine_apply(struct engine *engine, const struct apply_options *options, model_edit edit,
		  void *edit_arg, apply_done done, void *done_arg)
{
	bool idle = TAILQ_EMPTY(&engine->changes);
	struct change *change = change_new(engine);

	if (!change) {
		struct apply_result none = { .changes = "", .warnings = "" };
		struct xlb_err err;

		xlb_err_set(&err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
		done(done_arg, -ENOMEM, &none, &err);
		return;
	}
	change->options = *options;
	change->by_user = true;
	change->edit = edit;
	change->edit_arg = edit_arg;
	change->done = done;
	change->done_arg = done_arg;
	if (idle)
		run_changes(engine);
}

static void reconcile(struct engine *engine)
{
	bool idle = TAILQ_EMPTY(&engine->changes);
	const struct change *last = TAILQ_LAST(&engine->changes, change_list);

	if (last && !last->by_user && last != TAILQ_FIRST(&engine->changes))
		return; /* that one has not begun and will see all there is to see */
	if (change_new(engine) && idle)
		run_changes(engine);
}

void engine_reconcile(struct engine *engine)
{
	engine->all_due = true;
	reconcile(engine);
}

static void reconcile_due(evutil_socket_t fd, short events, void *arg)
{
	struct engine *engine = arg;

	(void)fd;
	(void)events;
	engine->scheduled = false;
	reconcile(engine);
}

static void start_timer(struct engine *engine)
{
	int ms = engine->trouble[0] ? TROUBLE_DELAY_MS : RECONCILE_DELAY_MS;
	struct timeval delay = { .tv_usec = ms * 1000 };

	if (engine->scheduled)
		return; /* not put off by each new reason */
	engine->scheduled = true;
	evtimer_add(engine->reconcile_timer, &delay);
}

void engine_schedule(struct engine *engine, bool host_stale)
{
	engine->host_stale |= host_stale;
	engine->all_due = true;
	start_timer(engine);
}

void engine_schedule_group(struct engine *engine, const char *group)
{
	uint32_t i = 0;

	while (i < engine->due_count && strcmp(engine->due_groups[i], group))
		i++;
	if (i == GROUPS_DUE_MAX)
		engine->all_due = true;
	else if (i == engine->due_count)
		snprintf(engine->due_groups[engine->due_count++], NAME_TEXT_MAX, "%s", group);
	start_timer(engine);
}

int engine_changes_open(struct engine *engine, struct xlb_err *err)
{
	TAILQ_INIT(&engine->changes);
	engine->worker_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (engine->worker_fd < 0)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "eventfd: %m");
	engine->reconcile_timer = evtimer_new(engine->base, reconcile_due, engine);
	engine->apply_timer = evtimer_new(engine->base, apply_on, engine);
	engine->worker_event = event_new(engine->base, engine->worker_fd, EV_READ | EV_PERSIST,
					 worker_done, engine);
	if (!engine->reconcile_timer || !engine->worker_event || !engine->apply_timer)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	event_add(engine->worker_event, NULL);
	return 0;
}

void engine_changes_close(struct engine *engine)
{
	struct change *change;

	if (engine->working) {
		pthread_join(engine->worker, NULL);
		engine_unsave(engine, TAILQ_FIRST(&engine->changes));
	} else if (engine->busy) { /* half carried out */
		commit(engine, TAILQ_FIRST(&engine->changes), true);
	}
	while ((change = TAILQ_FIRST(&engine->changes))) {
		change->r =
			xlb_err_set(&change->err, XLB_ERR_FAILED, -ESHUTDOWN, "xlbd is stopping");
		change_finish(engine, change);
	}
	if (engine->reconcile_timer)
		event_free(engine->reconcile_timer);
	if (engine->apply_timer)
		event_free(engine->apply_timer);
	if (engine->worker_event)
		event_free(engine->worker_event);
	if (engine->worker_fd >= 0)
		close(engine->worker_fd);
}
