// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * In front of a program that is measured, a network card with many flows: BPF_PROG_TEST_RUN repeats on the
 * frame that the last run left, so this puts the whole frame back, makes it one of another flow and calls the
 * program. The same work whatever comes behind; `trivial` shows how much.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "vary.h"

#define CLIENT_BITS \
	24 /* of a flow's number that are the client's address; the rest is added to its port */
#define PORT_FIRST 32768 /* .. + 2^14 */

#define IPV4_LAST(end) (ETH_HLEN + offsetof(struct iphdr, end))
#define IPV6_LAST(end) (ETH_HLEN + offsetof(struct ipv6hdr, end) + 12)
#define IPV4_L4	       (ETH_HLEN + sizeof(struct iphdr))
#define IPV6_L4	       (ETH_HLEN + sizeof(struct ipv6hdr))

char _license[] SEC("license") = "Dual BSD/GPL";

struct vary vary;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

/* flow number -> its ends; sized by the loader */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vary_end);
} ends SEC(".maps");

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline __u32 pick(void)
{
	__u64 at = vary.state;

	if (vary.pick == VARY_RANDOM) {
		vary.state =
			at * 6364136223846793005ULL + 1442695040888963407ULL; /* Knuth's MMIX */
		at = ((vary.state >> 32) * vary.flows) >> 32;
	} else {
		vary.state = at + 1 < vary.flows ? at + 1 : 0;
	}
	return vary.first + (__u32)at * vary.stride;
}

/* What the program made of the last flow's ends, whatever family it gave the packet. */
static __always_inline void learn(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	__u32 flow = vary.last;
	struct vary_end *end = bpf_map_lookup_elem(&ends, &flow);

	if (!end || data + IPV4_L4 + sizeof(struct udphdr) > data_end)
		return;
	if (*(__u16 *)(data + ETH_ALEN * 2) == bpf_htons(ETH_P_IP)) {
		end->peer = *(__u32 *)(data + IPV4_LAST(saddr));
		end->server = *(__u32 *)(data + IPV4_LAST(daddr));
		end->port = *(__u16 *)(data + IPV4_L4);
	} else if (data + IPV6_L4 + sizeof(struct udphdr) <= data_end) {
		end->peer = *(__u32 *)(data + IPV6_LAST(saddr));
		end->server = *(__u32 *)(data + IPV6_LAST(daddr));
		end->port = *(__u16 *)(data + IPV6_L4);
	}
}

/* The frame's start and end where they were. An answer of RST has lost its end, all others changed their head. */
static __always_inline long put_back(struct xdp_md *ctx, __u32 rst_length)
{
	__u32 length = (__u32)bpf_xdp_get_buff_len(ctx);

	if (length == rst_length)
		return bpf_xdp_adjust_tail(ctx, (int)(VARY_LENGTH - length));
	/* also by 0, so that it costs the same behind every program */
	return bpf_xdp_adjust_head(ctx, (int)(length - VARY_LENGTH));
}

static __always_inline int send(struct xdp_md *ctx, bool ipv4, bool reply)
{
	const __u32 l4 = ipv4 ? IPV4_L4 : IPV6_L4;
	__u32 source, destination = 0, flow;
	struct vary_end *end;
	void *data;
	__u16 port;
	__u64 sum;
	int i;

	if (vary.learn && vary.leaving++)
		learn(ctx);
	if (put_back(ctx, l4 + (__u32)sizeof(struct tcphdr)))
		return XDP_ABORTED;
	flow = pick();
	vary.last = flow;
	if (reply) {
		end = bpf_map_lookup_elem(&ends, &flow);
		if (!end)
			return XDP_ABORTED;
		source = end->server;
		destination = end->peer;
		port = end->port;
	} else {
		source = bpf_htonl(vary.client + (flow & ((1 << CLIENT_BITS) - 1)));
		port = bpf_htons((__u16)(PORT_FIRST +
					 ((flow & ((1 << CLIENT_BITS) - 1)) * 40503 >> 8 & 0x3fff) +
					 (flow >> CLIENT_BITS)));
	}
	data = (void *)(long)ctx->data;
	if (data + VARY_LENGTH > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
#pragma unroll
	for (i = 0; i < VARY_WORDS; i++)
		((__u64 *)data)[i] = vary.head[i];
	sum = (__u64)(source & 0xffff) + (source >> 16) + (destination & 0xffff) +
	      (destination >> 16);
	*(__u32 *)(data + (ipv4 ? IPV4_LAST(saddr) : IPV6_LAST(saddr))) = source;
	if (reply)
		*(__u32 *)(data + (ipv4 ? IPV4_LAST(daddr) : IPV6_LAST(daddr))) = destination;
	*(__u16 *)(data + l4 + (reply ? 2 : 0)) = port;
	if (ipv4)
		*(__u16 *)(data + IPV4_LAST(check)) = fold(vary.ip_sum + sum);
	*(__u16 *)(data + l4 +
		   (vary.udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check))) =
		fold(vary.l4_sum + sum + port);
	bpf_tail_call(ctx, &next, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int request_ipv4(struct xdp_md *ctx)
{
	return send(ctx, true, false);
}

SEC("xdp")
int request_ipv6(struct xdp_md *ctx)
{
	return send(ctx, false, false);
}

SEC("xdp")
int reply_ipv4(struct xdp_md *ctx)
{
	return send(ctx, true, true);
}

SEC("xdp")
int reply_ipv6(struct xdp_md *ctx)
{
	return send(ctx, false, true);
}

SEC("xdp")
int trivial(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}
