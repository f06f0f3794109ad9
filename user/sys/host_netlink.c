/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests, answers and notifications of NETLINK_ROUTE. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/host_private.h"

#define REQUEST_BUFFER (1 << 20)
#define EVENT_BUFFER   (8 << 20)
#define MESSAGE_BUFFER (64 << 10) /* the kernel's largest piece of a dump is 32 KiB */

struct answer {
	host_message each;
	void *arg;
	int error;
	bool done;
};

static int answer_message(struct nl_msg *message, void *arg)
{
	struct answer *answer = arg;

	if (answer->each)
		answer->each(answer->arg, nlmsg_hdr(message));
	return NL_OK;
}

static int answer_ack(struct nl_msg *message, void *arg)
{
	struct answer *answer = arg;

	(void)message;
	answer->done = true;
	return NL_STOP;
}

/* A dump that failed ends like one that did not, with the error in its last message. */
static int answer_end(struct nl_msg *message, void *arg)
{
	struct answer *answer = arg;
	const struct nlmsghdr *header = nlmsg_hdr(message);

	if (nlmsg_datalen(header) >= (int)sizeof(int))
		memcpy(&answer->error, nlmsg_data(header), sizeof(int));
	answer->done = true;
	return NL_STOP;
}

static int answer_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *arg)
{
	struct answer *answer = arg;

	(void)from;
	answer->error = error->error;
	answer->done = true;
	return NL_STOP;
}

static int answer_interrupted(struct nl_msg *message, void *arg)
{
	struct answer *answer = arg;

	(void)message;
	answer->error = -EINTR;
	return NL_OK;
}

struct nl_msg *host_request(int type, int flags, const void *header, size_t size)
{
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	if (message && nlmsg_append(message, (void *)header, size, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

/* What is left of a broken exchange must not be taken for the next answer. */
static void requests_reopen(struct host *host)
{
	struct nl_sock *fresh;

	if (host_requests_open(&fresh))
		return;
	nl_socket_free(host->requests);
	host->requests = fresh;
}

static int answer_read(struct nl_sock *sock, struct answer *answer)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int r = 0;

	if (!cb)
		return -ENOMEM;
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, answer_message, answer);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, answer_ack, answer);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, answer_end, answer);
	nl_cb_set(cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, answer_interrupted, answer);
	nl_cb_err(cb, NL_CB_CUSTOM, answer_error, answer);
	while (r >= 0 && !answer->done)
		r = nl_recvmsgs(sock, cb);
	nl_cb_put(cb);
	return answer->done ? answer->error : -EIO;
}

static int ask(struct nl_sock *sock, struct nl_msg *message, struct answer *answer)
{
	int r;

	if (!message)
		return -ENOMEM;
	r = nl_send_auto(sock, message);
	nlmsg_free(message);
	return r < 0 ? -EIO : answer_read(sock, answer);
}

int host_ask(struct host *host, struct nl_msg *message, host_message each, void *arg)
{
	struct answer answer = { .each = each, .arg = arg };
	int r = ask(host->requests, message, &answer);

	if (message && !answer.done)
		requests_reopen(host);
	return r;
}

int netlink_ask(struct nl_sock *sock, struct nl_msg *message, host_message each, void *arg)
{
	struct answer answer = { .each = each, .arg = arg };

	return ask(sock, message, &answer);
}

int netlink_open(int family, struct nl_sock **ret)
{
	struct nl_sock *sock = nl_socket_alloc();

	if (!sock)
		return -ENOMEM;
	if (nl_connect(sock, family) < 0) {
		nl_socket_free(sock);
		return -EPROTONOSUPPORT;
	}
	*ret = sock;
	return 0;
}

static int socket_open(int buffer, struct nl_sock **ret)
{
	struct nl_sock *sock;
	int on = 1, fd, r;

	r = netlink_open(NETLINK_ROUTE, &sock);
	if (r)
		return r;
	fd = nl_socket_get_fd(sock);
	/* With CAP_NET_ADMIN beyond net.core.rmem_max, else as much as that allows. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)))
		nl_socket_set_buffer_size(sock, buffer, 0);
	/* Lets the kernel filter dumps by interface. */
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	nl_socket_set_msg_buf_size(sock, MESSAGE_BUFFER);
	nl_socket_disable_msg_peek(sock);
	*ret = sock;
	return 0;
}

int host_requests_open(struct nl_sock **ret)
{
	return socket_open(REQUEST_BUFFER, ret);
}

int host_events_open(nl_recvmsg_msg_cb_t take, void *arg, struct nl_sock **ret)
{
	static const int groups[] = { RTNLGRP_LINK,	   RTNLGRP_NEIGH,      RTNLGRP_IPV4_IFADDR,
				      RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
				      RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,  RTNLGRP_NEXTHOP };
	struct nl_sock *sock;
	int r = socket_open(EVENT_BUFFER, &sock);

	if (r)
		return r;
	nl_socket_disable_seq_check(sock);
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, take, arg);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]) && !r; i++)
		r = nl_socket_add_membership(sock, groups[i]);
	if (!r)
		r = nl_socket_set_nonblocking(sock);
	if (r) {
		nl_socket_free(sock);
		return -EIO;
	}
	*ret = sock;
	return 0;
}

int host_events_read(struct nl_sock *events)
{
	struct pollfd pollfd = { .fd = nl_socket_get_fd(events), .events = POLLIN };
	int r;

	/* mostly there is nothing; to read takes a large buffer */
	if (!poll(&pollfd, 1, 0))
		return 0;
	do
		r = nl_recvmsgs_default(events);
	while (r >= 0);
	return r == -NLE_AGAIN ? 0 : -ENOBUFS;
}

int addr_af(const struct xlb_addr *addr)
{
	return addr_family(addr) == XLB_IPV4 ? AF_INET : AF_INET6;
}

int addr_put(struct nl_msg *message, int type, const struct xlb_addr *addr)
{
	if (addr_family(addr) == XLB_IPV4)
		return nla_put(message, type, 4, addr->bytes + 12);
	return nla_put(message, type, 16, addr->bytes);
}

bool addr_get(int family, const struct nlattr *attribute, struct xlb_addr *ret)
{
	struct xlb_addr addr = { .bytes = { [10] = 0xff, [11] = 0xff } };
	int size = family == AF_INET ? 4 : 16;

	if ((family != AF_INET && family != AF_INET6) || !attribute || nla_len(attribute) != size)
		return false;
	memcpy(addr.bytes + 16 - size, nla_data(attribute), (size_t)size);
	*ret = addr;
	return true;
}
