// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * echo NAME tcp|udp PORTS [tcp|udp PORTS]...: listens on every port of the lists ("80,1000-2000") in both
 * families and answers what it reads with "NAME PORT CLIENT-ADDRESS what-it-read". One process, epoll.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum role { ROLE_DATAGRAM, ROLE_LISTENER, ROLE_STREAM };

/* What epoll carries for a socket: exactly its 64 bits. */
struct tag {
	uint32_t fd;
	uint16_t port;
	uint16_t role;
};

static const char *name;
static int epoll_fd;

static void die(const char *what)
{
	fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(int fd, uint16_t port, enum role role)
{
	struct tag tag = { .fd = (uint32_t)fd, .port = port, .role = (uint16_t)role };
	struct epoll_event event = { .events = EPOLLIN };

	memcpy(&event.data, &tag, sizeof(tag));
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

static void open_port(int type, uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 0 }, sizeof(int));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 256))
		die("listen");
	watch(fd, port, type == SOCK_STREAM ? ROLE_LISTENER : ROLE_DATAGRAM);
}

static void open_ports(int type, const char *list)
{
	char *end;

	do {
		unsigned long from = strtoul(list, &end, 10);
		unsigned long to = *end == '-' ? strtoul(end + 1, &end, 10) : from;

		for (; from <= to && from <= UINT16_MAX; from++)
			open_port(type, (uint16_t)from);
		list = end + 1;
	} while (*end == ',');
}

/* One datagram, or what has come on a connection: read and answered. False when the connection is over. */
static int answer(const struct tag *tag)
{
	struct sockaddr_in6 peer;
	socklen_t peer_size = sizeof(peer);
	char in[2048], out[2300], address[INET6_ADDRSTRLEN] = "?";
	ssize_t size =
		recvfrom((int)tag->fd, in, sizeof(in), 0, (struct sockaddr *)&peer, &peer_size);
	int head;

	if (size < 0)
		return errno == EAGAIN || tag->role == ROLE_DATAGRAM;
	if (tag->role == ROLE_STREAM) {
		if (size == 0)
			return 0;
		peer_size = sizeof(peer);
		if (getpeername((int)tag->fd, (struct sockaddr *)&peer, &peer_size))
			return 0;
	}
	inet_ntop(AF_INET6, &peer.sin6_addr, address, sizeof(address));
	head = snprintf(out, sizeof(out), "%s %u %s ", name, tag->port,
			strncmp(address, "::ffff:", 7) ? address : address + 7);
	memcpy(out + head, in, (size_t)size);
	return sendto((int)tag->fd, out, (size_t)(head + size), MSG_NOSIGNAL,
		      tag->role == ROLE_DATAGRAM ? (struct sockaddr *)&peer : NULL,
		      tag->role == ROLE_DATAGRAM ? peer_size : 0) >= 0 ||
	       tag->role == ROLE_DATAGRAM;
}

static void serve(const struct tag *tag)
{
	if (tag->role == ROLE_LISTENER) {
		int fd = accept4((int)tag->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			watch(fd, tag->port, ROLE_STREAM);
	} else if (!answer(tag)) {
		close((int)tag->fd);
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	struct epoll_event events[64];

	if (argc < 4 || argc % 2) {
		fputs("usage: echo NAME tcp|udp PORTS [tcp|udp PORTS]...\n", stderr);
		return 2;
	}
	name = argv[1];
	/* a socket per port: as many as this process may have */
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 2; i + 1 < argc; i += 2)
		open_ports(strcmp(argv[i], "tcp") ? SOCK_DGRAM : SOCK_STREAM, argv[i + 1]);
	for (;;) {
		int count = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < count; i++) {
			struct tag tag;

			memcpy(&tag, &events[i].data, sizeof(tag));
			serve(&tag);
		}
	}
}
