/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Local: the server is a program of the host itself, on the VIP. The packet is judged as any other, and then the host's
 * stack gets it as it came: there is no way out, so neither MTU nor TTL matter.
 */
#ifndef XLB_BPF_MODE_LOCAL_H
#define XLB_BPF_MODE_LOCAL_H

#include "direct.h"

static __always_inline bool local_takes(const struct packet *pkt, __u32 vip,
					const struct xlb_server *server)
{
	(void)pkt, (void)vip, (void)server;
	return true;
}

static __always_inline int local_create(const struct xlb_server *server, struct flow_draft *draft,
					__u8 tcp_flags)
{
	(void)server;
	return direct_create(draft, tcp_flags);
}

static __always_inline int local_ends(const struct packet *pkt, const struct xlb_server *server,
				      const struct mapping *mapping, struct ends *ret)
{
	(void)pkt, (void)server, (void)mapping, (void)ret;
	return 0;
}

static __always_inline __u32 local_length(const struct packet *pkt, const struct xlb_server *server)
{
	(void)server;
	return pkt->l3_length;
}

/* Counted here: whoever passes a packet to the host cannot tell this one from those that are none of xlb's. */
static __always_inline int local_edit(struct xdp_md *ctx, const struct packet *pkt,
				      const struct xlb_server *server, const struct ends *ends)
{
	(void)ctx, (void)server, (void)ends;
	count_forwarded(pkt);
	return XLB_PASS;
}

#endif
