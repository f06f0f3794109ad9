// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The API and clients that are odd, slow, gone, many or not allowed. */
#include <grp.h>
#include <sys/wait.h>

#include "api_fixture.c" /* a test is linked from one file */

#include "xlbd/authority.h"

static void not_http(void **state)
{
	static const char *const requests[] = {
		"hello\r\n\r\n",
		"GET\r\n\r\n",
		"GET /v1/status HTTP/9.9\r\n\r\n",
		"\r\n\r\n\r\n",
		"BREW /v1/status HTTP/1.1\r\n\r\n",
		"GET http://[::1/v1 HTTP/1.1\r\n\r\n",
		"POST /v1/apply HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
		"POST /v1/apply HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
		"POST /v1/apply HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		int fd = client_new(f);
		struct answer a;

		client_send(f, fd, requests[i], strlen(requests[i]));
		shutdown(fd, SHUT_WR);
		a = client_receive(f, fd);
		assert_true(a.status >= 400 || a.closed);
		answer_done(&a);
		close(fd);
	}
	expect_done(f, 200, "GET", "/v1/status", NULL);
}
static char *make_text(size_t length, const char *start)
{
	char *body = malloc(length + 1);

	assert_non_null(body);
	memset(body, '#', length);
	memcpy(body, start, strlen(start));
	body[length] = '\0';
	return body;
}

/* `count` servers, each with a comment of `padding` characters. */
static char *make_config(int count, int padding)
{
	char *source;
	size_t size;
	FILE *f = open_memstream(&source, &size);
	int i;

	assert_non_null(f);
	fputs("version: 1\nserver_groups:\n  small: {}\n  big:\n    servers:\n", f);
	for (i = 0; i < count; i++)
		fprintf(f, "      s%d: {address: 10.1.%d.%d, port: 80, weight: %d} #%*s\n", i,
			i / 250, i % 250 + 1, i % 100 + 1, padding, "");
	fclose(f);
	return source;
}

static void body_limits(void **state)
{
	struct fixture *f = *state;
	char *fields = make_text((1 << 20) + 1, "fail_open: true\n");
	char *headers = make_text(70000, "X-Long: "), *config = make_config(100, 20000), *request;
	struct answer a;
	int fd;

	a = expect(f, 413, "PATCH", "/v1/server_groups/web", fields);
	check_problem(&a, "usage");
	answer_done(&a);
	fields[1 << 20] = '\0'; /* allowed to come in, but no sensible text */
	expect_done(f, 422, "PATCH", "/v1/server_groups/web", fields);
	assert_true(strlen(config) > 1 << 20);
	expect_done(f, 200, "POST", "/v1/check", config);
	expect_done(f, 200, "POST", "/v1/apply", config);
	free(fields);
	free(config);

	assert_true(asprintf(&request, "GET /v1/status HTTP/1.1\r\n%s\r\n\r\n", headers) > 0);
	fd = client_new(f);
	client_send(f, fd, request, strlen(request));
	a = client_receive(f, fd);
	assert_true(a.status == 400 || a.status == 413 || a.closed);
	answer_done(&a);
	close(fd);
	free(request);
	free(headers);
	expect_done(f, 200, "GET", "/v1/status", NULL);
}

/* --- connections --- */

static void slow_clients(void **state)
{
	static const char request[] =
		"PATCH /v1/server_groups/web HTTP/1.1\r\nHost: xlb\r\nContent-Length: 16\r\n\r\n"
		"fail_open: false";
	struct fixture *f = *state;
	int slow = client_new(f), stalled = client_new(f);
	struct answer a;
	size_t i;

	client_send(f, stalled, request, sizeof(request) - 5);
	for (i = 0; i < sizeof(request) - 1; i++) {
		client_send(f, slow, request + i, 1);
		if (i % 16 == 0)
			expect_done(f, 200, "GET", "/v1/interfaces", NULL);
	}
	a = client_receive(f, slow);
	assert_int_equal(a.status, 200);
	answer_done(&a);
	/* the same connection again, and then the one that stood still */
	send_request(f, slow, "GET", "/v1/server_groups/web", NULL, NULL);
	a = client_receive(f, slow);
	assert_true(json_is_false(at(a.json, "fail_open")));
	answer_done(&a);
	client_send(f, stalled, "alse", 4);
	a = client_receive(f, stalled);
	assert_int_equal(a.status, 200);
	answer_done(&a);
	close(slow);
	close(stalled);
}

static void pipelined(void **state)
{
	static const char requests[] =
		"GET /v1/interfaces HTTP/1.1\r\n\r\n"
		"PATCH /v1/server_groups/web HTTP/1.1\r\nContent-Length: 16\r\n\r\nfail_open: false"
		"GET /v1/server_groups/web HTTP/1.1\r\n\r\n";
	struct fixture *f = *state;
	int fd = client_new(f);
	struct answer a;

	client_send(f, fd, requests, strlen(requests));
	a = client_receive(f, fd);
	assert_string_equal(text_at(&a, "interfaces.0.name"), "eth0");
	answer_done(&a);
	a = client_receive(f, fd);
	assert_int_equal(number_at(&a, "revision"), 2);
	answer_done(&a);
	a = client_receive(f, fd);
	assert_string_equal(text_at(&a, "name"), "web");
	answer_done(&a);
	close(fd);
}

static void turns(struct fixture *f)
{
	int i;

	for (i = 0; i < 20; i++)
		turn(f);
}

/* The client of a queued change goes away, sends on, or waits: the change is made. */
static void queued_changes(void **state)
{
	struct fixture *f = *state;
	int gone = client_new(f), half = client_new(f), talker = client_new(f),
	    waiting = client_new(f), bare = client_new(f);
	struct answer a;

	fake_engine_hold(f->engine, true);
	send_request(f, gone, "PATCH", "/v1/server_groups/web", NULL, "fail_open: false");
	send_request(f, half, "PATCH", "/v1/server_groups/web/servers/web1", NULL, "weight: 7");
	send_request(f, talker, "DELETE", "/v1/server_groups/web/servers/web2", NULL, NULL);
	send_request(f, waiting, "POST", "/v1/server_groups/blue", NULL, "{}");
	send_request(f, bare, "DELETE", "/v1/interfaces/eth0", NULL, NULL);
	turns(f);
	assert_int_equal(fake_engine_queued(f->engine), 5);
	close(gone);
	close(bare);
	shutdown(half, SHUT_WR);
	send_request(f, talker, "GET", "/v1/server_groups/web/servers", NULL, NULL);
	expect_done(f, 200, "GET", "/v1/status", NULL);
	turns(f);
	fake_engine_hold(f->engine, false);
	turns(f);
	a = client_receive(f, half);
	assert_int_equal(a.status, 200);
	answer_done(&a);
	a = client_receive(f, talker);
	assert_int_equal(number_at(&a, "removed"), 1);
	answer_done(&a);
	a = client_receive(f, talker);
	assert_int_equal(json_array_size(at(a.json, "servers")), 1);
	answer_done(&a);
	a = client_receive(f, waiting);
	assert_int_equal(number_at(&a, "revision"), 5);
	answer_done(&a);
	a = expect(f, 200, "GET", "/v1/server_groups/web", NULL);
	assert_true(json_is_false(at(a.json, "fail_open")));
	assert_int_equal(number_at(&a, "servers.web1.weight"), 7);
	answer_done(&a);
	expect_done(f, 404, "GET", "/v1/interfaces/eth0", NULL);
	close(half);
	close(talker);
	close(waiting);
}

/* As xlbd stops: first the API, then the engine with what it had queued. */
static void closes_with_queued_changes(void **state)
{
	struct fixture *f = *state;
	int one = client_new(f), two = client_new(f);

	fake_engine_hold(f->engine, true);
	send_request(f, one, "PATCH", "/v1/server_groups/web", NULL, "fail_open: false");
	send_request(f, two, "DELETE", "/v1/server_groups/web/servers/web2", NULL, NULL);
	turns(f);
	assert_int_equal(fake_engine_queued(f->engine), 2);
	f->api = api_close(f->api);
	fake_engine_free(f->engine);
	f->engine = NULL;
	close(one);
	close(two);
}

/* A text is being parsed in its thread, another waits, when the API closes. */
static void closes_while_parsing(void **state)
{
	struct fixture *f = *state;
	int one = client_new(f), two = client_new(f);
	char *config = make_config(2000, 100);

	send_request(f, one, "POST", "/v1/apply", NULL, config);
	send_request(f, two, "POST", "/v1/check", NULL, config);
	turn(f);
	f->api = api_close(f->api);
	assert_int_equal(engine_revision(f->engine), 1);
	free(config);
	close(one);
	close(two);
}

/* --- many servers --- */

static int setup_many(void **state)
{
	char *source = make_config(10000, 0);
	int r = setup_text(state, source);

	free(source);
	return r;
}

static void check_many(struct fixture *f, const char *path, const char *member)
{
	double start = now_ms(), took;
	struct answer a;

	f->longest_turn = 0;
	a = expect(f, 200, "GET", path, NULL);
	took = now_ms() - start;
	print_message(
		"# GET %s: 10000 servers, %zu bytes in %.0f ms, longest turn of the loop %.1f ms\n",
		path, strlen(a.body), took, f->longest_turn);
	if (json_is_array(at(a.json, member)))
		assert_int_equal(json_array_size(at(a.json, member)), 10000);
	else
		assert_int_equal(json_object_size(at(a.json, member)), 10000);
	answer_done(&a);
}

static void many_servers(void **state)
{
	struct fixture *f = *state;
	char *config = make_config(10000, 0);
	double start;

	check_many(f, "/v1/server_groups/big/servers", "servers");
	check_many(f, "/v1/server_groups/big", "servers");
	check_many(f, "/v1/status", "server_groups.1.servers");
	check_many(f, "/v1/counters/servers", "rows");
	start = now_ms();
	f->longest_turn = 0;
	expect_done(f, 200, "GET", "/v1/status?summary=1", NULL);
	print_message("# summary of 10000: %.0f ms, longest turn %.1f ms\n", now_ms() - start,
		      f->longest_turn);
	f->longest_turn = 0;
	expect_done(f, 200, "PATCH", "/v1/server_groups/big/servers/s5000", "weight: 3");
	print_message("# PATCH of one of 10000: longest turn %.1f ms\n", f->longest_turn);
	f->longest_turn = 0;
	start = now_ms();
	expect_done(f, 200, "POST", "/v1/check", config);
	print_message("# check of 10000: %.1f ms, longest turn %.1f ms\n", now_ms() - start,
		      f->longest_turn);
	free(config);
	start = now_ms();
	expect_done(f, 200, "GET", "/v1/export", NULL);
	print_message("# export of 10000: %.1f ms\n", now_ms() - start);
}

/* The model changes between two slices of an answer: it shows one of the two, whole. */
static void changes_under_a_listing(void **state)
{
	struct fixture *f = *state;
	int list = client_new(f), other = client_new(f);
	struct answer a;

	send_request(f, list, "GET", "/v1/server_groups/big/servers", NULL, NULL);
	turn(f);
	send_request(f, other, "DELETE", "/v1/server_groups/big", NULL, NULL);
	a = client_receive(f, other);
	assert_int_equal(a.status, 200);
	answer_done(&a);
	a = client_receive(f, list);
	assert_int_equal(json_array_size(at(a.json, "servers")), 10000);
	answer_done(&a);
	close(list);
	close(other);
}

/* Two clients give up in the middle of a long answer; the server closes on a third. */
static void gives_up_long_answers(void **state)
{
	struct fixture *f = *state;
	int early = client_new(f), late = client_new(f), cut = client_new(f);

	send_request(f, early, "GET", "/v1/status", NULL, NULL);
	turn(f);
	close(early);
	send_request(f, late, "GET", "/v1/status", NULL, NULL);
	turns(f);
	close(late);
	expect_done(f, 200, "GET", "/v1/server_groups/small", NULL);
	send_request(f, cut, "GET", "/v1/status", NULL, NULL);
	turn(f);
	f->api = api_close(f->api);
	close(cut);
}

/* --- authority --- */

/* In a child that is `uid` with the groups: the status of one request. */
static int ask_as(struct fixture *f, uid_t uid, const char *method, const char *path,
		  const char *body)
{
	char reply[64] = "";
	int out[2], status = 0;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char request[512];
		ssize_t n;
		int fd;

		if (setgroups(0, NULL) || setgid(65534) || setuid(uid))
			_exit(1);
		fd = client_connect(f->paths.socket);
		snprintf(request, sizeof(request),
			 "%s %s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s", method, path,
			 strlen(body), body);
		if (fd < 0 || write(fd, request, strlen(request)) < 0)
			_exit(2);
		n = read(fd, reply, sizeof(reply) - 1);
		_exit(n > 0 && write(out[1], reply, (size_t)n) == n ? 0 : 3);
	}
	close(out[1]);
	while (!waitpid(pid, &status, WNOHANG))
		turn(f);
	if (read(out[0], reply, sizeof(reply) - 1) > 0)
		sscanf(reply, "HTTP/1.1 %d", &status);
	else
		status = -WEXITSTATUS(status);
	close(out[0]);
	return status;
}

static void readers_do_not_write(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	if (geteuid() != 0)
		skip();
	assert_int_equal(stat(f->paths.socket, &st), 0);
	assert_int_equal(st.st_mode & 0007, 0);
	assert_int_equal(ask_as(f, 65534, "GET", "/v1/status", ""), -2); /* cannot even connect */
	assert_int_equal(chmod(f->paths.socket, 0666), 0);
	assert_int_equal(ask_as(f, 65534, "GET", "/v1/status", ""), 200);
	assert_int_equal(ask_as(f, 65534, "POST", "/v1/check", "version: 1"), 200);
	assert_int_equal(ask_as(f, 65534, "POST", "/v1/diff", "version: 1"), 200);
	assert_int_equal(ask_as(f, 65534, "POST", "/v1/apply", "version: 1"), 403);
	assert_int_equal(ask_as(f, 65534, "POST", "/v1/apply?dry_run=1", "version: 1"), 403);
	assert_int_equal(ask_as(f, 65534, "POST", "/v1/confirm", ""), 403);
	assert_int_equal(ask_as(f, 65534, "POST", "/v1/interfaces/eth1/attach", ""), 403);
	assert_int_equal(ask_as(f, 65534, "PATCH", "/v1/server_groups/web", "{}"), 403);
	assert_int_equal(ask_as(f, 65534, "DELETE", "/v1/server_groups/web", ""), 403);
	assert_int_equal(engine_revision(f->engine), 1);
	assert_int_equal(ask_as(f, 0, "PATCH", "/v1/server_groups/web", "{}"), 200);
}

/* The peer of a connection from a child with uid, gid and groups, as the server's end sees it. */
static void connect_as(int listener, uid_t uid, gid_t gid, const gid_t *groups, size_t count,
		       struct peer *ret)
{
	pid_t pid = fork();
	int fd, status;

	assert_true(pid >= 0);
	if (!pid) {
		struct sockaddr_un address;
		socklen_t length = sizeof(address);

		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		_exit(setgroups(count, groups) || setgid(gid) || setuid(uid) ||
		      getsockname(listener, (struct sockaddr *)&address, &length) ||
		      connect(fd, (struct sockaddr *)&address, length) || pause() != -1);
	}
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(peer_read(fd, ret), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(fd);
}

static void writers_by_group(void **state)
{
	static const struct {
		uid_t uid;
		gid_t gid;
		gid_t groups[3];
		size_t count;
		bool writes;
	} rows[] = {
		{ 0, 0, {}, 0, true },
		{ 65534, 65534, {}, 0, false },
		{ 65534, 4242, {}, 0, true },
		{ 65534, 65534, { 1, 4242, 7 }, 3, true },
		{ 65534, 65534, { 1, 4243, 7 }, 3, false },
	};
	struct sockaddr_un address = { .sun_family = AF_UNIX }; /* autobind */
	char file[] = "/tmp/xlb-test-group-XXXXXX", who[96];
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd = mkstemp(file);
	size_t i;

	(void)state;
	if (geteuid() != 0)
		skip();
	dprintf(fd, "root:x:0:\nxlb:x:4243:\nxlb-admin:x:4242:somebody\n");
	close(fd);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(listener, 1), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer peer;

		connect_as(listener, rows[i].uid, rows[i].gid, rows[i].groups, rows[i].count,
			   &peer);
		assert_int_equal(peer.uid, rows[i].uid);
		assert_int_equal(peer_may_write(&peer, file), rows[i].writes);
		assert_int_equal(peer_may_write(&peer, "/nonexistent"), rows[i].uid == 0);
		peer_format(&peer, who, sizeof(who));
		assert_string_equal(who, rows[i].uid ? "nobody(uid 65534)" : "root(uid 0)");
		peer_done(&peer);
	}
	close(listener);
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(not_http, setup),
		WITH(body_limits, setup),
		WITH(slow_clients, setup),
		WITH(pipelined, setup),
		WITH(queued_changes, setup),
		WITH(closes_with_queued_changes, setup),
		WITH(closes_while_parsing, setup),
		WITH(many_servers, setup_many),
		WITH(changes_under_a_listing, setup_many),
		WITH(gives_up_long_answers, setup_many),
		WITH(readers_do_not_write, setup),
		cmocka_unit_test(writers_by_group),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("api_clients", tests, NULL, NULL);
}
