// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What speaks of metrics outside the program (docs, dashboard, alerts) speaks of those that exist. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "core/metrics.h"

static char *read_file(const char *path)
{
	AUTO_FCLOSE FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		fail_msg("%s: run from the top of the source", path);
	assert_true(getdelim(&text, &size, 0, file) > 0);
	return text;
}

static const struct metric *find_metric(const char *name, size_t length)
{
	size_t count, i;
	const struct metric *families = metrics(&count);

	for (i = 0; i < count; i++) {
		size_t own = strlen(families[i].name);

		if (strncmp(families[i].name, name, own < length ? own : length))
			continue;
		if (own == length)
			return &families[i];
		if (families[i].kind == METRIC_HISTOGRAM && own < length &&
		    (!strncmp(name + own, "_bucket", length - own) ||
		     !strncmp(name + own, "_sum", length - own) ||
		     !strncmp(name + own, "_count", length - own)))
			return &families[i];
	}
	return NULL;
}

/* Every word that begins with xlb_ or process_ is a metric. */
static void check_names(const char *path, size_t at_least)
{
	AUTO_FREE char *text = read_file(path);
	size_t length, found = 0;
	const char *p;

	for (p = text; *p; p += length ? length : 1) {
		for (length = 0; isalnum((unsigned char)p[length]) || p[length] == '_'; length++)
			;
		if (strncmp(p, "xlb_", 4) && strncmp(p, "process_", 8))
			continue;
		found++;
		if (!find_metric(p, length))
			fail_msg("%s names %.*s, which does not exist", path, (int)length, p);
	}
	if (found < at_least)
		fail_msg("%s names only %zu metrics", path, found);
}

static void packaging_names_exist(void **state)
{
	(void)state;
	check_names("packaging/grafana/xlb.json", 40);
	check_names("packaging/prometheus/xlb.rules.yml", 10);
}

static void unknown_names_are_seen(void **state)
{
	(void)state;
	assert_non_null(find_metric("xlb_flows", 9));
	assert_non_null(find_metric("xlb_health_check_duration_seconds_bucket", 40));
	assert_null(find_metric("xlb_flow", 8));
	assert_null(find_metric("xlb_flows_total", 15));
	assert_null(find_metric("xlb_listener_packets", 20));
}

/* What promtool would complain about, for every row, whether a lab shows it or not. */
static void conventions(void **state)
{
	size_t count, i, length;
	const struct metric *families = metrics(&count);

	(void)state;
	assert_true(count > METRIC_COUNT && count < METRIC_FAMILIES_MAX);
	for (i = 0; i < count; i++) {
		const char *name = families[i].name;

		length = strlen(name);
		assert_true(length > 6 && length < METRIC_NAME_MAX - 1);
		assert_int_equal(!strcmp(name + length - 6, "_total"),
				 families[i].kind == METRIC_COUNTER);
		assert_int_equal(!strcmp(name + length - 5, "_info"),
				 families[i].kind == METRIC_INFO);
		assert_int_equal(families[i].help[strlen(families[i].help) - 1], '.');
		assert_ptr_equal(find_metric(name, length), &families[i]);
	}
}

static void scope_words(void **state)
{
	struct xlb_err err = {};
	uint32_t scopes = 0;

	(void)state;
	assert_int_equal(metric_scopes(NULL, &scopes, &err), 0);
	assert_int_equal(scopes, UINT32_MAX);
	assert_int_equal(metric_scopes("drops,server_group", &scopes, &err), 0);
	assert_int_equal(scopes, 1U << SCOPE_DROPS | 1U << SCOPE_GROUP);
	assert_int_equal(metric_scopes("drops,", &scopes, &err), -EINVAL);
	assert_int_equal(metric_scopes("Drops", &scopes, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packaging_names_exist),
		cmocka_unit_test(unknown_names_are_seen),
		cmocka_unit_test(conventions),
		cmocka_unit_test(scope_words),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
