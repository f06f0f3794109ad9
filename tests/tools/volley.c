// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * volley serve PORT ADDRESS...
 * volley [-s SECONDS] [-n ANSWERS] [-f FLOWS] [-w WINDOW] [-b SOURCE,...] ADDRESS[,ADDRESS...] PORT
 *
 * UDP datagrams to and fro, as many as go. `serve` sends each datagram back from the address it came to. The client
 * keeps WINDOW (4) datagrams under way on each of FLOWS (64) sockets, which go round the sources and the addresses, for
 * SECONDS (2) or until ANSWERS have come, and prints "units ANSWERS seconds TIME faults LOST": what was not
 * answered for half a second, or with another flow's datagram, is lost, and sent anew.
 */
#include "load.h"

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH	  64
#define FLOWS_MAX 1024
#define PATIENCE  (SECOND / 2)
#define SIZE	  64 /* bytes of a datagram that the client sends */

/* What a datagram begins with. A flow that gave up waiting is in its next era: what then still comes is late. */
struct head {
	uint32_t flow;
	uint32_t era;
};

struct flow {
	int fd;
	uint32_t era;
	unsigned int under_way;
	int64_t heard; /* ns */
};

struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec data[BATCH];
	struct sockaddr_in peers[BATCH];
	char bytes[BATCH][2048];
};

static struct batch batch;
static struct flow flows[FLOWS_MAX];
static unsigned int flow_count = 64, window = 4;
static unsigned long long answers, lost;

/* Buffers that hold all windows: what is lost, the network has lost. */
static int open_socket(int epoll_fd, uint32_t tag, const struct sockaddr_in *own)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = tag };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){ 8 << 20 }, sizeof(int));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &(int){ 8 << 20 }, sizeof(int));
	if (bind(fd, (const struct sockaddr *)own, sizeof(*own)))
		die("bind");
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
	return fd;
}

/* Makes the batch ready to receive, or to send what it holds back to where that came from. */
static void batch_reset(bool named)
{
	for (unsigned int i = 0; i < BATCH; i++) {
		batch.data[i] = (struct iovec){ batch.bytes[i], sizeof(batch.bytes[i]) };
		batch.messages[i].msg_hdr = (struct msghdr){
			.msg_name = named ? &batch.peers[i] : NULL,
			.msg_namelen = named ? sizeof(batch.peers[i]) : 0,
			.msg_iov = &batch.data[i],
			.msg_iovlen = 1,
		};
	}
}

static void serve(int epoll_fd, int count, char **addresses, const char *port)
{
	struct epoll_event events[ADDRESSES_MAX];
	int fds[ADDRESSES_MAX];

	for (int i = 0; i < count; i++) {
		struct sockaddr_in own = parse_address(addresses[i], port);

		fds[i] = open_socket(epoll_fd, (uint32_t)i, &own);
	}
	batch_reset(true);
	for (;;) {
		int ready = epoll_wait(epoll_fd, events, ADDRESSES_MAX, -1);

		for (int i = 0; i < ready; i++) {
			int fd = fds[events[i].data.u32];
			int got = recvmmsg(fd, batch.messages, BATCH, 0, NULL);

			for (int j = 0; j < got; j++)
				batch.data[j].iov_len = batch.messages[j].msg_len;
			if (got > 0)
				sendmmsg(fd, batch.messages, (unsigned int)got, 0);
			for (int j = 0; j < got; j++)
				batch.data[j].iov_len = sizeof(batch.bytes[j]);
		}
	}
}

/* Fills the flow's window. What the network does not take now is sent when the flow has waited long enough. */
static void fill(struct flow *flow)
{
	struct head head = { .flow = (uint32_t)(flow - flows), .era = flow->era };
	unsigned int count = window - flow->under_way;
	int sent;

	for (unsigned int i = 0; i < count; i++) {
		memcpy(batch.bytes[i], &head, sizeof(head));
		batch.data[i].iov_len = SIZE;
	}
	sent = count ? sendmmsg(flow->fd, batch.messages, count, 0) : 0;
	for (unsigned int i = 0; i < count; i++)
		batch.data[i].iov_len = sizeof(batch.bytes[i]);
	if (sent > 0)
		flow->under_way += (unsigned int)sent;
}

static void receive(struct flow *flow, int64_t time)
{
	int got = recvmmsg(flow->fd, batch.messages, window, 0, NULL);

	for (int i = 0; i < got; i++) {
		struct head head;

		memcpy(&head, batch.bytes[i], sizeof(head));
		if (head.flow != (uint32_t)(flow - flows) || head.era != flow->era)
			continue;
		answers++;
		flow->under_way--;
		flow->heard = time;
	}
}

/* Flows that have waited too long begin anew. */
static void give_up(int64_t time, bool refill)
{
	for (struct flow *flow = flows; flow < flows + flow_count; flow++) {
		if (time - flow->heard < PATIENCE)
			continue;
		lost += flow->under_way;
		flow->under_way = 0;
		flow->era++;
		flow->heard = time;
		if (refill)
			fill(flow);
	}
}

static bool any_under_way(void)
{
	for (unsigned int i = 0; i < flow_count; i++)
		if (flows[i].under_way)
			return true;
	return false;
}

static void volley(int epoll_fd, double seconds, unsigned long long most)
{
	int64_t start = now(), end = start + (int64_t)(seconds * SECOND), swept = start,
		time = start;
	struct epoll_event events[BATCH];
	bool going = true;

	batch_reset(false);
	for (unsigned int i = 0; i < flow_count; i++) {
		flows[i].heard = start;
		fill(&flows[i]);
	}
	while (going || any_under_way()) {
		int ready = epoll_wait(epoll_fd, events, BATCH, 50);

		time = now();
		if (going && (time >= end || answers >= most)) {
			going = false;
			end = time;
		}
		for (int i = 0; i < ready; i++) {
			receive(&flows[events[i].data.u32], time);
			if (going)
				fill(&flows[events[i].data.u32]);
		}
		if (time - swept > PATIENCE / 10) {
			give_up(time, going);
			swept = time;
		}
	}
	printf("units %llu seconds %.3f faults %llu\n", answers, (double)(end - start) / SECOND,
	       lost);
}

static void connect_flows(int epoll_fd, char *sources, char *addresses, const char *port)
{
	struct sockaddr_in from[ADDRESSES_MAX], to[ADDRESSES_MAX];
	unsigned int from_count = parse_addresses(sources, "0", from);
	unsigned int to_count = parse_addresses(addresses, port, to);

	for (unsigned int i = 0; i < flow_count; i++) {
		const struct sockaddr_in *peer = &to[i % to_count];

		flows[i].fd = open_socket(epoll_fd, i, &from[i % from_count]);
		if (connect(flows[i].fd, (const struct sockaddr *)peer, sizeof(*peer)))
			die("connect");
	}
}

static int usage(void)
{
	fputs("usage: volley serve PORT ADDRESS... | "
	      "volley [-s SECONDS] [-n ANSWERS] [-f FLOWS] [-w WINDOW] [-b SOURCES] ADDRESSES PORT\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), option;
	char any[] = "0.0.0.0", *sources = any;
	unsigned long long most = UINT64_MAX;
	double seconds = 2;

	if (epoll_fd < 0)
		die("epoll_create1");
	if (argc > 3 && argc - 3 <= ADDRESSES_MAX && !strcmp(argv[1], "serve"))
		serve(epoll_fd, argc - 3, argv + 3, argv[2]);
	while ((option = getopt(argc, argv, "s:n:f:w:b:")) != -1) {
		switch (option) {
		case 's':
			seconds = strtod(optarg, NULL);
			break;
		case 'n':
			most = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			flow_count = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'w':
			window = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'b':
			sources = optarg;
			break;
		default:
			return usage();
		}
	}
	if (argc - optind != 2 || flow_count - 1 >= FLOWS_MAX || window - 1 >= BATCH)
		return usage();
	connect_flows(epoll_fd, sources, argv[optind], argv[optind + 1]);
	volley(epoll_fd, seconds, most);
	return answers ? 0 : 1;
}
