/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rows of `limits`, which load balancers and listeners have alike. */
#ifndef XLB_CORE_TYPES_LIMITS_H
#define XLB_CORE_TYPES_LIMITS_H

#include "core/types.h"

#define LIMIT_FIELD(owner, word, member, least, most, text) \
	{ \
		.name = "limits." word, .kind = FIELD_RATE, \
		.offset = offsetof(owner, limits.member), .min = least, .max = most, .help = text, \
	}

#define LIMITS_OF(owner, prefix, set, whose) \
	LIMIT_FIELD(owner, prefix "new_connections_per_second", set.new_connections, 1, 100000000, \
		    "how many flows may begin in a second" whose), \
		LIMIT_FIELD(owner, prefix "connections", set.connections, 1, 1000000000, \
			    "how many flows may be open at a time" whose), \
		LIMIT_FIELD(owner, prefix "bits_per_second", set.bits, 10000, 1000000000000, \
			    "how much may come in a second" whose \
			    ", layer 2 included, each direction by itself"), \
		LIMIT_FIELD(owner, prefix "packets_per_second", set.packets, 1, 1000000000, \
			    "how many packets may come in a second" whose \
			    ", each direction by itself")

/* `what`: the owner in words. */
#define LIMITS_FIELDS(owner, what) \
	LIMITS_OF(owner, "", all, ", of " what " (docs/limits.md)"), \
		LIMITS_OF(owner, "per_source.", per_source, \
			  ", of " what " and one source address")

#endif
