// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which socket a new connection to the host belongs to, for ports that share one. It runs where the kernel looks for a
 * socket that listens, after XDP has let the packet in; without a row for a place the kernel goes on as ever.
 */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "xlb/addr.h"
#include "xlb/sockets.h"

#define AF_INET 2 /* socket.h, which needs libc */

char _license[] SEC("license") = "Dual BSD/GPL";

/* The port whose socket takes connections to these places. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, XLB_PLACE_PREFIXES);
	__type(key, struct xlb_places);
	__type(value, __be16);
} places SEC(".maps");

/* Sockets by where they listen; the kernel takes one out when it is closed. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, XLB_PLACE_SOCKETS);
	__type(key, struct xlb_place);
	__type(value, __u64);
} sockets SEC(".maps");

SEC("sk_lookup")
int xlb_sockets(struct bpf_sk_lookup *ctx)
{
	struct xlb_places key = { .bits = XLB_PLACE_BITS + 16 };
	struct bpf_sock *socket;
	__be32 ipv4;
	const __be16 *port;

	if (ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	key.place.ifindex = ctx->ingress_ifindex;
	key.place.port = bpf_htons((__u16)ctx->local_port);
	if (ctx->family == AF_INET) {
		ipv4 = ctx->local_ip4;
		/* or clang makes one load of two, at an offset that the verifier does not know */
		barrier_var(ipv4);
		xlb_addr_set_ipv4(&key.place.addr, ipv4);
	} else {
		key.place.addr.words[0] = ctx->local_ip6[0];
		key.place.addr.words[1] = ctx->local_ip6[1];
		key.place.addr.words[2] = ctx->local_ip6[2];
		key.place.addr.words[3] = ctx->local_ip6[3];
	}
	port = bpf_map_lookup_elem(&places, &key);
	/* a port with a socket of its own needs no help */
	if (!port || *port == key.place.port)
		return SK_PASS;
	key.place.port = *port;
	socket = bpf_map_lookup_elem(&sockets, &key.place);
	/* refused: nobody else's socket is meant */
	if (!socket)
		return SK_DROP;
	bpf_sk_assign(ctx, socket, 0);
	bpf_sk_release(socket);
	return SK_PASS;
}
