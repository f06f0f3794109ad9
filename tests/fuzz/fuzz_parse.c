// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as a frame: the datapath's parser stays inside of what can be read, and every field that it fills is what a
 * second reader, which takes nothing from the first, finds in the frame.
 */
#include <string.h>

#include "frame.h"
#include "parse.h"

static void check_addr(const struct xlb_addr *addr, uint8_t family, const uint8_t *at)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (family == XLB_IPV6) {
		check(!memcmp(addr, at, 16));
		return;
	}
	check(!memcmp(addr, mapped, 12) && !memcmp(addr->bytes + 12, at, 4));
}

/* The type that the chain of headers ends with; ret_offset: where that header begins. */
static uint8_t chain_end(const uint8_t *frame, size_t end, size_t *ret_offset)
{
	uint8_t type = frame[ETH_HLEN + 6];
	size_t at = ETH_HLEN + 40;

	while (type == IPV6_HOP_BY_HOP || type == IPV6_ROUTING || type == IPV6_FRAGMENT_HEADER ||
	       type == IPV6_DESTINATION) {
		size_t more = type == IPV6_FRAGMENT_HEADER ? 0 : frame[at + 1] * 8U;

		check(at + 8 + more <= end);
		type = frame[at];
		at += 8 + more;
	}
	*ret_offset = at;
	return type;
}

static void check_ends(const struct packet *pkt, const uint8_t *frame)
{
	bool ipv4 = pkt->family == XLB_IPV4;
	const uint8_t *source = frame + ETH_HLEN + (ipv4 ? 12 : 8);

	check(get16(frame + 12) == (ipv4 ? ETH_P_IP : ETH_P_IPV6));
	check(frame[ETH_HLEN] >> 4 == pkt->family);
	check_addr(&pkt->source, pkt->family, source);
	check_addr(&pkt->destination, pkt->family, source + (ipv4 ? 4 : 16));
}

static void check_transport(const struct packet *pkt, const uint8_t *frame)
{
	const uint8_t *l4 = frame + pkt->l4_offset;
	size_t header;

	check(pkt->source_port == ((const struct udphdr *)l4)->source);
	check(get16((const uint8_t *)&pkt->destination_port) == get16(l4 + 2));
	if (pkt->protocol == IPPROTO_UDP) {
		check(get16(l4 + 4) >= 8 && get16(l4 + 4) <= pkt->l4_length);
		check(!pkt->tcp_flags);
		return;
	}
	header = (size_t)(l4[12] >> 4) * 4;
	check(header >= 20 && header <= pkt->l4_length);
	check(pkt->tcp_flags == l4[13]);
}

/* A packet that the datapath would take. */
static void check_whole(const struct packet *pkt, const uint8_t *frame, size_t size)
{
	size_t end = ETH_HLEN + (size_t)pkt->l3_length, l4 = 0;
	const uint8_t *ip = frame + ETH_HLEN;

	check(end <= size && (size_t)pkt->l4_offset + pkt->l4_length == end);
	check(is_l4(pkt->protocol));
	if (pkt->family == XLB_IPV4) {
		l4 = ETH_HLEN + (ip[0] & 15U) * 4;
		check(l4 >= ETH_HLEN + 20 && get16(ip + 2) == pkt->l3_length);
		check(!(get16(ip + 6) & IPV4_FRAGMENT));
		check(pkt->ttl == ip[8] && pkt->protocol == ip[9]);
	} else {
		check(get16(ip + 4) + 40 == pkt->l3_length && pkt->ttl == ip[7]);
		check(chain_end(frame, end, &l4) == pkt->protocol);
	}
	check(pkt->l4_offset == l4);
	check_transport(pkt, frame);
}

/* A frame of which `visible` bytes can be read. */
static void parse(const uint8_t *data, size_t size, size_t visible)
{
	struct packet pkt = {};
	/* as drivers do: the IP header is aligned, the Ethernet header is not */
	uint8_t *copy = malloc(visible + 2);

	if (!copy)
		return;
	if (visible)
		memcpy(copy + 2, data, visible);
	if (!parse_packet(copy + 2, copy + 2 + visible, (uint32_t)size, &pkt)) {
		check(pkt.frame_length == size);
		check_ends(&pkt, copy + 2);
		check(!pkt.l3_length || ETH_HLEN + (size_t)pkt.l3_length <= size);
		check(pkt.fault == 0 || pkt.fault == XLB_PASS ||
		      (pkt.fault < 0 && pkt.fault > -XLB_DROP_COUNT));
		if (!pkt.fault)
			check_whole(&pkt, data, size);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse(data, size, size);
	/* a frame in pieces: its last byte says how much of it is in the first one */
	if (size)
		parse(data, size, size * data[size - 1] / 256);
	return 0;
}
