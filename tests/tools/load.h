/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs that make load (dial, volley) share. */
#ifndef XLB_TESTS_TOOLS_LOAD_H
#define XLB_TESTS_TOOLS_LOAD_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ADDRESSES_MAX 16
#define SECOND	      1000000000LL /* ns */

static inline _Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

static inline struct sockaddr_in parse_address(const char *text, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (inet_pton(AF_INET, text, &address.sin_addr) != 1) {
		fprintf(stderr, "bad address \"%s\"\n", text);
		exit(2);
	}
	return address;
}

/* Of "ADDRESS,ADDRESS", which is cut up; returns how many, ADDRESSES_MAX at most. */
static inline unsigned int parse_addresses(char *list, const char *port, struct sockaddr_in *ret)
{
	unsigned int count = 0;

	for (char *word = strtok(list, ","); word && count < ADDRESSES_MAX;
	     word = strtok(NULL, ","))
		ret[count++] = parse_address(word, port);
	return count;
}

#endif
