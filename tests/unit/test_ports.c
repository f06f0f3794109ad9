// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "core/ports.h"

/* As the datapath reads it. */
static uint32_t match(const struct content_port_set *set, uint32_t port)
{
	uint32_t entry = set->root[port >> 8];

	if (!(entry & XLB_PORT_PAGE))
		return entry;
	entry &= ~XLB_PORT_PAGE;
	assert_true(entry < set->leaf_count);
	return set->leaf[entry][port & 0xff];
}

/* As a person reads the rules. */
static uint32_t naive_match(const struct port_rules *rules, uint32_t port)
{
	uint32_t i, class = 0, listener = 0;

	for (i = 0; i < rules->count; i++) {
		const struct port_rule *rule = &rules->rules[i];

		if (port >= rule->from && port <= rule->to && rule->class >= class) {
			class = rule->class;
			listener = rule->listener;
		}
	}
	return listener;
}

static struct content_port_set *build(const struct port_rules *rules)
{
	struct content_port_set *set = NULL;
	size_t size = 0;

	assert_int_equal(ports_build(rules->rules, rules->count, &set, &size), 0);
	assert_int_equal(size, sizeof(*set) + set->leaf_count * sizeof(set->leaf[0]));
	return set;
}

static void check_against_oracle(const struct port_rules *rules)
{
	AUTO_FREE struct content_port_set *set = build(rules);
	uint32_t port, i, j, low;

	for (port = 0; port < 65536; port++)
		if (match(set, port) != naive_match(rules, port))
			fail_msg("port %u: %u, expected %u", port, match(set, port),
				 naive_match(rules, port));
	for (i = 0; i < set->leaf_count; i++) {
		for (low = 1; low < 256 && set->leaf[i][low] == set->leaf[i][0]; low++)
			;
		assert_true(low < 256);
		for (j = 0; j < i; j++)
			assert_true(memcmp(set->leaf[i], set->leaf[j], sizeof(set->leaf[i])));
	}
}

static void add(struct port_rules *rules, uint32_t from, uint32_t to, enum port_class class,
		uint32_t listener)
{
	assert_int_equal(port_rules_add(rules, (uint16_t)from, (uint16_t)to, class, listener), 0);
}

static void empty_set(void **state)
{
	struct port_rules rules = {};

	(void)state;
	check_against_oracle(&rules);
}

static void exact_beats_host_beats_range_beats_any(void **state)
{
	AUTO_FREE struct content_port_set *set = NULL;
	struct port_rules rules = {};

	(void)state;
	add(&rules, 443, 443, PORT_EXACT, 4);
	add(&rules, 22, 22, PORT_HOST, 0);
	add(&rules, 443, 443, PORT_HOST, 0);
	add(&rules, 400, 500, PORT_RANGE, 3);
	add(&rules, 1, 65535, PORT_ANY, 2);
	set = build(&rules);
	assert_int_equal(match(set, 443), 4);
	assert_int_equal(match(set, 444), 3);
	assert_int_equal(match(set, 400), 3);
	assert_int_equal(match(set, 500), 3);
	assert_int_equal(match(set, 399), 2);
	assert_int_equal(match(set, 501), 2);
	assert_int_equal(match(set, 65535), 2);
	assert_int_equal(match(set, 22), 0);
	assert_int_equal(match(set, 0), 0);
	port_rules_done(&rules);
}

static void pages_are_few(void **state)
{
	AUTO_FREE struct content_port_set *any = NULL, *range = NULL, *aligned = NULL,
					  *alike = NULL;
	struct port_rules rules = {};
	uint32_t high;

	(void)state;
	add(&rules, 1, 65535, PORT_ANY, 1);
	any = build(&rules);
	assert_int_equal(any->leaf_count, 1); /* port 0 */
	port_rules_done(&rules);

	add(&rules, 10000, 20000, PORT_RANGE, 1);
	range = build(&rules);
	assert_int_equal(range->leaf_count, 2);
	port_rules_done(&rules);

	/* two halves of a high byte make a uniform leaf if they are one listener's */
	add(&rules, 0x1000, 0x107f, PORT_RANGE, 1);
	add(&rules, 0x1080, 0x10ff, PORT_RANGE, 1);
	aligned = build(&rules);
	assert_int_equal(aligned->leaf_count, 0);
	assert_int_equal(aligned->root[0x10], 1);
	port_rules_done(&rules);

	for (high = 1; high < 256; high++)
		add(&rules, high << 8 | 80, high << 8 | 80, PORT_EXACT, 7);
	alike = build(&rules);
	assert_int_equal(alike->leaf_count, 1);
	port_rules_done(&rules);
}

static uint32_t pick(uint32_t n)
{
	return (uint32_t)rand() % n;
}

static void random_rule(struct port_rules *rules)
{
	uint32_t listener = 1 + pick(9), from = 1 + pick(65535), to = 1 + pick(65535), edge;

	switch (pick(6)) {
	case 0:
		add(rules, 1, 65535, PORT_ANY, listener);
		return;
	case 1:
	case 2:
		add(rules, from, from, PORT_EXACT, listener);
		return;
	case 3:
		add(rules, from, from + pick(65536 - from) % 700, PORT_HOST, 0);
		return;
	case 4: /* at the edges of pages */
		edge = 1 + pick(255);
		add(rules, edge << 8, (edge << 8) + (pick(2) ? 255 : 254), PORT_RANGE, listener);
		return;
	default:
		add(rules, from < to ? from : to, from < to ? to : from, PORT_RANGE, listener);
		return;
	}
}

static void random_sets_against_the_oracle(void **state)
{
	uint32_t round, n;

	(void)state;
	srand(20);
	for (round = 0; round < 150; round++) {
		struct port_rules rules = {};

		for (n = 1 + pick(round % 3 ? 8 : 60); n; n--)
			random_rule(&rules);
		check_against_oracle(&rules);
		port_rules_done(&rules);
	}
}

static void nonsense_is_refused(void **state)
{
	static const struct port_rule rows[] = {
		{ 0, 80, PORT_RANGE, 1 },
		{ 81, 80, PORT_RANGE, 1 },
		{ 80, 80, PORT_EXACT + 1, 1 },
		{ 80, 80, PORT_EXACT, XLB_PORT_PAGE | 1 },
	};
	struct content_port_set *set = NULL;
	size_t size, i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ports_build(&rows[i], 1, &set, &size), -EINVAL);
	assert_null(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_set),
		cmocka_unit_test(exact_beats_host_beats_range_beats_any),
		cmocka_unit_test(pages_are_few),
		cmocka_unit_test(random_sets_against_the_oracle),
		cmocka_unit_test(nonsense_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}
