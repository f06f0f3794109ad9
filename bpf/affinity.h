/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Source addresses that stay with the server of their last flow, whatever the scheduler would say. */
#ifndef XLB_BPF_AFFINITY_H
#define XLB_BPF_AFFINITY_H

#include "flow.h"
#include "select.h"

static __always_inline struct xlb_affinity *affinity_find(const struct packet *pkt, __u32 group)
{
	struct xlb_affinity_key key = { .group = group, .client = pkt->source };

	return bpf_map_lookup_elem(&affinities, &key);
}

/* Whether it has not run out, and the server is what it was and takes new flows. */
static __always_inline bool affinity_holds(const struct xlb_affinity *affinity, __u32 group,
					   __u32 now)
{
	const struct xlb_server *server = server_find(affinity->server);

	return xlb_flow_age(now, affinity->stamp) <=
		       xlb_lifetime_units(group_choice(group).affinity) &&
	       server->weight && affinity->seal == xlb_server_seal(server);
}

/* The server of the group that the packet's source is with, 0: none. */
GLOBAL_STEP int affinity_ask(const struct packet *pkt, __u32 group)
{
	struct xlb_affinity *affinity;

	if (!pkt)
		return 0;
	affinity = affinity_find(pkt, group);
	return affinity && affinity_holds(affinity, group, flow_now()) ? (int)affinity->server : 0;
}

/*
 * The packet's source begins a flow with the packet's server. One that is with another, which could not take just this
 * flow, stays with that.
 */
GLOBAL_STEP int affinity_keep(const struct packet *pkt, __u32 group)
{
	struct xlb_affinity fresh, *affinity;
	struct xlb_affinity_key key;
	__u32 now = flow_now();

	if (!pkt || dry_run)
		return 0;
	affinity = affinity_find(pkt, group);
	if (affinity && affinity_holds(affinity, group, now)) {
		if (affinity->server == pkt->server)
			*(volatile __u32 *)&affinity->stamp = now;
		return 0;
	}
	key.group = group;
	key.client = pkt->source;
	fresh.server = pkt->server;
	fresh.seal = xlb_server_seal(server_find(pkt->server));
	fresh.stamp = now;
	bpf_map_update_elem(&affinities, &key, &fresh, BPF_ANY);
	return 0;
}

#endif
