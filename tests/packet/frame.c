// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "frame.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define EXTENSION_FRAGMENT    44
#define EXTENSION_DESTINATION 60

uint32_t checksum_add(uint32_t sum, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	if (length % 2)
		sum += (uint32_t)bytes[length - 1] << 8;
	return sum;
}

uint16_t checksum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)(at[0] << 8 | at[1]);
}

static size_t extension_size(uint8_t type)
{
	return type == EXTENSION_DESTINATION ? 24 : 8;
}

static size_t l3_header(const struct frame *frame)
{
	size_t size = 40;

	if (frame->family == XLB_IPV4)
		return 20U + frame->ip_options;
	for (size_t i = 0; i < frame->extension_count; i++)
		size += extension_size(frame->extensions[i]);
	return size;
}

static size_t l4_header(const struct frame *frame)
{
	if (frame->message)
		return 0;
	return frame->protocol == IPPROTO_TCP ? 20U + frame->tcp_options : 8;
}

size_t frame_outer_size(const struct frame *frame)
{
	size_t size = frame->outer.family == XLB_IPV4 ? 20 : 40;

	return frame->outer.family ? size + (frame->outer.gue ? 8 : 0) : 0;
}

size_t frame_l4_offset(const struct frame *frame)
{
	return ETH_HLEN + frame_outer_size(frame) + l3_header(frame);
}

/* The outer header before `inner_length` bytes of IP. */
static void outer_build(const struct frame *frame, uint8_t *ip, size_t inner_length)
{
	const struct outer *outer = &frame->outer;
	uint8_t protocol = outer->gue		     ? IPPROTO_UDP :
			   frame->family == XLB_IPV4 ? IPPROTO_IPIP :
						       IPPROTO_IPV6;
	size_t length = inner_length + (outer->gue ? 8 : 0);
	uint8_t *udp = ip + (outer->family == XLB_IPV4 ? 20 : 40);

	if (outer->family == XLB_IPV4) {
		ip[0] = 0x45;
		ip[1] = frame->class;
		put16(ip + 2, (uint32_t)(20 + length));
		put16(ip + 4, outer->ip_id);
		put16(ip + 6, outer->fragment);
		ip[8] = 64;
		ip[9] = protocol;
		memcpy(ip + 12, outer->source.bytes + 12, 4);
		memcpy(ip + 16, outer->destination.bytes + 12, 4);
		put16(ip + 10, checksum_fold(checksum_add(0, ip, 20)));
	} else {
		put32(ip, 6U << 28 | (uint32_t)frame->class << 20 | outer->flow_label);
		put16(ip + 4, (uint32_t)length);
		ip[6] = protocol;
		ip[7] = 64;
		memcpy(ip + 8, outer->source.bytes, 16);
		memcpy(ip + 24, outer->destination.bytes, 16);
	}
	if (!outer->gue)
		return;
	put16(udp, outer->source_port);
	put16(udp + 2, 6080);
	put16(udp + 4, (uint32_t)length);
}

static void ipv4_build(const struct frame *frame, uint8_t *ip, size_t l4_length)
{
	size_t header = l3_header(frame);

	ip[0] = (uint8_t)(0x40 | header / 4);
	ip[1] = frame->class;
	put16(ip + 2, (uint32_t)(header + l4_length));
	put16(ip + 4, frame->ip_id);
	put16(ip + 6, frame->fragment);
	ip[8] = frame->ttl;
	ip[9] = frame->protocol;
	memcpy(ip + 12, frame->source.bytes + 12, 4);
	memcpy(ip + 16, frame->destination.bytes + 12, 4);
	memset(ip + 20, 1, frame->ip_options); /* no operation */
	put16(ip + 10, checksum_fold(checksum_add(0, ip, header)));
}

static void ipv6_build(const struct frame *frame, uint8_t *ip, size_t l4_length)
{
	uint8_t *next = ip + 6, *at = ip + 40;

	put32(ip, 6U << 28 | (uint32_t)frame->class << 20);
	put16(ip + 4, (uint32_t)(l3_header(frame) - 40 + l4_length));
	ip[7] = frame->ttl;
	memcpy(ip + 8, frame->source.bytes, 16);
	memcpy(ip + 24, frame->destination.bytes, 16);
	for (size_t i = 0; i < frame->extension_count; i++) {
		*next = frame->extensions[i];
		next = at;
		at[1] = (uint8_t)(extension_size(frame->extensions[i]) / 8 - 1);
		if (frame->extensions[i] == EXTENSION_FRAGMENT)
			put16(at + 2, frame->fragment);
		else
			at[3] = frame->segments_left;
		at += extension_size(frame->extensions[i]);
	}
	*next = frame->protocol;
}

static uint32_t pseudo_sum(const uint8_t *ip, uint8_t protocol, size_t l4_length)
{
	bool ipv4 = ip[0] >> 4 == 4;
	uint32_t sum = checksum_add(protocol, ip + (ipv4 ? 12 : 8), ipv4 ? 8 : 32);

	return sum + (uint32_t)l4_length;
}

static void l4_build(const struct frame *frame, const uint8_t *ip, uint8_t *l4, size_t length)
{
	size_t header = l4_header(frame), check = frame->protocol == IPPROTO_TCP ? 16 : 6;
	uint16_t sum;

	if (frame->message) {
		memcpy(l4, frame->message, length);
		put16(l4 + 2, 0);
		sum = checksum_fold(checksum_add(
			frame->family == XLB_IPV6 ? pseudo_sum(ip, frame->protocol, length) : 0, l4,
			length));
		put16(l4 + 2, sum);
		return;
	}
	put16(l4, frame->source_port);
	put16(l4 + 2, frame->destination_port);
	if (frame->protocol == IPPROTO_TCP) {
		put32(l4 + 4, frame->seq);
		put32(l4 + 8, frame->ack);
		l4[12] = (uint8_t)(header / 4 << 4);
		l4[13] = frame->flags;
		put16(l4 + 14, frame->window);
		if (frame->option_bytes)
			memcpy(l4 + 20, frame->option_bytes, frame->tcp_options);
		else
			memset(l4 + 20, 1, frame->tcp_options);
	} else {
		put16(l4 + 4, (uint32_t)length);
	}
	for (size_t i = 0; i < frame->payload; i++)
		l4[header + i] = (uint8_t)(i > 1 ? i : (size_t)frame->pattern >> (8 - i * 8));
	if (frame->content_length)
		memcpy(l4 + header, frame->content, frame->content_length);
	if (frame->protocol == IPPROTO_UDP && frame->no_checksum)
		return;
	sum = checksum_fold(checksum_add(pseudo_sum(ip, frame->protocol, length), l4, length));
	if (frame->protocol == IPPROTO_UDP && !sum)
		sum = 0xffff;
	put16(l4 + check, sum);
}

size_t frame_build(const struct frame *frame, uint8_t *ret)
{
	size_t l4_length = l4_header(frame) + frame->payload;
	size_t l4_offset = frame_l4_offset(frame);
	size_t length = l4_offset + l4_length + frame->padding;
	uint8_t *at = ret + 12, *ip;

	memset(ret, 0, length);
	memcpy(ret, frame->mac_destination, 6);
	memcpy(ret + 6, frame->mac_source, 6);
	put16(at, (frame->outer.family ? frame->outer.family : frame->family) == XLB_IPV4 ?
			  ETH_P_IP :
			  ETH_P_IPV6);
	ip = at + 2;
	if (frame->outer.family)
		outer_build(frame, ip, l3_header(frame) + l4_length);
	ip += frame_outer_size(frame);
	if (frame->family == XLB_IPV4)
		ipv4_build(frame, ip, l4_length);
	else
		ipv6_build(frame, ip, l4_length);
	l4_build(frame, ip, ret + l4_offset, l4_length);
	memset(ret + length - frame->padding, 0xee, frame->padding);
	return length;
}

/* Where the transport header of an IPv6 packet is, and which it is. */
static size_t ipv6_skip(const uint8_t *ip, uint8_t *ret_protocol)
{
	uint8_t next = ip[6];
	size_t offset = 40;

	while (next != IPPROTO_TCP && next != IPPROTO_UDP && next != IPPROTO_IPIP &&
	       next != IPPROTO_IPV6 && next != IPPROTO_ICMPV6) {
		next = ip[offset];
		offset += (ip[offset + 1] + 1U) * 8;
	}
	*ret_protocol = next;
	return offset;
}

/* Every checksum of an IP packet and of what is inside of it. */
static const char *packet_fault(const uint8_t *ip, size_t length)
{
	const uint8_t *l4;
	size_t header, total;
	uint8_t protocol;

	if (length < 28)
		return "the packet is too short";
	if (ip[0] >> 4 == 4) {
		header = (ip[0] & 15U) * 4;
		total = get16(ip + 2);
		protocol = ip[9];
		if (checksum_fold(checksum_add(0, ip, header)))
			return "wrong IPv4 header checksum";
	} else {
		header = ipv6_skip(ip, &protocol);
		total = 40 + get16(ip + 4);
	}
	if (total > length)
		return "IP length exceeds the frame";
	l4 = ip + header;
	if (protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6)
		return packet_fault(l4, total - header);
	if (protocol == IPPROTO_UDP && !get16(l4 + 6))
		return get16(l4 + 2) == 6080 ? packet_fault(l4 + 8, total - header - 8) : NULL;
	if (checksum_fold(checksum_add(
		    protocol == IPPROTO_ICMP ? 0 : pseudo_sum(ip, protocol, total - header), l4,
		    total - header)))
		return protocol == IPPROTO_TCP ? "wrong TCP checksum" :
						 "wrong UDP or ICMP checksum";
	return NULL;
}

const char *frame_fault(const uint8_t *data, size_t length)
{
	uint32_t type = get16(data + 12);

	if (type != (data[ETH_HLEN] >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6))
		return "the EtherType is not that of the packet";
	return packet_fault(data + ETH_HLEN, length - ETH_HLEN);
}

static void print_bytes(const char *title, const uint8_t *data, size_t length)
{
	printf("# %s, %zu bytes", title, length);
	for (size_t i = 0; i < length && i < 128; i++)
		printf("%s%02x", i % 32 ? i % 2 ? "" : " " : "\n#   ", data[i]);
	putchar('\n');
}

void frame_print_difference(const uint8_t *got, size_t got_length, const uint8_t *want,
			    size_t want_length)
{
	size_t shorter = got_length < want_length ? got_length : want_length;

	print_bytes("got", got, got_length);
	print_bytes("wanted", want, want_length);
	for (size_t i = 0; i < shorter; i++)
		if (got[i] != want[i])
			printf("#   byte %zu: got %02x, wanted %02x\n", i, got[i], want[i]);
}
