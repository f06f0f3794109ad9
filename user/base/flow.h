/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A flow as user space sees it: an entry of a flow table (xlb/flow.h) with its ids looked up. */
#ifndef XLB_BASE_FLOW_H
#define XLB_BASE_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "xlb/abi.h"
#include "xlb/flow.h"

struct xlb_flow {
	struct xlb_flow_at at; /* where it was, and its word `live` then: who ends it must say */
	uint64_t live;
	bool ipv6; /* which table */
	bool rest; /* known to its server only: XLB_LIVE_REST */
	uint8_t state, flags, mode;
	uint32_t stamp, created; /* ages by xlb_flow_age; one older than 13 days looks younger */
	uint32_t hop;
	struct xlb_nexthop reply; /* the hop, as it is now */
	struct xlb_addr vip;
	uint32_t server, listener;
	uint32_t snat;	 /* SNAT address id; 0: the server sees the client's address */
	uint32_t bitmap; /* holds snat_port, 0: none does */
	__be16 snat_port,
		server_port; /* as the server knows client and service; snat_port 0: no reply comes */
};

#endif
