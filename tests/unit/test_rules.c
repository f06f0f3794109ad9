// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Rule sets against a walk over the rules. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "core/rules.h"
#include "rules_walk.h"

/* A set as userland finds its pages. */
struct set {
	void *pages;
	void **chunks;
	struct rules_memory memory;
};

static int set_build(const struct recipe_text *recipe, struct set *ret)
{
	size_t size, chunk = RULES_CHUNK_PAGES * sizeof(struct xlb_rules_page);
	int r = rules_build(recipe->bytes, recipe->size, &ret->pages, &size);

	if (r)
		return r;
	ret->memory.count = (uint32_t)((size + chunk - 1) / chunk);
	ret->chunks = calloc(ret->memory.count, sizeof(*ret->chunks));
	for (uint32_t i = 0; i < ret->memory.count; i++)
		ret->chunks[i] = (uint8_t *)ret->pages + i * chunk;
	ret->memory.chunk = ret->chunks;
	return 0;
}

static void set_done(struct set *set)
{
	free(set->pages);
	free(set->chunks);
}

static uint32_t classify(const struct set *set, const struct rules_packet *packet)
{
	return xlb_rules_classify(&set->memory, 0, &packet->source, addr_family(&packet->source),
				  packet->protocol, packet->port_h);
}

static void compare(const struct recipe_text *recipe, uint32_t packets)
{
	const struct rules_recipe *rules = recipe_of(recipe);
	struct set set;

	assert_int_equal(set_build(recipe, &set), 0);
	for (uint32_t i = 0; i < packets; i++) {
		struct rules_packet packet = rules_random_packet(rules);
		uint32_t got = classify(&set, &packet), want = rules_walk(rules, &packet);
		char text[ADDR_TEXT_MAX];

		format_addr(&packet.source, text);
		if (got != want)
			fail_msg("%s protocol %u port %u of %u rules: %08x, expected %08x", text,
				 packet.protocol, packet.port_h, rules->rule_count, got, want);
	}
	set_done(&set);
}

static void test_random(void **state)
{
	(void)state;
	srandom(7);
	for (int round = 0; round < 300; round++) {
		struct recipe_text recipe = {};

		rules_random(&recipe, (uint32_t)random() % 40, 6);
		compare(&recipe, 500);
		recipe_done(&recipe);
	}
}

static void test_many_rules(void **state)
{
	struct recipe_text recipe = {};

	(void)state;
	srandom(8);
	rules_random(&recipe, 1024, 3);
	compare(&recipe, 20000);
	recipe_done(&recipe);
}

/* Three nodes deep in IPv6. */
static void test_many_prefixes(void **state)
{
	struct recipe_text recipe = {};

	(void)state;
	srandom(9);
	rules_random(&recipe, 3, 50000);
	compare(&recipe, 20000);
	recipe_done(&recipe);
}

static void test_nothing(void **state)
{
	struct rules_packet packet = { .port_h = 80 };
	struct recipe_text recipe = {};
	struct set set;

	(void)state;
	for (int allow = 0; allow < 4; allow++) {
		recipe_begin(&recipe, allow & 1, allow & 2);
		assert_int_equal(set_build(&recipe, &set), 0);
		assert_int_equal(classify(&set, &packet), allow == 3 ? XLB_RULES_ALLOW : 0);
		assert_null(xlb_rules_hits(&set.memory, 0, 0));
		assert_non_null(xlb_rules_hits(&set.memory, 0, 1));
		set_done(&set);
		recipe_done(&recipe);
	}
}

/* The first and the last address of a family, and all of it. */
static void test_edges(void **state)
{
	static const char *const prefixes[] = { "0.0.0.0/0",
						"0.0.0.0",
						"255.255.255.255",
						"::/0",
						"::",
						"128.0.0.0/1",
						"8000::/1",
						"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };
	static const char *const sources[] = { "0.0.0.0",
					       "0.0.0.1",
					       "127.255.255.255",
					       "128.0.0.0",
					       "255.255.255.254",
					       "255.255.255.255",
					       "::",
					       "::1",
					       "7fff:ffff::",
					       "8000::",
					       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
					       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };

	(void)state;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct recipe_text recipe = {};
		struct rules_rule rule = { .to = 65535, .protocols = 7, .allow = 1, .count = 1 };
		struct prefix prefix;
		struct set set;

		assert_int_equal(parse_network(prefixes[i], &prefix), 0);
		recipe_begin(&recipe, false, true);
		recipe_add(&recipe, &rule, &prefix);
		assert_int_equal(set_build(&recipe, &set), 0);
		for (size_t j = 0; j < sizeof(sources) / sizeof(sources[0]); j++) {
			struct rules_packet packet = {};

			assert_int_equal(parse_addr(sources[j], &packet.source), 0);
			if (classify(&set, &packet) != rules_walk(recipe_of(&recipe), &packet))
				fail_msg("%s, source %s", prefixes[i], sources[j]);
		}
		set_done(&set);
		recipe_done(&recipe);
	}
}

static void test_not_a_recipe(void **state)
{
	struct rules_recipe many = { .rule_count = 1 }, none = {};
	size_t size;
	void *ret;

	(void)state;
	assert_int_equal(rules_build(&none, sizeof(none) - 1, &ret, &size), -EINVAL);
	assert_int_equal(rules_build(&many, sizeof(many), &ret, &size), -EINVAL);
}

static void test_networks(void **state)
{
	struct prefix prefix;
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(parse_network("10.1.2.0/24", &prefix), 0);
	assert_int_equal(prefix.bits, 120);
	format_network(&prefix, text);
	assert_string_equal(text, "10.1.2.0/24");
	assert_int_equal(parse_network("10.1.2.3/24", &prefix), -EDOM);
	format_network(&prefix, text);
	assert_string_equal(text, "10.1.2.0/24");
	assert_int_equal(parse_network("2001:db8::1", &prefix), 0);
	format_network(&prefix, text);
	assert_string_equal(text, "2001:db8::1");
	assert_int_equal(parse_network("2001:db8::/129", &prefix), -ERANGE);
	assert_int_equal(parse_network("10.0.0.0/8x", &prefix), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),	      cmocka_unit_test(test_many_rules),
		cmocka_unit_test(test_many_prefixes), cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_edges),	      cmocka_unit_test(test_not_a_recipe),
		cmocka_unit_test(test_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
