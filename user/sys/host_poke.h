/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes the end of a TCP connection speak, from outside of the connection: a bare ACK with numbers far from
 * its own is answered by an ACK with the true ones (RFC 9293 section 3.10.7.4, RFC 5961 section 5), and
 * changes nothing else.
 */
#ifndef XLB_SYS_HOST_POKE_H
#define XLB_SYS_HOST_POKE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "xlb/abi.h"

struct poker;

/* Needs CAP_NET_RAW. */
int poker_open(struct poker **ret, struct xlb_err *err);
struct poker *poker_close(struct poker *poker);
DEFINE_CLEANUP(struct poker, poker_close)
/*
 * Pokes the end `to` as if `from`, the other end as it knows it, had spoken; both of one family. Never
 * blocks. 0 or -errno of what did not leave.
 */
int poker_poke(const struct poker *poker, const struct xlb_addr *from, __be16 from_port,
	       const struct xlb_addr *to, __be16 to_port);

#endif
