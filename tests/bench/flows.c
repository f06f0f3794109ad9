// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * For flows.sh:
 *   flows fill PIN-DIR INTERFACE VIP COUNT   makes COUNT flows to port 7000 of the VIP, each of another client
 *   flows ask SOCKET           asks xlbd for /v1/interfaces every 10 ms until SIGTERM, then prints how long
 *                              the answers took
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TEN_MS	    10000000
#define ANSWERS_MAX 1000000

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static int die(const char *what)
{
	perror(what);
	return 1;
}

/* The program on the interface, by its pinned link; -1. */
static int program_open(const char *pin_dir, const char *interface)
{
	struct bpf_link_info info = {};
	uint32_t size = sizeof(info);
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/links/%s", pin_dir, interface);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
		return -1;
	close(fd);
	return bpf_prog_get_fd_by_id(info.prog_id);
}

struct segment {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

/* Lets the program see a client's segment; checksums do not matter to it. */
static int send_segment(int program, uint32_t ifindex, struct segment *segment)
{
	struct segment room;
	struct xdp_md context = { .data_end = sizeof(*segment), .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = segment, .data_size_in = sizeof(*segment),
		    .data_out = &room, .data_size_out = sizeof(room), .ctx_in = &context,
		    .ctx_size_in = sizeof(context));

	return bpf_prog_test_run_opts(program, &opts) || opts.retval != XDP_REDIRECT ? -1 : 0;
}

static int fill(const char *pin_dir, const char *interface, const char *vip, uint32_t count)
{
	struct segment segment = {
		.eth = { .h_proto = htons(ETH_P_IP), .h_source = { 2, 0, 0, 0, 0, 1 } },
		.ip = { .version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = IPPROTO_TCP,
			.tot_len = htons(sizeof(segment.ip) + sizeof(segment.tcp)),
			.daddr = inet_addr(vip) },
		.tcp = { .dest = htons(7000), .doff = 5 },
	};
	int program = program_open(pin_dir, interface);
	uint32_t ifindex = if_nametoindex(interface), full = 0;

	if (program < 0)
		return die(interface);
	for (uint32_t done = 0; done < count; done++) {
		segment.ip.saddr = htonl(0x0a000000 + done / 1000);
		segment.tcp.source = htons((uint16_t)(10000 + done % 1000));
		segment.tcp.syn = 1;
		segment.tcp.ack = 0;
		full += send_segment(program, ifindex, &segment) != 0;
		segment.tcp.syn = 0;
		segment.tcp.ack = 1;
		send_segment(program, ifindex, &segment);
	}
	if (full)
		fprintf(stderr, "%u of %u flows were refused\n", full, count);
	close(program);
	return 0;
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* One request and its answer, which comes in one piece: it is small. */
static bool ask_once(int fd)
{
	static const char request[] = "GET /v1/interfaces HTTP/1.1\r\nHost: xlb\r\n\r\n";
	char answer[65536];

	return write(fd, request, sizeof(request) - 1) == sizeof(request) - 1 &&
	       read(fd, answer, sizeof(answer)) > 0;
}

static int ask(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	double *took = calloc(ANSWERS_MAX, sizeof(*took));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t count = 0;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (!took || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return die(path);
	while (!stopped && count < ANSWERS_MAX) {
		double start = now_ms();

		if (!ask_once(fd)) {
			if (!stopped)
				return die("no answer");
			break;
		}
		took[count++] = now_ms() - start;
		nanosleep(&(struct timespec){ .tv_nsec = TEN_MS }, NULL);
	}
	qsort(took, count, sizeof(*took), compare);
	if (count)
		printf("%zu answers: median %.1f ms, 99 in 100 below %.1f ms, longest %.1f ms\n",
		       count, took[count / 2], took[count - 1 - count / 100], took[count - 1]);
	free(took);
	close(fd);
	return count ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = stop };

	sigaction(SIGTERM, &action, NULL);
	if (argc == 6 && !strcmp(argv[1], "fill"))
		return fill(argv[2], argv[3], argv[4], (uint32_t)strtoul(argv[5], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "ask"))
		return ask(argv[2]);
	fprintf(stderr, "usage: flows fill PIN-DIR INTERFACE VIP COUNT | flows ask SOCKET\n");
	return 2;
}
