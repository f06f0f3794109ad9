/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Measuring programs behind tests/tools/vary.bpf.c: thread CPU time of BPF_PROG_TEST_RUN. What is told of a
 * program is always net of `trivial`, which was measured in the same rounds.
 */
#ifndef XLB_TESTS_MEASURE_H
#define XLB_TESTS_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "../tools/vary.h"

#define ROUNDS_MAX 501

/* vary.bpf.c loaded once; threads that send at the same time have one each. */
struct front {
	struct bpf_object *object;
	struct vary *vary; /* of the running program */
	int next;	   /* map: the program behind */
	int sender, trivial;
};

/* Says what failed and errno, and ends the program. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Loads; it can learn the ends of flows below `learnable`. Dies if it cannot. */
void front_open(struct front *front, uint32_t learnable);
void front_close(struct front *front);
/* Sends packets of the family from here on, clients' or (reply) those of servers whose flows it has learned. */
void front_aim(struct front *front, uint8_t family, bool reply);
/* Sends so many packets to the program; ns of CPU time per packet. ret_verdict may be NULL: of the last one. */
double front_run(struct front *front, int program, uint32_t repeat, uint32_t *ret_verdict);
/* One packet; returns the length of what it became. */
uint32_t front_send(struct front *front, int program, uint8_t *ret, uint32_t size,
		    uint32_t *ret_verdict);

struct bpf_test_run_opts;
/* BPF_PROG_TEST_RUN; ns of CPU time that the kernel took, for all of its repetitions. */
double timed_run(int program, struct bpf_test_run_opts *opts);

/* The thread runs on this CPU only. */
void pin_to_cpu(int cpu);
double median(const double *values, int count);
/* Memory of this machine that is free for programs. */
uint64_t memory_available(void);
/* ns that one read takes of a word anywhere in so much memory, in pages of 4 KiB: what follows waits for it. */
double memory_read_ns(uint64_t bytes);
/* What the kernel says that a map or program takes; 0 if the descriptor is of neither. */
uint64_t memory_of(int fd);
/* The same of all BPF maps and programs that this process has open. */
uint64_t memory_of_maps(void);

/* What rounds of a program and of the trivial one say, in ns per packet. */
struct figure {
	double trivial; /* with all that is around it */
	double net, net_min, net_max;
	double ratio; /* to the trivial program */
};
struct figure figure_of(const double *times, const double *trivial, int rounds);

#endif
