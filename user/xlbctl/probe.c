// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "xlbctl/testnet.h"

#define TIMEOUT_MS   1000
#define TIMEOUTS_MAX 3 /* in a row: nobody is there, waiting longer tells nothing new */

static socklen_t fill_sockaddr(const struct probe_plan *plan, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (addr_family(&plan->addr) == XLB_IPV4) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(plan->port_h);
		memcpy(&in4->sin_addr, plan->addr.bytes + 12, 4);
		return sizeof(*in4);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(plan->port_h);
	memcpy(&in6->sin6_addr, plan->addr.bytes, 16);
	return sizeof(*in6);
}

/* Sends the request and takes the status of the answer's first line. */
static int ask_http(int fd, const struct probe_plan *plan, struct probe_result *result)
{
	AUTO_FREE char *request = NULL;
	char line[64] = "";
	unsigned int status;
	ssize_t n;

	n = asprintf(
		&request,
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: xlbctl-test\r\nConnection: close\r\n\r\n",
		plan->path, plan->host);
	if (n < 0) {
		request = NULL;
		return -ENOMEM;
	}
	if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		return -errno;
	n = recv(fd, line, sizeof(line) - 1, MSG_WAITALL);
	if (n <= 0)
		return n < 0 ? -errno : -ECONNRESET;
	if (sscanf(line, "HTTP/%*u.%*u %u", &status) == 1)
		result->http_status = status;
	return 0;
}

static int ask_udp(int fd)
{
	static const char text[] = "xlb test\n";
	char answer[64];

	if (send(fd, text, sizeof(text) - 1, 0) < 0)
		return -errno;
	return recv(fd, answer, sizeof(answer), 0) < 0 ? -errno : 0;
}

/* One connection or datagram; 0 if it was answered. */
static int probe_once(const struct probe_plan *plan, uint32_t timeout_ms,
		      struct probe_result *result)
{
	struct timeval timeout = { .tv_sec = timeout_ms / 1000,
				   .tv_usec = timeout_ms % 1000 * 1000 };
	struct sockaddr_storage address;
	socklen_t length = fill_sockaddr(plan, &address);
	AUTO_CLOSE int fd =
		socket(address.ss_family, (plan->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&address, length))
		return -errno;
	if (plan->udp)
		return ask_udp(fd);
	return plan->http ? ask_http(fd, plan, result) : 0;
}

void probe_run(const struct probe_plan *plan, struct probe_result *ret)
{
	uint32_t in_row = 0;

	*ret = (struct probe_result){ 0 };
	for (uint32_t i = 0; i < plan->count; i++) {
		int r;

		/* datagrams go on without waiting: not every service answers */
		if (in_row == TIMEOUTS_MAX && !plan->udp)
			return;
		r = probe_once(plan, in_row < TIMEOUTS_MAX ? TIMEOUT_MS : 1, ret);
		ret->sent++;
		if (!r) {
			ret->answered++;
			in_row = 0;
		} else if (r == -EAGAIN || r == -EINPROGRESS || r == -ETIMEDOUT) {
			ret->timed_out++;
			in_row += in_row < TIMEOUTS_MAX;
		} else {
			ret->refused++;
		}
	}
}
