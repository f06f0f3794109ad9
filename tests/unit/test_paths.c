// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "xlbd/paths.h"

static void default_instance(void **state)
{
	static const char *const names[] = { NULL, "" };
	struct paths paths;
	struct xlb_err err;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(paths_init(&paths, names[i], &err), 0);
		assert_string_equal(paths.instance, "");
		assert_string_equal(paths.run_dir, "/run/xlb");
		assert_string_equal(paths.socket, "/run/xlb/xlbd.sock");
		assert_string_equal(paths.state_dir, "/var/lib/xlb");
		assert_string_equal(paths.state_file, "/var/lib/xlb/current");
		assert_string_equal(paths.health_file, "/var/lib/xlb/health");
		assert_string_equal(paths.owner_file, "/var/lib/xlb/owned");
		assert_string_equal(paths.config_file, "/etc/xlb/xlb.yaml");
		assert_string_equal(paths.pin_dir, "/sys/fs/bpf/xlb/abi9");
	}
}

static void longest_instance(void **state)
{
	const char *name = "abcdefghijklmnopqrstuvwxyz-0123"; /* 31 */
	char expected[128];
	struct paths paths;
	struct xlb_err err;

	(void)state;
	assert_int_equal(paths_init(&paths, name, &err), 0);
	assert_string_equal(paths.instance, name);
	snprintf(expected, sizeof(expected), "/run/xlb-%s/xlbd.sock", name);
	assert_string_equal(paths.socket, expected);
	snprintf(expected, sizeof(expected), "/var/lib/xlb-%s/current", name);
	assert_string_equal(paths.state_file, expected);
	snprintf(expected, sizeof(expected), "/etc/xlb-%s/xlb.yaml", name);
	assert_string_equal(paths.config_file, expected);
	snprintf(expected, sizeof(expected), "/sys/fs/bpf/xlb-%s/abi9", name);
	assert_string_equal(paths.pin_dir, expected);
}

static void bad_instances(void **state)
{
	static const char *const names[] = {
		"abcdefghijklmnopqrstuvwxyz-01234",
		"Demo",
		"a/b",
		"..",
		"a b",
		"-a",
		"d\xc3\xa9mo",
		"a\n",
	};
	struct paths paths = { .instance = "untouched" };
	struct xlb_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(paths_init(&paths, names[i], &err), -EINVAL);
		assert_int_equal(err.class, XLB_ERR_USAGE);
		assert_non_null(strstr(err.text, names[i]));
	}
	assert_string_equal(paths.instance, "untouched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_instance),
		cmocka_unit_test(longest_instance),
		cmocka_unit_test(bad_instances),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("paths", tests, NULL, NULL);
}
