// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Slow start: servers that have begun to take new flows a short while ago have a part of their weights. */
#include <stdlib.h>

#include "core/compile_private.h"

#define FIRST_PART 10 /* percent of its weight that a server begins with */
#define ALL	   100

/*
 * How far a server is that has taken new flows for so many ms; to be compared with others of its group: who begins
 * among such as are themselves beginning needs no less than they.
 */
static uint64_t progress(const struct server_group *group, uint64_t served)
{
	uint64_t time = group->slow_start;

	if (time == UINT64_MAX)
		return 1;
	return time * FIRST_PART + (served < time ? served : time) * (ALL - FIRST_PART);
}

/* Whether the address takes new flows of clients of the family. */
static bool serves(const struct server_group *group, const struct endpoint *endpoint,
		   uint8_t family, bool ever_up)
{
	return endpoint->takes_flows && is_fit(endpoint->health, ever_up) &&
	       serves_family(group, endpoint->addr, family);
}

/* How far the endpoint's server is, by whichever of its addresses has served longest; 0: none does. */
static uint64_t server_progress(const struct compiler *c, const struct server_group *group,
				const struct endpoint *endpoints, uint32_t count, uint32_t at,
				uint8_t family, bool ever_up)
{
	const struct server *server = endpoints[at].server;
	uint64_t most = 0, own;

	while (at && endpoints[at - 1].server == server)
		at--;
	for (; at < count && endpoints[at].server == server; at++) {
		if (!serves(group, &endpoints[at], family, ever_up))
			continue;
		own = progress(group, c->world->served(c->world->arg, endpoints[at].entry->id));
		most = own > most ? own : most;
	}
	return most;
}

bool compile_parts(const struct compiler *c, const struct server_group *group,
		   struct endpoint *endpoints, uint32_t count, uint8_t family, bool ever_up)
{
	uint64_t most = 0, own;
	bool starting = false;
	uint32_t i;

	for (i = 0; i < count; i++) {
		own = server_progress(c, group, endpoints, count, i, family, ever_up);
		most = own > most ? own : most;
	}
	for (i = 0; i < count; i++) {
		if (!serves(group, &endpoints[i], family, ever_up))
			continue;
		own = server_progress(c, group, endpoints, count, i, family, ever_up);
		endpoints[i].part = (uint8_t)((own * ALL + most / 2) / most);
		starting = starting || endpoints[i].part < ALL;
	}
	return starting;
}

int compile_note_parts(struct compiler *c, uint32_t group_id, const struct endpoint *endpoints,
		       uint32_t count)
{
	struct compiled *compiled = c->compiled;
	struct server_part *longer = reallocarray(
		compiled->parts, (size_t)compiled->part_count + count + 1, sizeof(*longer));

	if (!longer)
		return no_memory(c);
	compiled->parts = longer;
	for (uint32_t i = 0; i < count; i++)
		longer[compiled->part_count++] = (struct server_part){
			.server = endpoints[i].entry->id,
			.group = group_id,
			.part = endpoints[i].part,
			.up = endpoints[i].health == HEALTH_UP,
		};
	return 0;
}
