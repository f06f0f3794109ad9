// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What each forwarding mode costs: ns for the next packet of one established flow, net of a program that does
 * nothing, and relative to direct return of the same family, which changes least. Interleaved in one process,
 * thread CPU time, medians.
 *
 *	build/tests/bench/modes [-r ROUNDS]
 */
#include <netinet/in.h>
#include <unistd.h>

#include "../packet/talk.h"
#include "again.h"

/* X(word, service, who sends) */
#define ROWS(X) \
	X("dr", DR, CLIENT) \
	X("nat", NAT, CLIENT) \
	X("nat, reply", NAT, SERVER) \
	X("tunnel ipip", IPIP, CLIENT) \
	X("tunnel gue", GUE, CLIENT) \
	X("tunnel ipip, other family", IPIP_CROSS, CLIENT) \
	X("fullnat", WEB, CLIENT) \
	X("fullnat, reply", WEB, SERVER) \
	X("fullnat, other family", CROSS, CLIENT) \
	X("fullnat, other family, reply", CROSS, SERVER)

static const struct {
	const char *word;
	enum service service;
	enum actor actor;
} rows[] = {
#define X(word, service, actor) { word, service, actor },
	ROWS(X)
#undef X
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static struct again_packet packets[2][ROW_COUNT];  /* by family, IPv6 last */
static double times[2][ROW_COUNT + 1][ROUNDS_MAX]; /* the last row: nothing */

static void make_packet(uint8_t family, size_t row)
{
	const bool direct = xlb_mode_has(service_mode(rows[row].service), XLB_MODE_DIRECT);
	struct step steps[] = { FORWARD(CLIENT, SYN), FORWARD(SERVER, SYN | ACK),
				FORWARD(CLIENT, ACK) };
	struct again_packet *packet = &packets[family == XLB_IPV6][row];
	struct frame frame;
	struct talk talk;

	talk_init(&talk, family, IPPROTO_TCP, rows[row].service, VIP_OWN);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!(direct && steps[i].actor == SERVER) && talk_step(&talk, &steps[i]))
			die(rows[row].word);
	frame = talk_frame(&talk, rows[row].actor, ACK);
	packet->length = (uint32_t)frame_build(&frame, packet->data);
}

static void measure(int rounds)
{
	int program = datapath_program_fd(world_datapath()), trivial = again_trivial();

	for (int round = -1; round < rounds; round++)
		for (size_t i = 0; i < 2 * (ROW_COUNT + 1); i++) {
			/* another order every round: what follows what must not matter */
			size_t at = (i + (size_t)(round + 1) * 3) % (2 * (ROW_COUNT + 1));
			size_t family = at % 2, row = at / 2;
			double ns = again_run(row == ROW_COUNT ? trivial : program,
					      &packets[family][row % ROW_COUNT]);

			if (round >= 0)
				times[family][row][round] = ns;
		}
}

static void print_row(size_t family, size_t row, int rounds)
{
	static double net[ROUNDS_MAX], ratio[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++) {
		net[i] = times[family][row][i] - times[family][ROW_COUNT][i];
		ratio[i] = net[i] / (times[family][0][i] - times[family][ROW_COUNT][i]);
	}
	printf("IPv%d  %-30s %10.1f %10.3f\n", family ? 6 : 4, rows[row].word, median(net, rounds),
	       median(ratio, rounds));
}

int main(int argc, char **argv)
{
	int rounds = 31, option;
	const char *reason;
	cpu_set_t cpus;

	while ((option = getopt(argc, argv, "r:")) == 'r')
		rounds = atoi(optarg);
	if (option != -1 || optind < argc || rounds < 1 || rounds > ROUNDS_MAX)
		return 2;
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	reason = world_open(WORLD_FLOWS);
	if (reason) {
		fprintf(stderr, "modes: %s\n", reason);
		return 1;
	}
	for (size_t row = 0; row < ROW_COUNT; row++) {
		make_packet(XLB_IPV4, row);
		make_packet(XLB_IPV6, row);
	}
	again_open();
	measure(rounds);
	printf("client %-30s %8s %10s   (medians of %d rounds)\n", "mode", "ns net", "to dr",
	       rounds);
	for (size_t i = 0; i < 2 * ROW_COUNT; i++)
		print_row(i / ROW_COUNT, i % ROW_COUNT, rounds);
	world_close();
	return 0;
}
