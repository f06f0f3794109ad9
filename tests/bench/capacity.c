// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A flow table of a hundred million IPv4 flows, filled by packets: how full the tables are on the way and why flows are
 * refused, memory, how many of the flows are there in the end, what packets of known, unknown and new flows cost, and
 * how long a sweep takes.
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

#include "../packet/tables.h"
#include "../packet/world.h"
#include "base/words.h"
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

/* Why packets were dropped since this was last told, and what share of them; ends the line. */
static void tell_reasons(uint64_t packets)
{
	uint64_t reasons[XLB_DROP_COUNT];
	const char *before = "";

	farm_reasons(reasons);
	for (int i = 0; i < XLB_DROP_COUNT; i++) {
		if (!reasons[i])
			continue;
		printf("%s%s %.4f%%", before, reason_word((uint32_t)i),
		       (double)reasons[i] * 100 / (double)packets);
		before = ", ";
	}
	printf("%s\n", *before ? "" : "-");
}

static void tell(const char *what, struct farm_load *load)
{
	double dropped;
	struct figure figure = farm_measure(&front, load, rounds, REPEAT, &dropped);

	printf("  %-24s %7.1f ns net, %.1f - %.1f, %.2f times the trivial program, dropped: ", what,
	       figure.net, figure.net_min, figure.net_max, figure.ratio);
	tell_reasons((uint64_t)(rounds + 1) * REPEAT);
}

/* --- filling ----------------------------------------------------------------------------------------- */

struct filling {
	uint32_t room, present; /* that there is in the end, and now */
	bool replies;
	/* of flows from `sent` on, which nothing was told of yet */
	uint32_t sent;
	double ns;
};

static void tell_fill(uint32_t used, uint32_t places)
{
	printf(" %8.2f %5.1f%%", (double)used / MILLION, (double)used * 100 / places);
}

/* What is in the tables, counted there, and how the flows up to `sent` fared. */
static void tell_step(struct filling *step, uint32_t sent)
{
	if (sent == step->sent)
		return;
	printf("\r  %7.2f", (double)sent / MILLION);
	tell_fill(tables_flows(), tables_entries(XLB_IPV4));
	if (step->replies)
		tell_fill(tables_locators(), tables_locator_places());
	printf(" %8.0f   ", step->ns / (sent - step->sent));
	tell_reasons(sent - step->sent);
	step->sent = sent;
	step->ns = 0;
}

/* Tables double as they are filled, as xlbd makes them, but for the last step, which is to `room`. */
static void make_room(struct filling *step)
{
	uint32_t next = step->present > step->room / 2 ? step->room : 2 * step->present;
	double start = now_s();

	farm_grow(next);
	step->present = next;
	printf("  room for %.1fM, in %.2f s\n", (double)next / MILLION, now_s() - start);
}

static bool is_narrow(const struct filling *step, uint32_t flows)
{
	return step->present != step->room &&
	       (uint64_t)flows * 100 > (uint64_t)step->present * FILLED_PERCENT;
}

static void fill(uint32_t flows, uint32_t room, bool replies)
{
	struct filling step = { .room = room, .present = XLB_DEFAULT_FLOWS, .replies = replies };
	double start = now_s(), ns = 0;

	printf("   M sent  M flows, places%s ns a SYN   refused\n",
	       replies ? "  M replies, pl." : "");
	for (uint32_t from = 0; from < flows; from += STEP) {
		uint32_t to = flows - from < STEP ? flows : from + STEP;
		double took;

		if (is_narrow(&step, to)) {
			tell_step(&step, from);
			make_room(&step);
		}
		took = farm_fill(&front, IPPROTO_TCP, from, to) * (to - from);
		step.ns += took;
		ns += took;
		if (to == flows || to / (flows / 10 + 1) != from / (flows / 10 + 1))
			tell_step(&step, to);
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
	fill(flows, room, farm_has_replies(kind));
	printf("  tables and the rest of the maps: %.0f MiB, of them IPv4 flows and replies %.0f\n",
	       (double)(memory_of_maps() - before) / MIB,
	       (double)farm_bytes(kind, XLB_IPV4, room) / MIB);
	printf("  present: %.4f%%\n",
	       (double)farm_present(&front, IPPROTO_TCP, flows) * 100 / flows);
	farm_listen(false);
	tell("known flow, at random", &hit);
	tell("unknown flow, dropped", &miss);
	printf("  one read anywhere in as much memory as the flow table has: %.1f ns\n",
	       memory_read_ns(farm_bytes(FARM_DR, XLB_IPV4, room)));
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
