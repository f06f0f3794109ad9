// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A flow table of a hundred million IPv4 flows, filled by packets: memory, how many of the flows are there
 * in the end, what packets of known, unknown and new flows cost, and how long a sweep takes.
 *
 *	build/tests/bench/capacity [-r ROUNDS] [-f FLOWS] [MODE...]      make bench-100m
 *
 * Refuses what does not fit into memory.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../packet/world.h"
#include "farm.h"

#define REPEAT	       200000U
#define RESERVED       (2ULL << 30) /* bytes that stay free */
#define MIB	       (1 << 20)
#define MILLION	       1000000U
#define STEP	       (MILLION / 4)
#define FILLED_PERCENT 70 /* where xlbd makes tables grow */
#define FLOWS_MAX      2000000000U

static int rounds = 9;
static struct front front;

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Whether the memory is enough for the tables and those of half their size that they grow from; told. */
static bool fits(enum farm_kind kind, uint32_t room)
{
	uint64_t need = farm_bytes(kind, XLB_IPV4, room), left = memory_available();

	printf("%s: tables for %.1fM flows take %.0f MiB, of memory %.0f MiB are left\n",
	       farm_words[kind], (double)room / MILLION, (double)need / MIB, (double)left / MIB);
	if (need + need / 2 + RESERVED <= left)
		return true;
	printf("refused: too little, while the tables grow; -f says how many flows\n");
	return false;
}

static void tell(const char *what, struct farm_load *load)
{
	double dropped;
	struct figure figure = farm_measure(&front, load, rounds, REPEAT, &dropped);

	printf("  %-34s %7.1f ns net, %.1f - %.1f, %.2f times the trivial program, %.2f%% dropped\n",
	       what, figure.net, figure.net_min, figure.net_max, figure.ratio, dropped * 100);
}

/* Tables double as they are filled, as xlbd makes them, but for the last step, which is to `room`. */
static void make_room(uint32_t flows, uint32_t room, uint32_t *present)
{
	double start = now_s();
	uint32_t next = *present;

	if ((uint64_t)flows * 100 <= (uint64_t)*present * FILLED_PERCENT || next == room)
		return;
	next = next > room / 2 ? room : 2 * next;
	farm_grow(next);
	printf("\r  grown to %.1fM with %.1fM flows there, in %.2f s\n", (double)next / MILLION,
	       (double)flows / MILLION, now_s() - start);
	*present = next;
}

static void fill(uint32_t flows, uint32_t room)
{
	double start = now_s(), ns = 0;
	uint32_t present = XLB_DEFAULT_FLOWS;

	for (uint32_t from = 0; from < flows; from += STEP) {
		uint32_t to = flows - from < STEP ? flows : from + STEP;

		make_room(to, room, &present);
		ns += farm_fill(&front, IPPROTO_TCP, from, to) * (to - from);
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r%.1fM ", (double)to / MILLION);
	}
	printf("\r  filled in %.0f s, %.0f ns for the packet that makes a flow\n", now_s() - start,
	       ns / flows);
}

static void measure(enum farm_kind kind, uint32_t flows, uint32_t room)
{
	struct farm_plan plan = { .kind = kind,
				  .family = XLB_IPV4,
				  .room = XLB_DEFAULT_FLOWS,
				  .servers = farm_servers_for(room) };
	struct farm_load hit = { .protocol = IPPROTO_TCP, .flags = ACK, .flows = flows };
	/* RST: of no flow it is dropped and not answered */
	struct farm_load miss = {
		.protocol = IPPROTO_TCP, .flags = RST, .first = room, .flows = flows
	};
	struct farm_load new = {
		.protocol = IPPROTO_TCP, .flags = SYN, .first = flows, .in_turn = true
	};
	uint64_t before = memory_of_maps();
	const char *reason = farm_open(&plan);
	double start;

	printf("  %u servers", plan.servers);
	if (farm_has_ports(kind))
		printf(", %d SNAT addresses", XLB_SERVER_POOLS);
	if (reason) {
		printf(": %s\n", reason);
		exit(1);
	}
	printf("\n");
	fill(flows, room);
	printf("  tables and the rest of the maps: %.0f MiB, of them IPv4 flows and replies %.0f\n",
	       (double)(memory_of_maps() - before) / MIB,
	       (double)farm_bytes(kind, XLB_IPV4, room) / MIB);
	printf("  present: %.4f%%\n",
	       (double)farm_present(&front, IPPROTO_TCP, flows) * 100 / flows);
	farm_listen(false);
	tell("known flow, at random", &hit);
	tell("unknown flow, dropped", &miss);
	farm_listen(true);
	tell("new flow", &new);
	start = now_s();
	world_end_flows(FLOW_KEEP);
	printf("  sweep over all flows in %.1f s\n", now_s() - start);
	farm_close();
}

static int usage(void)
{
	fprintf(stderr, "usage: capacity [-r ROUNDS] [-f FLOWS] [MODE...]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static char *both[] = { "dr", "fullnat" };
	char **modes = both;
	unsigned long flows = 100 * MILLION;
	int option, count = 2;
	uint32_t room;

	while ((option = getopt(argc, argv, "r:f:")) != -1) {
		if (option == 'r')
			rounds = atoi(optarg);
		else if (option == 'f')
			flows = strtoul(optarg, NULL, 10);
		else
			return usage();
	}
	if (rounds < 1 || rounds > ROUNDS_MAX || !flows || flows > FLOWS_MAX)
		return usage();
	if (optind < argc) {
		modes = argv + optind;
		count = argc - optind;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	pin_to_cpu(0);
	/* and those that the rounds of new flows make */
	room = (uint32_t)flows + (uint32_t)(rounds + 1) * REPEAT;
	front_open(&front, 0);
	for (int i = 0; i < count; i++) {
		if (!fits(farm_kind_of(modes[i]), room))
			return 1;
		measure(farm_kind_of(modes[i]), (uint32_t)flows, room);
	}
	front_close(&front);
	return 0;
}
