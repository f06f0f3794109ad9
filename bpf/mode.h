/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Forwarding modes by their number. A mode is a row of XLB_MODES and a file mode_<word>.h with
 *
 *	<word>_takes(pkt, vip, server)
 *		false: the server had better not get this new flow
 *	<word>_create(server, draft, tcp_flags)
 *		makes a flow: 0 with the draft as the flow is in the table, or -XLB_DROP_x
 *	<word>_ends(pkt, server, mapping, ret)
 *		the ends that a client's packet of the flow gets
 *	<word>_length(pkt, server)
 *		what its IP packet will measure
 *	<word>_edit(ctx, pkt, server, ends)
 *		writes the packet: 0, XLB_PASS with the packet counted if the host is to get it as it is, or -XLB_DROP_x
 *
 * A server's packet of a mode with replies becomes one from the VIP to the client, in every mode alike.
 */
#ifndef XLB_BPF_MODE_H
#define XLB_BPF_MODE_H

#include "modes.h" /* made by the Makefile: every mode_<word>.h */

static __always_inline bool mode_takes(const struct packet *pkt, __u32 vip,
				       const struct xlb_server *server)
{
	switch (server->mode) {
#define X(NAME, word, properties, help) \
	case XLB_MODE_##NAME: \
		return word##_takes(pkt, vip, server);
		XLB_MODES(X)
#undef X
	}
	return true;
}

/* Makes the flow of the draft, which lacks what the mode says. */
GLOBAL_STEP int mode_create(__u8 tcp_flags)
{
	struct flow_draft *draft = flow_draft_find();
	struct xlb_server *server;

	if (!draft)
		return -XLB_DROP_INTERNAL;
	server = server_find(draft->server);
	if (!server)
		return -XLB_DROP_INTERNAL;
	switch (server->mode) {
#define X(NAME, word, properties, help) \
	case XLB_MODE_##NAME: \
		return word##_create(server, draft, tcp_flags);
		XLB_MODES(X)
#undef X
	}
	return -XLB_DROP_INTERNAL;
}

static __always_inline int mode_ends(const struct packet *pkt, const struct xlb_server *server,
				     const struct mapping *mapping, struct ends *ret)
{
	switch (mapping->mode) {
#define X(NAME, word, properties, help) \
	case XLB_MODE_##NAME: \
		return word##_ends(pkt, server, mapping, ret);
		XLB_MODES(X)
#undef X
	}
	return -XLB_DROP_INTERNAL;
}

static __always_inline __u32 mode_length(const struct packet *pkt, const struct xlb_server *server,
					 __u8 mode)
{
	switch (mode) {
#define X(NAME, word, properties, help) \
	case XLB_MODE_##NAME: \
		return word##_length(pkt, server);
		XLB_MODES(X)
#undef X
	}
	return 0;
}

static __always_inline int mode_edit(struct xdp_md *ctx, const struct packet *pkt,
				     const struct xlb_server *server, __u8 mode,
				     const struct ends *ends)
{
	switch (mode) {
#define X(NAME, word, properties, help) \
	case XLB_MODE_##NAME: \
		return word##_edit(ctx, pkt, server, ends);
		XLB_MODES(X)
#undef X
	}
	return -XLB_DROP_INTERNAL;
}

#endif
