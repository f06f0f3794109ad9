// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What can run out, what is counted, and what happens when two CPUs meet. */
#include "tests.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"
#include "talk.h"

#define TINY_PORTS 5

static const struct step steps_open[] = { ESTABLISH, {} };
static const struct step steps_close[] = { CLOSE, {} };

static void check_flows(uint32_t count)
{
	const char *fault = talk_check_flows(count);

	if (fault)
		fail_msg("%s", fault);
}

/* Sends a SYN; true if it was forwarded, false if it was dropped for the reason. */
static bool try_open(struct talk *talk, enum xlb_reason reason)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	struct frame frame = talk_frame(talk, CLIENT, SYN);
	uint64_t drops = world_drops(reason);

	world_send(data, frame_build(&frame, data), &got);
	if (got.verdict == XDP_REDIRECT)
		return true;
	if (got.verdict != XDP_DROP || world_drops(reason) != drops + 1)
		fail_msg("verdict %u, reason %d not counted", got.verdict, reason);
	return false;
}

static uint64_t evictions(void)
{
	uint64_t count = 0;

	assert_int_equal(datapath_evictions(world_datapath(), &count), 0);
	return count;
}

/* A port of whatever pool has one; closed flows lose their port when there is no other, live ones never. */
static void test_snat_exhausted(void **state)
{
	(void)state;
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct talk talks[TINY_PORTS], more;
		uint64_t evicted = evictions();
		bool opened = false;
		uint16_t port;
		int own = 0;

		world_reset();
		for (int i = 0; i < TINY_PORTS; i++) {
			talk_init(&talks[i], family, IPPROTO_TCP, TINY, VIP_OWN);
			talk_run(&talks[i], steps_open);
			port = talks[i].now.snat_port;
			if (port < TINY_FROM + 3)
				assert_in_range(port, TINY_FROM, TINY_FROM + 2);
			else
				assert_in_range(port, TINY_FROM + 100, TINY_FROM + 101);
		}
		check_flows(TINY_PORTS);
		talk_init(&more, family, IPPROTO_TCP, TINY, VIP_OWN);
		for (int i = 0; i < 50; i++)
			assert_false(try_open(&more, XLB_DROP_SNAT_EXHAUSTED));
		check_flows(TINY_PORTS);
		assert_int_equal(evictions(), evicted);
		/* one that only waits for its port to be safe */
		talk_run(&talks[1], steps_close);
		for (int i = 0; i < 50 && !opened; i++)
			opened = try_open(&more, XLB_DROP_SNAT_EXHAUSTED);
		assert_true(opened);
		check_flows(TINY_PORTS);
		assert_int_equal(evictions(), evicted + 1);
		more.now = talks[1].now;
		talk_run(&more, (const struct step[]){ FORWARD(CLIENT, SYN),
						       FORWARD(SERVER, SYN | ACK),
						       FORWARD(CLIENT, ACK),
						       {} });
		for (int i = 0; i < TINY_PORTS; i++) {
			struct frame frame = talk_frame(&talks[i], CLIENT, ACK);

			if (i == 1)
				continue;
			assert_null(talk_send(&talks[i], CLIENT, &frame, FORWARDED, XLB_DROP_NONE));
			own++;
		}
		assert_int_equal(own, TINY_PORTS - 1);
		/* a closed flow of the same client has no fresh port to go to but finds its way */
		talk_run(&more, steps_close);
		opened = false;
		for (int i = 0; i < 50 && !opened; i++)
			opened = try_open(&more, XLB_DROP_SNAT_EXHAUSTED);
		assert_true(opened);
		check_flows(TINY_PORTS);
		assert_int_equal(evictions(), evicted + 2);
		world_end_flows(FLOW_DELETE);
		check_flows(0);
	}
}

/* Thousands of flows: every port is in the pool and given once. */
static void test_many_flows(void **state)
{
	static uint8_t taken[65536];
	struct talk talk;

	(void)state;
	memset(taken, 0, sizeof(taken));
	for (uint32_t i = 0; i < 3000; i++) {
		const struct step open = FORWARD(CLIENT, SYN), answer = FORWARD(CLIENT, ACK);

		talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
		talk.client_port = (uint16_t)(1024 + i);
		assert_null(talk_step(&talk, &open));
		assert_null(talk_step(&talk, &answer));
		assert_int_equal(taken[talk.now.snat_port]++, 0);
	}
	check_flows(3000);
	world_end_flows(FLOW_DELETE);
	check_flows(0);
}

/* Opens a flow and lets its client answer: no longer half-open. */
static bool try_establish(struct talk *talk)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	struct frame frame = talk_frame(talk, CLIENT, ACK);

	if (!try_open(talk, XLB_DROP_FLOW_TABLE_FULL))
		return false;
	world_send(data, frame_build(&frame, data), &got);
	assert_int_equal(got.verdict, XDP_REDIRECT);
	return true;
}

/* Full is where all that a key can be in is taken by flows in use; none of those is lost. */
static void test_table_full(void **state)
{
	static struct talk quiet[40];
	struct talk talk, closed;
	uint32_t count = 1;

	(void)state;
	world_room(64);
	talk_init(&closed, XLB_IPV6, IPPROTO_TCP, WEB, VIP_OWN);
	talk_run(&closed, steps_open);
	for (int refused = 0; refused < 500;) {
		talk_init(&talk, XLB_IPV6, IPPROTO_TCP, WEB, VIP_OWN);
		if (try_establish(&talk))
			quiet[count++ % 40] = talk;
		else
			refused++;
	}
	assert_in_range(count, tables_entries(XLB_IPV6) * 3 / 4, tables_entries(XLB_IPV6));
	check_flows(count);
	/* nor are those that have nothing to say for a while, whoever knocks */
	world_age(70);
	for (int i = 0; i < 2000; i++) {
		talk_init(&talk, XLB_IPV6, IPPROTO_TCP, WEB, VIP_OWN);
		try_open(&talk, XLB_DROP_FLOW_TABLE_FULL);
	}
	for (size_t i = 0; i < 40; i++) {
		uint32_t flows = tables_flows();

		assert_true(try_open(&quiet[i], XLB_DROP_FLOW_TABLE_FULL));
		assert_int_equal(tables_flows(), flows);
	}
	/* a closed flow makes room, for one of its own client too */
	talk_run(&closed, steps_close);
	assert_true(try_open(&closed, XLB_DROP_FLOW_TABLE_FULL));
	world_end_flows(FLOW_DELETE);
	check_flows(0);
	world_room(WORLD_FLOWS);
}

/* A flood of SYNs takes the place of its own flows only, and never all of the table. */
static void test_flood(void **state)
{
	static struct talk talks[40];
	struct talk flood;

	(void)state;
	world_room(64);
	for (size_t i = 0; i < 40; i++) {
		talk_init(&talks[i], XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
		talk_run(&talks[i], steps_open);
	}
	for (uint32_t i = 0; i < 20000; i++) {
		talk_init(&flood, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
		assert_true(try_open(&flood, XLB_DROP_FLOW_TABLE_FULL));
	}
	for (size_t i = 0; i < 40; i++)
		talk_run(&talks[i],
			 (const struct step[]){ FORWARD(CLIENT, ACK), FORWARD(SERVER, ACK), {} });
	assert_int_equal(tables_flows(), tables_locators());
	assert_int_equal(tables_flows(), world_ports_taken());
	assert_in_range(tables_flows(), 41, tables_entries(XLB_IPV4) * 4 / 5);
	world_end_flows(FLOW_DELETE);
	check_flows(0);
	world_room(WORLD_FLOWS);
}

/* No more than 1000 RSTs a second for segments of no flow; what is above is dropped silently. */
static void test_rate_limit(void **state)
{
	struct frame frame;
	struct talk talk;

	(void)state;
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, ACK);
	talk_send_until_limited(&frame, XLB_DROP_NO_FLOW);
	/* flows that are known are told all the same */
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	talk_run(&talk, (const struct step[]){
				ESTABLISH, DO(KILL, 0), RESET(CLIENT, ACK, FLOW_RESET), {} });
}

/* A locator that leads to a flow with another port is not believed: the packet is the host's. */
static void test_stale_locator(void **state)
{
	(void)state;
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct talk talk, stale;
		struct frame frame;
		const char *fault;

		talk_init(&talk, family, IPPROTO_TCP, WEB, VIP_OWN);
		talk_run(&talk, steps_open);
		stale = talk;
		stale.now.snat_port = (uint16_t)(talk.now.snat_port ^ 1);
		frame = talk_frame(&stale, SERVER, ACK);
		struct xlb_flow_key key = talk_key(&talk);
		struct xlb_reply_key reply = {
			.server = frame.source,
			.peer = frame.destination,
			.server_port = htons(frame.source_port),
			.peer_port = htons(frame.destination_port),
			.protocol = IPPROTO_TCP,
		};

		tables_locator(&reply, &key, true);
		fault = talk_send(&stale, SERVER, &frame, PASSED, XLB_DROP_NONE);
		tables_locator(&reply, &key, false);
		if (fault)
			fail_msg("%s", fault);
	}
}

struct counts {
	uint64_t listener[XLB_COUNT_MAX], server[XLB_COUNT_MAX], interface[XLB_IFCOUNT_MAX];
};

static struct counts counts_read(uint8_t protocol)
{
	struct datapath *dp = world_datapath();
	struct counts counts;

	assert_int_equal(datapath_flow_counters(dp, TABLE_LISTENER, id_listener(WEB, protocol), 1,
						&counts.listener),
			 0);
	assert_int_equal(datapath_flow_counters(dp, TABLE_SERVER, id_server(WEB, XLB_IPV4), 1,
						&counts.server),
			 0);
	assert_int_equal(datapath_interface_counters(dp, SLOT_CLIENTS, counts.interface), 0);
	return counts;
}

static void test_counters(void **state)
{
	const struct step steps[] = {
		ESTABLISH, /* 2 in, 1 out */
		FORWARD(CLIENT, ACK),
		REFUSE(CLIENT, ACK, TTL_EXPIRED, LAST_HOP),
		FORWARD(SERVER, ACK),
		DO(KILL, 0),
		RESET(CLIENT, ACK, FLOW_RESET),
		DO(SWEEP, 0),
		PASS(SERVER, ACK),
		{},
	};
	struct counts before, after;
	struct talk talk;

	(void)state;
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	before = counts_read(IPPROTO_TCP);
	talk_run(&talk, steps);
	after = counts_read(IPPROTO_TCP);
	for (int i = 0; i < XLB_COUNT_MAX; i++) {
		static const uint64_t want[XLB_COUNT_MAX] = {
			[XLB_COUNT_FLOWS] = 1,
			[XLB_COUNT_PACKETS_IN] = 3,
			[XLB_COUNT_BYTES_IN] = 3 * 54 + 2 * 37,
			[XLB_COUNT_PACKETS_OUT] = 2,
			[XLB_COUNT_BYTES_OUT] = 2 * 54 + 37,
			[XLB_COUNT_DROPS] = 1,
			[XLB_COUNT_RESETS] = 1,
		};

		assert_int_equal(after.listener[i] - before.listener[i], want[i]);
		assert_int_equal(after.server[i] - before.server[i], want[i]);
	}
	for (int i = 0; i < XLB_IFCOUNT_MAX; i++) {
		static const uint64_t want[XLB_IFCOUNT_MAX] = {
			[XLB_IFCOUNT_PACKETS] = 8,
			[XLB_IFCOUNT_BYTES] = 8 * 54 + 6 * 37,
			[XLB_IFCOUNT_PASS] = 1,
			[XLB_IFCOUNT_TX] = 2 + 2, /* two replies, an ICMP error, a RST */
			[XLB_IFCOUNT_REDIRECT] = 3,
		};

		assert_int_equal(after.interface[i] - before.interface[i], want[i]);
	}
}

/*
 * What servers reset is counted once a flow, however many RSTs they send; what clients reset, or is over, is not. SYNs that come
 * again a second later count until the server has said anything.
 */
static void test_failed_flows(void **state)
{
	static const struct {
		struct step steps[10];
		uint32_t resets, unanswered;
	} rows[] = {
		{ { FORWARD(CLIENT, SYN), DO(AGE, 2), FORWARD(CLIENT, SYN), DO(AGE, 4),
		    FORWARD(CLIENT, SYN) },
		  0,
		  2 },
		{ { FORWARD(CLIENT, SYN), DO(AGE, 2), FORWARD(CLIENT, SYN),
		    FORWARD(SERVER, RST | ACK) },
		  1,
		  1 },
		/* nobody had the time to answer: a network, or somebody who means harm, has doubled it */
		{ { FORWARD(CLIENT, SYN), FORWARD(CLIENT, SYN), FORWARD(SERVER, SYN | ACK) }, 0, 0 },
		{ { ESTABLISH, FORWARD(CLIENT, ACK) }, 0, 0 },
		{ { ESTABLISH, CLOSE }, 0, 0 },
		{ { ESTABLISH, FORWARD(CLIENT, RST) }, 0, 0 },
		/* the first that the client hears */
		{ { FORWARD(CLIENT, SYN), FORWARD(SERVER, RST | ACK) }, 1, 0 },
		{ { FORWARD(CLIENT, SYN), FORWARD(SERVER, RST | ACK), FORWARD(CLIENT, SYN),
		    FORWARD(SERVER, RST | ACK) },
		  1,
		  0 },
		{ { ESTABLISH, FORWARD(SERVER, RST) }, 1, 0 },
		{ { ESTABLISH, FORWARD(SERVER, RST | ACK), FORWARD(CLIENT, ACK),
		    FORWARD(SERVER, RST), FORWARD(SERVER, RST) },
		  1,
		  0 },
		{ { ESTABLISH, FORWARD(CLIENT, FIN | ACK), FORWARD(SERVER, RST) }, 1, 0 },
		{ { ESTABLISH, CLOSE, FORWARD(SERVER, RST) }, 0, 0 },
		/* it accepts on the second try, and then resets that connection */
		{ { FORWARD(CLIENT, SYN), FORWARD(SERVER, RST | ACK), FORWARD(CLIENT, SYN),
		    FORWARD(SERVER, SYN | ACK), FORWARD(CLIENT, ACK), FORWARD(SERVER, RST) },
		  2,
		  0 },
	};
	static const enum service services[] = { WEB, NAT, CROSS };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t j = 0; j < sizeof(services) / sizeof(services[0]); j++) {
			uint8_t family = i % 2 ? XLB_IPV4 : XLB_IPV6;
			uint32_t id = id_server(services[j], service_family(services[j], family));
			uint64_t before[XLB_COUNT_MAX], after[XLB_COUNT_MAX];
			struct talk talk;

			world_reset();
			assert_int_equal(datapath_flow_counters(world_datapath(), TABLE_SERVER, id,
								1, &before),
					 0);
			talk_init(&talk, family, IPPROTO_TCP, services[j], VIP_OWN);
			talk_run(&talk, rows[i].steps);
			assert_int_equal(datapath_flow_counters(world_datapath(), TABLE_SERVER, id,
								1, &after),
					 0);
			assert_int_equal(after[XLB_COUNT_RESET_FLOWS] -
						 before[XLB_COUNT_RESET_FLOWS],
					 rows[i].resets);
			assert_int_equal(after[XLB_COUNT_UNANSWERED] - before[XLB_COUNT_UNANSWERED],
					 rows[i].unanswered);
		}
}

const struct CMUnitTest resource_tests[] = {
	{ .name = "counters: flows that servers reset, or do not answer",
	  .test_func = test_failed_flows },
	{ .name = "snat_exhausted: pools, closed flows, live flows",
	  .test_func = test_snat_exhausted },
	{ .name = "SNAT ports are given once", .test_func = test_many_flows },
	{ .name = "flow_table_full", .test_func = test_table_full },
	{ .name = "a flood of SYNs keeps to itself", .test_func = test_flood },
	{ .name = "rate_limited", .test_func = test_rate_limit },
	{ .name = "stale reply locator", .test_func = test_stale_locator },
	{ .name = "counters of listener, server, interface", .test_func = test_counters },
	{ 0 },
};
