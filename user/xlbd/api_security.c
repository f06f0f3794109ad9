// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Security groups as they are in use: who uses them, what they have decided. */
#include "xlbd/api_security.h"

#include <string.h>

#include "core/object.h"
#include "core/security.h"
#include "xlbd/api_view.h"

/* The id of a set, 0: there is none. */
static uint32_t set_id(const struct engine *engine, const struct load_balancer *lb,
		       const struct listener *listener)
{
	const struct id_entry *entry;
	char name[ID_KEY_MAX];

	security_set_name(lb, listener, name, sizeof(name));
	entry = name[0] ? ids_find(engine_ids(engine), ID_RULE_SET, name) : NULL;
	return entry ? entry->id : 0;
}

static bool has_name(const struct name_list *list, const char *name)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (!strcmp(list->names[i], name))
			return true;
	return false;
}

void view_security_group(struct view *view, const struct object *object)
{
	const struct object *lb, *listener;
	char name[2 * NAME_TEXT_MAX];

	out_open(&view->out, "used_by", '[');
	TAILQ_FOREACH(lb, &engine_model(view->engine)->load_balancers, link) {
		const struct load_balancer *of = (const struct load_balancer *)lb;

		if (has_name(&of->security_groups, object->name))
			out_text(&view->out, NULL, lb->name);
		TAILQ_FOREACH(listener, &of->listeners, link) {
			if (!has_name(&((const struct listener *)listener)->security_groups,
				      object->name))
				continue;
			snprintf(name, sizeof(name), "%s/%s", lb->name, listener->name);
			out_text(&view->out, NULL, name);
		}
	}
	out_close(&view->out, ']');
}

/* Sets that were looked at already: several listeners may share one. */
struct seen {
	uint64_t sets[XLB_MAX_RULE_SETS / 64];
};

static uint64_t hits_in(const struct engine *engine, const struct object *rule, struct seen *seen,
			const struct load_balancer *lb, const struct listener *listener)
{
	struct rule_walk walk = rule_walk_begin(engine_model(engine), lb, listener);
	uint32_t set = set_id(engine, lb, listener);
	const struct rule *each;
	uint64_t hits = 0;

	if (!set || set >= XLB_MAX_RULE_SETS || seen->sets[set / 64] >> set % 64 & 1)
		return 0;
	seen->sets[set / 64] |= 1ULL << set % 64;
	/* the listing may have a copy of the model: by names */
	while ((each = rule_walk_next(&walk, NULL)))
		if (!strcmp(each->object.name, rule->name) &&
		    !strcmp(each->object.parent->name, rule->parent->name))
			hits += datapath_rule_hits(engine_datapath(engine), set, walk.number);
	return hits;
}

void view_rule(struct view *view, const struct object *object)
{
	const struct object *lb, *listener;
	struct seen seen = {};
	uint64_t hits = 0;

	TAILQ_FOREACH(lb, &engine_model(view->engine)->load_balancers, link) {
		const struct load_balancer *of = (const struct load_balancer *)lb;
		bool all = has_name(&of->security_groups, object->parent->name);

		if (all)
			hits += hits_in(view->engine, object, &seen, of, NULL);
		TAILQ_FOREACH(listener, &of->listeners, link) {
			const struct listener *one = (const struct listener *)listener;

			if (all || has_name(&one->security_groups, object->parent->name))
				hits += hits_in(view->engine, object, &seen, of, one);
		}
	}
	out_uint(&view->out, "hits", hits);
}

/* "rule 2 of security group public", by the number that an answer has. */
static void rule_text(const struct engine *engine, const struct load_balancer *lb,
		      const struct listener *listener, uint32_t hit, char *ret, size_t size)
{
	struct rule_walk walk = rule_walk_begin(engine_model(engine), lb, listener);
	const struct rule *rule;

	snprintf(ret, size, "a rule that was removed");
	while ((rule = rule_walk_next(&walk, NULL))) {
		if (walk.number + 1 != hit)
			continue;
		snprintf(ret, size, "rule %s of security group %s", rule->object.name,
			 rule->object.parent->name);
		return;
	}
}

void security_text(struct engine *engine, const char *listener, const struct xlb_flow_key *key,
		   char *ret, size_t size)
{
	char lb_name[ID_KEY_MAX], rule[2 * NAME_TEXT_MAX + 40];
	const struct object *object = NULL;
	const struct load_balancer *lb;
	const struct listener *of;
	uint32_t set, answer, hit;
	bool allowed, own;
	char *slash;

	snprintf(lb_name, sizeof(lb_name), "%s", listener);
	slash = strchr(lb_name, '/');
	if (slash)
		*slash = '\0';
	lb = model_lb(engine_model(engine), lb_name);
	if (lb && slash)
		object = object_find(&lb->listeners, slash + 1);
	of = (const struct listener *)object;
	set = of ? set_id(engine, lb, of) : 0;
	if (!set) {
		snprintf(ret, size, "allowed: no security group is attached");
		return;
	}
	answer = datapath_rules_answer(engine_datapath(engine), set, key);
	allowed = answer & XLB_RULES_ALLOW;
	/* the level that decided: who is let in by both is let in by the listener's in the end */
	own = of->security_groups.count &&
	      (allowed || !lb->security_groups.count || xlb_rules_hit(answer, 1));
	hit = xlb_rules_hit(answer, own);
	if (hit)
		rule_text(engine, lb, of, hit, rule, sizeof(rule));
	else
		snprintf(rule, sizeof(rule), "default: no rule of the %s's security groups matches",
			 own ? "listener" : "load balancer");
	snprintf(ret, size, "%s by %s", allowed ? "allowed" : "denied", rule);
}
