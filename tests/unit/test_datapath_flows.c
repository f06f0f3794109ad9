/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The walk over the flow table. */
#include "datapath_fixture.h"

#include "sys/datapath_private.h"

/* of the flows' SNAT ports: none is the host's */
#define FIRST_PORT 3000

/* An entry as the datapath makes it. */
static uint64_t entry_add(uint32_t n)
{
	const struct xlb_flow_table *table = table_row(dp, XLB_TABLE_IPV6);
	__u64 key[3] = { 0, n, xlb_flow_ports(0, htons(443)) }, *entry;
	uint64_t live = 0, fixed = 7, hash; /* VIP 7 */
	struct xlb_flow_page *page;
	struct xlb_flow_at at;

	hash = xlb_flow_hash(table->seed, key, fixed, true);
	live = xlb_set(live, datapath_stamp(), XLB_LIVE_STAMP);
	live = xlb_set(live, datapath_stamp(), XLB_LIVE_CREATED);
	live = xlb_set(live, (uint64_t)XLB_FLOW_ESTABLISHED, XLB_LIVE_STATE);
	fixed = xlb_set(fixed, 7ULL, XLB_FIXED_SERVER);
	fixed = xlb_set(fixed, 7ULL, XLB_FIXED_LISTENER);
	fixed = xlb_set(fixed, (uint64_t)htons((uint16_t)(FIRST_PORT + n)), XLB_FIXED_SNAT_PORT);
	page = table_page(dp, table->extent, xlb_flow_page_of(table->extent, hash), &at);
	/* in the emptiest bucket, or there would not be room for all */
	for (uint32_t i = 0; i < XLB_CANDIDATES * XLB_ENTRIES6; i++) {
		entry = &page->word[xlb_flow_bucket(hash, i % XLB_CANDIDATES) +
				    i / XLB_CANDIDATES * XLB_ENTRY_WORDS6];
		if (xlb_get(*entry, XLB_LIVE_STATE))
			continue;
		memcpy(entry + 2, key, sizeof(key));
		entry[1] = fixed;
		entry[0] = live;
		return hash;
	}
	fail_msg("no room for flow %u", n);
	return 0;
}

/* The same with locator and port. */
static void flow_add(uint32_t n, const struct xlb_addr *server)
{
	struct xlb_reply_key reply = { /* no row of SNAT address 7: it is :: */
				       .server = *server,
				       .server_port = htons(80),
				       .peer_port = htons((uint16_t)(FIRST_PORT + n)),
				       .protocol = IPPROTO_TCP
	};
	const struct xlb_flow_table *table = table_row(dp, XLB_TABLE_REPLIES);
	uint64_t hash = xlb_reply_hash(table->seed, &reply, true), flow = entry_add(n);
	struct xlb_flow_page *page;
	struct xlb_flow_at at;
	uint32_t i;

	page = table_page(dp, table->extent, xlb_flow_page_of(table->extent, hash), &at);
	for (i = 0; page->word[xlb_locator_word(hash, i)]; i++)
		assert_true(i < 2 * XLB_LINE_WORDS);
	page->word[xlb_locator_word(hash, i)] = xlb_locator(hash, flow, true);
	snat_words(7)[(FIRST_PORT + n) / 64] |= 1ULL << (FIRST_PORT + n) % 64;
}

static uint32_t count_locators(void)
{
	const struct xlb_flow_page *page;
	struct xlb_flow_at at;
	uint32_t count = 0;

	for (uint32_t i = 0;
	     (page = table_page(dp, table_row(dp, XLB_TABLE_REPLIES)->extent, i, &at)); i++)
		for (uint32_t word = 0; word < XLB_PAGE_WORDS; word++)
			count += page->word[word] != 0;
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
		dp->tables.chunk[flow->at.chunk][flow->at.page].word[flow->at.word] ^= 1;
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
		assert_in_range(visited.total - before, 0, budget + XLB_PAGE_ENTRIES4);
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
					   .port = htons(80),
					   .family = XLB_IPV6,
					   .mode = XLB_MODE_FULLNAT,
					   .pools = { { 7, 7 } },
					   .pool_count = 1 };
	AUTO(flow_walk_free) struct flow_walk *one_by_one = NULL;
	struct visited visited;
	uint32_t count = 0;
	bool done = false;

	(void)state;
	NEED_KERNEL();
	assert_int_equal(walk(100, false).total, 0);
	put(TABLE_SERVER, &id7, &server);
	put(TABLE_BITMAP, &id7, &(struct row_bitmap){ FIRST_PORT, 3999 });
	for (uint32_t i = 0; i < 600; i++)
		flow_add(i, &server.addr);
	one_by_one = flow_walk_new(dp);
	assert_non_null(one_by_one);
	/* while one walk goes on, others come and go */
	while (!done) {
		uint32_t before = count;

		assert_int_equal(flow_walk_next(one_by_one, 1, visit_keep, &count, &done, &err), 0);
		assert_in_range(count, before, before + XLB_PAGE_ENTRIES4);
		if (before < 300 && count >= 300)
			assert_int_equal(count_flows(100), 600);
	}
	assert_int_equal(count, 600);
	/* nothing is done to a flow that changed */
	assert_int_equal(walk(64, true).total, 600);
	assert_int_equal(count_flows(100), 600);
	visited = walk(64, false);
	for (uint32_t i = 0; i < 600; i++)
		assert_int_equal(visited.seen[i], 1);
	assert_int_equal(count_flows(100), 400);
	assert_int_equal(count_locators(), 400);
	for (uint32_t i = 0; i < 600; i++)
		assert_int_equal(port_is_free(snat_words(7), FIRST_PORT + i), i % 3 == 1);
	visited = walk(2000, false);
	assert_int_equal(visited.total, 400);
	assert_int_equal(visited.tombstones, 200);
}

/* A daemon that is stopped anywhere on the way leaves what its successor goes on with. */
static void test_resize_left(void **state)
{
	const struct xlb_server server = { .addr = { .bytes = { 0x20, 1, [15] = 9 } },
					   .port = htons(80),
					   .family = XLB_IPV6,
					   .mode = XLB_MODE_FULLNAT,
					   .pools = { { 7, 7 } },
					   .pool_count = 1 };
	uint32_t room = TEST_FLOWS;

	(void)state;
	NEED_KERNEL();
	put(TABLE_SERVER, &id7, &server);
	put(TABLE_BITMAP, &id7, &(struct row_bitmap){ FIRST_PORT, 3999 });
	for (uint32_t i = 0; i < 600; i++)
		flow_add(i, &server.addr);
	/* made, changed over, settled, 1 and 2 slices moved, ... */
	for (uint32_t steps = 1; steps <= 12; steps++) {
		struct table_resize *resize =
			table_resize_new(dp, XLB_TABLE_IPV6, steps % 2 ? 4000 : 1500, &err);
		bool switched;

		assert_non_null(resize);
		for (uint32_t i = 0; i < steps; i++)
			table_resize_step(resize, 100, &err);
		table_resize_free(resize);
		switched = datapath_table_room(dp, XLB_TABLE_IPV6) != room;
		dp_reopen();
		assert_int_equal(count_flows(100), 600);
		assert_int_equal(table_resize_left(dp, XLB_TABLE_IPV6, &resize, &err), 0);
		while (resize) {
			enum table_resize_state now = table_resize_step(resize, 100, &err);

			assert_int_not_equal(now, TABLE_RESIZE_FAILED);
			if (now == TABLE_RESIZE_DONE)
				resize = table_resize_free(resize);
		}
		assert_int_equal(count_flows(100), 600);
		assert_int_equal(table_resize_left(dp, XLB_TABLE_IPV6, &resize, &err), 0);
		assert_null(resize);
		assert_int_equal(table_row(dp, XLB_TABLE_IPV6)->old, 0);
		if (switched)
			room = steps % 2 ? 4000 : 1500;
		assert_int_equal(datapath_table_room(dp, XLB_TABLE_IPV6), room);
		assert_int_equal(datapath_tables_memory(dp),
				 datapath_table_bytes(XLB_TABLE_IPV4, TEST_FLOWS) +
					 datapath_table_bytes(XLB_TABLE_IPV6, room) +
					 datapath_table_bytes(XLB_TABLE_REPLIES, 2 * TEST_FLOWS));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_flow_walk),
		TEST(test_resize_left),
	};

	return cmocka_run_group_tests_name("datapath_flows", tests, group_setup, group_teardown);
}
