/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an interface is. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "sys/host_private.h"

static void link_kind(struct nlattr *info, struct host_link *link)
{
	struct nlattr *attributes[IFLA_INFO_MAX + 1];

	if (!nla_parse_nested(attributes, IFLA_INFO_MAX, info, NULL) && attributes[IFLA_INFO_KIND])
		nla_strlcpy(link->kind, attributes[IFLA_INFO_KIND], sizeof(link->kind));
}

/* With programs in several modes at once there is no IFLA_XDP_PROG_ID, only one attribute for each mode. */
static uint32_t link_program(struct nlattr *xdp)
{
	static const int wanted[] = { IFLA_XDP_PROG_ID, IFLA_XDP_DRV_PROG_ID, IFLA_XDP_SKB_PROG_ID,
				      IFLA_XDP_HW_PROG_ID };
	struct nlattr *attributes[IFLA_XDP_MAX + 1];

	if (nla_parse_nested(attributes, IFLA_XDP_MAX, xdp, NULL))
		return 0;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (attributes[wanted[i]] && nla_len(attributes[wanted[i]]) == 4)
			return nla_get_u32(attributes[wanted[i]]);
	return 0;
}

static void take_link(void *arg, const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = nlmsg_data(message);
	struct nlattr *attributes[IFLA_MAX + 1];
	struct host_link *link = arg;

	if (message->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, IFLA_MAX, NULL) <
		    0)
		return;
	link->ifindex = (uint32_t)header->ifi_index;
	link->up = header->ifi_flags & IFF_UP && header->ifi_flags & IFF_RUNNING;
	if (attributes[IFLA_IFNAME])
		nla_strlcpy(link->name, attributes[IFLA_IFNAME], sizeof(link->name));
	if (attributes[IFLA_MTU])
		link->mtu = nla_get_u32(attributes[IFLA_MTU]);
	if (attributes[IFLA_ADDRESS] && nla_len(attributes[IFLA_ADDRESS]) == (int)sizeof(link->mac))
		memcpy(link->mac, nla_data(attributes[IFLA_ADDRESS]), sizeof(link->mac));
	if (attributes[IFLA_LINKINFO])
		link_kind(attributes[IFLA_LINKINFO], link);
	if (attributes[IFLA_XDP])
		link->foreign_program = link_program(attributes[IFLA_XDP]);
	/* The other end of a veth is in IFLA_LINK too, and may count in another namespace. */
	if (!strcmp(link->kind, "vlan") && attributes[IFLA_LINK] &&
	    !attributes[IFLA_LINK_NETNSID] &&
	    !if_indextoname(nla_get_u32(attributes[IFLA_LINK]), link->parent))
		link->parent[0] = '\0';
}

static int compare_names(const void *a, const void *b)
{
	const struct if_nameindex *left = a, *right = b;

	return strcmp(left->if_name, right->if_name);
}

static int no_such_interface(const char *name, struct xlb_err *err)
{
	struct if_nameindex *present = if_nameindex();
	AUTO_FREE char *list = NULL;
	size_t size, count = 0;
	FILE *stream = open_memstream(&list, &size);

	while (present && present[count].if_index)
		count++;
	if (count)
		qsort(present, count, sizeof(*present), compare_names);
	for (size_t i = 0; stream && i < count; i++)
		fprintf(stream, "%s%s", i ? ", " : "", present[i].if_name);
	if_freenameindex(present);
	if (stream)
		fclose(stream);
	return xlb_err_set(err, XLB_ERR_NOT_FOUND, -ENODEV, "%s: no such interface. Present: %s.",
			   name, list ? list : "");
}

int host_link(struct host *host, const char *name, struct host_link *ret, struct xlb_err *err)
{
	struct ifinfomsg header = {};
	struct host_link link = {};
	struct nl_msg *message;
	int r;

	if (strlen(name) >= IFNAMSIZ || !*name)
		return no_such_interface(name, err);
	message = host_request(RTM_GETLINK, 0, &header, sizeof(header));
	if (message && (nla_put_string(message, IFLA_IFNAME, name) ||
			nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS))) {
		nlmsg_free(message);
		message = NULL;
	}
	r = host_ask(host, message, take_link, &link);
	if (r == -ENODEV || (!r && !link.ifindex))
		return no_such_interface(name, err);
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "cannot read interface %s: %s", name,
				   strerror(-r));
	*ret = link;
	return 0;
}

static uint32_t ethtool_value(int fd, const char *ifname, uint32_t command)
{
	struct ethtool_value value = { .cmd = command };
	struct ifreq request = { .ifr_data = (void *)&value };

	memcpy(request.ifr_name, ifname, strnlen(ifname, IFNAMSIZ - 1));
	return ioctl(fd, SIOCETHTOOL, &request) ? 0 : value.data;
}

bool host_joins_packets(const char *ifname)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && (ethtool_value(fd, ifname, ETHTOOL_GGRO) ||
			   ethtool_value(fd, ifname, ETHTOOL_GFLAGS) & ETH_FLAG_LRO);
}
