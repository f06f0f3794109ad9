// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The state machine by rows, then the set of checks: tcp, reconfiguration, known health, limits. */
#include "check_lab.h"

#include <dirent.h>
#include <sys/resource.h>

/* --- the machine ---------------------------------------------------------------------------------- */

static void machine_rows(void **state)
{
	static const struct {
		const char *name;
		enum health from;
		uint32_t healthy, unhealthy;
		const char *results; /* P passed, F failed */
		const char *states;  /* after each: i, u, d */
	} rows[] = {
		{ "first success is enough", HEALTH_INITIAL, 3, 3, "P", "u" },
		{ "also after failures", HEALTH_INITIAL, 3, 3, "FFP", "iiu" },
		{ "initial goes down by threshold", HEALTH_INITIAL, 2, 3, "FFFF", "iidd" },
		{ "up needs failures in a row", HEALTH_UP, 2, 3, "FFPFFPFFF", "uuuuuuuud" },
		{ "down needs successes in a row", HEALTH_DOWN, 3, 2, "PPFPPFPPP", "ddddddddu" },
		{ "thresholds of one", HEALTH_UP, 1, 1, "FPFP", "dudu" },
		{ "a change starts a new count", HEALTH_UP, 2, 2, "FFFPP", "udddu" },
	};
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct health_machine machine = { .state = rows[i].from };
		enum health last = machine.state;
		bool ever_up = false;

		for (n = 0; rows[i].results[n]; n++) {
			bool changed = health_feed(&machine, rows[i].results[n] == 'P',
						   rows[i].healthy, rows[i].unhealthy);

			if (health_word(machine.state)[0] != rows[i].states[n])
				fail_msg("%s: %s after result %zu", rows[i].name,
					 health_word(machine.state), n);
			assert_int_equal(changed, machine.state != last);
			last = machine.state;
			ever_up |= changed && machine.state == HEALTH_UP;
			assert_int_equal(machine.ever_up, ever_up);
		}
	}
}

/* --- tcp ------------------------------------------------------------------------------------------ */

static void tcp_up_at_once(void **state)
{
	struct lab *lab = *state;
	struct check_status status;

	add_server(add_group(lab, "web", CHECK_DEFAULT), "a", "127.0.0.1",
		   add_listening(lab, 0, (struct server_options){})->port);
	configure(lab);
	assert_int_equal(status_of(lab, "a").health, HEALTH_INITIAL);
	assert_false(checker_group_ever_up(lab->checker, "web"));
	status = wait_for(lab, HEALTH_UP, 1);
	assert_int_equal(status.passed, 1);
	assert_true(status.ever_up);
	assert_string_equal(status.reason, "");
	assert_true(checker_group_ever_up(lab->checker, "web"));
	assert_false(checker_group_ever_up(lab->checker, "other"));
	wait_for(lab, HEALTH_UP, 4);
	assert_int_equal(lab->changes, 1);
}

static void tcp_refused_goes_down(void **state)
{
	struct lab *lab = *state;
	struct check_status status;

	add_server(add_group(lab, "web", CHECK_TCP), "a", "127.0.0.1", refusing_port());
	configure(lab);
	status = wait_for(lab, HEALTH_DOWN, 2);
	assert_int_equal(status.failed, 2);
	assert_false(status.ever_up);
	assert_string_equal(status.reason, "connection refused");
	assert_false(checker_group_ever_up(lab->checker, "web"));
}

static void tcp_timeout_of_a_full_backlog(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	struct lab *lab = *state;
	int fd, fill[4], i;
	uint16_t port = 0;

	fd = listen_on(&port, 0);
	addr.sin_port = htons(port);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (i = 0; i < 4; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_true(!connect(fill[i], (struct sockaddr *)&addr, sizeof(addr)) ||
			    errno == EINPROGRESS);
	}
	add_server(add_group(lab, "web", CHECK_TCP), "a", "127.0.0.1", port);
	configure(lab);
	assert_string_equal(wait_for(lab, HEALTH_DOWN, 2).reason, "timed out after 100ms");
	for (i = 0; i < 4; i++)
		close(fill[i]);
	close(fd);
}

static void note_transition(void *arg, const struct check_transition *transition)
{
	char *told = arg, address[ADDR_TEXT_MAX];

	format_addr(&transition->addr, address);
	assert_false(transition->several);
	snprintf(told + strlen(told), 512 - strlen(told), "%s/%s %s %s>%s %u %s;",
		 transition->group, transition->server, address, health_word(transition->from),
		 health_word(transition->to), transition->results, transition->reason);
}

static void leaves_and_comes_back(void **state)
{
	struct lab *lab = *state;
	char told[512] = "";
	struct listening *server = add_listening(lab, 0, (struct server_options){});
	struct check_status status;

	add_server(add_group(lab, "web", CHECK_TCP), "a", "127.0.0.1", server->port);
	checker_on_transition(lab->checker, note_transition, told);
	configure(lab);
	wait_for(lab, HEALTH_UP, 1);
	close(server->fd);
	status = wait_for(lab, HEALTH_DOWN, 3);
	assert_int_equal(status.failed, 2);
	assert_true(status.ever_up);
	server->fd = listen_on(&server->port, 16);
	status = wait_for(lab, HEALTH_UP, status.passed + status.failed + 2);
	assert_string_equal(status.reason, "");
	wait_for(lab, HEALTH_UP,
		 status.passed + status.failed + 2); /* changes are told a little later */
	assert_int_equal(lab->changes, 3);
	assert_string_equal(told, "web/a 127.0.0.1 initial>up 1 ;"
				  "web/a 127.0.0.1 up>down 2 connection refused;"
				  "web/a 127.0.0.1 down>up 2 ;");
}

static void ipv6_and_other_ports(void **state)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t length = sizeof(addr);
	struct server_group *group;
	struct check_status status;
	struct lab *lab = *state;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, length)) {
		close(fd);
		skip();
	}
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &length), 0);
	group = add_group(lab, "web", CHECK_TCP);
	group->health_check.port = ntohs(addr.sin6_port);
	add_server(group, "six", "::1", 1);
	add_server(group, "a", "127.0.0.1", 1);
	configure(lab);
	wait_for(lab, HEALTH_DOWN, 3);
	assert_int_equal(checker_status(lab->checker, "web", "six",
					(struct xlb_addr *)&addr.sin6_addr, &status),
			 0);
	assert_int_equal(status.health, HEALTH_UP);
	close(fd);
}

/* --- the set of checks ---------------------------------------------------------------------------- */

static void none_is_not_checked(void **state)
{
	struct lab *lab = *state;
	struct xlb_addr addr;
	struct check_status status;

	add_server(add_group(lab, "web", CHECK_NONE), "a", "127.0.0.1", 80);
	configure(lab);
	assert_int_equal(parse_addr("127.0.0.1", &addr), 0);
	assert_int_equal(checker_status(lab->checker, "web", "a", &addr, &status), -ENOENT);
	assert_false(checker_group_ever_up(lab->checker, "web"));
}

static void reconfiguration(void **state)
{
	struct lab *lab = *state;
	uint16_t port = add_listening(lab, 0, (struct server_options){})->port;
	struct server_group *group = add_group(lab, "web", CHECK_TCP);
	struct server *a = add_server(group, "a", "127.0.0.1", port), *b;
	struct check_status before, after;

	configure(lab);
	before = wait_for(lab, HEALTH_UP, 2);
	/* another server comes: a goes on undisturbed */
	b = add_server(group, "b", "127.0.0.1", port);
	configure(lab);
	assert_memory_equal(&(struct check_status[]){ status_of(lab, "a") }, &before,
			    sizeof(before));
	assert_int_equal(status_of(lab, "b").health, HEALTH_INITIAL);
	/* another interval: what is known stays, a check follows at once */
	group->health_check.interval = 3600000;
	configure(lab);
	assert_int_equal(status_of(lab, "a").health, HEALTH_UP);
	after = wait_for(lab, HEALTH_UP, before.passed + 1);
	assert_int_equal(after.since, before.since);
	/* another port is another service */
	a->port = refusing_port();
	configure(lab);
	assert_int_equal(status_of(lab, "a").health, HEALTH_INITIAL);
	/* no longer there, no longer checked */
	TAILQ_REMOVE(&group->servers, &a->object, link);
	configure(lab);
	assert_int_equal(checker_status(lab->checker, "web", "a", a->address.addrs, &after),
			 -ENOENT);
	assert_int_equal(checker_status(lab->checker, "web", "b", b->address.addrs, &after), 0);
	TAILQ_INSERT_TAIL(&group->servers, &a->object, link);
}

static void restart_checker(struct lab *lab, const char *file)
{
	assert_int_equal(checker_save(lab->checker, file, &lab->err), 0);
	checker_free(lab->checker);
	lab->checker = checker_new(lab->base, on_changed, lab);
	assert_int_equal(checker_load(lab->checker, file, &lab->err), 0);
	configure(lab);
}

static void known_health_survives(void **state)
{
	struct lab *lab = *state;
	struct listening *server = add_listening(lab, 0, (struct server_options){});
	char file[] = "/tmp/xlb-health-XXXXXX";
	struct check_status before, after;

	close(mkstemp(file));
	add_server(add_group(lab, "web", CHECK_TCP), "a", "127.0.0.1", server->port);
	configure(lab);
	before = wait_for(lab, HEALTH_UP, 1);
	close(server->fd);
	restart_checker(lab, file);
	after = status_of(lab, "a");
	assert_int_equal(after.health, HEALTH_UP);
	assert_true(after.ever_up);
	assert_int_equal(after.since, before.since);
	/* one failure of a server known to be up does not count yet */
	assert_int_equal(wait_for(lab, HEALTH_UP, 1).failed, 1);
	wait_for(lab, HEALTH_DOWN, 2);
	restart_checker(lab, file);
	assert_int_equal(status_of(lab, "a").health, HEALTH_DOWN);
	assert_true(checker_group_ever_up(lab->checker, "web"));
	server->fd = listen_on(&server->port, 16);
	unlink(file);
}

static void damaged_files(void **state)
{
	static const char *const rows[] = {
		"something else\n",
		"xlb health 1\nweb a 127.0.0.1 up 1\n",
		"xlb health 1\nweb a 127.0.0.1 sideways 1 5\n",
		"xlb health 1\nweb a localhost up 1 5\n",
		"xlb health 1\nweb a 127.0.0.1 up 1 5 6\n",
		"xlb health 1\nweb a 127.0.0.1 up 1 5\nweb a 127.0.0.1 up 1 5\n",
	};
	char file[] = "/tmp/xlb-health-XXXXXX";
	struct lab *lab = *state;
	int fd = mkstemp(file);
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, rows[i], strlen(rows[i]), 0), strlen(rows[i]));
		assert_int_equal(checker_load(lab->checker, file, &lab->err), -EINVAL);
		assert_non_null(strstr(lab->err.text, file));
	}
	close(fd);
	unlink(file);
	assert_int_equal(checker_load(lab->checker, file, &lab->err), 0);
	assert_int_equal(checker_save(lab->checker, "/nonexistent/health", &lab->err), -ENOENT);
}

static unsigned int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void too_many_open_files_is_our_fault(void **state)
{
	struct lab *lab = *state;
	uint16_t port = add_listening(lab, 0, (struct server_options){})->port;
	struct rlimit old, none;
	struct check_status status;
	double end = now_ms() + LIMIT_MS;

	add_server(add_group(lab, "web", CHECK_TCP), "a", "127.0.0.1", port);
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = 0;
	configure(lab);
	setrlimit(RLIMIT_NOFILE, &none);
	do {
		event_base_loop(lab->base, EVLOOP_ONCE);
		status = status_of(lab, "a");
	} while (!status.reason[0] && now_ms() < end);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_string_equal(status.reason, "xlbd: too many open files");
	assert_int_equal(status.health, HEALTH_INITIAL);
	assert_int_equal(status.failed, 0);
	wait_for(lab, HEALTH_UP, 1);
}

/* Starts a lot of checks: none of them in configure, never many between two turns of the loop. */
static void many_checks_start_in_slices(void **state)
{
	struct lab *lab = *state;
	uint16_t port = add_listening(lab, 0, (struct server_options){})->port;
	struct server_group *group = add_group(lab, "web", CHECK_TCP);
	unsigned int before = open_files(), n, up = 0, turns = 0;
	double start, turn, longest = 0;
	struct check_status status;

	group->health_check.interval = group->health_check.timeout = 1000;
	for (n = 0; n < 2000; n++) {
		char name[16];

		snprintf(name, sizeof(name), "s%u", n);
		add_server(group, name, "127.0.0.1", port);
	}
	start = now_ms();
	configure(lab);
	print_message("# configuring 2000 checks: %.1f ms\n", now_ms() - start);
	assert_int_equal(open_files(), before);
	for (start = now_ms(); up < 2000 && now_ms() < start + LIMIT_MS; turns++) {
		turn = now_ms();
		event_base_loop(lab->base, EVLOOP_NONBLOCK);
		turn = now_ms() - turn;
		longest = turn > longest ? turn : longest;
		for (; up < 2000; up++) {
			char name[16];

			snprintf(name, sizeof(name), "s%u", up);
			status = status_of(lab, name);
			if (status.health != HEALTH_UP)
				break;
		}
	}
	print_message("# all up after %.0f ms, %u turns, longest turn %.1f ms\n", now_ms() - start,
		      turns, longest);
	assert_int_equal(up, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machine_rows),
		LAB_TEST(tcp_up_at_once),
		LAB_TEST(tcp_refused_goes_down),
		LAB_TEST(tcp_timeout_of_a_full_backlog),
		LAB_TEST(leaves_and_comes_back),
		LAB_TEST(ipv6_and_other_ports),
		LAB_TEST(none_is_not_checked),
		LAB_TEST(reconfiguration),
		LAB_TEST(known_health_survives),
		LAB_TEST(damaged_files),
		LAB_TEST(too_many_open_files_is_our_fault),
		LAB_TEST(many_checks_start_in_slices),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
