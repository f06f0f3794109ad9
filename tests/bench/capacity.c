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

#define REPEAT	  200000U
#define RESERVED  (2ULL << 30) /* bytes that stay free */
#define MIB	  (1 << 20)
#define MILLION	  1000000U
#define FLOWS_MAX 2000000000U

static int rounds = 9;
static struct front front;

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* 0, or -1 with the reason told. */
static int fits(uint64_t flows)
{
	double each = farm_bytes_per_flow(), need = each * (double)flows;
	double left = (double)memory_available() - (double)RESERVED;

	printf("a flow takes %.0f bytes: %.1fM flows %.1f GiB of %.1f GiB, which are enough for %.0fM\n",
	       each, (double)flows / MILLION, need / MIB / 1024, left / MIB / 1024,
	       left / each / MILLION);
	if (need <= left)
		return 0;
	printf("refused: memory is short by %.1f GiB; -f says how many flows\n",
	       (need - left) / MIB / 1024);
	return -1;
}

static void tell(const char *what, struct farm_load *load)
{
	double dropped;
	struct figure figure = farm_measure(&front, load, rounds, REPEAT, &dropped);

	printf("  %-34s %7.1f ns net, %.1f - %.1f, %.2f times the trivial program, %.2f%% dropped\n",
	       what, figure.net, figure.net_min, figure.net_max, figure.ratio, dropped * 100);
}

static void fill(uint32_t flows)
{
	double start = now_s(), ns = 0;

	for (uint32_t from = 0; from < flows; from += MILLION) {
		uint32_t to = flows - from < MILLION ? flows : from + MILLION;

		ns += farm_fill(&front, IPPROTO_TCP, from, to) * (to - from);
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r%uM ", to / MILLION);
	}
	printf("\r  filled in %.0f s, %.0f ns for the packet that makes a flow\n", now_s() - start,
	       ns / flows);
}

static void measure(enum farm_kind kind, uint32_t flows, uint32_t room)
{
	struct farm_plan plan = { .kind = kind,
				  .family = XLB_IPV4,
				  .max_flows = room,
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
	double start = now_s();
	const char *reason = farm_open(&plan);

	printf("%s: %u servers", farm_words[kind], plan.servers);
	if (farm_has_ports(kind))
		printf(", %d SNAT addresses", XLB_SERVER_POOLS);
	if (reason) {
		printf(": %s\n", reason);
		exit(1);
	}
	printf("\n  table made in %.1f s, %.0f MiB\n", now_s() - start,
	       (double)(memory_of_maps() - before) / MIB);
	fill(flows);
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
	if (fits(room))
		return 1;
	front_open(&front, 0);
	for (int i = 0; i < count; i++)
		measure(farm_kind_of(modes[i]), (uint32_t)flows, room);
	front_close(&front);
	return 0;
}
