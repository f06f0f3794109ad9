// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Whether the sockets of a listener can be had: one that cannot must not keep HAProxy from the others. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/parse.h"
#include "sys/haproxy_private.h"
#include "sys/host.h"

/* 0 or -errno: a socket as HAProxy would make it. */
static int try_port(const struct tls_bind *wanted)
{
	bool ipv6 = addr_family(&wanted->addr) == XLB_IPV6;
	AUTO_CLOSE int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(wanted->port) };
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(wanted->port) };
	const struct sockaddr *to = ipv6 ? (const struct sockaddr *)&to6 :
					   (const struct sockaddr *)&to4;
	int on = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, wanted->ifname, sizeof(wanted->ifname)))
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	memcpy(&to6.sin6_addr, wanted->addr.bytes, sizeof(to6.sin6_addr));
	memcpy(&to4.sin_addr, &wanted->addr.words[3], sizeof(to4.sin_addr));
	if (bind(fd, to, ipv6 ? sizeof(to6) : sizeof(to4)))
		return -errno;
	return listen(fd, 1) ? -errno : 0;
}

/* Whether HAProxy has the port itself; else `ret` is who has, if anybody can be found. */
static bool is_own(struct haproxy *h, const struct tls_bind *bind, struct host_socket *ret)
{
	static const struct xlb_addr any, any4 = { .bytes = { [10] = 0xff, [11] = 0xff } };
	AUTO_FREE struct host_socket *sockets = NULL;
	struct xlb_err ignored;
	uint32_t count = 0;

	host_sockets(&sockets, &count, &ignored);
	for (uint32_t i = 0; i < count; i++) {
		const struct host_socket *one = &sockets[i];

		if (one->protocol != IPPROTO_TCP || one->port_h != bind->port ||
		    (!addr_equal(&one->addr, &bind->addr) && !addr_equal(&one->addr, &any) &&
		     !addr_equal(&one->addr, &any4)))
			continue;
		if (process_owns(h, (pid_t)one->pid))
			return true;
		*ret = *one;
	}
	return false;
}

/* Fills `ret` if the port cannot be had: "nginx (pid 12) has it", or what the kernel says. */
static int judge_port(struct haproxy *h, const struct tls_bind *bind, char *ret, size_t size)
{
	struct host_socket taker = {};
	char addr[ADDR_TEXT_MAX];
	int r = try_port(bind);

	/* HAProxy keeps what it has */
	if (!r || (r == -EADDRINUSE && is_own(h, bind, &taker)))
		return 0;
	format_addr(&bind->addr, addr);
	if (taker.pid)
		snprintf(ret, size,
			 "port %u of %s is taken: \"%s\" (pid %u) listens there: stop it, or use "
			 "another port",
			 bind->port, addr, taker.process, taker.pid);
	else
		snprintf(ret, size, "cannot listen on port %u of %s (%s): %s", bind->port, addr,
			 bind->ifname, strerror(-r));
	return r;
}

static void try_listener(struct haproxy *h, const struct tls_row *row)
{
	const struct content_tls_listener *content = (const void *)row->content->data;
	struct tls_known *known = known_find(h, row_number(row));
	int r = 0;

	if (!known || known->bound)
		return;
	for (uint32_t i = 0; !r && i < content->bind_count; i++)
		if (tls_bind_has_socket(&content->binds[i]))
			r = judge_port(h, &content->binds[i], known->trouble,
				       sizeof(known->trouble));
	if (!r)
		known->trouble[0] = '\0';
	known->state = r ? TLS_FAILED : TLS_STARTS;
}

void bind_try(struct haproxy *h, const struct tls_wanted *wanted)
{
	const struct tls_row *row = NULL;

	while ((row = wanted_next(wanted, TABLE_TLS_LISTENER, row)))
		try_listener(h, row);
}
