// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as a frame with an ICMP message: what the datapath reads of an error, and of the packet that it quotes, lies
 * inside of the message, and is what is written there.
 */
#include <string.h>

#include "frame.h"
#include "icmp.h"

static void check_addr(const struct xlb_addr *addr, uint8_t family, const uint8_t *at)
{
	check(xlb_addr_is_ipv4(addr) == (family == XLB_IPV4) || family == XLB_IPV6);
	check(!memcmp(family == XLB_IPV4 ? addr->bytes + 12 : addr->bytes, at,
		      family == XLB_IPV4 ? 4 : 16));
}

/* The quoted packet: its ends are those of `about` turned round, as it went the other way. */
static void check_quote(const struct packet *about, const struct icmp_error *error,
			const uint8_t *frame)
{
	bool ipv4 = about->family == XLB_IPV4;
	const uint8_t *ip = frame + error->quote, *ends = ip + (ipv4 ? 12 : 8);
	const uint8_t *l4 = frame + about->l4_offset;

	check(ip[0] >> 4 == about->family);
	check_addr(&about->destination, about->family, ends);
	check_addr(&about->source, about->family, ends + (ipv4 ? 4 : 16));
	check(about->ttl == (uint8_t)(ip[ipv4 ? 8 : 7] + 1));
	check(get16((const uint8_t *)&about->destination_port) == get16(l4));
	check(get16((const uint8_t *)&about->source_port) == get16(l4 + 2));
	if (ipv4) {
		check(about->l4_offset == error->quote + (ip[0] & 15) * 4);
		check(get16(ip + 2) == about->l3_length && ip[9] == about->protocol);
		check(!(get16(ip + 6) & 0x1fff));
		check(about->l4_length + (ip[0] & 15U) * 4 == about->l3_length);
	} else {
		check(about->l4_offset >= error->quote + 40);
		check(about->l4_length <= get16(ip + 4));
	}
}

static void check_error(const struct packet *pkt, const struct packet *about,
			const struct icmp_error *error, const uint8_t *frame)
{
	size_t end = (size_t)pkt->l4_offset + pkt->l4_length;
	const uint8_t *message = frame + pkt->l4_offset;

	check(icmp_is_error(pkt->family, message[0]) && !icmp_is_echo(pkt->family, message[0]));
	check(!memcmp(&error->message, message, sizeof(error->message)));
	check(error->quote == pkt->l4_offset + sizeof(struct icmp_message));
	check(about->family == pkt->family &&
	      xlb_addr_equal(&about->destination, &pkt->destination));
	check(error->length >= ICMP_QUOTED_L4 && about->l4_offset + (size_t)error->length == end);
	check_quote(about, error, frame);
}

/* A frame of which `visible` bytes can be read. */
static void read_frame(const uint8_t *data, size_t size, size_t visible)
{
	/* as drivers do: the IP header is aligned, the Ethernet header is not */
	uint8_t *copy = malloc(visible + 2);
	struct packet pkt = {}, about = {};
	struct icmp_error error = {};
	struct cursor cursor;

	if (!copy)
		return;
	if (visible)
		memcpy(copy + 2, data, visible);
	cursor = (struct cursor){ .data = copy + 2, .end = copy + 2 + visible };
	if (!parse_packet(copy + 2, copy + 2 + visible, (uint32_t)size, &pkt) &&
	    pkt.fault == XLB_PASS && pkt.l4_offset) {
		check(pkt.protocol == icmp_protocol(pkt.family));
		check((size_t)pkt.l4_offset + pkt.l4_length == ETH_HLEN + (size_t)pkt.l3_length);
		if (icmp_read(&cursor, &pkt, &error, &about))
			check_error(&pkt, &about, &error, copy + 2);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_frame(data, size, size);
	/* a frame in pieces: its last byte says how much of it is in the first one */
	if (size)
		read_frame(data, size, size * data[size - 1] / 256);
	return 0;
}
