/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A whole packet, or the first fragment of one, to an address of xlb's, or of a server of a nat group. */
#ifndef XLB_BPF_SERVE_H
#define XLB_BPF_SERVE_H

#include "reply.h"
#include "request.h"

/* `look`: if it has found the flow, whether the packet is a reply is known. */
static __always_inline int serve(struct xdp_md *ctx, struct work *work,
				 const struct xlb_address *role, enum look look)
{
	int r = XLB_PASS;

	if (look == LOOK_FOUND ? work->pkt.reply : role->snat || work->returned)
		r = reply(ctx, work, role->snat, look == LOOK_FOUND);
	if (r == XLB_PASS && role->vip)
		r = request(ctx, work, role->vip, look);
	return r;
}

#endif
