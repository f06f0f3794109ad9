/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an interface is, and what lies on it and below it. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "sys/host_private.h"

static void bond_info(struct nlattr *data, struct host_link *link)
{
	struct nlattr *attributes[IFLA_BOND_MAX + 1];

	if (!nla_parse_nested(attributes, IFLA_BOND_MAX, data, NULL) && attributes[IFLA_BOND_MODE])
		link->bond_mode = nla_get_u8(attributes[IFLA_BOND_MODE]);
}

static void vlan_info(struct nlattr *data, struct host_link *link)
{
	struct nlattr *attributes[IFLA_VLAN_MAX + 1];

	if (nla_parse_nested(attributes, IFLA_VLAN_MAX, data, NULL) || !attributes[IFLA_VLAN_ID] ||
	    !attributes[IFLA_VLAN_PROTOCOL])
		return;
	link->tag = htonl((uint32_t)ntohs(nla_get_u16(attributes[IFLA_VLAN_PROTOCOL])) << 16 |
			  nla_get_u16(attributes[IFLA_VLAN_ID]));
}

static void link_info(struct nlattr *info, struct host_link *link)
{
	struct nlattr *attributes[IFLA_INFO_MAX + 1];

	if (nla_parse_nested(attributes, IFLA_INFO_MAX, info, NULL) || !attributes[IFLA_INFO_KIND])
		return;
	nla_strlcpy(link->kind, attributes[IFLA_INFO_KIND], sizeof(link->kind));
	if (!attributes[IFLA_INFO_DATA])
		return;
	if (!strcmp(link->kind, "bond"))
		bond_info(attributes[IFLA_INFO_DATA], link);
	else if (!strcmp(link->kind, "vlan"))
		vlan_info(attributes[IFLA_INFO_DATA], link);
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

struct nl_msg *links_request(const char *kind, uint32_t master)
{
	struct ifinfomsg header = {};
	struct nl_msg *message = host_request(RTM_GETLINK, NLM_F_DUMP, &header, sizeof(header));
	struct nlattr *info;
	int r;

	if (!message)
		return NULL;
	r = nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (!r && master)
		r = nla_put_u32(message, IFLA_MASTER, master);
	if (!r && kind) {
		info = nla_nest_start(message, IFLA_LINKINFO);
		r = !info || nla_put_string(message, IFLA_INFO_KIND, kind);
		if (!r)
			nla_nest_end(message, info);
	}
	if (!r)
		return message;
	nlmsg_free(message);
	return NULL;
}

/* --- what lies on a NIC, and the ports below it --------------------------------------------------- */

struct links {
	struct host_link *links;
	uint32_t count;
	bool failed; /* no memory */
};

static void add_link(void *arg, const struct nlmsghdr *message)
{
	struct links *list = arg;
	struct host_link link = {}, *grown;

	if (list->failed || !link_take(message, &link))
		return;
	/* in steps of powers of two */
	if (!(list->count & (list->count - 1))) {
		grown = reallocarray(list->links, list->count ? list->count * 2 : 1, sizeof(link));
		list->failed = !grown;
		if (!grown)
			return;
		list->links = grown;
	}
	list->links[list->count++] = link;
}

static int links_list(struct host *host, const char *kind, uint32_t master, struct links *ret)
{
	struct links list = {};
	int r = host_ask(host, links_request(kind, master), add_link, &list);

	if (!r && list.failed)
		r = -ENOMEM;
	if (r)
		free(list.links);
	else
		*ret = list;
	return r;
}

static bool is_vlan(const struct host_link *link)
{
	return !strcmp(link->kind, "vlan") && link->tag && link->lower_netns < 0;
}

static const struct host_link *link_of(const struct links *list, uint32_t ifindex)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (list->links[i].ifindex == ifindex)
			return &list->links[i];
	return NULL;
}

/* The tags of frames of a VLAN device by the NIC: false if it does not lie on that, or too high. */
static bool vlan_tags(const struct links *list, const struct host_link *link, uint32_t nic,
		      struct xlb_vlan_tags *ret)
{
	const struct host_link *below;

	*ret = (struct xlb_vlan_tags){ { link->tag } };
	if (link->lower == nic)
		return true;
	below = link_of(list, link->lower);
	if (!below || !is_vlan(below) || below->lower != nic)
		return false;
	*ret = (struct xlb_vlan_tags){ { below->tag, link->tag } };
	return true;
}

int host_vlans(struct host *host, uint32_t ifindex, struct vlan_device **ret, uint32_t *ret_count)
{
	HOST_LOCK(host);
	struct vlan_device *vlans;
	struct links list;
	uint32_t count = 0;
	int r = links_list(host, "vlan", 0, &list);

	if (r)
		return r;
	vlans = calloc(list.count + 1, sizeof(*vlans));
	for (uint32_t i = 0; vlans && i < list.count; i++) {
		const struct host_link *link = &list.links[i];
		struct vlan_device *vlan = &vlans[count];

		if (!is_vlan(link) || !vlan_tags(&list, link, ifindex, &vlan->tags))
			continue;
		memcpy(vlan->name, link->name, sizeof(vlan->name));
		memcpy(vlan->mac, link->mac, sizeof(vlan->mac));
		vlan->mtu = link->mtu;
		count++;
	}
	free(list.links);
	if (!vlans)
		return -ENOMEM;
	*ret = vlans;
	*ret_count = count;
	return 0;
}

int host_ports(struct host *host, uint32_t bond, struct bond_port **ret, uint32_t *ret_count)
{
	HOST_LOCK(host);
	struct bond_port *ports;
	struct links list;
	uint32_t count = 0;
	int r = links_list(host, NULL, bond, &list);

	if (r)
		return r;
	ports = calloc(list.count + 1, sizeof(*ports));
	for (uint32_t i = 0; ports && i < list.count; i++) {
		const struct host_link *link = &list.links[i];

		if (link->master != bond)
			continue;
		memcpy(ports[count].name, link->name, sizeof(link->name));
		ports[count++].ifindex = link->ifindex;
	}
	free(list.links);
	if (!ports)
		return -ENOMEM;
	*ret = ports;
	*ret_count = count;
	return 0;
}

void host_below_vlans(struct host *host, const char *ifname, char ret[IFNAMSIZ])
{
	struct host_link link;
	struct xlb_err ignored;

	snprintf(ret, IFNAMSIZ, "%s", ifname);
	while (!host_link(host, ret, &link, &ignored) && link.parent[0])
		memcpy(ret, link.parent, IFNAMSIZ);
}
