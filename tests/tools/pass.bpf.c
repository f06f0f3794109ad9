// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Passes every frame. veth delivers what the other end sends by XDP_TX only if it has an XDP program itself. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

/* The same where its MTU needs more than a page. */
SEC("xdp.frags")
int pass_frags(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
