// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A flood of SYNs from forged sources, at its pace by the clock, among established flows of which half go on sending
 * and half are silent: whether these are still there afterwards, and what packets cost meanwhile. No daemon sweeps,
 * so nothing of the flood leaves the table but what the datapath takes out itself.
 *
 *	build/tests/bench/flood [-f FLOWS] [-t TABLE] [-p SYNS] [-s SECONDS] [MODE...]
 *
 * SYNS is for a second, TABLE the flows that the table is made for.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../packet/world.h"
#include "base/words.h"
#include "farm.h"

#define TICKS		4	   /* a second: SYNs, then packets of established flows */
#define QUIET_SECONDS	5	   /* before and after */
#define TALK		5000U	   /* packets of established flows in a tick */
#define FORGED_FIRST	(1U << 31) /* numbers of the flood's flows: any of so many ends, */
#define FORGED		(1U << 31) /* none an established flow's */
#define MIB		(1 << 20)
#define EACH_VISIT	8192
#define FLOWS_MAX	10000000UL
#define SYNS_MAX	4000000UL
#define TRIVIAL_OF_SYNS 10 /* so many times less of the trivial program, whose time hardly varies */

static struct options {
	uint32_t flows, table, syns;
	int seconds;
} options = { 100000, XLB_DEFAULT_FLOWS, 200000, 60 };

static struct front front;

/* What some seconds with or without the flood were like. */
struct phase {
	double wall; /* s */
	uint64_t syns, talk_dropped;
	uint64_t dropped[XLB_DROP_COUNT]; /* of SYNs */
	struct figure syn, talk;
};

/* What is in the table, by entries. */
struct census {
	uint32_t since; /* stamp */
	uint64_t old;	/* established, since before that */
	uint64_t half_open, other;
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void wait_until(double s)
{
	const struct timespec at = { (time_t)s, (long)((s - (double)(time_t)s) * 1e9) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void send_syns(struct phase *phase, int tick, uint32_t count, double *ret_own,
		      double *ret_trivial)
{
	const struct farm_load load = {
		.protocol = IPPROTO_TCP, .flags = SYN, .first = FORGED_FIRST, .flows = FORGED
	};
	uint64_t before[XLB_DROP_COUNT];

	for (uint32_t reason = 0; reason < XLB_DROP_COUNT; reason++)
		before[reason] = world_drops(reason);
	*ret_own = farm_round(&front, &load, tick, farm_program(), count);
	for (uint32_t reason = 0; reason < XLB_DROP_COUNT; reason++)
		phase->dropped[reason] += world_drops(reason) - before[reason];
	*ret_trivial = farm_round(&front, &load, tick, front.trivial, count / TRIVIAL_OF_SYNS + 1);
	phase->syns += count;
}

static void send_talk(struct phase *phase, int tick, double *ret_own, double *ret_trivial)
{
	const struct farm_load load = { .protocol = IPPROTO_TCP,
					.flags = ACK,
					.flows = options.flows / 2 };
	uint64_t drops = farm_drops();

	*ret_own = farm_round(&front, &load, tick, farm_program(), TALK);
	phase->talk_dropped += farm_drops() - drops;
	*ret_trivial = farm_round(&front, &load, tick, front.trivial, TALK);
}

static struct phase pass(int seconds, uint32_t syns)
{
	static double times[2][ROUNDS_MAX], trivial[2][ROUNDS_MAX];
	const int ticks = seconds * TICKS;
	struct phase phase = {};
	double start = now_s();

	for (int tick = 0; tick < ticks; tick++) {
		wait_until(start + (double)tick / TICKS);
		if (syns)
			send_syns(&phase, tick, syns / TICKS, &times[0][tick], &trivial[0][tick]);
		send_talk(&phase, tick, &times[1][tick], &trivial[1][tick]);
	}
	wait_until(start + seconds);
	phase.wall = now_s() - start;
	if (syns)
		phase.syn = figure_of(times[0], trivial[0], ticks);
	phase.talk = figure_of(times[1], trivial[1], ticks);
	return phase;
}

static enum flow_action count_flow(void *arg, const struct xlb_flow_key *key,
				   const struct xlb_flow *flow)
{
	struct census *census = arg;

	(void)key;
	if (flow->state == XLB_FLOW_NEW)
		census->half_open++;
	else if (flow->state == XLB_FLOW_ESTABLISHED &&
		 ((census->since - flow->created) & XLB_STAMP_MASK) <= XLB_STAMP_MASK / 2)
		census->old++;
	else
		census->other++;
	return FLOW_KEEP;
}

static void take_census(struct census *census)
{
	AUTO(flow_walk_free) struct flow_walk *walk = flow_walk_new(world_datapath());
	struct xlb_err err = {};
	bool done = false;

	while (walk && !done)
		if (flow_walk_next(walk, EACH_VISIT, count_flow, census, &done, &err) < 0)
			die("%s", err.text);
}

static uint64_t evictions(void)
{
	uint64_t count = 0;

	if (datapath_evictions(world_datapath(), &count))
		die("evictions");
	return count;
}

static void print_flood(const struct phase *flood)
{
	const double all = (double)flood->syns;
	uint64_t dropped = 0;

	for (uint32_t reason = 0; reason < XLB_DROP_COUNT; reason++)
		dropped += flood->dropped[reason];
	printf("  %.1fM SYNs in %.1f s, %.0f a second: %.4f%% forwarded", all / 1e6, flood->wall,
	       all / flood->wall, 100 - (double)dropped * 100 / all);
	for (uint32_t reason = 0; reason < XLB_DROP_COUNT; reason++)
		if (flood->dropped[reason])
			printf(", %.4f%% dropped: %s", (double)flood->dropped[reason] * 100 / all,
			       reason_word(reason));
	printf("\n  a SYN %.0f ns net (%.0f-%.0f): one CPU would take %.1fM a second\n",
	       flood->syn.net, flood->syn.net_min, flood->syn.net_max, 1000 / flood->syn.net);
}

static void print_talk(const char *when, const struct phase *phase)
{
	printf("  established flows' packets %-6s %6.0f ns net (%.0f-%.0f), %lu dropped\n", when,
	       phase->talk.net, phase->talk.net_min, phase->talk.net_max, phase->talk_dropped);
}

static void open_farm(enum farm_kind kind)
{
	struct farm_plan plan = { .kind = kind,
				  .family = XLB_IPV4,
				  .room = options.table,
				  .servers = farm_servers_for(options.table) };
	const char *reason = farm_open(&plan);

	if (reason) {
		printf("%s: %s\n", farm_words[kind], reason);
		exit(1);
	}
	printf("%s: a table for %u flows, %u servers; %u flows established\n", farm_words[kind],
	       plan.room, plan.servers, options.flows);
}

/* Whether every established flow is there afterwards. */
static bool measure(enum farm_kind kind)
{
	struct phase before, flood, after;
	struct census census = {};
	uint64_t known, made, memory;

	open_farm(kind);
	farm_fill(&front, IPPROTO_TCP, 0, options.flows);
	/* not all of them where the table is made for hardly more */
	made = farm_present(&front, IPPROTO_TCP, options.flows);
	memory = memory_of_maps();
	before = pass(QUIET_SECONDS, 0);
	census.since = datapath_stamp() - 1;
	flood = pass(options.seconds, options.syns);
	take_census(&census);
	printf("  memory %.1f MiB before, %.1f after\n", (double)memory / MIB,
	       (double)memory_of_maps() / MIB);
	known = farm_present(&front, IPPROTO_TCP, options.flows);
	after = pass(QUIET_SECONDS, 0);
	print_flood(&flood);
	print_talk("before", &before);
	print_talk("during", &flood);
	print_talk("after", &after);
	printf("  in the table: %lu established since before, %lu half-open, %lu others; %lu evicted\n",
	       census.old, census.half_open, census.other, evictions());
	printf("  established flows known: %lu before, %lu after\n", made, known);
	farm_close();
	return known == made && census.old == made;
}

static int usage(void)
{
	fprintf(stderr, "usage: flood [-f FLOWS] [-t TABLE] [-p SYNS] [-s SECONDS] [MODE...]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static char *both[] = { "fullnat", "dr" };
	char **modes = both;
	int option, count = 2;
	bool kept = true;

	while ((option = getopt(argc, argv, "f:t:p:s:")) != -1) {
		if (option == 'f')
			options.flows = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 't')
			options.table = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'p')
			options.syns = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 's')
			options.seconds = atoi(optarg);
		else
			return usage();
	}
	if (options.flows < 2 || options.flows > FLOWS_MAX || !options.table ||
	    options.syns < TICKS || options.syns > SYNS_MAX || options.seconds < 1 ||
	    options.seconds > ROUNDS_MAX / TICKS)
		return usage();
	if (optind < argc) {
		modes = argv + optind;
		count = argc - optind;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	pin_to_cpu(0);
	front_open(&front, 0);
	for (int i = 0; i < count; i++)
		kept = measure(farm_kind_of(modes[i])) && kept;
	front_close(&front);
	return kept ? 0 : 1;
}
