// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An HTTP check passes when the reply's status line has an expected code. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/parse.h"
#include "xlbd/check.h"

#define REPLY_MAX 16384 /* the status line must end within it */

static const char pattern[] = "HTTP/1.# ###"; /* # is a digit */
#define PATTERN_LENGTH (sizeof(pattern) - 1)
#define CODE_OFFSET    (PATTERN_LENGTH - 3)

struct http {
	char *request; /* owned; NULL until connected */
	size_t length, sent;
	size_t seen; /* bytes of the reply */
	uint32_t code;
	char last; /* byte seen */
};

/* The server's own name for itself if none is configured: its address, bracketed if IPv6. */
static void host_of(const struct probe *probe, char *ret, size_t size)
{
	bool v6 = addr_family(&probe->addr) == XLB_IPV6;
	char addr[ADDR_TEXT_MAX], port[8] = "";

	format_addr(&probe->addr, addr);
	if (probe->port_h != 80)
		snprintf(port, sizeof(port), ":%u", probe->port_h);
	snprintf(ret, size, "%s%s%s%s", v6 ? "[" : "", addr, v6 ? "]" : "", port);
}

static enum probe_step make_request(struct probe *probe, struct http *http)
{
	const struct health_check *config = probe->config;
	char host[ADDR_TEXT_MAX + 16];
	int length;

	host_of(probe, host, sizeof(host));
	length = asprintf(
		&http->request,
		"%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: xlb\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		config->method ? config->method : "GET", config->path ? config->path : "/",
		config->host ? config->host : host);
	if (length < 0) {
		http->request = NULL;
		return probe_error(probe, ENOMEM);
	}
	http->length = (size_t)length;
	return PROBE_WAIT_WRITE;
}

static enum probe_step send_request(struct probe *probe, struct http *http)
{
	ssize_t n;

	while (http->sent < http->length) {
		n = send(probe->fd, http->request + http->sent, http->length - http->sent,
			 MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? PROBE_WAIT_WRITE : probe_error(probe, errno);
		http->sent += (size_t)n;
	}
	return PROBE_WAIT_READ;
}

static enum probe_step judge(struct probe *probe, uint32_t code)
{
	static const struct port_range preset = { 200, 399 };
	const struct range_list *expect = &probe->config->expect;
	const struct port_range *ranges = expect->count ? expect->ranges : &preset;
	uint32_t i, count = expect->count ? expect->count : 1;

	for (i = 0; i < count; i++)
		if (code >= ranges[i].from && code <= ranges[i].to)
			return PROBE_PASSED;
	return probe_fail(probe, "http %u from %s", code,
			  probe->config->path ? probe->config->path : "/");
}

/* Takes one byte of "HTTP/1.1 200 OK\r\n"; RFC 9112 lets the CR and the phrase be missing. */
static bool status_line_goes_on(struct http *http, char c)
{
	size_t at = http->seen++;
	char last = http->last;

	http->last = c;
	if (at < PATTERN_LENGTH) {
		bool digit = isdigit((unsigned char)c);

		if (at >= CODE_OFFSET && digit)
			http->code = http->code * 10 + (uint32_t)(c - '0');
		return pattern[at] == '#' ? digit : c == pattern[at];
	}
	if (http->code < 100 || http->code > 599 || (last == '\r' && c != '\n'))
		return false;
	return at > PATTERN_LENGTH || c == ' ' || c == '\r' || c == '\n';
}

static enum probe_step read_reply(struct probe *probe, struct http *http)
{
	char buffer[1024];
	ssize_t n, i;

	while (http->seen < REPLY_MAX) {
		n = recv(probe->fd, buffer, sizeof(buffer), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? PROBE_WAIT_READ : probe_error(probe, errno);
		if (!n)
			return probe_fail(probe, "connection closed before a status line");
		for (i = 0; i < n; i++) {
			if (!status_line_goes_on(http, buffer[i]))
				return probe_fail(probe, "no HTTP/1 status line in the reply");
			if (buffer[i] == '\n')
				return judge(probe, http->code);
		}
	}
	return probe_fail(probe, "status line does not end within 16 KiB");
}

static enum probe_step http_ready(struct probe *probe)
{
	struct http *http = probe->state;
	enum probe_step step;

	if (!http->request) {
		step = probe_connected(probe);
		if (step != PROBE_PASSED)
			return step;
		step = make_request(probe, http);
		if (step != PROBE_WAIT_WRITE)
			return step;
	}
	if (http->sent < http->length)
		return send_request(probe, http);
	return read_reply(probe, http);
}

static void http_stop(struct probe *probe)
{
	struct http *http = probe->state;

	free(http->request);
	http->request = NULL;
}

const struct check_kind check_http = {
	.state_size = sizeof(struct http),
	.start = probe_connect,
	.ready = http_ready,
	.stop = http_stop,
};
