// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Changes of a few server groups that leave all ids what they are: a weight, a switch, the health of some servers. They
 * take the time of those groups, however many others there are. What turns out to be more is a change of everything.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/fallback.h"
#include "core/object.h"
#include "core/types.h"
#include "xlbd/check_files.h"
#include "xlbd/engine_change.h"

/* --- the group that a user wants --- */

/* A model that has nothing but a copy of the group, for the edit to work on. */
static struct model *model_around(const struct server_group *group)
{
	AUTO(model_free) struct model *model = model_new();
	struct object *copy = model ? object_copy(&group->object) : NULL;

	if (!copy)
		return NULL;
	model->has_interfaces = true;
	object_link(&model->server_groups, NULL, copy);
	return TAKE(model);
}

static struct server_group *edit_group(struct change *change, const struct server_group *group,
				       struct xlb_err *err)
{
	AUTO(model_free) struct model *around = model_around(group), *edited = NULL;
	struct object *object;

	if (!around || change->edit(change->edit_arg, around, &edited, err))
		return NULL;
	object = TAILQ_FIRST(&edited->server_groups);
	if (!object || TAILQ_NEXT(object, link))
		return NULL;
	TAILQ_REMOVE(&edited->server_groups, object, link);
	return (struct server_group *)object;
}

static bool uses_probes(const struct server_group *group)
{
	return group->health_check.type != CHECK_NONE &&
	       group->health_check.via == CHECK_VIA_DATAPATH;
}

static uint32_t count_addresses(const struct server_group *group)
{
	const struct object *object;
	uint32_t n = 0;

	TAILQ_FOREACH(object, &group->servers, link)
		n += ((const struct server *)object)->address.count;
	return n;
}

/*
 * True if nothing outside of the group's own rows, and of whom it is a fallback of, can follow. As many addresses as before, each with an id that it
 * has already, are the same addresses.
 */
static bool stays_alike(const struct server_group *from, const struct server_group *to)
{
	return from->affinity == to->affinity && uses_probes(from) == uses_probes(to) &&
	       from->hash == to->hash && from->quic_id_length == to->quic_id_length &&
	       from->affinity_timeout == to->affinity_timeout &&
	       !strcmp(from->fallback, to->fallback) &&
	       count_addresses(from) == count_addresses(to);
}

static int make_group(struct engine *engine, struct change *change, struct xlb_err *err)
{
	const struct server_group *from = model_group(engine->model, change->options.group);
	int r;

	if (!from || change->options.confirm ||
	    (change->options.if_revision && change->options.if_revision != engine->revision))
		return -ESTALE;
	change->group = edit_group(change, from, err);
	if (!change->group || strcmp(change->group->object.name, from->object.name) ||
	    !stays_alike(from, change->group))
		return -ESTALE;
	r = model_check_group(engine->model, change->group, err);
	if (!r)
		r = check_files_of_group(change->group, engine->model, engine->paths.config_dir,
					 err);
	return r ? r : model_diff_group(from, change->group, &change->diff);
}

/* --- rows --- */

static bool is_warned_of(const struct engine *engine, const struct server_group *group)
{
	char line[NAME_TEXT_MAX + 2];

	snprintf(line, sizeof(line), "\n%s\n", group->object.name);
	return strstr(engine->warned, line);
}

/* A table for clients of a family came or went. */
static bool tables_differ(const struct engine *engine, const struct change *change,
			  const struct server_group *group)
{
	static const uint32_t families[] = { XLB_IPV4, XLB_IPV6 };
	const struct id_entry *entry = ids_find(change->ids, ID_GROUP, group->object.name);
	size_t i;

	for (i = 0; entry && i < sizeof(families) / sizeof(families[0]); i++) {
		struct row_maglev_key key = { .group = entry->id, .family = families[i] };

		if (!rows_find(&change->compiled.rows, TABLE_MAGLEV, &key) !=
		    !rows_find(&engine->present, TABLE_MAGLEV, &key))
			return true;
	}
	return !entry;
}

static int make_rows(struct engine *engine, struct change *change,
		     const struct server_group *const *groups, size_t count, struct xlb_err *err)
{
	struct world world = engine_world(engine, change->by_user, change->options.now);
	size_t i;
	int r;

	for (i = 0; i < count; i++)
		if (is_warned_of(engine, groups[i]))
			return -ESTALE;
	change->ids = ids_part(engine->ids);
	if (!change->ids)
		return -ENOMEM;
	r = compile_part(engine->model, groups, count, change->ids, &world, &change->compiled, err);
	for (i = 0; !r && i < count; i++)
		if (tables_differ(engine, change, groups[i]))
			r = -ESTALE;
	if (!r)
		r = plan_make_part(&change->compiled.rows, &engine->present, &change->plan, err);
	return r;
}

/* Groups that are compiled together. */
struct part_groups {
	const struct server_group *groups[GROUPS_DUE_MAX];
	size_t count;
};

static bool has_group(const struct part_groups *part, const char *name)
{
	for (size_t i = 0; i < part->count; i++)
		if (!strcmp(part->groups[i]->object.name, name))
			return true;
	return false;
}

/* Adds a group that is there, and those whose flows it may take: 0, -ESTALE if it is not or these are too many, -ENOMEM. */
static int add_groups(const struct model *model, const char *name, struct part_groups *part)
{
	AUTO_FREE const struct server_group **sources = fallback_sources(model, name);

	if (!sources)
		return -ENOMEM;
	if (!sources[0])
		return -ESTALE;
	for (size_t i = 0; sources[i]; i++) {
		if (has_group(part, sources[i]->object.name))
			continue;
		if (part->count == GROUPS_DUE_MAX)
			return -ESTALE;
		part->groups[part->count++] = sources[i];
	}
	return 0;
}

static int make_part(struct engine *engine, struct change *change, struct xlb_err *err)
{
	struct part_groups part = {};
	uint32_t i;
	int r = 0;

	if (change->by_user) {
		r = make_group(engine, change, err);
		part.groups[part.count++] = change->group;
		if (!r)
			r = add_groups(engine->model, change->group->object.name, &part);
		if (!r)
			r = make_rows(engine, change, part.groups, part.count, err);
		return r ? r : engine_check_consent(engine, change);
	}
	for (i = 0; !r && i < change->due_count; i++)
		r = add_groups(engine->model, change->due_groups[i], &part);
	return r ? r : make_rows(engine, change, part.groups, part.count, err);
}

/* Back to a change of which nothing is known. */
static void forget_part(struct change *change)
{
	if (change->group)
		object_free(&TAKE(change->group)->object);
	free(change->diff.lines);
	change->diff = (struct model_changes){};
	change->ids = ids_free(change->ids);
	compiled_done(&change->compiled);
	plan_done(&change->plan);
	change->flows_affected = change->flows_refused = 0;
	memset(&change->err, 0, sizeof(change->err));
}

int engine_prepare_part(struct engine *engine, struct change *change)
{
	bool wanted = change->by_user ? change->options.group[0] != 0 : change->due_count > 0;
	struct xlb_err ignored;
	int r;

	/* before the first compile of everything nothing is known to be in line */
	if (!wanted || !engine->warned || engine->host_stale || engine->present_unsure ||
	    engine->trouble[0])
		return -ESTALE;
	r = make_part(engine, change, &ignored);
	if (r)
		forget_part(change);
	change->part = !r;
	return r;
}

/* --- afterwards --- */

/* What the sweep under way must not go on to judge by. */
static bool resets_change(const struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->count; i++) {
		const struct op *op = &plan->ops[i];
		struct xlb_server before, now;

		if (op->row.table != TABLE_SERVER)
			continue;
		memcpy(&before, op->old.value, sizeof(before));
		memcpy(&now, op->row.value, sizeof(now));
		if ((before.flags ^ now.flags) & XLB_SERVER_RESET)
			return true;
	}
	return false;
}

void engine_adopt_part(struct engine *engine, struct change *change)
{
	struct server_group *group = change->group;
	struct xlb_err err;

	rows_follow(&engine->present, &change->compiled.rows, &change->plan);
	ids_merge(engine->ids, change->ids);
	engine_events_plan(engine, &change->plan);
	if (resets_change(&change->plan))
		engine_sweep_adopted(engine);
	if (!group)
		return;
	/* the old one is freed with the change */
	change->group = model_swap_group(engine->model, group);
	if (checker_configure_group(engine->checker, engine->model, group, &err))
		log_error("health checks: %s", err.text);
}
