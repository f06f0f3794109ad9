/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Health checks that go the way of clients: xlbd's socket speaks to the server's address, but on the wire it is
 * the VIP, inside of the group's outer header if there is one. Out by a tc program on the NIC, since XDP sees
 * nothing of what the host sends; back in by XDP, before the host takes a packet from its own VIP for forged.
 */
#ifndef XLB_BPF_PROBE_H
#define XLB_BPF_PROBE_H

#include <linux/pkt_cls.h>

#include "edit.h"
#include "outer.h"
#include "parse.h"

/* A health check's answer as the host's socket expects it: from the server's address. 0 or -XLB_DROP_x. */
GLOBAL_STEP int probe_answer(struct xdp_md *ctx, const struct packet *pkt)
{
	struct xlb_probe_key key = {};
	struct xlb_probe *probe;
	struct ends ends;

	if (!pkt)
		return -XLB_DROP_INTERNAL;
	key.port = pkt->destination_port;
	key.protocol = pkt->protocol;
	key.family = pkt->family;
	probe = bpf_map_lookup_elem(&probes, &key);
	if (!probe || !xlb_addr_equal(&probe->vip, &pkt->source))
		return 0;
	ends.source = probe->server;
	ends.destination = pkt->destination;
	ends.source_port = pkt->source_port;
	ends.destination_port = pkt->destination_port;
	return edit_ends(ctx, pkt, &ends);
}

/* Fills pkt as parse_packet does, but from what the host sends: no options, no extension headers. */
static __always_inline bool probe_parse(struct __sk_buff *skb, struct packet *pkt)
{
	return !parse_packet((void *)(long)skb->data, (void *)(long)skb->data_end, skb->len, pkt) &&
	       !pkt->fault && pkt->l4_offset == sizeof(struct ethhdr) + ip_header_size(pkt->family);
}

/* The packet's destination becomes the VIP. */
static __always_inline int probe_redirect(struct __sk_buff *skb, const struct packet *pkt,
					  const struct xlb_probe *probe)
{
	bool ipv4 = pkt->family == XLB_IPV4, udp = pkt->protocol == IPPROTO_UDP;
	__u32 check = (udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check)) +
		      sizeof(struct ethhdr) + ip_header_size(pkt->family);
	struct xlb_addr old = pkt->destination, new = probe->vip;
	/* the parts of mapped addresses that are alike add up to nothing */
	__s64 change = bpf_csum_diff(old.words, sizeof(old), new.words, sizeof(new), 0);

	if (bpf_l4_csum_replace(skb, check, 0, (__u64)change,
				BPF_F_PSEUDO_HDR | (udp ? BPF_F_MARK_MANGLED_0 : 0)))
		return -1;
	if (!ipv4)
		return (int)bpf_skb_store_bytes(
			skb, sizeof(struct ethhdr) + offsetof(struct ipv6hdr, daddr), new.bytes,
			sizeof(new), 0);
	if (bpf_l3_csum_replace(skb, sizeof(struct ethhdr) + offsetof(struct iphdr, check),
				old.words[3], new.words[3], sizeof(__u32)))
		return -1;
	return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr) + offsetof(struct iphdr, daddr),
					&new.words[3], sizeof(__u32), 0);
}

/* Puts the packet into an outer header from the address that the host has chosen to the server. */
static __always_inline int probe_wrap(struct __sk_buff *skb, const struct packet *pkt,
				      const struct xlb_probe *probe)
{
	bool ipv4 = pkt->family == XLB_IPV4, gue = probe->encapsulation == XLB_ENCAPSULATION_GUE;
	__u64 flags = (ipv4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6) |
		      (gue ? BPF_F_ADJ_ROOM_ENCAP_L4_UDP : 0);
	struct outer outer = {
		.source = pkt->source,
		.destination = probe->server,
		.entropy = (__u32)pkt->source_port * 0x9e3779b1, /* 2^32 / golden ratio */
		.inner_length = pkt->l3_length,
		.inner_family = pkt->family,
		.family = pkt->family,
		.gue = gue,
	};
	__u32 header = ip_header_size(pkt->family);
	struct udphdr udp;
	struct ipv6hdr ip6;
	struct iphdr ip;

	if (bpf_skb_adjust_room(skb, (int)(header + (gue ? sizeof(udp) : 0)), BPF_ADJ_ROOM_MAC,
				flags))
		return -1;
	outer_fill_ipv4(&ip, &outer);
	outer_fill_ipv6(&ip6, &outer);
	outer_fill_udp(&udp, &outer);
	if (gue && bpf_skb_store_bytes(skb, sizeof(struct ethhdr) + header, &udp, sizeof(udp), 0))
		return -1;
	if (ipv4)
		return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr), &ip, sizeof(ip), 0);
	return (int)bpf_skb_store_bytes(skb, sizeof(struct ethhdr), &ip6, sizeof(ip6), 0);
}

/* What the host sends: a health check goes on as its group's packets do, the rest as it is. */
static __always_inline int probe_send(struct __sk_buff *skb)
{
	struct packet pkt = {};
	struct xlb_probe_key key = {};
	struct xlb_probe *probe;

	if (!probe_parse(skb, &pkt))
		return TC_ACT_UNSPEC;
	key.port = pkt.source_port;
	key.protocol = pkt.protocol;
	key.family = pkt.family;
	probe = bpf_map_lookup_elem(&probes, &key);
	if (!probe || !xlb_addr_equal(&probe->server, &pkt.destination))
		return TC_ACT_UNSPEC;
	/* half of it would tell lies of the server's health; without it the check times out */
	if (probe_redirect(skb, &pkt, probe) ||
	    (probe->encapsulation && probe_wrap(skb, &pkt, probe)))
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC;
}

#endif
