// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * For the interface of a server whose kernel has no tunnel devices: takes off the outer header of a tunnel,
 * IPv4 or IPv6 of either family in IPv4 or IPv6 or in UDP port 6080 (GUE variant 1), and lets the inner packet
 * pass, counted. XDP, as no helper of tc makes an IPv4 packet of one that came as IPv6.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define GUE_PORT   6080
#define IPV6_IN_IP 41

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} taken SEC(".maps");

/* How long the IP header behind `eth` is and what is behind it; 0 if it is none. */
static __always_inline __u32 outer(const struct ethhdr *eth, const void *end, __u8 *ret_protocol)
{
	const struct iphdr *ipv4 = (const void *)(eth + 1);
	const struct ipv6hdr *ipv6 = (const void *)(eth + 1);

	if (eth->h_proto == bpf_htons(ETH_P_IP) && (const void *)(ipv4 + 1) <= end &&
	    ipv4->ihl == sizeof(*ipv4) / 4) {
		*ret_protocol = ipv4->protocol;
		return sizeof(*ipv4);
	}
	if (eth->h_proto == bpf_htons(ETH_P_IPV6) && (const void *)(ipv6 + 1) <= end) {
		*ret_protocol = ipv6->nexthdr;
		return sizeof(*ipv6);
	}
	return 0;
}

SEC("xdp")
int decap(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data, link;
	__u8 protocol = 0, *inner;
	struct udphdr *udp;
	__u32 length, first = 0;
	__u64 *count;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	length = outer(eth, end, &protocol);
	if (!length)
		return XDP_PASS;
	if (protocol == IPPROTO_UDP) {
		udp = data + sizeof(*eth) + length;
		if ((void *)(udp + 1) > end || udp->dest != bpf_htons(GUE_PORT))
			return XDP_PASS;
		length += sizeof(*udp);
	} else if (protocol != IPPROTO_IPIP && protocol != IPV6_IN_IP) {
		return XDP_PASS;
	}
	inner = data + sizeof(*eth) + length;
	if ((void *)(inner + 1) > end)
		return XDP_DROP;
	link = *eth;
	link.h_proto = bpf_htons(*inner >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6);
	if (bpf_xdp_adjust_head(ctx, (int)length))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + sizeof(link) > end)
		return XDP_DROP;
	*(struct ethhdr *)data = link;
	count = bpf_map_lookup_elem(&taken, &first);
	if (count)
		__sync_fetch_and_add(count, 1);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
