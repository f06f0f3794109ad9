// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a packet costs: every row below in every mode and family, beside a program that only sends back.
 *
 *	build/tests/bench/bench [-r ROUNDS] [-n PACKETS] [-m MODE] [-o FILE]      make bench
 *
 * A measurement is ROUNDS times PACKETS through the trivial program and through xlb's in turn. A flow table
 * is filled by packets only, each flow with a SYN and an ACK; rows of one mode and family come in the order
 * of the table and find the flows that those before have made.
 */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../packet/frame.h"
#include "farm.h"
#include "report.h"

#define K		1000U
#define M		1000000U
#define LEARNED		M
#define NEW_FIRST	(30 * M) /* numbers of flows that no other row has */
#define SMALL_TABLE	262144U
#define FILLED_PERCENT	70 /* where xlbd makes tables grow */
#define FILL_TOLD	(5 * K)
#define READ_FROM	(10 * K) /* flows: fewer are in a cache */
#define MEMORY_RESERVED (2ULL << 30)

enum kind {
	HIT,	/* packets of clients of established flows */
	REPLY,	/* packets of servers of such */
	NEW,	/* packets that make a flow */
	RULED,	/* the same, past the rules of a security group */
	FULL,	/* the same, in a table that has no room */
	PASS,	/* to an address that is not xlb's */
	NOBODY, /* to a port of the VIP without a listener */
	TWO,	/* HIT on two CPUs */
};

#define RULES	     1024U
#define ONLY(farm)   (1U << FARM_##farm)
#define HAVE_REPLIES (ONLY(NAT) | ONLY(FULLNAT))
#define MAIN	     (ONLY(DR) | ONLY(TUNNEL) | ONLY(NAT) | ONLY(FULLNAT))
#define ALL	     ((1U << FARM_KINDS) - 1)

struct row {
	const char *name;
	enum kind kind;
	uint8_t protocol;
	uint32_t flows; /* in the table, beside those of rows before */
	uint32_t hot;	/* of which packets are; 0: all */
	unsigned int farms;
};

static const struct row rows[] = {
	{ "1 flow", HIT, IPPROTO_TCP, 1, 0, ALL },
	{ "1 flow, replies", REPLY, IPPROTO_TCP, 1, 0, HAVE_REPLIES | ONLY(FULLNAT_CROSS) },
	{ "1 flow, UDP", HIT, IPPROTO_UDP, 1, 0, MAIN },
	{ "not xlb's: passed", PASS, IPPROTO_TCP, M, 0, ONLY(DR) },
	{ "no listener: dropped", NOBODY, IPPROTO_TCP, M, 0, ONLY(DR) },
	{ "10k flows", HIT, IPPROTO_TCP, 10 * K, 0, MAIN },
	{ "1M flows", HIT, IPPROTO_TCP, M, 0, MAIN },
	{ "1M flows, replies", REPLY, IPPROTO_TCP, M, 0, HAVE_REPLIES },
	{ "1M flows, UDP", HIT, IPPROTO_UDP, M, 0, MAIN },
	{ "1M flows, two CPUs", TWO, IPPROTO_TCP, M, 0, MAIN },
	{ "new flows, 1M there", NEW, IPPROTO_TCP, M, 0, MAIN },
	{ "new flows, 1024 rules", RULED, IPPROTO_TCP, M, 0, ONLY(DR) },
	{ "10M flows", HIT, IPPROTO_TCP, 10 * M, 0, MAIN },
	{ "10M flows, 100k hot", HIT, IPPROTO_TCP, 10 * M, 100 * K, MAIN },
	{ "new flows, table full", FULL, IPPROTO_TCP, SMALL_TABLE, 0, MAIN },
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static struct options {
	int rounds;
	uint32_t repeat;
	enum farm_kind only; /* FARM_KINDS: all */
	const char *output;
} options = { 7, 200000, FARM_KINDS, "build/bench.json" };

static struct front fronts[2]; /* one per CPU; the first is for all rows */

/* What the open table holds. */
static struct {
	uint32_t tcp, udp; /* flows 0 to this */
	uint32_t new_next;
	uint32_t room, servers;
	char short_of[100]; /* why it cannot have more */
} table;

/* ns of a packet that makes a flow; 0 if those are too few to tell. */
static double fill_to(uint8_t protocol, uint32_t flows)
{
	uint32_t *there = protocol == IPPROTO_TCP ? &table.tcp : &table.udp;
	uint32_t from = *there;
	double ns;

	if (flows <= from)
		return 0;
	*there = flows;
	ns = farm_fill(&fronts[0], protocol, from, flows);
	return flows - from < FILL_TOLD ? 0 : ns;
}

/* Packets of new flows, each of another one. */
static bool makes_flows(const struct row *row)
{
	return row->kind == NEW || row->kind == RULED || row->kind == FULL;
}

static struct farm_load load_of(const struct row *row)
{
	struct farm_load load = {
		.protocol = row->protocol,
		.flags = makes_flows(row) ? SYN : ACK,
		.reply = row->kind == REPLY,
		.target = row->kind == PASS   ? FARM_ELSEWHERE :
			  row->kind == NOBODY ? FARM_NO_LISTENER :
						FARM_LISTENER,
		.flows = row->hot ? row->hot : row->flows,
		.stride = row->hot ? row->flows / row->hot : 1,
	};

	if (makes_flows(row)) {
		load.first = table.new_next;
		load.in_turn = true;
	}
	return load;
}

static uint32_t verdict_of(const struct row *row)
{
	return row->kind == PASS   ? XDP_PASS :
	       row->kind == NOBODY ? XDP_DROP :
	       row->kind == REPLY  ? XDP_TX :
				     XDP_REDIRECT;
}

/* --- two CPUs ------------------------------------------------------------------------------------ */

static pthread_barrier_t barrier;

struct runner {
	int cpu, program;
	bool alone;
	double ns;
};

static void *run_on_cpu(void *arg)
{
	struct runner *runner = arg;

	pin_to_cpu(runner->cpu);
	if (!runner->alone)
		pthread_barrier_wait(&barrier);
	runner->ns = front_run(&fronts[runner->cpu], runner->program, options.repeat, NULL);
	return NULL;
}

/* Packets per ns of CPU time, one CPU or both at once. */
static double rate_of(int program, int cpus)
{
	pthread_t threads[2];
	struct runner runners[2];
	double rate = 0;

	for (int i = 0; i < cpus; i++) {
		runners[i] = (struct runner){ .cpu = i, .program = program, .alone = cpus == 1 };
		if (pthread_create(&threads[i], NULL, run_on_cpu, &runners[i]))
			die("pthread_create");
	}
	for (int i = 0; i < cpus; i++) {
		pthread_join(threads[i], NULL);
		rate += 1 / runners[i].ns;
	}
	return rate;
}

static void measure_two(const struct row *row, struct result *result)
{
	double own[ROUNDS_MAX], trivial[ROUNDS_MAX];

	for (int cpu = 0; cpu < 2; cpu++) {
		struct farm_load load = load_of(row);

		load.flows = row->flows / 2;
		load.first = (uint32_t)cpu * load.flows;
		farm_aim(&fronts[cpu], &load);
	}
	pthread_barrier_init(&barrier, NULL, 2);
	for (int round = 0; round < options.rounds; round++) {
		own[round] = rate_of(farm_program(), 2) / rate_of(farm_program(), 1);
		trivial[round] = rate_of(fronts[0].trivial, 2) / rate_of(fronts[0].trivial, 1);
		if (!round || own[round] < result->two_min)
			result->two_min = own[round];
		if (!round || own[round] > result->two_max)
			result->two_max = own[round];
	}
	pthread_barrier_destroy(&barrier);
	result->two = median(own, options.rounds);
	result->two_trivial = median(trivial, options.rounds);
}

/* --- rows ---------------------------------------------------------------------------------------- */

static void measure_row(const struct row *row, struct result *result)
{
	const bool known = row->kind == HIT || row->kind == REPLY || row->kind == TWO;
	struct farm_load load;

	if (row->kind != PASS && row->kind != NOBODY)
		result->fill_ns = fill_to(row->protocol, row->flows);
	if (row->kind == REPLY)
		farm_learn(&fronts[0], row->protocol, row->flows);
	load = load_of(row);
	if (!makes_flows(row))
		farm_check(&fronts[0], &load, verdict_of(row));
	farm_listen(!known);
	if (row->kind == RULED)
		farm_rules(RULES);
	if (row->kind == TWO)
		measure_two(row, result);
	else
		result->figure = farm_measure(&fronts[0], &load, options.rounds, options.repeat,
					      &result->dropped);
	if (row->kind != TWO && row->kind != PASS && row->flows >= READ_FROM)
		result->read_ns = memory_read_ns(farm_bytes(FARM_DR, result->family, table.room));
	if (load.in_turn)
		table.new_next = load.first;
	if (row->kind == RULED)
		farm_rules(0);
	farm_listen(true);
}

/* Packets of new flows that a row makes. */
static uint32_t new_flows(const struct row *row)
{
	return row->kind == NEW || row->kind == RULED ?
		       (uint32_t)(options.rounds + 1) * options.repeat :
		       0;
}

/* As xlbd does: a table doubles when it is filled. False if there is no memory for the old one and the new one. */
static bool make_room(const struct row *row, enum farm_kind farm, uint8_t family)
{
	uint64_t tcp = table.tcp, udp = table.udp, room = table.room, flows;

	if (row->kind == PASS || row->kind == NOBODY || row->kind == FULL)
		return true;
	if (row->protocol == IPPROTO_TCP)
		tcp = row->flows > tcp ? row->flows : tcp;
	else
		udp = row->flows > udp ? row->flows : udp;
	flows = tcp + udp + (table.new_next - NEW_FIRST) + new_flows(row);
	while (flows * 100 > room * FILLED_PERCENT)
		room *= 2;
	if (room == table.room)
		return true;
	if (farm_bytes(farm, family, (uint32_t)room) + MEMORY_RESERVED > memory_available()) {
		snprintf(table.short_of, sizeof(table.short_of),
			 "memory left is not enough for tables of %.1fM flows", (double)room / M);
		return false;
	}
	farm_grow((uint32_t)room);
	table.room = (uint32_t)room;
	return true;
}

static void skip_or_measure(const struct row *row, enum farm_kind farm, uint8_t family)
{
	struct result result = {
		.row = row->name, .farm = farm, .family = family, .servers = table.servers
	};

	if (table.short_of[0] || !make_room(row, farm, family))
		snprintf(result.skipped, sizeof(result.skipped), "%s", table.short_of);
	else if (row->kind == TWO && !fronts[1].object)
		snprintf(result.skipped, sizeof(result.skipped), "one CPU only");
	else
		measure_row(row, &result);
	result.room = table.room;
	report_add(&result);
}

/* Flows of all the farm's rows together, which must have ports. */
static uint32_t flows_of(enum farm_kind farm)
{
	uint32_t tcp = 0, udp = 0, new = 0;

	for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
		uint32_t *largest = row->protocol == IPPROTO_TCP ? &tcp : &udp;

		if (!(row->farms & 1U << farm) || row->kind == FULL)
			continue;
		*largest = row->flows > *largest ? row->flows : *largest;
		new += new_flows(row);
	}
	return tcp + udp + new;
}

static void open_table(enum farm_kind farm, uint8_t family, bool full)
{
	struct farm_plan plan = { .kind = farm, .family = family };
	const char *reason;

	memset(&table, 0, sizeof(table));
	table.new_next = NEW_FIRST;
	plan.room = table.room = full ? SMALL_TABLE : XLB_DEFAULT_FLOWS;
	plan.servers = table.servers = farm_servers_for(full ? SMALL_TABLE : flows_of(farm));
	reason = farm_open(&plan);
	printf("%s, IPv%d: %u servers", farm_words[farm], family == XLB_IPV4 ? 4 : 6, plan.servers);
	printf(farm_has_ports(farm) ? ", %d SNAT addresses\n" : "\n", XLB_SERVER_POOLS);
	if (reason)
		snprintf(table.short_of, sizeof(table.short_of), "%s", reason);
}

static void measure_farm(enum farm_kind farm, uint8_t family)
{
	for (int full = 0; full < 2; full++) {
		bool open = false;

		for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
			if (!(row->farms & 1U << farm) || (row->kind == FULL) != full)
				continue;
			if (!open)
				open_table(farm, family, full);
			open = true;
			skip_or_measure(row, farm, family);
		}
		farm_close();
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: bench [-r ROUNDS] [-n PACKETS] [-m MODE] [-o FILE]\n");
	return 2;
}

int main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "r:n:m:o:")) != -1) {
		if (option == 'r')
			options.rounds = atoi(optarg);
		else if (option == 'n')
			options.repeat = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'm')
			options.only = farm_kind_of(optarg);
		else if (option == 'o')
			options.output = optarg;
		else
			return usage();
	}
	if (optind < argc || options.rounds < 1 || options.rounds > ROUNDS_MAX || !options.repeat)
		return usage();
	pin_to_cpu(0);
	front_open(&fronts[0], LEARNED);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		front_open(&fronts[1], 0);
	report_begin();
	for (enum farm_kind farm = 0; farm < FARM_KINDS; farm++) {
		if (options.only != FARM_KINDS && options.only != farm)
			continue;
		measure_farm(farm, XLB_IPV4);
		measure_farm(farm, XLB_IPV6);
	}
	report_end(options.output, options.rounds, options.repeat);
	for (int cpu = 0; cpu < 2; cpu++)
		if (fronts[cpu].object)
			front_close(&fronts[cpu]);
	return 0;
}
