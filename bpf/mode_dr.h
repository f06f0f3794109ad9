/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Direct return: the packet goes on as it came, to the MAC of the server, which has the VIP on its loopback. */
#ifndef XLB_BPF_MODE_DR_H
#define XLB_BPF_MODE_DR_H

#include "direct.h"

static __always_inline bool dr_takes(const struct packet *pkt, __u32 vip,
				     const struct xlb_server *server)
{
	(void)pkt, (void)vip, (void)server;
	return true;
}

static __always_inline int dr_create(const struct xlb_server *server, struct flow_draft *draft,
				     __u8 tcp_flags)
{
	(void)server;
	return direct_create(draft, tcp_flags);
}

static __always_inline int dr_ends(const struct packet *pkt, const struct xlb_server *server,
				   const struct mapping *mapping, struct ends *ret)
{
	(void)server, (void)mapping;
	direct_ends(pkt, ret);
	return 0;
}

static __always_inline __u32 dr_length(const struct packet *pkt, const struct xlb_server *server)
{
	(void)server;
	return pkt->l3_length;
}

static __always_inline int dr_edit(struct xdp_md *ctx, const struct packet *pkt,
				   const struct xlb_server *server, const struct ends *ends)
{
	(void)server, (void)ends;
	return edit_hop(ctx, pkt);
}

#endif
