// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A UDP check passes when the answer begins with what is expected. If nothing is, any answer passes and silence
 * does: what counts then is that no ICMP error says that the port is closed or the server out of reach.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/parse.h"
#include "xlbd/check.h"

/*
 * Hosts send few such errors (Linux: one a second to each address, whatever the port). So soon after one, silence
 * is no sign of life.
 */
#define DOUBT_NS (10 * NS_PER_SECOND)

/* An error that an ICMP message has brought, or that xlbd's own host found. */
static enum probe_step udp_failed(struct probe *probe, int error)
{
	enum probe_step step = probe_error(probe, error);

	if (step != PROBE_FAILED)
		return step;
	if (error == ECONNREFUSED)
		probe_fail(probe, "port unreachable");
	probe->refused = clock_ns(CLOCK_MONOTONIC);
	return PROBE_REFUSED;
}

static enum probe_step udp_start(struct probe *probe)
{
	const char *request = probe->config->request;
	uint8_t bytes[CHECK_BYTES_MAX];
	enum probe_step step;
	int length;

	step = probe_socket(probe, SOCK_DGRAM, IPPROTO_UDP);
	if (step != PROBE_WAIT_WRITE)
		return step;
	probe_hear_errors(probe);
	length = parse_bytes(request ? request : "", bytes, sizeof(bytes));
	if (send(probe->fd, bytes, (size_t)length, 0) < 0 && errno != EAGAIN)
		return udp_failed(probe, errno);
	return PROBE_WAIT_READ;
}

static enum probe_step judge(struct probe *probe, const uint8_t *answer, size_t length)
{
	const char *expect = probe->config->expect.text;
	uint8_t bytes[CHECK_BYTES_MAX];
	char said[60];
	int wanted;

	if (!expect)
		return PROBE_PASSED;
	wanted = parse_bytes(expect, bytes, sizeof(bytes));
	if (length >= (size_t)wanted && !memcmp(answer, bytes, (size_t)wanted))
		return PROBE_PASSED;
	escape_bytes(answer, length, said, sizeof(said));
	return probe_fail(probe, "answer \"%s\" does not begin with what is expected", said);
}

static enum probe_step udp_ready(struct probe *probe)
{
	uint8_t answer[CHECK_BYTES_MAX];
	ssize_t n;

	do
		n = recv(probe->fd, answer, sizeof(answer), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? PROBE_WAIT_READ : udp_failed(probe, errno);
	probe->refused = 0;
	return judge(probe, answer, (size_t)n);
}

static enum probe_step udp_late(struct probe *probe)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (probe->config->expect.text)
		return probe_timed_out(probe);
	if (probe->refused && now - probe->refused < DOUBT_NS)
		return probe_fail(probe, "silent, and unreachable %llu s ago",
				  (unsigned long long)((now - probe->refused) / NS_PER_SECOND));
	return PROBE_PASSED;
}

const struct check_kind check_udp = {
	.start = udp_start,
	.ready = udp_ready,
	.late = udp_late,
};
