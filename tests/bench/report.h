/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the bench has found: a line each on stdout while it runs, a table in the end, build/bench.json. */
#ifndef XLB_TESTS_REPORT_H
#define XLB_TESTS_REPORT_H

#include "farm.h"

struct result {
	const char *
		row; /* its name; equal names of other farms and families are one line of the table */
	enum farm_kind farm;
	uint8_t family;
	char skipped[120]; /* why, "" if it was measured */
	struct figure figure;
	double dropped; /* share of packets; of rows on established flows: those that are not there */
	uint32_t room, servers; /* of the table and the group that it was measured on */
	double read_ns; /* of one word anywhere in as much memory as the flow table has, 0: not measured */
	double fill_ns; /* of the packet that made a flow of this row, 0: none was made for it */
	/* of rows about two CPUs: their rate together, one CPU is 1 */
	double two, two_min, two_max, two_trivial;
};

/* Prints the heads of the lines. */
void report_begin(void);
/* Keeps and prints it. */
void report_add(const struct result *result);
/* The table; writes the file. Dies if it cannot. */
void report_end(const char *path, int rounds, uint32_t repeat);

#endif
