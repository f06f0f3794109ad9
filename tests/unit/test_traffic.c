// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Rates of interfaces, with counters that the test moves and the clock that all use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xlbd/traffic.h"

struct engine {
	struct ids *ids;
	uint64_t packets, drops;
	uint32_t looks;
};
static struct engine fake;

struct ids *engine_ids(const struct engine *engine)
{
	return engine->ids;
}

struct datapath *engine_datapath(const struct engine *engine)
{
	return (struct datapath *)engine;
}

/* Each look sees 1000 packets and 10 drops more. */
int datapath_interface_counters(struct datapath *dp, uint32_t slot, uint64_t *ret)
{
	struct engine *engine = (struct engine *)dp;

	(void)slot;
	engine->looks++;
	engine->packets += 1000;
	ret[XLB_IFCOUNT_PACKETS] = engine->packets;
	return 0;
}

int datapath_drop_counters(struct datapath *dp, uint32_t slot, uint64_t *ret)
{
	struct engine *engine = (struct engine *)dp;

	(void)slot;
	engine->drops += 10;
	ret[XLB_DROP_MTU_EXCEEDED] = engine->drops;
	return 0;
}

static void run_until(struct event_base *base, uint32_t looks)
{
	int turns;

	for (turns = 0; fake.looks < looks && turns < 1000; turns++)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(fake.looks, looks);
}

static void rates(void **state)
{
	struct event_base *base = event_base_new();
	struct traffic *traffic;
	struct traffic_rates seen;
	uint32_t slot;

	(void)state;
	fake.ids = ids_new();
	ids_begin(fake.ids);
	slot = ids_get(fake.ids, ID_INTERFACE, "eth0")->id;
	traffic = traffic_new(base, &fake);
	assert_non_null(traffic);
	assert_false(traffic_rates(traffic, slot, &seen));
	run_until(base, 1);
	assert_false(traffic_rates(traffic, slot, &seen)); /* one look is no rate */
	run_until(base, 2);
	assert_true(traffic_rates(traffic, slot, &seen));
	/* a second later at the earliest; a busy machine makes it later */
	assert_true(seen.counters[XLB_IFCOUNT_PACKETS] <= 1010);
	assert_true(seen.counters[XLB_IFCOUNT_PACKETS] > 100);
	assert_true(seen.drops > 1 && seen.drops <= 10.1);
	assert_int_equal(seen.recent[XLB_DROP_MTU_EXCEEDED], 10);
	assert_int_equal(seen.recent[XLB_DROP_NO_LISTENER], 0);

	/* the slot is another NIC's now */
	fake.packets = fake.drops = 0;
	run_until(base, 3);
	assert_false(traffic_rates(traffic, slot, &seen));
	assert_false(traffic_rates(traffic, XLB_MAX_INTERFACES, &seen));
	traffic_free(traffic);
	assert_null(traffic_free(NULL));
	ids_free(fake.ids);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(rates) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
