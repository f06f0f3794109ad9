// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ICMP errors on their way to the flow that they are about, and echo requests. */
#include "tests.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "decode.h"
#include "talk.h"

#define QUOTED_TTL   50
#define ROUTER_TTL   200
#define WHOLE_PACKET 0xffff

/* An error as one family says it, and as the other does (RFC 7915 sections 4.2 and 5.2). */
struct error_row {
	uint8_t family, type, code;
	uint32_t word; /* bytes 4 to 7 of the message */
	bool none;     /* the other family has no such error */
	uint8_t other_type, other_code;
	uint32_t other_word;
};

#define POINTER4(at) ((uint32_t)(at) << 24)

static const struct error_row rows[] = {
	{ XLB_IPV4, 3, 0, 0, false, 1, 0, 0 },
	{ XLB_IPV4, 3, 1, 0, false, 1, 0, 0 },
	{ XLB_IPV4, 3, 2, 0, false, 4, 1, 6 },
	{ XLB_IPV4, 3, 3, 0, false, 1, 4, 0 },
	{ XLB_IPV4, 3, 4, 1300, false, 2, 0, 1320 },
	{ XLB_IPV4, 3, 4, 1259, false, 2, 0, 1280 },
	{ XLB_IPV4, 3, 4, 68, false, 2, 0, 1280 },
	{ XLB_IPV4, 3, 4, 0, false, 2, 0, 1280 },
	{ XLB_IPV4, 3, 5, 0, false, 1, 0, 0 },
	{ XLB_IPV4, 3, 8, 0, false, 1, 0, 0 },
	{ XLB_IPV4, 3, 9, 0, false, 1, 1, 0 },
	{ XLB_IPV4, 3, 10, 0, false, 1, 1, 0 },
	{ XLB_IPV4, 3, 11, 0, false, 1, 0, 0 },
	{ XLB_IPV4, 3, 12, 0, false, 1, 0, 0 },
	{ XLB_IPV4, 3, 13, 0, false, 1, 1, 0 },
	{ XLB_IPV4, 3, 14, 0, true, 0, 0, 0 },
	{ XLB_IPV4, 3, 15, 0, false, 1, 1, 0 },
	{ XLB_IPV4, 3, 16, 0, true, 0, 0, 0 },
	{ XLB_IPV4, 11, 0, 0, false, 3, 0, 0 },
	{ XLB_IPV4, 11, 1, 0, false, 3, 1, 0 },
	{ XLB_IPV4, 12, 0, POINTER4(0), false, 4, 0, 0 },
	{ XLB_IPV4, 12, 0, POINTER4(1), false, 4, 0, 1 },
	{ XLB_IPV4, 12, 0, POINTER4(2), false, 4, 0, 4 },
	{ XLB_IPV4, 12, 0, POINTER4(3), false, 4, 0, 4 },
	{ XLB_IPV4, 12, 0, POINTER4(4), true, 0, 0, 0 },
	{ XLB_IPV4, 12, 0, POINTER4(7), true, 0, 0, 0 },
	{ XLB_IPV4, 12, 0, POINTER4(8), false, 4, 0, 7 },
	{ XLB_IPV4, 12, 0, POINTER4(9), false, 4, 0, 6 },
	{ XLB_IPV4, 12, 0, POINTER4(10), true, 0, 0, 0 },
	{ XLB_IPV4, 12, 2, POINTER4(12), false, 4, 0, 8 },
	{ XLB_IPV4, 12, 0, POINTER4(15), false, 4, 0, 8 },
	{ XLB_IPV4, 12, 0, POINTER4(16), false, 4, 0, 24 },
	{ XLB_IPV4, 12, 0, POINTER4(19), false, 4, 0, 24 },
	{ XLB_IPV4, 12, 0, POINTER4(20), true, 0, 0, 0 },
	{ XLB_IPV4, 12, 1, 0, true, 0, 0, 0 },
	{ XLB_IPV6, 1, 0, 0, false, 3, 1, 0 },
	{ XLB_IPV6, 1, 1, 0, false, 3, 10, 0 },
	{ XLB_IPV6, 1, 2, 0, false, 3, 1, 0 },
	{ XLB_IPV6, 1, 3, 0, false, 3, 1, 0 },
	{ XLB_IPV6, 1, 4, 0, false, 3, 3, 0 },
	{ XLB_IPV6, 1, 5, 0, true, 0, 0, 0 },
	{ XLB_IPV6, 2, 0, 1400, false, 3, 4, 1380 },
	{ XLB_IPV6, 2, 0, 50, false, 3, 4, 68 },
	{ XLB_IPV6, 2, 0, 100000, false, 3, 4, 65535 },
	{ XLB_IPV6, 3, 0, 0, false, 11, 0, 0 },
	{ XLB_IPV6, 3, 1, 0, false, 11, 1, 0 },
	{ XLB_IPV6, 4, 0, 0, false, 12, 0, POINTER4(0) },
	{ XLB_IPV6, 4, 0, 1, false, 12, 0, POINTER4(1) },
	{ XLB_IPV6, 4, 0, 2, true, 0, 0, 0 },
	{ XLB_IPV6, 4, 0, 4, false, 12, 0, POINTER4(2) },
	{ XLB_IPV6, 4, 0, 6, false, 12, 0, POINTER4(9) },
	{ XLB_IPV6, 4, 0, 7, false, 12, 0, POINTER4(8) },
	{ XLB_IPV6, 4, 0, 8, false, 12, 0, POINTER4(12) },
	{ XLB_IPV6, 4, 0, 23, false, 12, 0, POINTER4(12) },
	{ XLB_IPV6, 4, 0, 24, false, 12, 0, POINTER4(16) },
	{ XLB_IPV6, 4, 0, 39, false, 12, 0, POINTER4(16) },
	{ XLB_IPV6, 4, 0, 40, true, 0, 0, 0 },
	{ XLB_IPV6, 4, 1, 6, false, 3, 2, 0 },
	{ XLB_IPV6, 4, 2, 0, true, 0, 0, 0 },
};

/* An error: what carries it, what it says, and what it quotes, of that so many bytes from the transport header on. */
struct error {
	struct frame outer, quoted;
	uint8_t type, code;
	uint32_t word;
	size_t quoted_l4;
};

static size_t error_build(const struct error *error, uint8_t *ret)
{
	static uint8_t quoted[FRAME_MAX], message[FRAME_MAX];
	size_t whole = frame_build(&error->quoted, quoted) - 14;
	size_t length = frame_l4_offset(&error->quoted) - 14 + error->quoted_l4;
	uint32_t word = htonl(error->word);
	struct frame frame = error->outer;

	if (length > whole)
		length = whole;
	memset(message, 0, 8);
	message[0] = error->type;
	message[1] = error->code;
	memcpy(message + 4, &word, 4);
	memcpy(message + 8, quoted + 14, length);
	frame.protocol = frame.family == XLB_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	frame.message = message;
	frame.payload = (uint16_t)(8 + length);
	return frame_build(&frame, ret);
}

static struct xlb_addr addr_router(uint8_t family)
{
	struct xlb_addr addr = addr_client(family);

	addr.bytes[14] ^= 0x55;
	return addr;
}

/* How one side knows the flow: the client and the VIP, or the server and what it takes for the client. */
struct view {
	uint8_t family;
	struct xlb_addr server, peer;
	uint16_t server_port, peer_port;
};

static struct view view_of_client(const struct talk *talk)
{
	return (struct view){
		.family = talk->family,
		.server = addr_vip(talk->vip, talk->family),
		.peer = addr_client(talk->family),
		.server_port = service_port(talk->service),
		.peer_port = talk->client_port,
	};
}

static struct view view_of_server(const struct talk *talk)
{
	uint8_t family = service_family(talk->server, talk->family);

	return (struct view){
		.family = family,
		.server = addr_server(talk->server, family),
		.peer = talk->now.snat,
		.server_port = server_port(talk->server, service_port(talk->service)),
		.peer_port = talk->now.snat_port,
	};
}

/* The packet of the flow that an error is about, as a side knows it; one of the server's or one of the client's. */
static struct frame quoted_frame(const struct talk *talk, const struct view *view, bool of_server)
{
	return (struct frame){
		.family = view->family,
		.protocol = talk->protocol,
		.class = 0x28,
		.source = of_server ? view->server : view->peer,
		.source_port = of_server ? view->server_port : view->peer_port,
		.destination = of_server ? view->peer : view->server,
		.destination_port = of_server ? view->peer_port : view->server_port,
		.ttl = QUOTED_TTL,
		.ip_id = 0x4321,
		.fragment = DONT_FRAGMENT,
		.flags = PSH | ACK,
		.seq = 0x11223344,
		.ack = 0x55667788,
		.window = 99,
		.payload = 64,
		.pattern = 0x4711,
	};
}

/* An error of somebody to somebody, about a packet of the receiver's. */
static struct error error_frame(const struct error_row *row, const struct frame *quoted,
				const struct xlb_addr *from)
{
	struct error error = {
		.outer = {
			.family = quoted->family,
			.class = 0xc0,
			.source = *from,
			.destination = quoted->source,
			.ttl = ROUTER_TTL,
			.ip_id = 0x9876,
		},
		.quoted = *quoted,
		.type = row->type,
		.code = row->code,
		.word = row->word,
	};

	memcpy(error.outer.mac_destination, mac_slots[SLOT_CLIENTS], 6);
	return error;
}

/* What the row says for a message that leaves in `family`; false: nothing, it cannot. */
static bool error_translate(struct error *error, const struct error_row *row, uint8_t family,
			    const struct outcome *got)
{
	size_t l4 = error->quoted.protocol == IPPROTO_TCP ? 20 : 8;

	if (family == row->family)
		return true;
	error->type = row->other_type;
	error->code = row->other_code;
	error->word = row->other_word;
	error->outer.fragment = error->outer.ip_id = 0;
	error->quoted.fragment = error->quoted.ip_id = 0;
	if (family == XLB_IPV4) {
		error->outer.ip_id = (uint16_t)(got->data[18] << 8 | got->data[19]);
		error->quoted.ip_id = (uint16_t)(got->data[46] << 8 | got->data[47]);
		if (20 + l4 + error->quoted.payload > 1260)
			error->quoted.fragment = DONT_FRAGMENT;
	}
	return !row->none;
}

static void fail_frame(const char *what, const struct talk *talk, const struct error_row *row,
		       size_t quoted)
{
	fail_msg("%s: service %d, IPv%u, protocol %u, type %u code %u word %#x, %zu bytes quoted",
		 what, talk->service, talk->family, talk->protocol, row->type, row->code, row->word,
		 quoted);
}

/* Sends the error; `want` is what it must become, but for what only the translation of the row says. */
static void expect_error(const struct talk *talk, const struct error_row *row,
			 const struct error *sent, struct error *want, uint32_t slot)
{
	static uint8_t data[FRAME_MAX], wanted[FRAME_MAX];
	static struct outcome got;
	uint64_t drops = world_drops(XLB_DROP_ICMP_UNKNOWN);
	size_t length = error_build(sent, data);
	const char *fault;

	want->quoted_l4 = sent->quoted_l4;
	world_send(data, length, &got);
	if (!error_translate(want, row, want->quoted.family, &got)) {
		if (got.verdict != XDP_DROP || world_drops(XLB_DROP_ICMP_UNKNOWN) != drops + 1)
			fail_frame("not dropped", talk, row, sent->quoted_l4);
		return;
	}
	if (got.verdict != (slot == SLOT_CLIENTS ? XDP_TX : XDP_REDIRECT))
		fail_frame("not forwarded", talk, row, sent->quoted_l4);
	want->outer.ttl--;
	length = error_build(want, wanted);
	if (got.length != length || memcmp(got.data, wanted, length)) {
		frame_print_difference(got.data, got.length, wanted, length);
		fail_frame("another frame came out", talk, row, sent->quoted_l4);
	}
	fault = frame_fault(got.data, got.length);
	if (fault)
		fail_frame(fault, talk, row, sent->quoted_l4);
}

static uint32_t slot_of(const struct talk *talk)
{
	return talk->server == ONE_ARM ? SLOT_CLIENTS : SLOT_SERVERS;
}

static bool is_like_fullnat(const struct talk *talk)
{
	return service_mode(talk->server) == XLB_MODE_FULLNAT || talk->server == NAT_NEAR;
}

/* From the client or a router before it, about a packet to the client: goes to the server. */
static void error_to_server(const struct talk *talk, const struct error_row *row, bool router,
			    size_t quoted_l4)
{
	struct view outside = view_of_client(talk), inside = view_of_server(talk);
	struct frame quoted = quoted_frame(talk, &outside, true);
	struct xlb_addr from = router ? addr_router(talk->family) : addr_client(talk->family);
	struct error sent = error_frame(row, &quoted, &from), want;

	if (row->family != talk->family)
		return;
	sent.quoted_l4 = quoted_l4;
	memcpy(sent.outer.mac_source, talk->client_mac, 6);
	want = sent;
	if (!xlb_mode_has(service_mode(talk->server), XLB_MODE_DIRECT)) {
		want.quoted = quoted_frame(talk, &inside, true);
		want.outer.family = inside.family;
		want.outer.destination = inside.server;
		if (is_like_fullnat(talk))
			want.outer.source = inside.peer;
	} else if (service_mode(talk->server) == XLB_MODE_TUNNEL) {
		return; /* see test_tunnelled */
	}
	memcpy(want.outer.mac_source, mac_slots[slot_of(talk)], 6);
	memcpy(want.outer.mac_destination, mac_server, 6);
	expect_error(talk, row, &sent, &want, slot_of(talk));
}

/* From the server or a router before it, about a packet to the server: goes to the client. */
static void error_to_client(const struct talk *talk, const struct error_row *row, bool router,
			    size_t quoted_l4)
{
	struct view outside = view_of_client(talk), inside = view_of_server(talk);
	struct frame quoted = quoted_frame(talk, &inside, false);
	struct xlb_addr from = router ? addr_router(inside.family) : inside.server;
	struct error sent = error_frame(row, &quoted, &from), want;

	if (row->family != inside.family ||
	    xlb_mode_has(service_mode(talk->server), XLB_MODE_DIRECT))
		return;
	sent.quoted_l4 = quoted_l4;
	memcpy(sent.outer.mac_source, mac_server, 6);
	want = sent;
	want.quoted = quoted_frame(talk, &outside, false);
	want.outer.family = outside.family;
	want.outer.source = outside.server;
	want.outer.destination = outside.peer;
	memcpy(want.outer.mac_source, mac_slots[SLOT_CLIENTS], 6);
	memcpy(want.outer.mac_destination, talk->client_mac, 6);
	expect_error(talk, row, &sent, &want, SLOT_CLIENTS);
}

/* A talk with a flow that both sides know. */
static void talk_begin(struct talk *talk, uint8_t family, uint8_t protocol, enum service service)
{
	const struct step request = FORWARD(CLIENT, SYN);
	const char *fault;

	world_reset();
	talk_init(talk, family, protocol, service, VIP_OWN);
	fault = talk_step(talk, &request);
	if (fault)
		fail_msg("%s", fault);
}

static const enum service services[] = { WEB, ONE_ARM, CROSS, NAT, NAT_NEAR, DR };

static void each_error(uint8_t family, uint8_t protocol)
{
	static const size_t quotes[] = { 8, 18, 20, 21, WHOLE_PACKET };
	struct talk talk;

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		talk_begin(&talk, family, protocol, services[i]);
		for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++)
			for (size_t k = 0; k < 2 * sizeof(quotes) / sizeof(quotes[0]); k++) {
				error_to_server(&talk, &rows[n], k % 2, quotes[k / 2]);
				error_to_client(&talk, &rows[n], k % 2, quotes[k / 2]);
			}
	}
}

static void test_errors(void **state)
{
	(void)state;
	each_kind(each_error);
}

/* A ping whose answer is all zero: of the two zeros that a checksum can be, only one is right then. */
static void test_zero(void **state)
{
	static const uint8_t message[8 + 20] = { 8 };
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	struct decoded answer;
	struct frame frame;
	struct talk talk;

	(void)state;
	talk_init(&talk, XLB_IPV4, IPPROTO_UDP, WEB, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, 0);
	frame.protocol = IPPROTO_ICMP;
	frame.message = message;
	for (frame.payload = 8; frame.payload <= sizeof(message); frame.payload++) {
		world_send(data, frame_build(&frame, data), &got);
		assert_int_equal(got.verdict, XDP_TX);
		decode_frame(got.data, got.length, &answer);
		assert_null(answer.fault);
		assert_int_equal(answer.l4_sum, SUM_RIGHT);
	}
}

const struct CMUnitTest icmp_tests[] = {
	{ .name = "icmp: a ping of zeros", .test_func = test_zero },
	{ .name = "icmp: every error, of ends and of routers, reaches the other end of its flow",
	  .test_func = test_errors },
	{},
};
