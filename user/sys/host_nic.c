/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a NIC is like: driver, offloads, queues, what lies above, below and at its other end. */
#include "sys/host_nic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/host_ethtool.h"
#include "sys/host_private.h"

#define NETNS_DIR "/run/netns"
#define NETNS_MAX 128 /* looked at to find one by its id: some 10 us each */

/* Of the kernel's netdev family (since 6.3), whose header Debian 12 lacks. */
#define NETDEV_FAMILY	     "netdev"
#define NETDEV_GET	     1 /* NETDEV_CMD_DEV_GET */
#define NETDEV_IFINDEX	     1 /* NETDEV_A_DEV_IFINDEX */
#define NETDEV_XDP_FEATURES  3 /* NETDEV_A_DEV_XDP_FEATURES */
#define NETDEV_ATTRIBUTE_MAX 8

/* --- what the driver says of XDP ------------------------------------------------------------------ */

static struct nl_msg *generic_request(int type, uint8_t command, uint8_t version)
{
	struct genlmsghdr header = { .cmd = command, .version = version };

	return host_request(type, 0, &header, sizeof(header));
}

static void take_family(void *arg, const struct nlmsghdr *message)
{
	struct nlattr *attributes[CTRL_ATTR_MAX + 1];

	if (!nlmsg_parse((struct nlmsghdr *)message, GENL_HDRLEN, attributes, CTRL_ATTR_MAX,
			 NULL) &&
	    attributes[CTRL_ATTR_FAMILY_ID])
		*(uint16_t *)arg = nla_get_u16(attributes[CTRL_ATTR_FAMILY_ID]);
}

static void take_xdp(void *arg, const struct nlmsghdr *message)
{
	struct nlattr *attributes[NETDEV_ATTRIBUTE_MAX + 1];
	struct nic *nic = arg;

	if (nlmsg_parse((struct nlmsghdr *)message, GENL_HDRLEN, attributes, NETDEV_ATTRIBUTE_MAX,
			NULL) ||
	    !attributes[NETDEV_XDP_FEATURES])
		return;
	nic->xdp_features = nla_get_u64(attributes[NETDEV_XDP_FEATURES]);
	nic->xdp_known = true;
}

static void read_xdp(struct nic *nic)
{
	uint16_t family = 0;
	struct nl_sock *sock;
	struct nl_msg *message;

	if (netlink_open(NETLINK_GENERIC, &sock))
		return;
	message = generic_request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	if (message && nla_put_string(message, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY)) {
		nlmsg_free(message);
		message = NULL;
	}
	netlink_ask(sock, message, take_family, &family);
	message = family ? generic_request(family, NETDEV_GET, 1) : NULL;
	if (message && nla_put_u32(message, NETDEV_IFINDEX, nic->link.ifindex)) {
		nlmsg_free(message);
		message = NULL;
	}
	netlink_ask(sock, message, take_xdp, nic);
	nl_socket_free(sock);
}

/* --- links around it ------------------------------------------------------------------------------ */

struct around {
	struct nic *nic;
	int fd; /* for ethtool */
};

static void take_lower(void *arg, const struct nlmsghdr *message)
{
	struct around *around = arg;
	struct nic *nic = around->nic;
	struct host_link link = {};
	struct nic_lower *lower;

	if (!link_take(message, &link) || link.master != nic->link.ifindex ||
	    nic->lower_count == NIC_LOWERS_MAX)
		return;
	lower = &nic->lowers[nic->lower_count++];
	memcpy(lower->name, link.name, sizeof(lower->name));
	ethtool_driver(around->fd, link.name, lower->driver);
}

static int link_by_index(struct host *host, uint32_t ifindex, int32_t netns, struct host_link *ret)
{
	struct ifinfomsg header = { .ifi_index = (int)ifindex };
	struct nl_msg *message = host_request(RTM_GETLINK, 0, &header, sizeof(header));

	if (message && netns >= 0 && nla_put_u32(message, IFLA_TARGET_NETNSID, (uint32_t)netns)) {
		nlmsg_free(message);
		message = NULL;
	}
	return link_ask(host, message, ret);
}

static void read_around(struct host *host, struct around *around)
{
	struct nic *nic = around->nic;
	struct vlan_device *vlans;
	struct host_link master;

	if (!host_vlans(host, nic->link.ifindex, &vlans, &nic->vlans))
		free(vlans);
	host_below_vlans(host, nic->link.name, nic->below);
	if (!strcmp(nic->link.kind, "bond") || !strcmp(nic->link.kind, "team"))
		host_ask(host, links_request(NULL, nic->link.ifindex), take_lower, around);
	if (nic->link.master && !link_by_index(host, nic->link.master, -1, &master)) {
		memcpy(nic->master, master.name, sizeof(nic->master));
		memcpy(nic->master_kind, master.kind, sizeof(nic->master_kind));
	}
}

/* --- the other end of a veth ---------------------------------------------------------------------- */

static void take_netns_id(void *arg, const struct nlmsghdr *message)
{
	struct nlattr *attributes[NETNSA_MAX + 1];

	if (!nlmsg_parse((struct nlmsghdr *)message, sizeof(struct rtgenmsg), attributes,
			 NETNSA_MAX, NULL) &&
	    attributes[NETNSA_NSID])
		*(int32_t *)arg = (int32_t)nla_get_u32(attributes[NETNSA_NSID]);
}

static int32_t netns_id(struct host *host, const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct rtgenmsg header = { .rtgen_family = AF_UNSPEC };
	struct nl_msg *message;
	int32_t id = -1;

	if (fd < 0)
		return -1;
	message = host_request(RTM_GETNSID, 0, &header, sizeof(header));
	if (message && nla_put_u32(message, NETNSA_FD, (uint32_t)fd)) {
		nlmsg_free(message);
		message = NULL;
	}
	host_ask(host, message, take_netns_id, &id);
	return id;
}

/* Finds the name under which `ip netns` knows a namespace; false if it has none. */
static bool netns_find(struct host *host, int32_t id, char *ret_name, size_t size, char *ret_path)
{
	const struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(NETNS_DIR);

	for (int i = 0; dir && !found && i < NETNS_MAX && (entry = readdir(dir)); i++) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= size)
			continue;
		snprintf(ret_path, PATH_MAX, "%s/%s", NETNS_DIR, entry->d_name);
		found = netns_id(host, ret_path) == id;
		if (found)
			snprintf(ret_name, size, "%s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void read_peer(struct host *host, struct nic *nic)
{
	struct nic_peer *peer = &nic->peer;
	AUTO_CLOSE int fd = -1;
	struct host_link link;
	char path[PATH_MAX];
	bool reachable;

	if (strcmp(nic->link.kind, "veth") || !nic->link.lower)
		return;
	peer->present = true;
	peer->elsewhere = nic->link.lower_netns >= 0;
	reachable = !peer->elsewhere ||
		    netns_find(host, nic->link.lower_netns, peer->netns, sizeof(peer->netns), path);
	if (link_by_index(host, nic->link.lower, nic->link.lower_netns, &link))
		return;
	memcpy(peer->name, link.name, sizeof(peer->name));
	peer->mtu = link.mtu;
	peer->has_program = link.foreign_program;
	fd = reachable ? ethtool_open(peer->elsewhere ? path : NULL) : -1;
	if (fd < 0)
		return;
	ethtool_features(fd, peer->name, peer->features);
	ethtool_channels(fd, peer->name, &peer->channels);
}

int host_nic(struct host *host, const char *name, struct nic *ret, struct xlb_err *err)
{
	HOST_LOCK(host);
	AUTO_CLOSE int fd = ethtool_open(NULL);
	struct nic nic = {};
	struct around around = { .nic = &nic, .fd = fd };
	int r = host_link(host, name, &nic.link, err);

	if (r)
		return r;
	if (fd >= 0) {
		ethtool_driver(fd, name, nic.driver);
		ethtool_features(fd, name, nic.features);
		ethtool_channels(fd, name, &nic.channels);
	}
	read_xdp(&nic);
	read_around(host, &around);
	read_peer(host, &nic);
	nic.has_rp_filter = !host_setting(name, XLB_SETTING_RP_FILTER, &nic.rp_filter) &&
			    !host_setting("all", XLB_SETTING_RP_FILTER, &nic.rp_filter_all);
	*ret = nic;
	return 0;
}
