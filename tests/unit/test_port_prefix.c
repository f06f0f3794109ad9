// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ranges of ports as prefixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/port_prefix.h"

/* Every port of the range in one prefix, no other in any. */
static void covers(uint16_t from, uint16_t to)
{
	struct port_prefix prefixes[PORT_PREFIXES_MAX];
	uint32_t count = port_prefixes(from, to, prefixes), port = from;

	assert_true(count <= PORT_PREFIXES_MAX);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t size = 1U << (16 - prefixes[i].length);

		assert_int_equal(prefixes[i].port, port);
		assert_int_equal(port % size, 0);
		port += size;
	}
	assert_int_equal(port, to + 1U);
}

static void edges(void **state)
{
	struct port_prefix prefixes[PORT_PREFIXES_MAX];

	(void)state;
	covers(1, 1);
	covers(65535, 65535);
	covers(20000, 29999);
	assert_int_equal(port_prefixes(0, 65535, prefixes), 1);
	assert_int_equal(prefixes[0].length, 0);
	assert_int_equal(port_prefixes(1, 65535, prefixes), 16);
	/* the range that takes most */
	assert_int_equal(port_prefixes(1, 65534, prefixes), PORT_PREFIXES_MAX);
	assert_int_equal(port_prefixes(256, 511, prefixes), 1);
	assert_int_equal(prefixes[0].length, 8);
	assert_int_equal(port_prefixes(2, 1, prefixes), 0);
}

static void many(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint16_t a, b;

		seed = seed * 1664525 + 1013904223;
		a = (uint16_t)(seed >> 16);
		seed = seed * 1664525 + 1013904223;
		b = (uint16_t)(seed >> 16);
		covers(a < b ? a : b, a < b ? b : a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(edges), cmocka_unit_test(many) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
