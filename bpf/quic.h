/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Servers by the connection ids of QUIC, so that a connection stays where it is while its client's address changes
 * (RFC 9000 section 9). Headers by their invariants (RFC 8999), types of long ones by RFC 9000 section 17.2 and RFC
 * 9369 section 3.2, server ids as draft-ietf-quic-load-balancers has them unencrypted. Of a datagram its first packet
 * counts: others that are coalesced into it are of the same connection (RFC 9000 section 12.2).
 */
#ifndef XLB_BPF_QUIC_H
#define XLB_BPF_QUIC_H

#include <linux/in.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>

#include "edit.h"
#include "flow.h"
#include "listener.h"
#include "record.h"
#include "select.h"
#include "split.h"

#define QUIC_LONG 0x80

/* offsets in a long header */
#define QUIC_VERSION 1
#define QUIC_LENGTH  5 /* of the id of who gets it */
#define QUIC_ID	     6 /* the id, then length and id of who sent it */

#define QUIC_V1 0x00000001
#define QUIC_V2 0x6b3343cf

/* types of long headers in version 1; version 2 has them moved by one */
#define QUIC_INITIAL	 0
#define QUIC_ZERO_RTT	 1
#define QUIC_HANDSHAKE	 2
#define QUIC_RETRY	 3
#define QUIC_OTHER	 4 /* of a version that is not known */
#define QUIC_NEGOTIATION 5

static __always_inline struct quic_scratch *quic_scratch_find(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&quic_scratch, &key);
}

/* Begins to look at a datagram. */
static __always_inline bool quic_begin(const struct xdp_md *ctx, const struct packet *pkt,
				       struct quic_scratch *scratch)
{
	struct cursor cursor = cursor_at(ctx, pkt->l4_offset & L4_OFFSET_MAX);
	struct udphdr *udp = take(&cursor, sizeof(*udp));

	if (!udp)
		return false;
	scratch->length = bpf_ntohs(udp->len);
	/* a first fragment has a part of it only */
	if (scratch->length > pkt->l4_length)
		scratch->length = pkt->l4_length;
	return true;
}

/* Copies `length` bytes (1 to 20) of the datagram to memory in the scratch, if there are so many. */
static __always_inline bool quic_load(struct xdp_md *ctx, const struct packet *pkt,
				      const struct quic_scratch *scratch, __u32 offset, void *to,
				      __u32 length)
{
	if (sizeof(struct udphdr) + offset + length > scratch->length)
		return false;
	/* else the compiler takes the mask out, by what the verifier of 6.1 does not know */
	barrier_var(length);
	return !bpf_xdp_load_bytes(ctx, pkt->l4_offset + sizeof(struct udphdr) + offset, to,
				   size_within(length, 32));
}
_Static_assert(sizeof(struct quic_scratch) - offsetof(struct quic_scratch, id) >= 32,
	       "so many bytes the verifier believes to be written");

/* Makes `length` bytes of the datagram the id of the scratch. */
static __always_inline bool quic_load_id(struct xdp_md *ctx, const struct packet *pkt, __u32 offset,
					 __u32 length, struct quic_scratch *scratch)
{
	__builtin_memset(&scratch->id, 0, sizeof(scratch->id));
	return length && length <= XLB_QUIC_ID_MAX &&
	       quic_load(ctx, pkt, scratch, offset, &scratch->id, length);
}

static __always_inline __u32 quic_type(const __u8 *header)
{
	__u32 version = (__u32)header[QUIC_VERSION] << 24 | (__u32)header[QUIC_VERSION + 1] << 16 |
			(__u32)header[QUIC_VERSION + 2] << 8 | header[QUIC_VERSION + 3];
	__u32 type = header[0] >> 4 & 3;

	if (version == QUIC_V1)
		return type;
	if (version == QUIC_V2)
		return (type - 1) & 3;
	return version ? QUIC_OTHER : QUIC_NEGOTIATION;
}

/* What is known of the id in a client's datagram. */
#define QUIC_NONE      0 /* there is none */
#define QUIC_OF_CLIENT 1 /* the client may have chosen it */
#define QUIC_OF_SERVER 2 /* the server has */

/* Reads the id in a client's datagram, as much of it as counts. */
static __always_inline int quic_read(struct xdp_md *ctx, const struct packet *pkt, __u32 id_length,
				     struct quic_scratch *scratch)
{
	__u32 length;

	if (!quic_load(ctx, pkt, scratch, 0, scratch->header, 1))
		return QUIC_NONE;
	if (!(scratch->header[0] & QUIC_LONG))
		return quic_load_id(ctx, pkt, 1, id_length, scratch) ? QUIC_OF_SERVER : QUIC_NONE;
	if (!quic_load(ctx, pkt, scratch, 0, scratch->header, QUIC_ID))
		return QUIC_NONE;
	length = scratch->header[QUIC_LENGTH];
	if (length > id_length)
		length = id_length;
	if (!quic_load_id(ctx, pkt, QUIC_ID, length, scratch))
		return QUIC_NONE;
	return length == id_length && quic_type(scratch->header) == QUIC_HANDSHAKE ?
		       QUIC_OF_SERVER :
		       QUIC_OF_CLIENT;
}

/* Whether a server goes on with connections that it has. */
static __always_inline bool quic_serves(const struct xlb_server *server)
{
	return server->mode && !(server->flags & (XLB_SERVER_DOWN | XLB_SERVER_RESET));
}

/* The server that the id in the scratch names in a group, 0: none. */
GLOBAL_STEP __u32 quic_named(const struct packet *pkt, __u32 group)
{
	struct quic_scratch *scratch = quic_scratch_find();
	struct xlb_choice choice = group_choice(group);
	struct xlb_quic_server *named;
	__u32 config, i, id;

	if (!pkt || !scratch)
		return 0;
	config = scratch->id.bytes[0] >> 5;
	if (!choice.server_id_length || config == XLB_QUIC_CONFIGS ||
	    (choice.config != XLB_QUIC_CONFIGS && choice.config != config))
		return 0;
	scratch->server.group = group;
#pragma unroll
	for (i = 0; i < sizeof(scratch->server.id); i++)
		scratch->server.id[i] = i < choice.server_id_length ? scratch->id.bytes[1 + i] :
								      (__u8)0;
	named = bpf_map_lookup_elem(&quic_servers, &scratch->server);
	if (!named)
		return 0;
	id = pkt->family == XLB_IPV4 ? named->ipv4 : named->ipv6;
	return id && quic_serves(server_find(id)) ? id : 0;
}

/* The same in a group and its fallbacks: a connection stays where it began, whoever takes new ones now. */
GLOBAL_STEP __u32 quic_named_behind(const struct packet *pkt, __u32 group)
{
	__u32 server = 0, i = 0;

	if (!pkt)
		return 0;
	do {
		server = quic_named(pkt, group);
		group = group_instead(group).fallback;
	} while (!server && group && ++i < XLB_FALLBACKS);
	return server;
}

/* The same in any group of the packet's listener: only by its server is a connection's group known. */
static __always_inline __u32 quic_named_anywhere(const struct packet *pkt,
						 const struct xlb_listener *listener)
{
	__u32 server, group, i = 0;

	if (!(listener->flags & XLB_LISTENER_SPLIT))
		return quic_named_behind(pkt, listener->group);
	do {
		group = split_group(pkt->listener, i).group;
		server = group ? quic_named_behind(pkt, group) : 0;
	} while (group && !server && ++i < XLB_SPLIT_GROUPS);
	return server;
}

/* The server that has chosen the id, as far as that was seen, if it still is what it was; 0: none. */
static __always_inline __u32 quic_owner(struct quic_scratch *scratch)
{
	struct xlb_quic_owner *owner = bpf_map_lookup_elem(&quic_ids, &scratch->id);
	const struct xlb_server *server;

	if (!owner)
		return 0;
	server = server_find(owner->server);
	return owner->seal == xlb_server_seal(server) && quic_serves(server) ? owner->server : 0;
}

/* What the id in a datagram of no flow says: a hash or, with a flag of `found`, a server. */
#define QUIC_SAYS_VALUE 0, 32
#define QUIC_SAYS_FOUND 32, 8 /* XLB_FOUND_*; 0: nothing, addresses and ports must do */

static __always_inline __u64 quic_says(__u64 found, __u32 value)
{
	return xlb_set(xlb_set(0ULL, value, QUIC_SAYS_VALUE), found, QUIC_SAYS_FOUND);
}

/* Asks the id in a client's datagram for a server of its listener's groups. */
GLOBAL_STEP __u64 quic_ask(struct xdp_md *ctx, const struct packet *pkt, __u32 vip)
{
	struct quic_scratch *scratch = quic_scratch_find();
	const struct xlb_listener *listener;
	__u32 server = 0;
	int found;

	if (!pkt || !scratch || !quic_begin(ctx, pkt, scratch))
		return 0;
	listener = listener_find(pkt->listener);
	found = quic_read(ctx, pkt, group_choice(listener->group).id_length, scratch);
	if (found == QUIC_NONE)
		return 0;
	/* a client's first id may seem to name a server: by chance, or to choose one */
	if (found == QUIC_OF_SERVER)
		server = quic_named_anywhere(pkt, listener);
	if (server)
		return quic_says(XLB_FOUND_NAMED, server);
	scratch->id.vip = vip;
	scratch->id.port = pkt->destination_port;
	server = quic_owner(scratch);
	return server ? quic_says(XLB_FOUND_OWNER, server) :
			quic_says(XLB_FOUND_ID, xlb_hash_quic(&scratch->id));
}

/* True of a datagram that a connection begins with: others have nothing to learn from. */
static __always_inline bool quic_is_long(const struct xdp_md *ctx, const struct packet *pkt)
{
	struct cursor cursor =
		cursor_at(ctx, (pkt->l4_offset & L4_OFFSET_MAX) + sizeof(struct udphdr));
	__u8 *first = take(&cursor, 1);

	return pkt->protocol == IPPROTO_UDP && first && *first & QUIC_LONG;
}

/* Reads the id that the server has chosen from a datagram of either side; false if there is none worth learning. */
static __always_inline bool quic_read_chosen(struct xdp_md *ctx, const struct packet *pkt,
					     __u32 id_length, struct quic_scratch *scratch)
{
	__u32 offset = QUIC_ID, length, type;

	if (!quic_load(ctx, pkt, scratch, 0, scratch->header, QUIC_ID))
		return false;
	type = quic_type(scratch->header);
	/* a server in distress sends Retry to everybody, and forgets them */
	if (type == QUIC_RETRY || type == QUIC_NEGOTIATION)
		return false;
	length = scratch->header[QUIC_LENGTH];
	if (pkt->reply) {
		offset += length + 1;
		if (!quic_load(ctx, pkt, scratch, QUIC_ID + length, scratch->header, 1))
			return false;
		length = scratch->header[0];
	}
	return length >= id_length && quic_load_id(ctx, pkt, offset, id_length, scratch);
}

/*
 * Learns from a long header of a flow whose server goes by ids. Where xlb hears the servers their word counts, elsewhere
 * that of clients, who must not take ids from others.
 */
GLOBAL_STEP int quic_learn(struct xdp_md *ctx, const struct packet *pkt, const struct flow_at *flow)
{
	struct quic_scratch *scratch = quic_scratch_find();
	struct xlb_flow_page *page;
	struct xlb_server *server;
	struct xlb_listener *listener;
	struct xlb_addr client;
	__be16 client_port;
	struct xlb_choice choice;

	if (!pkt || !flow || !scratch || dry_run)
		return 0;
	server = server_find((__u32)xlb_get(flow->fixed, XLB_FIXED_SERVER));
	listener = listener_find((__u32)xlb_get(flow->fixed, XLB_FIXED_LISTENER));
	choice = group_choice(listener->group);
	page = table_page_at(&flow->at);
	if (!page || (!pkt->reply &&
		      !xlb_mode_has(xlb_flow_mode(flow->fixed, server->mode), XLB_MODE_DIRECT)))
		return 0;
	if (!quic_begin(ctx, pkt, scratch) ||
	    !quic_read_chosen(ctx, pkt, choice.id_length, scratch))
		return 0;
	scratch->id.vip = (__u32)xlb_get(flow->fixed, XLB_FIXED_VIP);
	flow_client(page, flow, &client, &client_port, &scratch->id.port);
	if (pkt->reply ? quic_owner(scratch) == xlb_get(flow->fixed, XLB_FIXED_SERVER) :
			 quic_owner(scratch) != 0)
		return 0;
	scratch->owner.server = (__u32)xlb_get(flow->fixed, XLB_FIXED_SERVER);
	scratch->owner.seal = xlb_server_seal(server);
	bpf_map_update_elem(&quic_ids, &scratch->id, &scratch->owner, BPF_ANY);
	return 0;
}

#endif
