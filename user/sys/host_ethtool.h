/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ethtool's requests, by ioctl. */
#ifndef XLB_SYS_HOST_ETHTOOL_H
#define XLB_SYS_HOST_ETHTOOL_H

#include "sys/host_nic.h"

/* A socket for the requests below, in the namespace of that path (NULL: this one); -errno. */
int ethtool_open(const char *netns_path);
/* "" if the interface does not say. */
void ethtool_driver(int fd, const char *ifname, char ret[32]);
void ethtool_channels(int fd, const char *ifname, struct nic_channels *ret);
void ethtool_features(int fd, const char *ifname, struct nic_feature ret[NIC_FEATURE_COUNT]);
/* 0 if the feature is as wanted afterwards; -EOPNOTSUPP if the driver keeps it as it is; -errno. */
int ethtool_set_feature(int fd, const char *ifname, enum nic_feature_id feature, bool on);

#endif
