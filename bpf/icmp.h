/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP messages (RFC 792, 4443) and the packets that they quote. */
#ifndef XLB_BPF_ICMP_H
#define XLB_BPF_ICMP_H

#include "parse.h"

#define ICMP4_ECHO_REPLY       0
#define ICMP4_UNREACHABLE      3
#define ICMP4_ECHO	       8
#define ICMP4_TIME_EXCEEDED    11
#define ICMP4_PARAMETER	       12
#define ICMP4_FRAGMENT_NEEDED  4 /* code of ICMP4_UNREACHABLE */
#define ICMP4_PROTOCOL_UNKNOWN 2 /* the same */

#define ICMP6_UNREACHABLE   1
#define ICMP6_TOO_BIG	    2
#define ICMP6_TIME_EXCEEDED 3
#define ICMP6_PARAMETER	    4
#define ICMP6_ECHO	    128
#define ICMP6_ECHO_REPLY    129
#define ICMP6_NEXT_HEADER   1 /* code of ICMP6_PARAMETER */

#define ICMP_QUOTED_L4	 8 /* bytes of the transport header that every quote has */
#define QUOTE_EXTENSIONS 4

/* The first 8 bytes of a message. */
struct icmp_message {
	__u8 type;
	__u8 code;
	__u16 check;
	union {
		__be32 word; /* IPv6: MTU, or pointer of a parameter problem */
		struct {
			__be16 unused;
			__be16 mtu;
		};
		__u8 pointer; /* IPv4, of a parameter problem */
	};
};

/* An error, beside the packet that it quotes. */
struct icmp_error {
	struct icmp_message message;
	__u16 quote;  /* offset in the frame of the quoted IP header */
	__u16 length; /* bytes quoted from its transport header on */
	__u8 family;  /* that it is to have, or ICMP_AS_IT_IS: nothing of it changes */
	__u8 pad[3];
};
#define ICMP_AS_IT_IS 0

static __always_inline bool icmp_is_error(__u8 family, __u8 type)
{
	if (family == XLB_IPV4)
		return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED ||
		       type == ICMP4_PARAMETER;
	return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER;
}

static __always_inline bool icmp_is_echo(__u8 family, __u8 type)
{
	return type == (family == XLB_IPV4 ? ICMP4_ECHO : ICMP6_ECHO);
}

/*
 * What follows fills `about`: the packet that the quoted one answers or would be answered by, so it goes the way
 * that the error goes, and finds the flow that the quoted packet is of. Its l4_length is what the quoted packet
 * had, its TTL one more than that one has. False if the quote is too short, or not of a packet with ports.
 */

static __always_inline bool quote_ipv4(struct cursor *cursor, struct packet *about)
{
	struct iphdr *ip = take(cursor, sizeof(*ip));
	__u32 header;

	if (!ip || ip->version != 4)
		return false;
	header = ip->ihl * 4U;
	if (header < sizeof(*ip) || bpf_ntohs(ip->tot_len) < header ||
	    ip->frag_off & bpf_htons(IPV4_OFFSET))
		return false;
	about->l3_length = bpf_ntohs(ip->tot_len);
	about->l4_length = (__u16)(about->l3_length - header);
	about->protocol = ip->protocol;
	about->ttl = (__u8)(ip->ttl + 1);
	xlb_addr_set_ipv4(&about->source, ip->daddr);
	xlb_addr_set_ipv4(&about->destination, ip->saddr);
	return take(cursor, header - sizeof(*ip));
}

/* Steps over an extension header of `type`, whose size is left out of `length`; its next header, or -1. */
static __always_inline int quote_extension(struct cursor *cursor, __u8 type, __u16 *length)
{
	struct ipv6_extension *extension = take(cursor, sizeof(*extension));
	__u32 size = sizeof(*extension);
	__u8 next;

	if (!extension)
		return -1;
	next = extension->next_header;
	if (type == IPV6_FRAGMENT_HEADER) {
		if (extension->fragment & bpf_htons(IPV6_OFFSET))
			return -1;
	} else {
		size += extension->length * 8U;
	}
	if (size > *length || !take(cursor, size - sizeof(*extension)))
		return -1;
	*length = (__u16)(*length - size);
	return next;
}

static __always_inline bool quote_ipv6(struct cursor *cursor, struct packet *about)
{
	struct ipv6hdr *ip = take(cursor, sizeof(*ip));
	int next, i;

	if (!ip || ip->version != 6)
		return false;
	about->l4_length = bpf_ntohs(ip->payload_len);
	about->l3_length = (__u16)(sizeof(*ip) + about->l4_length);
	about->ttl = (__u8)(ip->hop_limit + 1);
	__builtin_memcpy(&about->source, &ip->daddr, sizeof(about->source));
	__builtin_memcpy(&about->destination, &ip->saddr, sizeof(about->destination));
	next = ip->nexthdr;
	for (i = 0; i < QUOTE_EXTENSIONS; i++) {
		if (next != IPV6_HOP_BY_HOP && next != IPV6_ROUTING &&
		    next != IPV6_FRAGMENT_HEADER && next != IPV6_DESTINATION)
			break;
		next = quote_extension(cursor, (__u8)next, &about->l4_length);
		if (next < 0)
			return false;
	}
	about->protocol = (__u8)next;
	return true;
}

/*
 * Reads the message of pkt into `error` and `about`, of a cursor at the frame's begin. False if it is not an error
 * that quotes a packet which its receiver sent.
 */
static __always_inline bool icmp_read(struct cursor *cursor, const struct packet *pkt,
				      struct icmp_error *error, struct packet *about)
{
	struct icmp_message *message;
	__be16 *ports;

	cursor->offset = pkt->l4_offset & L4_OFFSET_MAX;
	message = take(cursor, sizeof(*message));
	if (!message || pkt->l4_length < sizeof(*message) ||
	    !icmp_is_error(pkt->family, message->type))
		return false;
	error->message = *message;
	error->quote = (__u16)cursor->offset;
	about->family = pkt->family;
	about->frame_length = pkt->frame_length;
	about->slot = pkt->slot;
	about->tcp_flags = TCP_ACK; /* of a connection, not the start of one */
	if (!(pkt->family == XLB_IPV4 ? quote_ipv4(cursor, about) : quote_ipv6(cursor, about)) ||
	    !xlb_addr_equal(&about->destination, &pkt->destination))
		return false;
	about->l4_offset = (__u16)cursor->offset;
	if (cursor->offset > L4_OFFSET_MAX ||
	    about->l4_offset + ICMP_QUOTED_L4 > pkt->l4_offset + pkt->l4_length)
		return false;
	error->length = (__u16)(pkt->l4_offset + pkt->l4_length - about->l4_offset);
	ports = take(cursor, ICMP_QUOTED_L4);
	if (!ports)
		return false;
	about->source_port = ports[1];
	about->destination_port = ports[0];
	return true;
}

#endif
