// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Security groups to rule sets: one for each combination of groups that a load balancer or a listener has. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/compile_private.h"
#include "core/content.h"
#include "core/object.h"
#include "core/rules.h"
#include "core/security.h"

/* The recipe while it grows. */
struct set {
	struct rules_recipe head;
	struct rules_rule *rules; /* owned */
	struct prefix *prefixes;  /* owned */
	size_t rule_capacity, prefix_capacity;
};

static void set_done(struct set *set)
{
	free(set->rules);
	free(set->prefixes);
}

/* Room for `more` items behind `count`. */
static int reserve(void **list, size_t *capacity, size_t count, size_t more, size_t size)
{
	size_t wanted = count + more > 2 * *capacity ? count + more : 2 * *capacity;
	void *grown;

	if (count + more <= *capacity)
		return 0;
	grown = reallocarray(*list, wanted, size);
	if (!grown)
		return -ENOMEM;
	*list = grown;
	*capacity = wanted;
	return 0;
}

static int add_prefixes(struct set *set, const struct prefix_list *list)
{
	if (reserve((void **)&set->prefixes, &set->prefix_capacity, set->head.prefix_count,
		    list->count, sizeof(*set->prefixes)))
		return -ENOMEM;
	if (list->count)
		memcpy(set->prefixes + set->head.prefix_count, list->prefixes,
		       list->count * sizeof(*list->prefixes));
	set->head.prefix_count += list->count;
	return 0;
}

/*
 * The networks of a rule's file. A user is refused; once it is in effect, a file that cannot be read any more must not open
 * a door: an `allow` then means nobody, a `deny` everybody.
 */
static int read_file(struct compiler *c, const struct rule *rule, struct rules_rule *value,
		     const struct prefix_list **ret)
{
	static const struct prefix_list none;
	char title[OBJECT_TITLE_MAX];
	struct xlb_err why = {};

	if (!c->world->networks(c->world->arg, rule->file, ret, &why))
		return 0;
	object_title(&rule->object, title);
	if (c->world->strict) {
		object_fail(&rule->object, "file", c->err, "%s: file %s: %s", title, rule->file,
			    why.text);
		if (why.hint[0])
			xlb_err_hint(c->err, "%s", why.hint);
		return -EINVAL;
	}
	fprintf(c->warnings, "%s: file %s: %s; until it can be read the rule %s\n", title,
		rule->file, why.text,
		rule->action == ACTION_ALLOW ? "allows nobody" : "denies everybody");
	value->any_source = rule->action == ACTION_DENY;
	*ret = &none;
	return 0;
}

static int add_rule(struct compiler *c, struct set *set, const struct rule *rule, uint32_t level)
{
	const struct prefix_list *list = &rule->source;
	struct rules_rule value = {
		.from = rule->port.from,
		.to = rule->port.to,
		.level = (uint8_t)level,
		.allow = rule->action == ACTION_ALLOW,
		.protocols = (uint8_t)rule->protocol,
		.any_source = !rule->file && !rule->source.count,
		.first = set->head.prefix_count,
	};
	int r = rule->file ? read_file(c, rule, &value, &list) : 0;

	if (r)
		return r;
	value.count = list->count;
	if (add_prefixes(set, list) || reserve((void **)&set->rules, &set->rule_capacity,
					       set->head.rule_count, 1, sizeof(*set->rules)))
		return no_memory(c);
	set->rules[set->head.rule_count++] = value;
	return 0;
}

/* All groups of the list must say so; with none there is nothing in the way. */
static bool allows_otherwise(const struct model *model, const struct name_list *list)
{
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct security_group *group = model_security_group(model, list->names[i]);

		if (!group || group->otherwise == ACTION_DENY)
			return false;
	}
	return true;
}

static int emit_set(struct compiler *c, const struct set *set, uint32_t id)
{
	size_t rules = set->head.rule_count * sizeof(*set->rules);
	size_t prefixes = set->head.prefix_count * sizeof(*set->prefixes);
	size_t size = sizeof(set->head) + rules + prefixes;
	AUTO_FREE uint8_t *recipe = malloc(size);

	if (!recipe)
		return no_memory(c);
	memcpy(recipe, &set->head, sizeof(set->head));
	if (rules)
		memcpy(recipe + sizeof(set->head), set->rules, rules);
	if (prefixes)
		memcpy(recipe + sizeof(set->head) + rules, set->prefixes, prefixes);
	return emit_recipe(c, TABLE_RULE_SET, &(struct row_id){ id }, recipe, size);
}

static int compile_set(struct compiler *c, const struct load_balancer *lb,
		       const struct listener *listener, uint32_t id)
{
	struct rule_walk walk = rule_walk_begin(c->model, lb, listener);
	struct set set = {};
	const struct rule *rule;
	uint32_t level;
	int r = 0;

	for (level = 0; level < RULES_LEVELS; level++)
		set.head.allow[level] = allows_otherwise(c->model, walk.levels[level]);
	while (!r && (rule = rule_walk_next(&walk, &level)))
		r = add_rule(c, &set, rule, level);
	if (!r && set.head.rule_count > XLB_RULES_RULES_MAX)
		r = object_fail(listener ? &listener->object : &lb->object, "security_groups",
				c->err, "security_groups have %u rules together: at most %u",
				set.head.rule_count, XLB_RULES_RULES_MAX);
	if (!r)
		r = emit_set(c, &set, id);
	set_done(&set);
	return r;
}

int compile_rules(struct compiler *c, const struct load_balancer *lb,
		  const struct listener *listener, uint32_t *ret)
{
	struct id_entry *entry;
	char name[ID_KEY_MAX];
	bool made;
	int r;

	*ret = 0;
	security_set_name(lb, listener, name, sizeof(name));
	if (!name[0])
		return 0;
	entry = ids_find(c->ids, ID_RULE_SET, name);
	made = entry && ids_is_touched(c->ids, entry);
	r = take_id(c, ID_RULE_SET, name, &entry);
	if (r)
		return r;
	*ret = entry->id;
	return made ? 0 : compile_set(c, lb, listener, entry->id);
}
