// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/scheduler.h"

#include "core/field.h"
#include "core/object.h"
#include "xlb/abi.h"

/* NLB's names for a choice of two fields. */
static const struct {
	const char *name, *hash_word;
	uint32_t scheduler, hash;
} aliases[] = {
	{ "tch", "tuple", SCHEDULER_TCH, HASH_TUPLE },
	{ "sch", "source", SCHEDULER_SCH, HASH_SOURCE },
	{ "qch", "quic", SCHEDULER_QCH, HASH_QUIC },
};

int scheduler_finish_group(struct object *object, struct xlb_err *err)
{
	struct server_group *group = (struct server_group *)object;
	bool hash_given = object_given(object, "hash");
	const struct field *field = field_find(object->type, "scheduler");
	size_t i;

	for (i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (group->scheduler != aliases[i].scheduler)
			continue;
		if (hash_given && group->hash != aliases[i].hash)
			return object_fail(
				object, "hash", err,
				"scheduler: %s means hash: %s: write scheduler: maglev or remove hash",
				aliases[i].name, aliases[i].hash_word);
		group->scheduler = SCHEDULER_MAGLEV;
		group->hash = aliases[i].hash;
		if (group->hash != HASH_TUPLE)
			object->set |= field_bit(object, field_find(object->type, "hash"));
	}
	if (!hash_given || group->scheduler == SCHEDULER_MAGLEV)
		return 0;
	return object_fail(object, "hash", err,
			   "hash has no meaning with scheduler: %s, only with maglev: remove it",
			   field_word(field, group->scheduler));
}

uint8_t scheduler_by(const struct server_group *group)
{
	switch (group->scheduler) {
	case SCHEDULER_WRR:
	case SCHEDULER_RR:
		return XLB_BY_TURN;
	case SCHEDULER_WLC:
		return XLB_BY_LOAD;
	default:
		return group->hash == HASH_SOURCE ? XLB_BY_SOURCE : XLB_BY_TUPLE;
	}
}

enum fill scheduler_fill(const struct server_group *group)
{
	switch (group->scheduler) {
	case SCHEDULER_WRR:
	case SCHEDULER_RR:
		return FILL_TURNS;
	case SCHEDULER_WLC:
		return FILL_ROWS;
	default:
		return FILL_MAGLEV;
	}
}

uint32_t scheduler_weight(const struct server_group *group, const struct server *server)
{
	return group->scheduler == SCHEDULER_RR ? server->weight > 0 : server->weight;
}
