/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames from any bytes, made such that much of the datapath is reached; and whether what has become of one is sound, as
 * the second reader of the packet tests sees it (tests/packet/decode.h).
 */
#ifndef XLB_FUZZ_SOUND_H
#define XLB_FUZZ_SOUND_H

#include <stdio.h>

#include "../packet/compare.h"
#include "world.h"

#define SOUND_MAX 2048 /* bytes of a frame */

#define OPTION_LENGTHS	 1U /* lengths of the frame are made true */
#define OPTION_CHECKSUMS 2U
#define OPTION_TAGS	 4U /* it comes by the VLAN */
#define OPTION_ENDS	 8U /* it is of a flow */

static inline void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Offset of the fragment's payload in the whole packet and whether more follow, as IPv6 has both in 16 bits. */
static inline uint32_t fragment_place(const uint8_t *frame, const struct decoded *packet)
{
	size_t field;

	if (packet->family == XLB_IPV6)
		return (uint32_t)get16(frame + packet->l4 - 6) & 0xfff9;
	field = get16(frame + packet->l3 + 6);
	return (uint32_t)((field & 0x1fff) << 3 | (field >> 13 & 1));
}

/* --- before -------------------------------------------------------------------------------------- */

static inline void write_addresses(uint8_t *ip, uint8_t family, const struct xlb_addr *source,
				   const struct xlb_addr *destination)
{
	if (family == XLB_IPV4) {
		memcpy(ip + 12, source->bytes + 12, 4);
		memcpy(ip + 16, destination->bytes + 12, 4);
	} else {
		memcpy(ip + 8, source, 16);
		memcpy(ip + 24, destination, 16);
	}
}

/* The quoted packet becomes one that the receiver of the error has sent. */
static inline void write_quote(uint8_t *frame, size_t size, const struct packet_info *way,
			       size_t l4)
{
	size_t ip = l4 + 8, header = way->family == XLB_IPV4 ? 20 : 40, ports = ip + header;

	if (ip + header > size)
		return;
	write_addresses(frame + ip, way->family, &way->destination, &way->source);
	if (way->family == XLB_IPV4)
		ports = ip + (frame[ip] & 15) * 4U;
	if (ports + 4 > size)
		return;
	put16(frame + ports, way->destination_port_h);
	put16(frame + ports + 2, way->source_port_h);
}

/* The frame becomes one of the way, in all but what is odd about it. */
static inline void write_ends(uint8_t *frame, size_t size, const struct way *from)
{
	const struct packet_info *way = &from->packet;
	size_t header = way->family == XLB_IPV4 ? 20 : 40;
	struct decoded packet;

	memcpy(frame, mac_own, 6);
	memcpy(frame + 6, from->reply ? mac_server : mac_client, 6);
	put16(frame + 12, way->family == XLB_IPV4 ? ETH_P_IP : ETH_P_IPV6);
	if (size < ETH_HLEN + header)
		return;
	frame[ETH_HLEN] = (uint8_t)(way->family << 4 | (frame[ETH_HLEN] & 15));
	write_addresses(frame + ETH_HLEN, way->family, &way->source, &way->destination);
	decode_frame(frame, size, &packet);
	if (!packet.l4 || packet.l4 + 4 > size)
		return;
	if (decoded_is_icmp(&packet)) {
		write_quote(frame, size, way, packet.l4);
	} else if (is_l4(packet.protocol) &&
		   !(packet.fragment && fragment_place(frame, &packet) >= 8)) {
		put16(frame + packet.l4, way->source_port_h);
		put16(frame + packet.l4 + 2, way->destination_port_h);
	}
}

static inline void write_lengths(uint8_t *frame, size_t size)
{
	bool ipv4 = frame[ETH_HLEN] >> 4 == 4;
	struct decoded packet;

	if (size < ETH_HLEN + (ipv4 ? 20U : 40U))
		return;
	put16(frame + ETH_HLEN + (ipv4 ? 2 : 4), size - ETH_HLEN - (ipv4 ? 0 : 40));
	decode_frame(frame, size, &packet);
	if (packet.protocol == IPPROTO_UDP && packet.l4 && packet.l4 + 8 <= packet.end &&
	    !packet.fragment)
		put16(frame + packet.l4 + 4, packet.end - packet.l4);
}

/* Checksums of the packet and, if it is an ICMP error, of what it quotes. */
static inline void write_checksums(uint8_t *frame, size_t size)
{
	struct decoded packet, quoted;

	decode_frame(frame, size, &packet);
	if (packet.fault)
		return;
	if (decoded_is_icmp(&packet) && packet.end > packet.l4 + 8) {
		decode_packet(frame, packet.l4 + 8, packet.end - packet.l4 - 8, &quoted);
		if (!quoted.fault && (is_l4(quoted.protocol) || quoted.family == XLB_IPV4))
			decode_repair(frame, &quoted);
	}
	if (packet.fragment || is_l4(packet.protocol) || decoded_is_icmp(&packet))
		decode_repair(frame, &packet);
}

/* Puts the tag of the VLAN into a frame with room for it; returns its length. */
static inline size_t write_tag(uint8_t *frame, size_t size)
{
	uint32_t tag = bpf_htonl(VLAN_TAG);

	memmove(frame + 16, frame + 12, size - 12);
	memcpy(frame + 12, &tag, sizeof(tag));
	return size + sizeof(tag);
}

/* Dresses a frame of at least an Ethernet header, with room for a tag behind it; returns its length. */
static inline size_t sound_dress(uint8_t *frame, size_t size, const struct way *way,
				 uint32_t options)
{
	if (options & OPTION_ENDS)
		write_ends(frame, size, way);
	if (options & OPTION_LENGTHS)
		write_lengths(frame, size);
	if (options & OPTION_CHECKSUMS)
		write_checksums(frame, size);
	return options & OPTION_TAGS ? write_tag(frame, size) : size;
}

/* --- after --------------------------------------------------------------------------------------- */

/* A frame as it came or left. */
struct bytes {
	const uint8_t *at;
	size_t size;
	struct decoded packet;
};

static inline void sound(const char *fault)
{
	if (fault)
		fprintf(stderr, "%s\n", fault);
	check(!fault);
}

/* True if it was put into an outer header. */
static inline bool is_wrapped(const struct bytes *out)
{
	struct xlb_addr snat = address_of(SNAT, out->packet.family);

	return xlb_addr_equal(&out->packet.source, &snat) &&
	       outer_is_own(out->packet.protocol, bpf_htons(out->packet.destination_port));
}

/* Bytes of the TCP header, options too, as the segment size among those may be lowered; 0 if there is none. */
static inline size_t tcp_header(const struct bytes *frame)
{
	const struct decoded *packet = &frame->packet;

	if (packet->protocol != IPPROTO_TCP || packet->l4 + 13 > packet->end ||
	    (packet->fragment && fragment_place(frame->at, packet) >= 8))
		return 0;
	return (frame->at[packet->l4 + 12] >> 4) * 4U;
}

/* In the outer header is what came, but for its TTL. */
static inline void check_wrapped(const struct bytes *in, const struct bytes *out)
{
	const struct decoded *from = &in->packet, *outer = &out->packet;
	size_t at = outer->l4 + (outer->protocol == IPPROTO_UDP ? 8 : 0);
	size_t size = from->end - from->l3, header = from->family == XLB_IPV4 ? 20 : 40;
	size_t rest = from->l4 - from->l3 + tcp_header(in);
	struct decoded inner;

	check(outer->l3_sum != SUM_WRONG && outer->l4_sum != SUM_WRONG && outer->ttl == OUTER_TTL);
	check(outer->end - at == size);
	decode_packet(out->at, at, outer->end - at, &inner);
	sound(inner.fault);
	sound(compare_sums(from, &inner));
	check(inner.ttl == from->ttl - 1 && inner.l4 - inner.l3 == from->l4 - from->l3);
	check(!memcmp(in->at + from->l3 + header, out->at + at + header,
		      from->l4 - from->l3 - header));
	check(rest <= size && !memcmp(in->at + from->l3 + rest, out->at + at + rest, size - rest));
}

/* A fragment has its place, its payload, and the first one its share of the checksum. */
static inline void check_fragment(const struct bytes *in, const struct bytes *out)
{
	const struct decoded *from = &in->packet, *to = &out->packet;
	uint32_t place = fragment_place(in->at, from);
	size_t size = from->end - from->l4, header;
	bool udp = from->protocol == IPPROTO_UDP;

	check(to->fragment && fragment_place(out->at, to) == place);
	check(to->protocol == from->protocol && to->ttl == from->ttl - 1);
	check(to->end - to->l4 == size);
	check(to->l3_sum != SUM_WRONG || from->l3_sum == SUM_WRONG);
	if (place >= 8) {
		check(!memcmp(in->at + from->l4, out->at + to->l4, size));
		return;
	}
	header = udp ? 8 : tcp_header(in);
	check(size >= header &&
	      !memcmp(in->at + from->l4 + header, out->at + to->l4 + header, size - header));
	if (udp && !get16(in->at + from->l4 + 6))
		check(!get16(out->at + to->l4 + 6));
	else
		check(decode_share(in->at, from) == decode_share(out->at, to));
}

/* An error on its way to the other end, or the answer to a ping: right as it was, what it quotes too. */
static inline void check_message(const struct bytes *in, const struct bytes *out)
{
	const struct decoded *from = &in->packet, *to = &out->packet;
	struct decoded was, is;

	check(decoded_is_icmp(to));
	sound(compare_sums(from, to));
	if (xlb_addr_equal(&to->source, &from->destination) &&
	    xlb_addr_equal(&to->destination, &from->source) &&
	    !icmp_is_error(to->family, out->at[to->l4]))
		return;
	check(to->ttl == from->ttl - 1);
	decode_packet(in->at, from->l4 + 8, from->end - from->l4 - 8, &was);
	decode_packet(out->at, to->l4 + 8, to->end - to->l4 - 8, &is);
	if (to->destination.words[3] != from->destination.words[3])
		check(xlb_addr_equal(&is.source, &to->destination));
	/* UDP without a checksum has none in the quote of the other family either: nobody has the whole packet */
	if (!was.fault && !was.fragment && !is.fault && is_l4(was.protocol)) {
		if (was.l4_sum == SUM_ABSENT)
			check(is.l4_sum == SUM_ABSENT);
		else
			sound(compare_sums(&was, &is));
	}
}

static inline void check_left(const struct bytes *in, const struct bytes *out)
{
	const struct decoded *from = &in->packet, *to = &out->packet;

	sound(from->fault);
	sound(to->fault);
	if (is_wrapped(out)) {
		check_wrapped(in, out);
	} else if (decoded_is_icmp(from)) {
		check_message(in, out);
	} else if (compare_is_reset(from, to)) {
		sound(compare_reset(to));
	} else if (decoded_is_icmp(to)) {
		sound(compare_refusal(in->at, from, out->at, to));
	} else if (from->fragment) {
		check_fragment(in, out);
	} else {
		check(to->ttl == from->ttl - 1);
		sound(compare_payload(in->at, from, out->at, to));
		sound(compare_sums(from, to));
	}
}

/* Nothing that should be impossible was met. */
static inline void check_counters(void)
{
	uint32_t key = XLB_DROP_STRIDE + XLB_DROP_INTERNAL;
	uint64_t *count = bpf_map_lookup_elem(&drops, &key);

	check(!*count);
}

/*
 * Runs a frame of which so many bytes are in the first buffer, and looks at what becomes of it. True if it left, then ret_in
 * and ret_out are filled, and are good until the next one.
 */
static inline bool sound_run(const uint8_t *frame, size_t size, size_t visible,
			     struct bytes *ret_in, struct bytes *ret_out)
{
	static uint8_t whole[2 * SOUND_MAX];
	struct xdp_md ctx;
	int verdict;
	size_t left;

	kernel_frame_begin(&ctx, frame, size, visible);
	verdict = world_run(&ctx);
	left = bpf_xdp_get_buff_len(&ctx);
	check(left <= sizeof(whole) && !bpf_xdp_load_bytes(&ctx, 0, whole, (uint32_t)left));
	kernel_frame_end(&ctx);
	check_counters();
	if (verdict != XDP_TX && verdict != XDP_REDIRECT) {
		check(verdict == XDP_PASS || verdict == XDP_DROP);
		check(left == size && !memcmp(whole, frame, size));
		return false;
	}
	*ret_in = (struct bytes){ .at = frame, .size = size };
	*ret_out = (struct bytes){ .at = whole, .size = left };
	decode_frame(frame, size, &ret_in->packet);
	decode_frame(whole, left, &ret_out->packet);
	check_left(ret_in, ret_out);
	return true;
}

#endif
