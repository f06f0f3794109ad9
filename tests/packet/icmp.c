// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ICMP errors on their way to the other end of the flow that they are about. */
#include "tests.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "dry.h"
#include "icmp_frames.h"
#include "tables.h"

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
	error->quoted.ip_options = error->quoted.extension_count = 0;
	if (family == XLB_IPV4) {
		error->outer.ip_id = (uint16_t)(got->data[18] << 8 | got->data[19]);
		error->quoted.ip_id = (uint16_t)(got->data[46] << 8 | got->data[47]);
		if (20 + l4 + error->quoted.payload > 1260)
			error->quoted.fragment = DONT_FRAGMENT;
	}
	return !row->none;
}

/* How an error is made: whoever sends it, and what it quotes. */
struct aspect {
	bool router;
	bool options; /* the quoted packet has IPv4 options or IPv6 extension headers */
	size_t quoted_l4;
};

static void quote_options(struct frame *quoted)
{
	quoted->ip_options = 12;
	memcpy(quoted->extensions, (uint8_t[]){ 0, 43, 60, 44 }, 4);
	quoted->extension_count = 4;
	if (quoted->family == XLB_IPV6)
		quoted->fragment = 0; /* a fragment header on a whole packet (RFC 6946) */
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
	struct mapping outer;
	const char *fault;

	want->quoted_l4 = sent->quoted_l4;
	world_send(data, length, &got);
	if (!error_translate(want, row, want->quoted.family, &got)) {
		if (got.verdict != XDP_DROP || world_drops(XLB_DROP_ICMP_UNKNOWN) != drops + 1)
			fail_frame("not dropped", talk, row, sent->quoted_l4);
		return;
	}
	if (got.verdict != (slot == SLOT_NONE	 ? XDP_PASS :
			    slot == SLOT_CLIENTS ? XDP_TX :
						   XDP_REDIRECT))
		fail_frame("not forwarded", talk, row, sent->quoted_l4);
	want->outer.ttl -= slot != SLOT_NONE;
	if (service_mode(talk->server) == XLB_MODE_TUNNEL) {
		talk_wrap(&want->outer, talk->server, service_family(talk->server, talk->family),
			  &got, &outer);
		if (talk_is_wrapped_apart(talk, &outer))
			fail_frame("not in the outer header of its flow", talk, row,
				   sent->quoted_l4);
	}
	length = error_build(want, wanted);
	if (got.length != length || memcmp(got.data, wanted, length)) {
		frame_print_difference(got.data, got.length, wanted, length);
		fail_frame("another frame came out", talk, row, sent->quoted_l4);
	}
	fault = frame_fault(got.data, got.length);
	if (fault)
		fail_frame(fault, talk, row, sent->quoted_l4);
}

/* From the client or a router before it, about a packet to the client: goes to the server. */
static void error_to_server(const struct talk *talk, const struct error_row *row,
			    const struct aspect *aspect)
{
	struct view outside = view_of_client(talk), inside = view_of_server(talk);
	struct frame quoted = quoted_frame(talk, &outside, true);
	struct xlb_addr from = aspect->router ? addr_router(talk->family) :
						addr_client(talk->family);
	struct error sent = error_frame(row, &quoted, &from), want;

	if (row->family != talk->family)
		return;
	sent.quoted_l4 = aspect->quoted_l4;
	if (aspect->options)
		quote_options(&sent.quoted);
	memcpy(sent.outer.mac_source, talk->client_mac, 6);
	want = sent;
	if (!xlb_mode_has(service_mode(talk->server), XLB_MODE_DIRECT)) {
		want.quoted = quoted_frame(talk, &inside, true);
		if (aspect->options)
			quote_options(&want.quoted);
		want.outer.family = inside.family;
		want.outer.destination = inside.server;
		if (talk_is_fullnat(talk))
			want.outer.source = inside.peer;
	}
	if (talk_slot(talk)) {
		memcpy(want.outer.mac_source, mac_slots[talk_slot(talk)], 6);
		memcpy(want.outer.mac_destination, mac_server, 6);
	}
	expect_error(talk, row, &sent, &want, talk_slot(talk));
}

/* From the server or a router before it, about a packet to the server: goes to the client. */
static void error_to_client(const struct talk *talk, const struct error_row *row,
			    const struct aspect *aspect)
{
	struct view outside = view_of_client(talk), inside = view_of_server(talk);
	struct frame quoted = quoted_frame(talk, &inside, false);
	struct xlb_addr from = aspect->router ? addr_router(inside.family) : inside.server;
	struct error sent = error_frame(row, &quoted, &from), want;

	if (row->family != inside.family ||
	    xlb_mode_has(service_mode(talk->server), XLB_MODE_DIRECT))
		return;
	sent.quoted_l4 = aspect->quoted_l4;
	if (aspect->options)
		quote_options(&sent.quoted);
	memcpy(sent.outer.mac_source, mac_server, 6);
	want = sent;
	want.quoted = quoted_frame(talk, &outside, false);
	if (aspect->options)
		quote_options(&want.quoted);
	want.outer.family = outside.family;
	want.outer.source = outside.server;
	want.outer.destination = outside.peer;
	memcpy(want.outer.mac_source, mac_slots[SLOT_CLIENTS], 6);
	memcpy(want.outer.mac_destination, talk->client_mac, 6);
	expect_error(talk, row, &sent, &want, SLOT_CLIENTS);
}

static const enum service services[] = { WEB,  ONE_ARM, CROSS,	    NAT,       NAT_NEAR, DR,
					 IPIP, GUE,	IPIP_CROSS, GUE_CROSS, LOCAL };

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* Both ways, every n-th row. */
static void errors_of(const struct talk *talk, const struct aspect *aspect, size_t every)
{
	for (size_t n = 0; n < COUNT(rows); n += every) {
		error_to_server(talk, &rows[n], aspect);
		error_to_client(talk, &rows[n], aspect);
	}
}

static void each_error(uint8_t family, uint8_t protocol)
{
	static const struct aspect aspects[] = {
		{ .quoted_l4 = 8 },
		{ .router = true, .quoted_l4 = 8 },
		{ .quoted_l4 = 18 },
		{ .router = true, .quoted_l4 = 20 },
		{ .quoted_l4 = 21 },
		{ .quoted_l4 = WHOLE_PACKET },
		{ .router = true, .quoted_l4 = WHOLE_PACKET },
		{ .options = true, .quoted_l4 = 8 },
		{ .router = true, .options = true, .quoted_l4 = WHOLE_PACKET },
	};
	struct talk talk;

	for (size_t i = 0; i < COUNT(services); i++) {
		talk_begin(&talk, family, protocol, services[i]);
		for (size_t k = 0; k < COUNT(aspects); k++)
			errors_of(&talk, &aspects[k], 1);
	}
}

static void test_errors(void **state)
{
	(void)state;
	each_kind(each_error);
}

/* What must not change the world: it would if the flow were counted, or what routers say kept. */
static void each_dry_error(uint8_t family, uint8_t protocol)
{
	static const struct aspect aspect = { .router = true, .quoted_l4 = WHOLE_PACKET };
	static const enum service of_each_kind[] = { WEB, CROSS, NAT, GUE, LOCAL };
	struct talk talk;

	for (size_t i = 0; i < COUNT(of_each_kind); i++) {
		talk_begin(&talk, family, protocol, of_each_kind[i]);
		dry_start();
		errors_of(&talk, &aspect, 20);
		dry_stop();
	}
}

static void test_dry_errors(void **state)
{
	(void)state;
	each_kind(each_dry_error);
}

/* Without a flow: a server that needs none gets the error, as it would get the client's next packet. */
static void each_stranger(uint8_t family, uint8_t protocol)
{
	static const struct aspect aspect = { .quoted_l4 = 8 };
	static const enum service direct[] = { DR, IPIP, GUE, IPIP_CROSS, GUE_CROSS, LOCAL };
	struct talk talk;

	for (size_t i = 0; i < COUNT(direct); i++) {
		world_reset();
		talk_init(&talk, family, protocol, direct[i], VIP_OWN);
		for (size_t n = 0; n < COUNT(rows); n++)
			error_to_server(&talk, &rows[n], &aspect);
		assert_int_equal(tables_flows(), 0);
	}
}

static void test_strangers(void **state)
{
	(void)state;
	each_kind(each_stranger);
}

/* Which of the two the scheduler gives the client is the same for an error and for what the client sends then. */
static void each_choice(uint8_t family, uint8_t protocol)
{
	static const struct aspect aspect = { .quoted_l4 = 8 };
	const struct error_row row = { .family = family, .type = family == XLB_IPV4 ? 3 : 1 };
	const struct step step = FORWARD(CLIENT, ACK);
	uint32_t chosen[2] = { 0 };

	world_reset();
	world_group_of_two(IPIP, IPIP, IPIP_CROSS);
	for (int i = 0; i < 32; i++) {
		static uint8_t data[FRAME_MAX];
		static struct outcome got;
		struct talk talk;
		struct view outside;
		struct frame quoted;
		struct error error;
		bool cross;

		talk_init(&talk, family, protocol, IPIP, VIP_OWN);
		outside = view_of_client(&talk);
		quoted = quoted_frame(&talk, &outside, true);
		error = error_frame(&row, &quoted, &outside.peer);
		memcpy(error.outer.mac_source, talk.client_mac, 6);
		error.quoted_l4 = 8;
		world_send(data, error_build(&error, data), &got);
		cross = (got.data[14] >> 4 == 4) != (family == XLB_IPV4);
		chosen[cross]++;
		talk.server = cross ? IPIP_CROSS : IPIP;
		error_to_server(&talk, &row, &aspect);
		assert_null(talk_step(&talk, &step));
	}
	assert_true(chosen[0] && chosen[1]);
}

static void test_choices(void **state)
{
	(void)state;
	each_kind(each_choice);
}

const struct CMUnitTest icmp_tests[] = {
	{ .name = "icmp: every error, of ends and of routers, reaches the other end of its flow",
	  .test_func = test_errors },
	{ .name = "icmp: dry runs of errors change nothing", .test_func = test_dry_errors },
	{ .name = "icmp: errors of no flow reach servers that need none",
	  .test_func = test_strangers },
	{ .name = "icmp: the scheduler's choice for an error is that for the client",
	  .test_func = test_choices },
	{},
};
