// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Traffic control filters of an interface: whose they are is not looked at, only whether there are any. */
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "sys/host_private.h"

static void note_filter(void *arg, const struct nlmsghdr *message)
{
	if (message->nlmsg_type == RTM_NEWTFILTER)
		*(bool *)arg = true;
}

static int find_filters(struct nl_sock *sock, uint32_t ifindex, uint32_t hook, bool *found)
{
	struct tcmsg header = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)ifindex,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT, hook),
	};

	return netlink_ask(sock, host_request(RTM_GETTFILTER, NLM_F_DUMP, &header, sizeof(header)),
			   note_filter, found);
}

bool host_has_filters(uint32_t ifindex)
{
	struct nl_sock *sock;
	bool found = false;

	if (netlink_open(NETLINK_ROUTE, &sock))
		return true;
	/* what cannot be seen is taken to be there */
	if (find_filters(sock, ifindex, TC_H_MIN_INGRESS, &found) ||
	    find_filters(sock, ifindex, TC_H_MIN_EGRESS, &found))
		found = true;
	nl_socket_free(sock);
	return found;
}
