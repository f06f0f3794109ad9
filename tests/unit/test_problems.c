// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Problems: order, folding, commands, limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "xlbd/problems.h"

/* What was told, as "level kind count: text -> command" lines. */
struct told {
	char text[4096];
};

static void tell(void *arg, const struct problem *problem)
{
	struct told *told = arg;
	size_t used = strlen(told->text);

	snprintf(told->text + used, sizeof(told->text) - used, "%s %s %u: %s -> %s\n",
		 problem_level_word(problem->level), problem->word, problem->count, problem->text,
		 problem->command);
}

static void server_down(struct problems *problems, const char *group, const char *server,
			const char *cause)
{
	problems_add(problems,
		     &(struct finding){ .kind = PROBLEM_SERVER_DOWN,
					.scope = group,
					.object = server,
					.cause = cause,
					.of = 4 },
		     "group %s: server %s is down: %s", group, server, cause);
}

static void serious_first(void **state)
{
	struct problems *problems = problems_new();
	struct told told = { "" };

	(void)state;
	problems_add(problems, &(struct finding){ .kind = PROBLEM_DRIFT, .scope = "/etc/x.yaml" },
		     "file differs");
	problems_add(problems, &(struct finding){ .kind = PROBLEM_GENERIC, .scope = "eth0" },
		     "slow");
	server_down(problems, "web", "web1", "http 503");
	problems_add(problems, &(struct finding){ .kind = PROBLEM_FAIL_OPEN, .scope = "web" },
		     "open");
	assert_int_equal(problems_each(problems, 100, tell, &told), 0);
	assert_string_equal(
		told.text,
		"error fail_open 1: open -> xlbctl server list web\n"
		"error server_down 1: group web: server web1 is down: http 503 -> xlbctl server show web web1\n"
		"warning generic 1: slow -> xlbctl attach eth0 --mode native\n"
		"info drift 1: file differs -> xlbctl diff /etc/x.yaml\n");
	problems_free(problems);
}

static void equal_causes_fold(void **state)
{
	struct problems *problems = problems_new();
	uint32_t counts[PROBLEM_LEVEL_COUNT];
	struct told told = { "" };

	(void)state;
	server_down(problems, "web", "web1", "http 503");
	server_down(problems, "web", "web2", "timed out");
	server_down(problems, "web", "web3", "http 503");
	server_down(problems, "api", "api1", "http 503");
	problems_count(problems, counts);
	assert_int_equal(counts[PROBLEM_ERROR], 3);
	assert_int_equal(counts[PROBLEM_INFO], 0);
	problems_each(problems, 100, tell, &told);
	assert_string_equal(
		told.text,
		"error server_down 2: group web: 2 of 4 servers are down: http 503; the first is web1 -> xlbctl server list web\n"
		"error server_down 1: group web: server web2 is down: timed out -> xlbctl server show web web2\n"
		"error server_down 1: group api: server api1 is down: http 503 -> xlbctl server show api api1\n");
	problems_free(problems);
}

static void one_interface_for_all_groups(void **state)
{
	static const char *const servers[] = { "web/web1", "api/api1" };
	struct problems *problems = problems_new();
	struct told told = { "" };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++)
		problems_add(problems,
			     &(struct finding){ .kind = PROBLEM_SERVER_UNATTACHED,
						.scope = "back",
						.object = servers[i] },
			     "alone");
	problems_each(problems, 100, tell, &told);
	assert_string_equal(
		told.text,
		"error server_unattached 2: 2 servers get no packets: they are reached through back, which is not attached; the first is web/web1 -> xlbctl attach back\n");
	problems_free(problems);
}

static void only_so_many(void **state)
{
	struct problems *problems = problems_new();
	struct told told = { "" };
	char group[16];
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		snprintf(group, sizeof(group), "g%d", i);
		server_down(problems, group, "s", "x");
	}
	assert_int_equal(problems_each(problems, 2, tell, &told), 3);
	assert_non_null(strstr(told.text, "group g1:"));
	assert_null(strstr(told.text, "group g2:"));
	assert_true(problems_has(problems, PROBLEM_SERVER_DOWN));
	assert_false(problems_has(problems, PROBLEM_DRIFT));
	assert_false(problems_has(problems, PROBLEM_KIND_COUNT));
	problems_free(problems);
}

/* Names as long as they may be are cut, not written beyond. */
static void long_names(void **state)
{
	struct problems *problems = problems_new();
	struct told told = { "" };
	char name[1000];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	server_down(problems, name, name, name);
	server_down(problems, name, "other", name);
	problems_each(problems, 100, tell, &told);
	assert_non_null(strstr(told.text, "error server_down 2: group xxx"));
	problems_free(problems);
	assert_null(problems_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serious_first),
		cmocka_unit_test(equal_causes_fold),
		cmocka_unit_test(one_interface_for_all_groups),
		cmocka_unit_test(only_so_many),
		cmocka_unit_test(long_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
