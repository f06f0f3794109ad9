/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Measuring one packet through a program again and again, behind tests/tools/again.bpf.c: thread CPU time of
 * BPF_PROG_TEST_RUN. For benches of one file.
 */
#ifndef XLB_TESTS_AGAIN_H
#define XLB_TESTS_AGAIN_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPEAT	   300000
#define ROUNDS_MAX 500
#define HEAD_BYTES 80 /* that are put back, so what a packet has at least */

/* A packet to be sent again. */
struct again_packet {
	uint8_t data[2048];
	uint32_t length;
};

static struct bpf_object *again;

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), by_value);
	return values[count / 2];
}

static void again_open(void)
{
	again = bpf_object__open_file("build/tests/tools/again.bpf.o", NULL);
	if (!again || bpf_object__load(again))
		die("cannot load build/tests/tools/again.bpf.o (make tools)");
}

/* The program that does nothing but send back. */
static int again_trivial(void)
{
	return bpf_program__fd(bpf_object__find_program_by_name(again, "trivial"));
}

/* ns per run of the program on the packet, `again` and the harness included. */
static double again_run(int program, struct again_packet *packet)
{
	struct bpf_program *front = bpf_object__find_program_by_name(again, "again");
	struct bpf_map *bss = bpf_object__find_map_by_name(again, ".bss");
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->data,
		    .data_size_in = packet->length, .repeat = REPEAT);
	struct {
		uint8_t head[HEAD_BYTES];
		uint32_t length;
	} variables = { .length = packet->length };
	uint32_t zero = 0;
	double start;
	int r;

	memcpy(variables.head, packet->data, HEAD_BYTES);
	if (!bss)
		bss = bpf_object__find_map_by_name(again, "again.bss");
	if (!bss || bpf_map_update_elem(bpf_map__fd(bss), &zero, &variables, BPF_ANY) ||
	    bpf_map_update_elem(bpf_object__find_map_fd_by_name(again, "next"), &zero, &program,
				BPF_ANY))
		die("cannot choose program and packet");
	start = cpu_ns();
	r = bpf_prog_test_run_opts(bpf_program__fd(front), &opts);
	if (r || (opts.retval != XDP_TX && opts.retval != XDP_REDIRECT))
		die("a packet was not forwarded");
	return (cpu_ns() - start) / REPEAT;
}

#endif
