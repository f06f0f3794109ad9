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

/* Pools are used one after the other; closed flows lose their port when there is no other, live ones never. */
static void test_snat_exhausted(void **state)
{
	(void)state;
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct talk talks[TINY_PORTS], more;
		uint64_t evicted = evictions();
		bool opened = false;
		int own = 0;

		world_reset();
		for (int i = 0; i < TINY_PORTS; i++) {
			talk_init(&talks[i], family, IPPROTO_TCP, TINY, VIP_OWN);
			talk_run(&talks[i], steps_open);
			assert_in_range(talks[i].now.snat_port, i < 3 ? TINY_FROM : TINY_FROM + 100,
					i < 3 ? TINY_FROM + 2 : TINY_FROM + 101);
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
		const struct step open = FORWARD(CLIENT, SYN);

		talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
		talk.client_port = (uint16_t)(1024 + i);
		assert_null(talk_step(&talk, &open));
		assert_int_equal(taken[talk.now.snat_port]++, 0);
	}
	check_flows(3000);
	world_end_flows(FLOW_DELETE);
	check_flows(0);
}

static void test_table_full(void **state)
{
	const uint32_t room = 64;
	struct talk talk, closed;
	bool opened = false;
	uint32_t count = 0;

	(void)state;
	world_close();
	assert_null(world_open(room));
	talk_init(&closed, XLB_IPV6, IPPROTO_TCP, WEB, VIP_OWN);
	talk_run(&closed, steps_open);
	for (;; count++) {
		talk_init(&talk, XLB_IPV6, IPPROTO_TCP, WEB, VIP_OWN);
		if (!try_open(&talk, XLB_DROP_FLOW_TABLE_FULL))
			break;
	}
	assert_int_equal(count, room - 1);
	check_flows(room);
	/* a closed flow makes room, for one of its own client too */
	talk_run(&closed, steps_close);
	for (int i = 0; i < 3 && !opened; i++)
		opened = try_open(&closed, XLB_DROP_FLOW_TABLE_FULL);
	assert_true(opened);
	check_flows(room);
	world_end_flows(FLOW_DELETE);
	check_flows(0);
	world_close();
	assert_null(world_open(WORLD_FLOWS));
}

/* No more than 1000 RSTs a second for segments of no flow; what is above is dropped silently. */
static void test_rate_limit(void **state)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	uint64_t limited = world_drops(XLB_DROP_RATE_LIMITED),
		 answered = world_drops(XLB_DROP_NO_FLOW);
	uint32_t sent = 0, dropped = 0;
	struct frame frame;
	struct talk talk;
	size_t length;

	(void)state;
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, ACK);
	length = frame_build(&frame, data);
	for (int i = 0; i < 20000 && !dropped; i++) {
		world_send(data, length, &got);
		assert_true(got.verdict == XDP_TX || got.verdict == XDP_DROP);
		sent += got.verdict == XDP_TX;
		dropped += got.verdict == XDP_DROP;
	}
	assert_int_equal(dropped, 1);
	assert_true(sent >= XLB_RST_PER_SECOND);
	assert_int_equal(world_drops(XLB_DROP_RATE_LIMITED) - limited, dropped);
	assert_int_equal(world_drops(XLB_DROP_NO_FLOW) - answered, sent);
	/* flows that are known are told all the same */
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	talk_run(&talk, (const struct step[]){
				ESTABLISH, DO(KILL, 0), RESET(CLIENT, ACK, FLOW_RESET), {} });
}

/* A locator that leads to a flow with another port is not believed. */
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

		world_locator(&reply, &key);
		fault = talk_send(&stale, SERVER, &frame, ANSWERED_RST, XLB_DROP_NO_FLOW);
		world_locator(&reply, NULL);
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
		DROP_TWIST(CLIENT, ACK, TTL_EXPIRED, LAST_HOP),
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
			[XLB_IFCOUNT_PACKETS] = 8,  [XLB_IFCOUNT_BYTES] = 8 * 54 + 6 * 37,
			[XLB_IFCOUNT_PASS] = 1,	    [XLB_IFCOUNT_DROP] = 1,
			[XLB_IFCOUNT_TX] = 2 + 1, /* two replies, a RST */
			[XLB_IFCOUNT_REDIRECT] = 3,
		};

		assert_int_equal(after.interface[i] - before.interface[i], want[i]);
	}
}

/* --- two CPUs ------------------------------------------------------------------------------------ */

#define ROUNDS 1000

/* How many senders have come to the end of a round, of all rounds: they spin to start together. */
static atomic_uint arrived;

/* What one CPU sends, round by round, in lockstep with the other. */
struct sender {
	pthread_t thread;
	int cpu;
	uint8_t (*frames)[FRAME_MAX];
	size_t *lengths;
	uint32_t verdicts[ROUNDS];
	uint16_t ports[ROUNDS];
};

static void *sender_run(void *arg)
{
	struct sender *sender = arg;
	struct outcome *got = malloc(sizeof(*got));
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(sender->cpu, &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		atomic_fetch_add(&arrived, 1);
		while (atomic_load(&arrived) < 2 * (i + 1))
			;
		world_send(sender->frames[i], sender->lengths[i], got);
		sender->verdicts[i] = got->verdict;
		sender->ports[i] = (uint16_t)(got->data[34] << 8 | got->data[35]);
	}
	free(got);
	return NULL;
}

/* Both CPUs send the same frames at the same time. */
static void lockstep(struct sender senders[2], uint8_t (*frames)[FRAME_MAX], size_t *lengths)
{
	atomic_store(&arrived, 0);
	for (int i = 0; i < 2; i++) {
		senders[i] = (struct sender){ .cpu = i, .frames = frames, .lengths = lengths };
		assert_int_equal(pthread_create(&senders[i].thread, NULL, sender_run, &senders[i]),
				 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(senders[i].thread, NULL);
}

static void need_two_cpus(void)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		print_message("skipped: one CPU\n");
		skip();
	}
}

/* A new flow on both CPUs at once is one flow; so is one in place of a flow that was closed. */
static void test_lockstep(void **state)
{
	static uint8_t frames[ROUNDS][FRAME_MAX];
	static size_t lengths[ROUNDS];
	static struct sender senders[2];
	static struct talk talks[ROUNDS];

	(void)state;
	need_two_cpus();
	for (int i = 0; i < ROUNDS; i++) {
		struct frame frame;

		talk_init(&talks[i], XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
		frame = talk_frame(&talks[i], CLIENT, SYN);
		lengths[i] = frame_build(&frame, frames[i]);
	}
	for (int pass = 0; pass < 2; pass++) {
		lockstep(senders, frames, lengths);
		check_flows(ROUNDS * (pass + 1U));
		for (int i = 0; i < ROUNDS; i++) {
			bool sent[2] = { senders[0].verdicts[i] == XDP_REDIRECT,
					 senders[1].verdicts[i] == XDP_REDIRECT };

			/* who finds the other at work on a closed flow drops, and the client sends again */
			assert_true(sent[0] || sent[1]);
			assert_true(pass || (sent[0] && sent[1]));
			if (sent[0] && sent[1])
				assert_int_equal(senders[0].ports[i], senders[1].ports[i]);
			talks[i].now = (struct mapping){
				.snat = addr_snat(XLB_IPV4, 0),
				.snat_port = senders[sent[0] ? 0 : 1].ports[i],
				.server = WEB,
			};
			if (!pass)
				talk_run(&talks[i],
					 (const struct step[]){ FORWARD(CLIENT, ACK), CLOSE, {} });
		}
	}
	world_end_flows(FLOW_DELETE);
	check_flows(0);
}

static atomic_bool sweeping;

static void *sweeper_run(void *arg)
{
	cpu_set_t cpus;

	(void)arg;
	CPU_ZERO(&cpus);
	CPU_SET(1, &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	while (sweeping)
		world_end_flows(FLOW_DELETE);
	return NULL;
}

/* The daemon deletes what packets are opening, closing and replacing: nothing is lost or freed twice. */
static void test_sweep_race(void **state)
{
	static const uint8_t flags[] = { SYN, ACK, FIN | ACK, RST, SYN, SYN };
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	pthread_t sweeper;
	struct talk talk;

	(void)state;
	need_two_cpus();
	srandom(5);
	sweeping = true;
	assert_int_equal(pthread_create(&sweeper, NULL, sweeper_run, NULL), 0);
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, TINY, VIP_OWN);
	for (int i = 0; i < 20000; i++) {
		struct frame frame;

		talk.service = random() % 2 ? TINY : WEB;
		talk.client_port = (uint16_t)(30000 + random() % 8);
		frame = talk_frame(&talk, CLIENT, flags[(size_t)random() % sizeof(flags)]);
		world_send(data, frame_build(&frame, data), &got);
		if (got.verdict != XDP_REDIRECT)
			continue;
		/* the server answers, so that flows close by both sides */
		talk.server = talk.service;
		talk.now = (struct mapping){
			.snat = addr_snat(XLB_IPV4, 0),
			.snat_port = (uint16_t)(got.data[34] << 8 | got.data[35]),
			.server = talk.service,
		};
		memcpy(talk.now.snat.bytes + 12, got.data + 26, 4);
		frame = talk_frame(&talk, SERVER, flags[(size_t)random() % sizeof(flags)]);
		world_send(data, frame_build(&frame, data), &got);
	}
	sweeping = false;
	pthread_join(sweeper, NULL);
	world_end_flows(FLOW_DELETE);
	check_flows(0);
}

const struct CMUnitTest resource_tests[] = {
	{ .name = "snat_exhausted: pools, closed flows, live flows",
	  .test_func = test_snat_exhausted },
	{ .name = "SNAT ports are given once", .test_func = test_many_flows },
	{ .name = "flow_table_full", .test_func = test_table_full },
	{ .name = "rate_limited", .test_func = test_rate_limit },
	{ .name = "stale reply locator", .test_func = test_stale_locator },
	{ .name = "counters of listener, server, interface", .test_func = test_counters },
	{ .name = "two CPUs: the same flow in lockstep", .test_func = test_lockstep },
	{ .name = "two CPUs: packets against the daemon's sweep", .test_func = test_sweep_race },
	{ 0 },
};
