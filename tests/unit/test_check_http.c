// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "check_lab.h"

static struct server_group *http_lab(struct lab *lab, struct server_options options)
{
	struct server_group *group = add_group(lab, "web", CHECK_HTTP);

	group->health_check.path = (char *)"/healthz";
	add_server(group, "a", "127.0.0.1", add_listening(lab, 0, options)->port);
	configure(lab);
	return group;
}

static void http_requests(void **state)
{
	struct lab *lab = *state;
	struct server_group *group =
		http_lab(lab, (struct server_options){ .reply = "HTTP/1.1 200 OK\r\n\r\n" });
	char expected[256];

	wait_for(lab, HEALTH_UP, 1);
	snprintf(expected, sizeof(expected),
		 "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: xlb\r\nAccept: */*\r\n"
		 "Connection: close\r\n\r\n",
		 lab->servers[0].port);
	assert_string_equal(lab->servers[0].request, expected);
	group->health_check.method = (char *)"HEAD";
	group->health_check.host = (char *)"www.example.com";
	configure(lab);
	wait_for(lab, HEALTH_UP, 2);
	assert_non_null(strstr(lab->servers[0].request,
			       "HEAD /healthz HTTP/1.1\r\nHost: www.example.com\r\n"));
}

static void http_expected_codes(void **state)
{
	struct port_range codes[] = { { 200, 200 }, { 500, 503 } };
	struct lab *lab = *state;
	struct server_group *group =
		http_lab(lab, (struct server_options){ .reply = "HTTP/1.0 503 Busy\r\n\r\n" });

	assert_string_equal(wait_for(lab, HEALTH_DOWN, 2).reason, "http 503 from /healthz");
	group->health_check.expect.codes = (struct range_list){ codes, 2 };
	configure(lab);
	wait_for(lab, HEALTH_UP, 2);
}

static char long_line[20000];

static void http_replies(void **state)
{
	static const struct {
		const char *reply, *reason;
	} rows[] = {
		{ "HTTP/1.1 204 No Content\r\n", "" },
		{ "HTTP/1.1 200\r\n", "" },
		{ "HTTP/1.0 200 OK\nServer: x\n\n", "" },
		{ "HTTP/1.1 399 \r\n", "" },
		{ "HTTP/1.1 400 \r\n", "http 400 from /healthz" },
		{ "HTTP/1.1 100 Continue\r\n", "http 100 from /healthz" },
		{ "HTTP/1.1 2000 OK\r\n", "no HTTP/1 status line in the reply" },
		{ "HTTP/1.1 20 OK\r\n", "no HTTP/1 status line in the reply" },
		{ "HTTP/1.1 099 OK\r\n", "no HTTP/1 status line in the reply" },
		{ "HTTP/1.1 600 OK\r\n", "no HTTP/1 status line in the reply" },
		{ "HTTP/1.1  200 OK\r\n", "no HTTP/1 status line in the reply" },
		{ "HTTP/2 200\r\n", "no HTTP/1 status line in the reply" },
		{ "http/1.1 200 OK\r\n", "no HTTP/1 status line in the reply" },
		{ "HTTP/1.1 200 O\rK\r\n", "no HTTP/1 status line in the reply" },
		{ "SSH-2.0-OpenSSH_9.2\r\n", "no HTTP/1 status line in the reply" },
		{ "HTTP/1.1 200 OK", "connection closed before a status line" },
		{ "", "connection closed before a status line" },
		{ long_line, "status line does not end within 16 KiB" },
	};
	struct lab *lab = *state;
	struct server_group *group;
	size_t i;

	memset(long_line, 'x', sizeof(long_line) - 1);
	memcpy(long_line, "HTTP/1.1 200 ", 13);
	group = http_lab(lab, (struct server_options){ .reply = rows[0].reply });
	group->health_check.interval = 20;
	group->health_check.timeout = 1000;
	configure(lab);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct check_status status = status_of(lab, "a");
		uint64_t checks = status.passed + status.failed;

		lab->servers[0].options.reply = rows[i].reply;
		/* two more: the reply of the first may still be the last row's */
		while (status.passed + status.failed < checks + 2) {
			event_base_loop(lab->base, EVLOOP_ONCE);
			status = status_of(lab, "a");
		}
		if (strcmp(status.reason, rows[i].reason))
			fail_msg("\"%.40s\": \"%s\", expected \"%s\"", rows[i].reply, status.reason,
				 rows[i].reason);
	}
}

static void http_closed_at_once(void **state)
{
	struct lab *lab = *state;

	http_lab(lab, (struct server_options){ .close_at_once = true });
	/* closed with the request unread: the kernel resets */
	assert_string_equal(wait_for(lab, HEALTH_DOWN, 2).reason, "connection reset by peer");
}

static void http_silence(void **state)
{
	struct lab *lab = *state;

	http_lab(lab, (struct server_options){});
	assert_string_equal(wait_for(lab, HEALTH_DOWN, 2).reason, "timed out after 100ms");
}

static void http_drip(void **state)
{
	struct lab *lab = *state;
	struct server_group *group = http_lab(
		lab, (struct server_options){ .drip = true,
					      .reply = "HTTP/1.1 200 slow but sure\r\n\r\n" });

	/* 28 bytes at 5 ms each and more do not fit into 100 ms, but into 2 s */
	assert_string_equal(wait_for(lab, HEALTH_DOWN, 2).reason, "timed out after 100ms");
	group->health_check.timeout = 2000;
	configure(lab);
	wait_for(lab, HEALTH_UP, 4);
}

/* The loop was busy past the deadline while the reply came in: that is not the server's fault. */
static void late_loop_is_no_failure(void **state)
{
	struct lab *lab = *state;

	http_lab(lab,
		 (struct server_options){ .reply = "HTTP/1.1 200 OK\r\n\r\n", .stall_ms = 350 })
		->health_check.timeout = 300;
	configure(lab);
	assert_int_equal(wait_for(lab, HEALTH_UP, 3).failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(http_requests),
		LAB_TEST(http_expected_codes),
		LAB_TEST(http_replies),
		LAB_TEST(http_closed_at_once),
		LAB_TEST(http_silence),
		LAB_TEST(http_drip),
		LAB_TEST(late_loop_is_no_failure),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("check_http", tests, NULL, NULL);
}
