// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Packets that are broken, cut, or not for xlb. */
#include "tests.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk.h"

static const uint8_t corpus_flags[] = { SYN, ACK, FIN | ACK, RST, SYN | ACK };

/* A talk with a flow, so that packets of both sides would be forwarded if they were whole. */
static void talk_open(struct talk *talk, uint8_t family, uint8_t protocol, enum vip vip)
{
	const struct step step = FORWARD(CLIENT, SYN);
	const char *fault;

	talk_init(talk, family, protocol, WEB, vip);
	fault = talk_step(talk, &step);
	if (fault)
		fail_msg("%s", fault);
}

static void with_options(struct frame *frame)
{
	frame->ip_options = 8;
	frame->tcp_options = 12;
	frame->extensions[0] = 0;
	frame->extensions[1] = 60;
	frame->extension_count = 2;
}

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static struct frame frame_of(const struct talk *talk, bool client, bool options)
{
	struct frame frame = talk_frame(talk, client ? CLIENT : SERVER, ACK);

	if (options)
		with_options(&frame);
	return frame;
}

/* The frame ends at every possible byte while its headers promise more. */
static void cut(uint8_t family, uint8_t protocol)
{
	static uint8_t data[FRAME_MAX];
	const size_t ip_end = family == XLB_IPV4 ? 34 : 54;
	struct talk talk;

	talk_open(&talk, family, protocol, VIP_OWN);
	for (int i = 0; i < 4; i++) {
		struct frame frame = frame_of(&talk, i & 1, i & 2);
		size_t whole = frame_build(&frame, data);

		for (size_t length = ETH_HLEN; length < whole; length++)
			world_refuses("cut frame", data, length,
				      length < ip_end ? XLB_DROP_NONE : XLB_DROP_BAD_PACKET);
	}
}

static void test_cut(void **state)
{
	(void)state;
	each_kind(cut);
}

/* A packet of so many bytes, IP header and frame agreeing: it is whole only if the TCP header is. */
static void expect_short(uint8_t *data, size_t length, const struct frame *frame)
{
	static struct outcome got;

	if (frame->family == XLB_IPV4)
		put16(data + 16, length - ETH_HLEN);
	else
		put16(data + 18, length - ETH_HLEN - 40);
	if (frame->protocol == IPPROTO_UDP ||
	    length < frame_l4_offset(frame) + 20 + frame->tcp_options) {
		world_refuses("short packet", data, length, XLB_DROP_BAD_PACKET);
		return;
	}
	world_send(data, length, &got);
	if (got.verdict != XDP_TX && got.verdict != XDP_REDIRECT)
		fail_msg("%zu bytes: not forwarded", length);
}

static void shorten(uint8_t family, uint8_t protocol)
{
	static uint8_t data[FRAME_MAX];
	struct talk talk;

	talk_open(&talk, family, protocol, VIP_OWN);
	for (int i = 0; i < 4; i++) {
		struct frame frame = frame_of(&talk, i & 1, i & 2);
		size_t whole = frame_build(&frame, data);

		for (size_t length = family == XLB_IPV4 ? 34 : 54; length < whole; length++)
			expect_short(data, length, &frame);
	}
}

static void test_short(void **state)
{
	(void)state;
	each_kind(shorten);
}

/* One field of a good packet to a VIP changed. */
struct corruption {
	const char *name;
	uint8_t family;	  /* 0: both */
	uint8_t protocol; /* 0: both */
	enum { AT_LINK, AT_IP, AT_L4 } base;
	size_t offset;
	uint32_t size, value;
	enum xlb_reason reason; /* none: passed */
};

static const struct corruption corruptions[] = {
	{ "ethertype ARP", 0, 0, AT_LINK, 12, 2, ETH_P_ARP, XLB_DROP_NONE },
	{ "ethertype VLAN", 0, 0, AT_LINK, 12, 2, ETH_P_8021Q, XLB_DROP_NONE },
	{ "ethertype IPv6 on IPv4", XLB_IPV4, 0, AT_LINK, 12, 2, ETH_P_IPV6, XLB_DROP_NONE },
	{ "ethertype IPv4 on IPv6", XLB_IPV6, 0, AT_LINK, 12, 2, ETH_P_IP, XLB_DROP_NONE },
	{ "version 5", XLB_IPV4, 0, AT_IP, 0, 1, 0x55, XLB_DROP_NONE },
	{ "version 0", XLB_IPV6, 0, AT_IP, 0, 1, 0x00, XLB_DROP_NONE },
	{ "header length 0", XLB_IPV4, 0, AT_IP, 0, 1, 0x40, XLB_DROP_BAD_PACKET },
	{ "header length 4", XLB_IPV4, 0, AT_IP, 0, 1, 0x44, XLB_DROP_BAD_PACKET },
	{ "header length 15", XLB_IPV4, IPPROTO_UDP, AT_IP, 0, 1, 0x4f, XLB_DROP_BAD_PACKET },
	{ "total length 0", XLB_IPV4, 0, AT_IP, 2, 2, 0, XLB_DROP_BAD_PACKET },
	{ "total length 19", XLB_IPV4, 0, AT_IP, 2, 2, 19, XLB_DROP_BAD_PACKET },
	{ "total length 20", XLB_IPV4, 0, AT_IP, 2, 2, 20, XLB_DROP_BAD_PACKET },
	{ "total length 65535", XLB_IPV4, 0, AT_IP, 2, 2, 65535, XLB_DROP_BAD_PACKET },
	{ "last fragment", XLB_IPV4, 0, AT_IP, 6, 2, 0x0001, XLB_DROP_FRAGMENT },
	{ "ICMP", XLB_IPV4, 0, AT_IP, 9, 1, IPPROTO_ICMP, XLB_DROP_NONE },
	{ "SCTP", XLB_IPV4, 0, AT_IP, 9, 1, IPPROTO_SCTP, XLB_DROP_NONE },
	{ "payload length 0", XLB_IPV6, 0, AT_IP, 4, 2, 0, XLB_DROP_BAD_PACKET },
	{ "payload length 7", XLB_IPV6, 0, AT_IP, 4, 2, 7, XLB_DROP_BAD_PACKET },
	{ "payload length 65535", XLB_IPV6, 0, AT_IP, 4, 2, 65535, XLB_DROP_BAD_PACKET },
	{ "ICMPv6", XLB_IPV6, 0, AT_IP, 6, 1, IPPROTO_ICMPV6, XLB_DROP_NONE },
	{ "no next header", XLB_IPV6, 0, AT_IP, 6, 1, IPPROTO_NONE, XLB_DROP_NONE },
	{ "ESP", XLB_IPV6, 0, AT_IP, 6, 1, IPPROTO_ESP, XLB_DROP_NONE },
	{ "data offset 0", 0, IPPROTO_TCP, AT_L4, 12, 1, 0x00, XLB_DROP_BAD_PACKET },
	{ "data offset 4", 0, IPPROTO_TCP, AT_L4, 12, 1, 0x40, XLB_DROP_BAD_PACKET },
	{ "data offset 15", 0, IPPROTO_TCP, AT_L4, 12, 1, 0xf0, XLB_DROP_BAD_PACKET },
	{ "UDP length 0", 0, IPPROTO_UDP, AT_L4, 4, 2, 0, XLB_DROP_BAD_PACKET },
	{ "UDP length 7", 0, IPPROTO_UDP, AT_L4, 4, 2, 7, XLB_DROP_BAD_PACKET },
	{ "UDP length 65535", 0, IPPROTO_UDP, AT_L4, 4, 2, 65535, XLB_DROP_BAD_PACKET },
};

static void corrupt(uint8_t *data, const struct frame *frame, const struct corruption *row)
{
	static const size_t bases[] = { [AT_LINK] = 0, [AT_IP] = ETH_HLEN };
	uint8_t *at = data + row->offset;

	at += row->base == AT_L4 ? frame_l4_offset(frame) : bases[row->base];
	if (row->size == 2)
		put16(at, row->value);
	else
		*at = (uint8_t)row->value;
}

static void expect_corrupt(struct frame *frame, const struct corruption *row,
			   enum xlb_reason reason)
{
	static uint8_t data[FRAME_MAX];
	size_t length;

	frame->payload = 8; /* less than length fields can promise */
	length = frame_build(frame, data);
	corrupt(data, frame, row);
	world_refuses(row->name, data, length, reason);
}

static void corrupt_all(uint8_t family, uint8_t protocol)
{
	struct talk talk;

	talk_open(&talk, family, protocol, VIP_HOST);
	for (size_t i = 0; i < sizeof(corruptions) / sizeof(corruptions[0]); i++) {
		const struct corruption *row = &corruptions[i];
		struct frame request = talk_frame(&talk, CLIENT, ACK);
		struct frame reply = talk_frame(&talk, SERVER, ACK);
		/* fragments have no port: to an address of the host they may be the host's */
		enum xlb_reason host = row->reason == XLB_DROP_FRAGMENT ? XLB_DROP_NONE :
									  row->reason;

		if ((row->family && row->family != family) ||
		    (row->protocol && row->protocol != protocol))
			continue;
		expect_corrupt(&request, row, host);
		expect_corrupt(&reply, row, host);
		request.destination = addr_vip(VIP_OWN, family);
		expect_corrupt(&request, row, row->reason);
		/* not for xlb: the host may make of it what it wants */
		request.destination = addr_server(WEB, family);
		expect_corrupt(&request, row, XLB_DROP_NONE);
	}
}

static void test_corrupt(void **state)
{
	(void)state;
	each_kind(corrupt_all);
}

/* IPv6 packets to a VIP by their extension headers. */
struct chain {
	const char *name;
	uint8_t count, types[8];
	uint16_t fragment;
	uint8_t segments_left;
	enum { CHAIN_FORWARDED, CHAIN_REFUSED } expect;
	enum xlb_reason reason;
};

static const struct chain chains[] = {
	{ "seven headers", 7, { 0, 60, 60, 60, 60, 60, 60 }, .expect = CHAIN_FORWARDED },
	{ "eight headers",
	  8,
	  { 0, 60, 60, 60, 60, 60, 60, 60 },
	  0,
	  0,
	  CHAIN_REFUSED,
	  XLB_DROP_BAD_PACKET },
	{ "routing header at its end", 1, { 43 }, .expect = CHAIN_FORWARDED },
	{ "routing header to elsewhere", 1, { 43 }, 0, 1, CHAIN_REFUSED, XLB_DROP_NONE },
	{ "whole packet as one fragment", 1, { 44 }, .expect = CHAIN_FORWARDED },
	{ "last fragment", 1, { 44 }, 8, 0, CHAIN_REFUSED, XLB_DROP_FRAGMENT },
	{ "fragment behind others", 3, { 0, 60, 44 }, 8, 0, CHAIN_REFUSED, XLB_DROP_FRAGMENT },
	{ "mobility header", 1, { 135 }, 0, 0, CHAIN_REFUSED, XLB_DROP_NONE },
};

static void expect_chain(const struct chain *chain, uint8_t protocol)
{
	static uint8_t data[FRAME_MAX];
	const char *fault = NULL;
	struct frame frame;
	struct talk talk;

	talk_open(&talk, XLB_IPV6, protocol, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, ACK);
	memcpy(frame.extensions, chain->types, sizeof(frame.extensions));
	frame.extension_count = chain->count;
	frame.fragment = chain->fragment;
	frame.segments_left = chain->segments_left;
	if (chain->expect == CHAIN_REFUSED)
		world_refuses(chain->name, data, frame_build(&frame, data), chain->reason);
	else
		fault = talk_send(&talk, CLIENT, &frame, FORWARDED, XLB_DROP_NONE);
	if (fault)
		fail_msg("%s: %s", chain->name, fault);
}

static void test_chains(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		expect_chain(&chains[i], IPPROTO_TCP);
		expect_chain(&chains[i], IPPROTO_UDP);
	}
}

/* An extension header that says to be longer than the packet, in a frame that has room for it. */
static void test_long_extension(void **state)
{
	static uint8_t data[FRAME_MAX];
	struct frame frame;
	struct talk talk;

	(void)state;
	talk_open(&talk, XLB_IPV6, IPPROTO_UDP, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, 0);
	frame.extensions[0] = 60;
	frame.extension_count = 1;
	frame.padding = 1500;
	for (size_t size = 6; size < 256; size++) {
		size_t length = frame_build(&frame, data);

		data[ETH_HLEN + 41] = (uint8_t)size;
		world_refuses("long extension header", data, length, XLB_DROP_BAD_PACKET);
	}
}

/* A header that the packet has no room for is broken, whatever it says. */
static void test_cut_extension(void **state)
{
	static uint8_t data[FRAME_MAX];
	static const struct {
		uint8_t type;
		uint16_t fragment;
		uint8_t segments_left;
	} rows[] = { { 44, 8, 0 }, { 44, 1, 0 }, { 43, 0, 1 }, { 60, 0, 0 } };
	struct frame frame;
	struct talk talk;

	(void)state;
	talk_open(&talk, XLB_IPV6, IPPROTO_UDP, VIP_OWN);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		frame = talk_frame(&talk, CLIENT, 0);
		frame.extensions[0] = rows[i].type;
		frame.extension_count = 1;
		frame.fragment = rows[i].fragment;
		frame.segments_left = rows[i].segments_left;
		for (size_t size = 0; size < 8; size++) {
			size_t length = frame_build(&frame, data);

			put16(data + ETH_HLEN + 4, size);
			world_refuses("cut extension header", data, length, XLB_DROP_BAD_PACKET);
		}
	}
}

/* IPv4 addresses in IPv6 clothes are nobody's, though xlb writes IPv4 addresses so inside. */
static void test_mapped(void **state)
{
	static uint8_t data[FRAME_MAX];
	struct xlb_addr vip = addr_vip(VIP_OWN, XLB_IPV4), client = addr_client(XLB_IPV4);
	struct frame frame;
	struct talk talk;
	size_t length;

	(void)state;
	talk_open(&talk, XLB_IPV6, IPPROTO_TCP, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, SYN);
	length = frame_build(&frame, data);
	memcpy(data + ETH_HLEN + 8, &client, sizeof(client));
	world_refuses("IPv4-mapped source", data, length, XLB_DROP_NONE);
	frame_build(&frame, data);
	memcpy(data + ETH_HLEN + 24, &vip, sizeof(vip));
	world_refuses("IPv4-mapped destination", data, length, XLB_DROP_NONE);
}

/* A message of less than eight bytes is none, whatever the frame has behind the packet. */
static void short_message(uint8_t family)
{
	static uint8_t data[FRAME_MAX];
	const uint8_t types[] = { family == XLB_IPV4 ? 8 : 128, 3 };
	struct talk talk;

	talk_init(&talk, family, IPPROTO_UDP, WEB, VIP_OWN);
	for (uint16_t length = 0; length < 8; length++)
		for (size_t i = 0; i < sizeof(types) * 2; i++) {
			uint8_t message[8] = { types[i / 2] };
			struct frame frame = talk_frame(&talk, CLIENT, 0);

			frame.protocol = family == XLB_IPV4 ? (uint8_t)IPPROTO_ICMP :
							      (uint8_t)IPPROTO_ICMPV6;
			frame.message = message;
			frame.payload = length;
			frame.padding = i % 2 ? 20 : 0;
			world_refuses("short ICMP message", data, frame_build(&frame, data),
				      XLB_DROP_BAD_PACKET);
		}
}

static void test_short_message(void **state)
{
	(void)state;
	short_message(XLB_IPV4);
	short_message(XLB_IPV6);
}

/* Random bytes changed: never an unknown verdict, never a drop without a reason, never a passed packet changed. */
static void test_random(void **state)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	struct talk talks[4];

	(void)state;
	srandom(1);
	talk_open(&talks[0], XLB_IPV4, IPPROTO_TCP, VIP_OWN);
	talk_open(&talks[1], XLB_IPV4, IPPROTO_UDP, VIP_OWN);
	talk_open(&talks[2], XLB_IPV6, IPPROTO_TCP, VIP_OWN);
	talk_open(&talks[3], XLB_IPV6, IPPROTO_UDP, VIP_OWN);
	for (int i = 0; i < 20000; i++) {
		const struct talk *talk = &talks[random() % 4];
		uint8_t flags = corpus_flags[(size_t)random() % sizeof(corpus_flags)];
		struct frame frame = talk_frame(talk, random() % 2 ? CLIENT : SERVER, flags);
		uint64_t before = world_drops_total();
		bool refused;
		size_t length;

		if (random() % 2)
			with_options(&frame);
		length = frame_build(&frame, data);
		for (long n = random() % 6; n >= 0; n--)
			data[12 + (size_t)random() % (n % 2 ? 60 : length - 12)] =
				(uint8_t)random();
		world_send(data, length, &got);
		/* a RST is counted as a drop and sent */
		refused = world_drops_total() != before;
		if (got.verdict == XDP_ABORTED || got.verdict > XDP_REDIRECT ||
		    world_drops_total() - before > 1 || (got.verdict == XDP_DROP) > refused ||
		    (got.verdict == XDP_PASS && refused))
			fail_msg("packet %d: verdict %u, drops %d", i, got.verdict, refused);
		if (got.verdict == XDP_PASS &&
		    (got.length != length || memcmp(got.data, data, length)))
			fail_msg("packet %d: changed and passed", i);
	}
}

const struct CMUnitTest malformed_tests[] = {
	{ .name = "malformed: frames cut at every length", .test_func = test_cut },
	{ .name = "malformed: packets short at every length", .test_func = test_short },
	{ .name = "malformed: every field", .test_func = test_corrupt },
	{ .name = "malformed: IPv6 extension headers", .test_func = test_chains },
	{ .name = "malformed: IPv6 extension header beyond the packet",
	  .test_func = test_long_extension },
	{ .name = "malformed: IPv6 extension headers cut", .test_func = test_cut_extension },
	{ .name = "malformed: IPv4-mapped addresses", .test_func = test_mapped },
	{ .name = "malformed: short ICMP messages", .test_func = test_short_message },
	{ .name = "malformed: random changes", .test_func = test_random },
	{ 0 },
};
