/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A whole packet, or the first fragment of one, to an address of xlb's, or of a server of a nat group. */
#ifndef XLB_BPF_SERVE_H
#define XLB_BPF_SERVE_H

#include "reply.h"
#include "request.h"

/* `found`: its flow is in the work, and whether it is a reply is known. */
static __always_inline int serve(struct xdp_md *ctx, struct work *work,
				 const struct xlb_address *role, bool found)
{
	int r = XLB_PASS;

	if (found ? work->pkt.reply : role->snat || work->returned)
		r = reply(ctx, work, role->snat, found);
	if (r == XLB_PASS && role->vip)
		r = request(ctx, work, role->vip, found);
	return r;
}

#endif
