// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An ICMP check passes when the server answers an echo request (RFC 792, RFC 4443). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/parse.h"
#include "xlbd/check.h"

#include <linux/icmp.h> /* after net/if.h, which check.h brings */

/* Of either family; what comes back must be the same but for type and checksum. */
struct echo {
	uint8_t type, code;
	uint16_t checksum;
	uint8_t identity[20]; /* id, sequence number and data: nobody else's */
};

/* RFC 1071 */
static uint16_t checksum_of(const struct echo *echo)
{
	const uint16_t *words = (const void *)echo;
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof(*echo) / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static bool is_ipv4(const struct probe *probe)
{
	return addr_family(&probe->addr) == XLB_IPV4;
}

/* Nothing but answers wakes the socket. */
static int hear_answers_only(const struct probe *probe)
{
	struct icmp_filter filter = { .data = ~(1U << ICMP_ECHOREPLY) };
	struct icmp6_filter filter6;

	ICMP6_FILTER_SETBLOCKALL(&filter6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter6);
	if (is_ipv4(probe))
		return setsockopt(probe->fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
	return setsockopt(probe->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6, sizeof(filter6));
}

static enum probe_step icmp_start(struct probe *probe)
{
	struct echo *echo = probe->state;
	enum probe_step step;

	/* raw: sockets made for pings are closed to root too, unless net.ipv4.ping_group_range says otherwise */
	step = probe_socket(probe, SOCK_RAW, is_ipv4(probe) ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (probe->fd < 0 || (step == PROBE_WAIT_WRITE && hear_answers_only(probe))) {
		probe_fail(probe, "xlbd: cannot send pings: %s", strerror(errno));
		return PROBE_SKIPPED;
	}
	if (step != PROBE_WAIT_WRITE)
		return step;
	probe_hear_errors(probe);
	echo->type = is_ipv4(probe) ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	arc4random_buf(echo->identity, sizeof(echo->identity));
	/* the kernel makes that of ICMPv6 */
	echo->checksum = is_ipv4(probe) ? checksum_of(echo) : 0;
	if (send(probe->fd, echo, sizeof(*echo), 0) < 0 && errno != EAGAIN)
		return probe_error(probe, errno);
	return PROBE_WAIT_READ;
}

/* A raw IPv4 socket hands over the IP header, too. */
static bool is_answer(const struct probe *probe, const uint8_t *packet, size_t length)
{
	size_t header = is_ipv4(probe) ? (size_t)(*packet & 15) * 4 : 0;
	const struct echo *asked = probe->state;
	struct echo echo;

	if (length < header + sizeof(echo))
		return false;
	memcpy(&echo, packet + header, sizeof(echo));
	return echo.type == (is_ipv4(probe) ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) && !echo.code &&
	       !memcmp(echo.identity, asked->identity, sizeof(echo.identity));
}

static enum probe_step icmp_ready(struct probe *probe)
{
	uint8_t packet[128];
	ssize_t n;

	/* others may ping the same server */
	for (;;) {
		n = recv(probe->fd, packet, sizeof(packet), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? PROBE_WAIT_READ : probe_error(probe, errno);
		if (n > 0 && is_answer(probe, packet, (size_t)n))
			return PROBE_PASSED;
	}
}

const struct check_kind check_icmp = {
	.state_size = sizeof(struct echo),
	.start = icmp_start,
	.ready = icmp_ready,
};
