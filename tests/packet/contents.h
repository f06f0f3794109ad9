/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What of the world takes time to put: the Maglev tables of groups, and the ports of VIPs. What tests have not changed
 * is not put again.
 */
#ifndef XLB_TESTS_PACKET_CONTENTS_H
#define XLB_TESTS_PACKET_CONTENTS_H

#include "world.h"

/* A new world has none of it. */
void contents_none(void);
/* What the group, or the VIP, has at the start. */
void contents_group(enum service group);
void contents_ports(enum vip vip, uint8_t family);

#endif
