// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ICMP that is xlb's own: echo replies, what routers say of its outer headers, and how many errors it sends. */
#include "tests.h"

#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>

#include "decode.h"
#include "dry.h"
#include "icmp_frames.h"

#define PATH_MTU_KEPT 600 /* seconds */
#define FLOOR4	      552
#define FLOOR6	      1280

/* --- echo ---------------------------------------------------------------------------------------- */

static void expect_echo(const struct frame *request)
{
	static uint8_t data[FRAME_MAX], wanted[FRAME_MAX];
	static struct outcome got;
	uint64_t drops = world_drops_total();
	struct frame want;
	size_t length;

	world_send(data, frame_build(request, data), &got);
	want = echo_reply(request);
	length = frame_build(&want, wanted);
	if (got.length != length || memcmp(got.data, wanted, length)) {
		frame_print_difference(got.data, got.length, wanted, length);
		fail_msg("IPv%u, %u bytes: another reply", request->family, request->payload);
	}
	assert_int_equal(got.verdict, XDP_TX);
	assert_null(frame_fault(got.data, got.length));
	assert_int_equal(world_drops_total(), drops);
}

static void each_echo(uint8_t family)
{
	static const uint16_t sizes[] = { 8, 9, 64, 777, 1400 };
	struct frame frame;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		frame = echo_request(family, sizes[i]);
		expect_echo(&frame);
	}
	frame = echo_request(family, 8);
	frame.padding = 10;
	expect_echo(&frame);
}

static void test_echo(void **state)
{
	(void)state;
	each_echo(XLB_IPV4);
	each_echo(XLB_IPV6);
}

static void passes(const char *what, const struct frame *frame)
{
	static uint8_t data[FRAME_MAX];

	world_refuses(what, data, frame_build(frame, data), 0);
}

/* What the host answers, or nobody. */
static void each_other_echo(uint8_t family)
{
	const struct frame plain = echo_request(family, 64);
	struct frame frame = plain;
	size_t last = family == XLB_IPV4 ? 12 : 0; /* the first byte of the address */

	frame.destination = addr_vip(VIP_HOST, family);
	passes("to the host", &frame);
	frame.destination = addr_snat(family, 0);
	passes("to a SNAT address", &frame);
	frame = plain;
	frame.ip_options = 8;
	frame.extensions[0] = 60;
	frame.extension_count = 1;
	passes("with options", &frame);
	frame = plain;
	frame.mac_source[0] |= 1;
	passes("from many stations", &frame);
	frame = plain;
	memset(frame.mac_destination, 0xff, 6);
	passes("to all stations", &frame);
	frame = plain;
	frame.source.bytes[last] = family == XLB_IPV4 ? 224 : 0xff;
	passes("from a group", &frame);
	frame.source.bytes[last] = 0;
	passes("from nobody", &frame);
	echo_message[1] = 1;
	passes("with a code", &plain);
	echo_message[1] = 0;
	echo_message[0] = family == XLB_IPV4 ? 0 : 129;
	passes("a reply", &plain);
	echo_message[0] = family == XLB_IPV4 ? 13 : 135;
	passes("another message", &plain);
}

static void each_short_echo(uint8_t family)
{
	static uint8_t data[FRAME_MAX];

	for (uint16_t size = 1; size < 8; size++) {
		struct frame frame = echo_request(family, size);

		world_refuses("a short request", data, frame_build(&frame, data),
			      XLB_DROP_BAD_PACKET);
	}
}

static void test_other_echo(void **state)
{
	(void)state;
	each_other_echo(XLB_IPV4);
	each_other_echo(XLB_IPV6);
	each_short_echo(XLB_IPV4);
	each_short_echo(XLB_IPV6);
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

/* --- path MTUs of tunnels ------------------------------------------------------------------------- */

/*
 * A router says to a SNAT address that the outer packet may have `mtu` bytes: of a client's packet with all that the mode
 * adds. What else is done with that is told by the reason.
 */
static void router_says_to(struct xlb_addr snat, const struct talk *talk, uint32_t mtu,
			   enum xlb_reason reason)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome sample;
	uint8_t family = service_family(talk->server, talk->family);
	struct frame inner = talk_frame(talk, CLIENT, ACK), outer;
	struct error_row row = { family, 3, 4, mtu, false, 0, 0, 0 };
	struct xlb_addr router = addr_router(family);
	struct mapping mapping;
	struct error error;

	if (family == XLB_IPV6)
		row = (struct error_row){ family, 2, 0, mtu, false, 0, 0, 0 };
	/* routers quote what was sent; of that the flow label and GUE's source port are nobody's business here */
	talk_wrap(&inner, talk->server, family, &sample, &mapping);
	inner.outer.source = snat;
	outer = inner;
	outer.source = snat; /* the error's destination */
	outer.family = family;
	error = error_frame(&row, &outer, &router);
	error.quoted = inner;
	error.quoted_l4 = WHOLE_PACKET;
	world_refuses("about an outer header", data, error_build(&error, data), reason);
}

static void router_says(const struct talk *talk, uint32_t mtu)
{
	router_says_to(addr_snat(service_family(talk->server, talk->family), 0), talk, mtu, 0);
}

/* What the client may then send: as much as fits in `mtu`, and no more. */
static void fits(struct talk *talk, uint32_t mtu)
{
	talk->path_mtu = (uint16_t)mtu;
	talk_run(talk, (const struct step[]){ FORWARD_TWIST(CLIENT, ACK, AT_MTU),
					      REFUSE(CLIENT, ACK, MTU_EXCEEDED, OVER_MTU),
					      {} });
}

static const enum service tunnels[] = { IPIP, IPIP_CROSS, GUE, GUE_CROSS };

static void each_path(uint8_t family, uint8_t protocol)
{
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++) {
		struct talk talk;

		talk_begin(&talk, family, protocol, tunnels[i]);
		fits(&talk, SERVER_MTU);
		router_says(&talk, 1500);
		fits(&talk, SERVER_MTU);
		router_says(&talk, 1380);
		fits(&talk, 1380);
		router_says(&talk, 1390); /* others still say less */
		fits(&talk, 1380);
		router_says(&talk, 1350);
		fits(&talk, 1350);
		world_age(PATH_MTU_KEPT - 1);
		fits(&talk, 1350);
		world_age(4); /* stamps are of a second and more */
		fits(&talk, SERVER_MTU);
		router_says(&talk, 1370);
		fits(&talk, 1370);
	}
}

static void test_path(void **state)
{
	(void)state;
	each_kind(each_path);
}

/*
 * The same at an address that is a VIP too: GUE is UDP, so it might be a packet of a flow; as it is of none, the error goes
 * no further. Without UDP the host may know more of it.
 */
static void each_path_of_vip(uint8_t family, uint8_t protocol)
{
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++) {
		struct xlb_addr both = addr_vip(VIP_BOTH, service_family(tunnels[i], family));
		struct talk talk;

		talk_begin(&talk, family, protocol, tunnels[i]);
		fits(&talk, SERVER_MTU);
		router_says_to(both, &talk, 1360,
			       service_is_gue(tunnels[i]) ? XLB_DROP_ICMP_UNKNOWN : 0);
		fits(&talk, 1360);
	}
}

static void test_path_of_vip(void **state)
{
	(void)state;
	each_kind(each_path_of_vip);
}

/* A client's packet of so many bytes in all. */
static void sends(struct talk *talk, uint32_t length, enum expect expect)
{
	struct frame frame = talk_frame(talk, CLIENT, ACK);
	const char *fault;

	frame.payload = (uint16_t)(length - (talk->family == XLB_IPV4 ? 20 : 40) -
				   (talk->protocol == IPPROTO_TCP ? 20 : 8));
	fault = talk_send(talk, CLIENT, &frame, expect,
			  expect == FORWARDED ? 0 : XLB_DROP_MTU_EXCEEDED);
	if (fault)
		fail_msg("service %d, %u bytes: %s", talk->service, length, fault);
}

/*
 * Anybody can forge such an error. IPv4 packets always find room for 552 bytes, or 1280 in IPv6; IPv6 packets of 1280,
 * which nobody may cut and no client makes smaller (RFC 8200 section 5), are always let go.
 */
static void each_floor(uint8_t family, uint8_t protocol)
{
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++) {
		uint8_t outer = service_family(tunnels[i], family);
		struct talk talk;

		talk_begin(&talk, family, protocol, tunnels[i]);
		router_says(&talk, 100);
		talk.path_mtu = outer == XLB_IPV4 ? FLOOR4 : FLOOR6;
		if (family == XLB_IPV4) {
			fits(&talk, talk.path_mtu);
			continue;
		}
		sends(&talk, 1280, FORWARDED);
		sends(&talk, 1281, ANSWERED_ICMP);
	}
}

static void test_floor(void **state)
{
	(void)state;
	each_kind(each_floor);
}

/* Packets without DF go on in headers without DF. */
static void test_may_fragment(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++) {
		struct talk talk;
		struct frame frame;

		talk_begin(&talk, XLB_IPV4, IPPROTO_UDP, tunnels[i]);
		router_says(&talk, 1300);
		frame = talk_frame(&talk, CLIENT, 0);
		frame.fragment = 0;
		frame.payload = 1310;
		if (service_family(tunnels[i], XLB_IPV4) == XLB_IPV4)
			assert_null(talk_send(&talk, CLIENT, &frame, FORWARDED, 0));
	}
}

/* What routers say is not kept by a dry run. */
static void each_dry_path(uint8_t family, uint8_t protocol)
{
	struct talk talk;

	talk_begin(&talk, family, protocol, IPIP);
	dry_start();
	router_says(&talk, 1350);
	dry_stop();
	fits(&talk, 1350);
}

static void test_dry_path(void **state)
{
	(void)state;
	each_kind(each_dry_path);
}

/* --- the rate of errors ---------------------------------------------------------------------------- */

/* No more than 1000 a second; what is above is dropped silently. RSTs have a budget of their own. */
static void test_rate(void **state)
{
	struct frame frame;
	struct talk talk;

	(void)state;
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, SYN);
	frame.ttl = 1;
	talk_send_until_limited(&frame, XLB_DROP_TTL_EXPIRED);
	talk_run(&talk, (const struct step[]){ RESET(CLIENT, ACK, NO_FLOW), {} });
}

const struct CMUnitTest icmp_own_tests[] = {
	{ .name = "icmp: echo requests to VIPs are answered", .test_func = test_echo },
	{ .name = "icmp: a ping of zeros gets the checksum that is right", .test_func = test_zero },
	{ .name = "icmp: other echo requests are the host's", .test_func = test_other_echo },
	{ .name = "icmp: what routers say of outer headers is told to clients for ten minutes",
	  .test_func = test_path },
	{ .name = "icmp: routers are heard at an address that is SNAT address and VIP",
	  .test_func = test_path_of_vip },
	{ .name = "icmp: who forges that cannot make packets arbitrarily small",
	  .test_func = test_floor },
	{ .name = "icmp: packets that may be cut go on", .test_func = test_may_fragment },
	{ .name = "icmp: dry runs do not learn from routers", .test_func = test_dry_path },
	{ .name = "icmp: errors are rate_limited", .test_func = test_rate },
	{},
};
