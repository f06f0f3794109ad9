/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The walk over the flow table. */
#include "datapath_fixture.h"

/* of the flows' SNAT ports: none is the host's */
#define FIRST_PORT 3000

static void flow_make(uint32_t n, struct xlb_flow_key *key, struct xlb_flow *flow)
{
	*key = (struct xlb_flow_key){
		.client.words[3] = n, .vip = 7, .protocol = IPPROTO_TCP, .family = XLB_IPV6
	};
	*flow = (struct xlb_flow){
		.stamp = datapath_stamp(),
		.state = XLB_FLOW_ESTABLISHED,
		.server = 7,
		.listener = 7,
		.snat = 7,
		.snat_port = htons((uint16_t)(FIRST_PORT + n)),
		.server_port = htons(80),
		.bitmap = 7,
	};
}

/* A flow as the datapath makes it: record, locator, port. */
static void flow_add(uint32_t n, const struct xlb_addr *server)
{
	struct xlb_flow_key key;
	struct xlb_flow flow;
	struct xlb_reply_key reply = { /* no row of SNAT address 7: it is :: */
				       .server = *server,
				       .protocol = IPPROTO_TCP
	};
	uint64_t word;

	flow_make(n, &key, &flow);
	reply.server_port = flow.server_port;
	reply.peer_port = flow.snat_port;
	assert_int_equal(
		bpf_map_update_elem(datapath_map_fd(dp, "flows"), &key, &flow, BPF_NOEXIST), 0);
	assert_int_equal(
		bpf_map_update_elem(datapath_map_fd(dp, "replies"), &reply, &key, BPF_NOEXIST), 0);
	snat_word(7, (FIRST_PORT + n) / 64, &word, false);
	word |= 1ULL << (FIRST_PORT + n) % 64;
	snat_word(7, (FIRST_PORT + n) / 64, &word, true);
}

static uint32_t map_size(const char *name)
{
	union {
		struct xlb_flow_key flow;
		struct xlb_reply_key reply;
	} key, *previous = NULL;
	uint32_t count = 0;

	while (!bpf_map_get_next_key(datapath_map_fd(dp, name), previous, &key)) {
		previous = &key;
		count++;
	}
	return count;
}

struct visited {
	uint32_t total, tombstones;
	uint8_t seen[TEST_FLOWS];
	bool change; /* the packet that comes between look and action */
};

/* By client number: 0 mod 3 kept, 1 mod 3 deleted, 2 mod 3 to tombstones. */
static enum flow_action visit(void *arg, const struct xlb_flow_key *key,
			      const struct xlb_flow *flow)
{
	struct visited *visited = arg;
	uint32_t n = key->client.words[3];

	visited->total++;
	visited->seen[n]++;
	visited->tombstones += flow->state == XLB_FLOW_TOMBSTONE;
	if (visited->change) {
		struct xlb_flow changed = *flow;

		changed.stamp++;
		assert_int_equal(bpf_map_update_elem(datapath_map_fd(dp, "flows"), key, &changed,
						     BPF_EXIST),
				 0);
		return FLOW_DELETE;
	}
	return n % 3 == 0 ? FLOW_KEEP : n % 3 == 1 ? FLOW_DELETE : FLOW_TO_TOMBSTONE;
}

static struct visited walk(uint32_t budget, bool change)
{
	AUTO(flow_walk_free) struct flow_walk *flows = flow_walk_new(dp);
	struct visited visited = { .change = change };
	bool done = false;

	assert_non_null(flows);
	while (!done) {
		uint32_t before = visited.total;

		if (flow_walk_next(flows, budget, visit, &visited, &done, &err) < 0)
			fail_msg("flow_walk_next: %s", err.text);
		assert_true(visited.total - before <= budget);
	}
	return visited;
}

static enum flow_action visit_keep(void *arg, const struct xlb_flow_key *key,
				   const struct xlb_flow *flow)
{
	(void)key, (void)flow;
	++*(uint32_t *)arg;
	return FLOW_KEEP;
}

static uint32_t count_flows(uint32_t budget)
{
	AUTO(flow_walk_free) struct flow_walk *flows = flow_walk_new(dp);
	uint32_t count = 0;
	bool done = false;

	assert_non_null(flows);
	while (!done)
		assert_int_equal(flow_walk_next(flows, budget, visit_keep, &count, &done, &err), 0);
	return count;
}

static void test_flow_walk(void **state)
{
	const struct xlb_server server = { .addr = { .bytes = { 0x20, 1, [15] = 9 } },
					   .family = XLB_IPV6 };
	AUTO(flow_walk_free) struct flow_walk *one_by_one = NULL;
	struct visited visited;
	uint32_t count = 0;
	bool done = false;

	(void)state;
	NEED_KERNEL();
	assert_int_equal(walk(100, false).total, 0);
	put(TABLE_SERVER, &id7, &server);
	put(TABLE_BITMAP, &id7, &(struct row_bitmap){ FIRST_PORT, 3999 });
	for (uint32_t i = 0; i < 900; i++)
		flow_add(i, &server.addr);
	one_by_one = flow_walk_new(dp);
	assert_non_null(one_by_one);
	/* while one walk goes on, others come and go */
	for (uint32_t i = 0; !done; i++) {
		assert_int_equal(flow_walk_next(one_by_one, 1, visit_keep, &count, &done, &err), 0);
		assert_int_equal(count, i + 1);
		if (i == 450)
			assert_int_equal(count_flows(100), 900);
	}
	assert_int_equal(count, 900);
	/* nothing is done to a flow that changed */
	assert_int_equal(walk(64, true).total, 900);
	assert_int_equal(map_size("flows"), 900);
	visited = walk(64, false);
	for (uint32_t i = 0; i < 900; i++)
		assert_int_equal(visited.seen[i], 1);
	assert_int_equal(map_size("flows"), 600);
	assert_int_equal(map_size("replies"), 600);
	for (uint32_t i = 0; i < 900; i++)
		assert_int_equal(port_is_free(7, FIRST_PORT + i), i % 3 == 1);
	visited = walk(2000, false);
	assert_int_equal(visited.total, 600);
	assert_int_equal(visited.tombstones, 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_flow_walk),
	};

	return cmocka_run_group_tests_name("datapath_flows", tests, group_setup, group_teardown);
}
