// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "decode.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "frame.h"

#define IPV4_HEADER 20U
#define IPV6_HEADER 40U

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

bool decoded_is_icmp(const struct decoded *packet)
{
	return packet->protocol ==
	       (packet->family == XLB_IPV4 ? (uint8_t)IPPROTO_ICMP : (uint8_t)IPPROTO_ICMPV6);
}

/* Bytes that the transport's checksum covers. */
static size_t covered(const uint8_t *frame, const struct decoded *packet)
{
	return packet->protocol == IPPROTO_UDP ? get16(frame + packet->l4 + 4) :
						 packet->end - packet->l4;
}

/* What they add up to with the pseudo header, complemented: 0 if the checksum among them is right. */
static uint16_t l4_sum(const uint8_t *frame, const struct decoded *packet)
{
	const uint8_t *ip = frame + packet->l3;
	size_t size = covered(frame, packet);
	uint32_t sum = packet->protocol + (uint32_t)size;

	if (packet->protocol == IPPROTO_ICMP)
		sum = 0;
	else if (packet->family == XLB_IPV4)
		sum = checksum_add(sum, ip + 12, 8);
	else
		sum = checksum_add(sum, ip + 8, 32);
	return checksum_fold(checksum_add(sum, frame + packet->l4, size));
}

uint16_t decode_share(const uint8_t *frame, const struct decoded *packet)
{
	uint32_t sum = checksum_add(0, packet->source.bytes, sizeof(packet->source));

	/* both forms of an IPv4 address add up to the same */
	sum = checksum_add(sum, packet->destination.bytes, sizeof(packet->destination));
	sum = checksum_add(sum, frame + packet->l4, packet->end - packet->l4);
	return checksum_fold(sum) % 0xffff;
}

/* Offset of the checksum in a transport header. */
static size_t sum_offset(const struct decoded *packet)
{
	return packet->protocol == IPPROTO_TCP ? 16 : packet->protocol == IPPROTO_UDP ? 6 : 2;
}

static const char *decode_tcp(const uint8_t *frame, struct decoded *ret)
{
	const uint8_t *tcp = frame + ret->l4;
	size_t header;

	if (ret->end - ret->l4 < 20)
		return "TCP header cut";
	header = (tcp[12] >> 4) * 4U;
	if (header < 20 || header > ret->end - ret->l4)
		return "TCP data offset";
	ret->payload = ret->l4 + header;
	ret->tcp_flags = tcp[13];
	return NULL;
}

static const char *decode_udp(const uint8_t *frame, struct decoded *ret)
{
	size_t size = ret->end - ret->l4;

	if (size < 8)
		return "UDP header cut";
	if (get16(frame + ret->l4 + 4) < 8 || get16(frame + ret->l4 + 4) > size)
		return "UDP length";
	ret->payload = ret->l4 + 8;
	return NULL;
}

static const char *decode_l4(const uint8_t *frame, struct decoded *ret)
{
	const uint8_t *l4 = frame + ret->l4;
	const char *fault;

	if (decoded_is_icmp(ret)) {
		if (ret->end - ret->l4 < 8)
			return "ICMP header cut";
	} else if (ret->protocol == IPPROTO_TCP || ret->protocol == IPPROTO_UDP) {
		fault = ret->protocol == IPPROTO_TCP ? decode_tcp(frame, ret) :
						       decode_udp(frame, ret);
		if (fault)
			return fault;
		ret->source_port = get16(l4);
		ret->destination_port = get16(l4 + 2);
	} else {
		return NULL;
	}
	if (ret->protocol == IPPROTO_UDP && !get16(l4 + 6))
		ret->l4_sum = SUM_ABSENT;
	else
		ret->l4_sum = l4_sum(frame, ret) ? SUM_WRONG : SUM_RIGHT;
	return NULL;
}

static const char *decode_ipv4(const uint8_t *frame, size_t length, struct decoded *ret)
{
	const uint8_t *ip = frame + ret->l3;
	size_t header = (ip[0] & 15U) * 4, total = get16(ip + 2);

	if (header < IPV4_HEADER || total < header || total > length)
		return "IPv4 lengths";
	ret->end = ret->l3 + total;
	ret->l4 = ret->l3 + header;
	ret->ttl = ip[8];
	ret->protocol = ip[9];
	ret->fragment = get16(ip + 6) & 0x3fff;
	ret->l3_sum = checksum_fold(checksum_add(0, ip, header)) ? SUM_WRONG : SUM_RIGHT;
	return ret->fragment ? NULL : decode_l4(frame, ret);
}

static const char *decode_ipv6(const uint8_t *frame, size_t length, struct decoded *ret)
{
	const uint8_t *ip = frame + ret->l3;

	if (get16(ip + 4) > length - IPV6_HEADER)
		return "IPv6 payload length";
	ret->end = ret->l3 + IPV6_HEADER + get16(ip + 4);
	ret->l4 = ret->l3 + IPV6_HEADER;
	ret->protocol = ip[6];
	ret->ttl = ip[7];
	while (ret->protocol == IPPROTO_HOPOPTS || ret->protocol == IPPROTO_ROUTING ||
	       ret->protocol == IPPROTO_FRAGMENT || ret->protocol == IPPROTO_DSTOPTS) {
		const uint8_t *extension = frame + ret->l4;
		bool fragment = ret->protocol == IPPROTO_FRAGMENT;
		size_t size = 8;

		if (ret->l4 + size > ret->end)
			return "IPv6 extension header cut";
		size += fragment ? 0 : extension[1] * 8U;
		if (ret->l4 + size > ret->end)
			return "IPv6 extension header too long";
		ret->fragment = ret->fragment || (fragment && get16(extension + 2) & 0xfff9);
		ret->protocol = extension[0];
		ret->l4 += size;
		if (ret->fragment)
			return NULL;
	}
	return decode_l4(frame, ret);
}

void decode_packet(const uint8_t *frame, size_t at, size_t length, struct decoded *ret)
{
	uint8_t version = length ? frame[at] >> 4 : 0;

	*ret = (struct decoded){ .l3 = at };
	if (version == 4 && length >= IPV4_HEADER) {
		ret->family = XLB_IPV4;
		memset(ret->source.bytes + 10, 0xff, 2);
		memset(ret->destination.bytes + 10, 0xff, 2);
		memcpy(ret->source.bytes + 12, frame + at + 12, 4);
		memcpy(ret->destination.bytes + 12, frame + at + 16, 4);
		ret->fault = decode_ipv4(frame, length, ret);
	} else if (version == 6 && length >= IPV6_HEADER) {
		ret->family = XLB_IPV6;
		memcpy(ret->source.bytes, frame + at + 8, 16);
		memcpy(ret->destination.bytes, frame + at + 24, 16);
		ret->fault = decode_ipv6(frame, length, ret);
	} else {
		ret->fault = "no IP header";
	}
}

void decode_frame(const uint8_t *frame, size_t length, struct decoded *ret)
{
	size_t at = 12;

	while (at + 6 <= length &&
	       (get16(frame + at) == ETH_P_8021Q || get16(frame + at) == ETH_P_8021AD))
		at += 4;
	if (get16(frame + at) != ETH_P_IP && get16(frame + at) != ETH_P_IPV6) {
		*ret = (struct decoded){ .fault = "EtherType" };
		return;
	}
	decode_packet(frame, at + 2, length - at - 2, ret);
	if (!ret->fault && (ret->family == XLB_IPV4) != (get16(frame + at) == ETH_P_IP))
		ret->fault = "EtherType of another version";
}

void decode_repair(uint8_t *frame, const struct decoded *packet)
{
	uint8_t *ip = frame + packet->l3, *check = frame + packet->l4 + sum_offset(packet);

	if (packet->family == XLB_IPV4) {
		put16(ip + 10, 0);
		put16(ip + 10, checksum_fold(checksum_add(0, ip, packet->l4 - packet->l3)));
	}
	if (packet->fragment || packet->l4_sum == SUM_ABSENT)
		return;
	put16(check, 0);
	put16(check, l4_sum(frame, packet));
	if (packet->protocol == IPPROTO_UDP && !get16(check))
		put16(check, 0xffff);
}
