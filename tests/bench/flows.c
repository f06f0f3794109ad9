// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * For flows.sh:
 *   flows fill PIN-DIR COUNT   copies a record of the pinned flow table COUNT times, each for another client
 *   flows ask SOCKET           asks xlbd for /v1/interfaces every 10 ms until SIGTERM, then prints how long
 *                              the answers took
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "xlb/addr.h"

#define BATCH	    4096
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

static int fill(const char *pin_dir, uint32_t count)
{
	static struct xlb_flow_key keys[BATCH];
	static struct xlb_flow flows[BATCH];
	struct xlb_flow_key key;
	struct xlb_flow flow;
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/flows", pin_dir);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_map_get_next_key(fd, NULL, &key) || bpf_map_lookup_elem(fd, &key, &flow))
		return die(path);
	for (uint32_t done = 0; done < count;) {
		uint32_t size = count - done < BATCH ? count - done : BATCH;

		for (uint32_t i = 0; i < size; i++, done++) {
			keys[i] = key;
			xlb_addr_set_ipv4(&keys[i].client, htonl(0x0a000000 + done / 1000));
			keys[i].client_port = htons((uint16_t)(10000 + done % 1000));
			flows[i] = flow;
			flows[i].created -= done % 100000;
		}
		if (bpf_map_update_batch(fd, keys, flows, &size, NULL))
			return die("bpf_map_update_batch");
	}
	close(fd);
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
	if (argc == 4 && !strcmp(argv[1], "fill"))
		return fill(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "ask"))
		return ask(argv[2]);
	fprintf(stderr, "usage: flows fill PIN-DIR COUNT | flows ask SOCKET\n");
	return 2;
}
