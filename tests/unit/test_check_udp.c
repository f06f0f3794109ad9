// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "check_lab.h"

/* A socket that answers every datagram. */
struct answering {
	struct event *event;
	int fd;
	uint16_t port;
	const char *answer; /* NULL: says nothing */
	char asked[64];	    /* the last datagram */
	ssize_t asked_length;
};

static void on_datagram(evutil_socket_t fd, short what, void *arg)
{
	struct answering *server = arg;
	struct sockaddr_in from;
	socklen_t length = sizeof(from);

	(void)what;
	server->asked_length = recvfrom(fd, server->asked, sizeof(server->asked), 0,
					(struct sockaddr *)&from, &length);
	if (server->answer)
		sendto(fd, server->answer, strlen(server->answer), 0, (struct sockaddr *)&from,
		       length);
}

static void answering_open(struct lab *lab, struct answering *server, const char *answer)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(server->port) };
	socklen_t length = sizeof(addr);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->answer = answer;
	server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->fd, (struct sockaddr *)&addr, length), 0);
	assert_int_equal(getsockname(server->fd, (struct sockaddr *)&addr, &length), 0);
	server->port = ntohs(addr.sin_port);
	server->event = event_new(lab->base, server->fd, EV_READ | EV_PERSIST, on_datagram, server);
	event_add(server->event, NULL);
}

static void answering_close(struct answering *server)
{
	event_free(server->event);
	close(server->fd);
}

/* Group web with server a, which is asked for `request`; NULL: no text. */
static struct server_group *udp_lab(struct lab *lab, const struct answering *server,
				    const char *request, const char *expect)
{
	struct server_group *group = add_group(lab, "web", CHECK_UDP);

	group->health_check.request = (char *)(uintptr_t)request;
	group->health_check.expect.text = (char *)(uintptr_t)expect;
	add_server(group, "a", "127.0.0.1", server->port);
	configure(lab);
	return group;
}

static void udp_asks_and_compares(void **state)
{
	struct lab *lab = *state;
	struct answering server = {};
	struct server_group *group;

	answering_open(lab, &server, "pong\r\n and more");
	group = udp_lab(lab, &server, "p\\x01\\\\ng\\n", "pong\\r\\n");
	wait_for(lab, HEALTH_UP, 1);
	assert_int_equal(server.asked_length, 6);
	assert_memory_equal(server.asked, "p\x01\\ng\n", 6);
	server.answer = "pong\n";
	assert_string_equal(wait_for(lab, HEALTH_DOWN, 3).reason,
			    "answer \"pong\\x0a\" does not begin with what is expected");
	server.answer = "";
	group->health_check.expect.text = NULL;
	group->health_check.request = NULL;
	configure(lab);
	wait_for(lab, HEALTH_UP, 5);
	assert_int_equal(server.asked_length, 0);
	answering_close(&server);
}

static void udp_silence(void **state)
{
	struct lab *lab = *state;
	struct answering server = {};
	struct server_group *group;

	answering_open(lab, &server, NULL);
	group = udp_lab(lab, &server, "ping", "pong");
	assert_string_equal(wait_for(lab, HEALTH_DOWN, 2).reason, "timed out after 100ms");
	/* nothing is expected: only an error would speak against the server */
	group->health_check.expect.text = NULL;
	configure(lab);
	wait_for(lab, HEALTH_UP, 4);
	answering_close(&server);
}

/* One ICMP error is enough, however many failures the threshold asks for. */
static void udp_closed_port(void **state)
{
	struct lab *lab = *state;
	struct answering server = {};
	struct server_group *group;
	struct check_status status;

	answering_open(lab, &server, "pong");
	group = udp_lab(lab, &server, "ping", "pong");
	group->health_check.unhealthy_threshold = 100;
	configure(lab);
	wait_for(lab, HEALTH_UP, 1);
	answering_close(&server);
	status = wait_for(lab, HEALTH_DOWN, 2);
	assert_string_equal(status.reason, "port unreachable");
	assert_int_equal(status.failed, 1);
	answering_open(lab, &server, "pong");
	wait_for(lab, HEALTH_UP, 3);
	answering_close(&server);
}

/* Hosts send few errors: silence after one is no sign of life. An answer is. */
static void udp_silence_after_an_error(void **state)
{
	struct lab *lab = *state;
	struct answering server = {};
	uint64_t failed;

	answering_open(lab, &server, NULL);
	udp_lab(lab, &server, "ping", NULL);
	wait_for(lab, HEALTH_UP, 1);
	answering_close(&server);
	failed = wait_for(lab, HEALTH_DOWN, 2).failed;
	answering_open(lab, &server, NULL);
	while (status_of(lab, "a").failed < failed + 3)
		event_base_loop(lab->base, EVLOOP_ONCE);
	assert_int_equal(status_of(lab, "a").health, HEALTH_DOWN);
	assert_string_equal(status_of(lab, "a").reason, "silent, and unreachable 0 s ago");
	server.answer = "any";
	wait_for(lab, HEALTH_UP, 3);
	server.answer = NULL;
	assert_int_equal(wait_for(lab, HEALTH_UP, failed + 8).health, HEALTH_UP);
	answering_close(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB_TEST(udp_asks_and_compares),
		LAB_TEST(udp_silence),
		LAB_TEST(udp_closed_port),
		LAB_TEST(udp_silence_after_an_error),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("check_udp", tests, NULL, NULL);
}
