/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Security groups as a person reads them, rule by rule, and random ones. */
#ifndef XLB_TESTS_UNIT_RULES_WALK_H
#define XLB_TESTS_UNIT_RULES_WALK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rules.h"

struct rules_packet {
	struct xlb_addr source;
	uint16_t port_h;
	uint8_t protocol; /* enum xlb_rules_protocol */
};

/* A recipe while it grows: rules and prefixes apart, together in `bytes` once it is asked for. */
struct recipe_text {
	struct rules_recipe head;
	struct rules_rule *rules;
	struct prefix *prefixes;
	uint8_t *bytes;
	size_t size;
};

static inline void recipe_join(struct recipe_text *recipe)
{
	size_t rules = recipe->head.rule_count * sizeof(struct rules_rule);
	size_t prefixes = recipe->head.prefix_count * sizeof(struct prefix);

	recipe->size = sizeof(recipe->head) + rules + prefixes;
	recipe->bytes = realloc(recipe->bytes, recipe->size);
	memcpy(recipe->bytes, &recipe->head, sizeof(recipe->head));
	if (rules)
		memcpy(recipe->bytes + sizeof(recipe->head), recipe->rules, rules);
	if (prefixes)
		memcpy(recipe->bytes + sizeof(recipe->head) + rules, recipe->prefixes, prefixes);
}

static inline void recipe_begin(struct recipe_text *recipe, bool allow_lb, bool allow_listener)
{
	*recipe = (struct recipe_text){ .head = { .allow = { allow_lb, allow_listener } } };
	recipe_join(recipe);
}

/* rule->count prefixes, none: any source. */
static inline void recipe_append(struct recipe_text *recipe, const struct rules_rule *rule,
				 const struct prefix *prefixes)
{
	struct rules_recipe *head = &recipe->head;
	struct rules_rule *added;

	recipe->rules = realloc(recipe->rules, (head->rule_count + 1) * sizeof(*recipe->rules));
	recipe->prefixes = realloc(recipe->prefixes, (head->prefix_count + rule->count + 1) *
							     sizeof(*recipe->prefixes));
	added = &recipe->rules[head->rule_count++];
	*added = *rule;
	added->any_source = !rule->count;
	added->first = head->prefix_count;
	for (uint32_t i = 0; i < rule->count; i++)
		recipe->prefixes[head->prefix_count++] = prefixes[i];
}

static inline void recipe_add(struct recipe_text *recipe, const struct rules_rule *rule,
			      const struct prefix *prefixes)
{
	recipe_append(recipe, rule, prefixes);
	recipe_join(recipe);
}

static inline void recipe_done(struct recipe_text *recipe)
{
	free(recipe->rules);
	free(recipe->prefixes);
	free(recipe->bytes);
	*recipe = (struct recipe_text){};
}

static inline const struct rules_recipe *recipe_of(const struct recipe_text *recipe)
{
	return (const struct rules_recipe *)recipe->bytes;
}

static inline bool prefix_has(const struct prefix *prefix, const struct xlb_addr *addr)
{
	if (addr_family(&prefix->addr) != addr_family(addr))
		return false;
	for (uint32_t i = 0; i < prefix->bits; i++)
		if ((prefix->addr.bytes[i / 8] ^ addr->bytes[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static inline bool rule_matches(const struct rules_recipe *recipe, const struct rules_rule *rule,
				const struct rules_packet *packet)
{
	const struct prefix *prefixes = rules_prefixes(recipe) + rule->first;

	if (!(rule->protocols & 1U << packet->protocol))
		return false;
	if (packet->protocol != XLB_RULES_ICMP &&
	    (packet->port_h < rule->from || packet->port_h > rule->to))
		return false;
	for (uint32_t i = 0; i < rule->count; i++)
		if (prefix_has(&prefixes[i], &packet->source))
			return true;
	return rule->any_source;
}

/* The answer as xlb_rules_classify gives it. */
static inline uint32_t rules_walk(const struct rules_recipe *recipe,
				  const struct rules_packet *packet)
{
	uint32_t answer = 0;

	for (uint32_t level = 0; level < RULES_LEVELS; level++) {
		bool allow = recipe->allow[level];

		for (uint32_t i = 0; i < recipe->rule_count; i++) {
			const struct rules_rule *rule = &rules_of(recipe)[i];

			if (rule->level != level || !rule_matches(recipe, rule, packet))
				continue;
			answer |= (i + 1) << (level * XLB_RULES_HIT_BITS);
			allow = rule->allow;
			break;
		}
		if (!allow)
			return answer;
	}
	return answer | XLB_RULES_ALLOW;
}

/* Few different bits, so that prefixes lie in each other and packets in them. */
static inline struct xlb_addr rules_random_addr(void)
{
	struct xlb_addr addr;
	char text[ADDR_TEXT_MAX];

	if (random() % 2)
		snprintf(text, sizeof(text), "%ld.%ld.%ld.%ld", random() % 3 * 127,
			 random() % 4 * 85, random() % 256, random() % 256);
	else
		snprintf(text, sizeof(text), "%lx:db8:%lx:%lx::%lx", 0x2001 + random() % 2 * 0x6000,
			 random() % 4 * 0x5555, random() % 0x10000, random() % 0x10000);
	parse_addr(text, &addr);
	return addr;
}

static inline void addr_cut(struct xlb_addr *addr, uint32_t bits)
{
	for (uint32_t i = bits; i < 128; i++)
		addr->bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

static inline struct prefix rules_random_prefix(void)
{
	struct prefix prefix = { .addr = rules_random_addr() };
	uint32_t least = addr_family(&prefix.addr) == XLB_IPV4 ? 96 : 0;

	prefix.bits = least + (uint32_t)random() % (129 - least);
	if (random() % 2)
		prefix.bits = 128 - (uint32_t)random() % 16;
	addr_cut(&prefix.addr, prefix.bits);
	return prefix;
}

/* Up to `prefixes` to a rule; a quarter of the rules has none. */
static inline void rules_random(struct recipe_text *recipe, uint32_t rules, uint32_t prefixes)
{
	uint32_t first = rules ? (uint32_t)random() % (rules + 1) : 0;
	struct prefix *list = calloc(prefixes + 1, sizeof(*list));

	recipe_begin(recipe, random() % 2, random() % 2);
	for (uint32_t i = 0; i < rules; i++) {
		struct rules_rule rule = { .level = i >= first,
					   .allow = random() % 2,
					   .protocols = (uint8_t)(1 + random() % 7),
					   .to = 65535 };

		if (random() % 3)
			rule.from = (uint16_t)(random() % 3000);
		if (rule.from)
			rule.to = (uint16_t)(rule.from + random() % 3 * 300);
		if (random() % 4)
			rule.count = prefixes - (uint32_t)random() % (prefixes / 2 + 1);
		for (uint32_t j = 0; j < rule.count; j++)
			list[j] = rules_random_prefix();
		recipe_append(recipe, &rule, list);
	}
	recipe_join(recipe);
	free(list);
}

/* At an edge of a rule, or anywhere. */
static inline struct rules_packet rules_random_packet(const struct rules_recipe *recipe)
{
	struct rules_packet packet = { .source = rules_random_addr(),
				       .port_h = (uint16_t)(random() % 4000),
				       .protocol = (uint8_t)(random() % 3) };
	const struct rules_rule *rule;

	if (!recipe->rule_count || !(random() % 8))
		return packet;
	rule = &rules_of(recipe)[(uint32_t)random() % recipe->rule_count];
	packet.port_h =
		(uint16_t)(random() % 2 ? rule->from - random() % 2 : rule->to + random() % 2);
	if (rule->count && random() % 4) {
		const struct prefix *prefix =
			&rules_prefixes(recipe)[rule->first + (uint32_t)random() % rule->count];
		long last = random() % 2;

		packet.source = prefix->addr;
		for (uint32_t i = prefix->bits; last && i < 128; i++)
			packet.source.bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
		/* the neighbour of the first or last one */
		if (random() % 2)
			packet.source.bytes[15] ^= 1;
	}
	return packet;
}

#endif
