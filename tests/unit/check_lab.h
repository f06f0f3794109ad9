/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A checker, a model made by hand and small servers on loopback, all in one event loop. */
#ifndef XLB_TESTS_CHECK_LAB_H
#define XLB_TESTS_CHECK_LAB_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "xlbd/health.h"

#define LIMIT_MS    5000 /* nothing here takes this long */
#define INTERVAL_MS 100

#define LAB_TEST(test) cmocka_unit_test_setup_teardown(test, setup_lab, teardown_lab)

struct server_options {
	const char *reply; /* NULL: takes connections and says nothing */
	bool drip;	   /* one byte each 5 ms */
	bool close_at_once;
	unsigned int stall_ms; /* keeps the loop busy after a reply */
};

struct listening {
	struct lab *lab;
	struct server_options options;
	int fd;
	uint16_t port;
	struct event *event;
	char request[1024]; /* the last one */
};

struct client {
	struct listening *server;
	struct event *event;
	size_t length, sent;
	char request[1024];
	struct client *next;
};

struct lab {
	struct event_base *base;
	struct checker *checker;
	struct model model;
	struct listening servers[4];
	unsigned int server_count;
	struct client *clients;
	unsigned int changes;
	struct xlb_err err;
};

static inline void on_changed(void *arg)
{
	((struct lab *)arg)->changes++;
}

static inline double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static inline int setup_lab(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	assert_non_null(lab);
	lab->base = event_base_new();
	lab->checker = checker_new(lab->base, on_changed, lab);
	assert_non_null(lab->checker);
	TAILQ_INIT(&lab->model.server_groups);
	*state = lab;
	return 0;
}

static inline void clear_model(struct lab *lab)
{
	struct object *group, *server;

	while ((group = TAILQ_FIRST(&lab->model.server_groups))) {
		struct object_list *servers = &((struct server_group *)group)->servers;

		while ((server = TAILQ_FIRST(servers))) {
			TAILQ_REMOVE(servers, server, link);
			free(((struct server *)server)->address.addrs);
			free(server);
		}
		TAILQ_REMOVE(&lab->model.server_groups, group, link);
		free(group);
	}
}

static inline int teardown_lab(void **state)
{
	struct lab *lab = *state;
	unsigned int i;

	checker_free(lab->checker);
	clear_model(lab);
	for (i = 0; i < lab->server_count; i++) {
		event_free(lab->servers[i].event);
		close(lab->servers[i].fd);
	}
	while (lab->clients) {
		struct client *client = lab->clients;

		lab->clients = client->next;
		close(event_get_fd(client->event));
		event_free(client->event);
		free(client);
	}
	event_base_free(lab->base);
	libevent_global_shutdown();
	free(lab);
	return 0;
}

static inline struct server_group *add_group(struct lab *lab, const char *name,
					     enum check_type type)
{
	struct server_group *group = calloc(1, sizeof(*group));

	assert_non_null(group);
	strcpy(group->object.name, name);
	TAILQ_INIT(&group->servers);
	group->health_check = (struct health_check){
		.type = type,
		.interval = INTERVAL_MS,
		.timeout = INTERVAL_MS,
		.healthy_threshold = 2,
		.unhealthy_threshold = 2,
	};
	TAILQ_INSERT_TAIL(&lab->model.server_groups, &group->object, link);
	return group;
}

static inline struct server *add_server(struct server_group *group, const char *name,
					const char *addr, uint16_t port)
{
	struct server *server = calloc(1, sizeof(*server));

	assert_non_null(server);
	strcpy(server->object.name, name);
	server->address.addrs = malloc(sizeof(*server->address.addrs));
	assert_int_equal(parse_addr(addr, server->address.addrs), 0);
	server->address.count = 1;
	server->port = port;
	server->enabled = true;
	TAILQ_INSERT_TAIL(&group->servers, &server->object, link);
	return server;
}

static inline void configure(struct lab *lab)
{
	assert_int_equal(checker_configure(lab->checker, &lab->model, &lab->err), 0);
}

static inline struct check_status status_of(struct lab *lab, const char *server)
{
	struct xlb_addr addr;
	struct check_status status;

	assert_int_equal(parse_addr("127.0.0.1", &addr), 0);
	assert_int_equal(checker_status(lab->checker, "web", server, &addr, &status), 0);
	return status;
}

static inline void wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* Turns the loop until the server "a" of group "web" is in the state and was checked so often. */
static inline struct check_status wait_for(struct lab *lab, enum health health, uint64_t checks)
{
	struct timeval tick = { .tv_usec = 20000 };
	struct event *ticker = event_new(lab->base, -1, EV_PERSIST, wake, NULL);
	double end = now_ms() + LIMIT_MS;
	struct check_status status;

	event_add(ticker, &tick);
	for (;;) {
		status = status_of(lab, "a");
		if (status.health == health && status.passed + status.failed >= checks)
			break;
		if (now_ms() > end)
			fail_msg("still %s after %d ms: %s", health_word(status.health), LIMIT_MS,
				 status.reason);
		event_base_loop(lab->base, EVLOOP_ONCE);
	}
	event_free(ticker);
	return status;
}

static inline int listen_on(uint16_t *port, int backlog)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(*port) };
	socklen_t length = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, length), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &length), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

/* A port on which nobody listens. */
static inline uint16_t refusing_port(void)
{
	uint16_t port = 0;

	close(listen_on(&port, 1));
	return port;
}

static inline void client_close(struct client *client)
{
	struct client **at = &client->server->lab->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	close(event_get_fd(client->event));
	event_free(client->event);
	free(client);
}

static inline void client_reply(struct client *client, int fd)
{
	const struct server_options *options = &client->server->options;
	size_t length = strlen(options->reply), part = options->drip ? 1 : length - client->sent;
	double end;

	if (part && send(fd, options->reply + client->sent, part, MSG_NOSIGNAL) != (ssize_t)part) {
		client_close(client);
		return;
	}
	client->sent += part;
	for (end = now_ms() + options->stall_ms; now_ms() < end;)
		;
	if (client->sent == length) {
		client_close(client);
	} else {
		event_assign(client->event, client->server->lab->base, fd, 0,
			     event_get_callback(client->event), client);
		event_add(client->event, &(struct timeval){ .tv_usec = 5000 });
	}
}

static inline void on_client(evutil_socket_t fd, short what, void *arg)
{
	struct client *client = arg;
	ssize_t n;

	if (what & EV_READ) {
		n = recv(fd, client->request + client->length,
			 sizeof(client->request) - 1 - client->length, 0);
		if (n <= 0) {
			client_close(client);
			return;
		}
		client->length += (size_t)n;
		client->request[client->length] = 0;
	}
	if (strstr(client->request, "\r\n\r\n")) {
		strcpy(client->server->request, client->request);
		client_reply(client, fd);
	} else {
		event_add(client->event, NULL);
	}
}

static inline void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct listening *server = arg;
	struct client *client;
	int connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (connection < 0)
		return;
	if (server->options.close_at_once) {
		close(connection);
		return;
	}
	client = calloc(1, sizeof(*client));
	assert_non_null(client);
	client->server = server;
	client->event = event_new(server->lab->base, connection, EV_READ, on_client, client);
	client->next = server->lab->clients;
	server->lab->clients = client;
	event_add(client->event, NULL);
}

static inline struct listening *add_listening(struct lab *lab, uint16_t port,
					      struct server_options options)
{
	struct listening *server = &lab->servers[lab->server_count++];

	server->lab = lab;
	server->options = options;
	server->port = port;
	server->fd = listen_on(&server->port, 128);
	server->event = event_new(lab->base, server->fd, EV_READ | EV_PERSIST, on_accept, server);
	if (options.reply || options.close_at_once)
		event_add(server->event, NULL);
	return server;
}

#endif
