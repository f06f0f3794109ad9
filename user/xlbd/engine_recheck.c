// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Rules judge packets that start a flow. When those of a listener change, the sweep judges its flows once more, from the first
 * pass that begins then on, until a whole pass has found none that is not allowed: packets may keep a flow from
 * being ended at the first try, or make one by a choice from before the change.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "xlbd/engine_private.h"

enum { RECHECK_NO, RECHECK_WANTED, RECHECK_CLEAN, RECHECK_FOUND };

int engine_recheck_open(struct engine *engine, struct xlb_err *err)
{
	struct sweep *sweep = &engine->sweep;

	sweep->rules = calloc(XLB_MAX_LISTENERS, sizeof(*sweep->rules));
	sweep->recheck = calloc(XLB_MAX_LISTENERS, 1);
	return sweep->rules && sweep->recheck ?
		       0 :
		       xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}

void engine_recheck_close(struct engine *engine)
{
	free(engine->sweep.rules);
	free(engine->sweep.recheck);
}

/* Whether the set of a listener's row is another one, or says something else. */
static bool rules_change(const struct plan *plan, uint32_t listener, uint32_t rules)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct op *op = &plan->ops[i];
		struct xlb_listener old;
		struct row_id key;

		memcpy(&key, op->row.key, sizeof(key));
		memcpy(&old, op->old.value, sizeof(old));
		if (op->kind == OP_PUT && ((op->row.table == TABLE_RULE_SET && key.id == rules) ||
					   (op->row.table == TABLE_LISTENER && key.id == listener &&
					    op->had_old && old.rules != rules)))
			return true;
	}
	return false;
}

/* The plan has something about rules: listeners need not be looked up in it otherwise. */
static bool any_rules(const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct op *op = &plan->ops[i];
		struct xlb_listener value;

		memcpy(&value, op->row.value, sizeof(value));
		if (op->kind == OP_PUT && (op->row.table == TABLE_RULE_SET ||
					   (op->row.table == TABLE_LISTENER && value.rules)))
			return true;
	}
	return false;
}

void engine_recheck_adopted(struct engine *engine, const struct plan *plan)
{
	static const struct timeval now;
	struct sweep *sweep = &engine->sweep;

	if (!any_rules(plan))
		return;
	for (size_t i = 0; i < engine->present.count; i++) {
		const struct row *row = &engine->present.rows[i];
		struct xlb_listener value;
		struct row_id key;

		memcpy(&key, row->key, sizeof(key));
		memcpy(&value, row->value, sizeof(value));
		if (row->table != TABLE_LISTENER || key.id >= XLB_MAX_LISTENERS)
			continue;
		sweep->rules[key.id] = value.rules;
		if (!value.rules || !rules_change(plan, key.id, value.rules))
			continue;
		sweep->recheck[key.id] = RECHECK_WANTED;
		sweep->rechecks = true;
	}
	if (sweep->rechecks && !sweep->under_way)
		evtimer_add(sweep->timer, &now);
}

void engine_recheck_begin(struct engine *engine)
{
	struct sweep *sweep = &engine->sweep;

	for (size_t i = 0; sweep->rechecks && i < XLB_MAX_LISTENERS; i++)
		if (sweep->recheck[i])
			sweep->recheck[i] = RECHECK_CLEAN;
}

void engine_recheck_end(struct engine *engine)
{
	struct sweep *sweep = &engine->sweep;
	bool any = false;

	for (size_t i = 0; sweep->rechecks && i < XLB_MAX_LISTENERS; i++) {
		if (sweep->recheck[i] == RECHECK_CLEAN)
			sweep->recheck[i] = RECHECK_NO;
		any = any || sweep->recheck[i];
	}
	sweep->rechecks = any;
}

bool engine_is_denied(struct engine *engine, const struct xlb_flow_key *key, uint32_t listener)
{
	struct sweep *sweep = &engine->sweep;

	if (listener >= XLB_MAX_LISTENERS || !sweep->recheck[listener] ||
	    datapath_rules_answer(engine->datapath, sweep->rules[listener], key) & XLB_RULES_ALLOW)
		return false;
	sweep->recheck[listener] = RECHECK_FOUND;
	return true;
}
