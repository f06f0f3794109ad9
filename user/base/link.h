/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What lies on a NIC, and below a bond. */
#ifndef XLB_BASE_LINK_H
#define XLB_BASE_LINK_H

#include <net/if.h>
#include <stdint.h>

#include "xlb/abi.h"

struct vlan_device {
	char name[IFNAMSIZ];
	uint32_t mtu;
	uint8_t mac[6];
	struct xlb_vlan_tags tags; /* that its frames have on the NIC */
};

/* A NIC below a bond. */
struct bond_port {
	char name[IFNAMSIZ];
	uint32_t ifindex;
};

#endif
