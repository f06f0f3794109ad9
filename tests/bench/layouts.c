// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Layouts of an IPv4 flow table (tests/tools/layouts.h) and the kernel's maps, side by side: ns of a lookup that hits
 * and of an insert, bytes for a flow, and how many flows find no place.
 *
 *	build/tests/bench/layouts [-r ROUNDS] [-n LOOKUPS] [FLOWS...]
 *
 * All are filled by their own program to FULL_PERCENT of their places less one batch, which each round inserts and
 * removes again. What memory is too short for is left out.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "../tools/layouts.h"
#include "base/cleanup.h"
#include "measure.h"
#include "xlb/flow.h"

#define OBJECT		"tests/tools/layouts.bpf.o" /* in the directory of the build */
#define FULL_PERCENT	75
#define BATCHES		50 /* of which a table is */
#define BATCH_MAX	200000U
#define FILL_STEP	1000000U
/* of the kernel's maps for each entry: what an element takes, and its share of buckets */
#define KERNEL_BYTES	112
#define MEMORY_RESERVED (6ULL << 30)

/* Both lists: the layouts, then the kernel's maps. */
enum subject_id {
#define X(name, ...) SUBJECT_##name,
	LAYOUTS(X) KERNEL_MAPS(X)
#undef X
		SUBJECT_COUNT,
};

enum step { HIT, INSERT, REMOVE, STEP_COUNT };

static struct subject {
	const char *name, *text;
	uint32_t page_entries; /* 0: a map of the kernel */
	bool there;
	int program[STEP_COUNT];
	double bytes;	 /* of all */
	uint64_t placed; /* flows */
	double ns[STEP_COUNT][ROUNDS_MAX];
} subjects[SUBJECT_COUNT] = {
#define X(id, what, pages, buckets, bucket_words, entries, entry_words) \
	{ .name = #id, .text = what, .page_entries = XLB_PAGE_WORDS / (bucket_words) * (entries) },
	LAYOUTS(X)
#undef X
#define X(id, what, type) { .name = #id, .text = what },
		KERNEL_MAPS(X)
#undef X
};

static int rounds = 15;
static uint32_t lookups = 200000;

static struct bpf_object *object;
static struct layouts *layouts;
static int nothing;
static double idle[STEP_COUNT][ROUNDS_MAX]; /* of `nothing` */

static uint64_t places_for(uint32_t flows)
{
	return (uint64_t)flows * 100 / FULL_PERCENT;
}

static uint64_t pages_for(const struct subject *subject, uint32_t flows)
{
	return (places_for(flows) + subject->page_entries - 1) / subject->page_entries;
}

/* Decides which subjects memory is enough for. */
static void choose(uint32_t flows)
{
	uint64_t left = memory_available();

	left = left > MEMORY_RESERVED ? left - MEMORY_RESERVED : 0;
	for (struct subject *subject = subjects; subject < subjects + SUBJECT_COUNT; subject++) {
		uint64_t need = subject->page_entries ? pages_for(subject, flows) * 4096 :
							places_for(flows) * KERNEL_BYTES;

		subject->there = need <= left;
		if (subject->there)
			left -= need;
	}
}

static void find_programs(struct subject *subject)
{
	static const char *const steps[STEP_COUNT] = { "hit", "insert", "remove" };

	for (enum step step = 0; step < STEP_COUNT; step++) {
		char name[32];

		snprintf(name, sizeof(name), "%s_%s", steps[step], subject->name);
		subject->program[step] =
			bpf_program__fd(bpf_object__find_program_by_name(object, name));
	}
}

static void make_chunk(uint32_t index)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	AUTO_CLOSE int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "chunk", sizeof(uint32_t),
					   sizeof(struct xlb_flow_page), 1 << XLB_CHUNK_SHIFT,
					   &opts);

	if (fd < 0 ||
	    bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "chunks"), &index, &fd, 0))
		die("chunk %u", index);
}

static void make_pages(struct subject *subject, uint32_t flows)
{
	uint32_t layout = (uint32_t)(subject - subjects), first = layout * LAYOUTS_CHUNK_FIRST;
	uint64_t pages = pages_for(subject, flows), extent = 0;

	if (pages > (uint64_t)LAYOUTS_CHUNK_FIRST << XLB_CHUNK_SHIFT)
		die("%u flows are more than this bench is made for", flows);
	for (uint32_t i = 0; (uint64_t)i << XLB_CHUNK_SHIFT < pages; i++)
		make_chunk(first + i);
	extent = xlb_set(extent, pages, XLB_EXTENT_PAGES);
	layouts->extent[layout] = xlb_set(extent, first, XLB_EXTENT_CHUNK);
	subject->bytes = (double)pages * 4096;
}

static void open_tables(uint32_t flows)
{
	const char *build = getenv("BUILD");
	struct subject *subject;
	char path[256];

	snprintf(path, sizeof(path), "%s/" OBJECT, build ? build : "build");
	object = bpf_object__open_file(path, NULL);
	if (!object)
		die("%s (make tools)", path);
	for (subject = subjects; subject < subjects + SUBJECT_COUNT; subject++)
		if (subject->there && !subject->page_entries)
			bpf_map__set_max_entries(bpf_object__find_map_by_name(object,
									      subject->name),
						 (uint32_t)places_for(flows));
	if (bpf_object__load(object))
		die("%s", path);
	layouts = mmap(NULL, sizeof(*layouts), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bpf_object__find_map_fd_by_name(object, ".bss"), 0);
	if (layouts == MAP_FAILED)
		die("the variables of %s", path);
	if (getrandom(layouts->seed, sizeof(layouts->seed), 0) != sizeof(layouts->seed))
		die("getrandom");
	nothing = bpf_program__fd(bpf_object__find_program_by_name(object, "nothing"));
	for (subject = subjects; subject < subjects + SUBJECT_COUNT; subject++) {
		find_programs(subject);
		if (!subject->there)
			continue;
		if (subject->page_entries)
			make_pages(subject, flows);
		else
			subject->bytes = (double)memory_of(
				bpf_object__find_map_fd_by_name(object, subject->name));
	}
}

static void close_tables(void)
{
	munmap(layouts, sizeof(*layouts));
	bpf_object__close(object);
}

/* Runs a program for the flows that `layouts` names; returns ns each, and how many it was done for. */
static double run(int program, uint32_t repeat, uint64_t *ret_done)
{
	uint8_t frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = (int)repeat);
	double ns;

	layouts->done = 0;
	ns = timed_run(program, &opts);
	*ret_done = layouts->done;
	return ns / repeat;
}

static double run_in_turn(int program, uint32_t first, uint32_t flows, uint64_t *ret_done)
{
	layouts->in_turn = 1;
	layouts->state = 0;
	layouts->first = first;
	return run(program, flows, ret_done);
}

static double run_at_random(int program, uint32_t flows, int round, uint64_t *ret_done)
{
	layouts->in_turn = 0;
	layouts->state = 88172645463325252ULL + ((uint64_t)(round + 1) << 32);
	layouts->first = 0;
	layouts->flows = flows;
	return run(program, lookups, ret_done);
}

static void fill(struct subject *subject, uint32_t flows)
{
	subject->placed = 0;
	for (uint32_t from = 0; from < flows; from += FILL_STEP) {
		uint64_t done;

		run_in_turn(subject->program[INSERT], from,
			    flows - from < FILL_STEP ? flows - from : FILL_STEP, &done);
		subject->placed += done;
	}
}

/* One round of one subject; the first one inserts the flows that make the table full. */
static void measure(struct subject *subject, uint32_t flows, uint32_t batch, int round)
{
	uint32_t first = flows - batch + (uint32_t)(round + 1) * batch;
	uint64_t found, inserted, removed;
	double hit, insert;

	hit = run_at_random(subject->program[HIT], flows - batch, round, &found);
	insert = run_in_turn(subject->program[INSERT], first, batch, &inserted);
	run_in_turn(subject->program[REMOVE], first, batch, &removed);
	/* what was placed must be there, but for a random share of those that were not */
	if ((double)found < lookups * 0.99 * (double)subject->placed / flows || removed != inserted)
		die("%s: %lu of %u found, %lu inserted, %lu removed", subject->text, found, lookups,
		    inserted, removed);
	if (round < 0) {
		subject->placed += inserted;
		return;
	}
	subject->ns[HIT][round] = hit;
	subject->ns[INSERT][round] = insert;
}

static void measure_nothing(uint32_t flows, uint32_t batch, int round)
{
	uint64_t done;

	if (round < 0)
		return;
	idle[HIT][round] = run_at_random(nothing, flows - batch, round, &done);
	idle[INSERT][round] = run_in_turn(nothing, flows, batch, &done);
}

static void print_row(const struct subject *subject, uint32_t flows)
{
	struct figure hit, insert;

	printf("| %s | ", subject->text);
	if (!subject->there) {
		printf("no memory for it | | | |\n");
		return;
	}
	hit = figure_of(subject->ns[HIT], idle[HIT], rounds);
	insert = figure_of(subject->ns[INSERT], idle[INSERT], rounds);
	printf("%.1f | %.4f %% | %.0f (%.0f-%.0f) | %.0f (%.0f-%.0f) |\n", subject->bytes / flows,
	       100 - (double)subject->placed * 100 / flows, hit.net, hit.net_min, hit.net_max,
	       insert.net, insert.net_min, insert.net_max);
}

static void measure_size(uint32_t flows)
{
	const uint32_t batch = flows / BATCHES < BATCH_MAX ? flows / BATCHES : BATCH_MAX;

	choose(flows);
	open_tables(flows);
	for (int i = 0; i < SUBJECT_COUNT; i++)
		if (subjects[i].there)
			fill(&subjects[i], flows - batch);
	for (int round = -1; round < rounds; round++) {
		measure_nothing(flows, batch, round);
		for (int i = 0; i < SUBJECT_COUNT; i++) {
			/* who follows whom must not matter */
			struct subject *subject = &subjects[(i + round + 1) % SUBJECT_COUNT];

			if (subject->there)
				measure(subject, flows, batch, round);
		}
	}
	printf("| **%.0fM flows** | | | | |\n", (double)flows / 1e6);
	for (int i = 0; i < SUBJECT_COUNT; i++)
		print_row(&subjects[i], flows);
	close_tables();
}

static void print_head(void)
{
	time_t now = time(NULL);
	struct utsname system;
	char date[32];

	uname(&system);
	strftime(date, sizeof(date), "%F", localtime(&now));
	printf("%s, Linux %s; %d rounds of %u lookups; tables %d %% full\n\n", date, system.release,
	       rounds, lookups, FULL_PERCENT);
	printf("| layout | bytes a flow | without a place | ns hit | ns insert |\n"
	       "|---|---|---|---|---|\n");
}

static int usage(void)
{
	fprintf(stderr, "usage: layouts [-r ROUNDS] [-n LOOKUPS] [FLOWS...]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static char *sizes[] = { "1000000", "10000000" };
	char **size = sizes, **end = sizes + 2;
	int option;

	while ((option = getopt(argc, argv, "r:n:")) != -1) {
		if (option == 'r')
			rounds = atoi(optarg);
		else if (option == 'n')
			lookups = (uint32_t)strtoul(optarg, NULL, 10);
		else
			return usage();
	}
	if (rounds < 1 || rounds > ROUNDS_MAX || !lookups)
		return usage();
	if (optind < argc) {
		size = argv + optind;
		end = argv + argc;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	pin_to_cpu(0);
	print_head();
	for (; size < end; size++) {
		uint32_t flows = (uint32_t)strtoul(*size, NULL, 10);

		if (flows < BATCHES)
			return usage();
		measure_size(flows);
	}
	return 0;
}
