// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which server new flows get from groups that do not go by the hash of addresses and ports. */
#include "tests.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "core/content.h"
#include "core/plan.h"
#include "dry.h"
#include "icmp_frames.h"
#include "tables.h"
#include "talk.h"
#include "xlb/hash.h"

#define SERVERS_MAX 4

/* A group of servers, as the daemon would make it. */
struct farm {
	enum service group;
	uint8_t by;
	enum fill fill;
	uint32_t count;
	enum service servers[SERVERS_MAX];
	uint32_t weights[SERVERS_MAX];
	uint32_t affinity; /* seconds */
};

static void put_table(const struct farm *farm, uint8_t family)
{
	struct {
		uint32_t fill, pad; /* of struct schedule */
		struct maglev_server servers[SERVERS_MAX];
	} recipe = { .fill = farm->fill };
	struct row_maglev_key key = { farm->group, family };
	AUTO_FREE void *content = NULL;
	size_t size = sizeof(struct schedule) + farm->count * sizeof(recipe.servers[0]);

	for (uint32_t i = 0; i < farm->count; i++)
		recipe.servers[i] = (struct maglev_server){ 77 * (i + 1), farm->weights[i],
							    id_server(farm->servers[i], family) };
	assert_int_equal(content_build(TABLE_MAGLEV, &recipe, size, &content, &size), 0);
	world_put_content(TABLE_MAGLEV, &key, content, size);
}

static void farm_make(const struct farm *farm)
{
	for (uint32_t i = 0; i < farm->count; i++)
		world_weight(farm->servers[i], farm->weights[i]);
	put_table(farm, XLB_IPV4);
	put_table(farm, XLB_IPV6);
	world_choice(farm->group,
		     &(struct xlb_choice){ .by = farm->by, .affinity = farm->affinity });
}

/* --- flows ------------------------------------------------------------------------------------------ */

struct client {
	uint8_t family;
	uint16_t address; /* its last bytes */
	uint16_t port;
};

static struct xlb_addr client_address(const struct client *client)
{
	struct xlb_addr addr = addr_client(client->family);

	addr.bytes[14] = (uint8_t)(client->address >> 8);
	addr.bytes[15] = (uint8_t)client->address;
	return addr;
}

static bool flow_of(const struct client *client, enum service group, struct xlb_flow *ret)
{
	struct xlb_flow_key key = { .client = client_address(client),
				    .vip = id_vip(VIP_OWN, client->family),
				    .client_port = htons(client->port),
				    .port = htons(service_port(group)),
				    .protocol = IPPROTO_UDP,
				    .family = client->family };

	return world_flow(&key, ret);
}

/* Sends a datagram; the id of the server that has its flow then. */
static uint32_t server_for(const struct client *client, enum service group)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	struct xlb_flow flow;
	struct frame frame;
	struct talk talk;

	talk_init(&talk, client->family, IPPROTO_UDP, group, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, 0);
	frame.source = client_address(client);
	frame.source_port = client->port;
	world_send(data, frame_build(&frame, data), &got);
	if (got.verdict != XDP_REDIRECT && got.verdict != XDP_TX)
		fail_msg("verdict %u", got.verdict);
	assert_true(flow_of(client, group, &flow));
	return flow.server;
}

static void flow_delete(const struct client *client, enum service group)
{
	struct xlb_flow flow;

	assert_true(flow_of(client, group, &flow));
	assert_int_equal(datapath_flow_end(world_datapath(), &flow, FLOW_DELETE), 0);
}

/* The n-th client, of an address that few others have. */
static struct client client_at(uint8_t family, uint32_t n)
{
	return (struct client){ family, (uint16_t)(n >> 8 << 4 | 1),
				(uint16_t)(1024 + (n & 0xff)) };
}

/* Gives `flows` new flows to the farm, each over before long; counts those of each server. */
static void count_flows(const struct farm *farm, uint8_t family, uint32_t flows, uint32_t *ret)
{
	memset(ret, 0, SERVERS_MAX * sizeof(*ret));
	for (uint32_t n = 0; n < flows; n++) {
		struct client client = client_at(family, n);
		uint32_t id = server_for(&client, farm->group);

		for (uint32_t i = 0; i < farm->count; i++)
			ret[i] += id == id_server(farm->servers[i], family);
		flow_delete(&client, farm->group);
	}
}

/* --- by turn ---------------------------------------------------------------------------------------- */

#define FLOWS 10000

/* Of ten thousand flows every server has its share, to the flow. */
static void test_turns(void **state)
{
	static const struct farm farms[] = {
		{ WEB, XLB_BY_TURN, FILL_TURNS, 3, { WEB, SPARE, ONE_ARM }, { 1, 1, 1 }, 0 },
		{ WEB, XLB_BY_TURN, FILL_TURNS, 3, { WEB, SPARE, ONE_ARM }, { 50, 30, 20 }, 0 },
		{ DR, XLB_BY_TURN, FILL_TURNS, 2, { DR, DR_SPARE }, { 99, 1 }, 0 },
	};
	uint32_t counts[SERVERS_MAX];

	(void)state;
	for (size_t f = 0; f < sizeof(farms) / sizeof(farms[0]); f++) {
		const struct farm *farm = &farms[f];
		uint32_t all = 0;

		farm_make(farm);
		count_flows(farm, f % 2 ? XLB_IPV6 : XLB_IPV4, FLOWS, counts);
		for (uint32_t i = 0; i < farm->count; i++)
			all += farm->weights[i];
		for (uint32_t i = 0; i < farm->count; i++) {
			uint32_t due = FLOWS * farm->weights[i] / all;

			if (counts[i] + 2 < due || counts[i] > due + 2)
				fail_msg("farm %zu: server %u has %u flows, %u are due", f, i,
					 counts[i], due);
		}
	}
}

/* --- by source -------------------------------------------------------------------------------------- */

static void test_source(void **state)
{
	static const struct farm farm = { WEB, XLB_BY_SOURCE,		FILL_MAGLEV,
					  3,   { WEB, SPARE, ONE_ARM }, { 10, 10, 10 },
					  0 };
	uint32_t met[SERVERS_MAX] = {};

	(void)state;
	farm_make(&farm);
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		for (uint16_t address = 1; address <= 200; address++) {
			struct client client = { family, address, 1024 };
			uint32_t id = server_for(&client, farm.group);

			for (client.port++; client.port < 1034; client.port++)
				assert_int_equal(server_for(&client, farm.group), id);
			for (uint32_t i = 0; i < farm.count; i++)
				met[i] += id == id_server(farm.servers[i], family);
		}
	}
	for (uint32_t i = 0; i < farm.count; i++)
		assert_in_range(met[i], 80, 200);
}

/* --- by load ---------------------------------------------------------------------------------------- */

static const struct farm loaded = {
	WEB, XLB_BY_LOAD, FILL_ROWS, 4, { WEB, SPARE, ONE_ARM, NAT }, { 40, 20, 20, 10 }, 0
};

/* Flows that stay are in proportion to the weights, at any time. */
static void test_load(void **state)
{
	(void)state;
	farm_make(&loaded);
	for (uint32_t n = 0; n < 900; n++) {
		struct client client = client_at(XLB_IPV4, n);

		server_for(&client, loaded.group);
		for (uint32_t i = 0; n % 90 == 89 && i < loaded.count; i++)
			assert_int_equal(tables_open_flows(id_server(loaded.servers[i], XLB_IPV4)),
					 (n + 1) * loaded.weights[i] / 90);
	}
}

/* What ends is made up for: the next flows go there. */
static void test_load_levels(void **state)
{
	struct client gone[60];
	uint32_t count = 0;

	(void)state;
	farm_make(&loaded);
	for (uint32_t n = 0; n < 900; n++) {
		struct client client = client_at(XLB_IPV4, n);

		if (server_for(&client, loaded.group) == id_server(SPARE, XLB_IPV4) && count < 60)
			gone[count++] = client;
	}
	for (uint32_t i = 0; i < count; i++)
		flow_delete(&gone[i], loaded.group);
	for (uint32_t n = 900; n < 960; n++) {
		struct client client = client_at(XLB_IPV4, n);

		assert_int_equal(server_for(&client, loaded.group), id_server(SPARE, XLB_IPV4));
	}
}

#define HOLD  40 /* turns that a flow stays */
#define TURNS 4000

/* One server holds its flows ten times longer than the others, and gets so many fewer. */
static void test_load_of_slow_server(void **state)
{
	static const struct farm farm = {
		WEB, XLB_BY_LOAD, FILL_ROWS, 4, { WEB, SPARE, ONE_ARM, NAT }, { 10, 10, 10, 10 }, 0
	};
	static struct client ends[TURNS + 10 * HOLD + 1]
				 [2]; /* at a turn, of the slow one and of others */
	uint64_t most = 0, least = UINT64_MAX;

	(void)state;
	memset(ends, 0, sizeof(ends));
	farm_make(&farm);
	for (uint32_t turn = 0; turn < TURNS; turn++) {
		struct client client = client_at(XLB_IPV4, turn);
		bool slow;

		for (int i = 0; i < 2; i++)
			if (ends[turn][i].family)
				flow_delete(&ends[turn][i], farm.group);
		slow = server_for(&client, farm.group) == id_server(WEB, XLB_IPV4);
		ends[turn + (slow ? 10 * HOLD : HOLD)][!slow] = client;
	}
	for (uint32_t i = 0; i < farm.count; i++) {
		uint64_t flows = tables_open_flows(id_server(farm.servers[i], XLB_IPV4));

		most = flows > most ? flows : most;
		least = flows < least ? flows : least;
	}
	assert_true(least > 8);
	assert_true(most - least <= 2);
}

/* Connections that are no flows weigh as much as those that are. */
static void test_load_of_others(void **state)
{
	static const struct farm farm = { WEB, XLB_BY_LOAD,    FILL_ROWS,
					  2,   { WEB, SPARE }, { 10, 10 },
					  0 };
	uint32_t web = id_server(WEB, XLB_IPV4), spare = 0;

	(void)state;
	farm_make(&farm);
	tables_set_others(web, 30);
	for (uint32_t n = 0; n < 30; n++) {
		struct client client = client_at(XLB_IPV4, n);

		spare += server_for(&client, farm.group) != web;
	}
	tables_set_others(web, 0);
	assert_int_equal(spare, 30);
}

/* --- changes, and who begins nothing ----------------------------------------------------------------- */

static void test_flows_stay(void **state)
{
	static const struct farm farms[] = {
		{ WEB, XLB_BY_TUPLE, FILL_MAGLEV, 3, { WEB, SPARE, ONE_ARM }, { 10, 10, 10 }, 0 },
		{ WEB, XLB_BY_TURN, FILL_TURNS, 3, { WEB, SPARE, ONE_ARM }, { 10, 10, 10 }, 0 },
		{ WEB, XLB_BY_LOAD, FILL_ROWS, 3, { WEB, SPARE, ONE_ARM }, { 10, 10, 10 }, 0 },
		{ WEB, XLB_BY_SOURCE, FILL_MAGLEV, 3, { WEB, SPARE, ONE_ARM }, { 10, 10, 10 }, 0 },
	};
	uint32_t servers[200];

	(void)state;
	farm_make(&farms[0]);
	for (uint32_t n = 0; n < 200; n++) {
		struct client client = client_at(n % 2 ? XLB_IPV4 : XLB_IPV6, n);

		servers[n] = server_for(&client, WEB);
	}
	for (size_t f = 1; f < 2 * sizeof(farms) / sizeof(farms[0]); f++) {
		farm_make(&farms[f % (sizeof(farms) / sizeof(farms[0]))]);
		for (uint32_t n = 0; n < 200; n++) {
			struct client client = client_at(n % 2 ? XLB_IPV4 : XLB_IPV6, n);

			assert_int_equal(server_for(&client, WEB), servers[n]);
		}
	}
	assert_null(talk_check_flows(200));
}

/*
 * A segment of no flow, and an error about one, would go to a server that knows nothing of it: where the choice is
 * another one each time, neither goes on, nor takes a turn.
 */
static void test_strangers(void **state)
{
	static const struct farm farm = { DR, XLB_BY_TURN,	FILL_TURNS,
					  2,  { DR, DR_SPARE }, { 1, 1 },
					  0 };
	static const struct error_row error = { XLB_IPV4, 3, 1, 0, false, 1, 0, 0 };
	static const struct step stray = RESET(CLIENT, ACK, NO_FLOW);
	uint32_t first, second;
	struct talk talk;

	(void)state;
	farm_make(&farm);
	first = server_for(&(struct client){ XLB_IPV4, 1, 1024 }, DR);
	for (int i = 0; i < 3; i++) {
		static uint8_t data[FRAME_MAX];
		struct view outside;
		struct frame quoted;
		struct error frame;

		talk_init(&talk, XLB_IPV4, IPPROTO_TCP, DR, VIP_OWN);
		assert_null(talk_step(&talk, &stray));
		talk_init(&talk, XLB_IPV4, IPPROTO_UDP, DR, VIP_OWN);
		outside = view_of_client(&talk);
		quoted = quoted_frame(&talk, &outside, true);
		frame = error_frame(&error, &quoted, &outside.peer);
		frame.quoted_l4 = 8;
		memcpy(frame.outer.mac_source, talk.client_mac, 6);
		world_refuses("an error about no flow", data, error_build(&frame, data),
			      XLB_DROP_ICMP_UNKNOWN);
	}
	second = server_for(&(struct client){ XLB_IPV4, 1, 1025 }, DR);
	assert_int_not_equal(first, second);
	assert_int_equal(server_for(&(struct client){ XLB_IPV4, 1, 1026 }, DR), first);
}

/* --- affinity --------------------------------------------------------------------------------------- */

#define HOUR 3600

static const struct farm sticky = { WEB,	XLB_BY_TURN, FILL_TURNS, 2, { WEB, SPARE },
				    { 10, 10 }, HOUR };

/* Whom the source's next flow goes to; each is of another port. */
static uint32_t next_of(uint8_t family, uint16_t address)
{
	static uint16_t port = 2000;

	return server_for(&(struct client){ family, address, port++ }, sticky.group);
}

/* The farm has two servers. */
static uint32_t other_than(uint32_t id, uint8_t family)
{
	return id == id_server(WEB, family) ? id_server(SPARE, family) : id_server(WEB, family);
}

static void affinity_of(uint8_t family)
{
	uint32_t first, second;

	farm_make(&sticky);
	first = next_of(family, 1);
	second = next_of(family, 2);
	assert_int_not_equal(first, second);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(next_of(family, 1), first);
		assert_int_equal(next_of(family, 2), second);
	}
	/* each new flow renews it */
	for (int i = 0; i < 3; i++) {
		world_age_affinities(HOUR - 10);
		assert_int_equal(next_of(family, 1), first);
	}
	/* address 2 has begun none for too long: one turn was taken by each, so the next is the first one's */
	assert_int_equal(next_of(family, 2), first);
	assert_int_equal(next_of(family, 2), first);
}

static void test_affinity(void **state)
{
	(void)state;
	affinity_of(XLB_IPV4);
	affinity_of(XLB_IPV6);
}

/* Who takes no new flows, or is another one by now, gets none; who got it instead keeps the source. */
static void test_affinity_ends(void **state)
{
	uint32_t first, next;

	(void)state;
	farm_make(&sticky);
	first = next_of(XLB_IPV4, 1);
	next = other_than(first, XLB_IPV4);
	world_weight(first == id_server(WEB, XLB_IPV4) ? WEB : SPARE, 0);
	/* the table still has it: the datapath must have asked the server */
	assert_int_equal(next_of(XLB_IPV4, 1), next);
	world_weight(first == id_server(WEB, XLB_IPV4) ? WEB : SPARE, 10);
	for (int i = 0; i < 3; i++)
		assert_int_equal(next_of(XLB_IPV4, 1), next);
}

static void test_affinity_of_groups(void **state)
{
	struct farm other = sticky;
	uint32_t first;

	(void)state;
	other.group = SPARE;
	farm_make(&sticky);
	farm_make(&other);
	first = next_of(XLB_IPV4, 1);
	/* two turns of the other group: were it the same source to both, it would have none */
	assert_int_not_equal(server_for(&(struct client){ XLB_IPV4, 2, 1024 }, SPARE),
			     server_for(&(struct client){ XLB_IPV4, 1, 1024 }, SPARE));
	assert_int_equal(next_of(XLB_IPV4, 1), first);
}

static void test_dry_runs(void **state)
{
	static const uint8_t ways[] = { XLB_BY_SOURCE, XLB_BY_TURN, XLB_BY_LOAD };

	(void)state;
	dry_start();
	for (size_t i = 0; i < sizeof(ways); i++) {
		farm_make(&(struct farm){ WEB,
					  ways[i],
					  ways[i] == XLB_BY_LOAD ? FILL_ROWS : FILL_TURNS,
					  2,
					  { WEB, SPARE },
					  { 10, 10 },
					  ways[i] == XLB_BY_TURN ? HOUR : 0 });
		for (uint32_t n = 0; n < 10; n++) {
			struct client client = client_at(XLB_IPV4, (uint32_t)i * 10 + n);

			server_for(&client, WEB);
		}
	}
	dry_stop();
}

const struct CMUnitTest schedule_tests[] = {
	{ .name = "schedule: turns by weight, over ten thousand flows", .test_func = test_turns },
	{ .name = "schedule: a source address has one server", .test_func = test_source },
	{ .name = "schedule: by load, flows are in proportion to weights", .test_func = test_load },
	{ .name = "schedule: by load, what ends is made up for", .test_func = test_load_levels },
	{ .name = "schedule: by load, a server that holds its flows gets fewer",
	  .test_func = test_load_of_slow_server },
	{ .name = "schedule: load of others", .test_func = test_load_of_others },
	{ .name = "schedule: flows stay when the scheduler changes", .test_func = test_flows_stay },
	{ .name = "schedule: what begins no flow takes no turn", .test_func = test_strangers },
	{ .name = "schedule: a source stays with its server, until it has begun nothing for too long",
	  .test_func = test_affinity },
	{ .name = "schedule: a source leaves a server that takes no flows",
	  .test_func = test_affinity_ends },
	{ .name = "schedule: each group has sources of its own",
	  .test_func = test_affinity_of_groups },
	{ .name = "schedule: dry runs take no turn", .test_func = test_dry_runs },
	{},
};
