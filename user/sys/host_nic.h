/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a NIC and the host are like, as far as XDP cares. Reading only. */
#ifndef XLB_SYS_HOST_NIC_H
#define XLB_SYS_HOST_NIC_H

#include "sys/host.h"

enum nic_feature_id {
	NIC_LRO,
	NIC_GRO,
	NIC_GRO_HW,
	NIC_RX_VLAN,
	NIC_RX_VLAN_STAG,
	NIC_TX_CHECKSUM,
	NIC_TX_VLAN,
	NIC_TX_VLAN_STAG,
	NIC_FEATURE_COUNT,
};
struct nic_feature {
	bool known; /* the kernel told */
	bool on;
	bool fixed; /* cannot be changed */
};

/* Queues; all zero if the driver does not say. */
struct nic_channels {
	uint32_t rx, tx, combined;
	uint32_t max_rx, max_tx, max_combined;
};

/* The other end of a veth. */
struct nic_peer {
	bool present;
	bool elsewhere;	     /* in another network namespace */
	char netns[64];	     /* its name in /run/netns, "" if it has none */
	char name[IFNAMSIZ]; /* "" if it could not be asked for */
	uint32_t mtu;	     /* 0: unknown */
	bool has_program;    /* XDP */
	struct nic_feature features[NIC_FEATURE_COUNT];
	struct nic_channels channels;
};

/* An interface below a bond or team. */
struct nic_lower {
	char name[IFNAMSIZ];
	char driver[32];
};
#define NIC_LOWERS_MAX 8

/* of the kernel's netdev family, since 6.3 */
#define NIC_XDP_BASIC	 (1U << 0)
#define NIC_XDP_REDIRECT (1U << 1)
#define NIC_XDP_TARGET	 (1U << 2) /* takes what is redirected to it */
#define NIC_XDP_LARGE	 (1U << 5) /* frames of several buffers (xdp.frags) */

struct nic {
	struct host_link link;
	char driver[32]; /* "" if it has none */
	struct nic_feature features[NIC_FEATURE_COUNT];
	struct nic_channels channels;
	bool xdp_known;	       /* the kernel says what the driver can: xdp_features */
	uint64_t xdp_features; /* NIC_XDP_* */
	uint32_t vlans;	       /* VLAN devices on top of it */
	char below[IFNAMSIZ];  /* of a VLAN device: the NIC that it lies on; else its own name */
	char master[IFNAMSIZ]; /* bond, team or bridge that it is a port of, "" if none */
	char master_kind[16];
	struct nic_lower lowers[NIC_LOWERS_MAX];
	uint32_t lower_count;
	struct nic_peer peer;
	bool has_rp_filter;
	uint32_t rp_filter, rp_filter_all;
};
/* -ENODEV with err naming the interfaces present. Takes 1 ms or less. */
int host_nic(struct host *host, const char *name, struct nic *ret, struct xlb_err *err);

/* A chain of nftables that sees packets for the host itself. */
struct host_input {
	const char *family; /* "inet", "ip", "ip6": a literal */
	char table[32], chain[32];
	bool drops; /* what no rule before its end has accepted */
};

struct host_system {
	char release[65];
	uint32_t version;      /* 6001 is 6.1 */
	uint64_t capabilities; /* effective, of this process */
	bool bpffs;	       /* on /sys/fs/bpf */
	bool tracepoints;      /* those of XDP can be read */
	char firewall[96]; /* tables with rules of nftables and iptables: "nftables: filter, nat"; "" if none */
	struct host_input inputs
		[2]; /* by family as below: one that drops, else any; without a chain's name: none */
	/* by family (0: IPv4, 1: IPv6): entries that may be dropped as garbage, and gc_thresh3 (0: unknown) */
	uint32_t neighbours[2], neighbour_limit[2];
	bool forwards[2]; /* by family: routes packets that are not for it */
};
void host_system(struct host *host, struct host_system *ret);

/* A setting that `fix` of an interface names, as it is now. 0, -EOPNOTSUPP (the NIC has none) or -errno. */
int host_setting(const char *ifname, enum xlb_setting setting, uint32_t *ret);

/* True if the NIC has the setting, and it can be changed. */
bool host_setting_changes(const char *ifname, enum xlb_setting setting);

/* A setting that xlb changed. */
struct host_setting_state {
	enum xlb_setting setting;
	uint32_t was, given, now;
};
/* Fills at most XLB_SETTING_COUNT entries; returns how many. */
uint32_t host_settings(struct host *host, const char *ifname,
		       struct host_setting_state ret[XLB_SETTING_COUNT]);
/*
 * Gives up the settings of the NIC that somebody else has changed since xlb did: they are not listed any more,
 * so that what the configuration wants is put again.
 */
void host_settings_release(struct host *host, const char *ifname);

#endif
