// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What an observing variant has counted, with the running kernel. */
#include "datapath_fixture.h"
#include "sys/datapath_variant.h"

#define FLOWS 40000 /* few enough that none is thrown out */

/* The variant's own map of traffic. */
static int traffic_map(const struct variant *variant)
{
	uint32_t ids[64], size = sizeof(struct bpf_prog_info);
	struct bpf_prog_info program = { .nr_map_ids = 64, .map_ids = (uintptr_t)ids };

	assert_int_equal(bpf_obj_get_info_by_fd(variant_program_fd(variant), &program, &size), 0);
	assert_in_range(program.nr_map_ids, 1, 64);
	for (uint32_t i = 0; i < program.nr_map_ids; i++) {
		struct bpf_map_info map = {};
		int fd = bpf_map_get_fd_by_id(ids[i]);

		size = sizeof(map);
		assert_int_equal(bpf_obj_get_info_by_fd(fd, &map, &size), 0);
		if (!strcmp(map.name, "flow_traffic"))
			return fd;
		close(fd);
	}
	fail_msg("the program has no map flow_traffic");
	return -1;
}

static void count_flows(int fd, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct xlb_flow_key key = { .port = htons(80) };
		struct xlb_flow_traffic traffic = { .packets = i, .bytes = 100 * i };

		memcpy(&key.client, &i, sizeof(i));
		assert_int_equal(bpf_map_update_elem(fd, &key, &traffic, BPF_ANY), 0);
	}
}

/* Takes rows until it is done; each of the flows comes once. */
static uint32_t take_all(struct variant *variant, uint8_t seen[FLOWS])
{
	struct flow_traffic rows[VARIANT_TRAFFIC_STEP];
	bool done = false;
	uint32_t sum = 0;
	size_t count;

	while (!done) {
		assert_int_equal(variant_traffic_take(variant, rows, &count, &done, &err), 0);
		assert_in_range(count, 0, VARIANT_TRAFFIC_STEP);
		for (size_t i = 0; i < count; i++) {
			uint64_t flow = rows[i].traffic.packets;

			assert_in_range(flow, 0, FLOWS - 1);
			assert_memory_equal(&rows[i].key.client, &flow, sizeof(uint32_t));
			assert_int_equal(rows[i].traffic.bytes, 100 * flow);
			assert_int_equal(seen[flow]++, 0);
		}
		sum += (uint32_t)count;
	}
	return sum;
}

static void traffic_is_taken_once(void **state)
{
	AUTO_FREE uint8_t *seen = calloc(1, FLOWS);
	struct flow_traffic rows[VARIANT_TRAFFIC_STEP];
	struct variant *variant;
	AUTO_CLOSE int fd = -1;
	size_t count;
	bool done;

	(void)state;
	NEED_KERNEL();
	assert_non_null(seen);
	if (variant_load(dp, VARIANT_OBSERVE, &variant, &err))
		fail_msg("variant_load: %s", err.text);
	fd = traffic_map(variant);
	assert_int_equal(take_all(variant, seen), 0);
	count_flows(fd, FLOWS);
	assert_int_equal(take_all(variant, seen), FLOWS);
	assert_int_equal(take_all(variant, seen), 0);
	/* who begins to measure while somebody was taking finds nothing of it */
	memset(seen, 0, FLOWS);
	count_flows(fd, FLOWS);
	for (int i = 0; i < 10; i++)
		assert_int_equal(variant_traffic_take(variant, rows, &count, &done, &err), 0);
	assert_false(done);
	variant_measure(variant, false);
	count_flows(fd, 1);
	assert_in_range(take_all(variant, seen), FLOWS - 10 * VARIANT_TRAFFIC_STEP, FLOWS);
	assert_int_equal(seen[0], 1);
	variant_free(variant);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(traffic_is_taken_once),
	};

	return cmocka_run_group_tests_name("datapath_variant", tests, group_setup, group_teardown);
}
