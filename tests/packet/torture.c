// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Two CPUs and the daemon at work on the same flows: nothing is lost, doubled, mixed or leaked. */
#include "tests.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tables.h"
#include "talk.h"

static void check_flows(uint32_t count)
{
	const char *fault = talk_check_flows(count);

	if (fault)
		fail_msg("%s", fault);
}

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

/* Each CPU sends its frames, the n-th of both at the same time. */
static void lockstep_of(struct sender senders[2], uint8_t (*frames)[FRAME_MAX], size_t *lengths,
			uint8_t (*others)[FRAME_MAX], size_t *other_lengths)
{
	atomic_store(&arrived, 0);
	senders[0] = (struct sender){ .cpu = 0, .frames = frames, .lengths = lengths };
	senders[1] = (struct sender){ .cpu = 1, .frames = others, .lengths = other_lengths };
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&senders[i].thread, NULL, sender_run, &senders[i]),
				 0);
	for (int i = 0; i < 2; i++)
		pthread_join(senders[i].thread, NULL);
}

/* Both CPUs send the same frames at the same time. */
static void lockstep(struct sender senders[2], uint8_t (*frames)[FRAME_MAX], size_t *lengths)
{
	lockstep_of(senders, frames, lengths, frames, lengths);
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
	/* so large that no half-open flow makes way for another */
	world_room(8 * WORLD_FLOWS);
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

			/* who finds the other at work, and waits in vain, drops: the client sends again */
			assert_true(sent[0] || sent[1]);
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
	world_room(WORLD_FLOWS);
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

/* --- everything at once --------------------------------------------------------------------------- */

#define TORTURE_TURNS	40
#define TORTURE_ROOM	64
#define TORTURE_CLIENTS 48 /* more than a small table has room for, in both families */

static const enum service tortured[] = { WEB, NAT, NAT_TWIN, DR, CROSS, TINY };
#define TORTURED (sizeof(tortured) / sizeof(tortured[0]))

/* A frame of any of the clients, alike for the same seed. */
static size_t torture_frame(unsigned int *seed, uint8_t *data)
{
	static const uint8_t flags[] = { SYN, SYN, SYN, ACK, ACK, FIN | ACK, RST };
	uint8_t family = rand_r(seed) % 2 ? XLB_IPV4 : XLB_IPV6;
	uint8_t protocol = rand_r(seed) % 4 ? IPPROTO_TCP : IPPROTO_UDP;
	struct frame frame;
	struct talk talk;

	talk_init(&talk, family, protocol, tortured[(size_t)rand_r(seed) % TORTURED], VIP_OWN);
	talk.client_port = (uint16_t)(30000 + rand_r(seed) % TORTURE_CLIENTS);
	frame = talk_frame(&talk, CLIENT, flags[(size_t)rand_r(seed) % sizeof(flags)]);
	return frame_build(&frame, data);
}

/* The daemon keeps, ends and entombs whatever it meets. */
static enum flow_action torture_visit(void *arg, const struct xlb_flow_key *key,
				      const struct xlb_flow *flow)
{
	static const enum flow_action actions[] = { FLOW_KEEP, FLOW_KEEP, FLOW_DELETE,
						    FLOW_TO_TOMBSTONE };

	(void)key, (void)flow;
	return actions[(size_t)rand_r(arg) % 4];
}

/* What the daemon does beside its sweep: a table gets another size, now this one, now that. */
static void torture_resize(struct table_resize **resize, unsigned int *seed)
{
	struct xlb_err err = {};

	if (!*resize)
		*resize = table_resize_new(world_datapath(),
					   (enum xlb_flow_table_id)(rand_r(seed) % XLB_FLOW_TABLES),
					   (uint32_t)(rand_r(seed) % 4 + 1) * TORTURE_ROOM, &err);
	if (!*resize)
		abort();
	switch (table_resize_step(*resize, 50, &err)) {
	case TABLE_RESIZE_DONE:
		*resize = table_resize_free(*resize);
		break;
	case TABLE_RESIZE_FAILED:
		abort();
	default:
		break;
	}
}

struct daemon {
	unsigned int seed;
	struct table_resize *resize; /* under way; NULL: none */
};

static void *torture_sweep(void *arg)
{
	AUTO(flow_walk_free) struct flow_walk *walk = flow_walk_new(world_datapath());
	struct daemon *daemon = arg;
	struct xlb_err err = {};
	bool done;

	while (sweeping) {
		if (!walk || flow_walk_next(walk, 50, torture_visit, &daemon->seed, &done, &err))
			abort();
		torture_resize(&daemon->resize, &daemon->seed);
	}
	return NULL;
}

/*
 * Tables change their size all the while. Each turn both CPUs send a thousand frames of the same few clients, in lockstep: the same frames in one turn,
 * different ones in the next. What writers that were killed leave behind lies about, old and young.
 */
static void test_torture(void **state)
{
	static uint8_t frames[2][ROUNDS][FRAME_MAX];
	static size_t lengths[2][ROUNDS];
	static struct sender senders[2];
	struct daemon daemon = { .seed = 12 };
	struct xlb_err err = {};
	unsigned int seed = 11;
	pthread_t sweeper;
	const char *fault;

	(void)state;
	need_two_cpus();
	world_room(TORTURE_ROOM);
	for (uint32_t turn = 0; turn < TORTURE_TURNS / talk_part(); turn++) {
		for (int i = 0; i < ROUNDS; i++) {
			lengths[0][i] = torture_frame(&seed, frames[0][i]);
			lengths[1][i] = torture_frame(&seed, frames[1][i]);
		}
		tables_plant_busy(turn % 2 ? 0 : 2 * XLB_FLOW_ABANDONED, 10);
		sweeping = true;
		assert_int_equal(pthread_create(&sweeper, NULL, torture_sweep, &daemon), 0);
		lockstep_of(senders, frames[0], lengths[0], frames[turn / 2 % 2],
			    lengths[turn / 2 % 2]);
		sweeping = false;
		pthread_join(sweeper, NULL);
		tables_forget();
		/* nobody comes back to what was planted */
		tables_age(2 * XLB_FLOW_ABANDONED);
		world_end_flows(FLOW_KEEP);
		fault = tables_fault();
		if (fault)
			fail_msg("turn %u: %s", turn, fault);
		assert_int_equal(world_ports_taken(), tables_snat_flows());
		if (turn % 4 == 3)
			world_age(TCP_IDLE);
	}
	world_end_flows(FLOW_DELETE);
	while (daemon.resize && table_resize_step(daemon.resize, 1000, &err) != TABLE_RESIZE_DONE)
		;
	table_resize_free(daemon.resize);
	tables_forget();
	assert_int_equal(tables_flows(), 0);
	assert_int_equal(tables_locators(), 0);
	assert_int_equal(world_ports_taken(), 0);
	world_room(WORLD_FLOWS);
}

const struct CMUnitTest torture_tests[] = {
	{ .name = "two CPUs: the same flow in lockstep", .test_func = test_lockstep },
	{ .name = "two CPUs: packets against the daemon's sweep", .test_func = test_sweep_race },
	{ .name = "two CPUs: everything at once", .test_func = test_torture },
	{},
};
