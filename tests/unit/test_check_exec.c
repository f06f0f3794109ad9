// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Programs are shell scripts that the test writes into a directory of its own. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "check_lab.h"
#include "core/types.h"
#include "xlbd/check_files.h"

static char directory[] = "/tmp/xlbt-exec-XXXXXX";
static char *command[8];

static const char *in_directory(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

/* Writes the program and makes it what checks of group web run, with one argument. */
static struct server_group *program(struct lab *lab, const char *script)
{
	struct server_group *group = add_group(lab, "web", CHECK_EXEC);
	const char *path = in_directory("program");
	FILE *file;

	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", script);
	assert_int_equal(fchmod(fileno(file), 0755), 0);
	assert_int_equal(fclose(file), 0);
	free(command[0]);
	command[0] = strdup(path);
	command[1] = (char *)(uintptr_t) "an argument";
	group->health_check.command = (struct texts){ command, 2 };
	group->health_check.timeout = 2000;
	add_server(group, "a", "127.0.0.1", 8080);
	configure(lab);
	return group;
}

/* What the program has written for the test, "" until it has. */
static const char *written(const char *name)
{
	static char text[512];
	FILE *file = fopen(in_directory(name), "r");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[n] = '\0';
	if (file)
		fclose(file);
	return text;
}

static void exec_passes(void **state)
{
	program(*state, "exit 0");
	assert_int_equal(wait_for(*state, HEALTH_UP, 3).failed, 0);
}

static void exec_tells_why(void **state)
{
	static const struct {
		const char *script, *reason;
	} rows[] = {
		{ "exit 3", "exit code 3" },
		{ "echo 'no such table'; echo more; exit 1", "exit code 1: no such table" },
		{ "printf 'a\\033b' >&2; exit 1", "exit code 1: a?b" },
		{ "kill -9 $$", "ended by signal 9" },
	};
	struct lab *lab = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		clear_model(lab);
		configure(lab);
		program(lab, rows[i].script);
		assert_string_equal(wait_for(lab, HEALTH_DOWN, 2).reason, rows[i].reason);
	}
}

/* Nothing of xlbd's is the program's: no rights, no descriptors, no environment but what is documented. */
static void exec_environment(void **state)
{
	char script[512], expected[512];

	assert_int_equal(chmod(directory, 0755), 0);
	close(open(in_directory("seen"), O_CREAT | O_WRONLY, 0666));
	assert_int_equal(chmod(in_directory("seen"), 0666), 0);
	setenv("SECRET", "of xlbd", 1);
	snprintf(
		script, sizeof(script),
		"{ env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort; id -u; echo \"$1\"; pwd; ls "
		"/proc/$$/fd | grep -v '^1[0-9]$' | tr '\\n' ' '; grep NoNewPrivs "
		"/proc/$$/status; } >%s.new && cat %s.new >%s",
		"/tmp/xlbt-exec-$$", "/tmp/xlbt-exec-$$", in_directory("seen"));
	strcat(script, "; rm /tmp/xlbt-exec-$$.new");
	program(*state, script);
	wait_for(*state, HEALTH_UP, 1);
	snprintf(
		expected, sizeof(expected),
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin\nXLB_ADDRESS=127.0.0.1\nXLB_FAMILY=ipv4\nXLB_GROUP=web\n"
		"XLB_PORT=8080\nXLB_SERVER=a\n%u\nan argument\n/\n0 1 2 NoNewPrivs:\t1\n",
		geteuid() ? geteuid() : 65534);
	assert_string_equal(written("seen"), expected);
}

/* The whole process group goes, children in the background too. */
static void exec_killed_when_late(void **state)
{
	struct lab *lab = *state;
	struct server_group *group;
	double end = now_ms() + LIMIT_MS;
	pid_t child = 0;
	char script[256];

	close(open(in_directory("child"), O_CREAT | O_WRONLY, 0666));
	assert_int_equal(chmod(in_directory("child"), 0666), 0);
	snprintf(script, sizeof(script), "sleep 1000 & echo $! >%s; wait", in_directory("child"));
	group = program(lab, script);
	group->health_check.timeout = 500;
	configure(lab);
	assert_string_equal(wait_for(lab, HEALTH_DOWN, 2).reason, "timed out after 500ms");
	clear_model(lab);
	configure(lab);
	assert_int_equal(sscanf(written("child"), "%d", &child), 1);
	/* init reaps it */
	while (!kill(child, 0) && now_ms() < end) {
		char path[64], state_of = 0;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/stat", child);
		file = fopen(path, "r");
		if (file && fscanf(file, "%*d %*s %c", &state_of) == 1 && state_of == 'Z')
			end = 0;
		if (file)
			fclose(file);
	}
	if (end && !kill(child, 0))
		fail_msg("process %d is still there", child);
}

/* More than may run at once: none is left out, none is taken for failed. */
static void exec_takes_turns(void **state)
{
	struct lab *lab = *state;
	struct server_group *group = program(lab, "exit 0");
	struct xlb_addr addr;
	char name[16];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		add_server(group, name, "127.0.0.1", 1);
	}
	group->health_check.interval = 1000;
	configure(lab);
	assert_int_equal(parse_addr("127.0.0.1", &addr), 0);
	for (int i = 0; i < 100; i++) {
		struct check_status status = {};
		double end = now_ms() + 4 * LIMIT_MS;

		snprintf(name, sizeof(name), "s%d", i);
		while (status.health != HEALTH_UP && now_ms() < end) {
			event_base_loop(lab->base, EVLOOP_ONCE);
			assert_int_equal(checker_status(lab->checker, "web", name, &addr, &status),
					 0);
		}
		assert_int_equal(status.health, HEALTH_UP);
		assert_int_equal(status.failed, 0);
	}
}

/* What others could have written is not run: that says nothing about the server. */
static void exec_refuses(void **state)
{
	struct lab *lab = *state;
	struct xlb_err err = {};

	program(lab, "exit 0");
	wait_for(lab, HEALTH_UP, 1);
	assert_int_equal(chmod(in_directory("program"), 0757), 0);
	while (!strstr(status_of(lab, "a").reason,
		       "can be written to by others than root (mode 0757)"))
		event_base_loop(lab->base, EVLOOP_ONCE);
	assert_int_equal(status_of(lab, "a").health, HEALTH_UP);
	assert_true(check_program(in_directory("program"), &err) < 0);
	assert_int_equal(chmod(in_directory("program"), 0744), 0);
	assert_true(check_program(in_directory("program"), &err) < 0);
	assert_non_null(
		strstr(err.text, "cannot be run by the user nobody (mode 0744): chmod o+rx"));
	assert_true(check_program(in_directory("nothing"), &err) < 0);
	assert_non_null(strstr(err.text, "nothing: No such file or directory"));
	assert_true(check_program(directory, &err) < 0);
	assert_non_null(strstr(err.text, "is not a regular file"));
	unlink(in_directory("link"));
	assert_int_equal(symlink("/bin/true", in_directory("link")), 0);
	assert_true(check_program(in_directory("link"), &err) < 0);
	assert_non_null(strstr(err.text, "is a symbolic link"));
	assert_int_equal(chmod(in_directory("program"), 0755), 0);
	assert_int_equal(chmod(directory, 0777), 0);
	assert_true(check_program(in_directory("program"), &err) < 0);
	assert_non_null(strstr(err.text, "can be written to by others"));
	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(check_program(in_directory("program"), &err), 0);
}

/* No program of the name is what a configuration says before it is taken. */
static void exec_in_a_configuration(void **state)
{
	struct lab *lab = *state;
	struct server_group *group = program(lab, "exit 0");
	struct model none = {};
	struct xlb_err err = {};

	TAILQ_INIT(&none.server_groups);
	group->object.type = &type_server_group;
	assert_int_equal(check_files_of_group(group, &none, directory, &err), -EINVAL);
	assert_non_null(strstr(err.text, "the program must lie in /tmp/xlbt-exec-"));
	assert_string_equal(err.pointer, "/server_groups/web/health_check/command");
	/* what is there already stands in nobody's way */
	assert_int_equal(check_files_of_group(group, &lab->model, directory, &err), 0);
}

static int make_directory(void **state)
{
	(void)state;
	return !mkdtemp(directory) || chmod(directory, 0755);
}

static int remove_directory(void **state)
{
	static const char *const names[] = { "program", "seen", "child", "link" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_directory(names[i]));
	free(command[0]);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(exec_passes),
		LAB_TEST(exec_tells_why),
		LAB_TEST(exec_environment),
		LAB_TEST(exec_killed_when_late),
		LAB_TEST(exec_takes_turns),
		LAB_TEST(exec_refuses),
		LAB_TEST(exec_in_a_configuration),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("check_exec", tests, make_directory, remove_directory);
}
