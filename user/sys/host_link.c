/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an interface is. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "sys/host_private.h"

static void link_info(struct nlattr *info, struct host_link *link)
{
	struct nlattr *attributes[IFLA_INFO_MAX + 1], *bond[IFLA_BOND_MAX + 1];

	if (nla_parse_nested(attributes, IFLA_INFO_MAX, info, NULL) || !attributes[IFLA_INFO_KIND])
		return;
	nla_strlcpy(link->kind, attributes[IFLA_INFO_KIND], sizeof(link->kind));
	if (!strcmp(link->kind, "bond") && attributes[IFLA_INFO_DATA] &&
	    !nla_parse_nested(bond, IFLA_BOND_MAX, attributes[IFLA_INFO_DATA], NULL) &&
	    bond[IFLA_BOND_MODE])
		link->bond_mode = nla_get_u8(bond[IFLA_BOND_MODE]);
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

bool link_take(const struct nlmsghdr *message, struct host_link *ret)
{
	const struct ifinfomsg *header = nlmsg_data(message);
	struct nlattr *attributes[IFLA_MAX + 1];

	if (message->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, IFLA_MAX, NULL) <
		    0)
		return false;
	ret->ifindex = (uint32_t)header->ifi_index;
	ret->up = header->ifi_flags & IFF_UP && header->ifi_flags & IFF_RUNNING;
	ret->lower_netns = ret->bond_mode = -1;
	if (attributes[IFLA_IFNAME])
		nla_strlcpy(ret->name, attributes[IFLA_IFNAME], sizeof(ret->name));
	if (attributes[IFLA_MTU])
		ret->mtu = nla_get_u32(attributes[IFLA_MTU]);
	if (attributes[IFLA_ADDRESS] && nla_len(attributes[IFLA_ADDRESS]) == (int)sizeof(ret->mac))
		memcpy(ret->mac, nla_data(attributes[IFLA_ADDRESS]), sizeof(ret->mac));
	if (attributes[IFLA_LINKINFO])
		link_info(attributes[IFLA_LINKINFO], ret);
	if (attributes[IFLA_XDP])
		ret->foreign_program = link_program(attributes[IFLA_XDP]);
	if (attributes[IFLA_MASTER])
		ret->master = nla_get_u32(attributes[IFLA_MASTER]);
	if (attributes[IFLA_LINK])
		ret->lower = nla_get_u32(attributes[IFLA_LINK]);
	/* its number may count in another namespace */
	if (attributes[IFLA_LINK_NETNSID])
		ret->lower_netns = (int32_t)nla_get_u32(attributes[IFLA_LINK_NETNSID]);
	else if (!strcmp(ret->kind, "vlan") && !if_indextoname(ret->lower, ret->parent))
		ret->parent[0] = '\0';
	return true;
}

static void take_link(void *arg, const struct nlmsghdr *message)
{
	link_take(message, arg);
}

int link_ask(struct host *host, struct nl_msg *message, struct host_link *ret)
{
	struct host_link link = {};
	int r;

	if (message && nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)) {
		nlmsg_free(message);
		message = NULL;
	}
	r = host_ask(host, message, take_link, &link);
	if (!r && !link.ifindex)
		r = -ENODEV;
	if (!r)
		*ret = link;
	return r;
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
	HOST_LOCK(host);
	struct ifinfomsg header = {};
	struct nl_msg *message;
	int r;

	if (strlen(name) >= IFNAMSIZ || !*name)
		return no_such_interface(name, err);
	message = host_request(RTM_GETLINK, 0, &header, sizeof(header));
	if (message && nla_put_string(message, IFLA_IFNAME, name)) {
		nlmsg_free(message);
		message = NULL;
	}
	r = link_ask(host, message, ret);
	if (r == -ENODEV)
		return no_such_interface(name, err);
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "cannot read interface %s: %s", name,
				   strerror(-r));
	return 0;
}
