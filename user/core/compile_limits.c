// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Limits of load balancers and listeners to rows, and whose packets must be held to them one by one. */
#include <string.h>

#include "core/compile_private.h"
#include "core/fallback.h"

static struct xlb_rates rates_of(const struct limit_set *set)
{
	return (struct xlb_rates){
		.bits = set->bits,
		.packets = set->packets,
		.new_flows = set->new_connections,
		.flows = set->connections,
	};
}

static bool any_rate(const struct limit_set *set)
{
	return set->bits || set->packets || set->new_connections || set->connections;
}

/* True if packets of flows that go on are held to some limit. */
static bool is_metered(const struct limits *limits)
{
	return limits->all.bits || limits->all.packets || limits->per_source.bits ||
	       limits->per_source.packets;
}

uint32_t limited_by(const struct load_balancer *lb, const struct listener *listener)
{
	uint32_t by = 0;

	if (lb && any_rate(&lb->limits.all))
		by |= XLB_LIMITED_LB;
	if (lb && any_rate(&lb->limits.per_source))
		by |= XLB_LIMITED_LB_SOURCE;
	if (listener && any_rate(&listener->limits.all))
		by |= XLB_LIMITED_LISTENER;
	if (listener && any_rate(&listener->limits.per_source))
		by |= XLB_LIMITED_SOURCE;
	return by;
}

int compile_limits(struct compiler *c, const struct limits *limits, uint32_t number)
{
	struct xlb_limits value = { rates_of(&limits->all), rates_of(&limits->per_source) };

	if (!any_rate(&limits->all) && !any_rate(&limits->per_source))
		return 0;
	return emit(c, TABLE_LIMITS, &(struct row_id){ number }, &value);
}

/* Whether a listener with limits for every packet leads to a group with these sources; NULL: to any group. */
static bool has_metered(const struct model *model, const struct server_group *const *sources)
{
	const struct object *object, *child;

	TAILQ_FOREACH(object, &model->load_balancers, link) {
		const struct load_balancer *lb = (const struct load_balancer *)object;

		if (!lb->enabled)
			continue;
		TAILQ_FOREACH(child, &lb->listeners, link) {
			const struct listener *listener = (const struct listener *)child;

			if (listener->enabled &&
			    (is_metered(&lb->limits) || is_metered(&listener->limits)) &&
			    (!sources || listener_leads_to(listener, sources)))
				return true;
		}
	}
	return false;
}

void note_metered(struct compiler *c)
{
	c->metered = has_metered(c->model, NULL);
}

bool group_is_metered(const struct compiler *c, const struct server_group *group)
{
	AUTO_FREE const struct server_group **sources = NULL;

	if (!c->metered)
		return false;
	sources = fallback_sources(c->model, group->object.name);
	/* for lack of memory it is looked at in vain */
	return !sources || has_metered(c->model, sources);
}

struct visit {
	struct compiler *c;
	int r;
};

/* Its flows are among those of its load balancer. */
static void keep_lb(void *arg, struct id_entry *listener)
{
	struct visit *visit = arg;
	struct id_entry *entry;
	char name[ID_KEY_MAX];

	if (visit->r || ids_is_touched(visit->c->ids, listener))
		return;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(listener->key, "/"), listener->key);
	visit->r = take_id(visit->c, ID_LB, name, &entry);
}

int compile_retired_lbs(struct compiler *c)
{
	struct visit visit = { .c = c };

	ids_each(c->ids, ID_LISTENER, keep_lb, &visit);
	return visit.r;
}

struct xlb_limited retired_limited(const struct compiler *c, const struct id_entry *listener,
				   struct xlb_limited limited)
{
	const struct load_balancer *lb;
	char name[ID_KEY_MAX];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(listener->key, "/"), listener->key);
	lb = model_lb(c->model, name);
	limited.by = limited_by(lb && lb->enabled ? lb : NULL, NULL);
	return limited;
}
