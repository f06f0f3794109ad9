/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How large packets may be on the way to a server that gets outer headers: routers tell xlb, who made those, and
 * not the clients (RFC 2003 section 5.1, RFC 2473 section 7.1). It tells them in turn (icmp_answer.h).
 */
#ifndef XLB_BPF_PATH_MTU_H
#define XLB_BPF_PATH_MTU_H

#include "edit.h"
#include "outer.h"
#include "variant.h"
#include "xlb/addr.h"
#include "xlb/hash.h"
#include "xlb/lifetime.h"

/* What is below is not believed: whoever forges such an error cannot make packets arbitrarily small. */
#define PATH_MTU_FLOOR4 552
#define PATH_MTU_FLOOR6 1280 /* RFC 8200 section 5 */
#define PATH_MTU_ANY	0xffff

static __always_inline __u32 path_floor(const struct xlb_addr *server)
{
	return xlb_addr_is_ipv4(server) ? PATH_MTU_FLOOR4 : PATH_MTU_FLOOR6;
}

static __always_inline __u64 path_tag(__u32 hash)
{
	return hash >> 12;
}

/* Largest IP packet on the way to the server that nobody has complained of. */
static __always_inline __u32 path_mtu(const struct xlb_addr *server, __u32 now)
{
	__u32 hash = xlb_hash_addr(server);
	__u64 seen = *(volatile __u64 *)table_row(path_mtus, hash);

	if (!xlb_get(seen, XLB_PATH_SET) || xlb_get(seen, XLB_PATH_TAG) != path_tag(hash) ||
	    xlb_flow_age(now, (__u32)xlb_get(seen, XLB_PATH_STAMP)) >
		    xlb_lifetime_units(XLB_PATH_LIFETIME))
		return PATH_MTU_ANY;
	return (__u32)xlb_get(seen, XLB_PATH_MTU);
}

/* A router says that packets to the server may have so many bytes. 0: it is not known, or too many to matter. */
static __always_inline void path_mtu_learn(const struct xlb_addr *server, __u32 mtu, __u32 now)
{
	__u32 hash = xlb_hash_addr(server), floor = path_floor(server);
	__u64 word = xlb_set(0ULL, 1ULL, XLB_PATH_SET);

	if (mtu < floor)
		mtu = floor;
	if (dry_run || mtu >= path_mtu(server, now))
		return;
	word = xlb_set(word, mtu, XLB_PATH_MTU);
	word = xlb_set(word, now, XLB_PATH_STAMP);
	word = xlb_set(word, path_tag(hash), XLB_PATH_TAG);
	*(volatile __u64 *)table_row(path_mtus, hash) = word;
}

/* True if routers may cut the packet to size: IPv4 without DF, whose outer header has none either. */
static __always_inline bool path_may_fragment(const struct xdp_md *ctx, const struct packet *pkt)
{
	struct cursor cursor = cursor_at(ctx, sizeof(struct ethhdr));
	struct iphdr *ip = take(&cursor, sizeof(*ip));

	return ip && pkt->family == XLB_IPV4 && !(ip->frag_off & bpf_htons(IPV4_DONT_FRAGMENT));
}

/*
 * 0 if a packet that will measure `length` can go to the server, or -XLB_DROP_x. IPv6 packets that no sender makes
 * smaller go in any case: if what the router said is false, they arrive.
 */
static __always_inline int path_check(const struct xdp_md *ctx, struct packet *pkt,
				      const struct xlb_addr *server, __u32 length, __u32 now)
{
	__u32 mtu;

	/* fits through everywhere: most packets of many services need no more than this */
	if (length <= PATH_MTU_FLOOR4)
		return 0;
	mtu = path_mtu(server, now);
	if (length <= mtu || path_may_fragment(ctx, pkt) ||
	    (pkt->family == XLB_IPV6 && pkt->l3_length <= PATH_MTU_FLOOR6))
		return 0;
	pkt->mtu = (__u16)(mtu - (length - pkt->l3_length));
	return -XLB_DROP_MTU_EXCEEDED;
}

#endif
