/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "sys/host_ethtool.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define FEATURES_MAX 256

/* The kernel's structs end in arrays: each with room for all features. */
union sizes {
	struct ethtool_sset_info head;
	uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
};
union features {
	struct ethtool_gfeatures head;
	uint8_t room[sizeof(struct ethtool_gfeatures) +
		     FEATURES_MAX / 32 * sizeof(struct ethtool_get_features_block)];
};
union change {
	struct ethtool_sfeatures head;
	uint8_t room[sizeof(struct ethtool_sfeatures) +
		     FEATURES_MAX / 32 * sizeof(struct ethtool_set_features_block)];
};

/* as the kernel names them */
static const char *const feature_names[NIC_FEATURE_COUNT] = {
	[NIC_LRO] = "rx-lro",
	[NIC_GRO] = "rx-gro",
	[NIC_GRO_HW] = "rx-gro-hw",
	[NIC_RX_VLAN] = "rx-vlan-hw-parse",
	[NIC_RX_VLAN_STAG] = "rx-vlan-stag-hw-parse",
	[NIC_TX_VLAN] = "tx-vlan-hw-insert",
	[NIC_TX_VLAN_STAG] = "tx-vlan-stag-hw-insert",
	[NIC_TX_CHECKSUM] = "tx-checksum-ip-generic",
};

static int socket_here(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

struct visit {
	const char *path;
	int fd;
};

static void *visit_namespace(void *arg)
{
	struct visit *visit = arg;
	AUTO_CLOSE int fd = open(visit->path, O_RDONLY | O_CLOEXEC);

	visit->fd = fd < 0 || setns(fd, CLONE_NEWNET) ? -errno : socket_here();
	return NULL;
}

/* A thread makes the socket, so that nothing else of this process is ever in another namespace. */
int ethtool_open(const char *netns_path)
{
	struct visit visit = { .path = netns_path };
	pthread_t thread;

	if (!netns_path)
		return socket_here();
	if (pthread_create(&thread, NULL, visit_namespace, &visit))
		return -EAGAIN;
	pthread_join(thread, NULL);
	return visit.fd;
}

static int request(int fd, const char *ifname, void *data)
{
	struct ifreq ifreq = { .ifr_data = data };

	memcpy(ifreq.ifr_name, ifname, strnlen(ifname, IFNAMSIZ - 1));
	/* above 0 are remarks */
	return ioctl(fd, SIOCETHTOOL, &ifreq) < 0 ? -errno : 0;
}

void ethtool_driver(int fd, const char *ifname, char ret[32])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	if (request(fd, ifname, &info))
		info.driver[0] = '\0';
	snprintf(ret, 32, "%s", info.driver);
}

void ethtool_channels(int fd, const char *ifname, struct nic_channels *ret)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };

	*ret = (struct nic_channels){};
	if (request(fd, ifname, &channels))
		return;
	*ret = (struct nic_channels){
		.rx = channels.rx_count,
		.tx = channels.tx_count,
		.combined = channels.combined_count,
		.max_rx = channels.max_rx,
		.max_tx = channels.max_tx,
		.max_combined = channels.max_combined,
	};
}

/* Bit number of every feature that the kernel knows, -1 for others; returns how many features it has. */
static uint32_t feature_bits(int fd, const char *ifname, int ret[NIC_FEATURE_COUNT])
{
	union sizes sizes = { .head = { .cmd = ETHTOOL_GSSET_INFO,
					.sset_mask = 1ULL << ETH_SS_FEATURES } };
	uint32_t count;
	AUTO_FREE struct ethtool_gstrings *names = NULL;

	for (int i = 0; i < NIC_FEATURE_COUNT; i++)
		ret[i] = -1;
	if (request(fd, ifname, &sizes) || !sizes.head.sset_mask)
		return 0;
	count = sizes.head.data[0];
	if (count > FEATURES_MAX)
		return 0;
	names = calloc(1, sizeof(*names) + count * ETH_GSTRING_LEN);
	if (!names)
		return 0;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = count;
	if (request(fd, ifname, names))
		return 0;
	for (uint32_t bit = 0; bit < count; bit++)
		for (int i = 0; i < NIC_FEATURE_COUNT; i++)
			if (!strncmp((char *)names->data + bit * ETH_GSTRING_LEN, feature_names[i],
				     ETH_GSTRING_LEN))
				ret[i] = (int)bit;
	return count;
}

void ethtool_features(int fd, const char *ifname, struct nic_feature ret[NIC_FEATURE_COUNT])
{
	union features state = { .head = { .cmd = ETHTOOL_GFEATURES } };
	int bits[NIC_FEATURE_COUNT];
	uint32_t count = feature_bits(fd, ifname, bits);

	memset(ret, 0, NIC_FEATURE_COUNT * sizeof(*ret));
	state.head.size = (count + 31) / 32;
	if (!count || request(fd, ifname, &state))
		return;
	for (int i = 0; i < NIC_FEATURE_COUNT; i++) {
		const struct ethtool_get_features_block *block;
		uint32_t mask;

		if (bits[i] < 0)
			continue;
		block = &state.head.features[bits[i] / 32];
		mask = 1U << bits[i] % 32;
		ret[i] = (struct nic_feature){
			.known = true,
			.on = block->active & mask,
			.fixed = !(block->available & mask) || block->never_changed & mask,
		};
	}
}

int ethtool_set_feature(int fd, const char *ifname, enum nic_feature_id feature, bool on)
{
	union change change;
	struct ethtool_set_features_block *block;
	struct nic_feature now[NIC_FEATURE_COUNT];
	int bits[NIC_FEATURE_COUNT], r;
	uint32_t count = feature_bits(fd, ifname, bits);

	if (!count || bits[feature] < 0)
		return -EOPNOTSUPP;
	/* whole: an initializer need not reach beyond the head */
	memset(&change, 0, sizeof(change));
	change.head.cmd = ETHTOOL_SFEATURES;
	change.head.size = (count + 31) / 32;
	block = &change.head.features[bits[feature] / 32];
	block->valid = 1U << bits[feature] % 32;
	block->requested = (uint32_t)on << bits[feature] % 32;
	r = request(fd, ifname, &change);
	if (r)
		return r;
	ethtool_features(fd, ifname, now);
	return now[feature].on == on ? 0 : -EOPNOTSUPP;
}
