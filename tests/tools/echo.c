// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * echo NAME tcp|udp PORTS [tcp|udp PORTS]...: listens on every port of the lists ("80,1000-2000") in both
 * families and answers what it reads with "NAME PORT CLIENT-ADDRESS what-it-read". One process, epoll.
 * Datagrams are answered from the address that was asked, which may be a VIP on the loopback.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
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
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &(int){ 1 }, sizeof(int));
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

/* The way of the answer is by the routes from the address asked, not by where the question came in. */
static void forget_interface(struct msghdr *message)
{
	struct cmsghdr *control;

	for (control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control))
		if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO)
			((struct in6_pktinfo *)(void *)CMSG_DATA(control))->ipi6_ifindex = 0;
}

/* One datagram, or what has come on a connection: read and answered. False when the connection is over. */
static int answer(const struct tag *tag)
{
	char in[2048], out[2300], address[INET6_ADDRSTRLEN] = "?";
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct iovec data = { .iov_base = in, .iov_len = sizeof(in) };
	struct sockaddr_in6 peer;
	struct msghdr message = {
		.msg_name = &peer,
		.msg_namelen = sizeof(peer),
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	bool stream = tag->role == ROLE_STREAM;
	ssize_t size = recvmsg((int)tag->fd, &message, 0);
	int head;

	if (size < 0)
		return errno == EAGAIN || !stream;
	if (stream) {
		if (size == 0)
			return 0;
		message = (struct msghdr){ .msg_iov = &data, .msg_iovlen = 1 };
		if (getpeername((int)tag->fd, (struct sockaddr *)&peer,
				&(socklen_t){ sizeof(peer) }))
			return 0;
	}
	forget_interface(&message);
	inet_ntop(AF_INET6, &peer.sin6_addr, address, sizeof(address));
	head = snprintf(out, sizeof(out), "%s %u %s ", name, tag->port,
			strncmp(address, "::ffff:", 7) ? address : address + 7);
	memcpy(out + head, in, (size_t)size);
	data = (struct iovec){ .iov_base = out, .iov_len = (size_t)(head + size) };
	return sendmsg((int)tag->fd, &message, MSG_NOSIGNAL) >= 0 || !stream;
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
