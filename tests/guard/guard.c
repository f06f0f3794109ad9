// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * guard: instructions that the processor executes for a packet on each path of the datapath, a line per path
 * on stdout. For a machine on which an instruction takes one nanosecond of its clock (scripts/vm.sh -i);
 * tests/guard.sh compares the lines with what was recorded.
 *
 * Net of a program that does nothing. What interrupts only adds to a run, so the least of many short runs
 * counts; the difference between a run and one twice as long leaves the cost of the call out.
 */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>

#include "../bench/farm.h"
#include "../packet/frame.h"

#define FLOWS	256
#define REPEAT	512 /* packets of a short run: some of them end between two ticks */
#define RUNS	8
#define SERVERS 64

#define ALL	     (~0U)
#define HAVE_REPLIES (1U << FARM_NAT | 1U << FARM_FULLNAT | 1U << FARM_FULLNAT_CROSS)
#define ONE	     (1U << FARM_DR) /* of what is the same in all modes */
#define TWO	     (1U << FARM_DR | 1U << FARM_FULLNAT)

#define TCP(tcp) .protocol = IPPROTO_TCP, .flags = (tcp)
#define UDP	 .protocol = IPPROTO_UDP
#define KNOWN	 .flows = FLOWS
#define FRESH	 .in_turn = true

static const struct path {
	const char *name;
	unsigned int farms;
	uint32_t verdict;
	struct farm_load load; /* without flows: each packet is a new one's */
} paths[] = {
	{ "established", ALL, XDP_REDIRECT, { TCP(ACK), KNOWN } },
	{ "reply", HAVE_REPLIES, XDP_TX, { TCP(ACK), KNOWN, .reply = true } },
	{ "udp", ALL, XDP_REDIRECT, { UDP, KNOWN } },
	{ "new flow", ALL, XDP_REDIRECT, { TCP(SYN), FRESH } },
	{ "SYN, options", ALL, XDP_REDIRECT, { TCP(SYN), FRESH, .options = true } },
	{ "new flow, udp", ALL, XDP_REDIRECT, { UDP, FRESH } },
	{ "quic", TWO, XDP_REDIRECT, { UDP, KNOWN, .by_ids = true } },
	{ "new flow, quic", TWO, XDP_REDIRECT, { UDP, FRESH, .by_ids = true } },
	{ "new flow, rules", ONE, XDP_REDIRECT, { TCP(SYN), FRESH, .rules = 1024 } },
	{ "passed", ONE, XDP_PASS, { TCP(ACK), KNOWN, .target = FARM_ELSEWHERE } },
	{ "no listener", ONE, XDP_DROP, { TCP(ACK), KNOWN, .target = FARM_NO_LISTENER } },
};

static struct front front;
/* none twice: of a flow that was, its key is still in the table, and looks like one to be looked at */
static uint32_t next_flow = FLOWS;

/* Least ns of a run of so many packets. */
static double least(const struct path *path, int program, uint32_t repeat)
{
	struct farm_load load = path->load;
	double all = 0;

	for (int run = 0; run < RUNS; run++) {
		double ns;

		if (!path->load.flows) {
			load.first = next_flow;
			load.flows = repeat;
			next_flow += repeat;
		}
		farm_aim(&front, &load);
		ns = front_run(&front, program, repeat, NULL) * repeat;
		all = run && all < ns ? all : ns;
	}
	return all;
}

static double cost(const struct path *path, int program)
{
	return (least(path, program, REPEAT * 2) - least(path, program, REPEAT)) / REPEAT;
}

static void measure(enum farm_kind kind, uint8_t family)
{
	farm_change(kind, family);
	farm_fill(&front, IPPROTO_TCP, 0, FLOWS);
	farm_fill(&front, IPPROTO_UDP, 0, FLOWS);
	if (farm_has_replies(kind))
		farm_learn(&front, IPPROTO_TCP, FLOWS);
	for (const struct path *path = paths; path < paths + sizeof(paths) / sizeof(*paths);
	     path++) {
		if (!(path->farms & 1U << kind))
			continue;
		farm_go_by_ids(path->load.by_ids);
		farm_rules(path->load.rules);
		if (path->load.flows)
			farm_check(&front, &path->load, path->verdict);
		printf("%-13s IPv%d  %-15s %6.0f\n", farm_words[kind], family == XLB_IPV4 ? 4 : 6,
		       path->name, cost(path, farm_program()) - cost(path, front.trivial));
		fflush(stdout);
	}
}

int main(void)
{
	const struct farm_plan plan = { .family = XLB_IPV4,
					.room = XLB_DEFAULT_FLOWS,
					.servers = SERVERS };
	const char *reason = farm_open(&plan);

	if (reason)
		die("%s", reason);
	front_open(&front, FLOWS);
	for (enum farm_kind kind = 0; kind < FARM_KINDS; kind++) {
		measure(kind, XLB_IPV4);
		measure(kind, XLB_IPV6);
	}
	front_close(&front);
	farm_close();
	return 0;
}
