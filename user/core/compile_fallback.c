// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who takes the new flows of a group: itself, or while too few of its servers are healthy one of its fallbacks. */
#include <string.h>

#include "core/compile_private.h"

bool is_fit(enum health health, bool ever_up)
{
	return health == HEALTH_UP || (health == HEALTH_INITIAL && !ever_up);
}

/* Servers that may get new flows of a family's clients, and how many of them do. */
struct strength {
	uint32_t all, fit;
};

static struct strength strength_of(const struct server_group *group, const struct world *world,
				   uint8_t family)
{
	bool ever_up = world->group_ever_up(world->arg, group->object.name);
	struct strength strength = {};
	const struct object *object;

	TAILQ_FOREACH(object, &group->servers, link) {
		const struct server *server = (const struct server *)object;
		bool serves = false, fit = false;

		for (uint32_t i = 0; takes_flows(server) && i < server->address.count; i++) {
			const struct xlb_addr *addr = &server->address.addrs[i];

			if (!serves_family(group, addr, family))
				continue;
			serves = true;
			fit = fit || is_fit(world->health(world->arg, group->object.name,
							  object->name, addr),
					    ever_up);
		}
		strength.all += serves;
		strength.fit += fit;
	}
	return strength;
}

static bool is_enough(const struct server_group *group, struct strength strength)
{
	const struct quota *least = &group->min_healthy;

	return strength.fit &&
	       (least->percent ? strength.fit * 100 >= least->number * strength.all :
				 strength.fit >= least->number);
}

const struct server_group *part_group(const struct model *model, const struct part *part,
				      const char *name)
{
	for (size_t i = 0; part && i < part->count; i++)
		if (!strcmp(part->groups[i]->object.name, name))
			return part->groups[i];
	return *name ? model_group(model, name) : NULL;
}

/* The first of the row that has enough healthy servers, else the first that has any, else the group itself. */
static const struct server_group *taker_of(const struct model *model, const struct part *part,
					   const struct server_group *group,
					   const struct world *world, uint8_t family)
{
	const struct server_group *at = group, *some = NULL;

	for (uint32_t i = 0; *group->fallback && at && i < XLB_FALLBACKS; i++) {
		struct strength strength = strength_of(at, world, family);

		if (is_enough(at, strength))
			return at;
		some = strength.fit && !some ? at : some;
		at = part_group(model, part, at->fallback);
	}
	return some ? some : group;
}

void compile_part_takers(const struct model *model, const struct part *part,
			 const struct server_group *group, const struct world *world,
			 struct takers *ret)
{
	ret->ipv4 = taker_of(model, part, group, world, XLB_IPV4);
	ret->ipv6 = taker_of(model, part, group, world, XLB_IPV6);
}

void compile_takers(const struct model *model, const struct server_group *group,
		    const struct world *world, struct takers *ret)
{
	compile_part_takers(model, NULL, group, world, ret);
}

static bool opens(const struct server_group *group, const struct world *world, uint8_t family)
{
	struct strength strength = strength_of(group, world, family);

	return strength.all && !strength.fit;
}

bool compile_fails_open(const struct server_group *group, const struct takers *takers,
			const struct world *world)
{
	return group->fail_open && ((takers->ipv4 == group && opens(group, world, XLB_IPV4)) ||
				    (takers->ipv6 == group && opens(group, world, XLB_IPV6)));
}

/* Fills *ret with the id of the taker, 0 if it is the group itself. */
static int taker_id(struct compiler *c, const struct server_group *group,
		    const struct server_group *taker, uint16_t *ret)
{
	struct id_entry *entry;
	int r;

	*ret = 0;
	if (taker == group)
		return 0;
	r = take_id(c, ID_GROUP, taker->object.name, &entry);
	if (!r)
		*ret = (uint16_t)entry->id;
	return r;
}

/* Something is configured that never, or always, comes to be. */
static void warn_of_quota(struct compiler *c, const struct server_group *group)
{
	const struct quota *least = &group->min_healthy;
	const struct object *object;
	uint32_t all = 0;

	TAILQ_FOREACH(object, &group->servers, link)
		all += takes_flows((const struct server *)object);
	if (!least->percent && least->number > all && least->number > 1)
		compile_warn(
			c, group,
			"group %s: min_healthy is %u, but only %u of its servers may take new flows: its fallback %s takes all of them",
			group->object.name, least->number, all, group->fallback);
}

int compile_instead(struct compiler *c, const struct server_group *group,
		    const struct takers *takers, struct xlb_instead *ret)
{
	const struct server_group *fallback = part_group(c->model, c->part, group->fallback);
	int r;

	if (!fallback)
		return 0;
	warn_of_quota(c, group);
	r = taker_id(c, group, fallback, &ret->fallback);
	if (!r)
		r = taker_id(c, group, takers->ipv4, &ret->ipv4);
	return r ? r : taker_id(c, group, takers->ipv6, &ret->ipv6);
}
