// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Files of tls listeners on their way to who ends TLS. */
#include "engine_lab.h"

/* Where the instance's files are; the configuration may name files below. What is made there in the next hour is valid. */
static const char *use_directory(struct lab *lab)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	lab_world.now = now.tv_sec + 3600;
	snprintf(lab->paths.config_dir, sizeof(lab->paths.config_dir), "%.*s",
		 (int)(strrchr(lab->paths.config_file, '/') - lab->paths.config_file),
		 lab->paths.config_file);
	lab_stop(lab);
	lab_start(lab);
	lab_settle(lab);
	return lab->paths.config_dir;
}

static void make_certificate(const char *directory)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 "
		 "-subj /CN=a.example -addext subjectAltName=DNS:a.example "
		 "-keyout %s/a.key -out %s/a.pem 2>/dev/null",
		 directory, directory);
	assert_int_equal(system(command), 0);
}

/* Nothing else changes with it, and nothing is saved: its contents reach the sink all the same. */
static void replaced_certificate(void **state)
{
	struct lab *lab = *state;
	const char *directory = use_directory(lab);
	char text[1024];
	AUTO_FREE char *before = NULL, *after = NULL;

	snprintf(
		text, sizeof(text),
		LAB_INTERFACES
		"load_balancers: {edge: {addresses: 198.51.100.10, listeners: {https: {protocol: tls, "
		"port: 443, server_group: web, certificates: [{chain: %s/a.pem, key: %s/a.key}]}}}}\n"
		"server_groups: {web: {servers: {" LAB_WEB1 "}}}\n",
		directory, directory);
	make_certificate(directory);
	lab_apply_ok(lab, text);
	assert_int_equal(lab_count(TABLE_TLS_FILE), 1);
	before = sink_fake_dump(lab_world.datapath);
	make_certificate(directory);
	lab_apply_ok(lab, text);
	assert_int_equal(lab_count(TABLE_TLS_FILE), 1);
	after = sink_fake_dump(lab_world.datapath);
	assert_string_not_equal(before, after);
	assert_true(sink_fake_is_sane(lab_world.datapath));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(replaced_certificate, lab_setup, lab_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
