/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is a row to packets: one block of memory, which the daemon writes. */
#ifndef XLB_TABLES_H
#define XLB_TABLES_H

#include "xlb/abi.h"
#include "xlb/flow.h"
#include "xlb/limit.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

/* The program's variable `tables`: what is looked up for packets and written by the daemon alone, but for the last five. */
struct xlb_tables {
	struct xlb_interface interfaces[XLB_MAX_INTERFACES];
	struct xlb_interface_slot interface_slots[XLB_INTERFACE_PLACES];
	struct xlb_vlan_slot vlan_slots[XLB_VLAN_PLACES];
	struct xlb_address_place addresses[XLB_ADDRESS_PLACES];
	struct xlb_vip vips[XLB_MAX_VIPS];
	struct xlb_addr vip_addresses[XLB_MAX_VIPS]; /* written with the role of the address */
	struct xlb_listener listeners[XLB_MAX_LISTENERS];
	struct xlb_split splits[XLB_MAX_LISTENERS];
	struct xlb_group groups[XLB_MAX_GROUPS];
	struct xlb_rules_ref rule_sets[XLB_MAX_RULE_SETS];
	struct xlb_limits limits[XLB_MAX_LIMITS];
	struct xlb_server servers[XLB_MAX_SERVERS];
	struct xlb_nexthop nexthops[XLB_MAX_NEXTHOPS];
	struct xlb_snat snats[XLB_MAX_SNATS];
	__u64 server_others
		[XLB_MAX_SERVERS]; /* connections to it that are no flows: those of tls listeners */
	struct xlb_flow_table flow_tables[XLB_TABLE_ROWS]; /* by enum xlb_flow_table_id */
	__u64 hops[XLB_MAX_HOPS]; /* ways back to clients, learned from their packets; 0: free */
	__u64 path_mtus[XLB_PATH_MTUS];
	/* flows that are open (xlb_flow_is_open), by id; counted by who changes a flow's word `live` */
	__u64 server_flows[XLB_MAX_SERVERS];
	struct xlb_limit_meter meters[XLB_MAX_LIMITS]; /* those of listeners and load balancers */
	__u64 turns[XLB_MAX_GROUPS]; /* of groups that go by turn: slots given so far */
};
XLB_ASSERT_SIZE(xlb_tables, 8337600);

#pragma GCC diagnostic pop

#endif
