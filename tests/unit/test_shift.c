// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Shifts of new flows: what is asked for, and the weights that come of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/shift.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void steps(void **state)
{
	static const struct {
		const char *text, *group;
		uint32_t parts[4], count; /* 0: refused */
	} rows[] = {
		{ "web-next=5%,25%,100%", "web-next", { 500, 2500, 10000 }, 3 },
		{ "n=0%", "n", { 0 }, 1 },
		{ "n=0.5%,12.25%", "n", { 50, 1225 }, 2 },
		{ "n=50%,10%", "n", { 5000, 1000 }, 2 },
		{ "n", "", {}, 0 },
		{ "n=", "n", {}, 0 },
		{ "=5%", "", {}, 0 },
		{ "n=5", "", {}, 0 },
		{ "n=101%", "", {}, 0 },
		{ "n=100.01%", "", {}, 0 },
		{ "n=1000%", "", {}, 0 },
		{ "n=5%,", "", {}, 0 },
		{ "n=5%,,6%", "", {}, 0 },
		{ "n=5%;6%", "", {}, 0 },
		{ "n=5%=6%", "", {}, 0 },
		{ "n=-5%", "", {}, 0 },
		{ "n=5.%,x", "", {}, 0 },
		{ "n=0.125%", "", {}, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct shift_steps got = {};
		struct xlb_err err = {};
		int r = shift_parse_steps(rows[i].text, &got, &err);

		print_message("# %s: %s\n", rows[i].text, r ? err.text : "");
		assert_int_equal(r, rows[i].count ? 0 : -EINVAL);
		assert_int_equal(got.count, rows[i].count);
		if (r)
			continue;
		assert_string_equal(got.group, rows[i].group);
		assert_memory_equal(got.parts, rows[i].parts, rows[i].count * sizeof(uint32_t));
	}
}

static void many_steps(void **state)
{
	struct shift_steps got = {};
	struct xlb_err err = {};
	char text[512] = "n=1%";

	(void)state;
	for (int i = 1; i < SHIFT_STEPS_MAX; i++)
		strcat(text, ",1%");
	assert_int_equal(shift_parse_steps(text, &got, &err), 0);
	assert_int_equal(got.count, SHIFT_STEPS_MAX);
	strcat(text, ",1%");
	assert_int_equal(shift_parse_steps(text, &got, &err), -EINVAL);
}

static void limits(void **state)
{
	static const struct {
		const char *text;
		int r;
		bool down, by_resets;
		uint32_t ratio;
	} rows[] = {
		{ NULL, 0, false, false, 0 },
		{ "down", 0, true, false, 0 },
		{ " down ", 0, true, false, 0 },
		{ "reset_ratio>2%", 0, false, true, 200 },
		{ "reset_ratio > 0.5%", 0, false, true, 50 },
		{ "down or reset_ratio>2%", 0, true, true, 200 },
		{ "reset_ratio>0% or down", 0, true, true, 0 },
		{ "", -EINVAL, false, false, 0 },
		{ "dwn", -EINVAL, false, false, 0 },
		{ "downor reset_ratio>2%", -EINVAL, false, false, 0 },
		{ "down or", -EINVAL, false, false, 0 },
		{ "down and reset_ratio>2%", -EINVAL, false, false, 0 },
		{ "down reset_ratio>2%", -EINVAL, false, false, 0 },
		{ "reset_ratio<2%", -EINVAL, false, false, 0 },
		{ "reset_ratio>2", -EINVAL, false, false, 0 },
		{ "reset_ratio>200%", -EINVAL, false, false, 0 },
		{ "reset_ratio", -EINVAL, false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct shift_limits got = {};
		struct xlb_err err = {};

		print_message("# %s\n", rows[i].text ? rows[i].text : "-");
		assert_int_equal(shift_parse_limits(rows[i].text, &got, &err), rows[i].r);
		assert_int_equal(got.down, rows[i].down);
		assert_int_equal(got.by_resets, rows[i].by_resets);
		assert_int_equal(got.reset_ratio, rows[i].ratio);
		if (rows[i].r)
			assert_non_null(strstr(err.text, "down and reset_ratio>N%"));
	}
}

static struct shift_weights weights_of(const char *text)
{
	struct shift_weights weights = {};

	while (*text) {
		struct share *share = &weights.shares[weights.count++];
		size_t length = strcspn(text, "=");

		memcpy(share->group, text, length);
		share->weight = (uint32_t)strtoul(text + length + 1, NULL, 10);
		text += strcspn(text, ",");
		text += *text == ',';
	}
	return weights;
}

static void weights(void **state)
{
	static const struct {
		const char *before;
		uint32_t part;
		const char *after; /* NULL: refused */
	} rows[] = {
		{ "web=100", 500, "web=95,next=5" },
		{ "web=95,next=5", 2500, "web=75,next=25" },
		{ "next=5,web=95", 2500, "next=25,web=75" },
		{ "web=95,next=5", 10000, "web=0,next=100" },
		{ "web=95,next=5", 0, "web=100,next=0" },
		{ "web=1,next=1", 5000, "web=50,next=50" },
		/* the others as they are to each other */
		{ "web=60,old=30,next=10", 1000, "web=60,old=30,next=10" },
		{ "web=60,old=30,next=10", 4000, "web=40,old=20,next=40" },
		{ "web=2,old=0,next=1", 5000, "web=50,old=0,next=50" },
		/* no number above 1000: as near as can be, and nobody is left out */
		{ "web=333,old=667", 500, "web=499,old=1000,next=79" },
		{ "web=1000,old=1", 5000, "web=999,old=1,next=1000" },
		{ "web=0,next=100", 10000, "web=0,next=100" },
		{ "web=0,next=100", 5000, NULL },
		{ "next=1", 5000, NULL },
		{ "next=1", 10000, "next=100" },
		{ "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1", 5000, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct shift_weights before = weights_of(rows[i].before), after;
		struct xlb_err err = {};
		int r = shift_weigh(&before, "next", rows[i].part, &after, &err);
		char text[600];

		print_message("# %s -> %u\n", rows[i].before, rows[i].part);
		assert_int_equal(r, rows[i].after ? 0 : -EINVAL);
		if (r)
			continue;
		shift_weights_text(&after, text, sizeof(text));
		assert_string_equal(text, rows[i].after);
		assert_true(shift_weights_equal(&after, &after));
	}
}

/* From any weights, what comes out is what was asked for to half a percent, and is accepted. */
static void weights_are_near(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct shift_weights before = weights_of("a=0,b=0,next=0"), after;
		uint64_t sum = 0;
		struct xlb_err err;
		uint32_t part;

		for (uint32_t j = 0; j < before.count; j++) {
			seed = seed * 1664525 + 1013904223;
			before.shares[j].weight = 1 + (seed >> 8) % 1000;
		}
		part = (seed >> 16) % 101 * 100;
		assert_int_equal(shift_weigh(&before, "next", part, &after, &err), 0);
		for (uint32_t j = 0; j < after.count; j++) {
			assert_in_range(after.shares[j].weight, 0, 1000);
			sum += after.shares[j].weight;
		}
		assert_in_range(after.shares[2].weight * 10000 / sum + 50, part, part + 100);
	}
}

static void texts(void **state)
{
	static const struct {
		uint32_t part;
		const char *text;
	} rows[] = { { 0, "0%" },    { 500, "5%" },	 { 10000, "100%" }, { 50, "0.5%" },
		     { 5, "0.05%" }, { 1225, "12.25%" }, { 1220, "12.2%" } };
	char text[16];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		shift_part_text(rows[i].part, text, sizeof(text));
		assert_string_equal(text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps),  cmocka_unit_test(many_steps),
		cmocka_unit_test(limits), cmocka_unit_test(weights),
		cmocka_unit_test(texts),  cmocka_unit_test(weights_are_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
