// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs side by side: ns per packet of established flows through the program that forwards; through the
 * observing one while a capture wants another listener's packets; and through the program of another object
 * file, if one is given. All on the same maps and flows, in one process, interleaved; medians, net of a program
 * that does nothing.
 *
 *	build/tests/bench/hotpath [-r ROUNDS] [-f FLOWS] [-m MODE] [-6] [-a] [-n] [OBJECT.bpf.o]
 *
 * -a: the servers' answers instead; -n: packets that are not xlb's
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../packet/world.h"
#include "farm.h"
#include "sys/datapath_private.h"
#include "sys/datapath_variant.h"

#define REPEAT	       300000
#define OTHER_LISTENER 77

enum target { TRIVIAL, FORWARDING, OBSERVING, OTHER, TARGET_COUNT };
static const char *const names[TARGET_COUNT] = { "trivial", "forwarding", "observing", "other" };

static struct front front;
static int programs[TARGET_COUNT] = { -1, -1, -1, -1 };
static double times[TARGET_COUNT][ROUNDS_MAX];

/* Scratch of a CPU may look otherwise in every object. */
static bool is_scratch(const struct bpf_map *map)
{
	return bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY && bpf_map__max_entries(map) == 1;
}

/* The program `xlb` of an object file, on the maps of the world. */
static int load_other(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	struct bpf_map *map;

	if (!object)
		die("%s", path);
	bpf_object__for_each_map(map, object)
	{
		int fd = datapath_map_fd(world_datapath(), map_word(map));

		if (map_is_shared(map) && !is_scratch(map) && fd >= 0 && bpf_map__reuse_fd(map, fd))
			die("cannot share the map %s", bpf_map__name(map));
	}
	bpf_object__for_each_program(program, object)
		/* with the stages that it goes on with */
		bpf_program__set_autoload(program, bpf_program__type(program) == BPF_PROG_TYPE_XDP);
	if (bpf_object__load(object))
		die("%s", path);
	return bpf_program__fd(bpf_object__find_program_by_name(object, "xlb"));
}

static int observing_program(void)
{
	struct xlb_watch other = { .set = XLB_WATCH_ACTIVE | XLB_WATCH_LISTENER,
				   .snap = 256,
				   .listener = OTHER_LISTENER };
	struct variant *variant;
	struct xlb_err err;

	if (variant_load(world_datapath(), VARIANT_OBSERVE, &variant, &err))
		die("%s", err.text);
	variant_watch(variant, 0, &other);
	return variant_program_fd(variant);
}

static void measure(const struct farm_load *load, int rounds)
{
	farm_check(&front, load,
		   load->target == FARM_ELSEWHERE ? XDP_PASS :
		   load->reply			  ? XDP_TX :
						    XDP_REDIRECT);
	for (int round = -1; round < rounds; round++)
		for (int i = 0; i < TARGET_COUNT; i++) {
			/* another order every round: what follows what must not matter */
			enum target target = (enum target)((i + round + 1) % TARGET_COUNT);
			double ns = 0;

			farm_aim(&front, load);
			if (programs[target] >= 0)
				ns = front_run(&front, programs[target], REPEAT, NULL);
			if (round >= 0)
				times[target][round] = ns;
		}
}

static void print_row(enum target target, int rounds)
{
	static double ratio[ROUNDS_MAX];
	struct figure figure = figure_of(times[target], times[TRIVIAL], rounds);

	for (int i = 0; i < rounds; i++)
		ratio[i] = (times[target][i] - times[TRIVIAL][i]) /
			   (times[FORWARDING][i] - times[TRIVIAL][i]);
	printf("%-12s %10.1f %10.3f\n", names[target], figure.net, median(ratio, rounds));
}

int main(int argc, char **argv)
{
	struct farm_plan plan = { .kind = FARM_FULLNAT, .family = XLB_IPV4 };
	struct farm_load load = { .protocol = IPPROTO_TCP, .flags = ACK, .flows = 1 };
	int rounds = 31, option;
	const char *reason;

	while ((option = getopt(argc, argv, "r:f:m:6an")) != -1) {
		if (option == 'r')
			rounds = atoi(optarg);
		else if (option == 'f')
			load.flows = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'm')
			plan.kind = farm_kind_of(optarg);
		else if (option == '6')
			plan.family = XLB_IPV6;
		else if (option == 'a')
			load.reply = true;
		else if (option == 'n')
			load.target = FARM_ELSEWHERE;
		else
			return 2;
	}
	if (rounds < 1 || rounds > ROUNDS_MAX || !load.flows)
		return 2;
	pin_to_cpu(0);
	plan.room = XLB_DEFAULT_FLOWS + load.flows * 2;
	plan.servers = farm_servers_for(load.flows);
	reason = farm_open(&plan);
	if (reason) {
		fprintf(stderr, "hotpath: %s\n", reason);
		return 1;
	}
	front_open(&front, load.reply ? load.flows : 0);
	farm_fill(&front, IPPROTO_TCP, 0, load.flows);
	if (load.reply)
		farm_learn(&front, IPPROTO_TCP, load.flows);
	programs[TRIVIAL] = front.trivial;
	programs[FORWARDING] = farm_program();
	programs[OBSERVING] = observing_program();
	if (optind < argc)
		programs[OTHER] = load_other(argv[optind]);
	measure(&load, rounds);
	printf("%-12s %10s %10s   (medians of %d rounds)\n", "program", "ns net", "ratio", rounds);
	for (int target = FORWARDING; target < TARGET_COUNT; target++)
		if (programs[target] >= 0)
			print_row((enum target)target, rounds);
	farm_close();
	front_close(&front);
	return 0;
}
