// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How the groups of a listener share its new flows, to rows. */
#include <stdlib.h>
#include <string.h>

#include "core/compile_private.h"

static int compare_shares(const void *a, const void *b)
{
	return strcmp(((const struct share *)a)->group, ((const struct share *)b)->group);
}

/* Those that take flows by name, so that what moves does not depend on how they are written; then the others. */
static uint32_t sort_shares(const struct share_list *list, struct share sorted[XLB_SPLIT_GROUPS])
{
	uint32_t taking = 0, others = 0, i;

	for (i = 0; i < list->count; i++)
		if (list->shares[i].weight)
			sorted[taking++] = list->shares[i];
	for (i = 0; i < list->count; i++)
		if (!list->shares[i].weight)
			sorted[taking + others++] = list->shares[i];
	qsort(sorted, taking, sizeof(*sorted), compare_shares);
	return taking;
}

bool shares_by_source(const struct model *model, const struct share_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct server_group *group = model_group(model, list->shares[i].group);

		if (!group || (group->hash != HASH_SOURCE && group->affinity_timeout == UINT64_MAX))
			return false;
	}
	return true;
}

static int emit_split(struct compiler *c, const struct share_list *list, uint32_t listener)
{
	struct share sorted[XLB_SPLIT_GROUPS];
	uint32_t taking = sort_shares(list, sorted), i;
	struct xlb_split value = {};
	uint64_t sum = 0, part = 0;
	struct id_entry *group;
	int r;

	for (i = 0; i < taking; i++)
		sum += sorted[i].weight;
	for (i = 0; i < list->count; i++) {
		r = take_id(c, ID_GROUP, sorted[i].group, &group);
		if (r)
			return r;
		part += sorted[i].weight;
		value.groups[i].group = group->id;
		/* the last hash of its part; of those without one never asked for */
		value.groups[i].limit = (uint32_t)((part << 32) / sum - 1);
	}
	return emit(c, TABLE_SPLIT, &(struct row_id){ listener }, &value);
}

int compile_split(struct compiler *c, const struct listener *listener, uint32_t id,
		  struct xlb_listener *value)
{
	const struct share_list *list = &listener->server_group;
	struct id_entry *group;
	int r;

	r = take_id(c, ID_GROUP, list->shares[0].group, &group);
	if (r)
		return r;
	value->group = group->id;
	if (list->count == 1)
		return 0;
	value->flags |= XLB_LISTENER_SPLIT;
	if (shares_by_source(c->model, list))
		value->flags |= XLB_LISTENER_SOURCE;
	return emit_split(c, list, id);
}
