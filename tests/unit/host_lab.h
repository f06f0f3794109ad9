/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The lab of the tests of the host's network, which run against the kernel. Needs root; leaves nothing
 * behind: both namespaces are without a name and go with their processes.
 *
 *	the test's process                                  a child that only waits
 *	va 10.9.0.1/24, 2001:db8:9::1/64  ---- veth ----    vb 10.9.0.2/24, 2001:db8:9::2/64
 *	default by va, 10.20.0.0/16 and 2001:db8:20::/48 by the child
 */
#ifndef XLB_TESTS_UNIT_HOST_LAB_H
#define XLB_TESTS_UNIT_HOST_LAB_H

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/host.h"

#define WAIT_MS 5000

static pid_t peer;
static char owner_file[64];
static unsigned int changes;
static struct host *host;

static inline void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		fail_msg("failed: %s", command);
}

/* A command in the peer's namespace. */
#define run_peer(format, ...) run("nsenter --net=/proc/%d/ns/net " format, (int)peer, ##__VA_ARGS__)

static inline void command_output(char *ret, size_t size, const char *command)
{
	FILE *pipe = popen(command, "r");
	size_t length;

	assert_non_null(pipe);
	length = fread(ret, 1, size - 1, pipe);
	ret[length] = '\0';
	pclose(pipe);
}

static inline struct xlb_addr addr(const char *text)
{
	struct xlb_addr parsed;

	assert_int_equal(parse_addr(text, &parsed), 0);
	return parsed;
}

static inline void start_peer(void)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	peer = fork();
	assert_true(peer >= 0);
	if (!peer) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
}

/* The kernel takes its time to tell IPv6 that the link is there. */
#define WAIT_FOR_UP(device) \
	"sh -c 'for i in $(seq 100); do ip -o link show " device \
	" | grep -q \"state UP\" && exit; sleep 0.05; done; exit 1'"
#define NO_DAD \
	"sh -c 'for c in all default; do echo 0 >/proc/sys/net/ipv6/conf/$c/accept_dad; done'"

static inline int setup_lab(void **state)
{
	int fd;

	(void)state;
	strcpy(owner_file, "/tmp/xlb-test-host.XXXXXX");
	fd = mkstemp(owner_file);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	start_peer();
	run(NO_DAD);
	run_peer(NO_DAD);
	run("ip link set lo up");
	run("ip link add va type veth peer name vb netns %d", (int)peer);
	return 0;
}

static inline int teardown_lab(void **state)
{
	(void)state;
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	unlink(owner_file);
	return 0;
}

static inline void count_change(void *arg)
{
	++*(unsigned int *)arg;
}

static inline bool has_changed(void *arg)
{
	(void)arg;
	return changes;
}

static inline void open_host(void)
{
	struct xlb_err err = {};

	if (host_open(owner_file, count_change, &changes, &host, &err))
		fail_msg("host_open: %s", err.text);
}

/* The lab as drawn above, and a host without marks. */
static inline int setup(void **state)
{
	(void)state;
	assert_int_equal(truncate(owner_file, 0), 0);
	run("ip link set va up && ip addr add 10.9.0.1/24 dev va");
	run("ip addr add 2001:db8:9::1/64 dev va");
	run_peer("ip addr add 10.9.0.2/24 dev vb");
	run_peer("ip addr add 2001:db8:9::2/64 dev vb");
	run_peer("ip link set vb up");
	run(WAIT_FOR_UP("va"));
	run_peer(WAIT_FOR_UP("vb"));
	run("ip route add default via 10.9.0.254 && ip route add default via 2001:db8:9::fe");
	run("ip route add 10.20.0.0/16 via 10.9.0.2");
	run("ip route add 2001:db8:20::/48 via 2001:db8:9::2");
	open_host();
	changes = 0;
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	host = host_close(host);
	run("ip addr flush dev va scope global && ip neigh flush all");
	run("ip route flush dev va scope global && ip -6 route flush dev va proto boot");
	run_peer("ip addr flush dev vb scope global");
	return 0;
}

static inline int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Dispatches as the daemon's loop does until `done` or the time is over. */
static inline bool wait_until(bool (*done)(void *arg), void *arg)
{
	struct pollfd poller = { .fd = host_fd(host), .events = POLLIN };
	int64_t end = now_ms() + WAIT_MS;

	while (!done(arg)) {
		if (now_ms() > end)
			return false;
		if (poll(&poller, 1, 50) > 0)
			host_dispatch(host);
	}
	return true;
}

struct listed {
	struct row rows[16];
	unsigned int count;
};

static inline void take_row(void *arg, const struct row *row)
{
	struct listed *listed = arg;

	assert_true(listed->count < 16);
	listed->rows[listed->count++] = *row;
}

static inline struct listed list(enum table_id table)
{
	struct sink *sink = host_sink(host);
	struct listed listed = {};
	struct xlb_err err = {};

	if (sink->list(sink, &tables[table], take_row, &listed, &err))
		fail_msg("list: %s", err.text);
	return listed;
}

static inline struct row neighbour_row(const char *text)
{
	struct row row = { .table = TABLE_NEIGHBOUR };
	struct row_neighbour_key key = { .addr = addr(text), .ifindex = if_nametoindex("va") };

	memcpy(row.key, &key, sizeof(key));
	return row;
}

static inline struct row vip_row(const char *text)
{
	struct row row = { .table = TABLE_VIP_ADDR };
	struct row_vip_addr_key key = { .addr = addr(text), .ifname = "va" };

	memcpy(row.key, &key, sizeof(key));
	return row;
}

static inline int try_put(const struct row *row, struct xlb_err *err)
{
	struct sink *sink = host_sink(host);

	return sink->put(sink, row, NULL, 0, err);
}

static inline void put(const struct row *row)
{
	struct xlb_err err = {};

	if (try_put(row, &err))
		fail_msg("put: %s", err.text);
}

static inline void del(const struct row *row)
{
	struct sink *sink = host_sink(host);
	struct xlb_err err = {};

	if (sink->del(sink, row, &err))
		fail_msg("del: %s", err.text);
}

static inline bool is_listed(const struct row *row)
{
	struct listed listed = list(row->table);

	for (unsigned int i = 0; i < listed.count; i++)
		if (!memcmp(&listed.rows[i], row, sizeof(*row)))
			return true;
	return false;
}

static inline bool is_not_listed(void *row)
{
	return !is_listed(row);
}

#define LAB_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* Without root there is nothing that cmocka could run. */
static inline int skip_tests(const struct CMUnitTest *tests, size_t count)
{
	printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++)
		printf("ok %zu - %s # SKIP needs root\n", i + 1, tests[i].name);
	return 0;
}

/* All of a test program's main. */
#define RUN_LAB_TESTS(tests) \
	(geteuid() ? skip_tests(tests, sizeof(tests) / sizeof((tests)[0])) : \
		     (cmocka_set_message_output(CM_OUTPUT_TAP), \
		      cmocka_run_group_tests(tests, setup_lab, teardown_lab)))

#endif
