// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The API on its real socket with an engine in memory, and a client for it. One thread: the client
 * turns the server's loop. Included by the tests that use it.
 */
#include <ctype.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "fake_engine.c"
#include "fake_watcher.c"
#include "xlbd/api.h"

#define WAIT_SECONDS 30

static const char text[] = "version: 1\n"
			   "interfaces:\n"
			   "  eth0: {mode: native}\n"
			   "load_balancers:\n"
			   "  edge:\n"
			   "    addresses: [198.51.100.10, \"2001:db8::10\"]\n"
			   "    listeners:\n"
			   "      http: {protocol: tcp, port: 80, server_group: web}\n"
			   "server_groups:\n"
			   "  web:\n"
			   "    servers:\n"
			   "      web1: {address: 10.0.1.11, port: 8080, weight: 100}\n"
			   "      web2: {address: 10.0.1.12, port: 8080, weight: 50}\n";

struct fixture {
	char dir[32];
	struct paths paths;
	struct event_base *base;
	struct engine *engine;
	struct events *events; /* without a limit */
	struct api *api;
	double longest_turn; /* ms */
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void turn(struct fixture *f)
{
	double start = now_ms(), took;

	event_base_loop(f->base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	took = now_ms() - start;
	if (took > f->longest_turn)
		f->longest_turn = took;
}

static int setup_text(void **state, const char *source)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct xlb_err err = {};

	assert_non_null(f);
	signal(SIGPIPE, SIG_IGN);
	snprintf(f->dir, sizeof(f->dir), "/tmp/xlb-test-api-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(chmod(f->dir, 0755), 0);
	snprintf(f->paths.socket, sizeof(f->paths.socket), "%s/sock", f->dir);
	snprintf(f->paths.config_file, sizeof(f->paths.config_file), "%s/xlb.yaml", f->dir);
	f->base = event_base_new();
	f->engine = fake_engine_new(source);
	f->events = events_new(f->base, 1000000, 1000000);
	fake_engine_events(f->engine, f->events);
	if (api_open(f->base, &f->paths, f->engine, &f->api, &err))
		fail_msg("%s", err.text);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_text(state, text);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	api_close(f->api);
	if (f->engine)
		fake_engine_free(f->engine);
	events_free(f->events);
	event_base_free(f->base);
	assert_int_equal(rmdir(f->dir), 0); /* the socket is gone too */
	free(f);
	return 0;
}

/* --- the client --- */

struct answer {
	int status;
	char *data; /* everything received, NUL-terminated */
	size_t length;
	const char *body;
	json_t *json; /* NULL if the body is none */
	bool closed;
};

static void answer_done(struct answer *answer)
{
	json_decref(answer->json);
	free(answer->data);
}

static int client_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static int client_new(struct fixture *f)
{
	int fd = client_connect(f->paths.socket);

	assert_true(fd >= 0);
	return fd;
}

/* What the server does not take any more is dropped: it may have answered early. */
static void client_send(struct fixture *f, int fd, const char *data, size_t length)
{
	double end = now_ms() + WAIT_SECONDS * 1000;

	while (length) {
		ssize_t n = send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		if (n > 0) {
			data += n;
			length -= (size_t)n;
		}
		turn(f);
		if (now_ms() > end)
			fail_msg("the server does not read");
	}
}

/* True once data holds one whole answer; *ret_length is its size. */
static bool answer_whole(const struct answer *answer, size_t *ret_length)
{
	const char *end = strstr(answer->data, "\r\n\r\n"), *length;

	if (!end)
		return false;
	length = strcasestr(answer->data, "\r\nContent-Length:");
	*ret_length = (size_t)(end + 4 - answer->data) +
		      (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
	return answer->length >= *ret_length;
}

static struct answer client_receive(struct fixture *f, int fd)
{
	double end = now_ms() + WAIT_SECONDS * 1000;
	struct answer answer = { .data = calloc(1, 1) };
	size_t whole = 0, capacity = 1;

	while (!answer_whole(&answer, &whole) && !answer.closed) {
		ssize_t n;

		if (capacity - answer.length < 65536)
			answer.data = realloc(answer.data, capacity += capacity + 65536);
		assert_non_null(answer.data);
		/* one answer only: what a pipelined request gets stays in the socket */
		n = recv(fd, answer.data + answer.length, whole ? whole - answer.length : 1,
			 MSG_DONTWAIT);
		answer.closed = n == 0 || (n < 0 && errno != EAGAIN);
		if (n > 0)
			answer.length += (size_t)n;
		answer.data[answer.length] = '\0';
		if (n < 0)
			turn(f);
		if (now_ms() > end)
			fail_msg("no answer, have '%s'", answer.data);
	}
	sscanf(answer.data, "HTTP/1.1 %d", &answer.status);
	answer.body = strstr(answer.data, "\r\n\r\n");
	answer.body = answer.body ? answer.body + 4 : "";
	answer.json = json_loads(answer.body, 0, NULL);
	return answer;
}

/* `headers`: extra lines with \r\n, or NULL. */
static void send_request(struct fixture *f, int fd, const char *method, const char *path,
			 const char *headers, const char *body)
{
	size_t length = body ? strlen(body) : 0;
	char head[4096];

	if (body)
		snprintf(head, sizeof(head),
			 "%s %s HTTP/1.1\r\nHost: xlb\r\n%sContent-Length: %zu\r\n\r\n", method,
			 path, headers ? headers : "", length);
	else
		snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: xlb\r\n%s\r\n", method, path,
			 headers ? headers : "");
	client_send(f, fd, head, strlen(head));
	client_send(f, fd, body, length);
}

static struct answer ask(struct fixture *f, const char *method, const char *path, const char *body)
{
	int fd = client_new(f);
	struct answer answer;

	send_request(f, fd, method, path, NULL, body);
	answer = client_receive(f, fd);
	close(fd);
	return answer;
}

/* Asks and compares the status; what is wrong is shown with the answer. */
static struct answer expect(struct fixture *f, int status, const char *method, const char *path,
			    const char *body)
{
	struct answer answer = ask(f, method, path, body);

	if (answer.status != status)
		fail_msg("%s %s: %d instead of %d: %s", method, path, answer.status, status,
			 answer.body);
	return answer;
}

static void expect_done(struct fixture *f, int status, const char *method, const char *path,
			const char *body)
{
	struct answer answer = expect(f, status, method, path, body);

	answer_done(&answer);
}

/* The member at a dotted path, array indices as numbers; NULL if absent. */
static json_t *at(json_t *json, const char *path)
{
	char copy[256], *next = copy, *word;

	snprintf(copy, sizeof(copy), "%s", path);
	while (json && (word = strsep(&next, ".")))
		json = isdigit((unsigned char)word[0]) ? json_array_get(json, (size_t)atoi(word)) :
							 json_object_get(json, word);
	return json;
}

static const char *text_at(const struct answer *answer, const char *path)
{
	const char *value = json_string_value(at(answer->json, path));

	if (!value)
		fail_msg("no text at %s in %s", path, answer->body);
	return value;
}

static int64_t number_at(const struct answer *answer, const char *path)
{
	json_t *value = at(answer->json, path);

	if (!json_is_number(value))
		fail_msg("no number at %s in %s", path, answer->body);
	return (int64_t)json_number_value(value);
}

__attribute__((unused)) static void check_problem(const struct answer *answer, const char *type)
{
	assert_string_equal(text_at(answer, "type"), type);
	assert_int_equal(number_at(answer, "status"), answer->status);
	assert_true(text_at(answer, "title")[0]);
	assert_non_null(strcasestr(answer->data, "Content-Type: application/problem+json"));
}

#define WITH(test, make) cmocka_unit_test_setup_teardown(test, make, teardown)
