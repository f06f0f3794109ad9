// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The sockets that the API listens on. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "xlbd/api_private.h"
#include "xlbd/authority.h"

#define BACKLOG 128

/* Who may connect: group xlb if there is one. The mode is narrow before the socket has a name. */
static int give_socket_away(const char *path, struct xlb_err *err)
{
	gid_t readers;

	if (!group_lookup(GROUP_FILE, AUTHORITY_READERS, &readers)) {
		log_notice("no group '%s': only root can connect to %s", AUTHORITY_READERS, path);
		return 0;
	}
	if (chown(path, (uid_t)-1, readers) < 0 || chmod(path, 0660) < 0)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot give %s to group %s: %s",
				   path, AUTHORITY_READERS, strerror(errno));
	return 0;
}

int api_socket_unix(const char *path, int *ret, struct xlb_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENAMETOOLONG,
				   "socket path '%s' is too long", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0 || (unlink(path) < 0 && errno != ENOENT))
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot replace socket %s: %s",
				   path, strerror(errno));
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "cannot bind socket %s: %s", path,
				   strerror(-r));
	r = give_socket_away(path, err);
	if (r)
		return r;
	if (listen(fd, BACKLOG) < 0)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot listen on %s: %s", path,
				   strerror(errno));
	*ret = fd;
	fd = -1;
	return 0;
}

/* "192.0.2.1:9100" or "[2001:db8::1]:9100" */
static int parse_address(const char *text, struct sockaddr_in6 *ret, struct xlb_err *err)
{
	struct xlb_addr addr;
	bool has_port = false;
	uint16_t port;

	if (parse_addr_port(text, &addr, &port, &has_port) || !has_port || !port)
		return xlb_err_set(
			err, XLB_ERR_USAGE, -EINVAL,
			"address '%.64s': ADDRESS:PORT is accepted, as 127.0.0.1:9100 or [::1]:9100",
			text);
	*ret = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
	memcpy(&ret->sin6_addr, addr.bytes, sizeof(ret->sin6_addr));
	return 0;
}

int api_socket_tcp(const char *text, int *ret, struct xlb_err *err)
{
	AUTO_CLOSE int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	static const int on = 1, off;
	struct sockaddr_in6 address;
	int r = parse_address(text, &address, err);

	if (r)
		return r;
	if (IN6_IS_ADDR_V4MAPPED(&address.sin6_addr) && !address.sin6_addr.s6_addr32[3])
		address.sin6_addr = in6addr_any; /* 0.0.0.0: :: takes IPv4 too */
	/* the address may come later than xlbd */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, BACKLOG))
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "cannot listen on %s: %s", text,
				   strerror(errno));
	*ret = fd;
	fd = -1;
	return 0;
}
