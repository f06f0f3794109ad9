// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How many failures the last seconds have had, against a sum over all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/passive.h"

#define SECONDS 500

static void sums(void **state)
{
	uint64_t came[SECONDS] = {};

	(void)state;
	srandom(1);
	for (uint32_t seconds = 1; seconds <= PASSIVE_WINDOW_MAX; seconds++) {
		struct passive_window window = {};
		uint64_t total = 1000;

		for (uint32_t now = 0; now < SECONDS; now++) {
			uint64_t want = 0;

			/* what was there before the first look is nobody's */
			came[now] = now ? (uint64_t)random() % 5 : 0;
			total += came[now];
			for (uint32_t i = now < seconds ? 0 : now - seconds + 1; i <= now; i++)
				want += came[i];
			assert_int_equal(passive_feed(&window, total, seconds), want);
		}
	}
}

static void forgets(void **state)
{
	struct passive_window window = {};

	(void)state;
	passive_feed(&window, 10, 10);
	assert_int_equal(passive_feed(&window, 17, 10), 7);
	passive_forget(&window);
	assert_int_equal(passive_feed(&window, 18, 10), 1);
	/* the id is another server's */
	assert_int_equal(passive_feed(&window, 3, 10), 0);
	assert_int_equal(passive_feed(&window, 5, 10), 2);
}

static void shares(void **state)
{
	const struct quota half = { .number = 50, .percent = true }, two = { .number = 2 };

	(void)state;
	assert_int_equal(passive_out_max(&half, 1), 0);
	assert_int_equal(passive_out_max(&half, 2), 1);
	assert_int_equal(passive_out_max(&half, 5), 2);
	assert_int_equal(passive_out_max(&two, 5), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums),
		cmocka_unit_test(forgets),
		cmocka_unit_test(shares),
	};

	return cmocka_run_group_tests_name("passive", tests, NULL, NULL);
}
