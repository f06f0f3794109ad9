/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rules of security groups to the form that packets are judged by (xlb/rules.h). */
#ifndef XLB_CORE_RULES_H
#define XLB_CORE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"
#include "xlb/rules.h"

#define RULES_LEVELS	2	   /* the load balancer's groups, the listener's */
#define RULES_CELLS_MAX (1U << 24) /* of the matrix: 64 MiB */

/* One rule of a recipe; those of level 0 come first. */
struct rules_rule {
	uint16_t from, to; /* ports asked for, host byte order, inclusive */
	uint8_t level;
	uint8_t allow;
	uint8_t protocols;     /* bit i: enum xlb_rules_protocol i */
	uint8_t any_source;    /* has no prefixes: every source */
	uint32_t first, count; /* its prefixes among those of the recipe */
};

/*
 * Recipe of a row of `rule_set`: this, the rules, their prefixes. Of each level the first rule that matches decides,
 * else its default; a packet is allowed if both levels allow it.
 */
struct rules_recipe {
	uint32_t rule_count, prefix_count;
	uint8_t allow[RULES_LEVELS]; /* defaults */
	uint8_t pad[6];
};
static inline const struct rules_rule *rules_of(const struct rules_recipe *recipe)
{
	return (const void *)(recipe + 1);
}
static inline const struct prefix *rules_prefixes(const struct rules_recipe *recipe)
{
	return (const void *)(rules_of(recipe) + recipe->rule_count);
}

/*
 * Builds the pages of a set; the hash in its head stays 0. *ret is malloc'd. -EINVAL: no recipe; -E2BIG: too many rules, or
 * too many different combinations of sources and ports; -ENOMEM.
 */
int rules_build(const void *recipe, size_t size, void **ret, size_t *ret_size);

/* The memory of sets as userland has it: chunks of pages. */
#define RULES_CHUNK_PAGES XLB_RULES_PER_CHUNK
struct rules_memory {
	void *const *chunk; /* NULL: not there */
	uint32_t count;
};
static inline struct xlb_rules_page *xlb_rules_page(const void *memory, uint32_t page)
{
	const struct rules_memory *of = memory;
	struct xlb_rules_page *chunk =
		page / RULES_CHUNK_PAGES < of->count ? of->chunk[page / RULES_CHUNK_PAGES] : NULL;

	return chunk ? chunk + page % RULES_CHUNK_PAGES : NULL;
}

#endif
