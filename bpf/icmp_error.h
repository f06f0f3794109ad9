/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors that go on to the other end of a flow. What NAT did to the packet that is quoted is undone in the quote
 * (RFC 5508 section 4.2), which may change its address family with the message (RFC 7915 sections 4.2, 4.3, 5.2, 5.3).
 * Checksums stay as right or wrong as they were.
 */
#ifndef XLB_BPF_ICMP_ERROR_H
#define XLB_BPF_ICMP_ERROR_H

#include "icmp.h"
#include "translate.h"
#include "work.h"

#define ICMP_MTU_MIN4	   68	/* RFC 791 */
#define ICMP_MTU_MIN6	   1280 /* RFC 8200 section 5 */
#define ICMP_HEADERS_APART (sizeof(struct ipv6hdr) - sizeof(struct iphdr))

/* What the IP packet of the error will measure in the family that it is to have. */
static __always_inline __u32 icmp_length(const struct packet *pkt, const struct icmp_error *error)
{
	if (pkt->family == error->family)
		return pkt->l3_length;
	return 2 * ip_header_size(error->family) + sizeof(struct icmp_message) + error->length;
}

/*
 * Where the error then comes from: the end itself if it sent it, else the router, but for modes that hide from one side
 * what the addresses of the other are.
 */
static __always_inline void icmp_ends(const struct packet *pkt, const struct packet *about,
				      const struct ends *about_ends, struct ends *ret)
{
	bool kept = xlb_addr_equal(&about->source, &about_ends->source) &&
		    !xlb_addr_equal(&about->source, &pkt->source);

	ret->source = kept ? pkt->source : about_ends->source;
	ret->destination = about_ends->destination;
	ret->source_port = ret->destination_port = 0;
}

/* The ends of the quoted packet, which went the other way. */
static __always_inline struct ends ends_turned(const struct ends *ends)
{
	struct ends turned = {
		.source = ends->destination,
		.destination = ends->source,
		.source_port = ends->destination_port,
		.destination_port = ends->source_port,
	};

	return turned;
}

/* The quoted checksum, if it is quoted: what the change of what it covers makes of it goes into `ret_change`. */
static __always_inline void quote_edit_check(const struct xdp_md *ctx, const struct work *work,
					     __u64 change, __u64 *ret_change)
{
	bool tcp = work->about.protocol == IPPROTO_TCP;
	struct cursor cursor = cursor_at(ctx, work->about.l4_offset & L4_OFFSET_MAX);
	__u32 offset = tcp ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check);
	__u16 *check, old;

	if (work->error.length < offset + sizeof(*check) || !take(&cursor, offset))
		return;
	check = take(&cursor, sizeof(*check));
	if (!check || (!tcp && !*check))
		return;
	old = *check;
	*check = csum_update(old, change);
	if (!tcp && !*check)
		*check = 0xffff;
	*ret_change = csum_replace(*ret_change, old, *check);
}

/* New ports and checksum in the quoted transport header; what that changes in the message goes into ret_change. */
static __always_inline int quote_edit_l4(const struct xdp_md *ctx, const struct work *work,
					 __u64 *ret_change)
{
	struct cursor cursor = cursor_at(ctx, work->about.l4_offset & L4_OFFSET_MAX);
	const struct ends *ends = &work->about_ends;
	const struct packet *about = &work->about;
	__be16 *ports = take(&cursor, ICMP_QUOTED_L4);
	__u64 change;

	if (!ports)
		return -XLB_DROP_INTERNAL;
	ports[0] = ends->destination_port;
	ports[1] = ends->source_port;
	change = csum_replace(0, about->source_port, ends->source_port);
	change = csum_replace(change, about->destination_port, ends->destination_port);
	*ret_change = change;
	quote_edit_check(ctx, work, change + edit_change(about, ends), ret_change);
	return 0;
}

/* New addresses in the quoted IP header, of its own family. The checksum of IPv4's makes up for them. */
static __always_inline int quote_edit_l3(const struct xdp_md *ctx, const struct work *work,
					 __u64 *change)
{
	struct cursor cursor = cursor_at(ctx, work->error.quote & L4_OFFSET_MAX);
	const struct ends *ends = &work->about_ends;
	__u64 moved = edit_change(&work->about, ends);
	struct ipv6hdr *ipv6;
	struct iphdr *ipv4;
	__u16 old;

	*change += moved;
	if (work->about.family == XLB_IPV6) {
		ipv6 = take(&cursor, sizeof(*ipv6));
		if (!ipv6)
			return -XLB_DROP_INTERNAL;
		__builtin_memcpy(&ipv6->saddr, &ends->destination, sizeof(ipv6->saddr));
		__builtin_memcpy(&ipv6->daddr, &ends->source, sizeof(ipv6->daddr));
		return 0;
	}
	ipv4 = take(&cursor, sizeof(*ipv4));
	if (!ipv4)
		return -XLB_DROP_INTERNAL;
	old = ipv4->check;
	ipv4->check = csum_update(old, moved);
	ipv4->saddr = ends->destination.words[3];
	ipv4->daddr = ends->source.words[3];
	*change = csum_replace(*change, old, ipv4->check);
	return 0;
}

/* The error keeps its family: all is changed where it lies. */
static __always_inline int icmp_edit(const struct xdp_md *ctx, const struct work *work)
{
	const struct packet *pkt = &work->pkt;
	struct icmp_message *message;
	__u64 change = 0, outer;
	struct cursor cursor;
	int r;

	r = quote_edit_l4(ctx, work, &change);
	if (!r)
		r = quote_edit_l3(ctx, work, &change);
	if (r)
		return r;
	outer = edit_change(pkt, &work->ends);
	cursor = cursor_at(ctx, pkt->l4_offset & L4_OFFSET_MAX);
	message = take(&cursor, sizeof(*message));
	if (!message)
		return -XLB_DROP_INTERNAL;
	if (pkt->family == XLB_IPV6)
		change += outer;
	message->check = csum_update(message->check, change);
	return pkt->family == XLB_IPV4 ? edit_ipv4(ctx, pkt, &work->ends, outer) :
					 edit_ipv6(ctx, pkt, &work->ends);
}

/* RFC 7915 figure 3: the pointer to a field of IPv4's header as one to IPv6's, -1: it has none such. */
static __always_inline int icmp_pointer_to6(__u8 pointer)
{
	switch (pointer) {
	case 0:
	case 1:
		return pointer;
	case 2:
	case 3:
		return 4;
	case 8:
		return 7;
	case 9:
		return 6;
	}
	return pointer >= 12 && pointer <= 15 ? 8 : pointer >= 16 && pointer <= 19 ? 24 : -1;
}

/* Figure 6: the other way. */
static __always_inline int icmp_pointer_to4(__u32 pointer)
{
	switch (pointer) {
	case 0:
	case 1:
		return (int)pointer;
	case 4:
	case 5:
		return 2;
	case 6:
		return 9;
	case 7:
		return 8;
	}
	return pointer >= 8 && pointer <= 23 ? 12 : pointer >= 24 && pointer <= 39 ? 16 : -1;
}

static __always_inline bool icmp_unreachable_to6(__u8 code, __be16 mtu, struct icmp_message *ret)
{
	__u32 larger = bpf_ntohs(mtu) + ICMP_HEADERS_APART;

	switch (code) {
	case ICMP4_PROTOCOL_UNKNOWN:
		ret->type = ICMP6_PARAMETER;
		ret->code = ICMP6_NEXT_HEADER;
		ret->word = bpf_htonl(offsetof(struct ipv6hdr, nexthdr));
		return true;
	case ICMP4_FRAGMENT_NEEDED:
		/* a router that names no MTU is older than RFC 1191 */
		ret->type = ICMP6_TOO_BIG;
		ret->word = bpf_htonl(larger > ICMP_MTU_MIN6 ? larger : ICMP_MTU_MIN6);
		return true;
	case 3: /* port */
		ret->code = 4;
		return true;
	case 9: /* administratively prohibited, in three ways, and precedence cut off */
	case 10:
	case 13:
	case 15:
		ret->code = 1;
		return true;
	case 14:
		return false;
	}
	return code <= 12; /* no route */
}

/* RFC 7915 section 4.2; false: there is no such message. ret is all zero but what is filled. */
static __always_inline bool icmp_to6(const struct icmp_message *message, struct icmp_message *ret)
{
	int pointer;

	switch (message->type) {
	case ICMP4_UNREACHABLE:
		ret->type = ICMP6_UNREACHABLE;
		return icmp_unreachable_to6(message->code, message->mtu, ret);
	case ICMP4_TIME_EXCEEDED:
		ret->type = ICMP6_TIME_EXCEEDED;
		ret->code = message->code;
		return true;
	case ICMP4_PARAMETER:
		pointer = icmp_pointer_to6(message->pointer);
		ret->type = ICMP6_PARAMETER;
		ret->word = bpf_htonl((__u32)pointer);
		return pointer >= 0 && (message->code == 0 || message->code == 2);
	}
	return false;
}

/* Section 5.2; the same. */
static __always_inline bool icmp_to4(const struct icmp_message *message, struct icmp_message *ret)
{
	__u32 word = bpf_ntohl(message->word);
	int pointer;

	switch (message->type) {
	case ICMP6_UNREACHABLE:
		ret->type = ICMP4_UNREACHABLE;
		ret->code = message->code == 1 ? 10 : message->code == 4 ? 3 : 1;
		return message->code <= 4;
	case ICMP6_TOO_BIG:
		word = word < ICMP_MTU_MIN4 + ICMP_HEADERS_APART ? ICMP_MTU_MIN4 :
								   word - ICMP_HEADERS_APART;
		ret->type = ICMP4_UNREACHABLE;
		ret->code = ICMP4_FRAGMENT_NEEDED;
		ret->mtu = bpf_htons((__u16)(word > 0xffff ? 0xffff : word));
		return true;
	case ICMP6_TIME_EXCEEDED:
		ret->type = ICMP4_TIME_EXCEEDED;
		ret->code = message->code;
		return true;
	case ICMP6_PARAMETER:
		if (message->code == ICMP6_NEXT_HEADER) {
			ret->type = ICMP4_UNREACHABLE;
			ret->code = ICMP4_PROTOCOL_UNKNOWN;
			return true;
		}
		pointer = icmp_pointer_to4(word);
		ret->type = ICMP4_PARAMETER;
		ret->pointer = (__u8)pointer;
		return pointer >= 0 && message->code == 0;
	}
	return false;
}

/* What the addresses, length and protocol of ICMPv6 add to its checksum; of ICMPv4 nothing. */
static __always_inline __u64 icmp_pseudo(const struct xlb_addr *source,
					 const struct xlb_addr *destination, __u8 family,
					 __u16 length)
{
	__u64 sum = bpf_htons(length) + bpf_htons(IPPROTO_ICMPV6);

	return family == XLB_IPV4 ? 0 : csum_add_addr(csum_add_addr(sum, source), destination);
}

/* The message and the quoted IP header where they now begin; their sum, without the checksum, or negative. */
static __always_inline __s64 icmp_write(const struct xdp_md *ctx, const struct work *work,
					const struct icmp_message *message, __u8 class)
{
	__u8 family = other_family(work->pkt.family);
	__u32 offset = sizeof(struct ethhdr) + ip_header_size(family);
	struct cursor cursor = cursor_at(ctx, offset);
	struct ends ends = ends_turned(&work->about_ends);
	struct icmp_message *to = take(&cursor, sizeof(*to));
	struct ipv6hdr *ipv6;
	struct iphdr *ipv4;
	__u64 sum;

	if (!to)
		return -1;
	*to = *message;
	sum = csum_add_words(0, message, sizeof(*message) / 4);
	if (family == XLB_IPV4) {
		ipv4 = take(&cursor, sizeof(*ipv4));
		if (!ipv4)
			return -1;
		translate_write_ipv4(ipv4, &work->about, &ends, class);
		return (__s64)csum_add_words(sum, ipv4, sizeof(*ipv4) / 4);
	}
	ipv6 = take(&cursor, sizeof(*ipv6));
	if (!ipv6)
		return -1;
	translate_write_ipv6(ipv6, &work->about, &ends, class);
	return (__s64)csum_add_words(sum, ipv6, sizeof(*ipv6) / 4);
}

/* The checksum of the message that was written; `sum`: by how much what it covers has grown. */
static __always_inline int icmp_write_check(const struct xdp_md *ctx, __u8 family, __u64 sum)
{
	struct cursor cursor = cursor_at(ctx, sizeof(struct ethhdr) + ip_header_size(family));
	struct icmp_message *message = take(&cursor, sizeof(*message));

	if (!message)
		return -XLB_DROP_INTERNAL;
	message->check = (__u16)~csum_fold(sum);
	return 0;
}

/* The class of the packet that is quoted (DSCP and ECN), or negative. */
static __always_inline int quote_class(const struct xdp_md *ctx, const struct work *work)
{
	struct cursor cursor = cursor_at(ctx, work->error.quote & L4_OFFSET_MAX);
	__u8 *ip = take(&cursor, sizeof(struct iphdr));

	if (!ip)
		return -1;
	return work->about.family == XLB_IPV4 ? ip[1] : (ip[0] << 4 | ip[1] >> 4) & 0xff;
}

/*
 * The error changes its family, and what it quotes with it: the headers of both are written anew before the quoted
 * transport header.
 */
static __always_inline int icmp_translate(struct xdp_md *ctx, struct work *work)
{
	struct packet *pkt = &work->pkt;
	__u8 family = other_family(pkt->family);
	__u32 headers =
		sizeof(struct ethhdr) + 2 * ip_header_size(family) + sizeof(struct icmp_message);
	int class = translate_class(ctx, pkt), quoted_class = quote_class(ctx, work);
	struct icmp_message message = {};
	int old = translate_sum(ctx, pkt->l4_offset, work->about.l4_offset - pkt->l4_offset);
	__u64 change = 0;
	__s64 sum;

	if (class < 0 || quoted_class < 0 || old < 0)
		return -XLB_DROP_INTERNAL;
	if (!(family == XLB_IPV6 ? icmp_to6(&work->error.message, &message) :
				   icmp_to4(&work->error.message, &message)))
		return -XLB_DROP_ICMP_UNKNOWN;
	if (quote_edit_l4(ctx, work, &change) ||
	    bpf_xdp_adjust_head(ctx, (int)work->about.l4_offset - (int)headers))
		return -XLB_DROP_INTERNAL;
	/* all of it adds up to 0xffff if it is right, before and after */
	change += (__u16)~old + (__u16)~csum_fold(icmp_pseudo(&pkt->source, &pkt->destination,
							      pkt->family, pkt->l4_length));
	pkt->l4_length = (__u16)(sizeof(message) + ip_header_size(family) + work->error.length);
	pkt->protocol = icmp_protocol(family);
	sum = icmp_write(ctx, work, &message, (__u8)quoted_class);
	if (sum < 0 || translate_write(ctx, pkt, &work->ends, (__u8) class))
		return -XLB_DROP_INTERNAL;
	change += (__u64)sum +
		  icmp_pseudo(&work->ends.source, &work->ends.destination, family, pkt->l4_length);
	return icmp_write_check(ctx, family, change);
}

/* Gives the error, and what it quotes, the family and ends that `work` has for them. */
GLOBAL_STEP int icmp_edit_ends(struct xdp_md *ctx)
{
	struct work *work = work_find();

	if (!work)
		return -XLB_DROP_INTERNAL;
	return work->error.family == work->pkt.family ? icmp_edit(ctx, work) :
							icmp_translate(ctx, work);
}

#endif
