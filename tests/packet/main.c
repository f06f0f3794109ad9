// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * packet [PATTERN]: the packet tests, or those whose names match: rows of talks, then what does not fit a row.
 * PACKET_PART=8 in the environment: an eighth of what is done over and over, where instructions are emulated.
 */
#include "tests.h"

#include <stdio.h>
#include <stdlib.h>

#include "dry.h"
#include "tables.h"
#include "talk.h"

#define TESTS_MAX 512

static struct CMUnitTest tests[TESTS_MAX];
static size_t count;
static const char *skip_reason;

/* A world for a test; in it is nothing of those before, unless they or the datapath have lost track of something. */
static int reset(void **state)
{
	(void)state;
	world_reset();
	if (tables_flows() || tables_locators() || world_ports_taken())
		fail_msg("left by tests before: %u flows, %u locators, %u ports", tables_flows(),
			 tables_locators(), world_ports_taken());
	return 0;
}

static void skipped(void **state)
{
	(void)state;
	print_message("skipped: %s\n", skip_reason);
	skip();
}

static void add(struct CMUnitTest test)
{
	if (count == TESTS_MAX)
		abort();
	if (skip_reason)
		test = (struct CMUnitTest){ .name = test.name, .test_func = skipped };
	tests[count++] = test;
}

static void add_rows(const struct talk_row *rows)
{
	for (; rows->name; rows++)
		add((struct CMUnitTest){ .name = rows->name,
					 .test_func = talk_test,
					 .initial_state = (void *)(uintptr_t)rows });
}

/* The rows again, each frame through a dry run before it is sent. */
static void test_dry_runs(void **state)
{
	(void)state;
	dry_start();
	talk_test_all();
	dry_stop();
}

static const struct CMUnitTest dry_tests[] = {
	{ .name = "dry runs change nothing and come to the same verdict, in every row above",
	  .test_func = test_dry_runs },
	{},
};

static void add_tests(const struct CMUnitTest *list)
{
	for (; list->name; list++) {
		add(*list);
		if (!skip_reason)
			tests[count - 1].setup_func = reset;
	}
}

int main(int argc, char **argv)
{
	int failed;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	skip_reason = world_open(WORLD_FLOWS);
	add_rows(talk_rows_forward);
	add_rows(talk_rows_tcp);
	add_rows(talk_rows_udp);
	add_rows(talk_rows_modes);
	add_tests(dry_tests);
	add_tests(vlan_tests);
	add_tests(malformed_tests);
	add_tests(mutation_tests);
	add_tests(icmp_tests);
	add_tests(icmp_odd_tests);
	add_tests(icmp_own_tests);
	add_tests(fragment_tests);
	add_tests(choice_tests);
	add_tests(schedule_tests);
	add_tests(rules_tests);
	add_tests(limits_tests);
	add_tests(resource_tests);
	add_tests(crowded_tests);
	add_tests(torture_tests);
	add_tests(resize_tests);
	add_tests(modes_tests);
	add_tests(mode_local_tests);
	add_tests(quic_tests);
	add_tests(mss_tests);
	add_tests(watch_tests);
	failed = _cmocka_run_group_tests("packet", tests, count, NULL, NULL);
	if (!skip_reason)
		world_close();
	return failed != 0;
}
