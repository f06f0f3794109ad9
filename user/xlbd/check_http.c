// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An HTTP check passes when the reply's status line has an expected code. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/parse.h"
#include "xlbd/check_http.h"

#define REPLY_MAX 16384 /* the status line must end within it */

static const char pattern[] = "HTTP/1.# ###"; /* # is a digit */
#define PATTERN_LENGTH (sizeof(pattern) - 1)
#define CODE_OFFSET    (PATTERN_LENGTH - 3)

/* The server's own name for itself if none is configured: its address, bracketed if IPv6. */
static void host_of(const struct probe *probe, char *ret, size_t size)
{
	bool v6 = addr_family(&probe->addr) == XLB_IPV6;
	char addr[ADDR_TEXT_MAX], port[8] = "";

	format_addr(&probe->addr, addr);
	if (probe->port_h != (probe->config->type == CHECK_HTTPS ? 443 : 80))
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
	enum probe_step step;
	size_t sent;

	while (http->sent < http->length) {
		step = http->send(probe, http->request + http->sent, http->length - http->sent,
				  &sent);
		if (step != PROBE_PASSED)
			return step;
		http->sent += sent;
	}
	return PROBE_WAIT_READ;
}

static enum probe_step judge(struct probe *probe, uint32_t code)
{
	static const struct port_range preset = { 200, 399 };
	const struct range_list *expect = &probe->config->expect.codes;
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
	enum probe_step step;
	char buffer[1024];
	size_t length, i;

	while (http->seen < REPLY_MAX) {
		step = http->receive(probe, buffer, sizeof(buffer), &length);
		if (step != PROBE_PASSED)
			return step;
		if (!length)
			return probe_fail(probe, "connection closed before a status line");
		for (i = 0; i < length; i++) {
			if (!status_line_goes_on(http, buffer[i]))
				return probe_fail(probe, "no HTTP/1 status line in the reply");
			if (buffer[i] == '\n')
				return judge(probe, http->code);
		}
	}
	return probe_fail(probe, "status line does not end within 16 KiB");
}

enum probe_step http_go_on(struct probe *probe, struct http *http)
{
	enum probe_step step;

	if (!http->request) {
		step = make_request(probe, http);
		if (step != PROBE_WAIT_WRITE)
			return step;
	}
	/* the reply is not there yet: to ask for it at once would be in vain */
	return http->sent < http->length ? send_request(probe, http) : read_reply(probe, http);
}

void http_done(struct http *http)
{
	free(http->request);
	http->request = NULL;
}

static enum probe_step plain_send(struct probe *probe, const char *bytes, size_t length,
				  size_t *ret_sent)
{
	ssize_t n;

	do
		n = send(probe->fd, bytes, length, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? PROBE_WAIT_WRITE : probe_error(probe, errno);
	*ret_sent = (size_t)n;
	return PROBE_PASSED;
}

static enum probe_step plain_receive(struct probe *probe, char *buffer, size_t size,
				     size_t *ret_length)
{
	ssize_t n;

	do
		n = recv(probe->fd, buffer, size, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? PROBE_WAIT_READ : probe_error(probe, errno);
	*ret_length = (size_t)n;
	return PROBE_PASSED;
}

static enum probe_step http_start(struct probe *probe)
{
	struct http *http = probe->state;

	http->send = plain_send;
	http->receive = plain_receive;
	return probe_connect(probe);
}

/* Whether the connection was made, sending tells: its error is the one of the connection. */
static enum probe_step http_ready(struct probe *probe)
{
	return http_go_on(probe, probe->state);
}

static void http_stop(struct probe *probe)
{
	http_done(probe->state);
}

const struct check_kind check_http = {
	.state_size = sizeof(struct http),
	.start = http_start,
	.ready = http_ready,
	.stop = http_stop,
};
