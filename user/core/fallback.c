// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/fallback.h"

#include <errno.h>
#include <string.h>

#include "core/object.h"
#include "core/quic.h"

int fallback_finish_group(struct object *object, struct xlb_err *err)
{
	const struct server_group *group = (const struct server_group *)object;

	if (*group->fallback || !object_given(object, "min_healthy"))
		return 0;
	return object_fail(object, "min_healthy", err,
			   "min_healthy has no meaning without fallback: add that or remove it");
}

/* An id is looked at before it is known which of the groups has the connection. */
static int check_ids(const struct server_group *group, const struct server_group *fallback,
		     struct xlb_err *err)
{
	if (quic_id_length(group) == quic_id_length(fallback))
		return 0;
	return object_fail(
		&group->object, "fallback", err,
		"groups %s and %s do not look at connection ids alike: give both the same hash and quic.id_length",
		group->object.name, fallback->object.name);
}

/* "web -> spare -> web" */
static int refuse_circle(const struct server_group *const *path, size_t count, struct xlb_err *err)
{
	const char *name = path[0]->object.name;
	char text[XLB_FALLBACKS * (NAME_TEXT_MAX + 4)];
	size_t used = 0;

	if (count == 1)
		return object_fail(
			&path[0]->object, "fallback", err,
			"group %s is its own fallback: name another group or remove fallback",
			name);
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s -> ",
					 path[i]->object.name);
	return object_fail(&path[0]->object, "fallback", err,
			   "the fallbacks go round in a circle: %s%s: remove one of them", text,
			   name);
}

static bool contains(const struct server_group *const *groups, size_t count,
		     const struct server_group *group)
{
	for (size_t i = 0; i < count; i++)
		if (groups[i] == group)
			return true;
	return false;
}

int check_fallback(const struct model *model, const struct server_group *group, struct xlb_err *err)
{
	const struct server_group *path[XLB_FALLBACKS] = { group }, *next;
	size_t count = 1;

	while (*path[count - 1]->fallback) {
		next = model_group(model, path[count - 1]->fallback);
		if (next == group)
			return refuse_circle(path, count, err);
		/* of what goes round further on is told where it begins */
		if (!next || contains(path, count, next))
			return 0;
		if (count == XLB_FALLBACKS)
			return object_fail(
				&group->object, "fallback", err,
				"%d groups in a row are each other's fallback, from %s to %s: at most %d are accepted",
				XLB_FALLBACKS + 1, group->object.name, next->object.name,
				XLB_FALLBACKS);
		path[count++] = next;
	}
	return count > 1 ? check_ids(group, path[1], err) : 0;
}

const struct server_group **fallback_sources(const struct model *model, const char *name)
{
	const struct server_group *group = model_group(model, name);
	const struct server_group **sources = calloc(2, sizeof(const struct server_group *));
	size_t count = group != NULL;

	if (sources)
		sources[0] = group;
	for (size_t i = 0; sources && i < count; i++) {
		const struct object *object;

		TAILQ_FOREACH(object, &model->server_groups, link) {
			const struct server_group *other = (const struct server_group *)object;
			const struct server_group **grown;

			if (strcmp(other->fallback, sources[i]->object.name) ||
			    contains(sources, count, other))
				continue;
			grown = reallocarray(sources, count + 2, sizeof(*sources));
			if (!grown) {
				free(sources);
				return NULL;
			}
			sources = grown;
			sources[count++] = other;
			sources[count] = NULL;
		}
	}
	return sources;
}

bool listener_leads_to(const struct listener *listener, const struct server_group *const *sources)
{
	for (; *sources; sources++)
		if (listener_names(listener, (*sources)->object.name))
			return true;
	return false;
}
