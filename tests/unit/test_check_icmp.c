// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Pings of loopback addresses, which the kernel answers. */
#include "check_lab.h"

/* Raw sockets are root's: 1 if the test is to be left out. */
static int needs_root(void)
{
	if (!geteuid())
		return 0;
	print_message("# skip: raw sockets need root\n");
	return 1;
}

static struct check_status pinged(struct lab *lab, const char *address, enum health health)
{
	struct check_status status = {};
	struct xlb_addr addr;
	double end = now_ms() + LIMIT_MS;

	add_server(add_group(lab, "web", CHECK_ICMP), "a", address, 0);
	configure(lab);
	assert_int_equal(parse_addr(address, &addr), 0);
	do {
		event_base_loop(lab->base, EVLOOP_ONCE);
		assert_int_equal(checker_status(lab->checker, "web", "a", &addr, &status), 0);
	} while (status.health != health && now_ms() < end);
	if (status.health != health)
		fail_msg("%s is %s: %s", address, health_word(status.health), status.reason);
	return status;
}

static void icmp_ipv4(void **state)
{
	if (needs_root())
		skip();
	pinged(*state, "127.0.0.1", HEALTH_UP);
}

static void icmp_ipv6(void **state)
{
	if (needs_root())
		skip();
	pinged(*state, "::1", HEALTH_UP);
}

/* One address pinged by many at once: each takes its own answer for its own, and nobody else's. */
static void icmp_many(void **state)
{
	struct lab *lab = *state;
	struct server_group *group;
	struct xlb_addr addr;
	char name[16];

	if (needs_root())
		skip();
	group = add_group(lab, "web", CHECK_ICMP);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), i ? "s%d" : "a", i);
		add_server(group, name, "127.0.0.1", 0);
	}
	configure(lab);
	wait_for(lab, HEALTH_UP, 10);
	assert_int_equal(parse_addr("127.0.0.1", &addr), 0);
	for (int i = 0; i < 50; i++) {
		struct check_status status;

		snprintf(name, sizeof(name), i ? "s%d" : "a", i);
		assert_int_equal(checker_status(lab->checker, "web", name, &addr, &status), 0);
		assert_int_equal(status.health, HEALTH_UP);
		assert_int_equal(status.failed, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(icmp_ipv4),
		LAB_TEST(icmp_ipv6),
		LAB_TEST(icmp_many),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("check_icmp", tests, NULL, NULL);
}
