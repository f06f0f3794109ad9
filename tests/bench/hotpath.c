// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What watching costs: ns per packet of an established flow through the program that forwards; through the
 * observing one while a capture wants another listener's packets; and through the program of another object
 * file, if one is given. All on the same maps, in one process, interleaved; thread CPU time, medians; net of
 * a program that does nothing.
 *
 *	build/tests/bench/hotpath [-r ROUNDS] [OBJECT.bpf.o]
 */
#include <netinet/in.h>
#include <unistd.h>

#include "../packet/talk.h"
#include "again.h"
#include "sys/datapath_variant.h"

#define OTHER_LISTENER 77

enum target { TRIVIAL, FORWARDING, OBSERVING, OTHER, TARGET_COUNT };
static const char *const names[TARGET_COUNT] = { "trivial", "forwarding", "observing", "other" };

static int programs[TARGET_COUNT] = { -1, -1, -1, -1 };
static double times[TARGET_COUNT][ROUNDS_MAX];
static struct again_packet packet;

/* The program `xlb` of an object file, on the maps of the world. */
static int load_other(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	struct bpf_map *map;

	if (!object)
		die(path);
	bpf_object__for_each_map(map, object)
	{
		int fd = datapath_map_fd(world_datapath(), bpf_map__name(map));

		if (!bpf_map__is_internal(map) && fd >= 0 && bpf_map__reuse_fd(map, fd))
			die("cannot share a map");
	}
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, !strcmp(bpf_program__name(program), "xlb"));
	if (bpf_object__load(object))
		die(path);
	return bpf_program__fd(bpf_object__find_program_by_name(object, "xlb"));
}

/* An established flow, and its next packet. */
static void make_flow(void)
{
	static const struct step steps[] = { ESTABLISH, {} };
	struct frame frame;
	struct talk talk;

	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	for (size_t i = 0; steps[i].actor; i++)
		if (talk_step(&talk, &steps[i]))
			die("cannot make a flow");
	frame = talk_frame(&talk, CLIENT, ACK);
	packet.length = (uint32_t)frame_build(&frame, packet.data);
	if (packet.length < HEAD_BYTES)
		packet.length = HEAD_BYTES;
}

static int observing_program(struct xlb_err *err)
{
	struct xlb_watch other = { .set = XLB_WATCH_ACTIVE | XLB_WATCH_LISTENER,
				   .snap = 256,
				   .listener = OTHER_LISTENER };
	struct variant *variant;

	if (variant_load(world_datapath(), VARIANT_OBSERVE, &variant, err))
		return -1;
	variant_watch(variant, 0, &other);
	return variant_program_fd(variant);
}

/* A row of the table; sorts what was measured. */
static void print_row(enum target target, int rounds)
{
	static double net[ROUNDS_MAX], ratio[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++) {
		net[i] = times[target][i] - times[TRIVIAL][i];
		ratio[i] = net[i] / (times[FORWARDING][i] - times[TRIVIAL][i]);
	}
	printf("%-12s %10.1f %10.3f\n", names[target], median(net, rounds), median(ratio, rounds));
}

static void measure(int rounds)
{
	for (int round = -1; round < rounds; round++)
		for (int i = 0; i < TARGET_COUNT; i++) {
			/* another order every round: what follows what must not matter */
			enum target target = (enum target)((i + round + 1) % TARGET_COUNT);
			double ns = programs[target] < 0 ? 0 : again_run(programs[target], &packet);

			if (round >= 0)
				times[target][round] = ns;
		}
}

int main(int argc, char **argv)
{
	int rounds = 31, option;
	const char *reason;
	struct xlb_err err;
	cpu_set_t cpus;

	while ((option = getopt(argc, argv, "r:")) == 'r')
		rounds = atoi(optarg);
	if (option != -1 || rounds < 1 || rounds > ROUNDS_MAX)
		return 2;
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	reason = world_open(WORLD_FLOWS);
	make_flow();
	again_open();
	programs[TRIVIAL] = again_trivial();
	programs[FORWARDING] = datapath_program_fd(world_datapath());
	programs[OBSERVING] = observing_program(&err);
	if (reason || programs[OBSERVING] < 0) {
		fprintf(stderr, "hotpath: %s\n", reason ? reason : err.text);
		return 1;
	}
	if (optind < argc)
		programs[OTHER] = load_other(argv[optind]);
	measure(rounds);
	printf("%-12s %10s %10s   (medians of %d rounds)\n", "program", "ns net", "ratio", rounds);
	for (int target = FORWARDING; target < TARGET_COUNT; target++)
		if (programs[target] >= 0)
			print_row((enum target)target, rounds);
	world_close();
	return 0;
}
