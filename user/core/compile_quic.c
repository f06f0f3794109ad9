// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What of connection ids chooses a group's servers, to rows. */
#include <string.h>

#include "core/compile_private.h"
#include "core/quic.h"

/*
 * The id of the server's endpoint for clients of the family, 0: none. `first` is the first of its endpoints, which follow
 * each other up to `end`. Whether it takes new flows does not matter: it may have the connection.
 */
static uint32_t endpoint_for(const struct server_group *group, const struct endpoint *first,
			     const struct endpoint *end, uint8_t family)
{
	const struct endpoint *best = NULL, *endpoint;

	for (endpoint = first; endpoint < end && endpoint->server == first->server; endpoint++) {
		bool own = endpoint->value.family == family;

		if (!serves_family(group, endpoint->addr, family))
			continue;
		if (!best || (best->health == HEALTH_DOWN && endpoint->health != HEALTH_DOWN) ||
		    (own && (endpoint->health != HEALTH_DOWN || best->health == HEALTH_DOWN)))
			best = endpoint;
	}
	return best ? best->entry->id : 0;
}

static int emit_named(struct compiler *c, const struct server_group *group, uint32_t group_id,
		      const struct endpoint *first, const struct endpoint *end)
{
	struct xlb_quic_server_key key = { .group = group_id };
	struct xlb_quic_server value = {
		.ipv4 = endpoint_for(group, first, end, XLB_IPV4),
		.ipv6 = endpoint_for(group, first, end, XLB_IPV6),
	};

	quic_id_parse(first->server->quic_id, key.id);
	return emit(c, TABLE_QUIC_SERVER, &key, &value);
}

int compile_quic(struct compiler *c, const struct server_group *group, uint32_t group_id,
		 const struct endpoint *endpoints, uint32_t count, struct xlb_choice *choice)
{
	uint32_t i;
	int r = 0;

	if (group->hash == HASH_QUIC) {
		choice->id_length = (uint8_t)group->quic_id_length;
		choice->server_id_length = (uint8_t)quic_server_id_length(group);
		choice->config = (uint8_t)group->quic_config;
	}
	for (i = 0; !r && i < count; i++)
		if (endpoints[i].server->quic_id &&
		    (!i || endpoints[i].server != endpoints[i - 1].server))
			r = emit_named(c, group, group_id, &endpoints[i], endpoints + count);
	return r;
}
