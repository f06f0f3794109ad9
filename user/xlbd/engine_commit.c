// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The end of a change: state file, sinks, and the engine's own idea of the world. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/object.h"
#include "core/types.h"
#include "xlbd/engine_change.h"

/* Of operations, before the loop has its turn. */
#define SLICE_NS (2 * NS_PER_MS)

/* --- state file --- */

static const struct model *model_of(const struct engine *engine, const struct change *change)
{
	return change->next ? change->next : engine->model;
}

/* A restart must not know attachments that still wait for their confirmation. */
static bool is_left_out(const struct engine *engine, const struct change *change,
			const struct object *interface)
{
	return engine_is_guarded(engine, interface->name) ||
	       (change->options.confirm &&
		!object_find(&engine->model->interfaces, interface->name));
}

static void note_left_out(struct engine *engine, struct change *change)
{
	const struct object *object;
	uint32_t n = 0;

	TAILQ_FOREACH(object, &model_of(engine, change)->interfaces, link)
		n += is_left_out(engine, change, object);
	change->left_out = n ? calloc(n, sizeof(*change->left_out)) : NULL;
	if (!change->left_out)
		return;
	TAILQ_FOREACH(object, &model_of(engine, change)->interfaces, link)
		if (is_left_out(engine, change, object))
			snprintf(change->left_out[change->left_out_count++], IFNAMSIZ, "%.*s",
				 IFNAMSIZ - 1, object->name);
}

void engine_plan_save(struct engine *engine, struct change *change)
{
	change->new_revision = change->by_user &&
			       (change->diff.added || change->diff.changed || change->diff.removed);
	change->saves = change->new_revision || ids_version(change->ids) != engine->saved_version;
	if (!change->saves)
		return;
	note_left_out(engine, change);
	/* as of when it is written; who has more to write meanwhile says so here */
	change->saved_before = engine->saved_version;
	engine->saved_version = ids_version(change->ids);
}

/* The model without the attachments that are left out. */
static struct model *known_model(const struct model *model, const struct change *change)
{
	struct model *known = model_copy(model);
	uint32_t i;

	for (i = 0; known && i < change->left_out_count; i++) {
		struct object *object = object_find(&known->interfaces, change->left_out[i]);

		if (object)
			object_remove(known, object);
	}
	return known;
}

static int save(struct engine *engine, const struct change *change, struct state_wanted *wanted,
		struct xlb_err *err)
{
	AUTO(model_free) struct model *known = NULL;

	if (change->left_out_count) {
		known = known_model(wanted->model, change);
		if (!known)
			return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
		wanted->model = known;
	}
	return state_save(&engine->paths, wanted, &engine->saved, err);
}

int engine_save(struct engine *engine, struct change *change)
{
	struct state_wanted wanted = {
		.revision = engine->revision + change->new_revision,
		.origin = change->new_revision ? change->options.origin : engine->origin,
		.model = change->next ? change->next : engine->model,
		.instead = change->group,
		.ids = change->ids,
		.new_revision = change->new_revision,
	};

	change->save_tried = change->saves;
	return change->saves ? save(engine, change, &wanted, &change->err) : 0;
}

void engine_unsave(struct engine *engine, struct change *change)
{
	struct state_wanted wanted = {
		.revision = engine->revision,
		.origin = engine->origin,
		.model = engine->model,
		.ids = engine->ids,
	};
	struct xlb_err why;

	if (!change->save_tried) {
		if (change->saves && engine->saved_version == ids_version(change->ids))
			engine->saved_version = change->saved_before;
		return;
	}
	/* versions are counted on from what was before: the text of this one is not that of the next */
	state_text_done(&engine->saved);
	engine->saved_version = UINT64_MAX;
	if (save(engine, change, &wanted, &why))
		log_error("cannot write the state file back: %s, trying again", why.text);
	else
		engine->saved_version = ids_version(engine->ids);
}

/* --- sinks --- */

/* An id that is used again starts from zero; the row of who had it before may still be there. */
static void clear_counters(struct engine *engine, const struct op *op)
{
	enum id_kind kind = op->row.table == TABLE_SERVER ? ID_SERVER : ID_LISTENER;
	struct row_id key;

	if (op->kind != OP_PUT ||
	    (op->row.table != TABLE_SERVER && op->row.table != TABLE_LISTENER))
		return;
	memcpy(&key, op->row.key, sizeof(key));
	if (!ids_by_id(engine->ids, kind, key.id))
		datapath_clear_counters(engine->datapath, op->row.table, key.id);
}

/* Takes the tables shared with others out of a change: addresses, neighbours, attachments stay as they are. */
static int leave_shared(const struct engine *engine, struct change *change)
{
	struct rows *wanted = &change->compiled.rows;
	struct plan *plan = &change->plan;
	size_t i, kept = 0;
	int r = 0;

	for (i = 0; i < plan->count; i++)
		if (!engine_shares_table(plan->ops[i].row.table))
			plan->ops[kept++] = plan->ops[i];
	plan->count = kept;
	for (i = kept = 0; i < wanted->count; i++)
		if (!engine_shares_table(wanted->rows[i].table))
			wanted->rows[kept++] = wanted->rows[i];
	wanted->count = kept;
	for (i = 0; !r && i < engine->present.count; i++) {
		const struct row *row = &engine->present.rows[i];

		if (engine_shares_table(row->table))
			r = rows_add(wanted, row->table, row->key, row->value);
	}
	return r ? r : rows_sort(wanted);
}

/* The operations that are left, until the loop wants its turn. */
static int apply_some(struct engine *engine, struct change *change, bool whole, struct xlb_err *err)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + SLICE_NS;
	int r;

	while (change->applied < change->plan.count) {
		clear_counters(engine, &change->plan.ops[change->applied]);
		r = plan_step(&change->plan, change->applied, engine->sinks, &engine->present, err);
		if (r)
			return r;
		change->applied++;
		if (!whole && clock_ns(CLOCK_MONOTONIC) > end)
			return -EINPROGRESS;
	}
	return 0;
}

/*
 * All or nothing for a user. Health and network are followed as far as can be: an address that the host
 * refuses must not keep a dead server in use.
 */
static int apply_plan(struct engine *engine, struct change *change, bool whole)
{
	struct xlb_err again;
	/* the second time, the first error is told */
	int r = apply_some(engine, change, whole, change->held_up ? &again : &change->err);

	if (!r || r == -EINPROGRESS)
		return r;
	engine->present_unsure = true;
	if (change->held_up)
		return change->held_up;
	if (change->by_user || leave_shared(engine, change))
		return r;
	change->held_up = r;
	change->applied = 0;
	return apply_plan(engine, change, whole);
}

int engine_commit(struct engine *engine, struct change *change, bool whole)
{
	int r = apply_plan(engine, change, whole);

	if (r)
		return r;
	engine->revision += change->new_revision;
	if (change->new_revision) {
		snprintf(engine->origin, sizeof(engine->origin), "%s", change->options.origin);
		engine_events_config(engine, &change->diff);
	}
	return 0;
}

/* --- the engine's own --- */

static void swap_rows(struct rows *a, struct rows *b)
{
	struct rows rows = *a;

	*a = *b;
	*b = rows;
}

static void adopt_all(struct engine *engine, struct change *change)
{
	struct xlb_err err;

	if (change->by_user && change->options.confirm)
		engine_guard_start(engine, engine->model, change->next, change->options.confirm);
	/* the old ones are freed with the change, which takes long */
	swap_rows(&engine->present, &change->compiled.rows);
	if (change->next) {
		struct model *model = engine->model;

		engine->model = change->next;
		change->next = model;
	}
	change->ids_before = engine->ids;
	engine->ids = TAKE(change->ids);
	free(engine->warnings);
	free(engine->warned);
	engine->warnings = TAKE(change->compiled.warnings);
	engine->warned = TAKE(change->compiled.warned);
	engine_index_names(engine);
	engine_guard_adopted(engine);
	engine_sweep_adopted(engine);
	engine_recheck_adopted(engine, &change->plan);
	if (change->by_user)
		engine_networks_adopt(engine);
	engine_tls_adopt(engine);
	if (change->by_user)
		engine_growth_adopted(engine);
	engine_announce(engine, &change->plan);
	engine_events_plan(engine, &change->plan);
	engine_events_links(engine);
	if (change->by_user && checker_configure(engine->checker, engine->model, &err))
		log_error("health checks: %s", err.text);
}

void engine_adopt(struct engine *engine, struct change *change)
{
	if (change->part)
		engine_adopt_part(engine, change);
	else
		adopt_all(engine, change);
	engine_slow_start_adopted(engine, &change->compiled, change->part);
	haproxy_commit(engine->haproxy);
}
