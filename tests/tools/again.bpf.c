// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * In front of a program that is measured: BPF_PROG_TEST_RUN repeats on the frame that the last run left, so
 * this puts its start and its head back first. The same work whatever comes behind; `trivial` shows how much.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define HEAD_WORDS 10 /* of 8 bytes: Ethernet, IPv6, TCP */

char _license[] SEC("license") = "Dual BSD/GPL";

struct {
	__u64 head[HEAD_WORDS];
	__u32 length;
} packet;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

SEC("xdp")
int again(struct xdp_md *ctx)
{
	__u64 *words;
	int i;

	if (bpf_xdp_adjust_head(ctx, (int)bpf_xdp_get_buff_len(ctx) - (int)packet.length))
		return XDP_ABORTED;
	words = (void *)(long)ctx->data;
	if ((void *)(words + HEAD_WORDS) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
#pragma unroll
	for (i = 0; i < HEAD_WORDS; i++)
		words[i] = packet.head[i];
	bpf_tail_call(ctx, &next, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int trivial(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}
