// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"

/* A check that has to wait for others of its kind begins so much later. */
#define LATER_NS (20 * NS_PER_MS)

static const struct check_kind *const kinds[] = {
	[CHECK_DEFAULT] = &check_tcp, [CHECK_TCP] = &check_tcp, [CHECK_HTTP] = &check_http,
	[CHECK_HTTPS] = &check_https, [CHECK_UDP] = &check_udp, [CHECK_ICMP] = &check_icmp,
	[CHECK_EXEC] = &check_exec,
};

enum probe_step probe_fail(struct probe *probe, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(probe->reason, sizeof(probe->reason), format, args);
	va_end(args);
	return PROBE_FAILED;
}

enum probe_step probe_error(struct probe *probe, int error)
{
	bool own = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;

	probe_fail(probe, "%s%s", own ? "xlbd: " : "", strerror(error));
	if (own)
		probe->reason[6] = (char)tolower(probe->reason[6]);
	else
		probe->reason[0] = (char)tolower(probe->reason[0]);
	return own ? PROBE_SKIPPED : PROBE_FAILED;
}

static socklen_t fill_sockaddr(const struct probe *probe, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (addr_family(&probe->addr) == XLB_IPV4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(probe->port_h);
		memcpy(&v4->sin_addr, probe->addr.bytes + 12, sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(probe->port_h);
	memcpy(&v6->sin6_addr, probe->addr.bytes, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

/*
 * Two options keep checks quiet. Linger 0 makes close() send RST: no TIME_WAIT eats the ports that SNAT
 * and further checks want. Without quick ACKs the handshake's last ACK waits for data: a plain TCP check
 * ends by a RST before the server's application ever sees a connection, an HTTP check saves a packet.
 */
static void quieten(int fd)
{
	static const struct linger linger = { .l_onoff = 1, .l_linger = 0 };
	static const int off;

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
}

/* The socket gets a port that no other has, by which the datapath knows it. */
static int go_through_datapath(struct probe *probe, sa_family_t family, int protocol)
{
	struct sockaddr_storage own = { .ss_family = family };
	socklen_t length = family == AF_INET ? sizeof(struct sockaddr_in) :
					       sizeof(struct sockaddr_in6);
	const struct xlb_probe wanted = {
		.server = probe->addr,
		.vip = probe->vip,
		.encapsulation = probe->encapsulation,
	};
	struct xlb_probe_key key = { .protocol = (uint8_t)protocol,
				     .family = addr_family(&probe->addr) };
	int r;

	if (bind(probe->fd, (struct sockaddr *)&own, length) ||
	    getsockname(probe->fd, (struct sockaddr *)&own, &length))
		return -errno;
	key.port = family == AF_INET ? ((struct sockaddr_in *)&own)->sin_port :
				       ((struct sockaddr_in6 *)&own)->sin6_port;
	r = probe->wire->begin(probe->wire->arg, &key, &wanted);
	if (!r)
		probe->key = key;
	return r;
}

enum probe_step probe_socket(struct probe *probe, int type, int protocol)
{
	struct sockaddr_storage addr;
	socklen_t length = fill_sockaddr(probe, &addr);
	int r;

	probe->fd = socket(addr.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (probe->fd < 0)
		return probe_error(probe, errno);
	if (protocol == IPPROTO_TCP)
		quieten(probe->fd);
	r = probe->wire ? go_through_datapath(probe, addr.ss_family, protocol) : 0;
	if (r) {
		/* no free port, no room in the map: nothing that the server has done */
		probe_fail(probe, "xlbd: cannot check through the datapath: %s", strerror(-r));
		return PROBE_SKIPPED;
	}
	if (connect(probe->fd, (struct sockaddr *)&addr, length) && errno != EINPROGRESS)
		return probe_error(probe, errno);
	return PROBE_WAIT_WRITE;
}

void probe_hear_errors(const struct probe *probe)
{
	static const int on = 1;

	if (addr_family(&probe->addr) == XLB_IPV4)
		setsockopt(probe->fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	else
		setsockopt(probe->fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
}

enum probe_step probe_connect(struct probe *probe)
{
	return probe_socket(probe, SOCK_STREAM, IPPROTO_TCP);
}

enum probe_step probe_connected(struct probe *probe)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &length))
		error = errno;
	return error ? probe_error(probe, error) : PROBE_PASSED;
}

static void on_event(evutil_socket_t fd, short what, void *arg);

/* Calls on_event at `when`, or earlier if the socket gets ready for `what`. */
static int probe_wait(struct probe *probe, short what, uint64_t when)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), left = when > now ? (when - now + 999) / 1000 : 0;
	struct timeval timeout = { .tv_sec = (time_t)(left / 1000000),
				   .tv_usec = (suseconds_t)(left % 1000000) };

	probe->waiting = what;
	if (event_assign(probe->event, probe->base, what ? probe->fd : -1, what, on_event, probe) ||
	    event_add(probe->event, &timeout))
		return -ENOMEM;
	return 0;
}

static void probe_release(struct probe *probe)
{
	if (probe->kind->stop)
		probe->kind->stop(probe);
	if (probe->fd >= 0)
		close(probe->fd);
	probe->fd = -1;
	/* now that the last packet, a RST, has gone the same way */
	if (probe->key.port)
		probe->wire->end(probe->wire->arg, &probe->key);
	probe->key.port = 0;
}

/* Plans from the planned start, not from now, so that checks do not drift; missed ones are left out. */
static void probe_plan(struct probe *probe)
{
	uint64_t interval = probe->config->interval * NS_PER_MS, now = clock_ns(CLOCK_MONOTONIC);

	probe->next += probe->phase ? probe->phase : interval;
	probe->phase = 0;
	if (probe->next <= now)
		probe->next = now + interval - (now - probe->next) % interval;
	if (probe_wait(probe, 0, probe->next))
		log_error("out of memory: a health check stops");
}

uint64_t probe_took(const struct probe *probe)
{
	return clock_ns(CLOCK_MONOTONIC) - probe->began;
}

static void probe_end(struct probe *probe, enum probe_step step)
{
	probe_release(probe);
	probe_plan(probe);
	probe->verdict(probe, step);
}

enum probe_step probe_timed_out(struct probe *probe)
{
	char timeout[32], vip[ADDR_TEXT_MAX];

	format_duration(probe->config->timeout, timeout, sizeof(timeout));
	if (!probe->wire)
		return probe_fail(probe, "timed out after %s", timeout);
	format_addr(&probe->vip, vip);
	return probe_fail(probe, "timed out after %s; it was asked as %s", timeout, vip);
}

static void probe_begin_later(struct probe *probe)
{
	if (probe_wait(probe, 0, clock_ns(CLOCK_MONOTONIC) + LATER_NS))
		probe_end(probe, probe_error(probe, ENOMEM));
}

static void probe_follow(struct probe *probe, enum probe_step step)
{
	if (step == PROBE_LATER)
		probe_begin_later(probe);
	else if (step != PROBE_WAIT_READ && step != PROBE_WAIT_WRITE)
		probe_end(probe, step);
	else if (probe_wait(probe, step == PROBE_WAIT_READ ? EV_READ : EV_WRITE, probe->deadline))
		probe_end(probe, probe_error(probe, ENOMEM));
}

static void probe_begin(struct probe *probe)
{
	probe->reason[0] = 0;
	memset(probe->state, 0, probe->kind->state_size);
	probe->began = clock_ns(CLOCK_MONOTONIC);
	probe->deadline = probe->began + probe->config->timeout * NS_PER_MS;
	probe_follow(probe, probe->kind->start(probe));
}

/* A socket may have become ready in the very turn of the loop in which its timer fired. */
static bool probe_is_ready(const struct probe *probe)
{
	struct pollfd pollfd = { .fd = probe->fd,
				 .events = probe->waiting == EV_READ ? POLLIN : POLLOUT };

	return poll(&pollfd, 1, 0) == 1;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct probe *probe = arg;

	(void)fd;
	if (!probe->waiting)
		probe_begin(probe);
	else if ((what & probe->waiting) || probe_is_ready(probe))
		probe_follow(probe, probe->kind->ready(probe));
	else if (clock_ns(CLOCK_MONOTONIC) >= probe->deadline)
		probe_end(probe,
			  probe->kind->late ? probe->kind->late(probe) : probe_timed_out(probe));
	else /* libevent counts from the start of its turn, so its timers may be a little early */
		probe_follow(probe, probe->waiting == EV_READ ? PROBE_WAIT_READ : PROBE_WAIT_WRITE);
}

int probe_open(struct probe *probe, struct event_base *base, uint64_t delay_ms, uint64_t phase_ms)
{
	probe->kind = kinds[probe->config->type];
	probe->base = base;
	probe->fd = -1;
	probe->phase = phase_ms * NS_PER_MS;
	probe->next = clock_ns(CLOCK_MONOTONIC) + delay_ms * NS_PER_MS;
	probe->event = event_new(base, -1, 0, on_event, probe);
	probe->state = calloc(1, probe->kind->state_size + 1);
	probe->kept = NULL;
	if (probe->event && probe->state && (!probe->kind->open || !probe->kind->open(probe)) &&
	    !probe_wait(probe, 0, probe->next))
		return 0;
	probe_close(probe);
	return -ENOMEM;
}

void probe_close(struct probe *probe)
{
	if (!probe->kind)
		return;
	if (probe->event)
		event_free(probe->event);
	if (probe->state)
		probe_release(probe);
	if (probe->kind->close)
		probe->kind->close(probe);
	free(probe->state);
	probe->event = NULL;
	probe->state = NULL;
	probe->kind = NULL;
}
