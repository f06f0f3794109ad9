// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The engine and the size of the flow tables: when they grow, when they shrink, and what keeps them from it. */
#include "engine_lab.h"

#define SMALL		16
#define LAB_LIMIT(flow) LAB_BOTH "flow_table: {max: " flow "}\n"

static void fill(uint32_t flows, uint8_t state)
{
	while (lab_world.flow_count < flows)
		lab_flow(1)->state = state;
}

static void wait_for_resizes(struct lab *lab, uint32_t count)
{
	for (int i = 0; lab_world.resizes < count && i < 1000; i++)
		lab_run(lab, 10);
	assert_int_equal(lab_world.resizes, count);
}

static void grows_at_seventy_percent(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_world.rooms[XLB_TABLE_IPV4] = SMALL;
	fill(11, XLB_FLOW_ESTABLISHED); /* 69 % */
	lab_sweep(lab, 3);
	assert_int_equal(lab_world.resizes, 0);
	assert_int_equal(engine_table_used(lab->engine, XLB_TABLE_IPV4), 11);
	assert_int_equal(engine_table_used(lab->engine, XLB_TABLE_REPLIES), 0);
	fill(12, XLB_FLOW_ESTABLISHED);
	wait_for_resizes(lab, 1);
	assert_int_equal(lab_world.rooms[XLB_TABLE_IPV4], 2 * SMALL);
	lab_sweep(lab, 2);
	assert_int_equal(lab_world.resizes, 1);
	assert_int_equal(lab_world.rooms[XLB_TABLE_IPV6], 0);
}

/* A flow with a SNAT port has a locator too. */
static void locators_have_their_own(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_world.rooms[XLB_TABLE_REPLIES] = SMALL;
	while (lab_world.flow_count < 12) {
		struct xlb_flow *flow = lab_flow(1);

		flow->snat_port = 1;
		flow->ipv6 = lab_world.flow_count % 2;
	}
	wait_for_resizes(lab, 1);
	assert_int_equal(lab_world.rooms[XLB_TABLE_REPLIES], 2 * SMALL);
	assert_int_equal(engine_table_used(lab->engine, XLB_TABLE_IPV4), 6);
	assert_int_equal(engine_table_used(lab->engine, XLB_TABLE_IPV6), 6);
}

static void half_open_flows_make_nothing_grow(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_world.rooms[XLB_TABLE_IPV4] = SMALL;
	fill(LAB_FLOWS, XLB_FLOW_NEW);
	lab_sweep(lab, 3);
	assert_int_equal(lab_world.resizes, 0);
	assert_int_equal(engine_table_used(lab->engine, XLB_TABLE_IPV4), 0);
}

static void shrinks_when_told_to(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_world.rooms[XLB_TABLE_IPV4] = 100000;
	fill(10, XLB_FLOW_ESTABLISHED);
	lab_sweep(lab, 2);
	assert_int_equal(lab_world.resizes, 0);
	lab_apply_ok(lab, LAB_LIMIT("2000"));
	wait_for_resizes(lab, 3);
	assert_int_equal(lab_world.rooms[XLB_TABLE_IPV4], 2000);
	assert_int_equal(lab_world.rooms[XLB_TABLE_IPV6], 2000);
	assert_int_equal(lab_world.rooms[XLB_TABLE_REPLIES], 4000);
	assert_int_equal(engine_max_flows(lab->engine), 2000);
}

static void lack_of_memory_is_told(void **state)
{
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	lab_world.rooms[XLB_TABLE_IPV4] = SMALL;
	lab_world.no_memory = true;
	fill(12, XLB_FLOW_ESTABLISHED);
	for (int i = 0; !*engine_table_trouble(lab->engine) && i < 1000; i++)
		lab_run(lab, 10);
	assert_string_equal(engine_table_trouble(lab->engine),
			    "the flow table ipv4 cannot get another size: no memory, as asked");
	/* a change may be what helps: it is tried at once */
	lab_world.no_memory = false;
	lab_apply_ok(lab, LAB_ONE);
	wait_for_resizes(lab, 1);
	assert_string_equal(engine_table_trouble(lab->engine), "");
}

static void limit_beyond_the_memory_is_refused(void **state)
{
	struct request request = { .options = { .yes = true } };
	struct lab *lab = *state;

	lab_apply_ok(lab, LAB_BOTH);
	/* 8 GiB, 64 bytes a flow and half of that for what it grows from */
	assert_int_equal(lab_apply(lab, &request, LAB_LIMIT("90000000")), -ENOMEM);
	assert_string_equal(
		request.err.text,
		"flow_table.max 90000000: tables for so many flows, and those that they grow from, take 8239 MiB; this machine has 8192 MiB");
	assert_string_equal(request.err.pointer, "/flow_table/max");
	assert_int_equal(lab_apply(lab, &request, LAB_LIMIT("80000000")), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(grows_at_seventy_percent),
		TEST(locators_have_their_own),
		TEST(half_open_flows_make_nothing_grow),
		TEST(shrinks_when_told_to),
		TEST(lack_of_memory_is_told),
		TEST(limit_beyond_the_memory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
