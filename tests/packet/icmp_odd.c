// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ICMP errors that are cut short, lie, or are about nothing that xlb knows: they never leave, and never change. */
#include "tests.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <string.h>

#include "icmp_frames.h"
#include "tables.h"

#define QUOTED_L4 8	 /* what every quote has of the transport header */
#define LATER	  0x0064 /* a fragment's offset */
#define MORE	  0x2000

/* "Port unreachable", which both families have. */
static struct error_row refused(uint8_t family)
{
	return (struct error_row){
		.family = family,
		.type = family == XLB_IPV4 ? 3 : 1,
		.code = family == XLB_IPV4 ? 3 : 4,
	};
}

static size_t ip_header(uint8_t family)
{
	return family == XLB_IPV4 ? 20 : 40;
}

/* The client's error about what the VIP has sent, whole. */
static struct error error_of_client(const struct talk *talk)
{
	struct error_row row = refused(talk->family);
	struct view outside = view_of_client(talk);
	struct frame quoted = quoted_frame(talk, &outside, true);
	struct error error = error_frame(&row, &quoted, &outside.peer);

	memcpy(error.outer.mac_source, talk->client_mac, 6);
	error.quoted_l4 = WHOLE_PACKET;
	return error;
}

/* The server's error about what it got. */
static struct error error_of_server(const struct talk *talk)
{
	struct view inside = view_of_server(talk);
	struct error_row row = refused(inside.family);
	struct frame quoted = quoted_frame(talk, &inside, false);
	struct error error = error_frame(&row, &quoted, &inside.server);

	memcpy(error.outer.mac_source, mac_server, 6);
	error.quoted_l4 = WHOLE_PACKET;
	return error;
}

/* Says in the outer IP header that so much follows it. */
static void say_length(uint8_t *data, uint8_t family, size_t length)
{
	uint8_t *at = data + ETH_HLEN + (family == XLB_IPV4 ? 2 : 4);

	if (family == XLB_IPV4)
		length += 20;
	at[0] = (uint8_t)(length >> 8);
	at[1] = (uint8_t)length;
}

static void expect_forwarded(const char *what, const uint8_t *data, size_t length)
{
	static struct outcome got;

	world_send(data, length, &got);
	if (got.verdict != XDP_REDIRECT && got.verdict != XDP_TX)
		fail_msg("%s, %zu bytes: verdict %u", what, length, got.verdict);
}

/*
 * The message ends at every byte up to the transport header's eighth, first because the IP header says so, then because
 * the frame is no longer.
 */
static void cut_message(const struct error *error, enum xlb_reason reason)
{
	static uint8_t data[FRAME_MAX];
	uint8_t family = error->outer.family;
	size_t whole = error_build(error, data), header = ETH_HLEN + ip_header(family);
	size_t least = 8 + ip_header(family) + QUOTED_L4;

	for (size_t length = 1; length < least; length++) {
		say_length(data, family, length);
		world_refuses("padding behind the quote", data, whole, reason);
		world_refuses("a short quote", data, header + length, reason);
		say_length(data, family, length + 1);
		world_refuses("a cut frame", data, header + length, reason);
	}
	say_length(data, family, least);
	expect_forwarded("the shortest quote", data, header + least);
	expect_forwarded("the shortest quote and padding", data, whole);
}

static void each_cut(uint8_t family, uint8_t protocol)
{
	static const enum service services[] = { WEB, CROSS, DR, GUE };
	struct error error;
	struct talk talk;

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		talk_begin(&talk, family, protocol, services[i]);
		error = error_of_client(&talk);
		cut_message(&error, XLB_DROP_BAD_PACKET);
	}
}

static void test_cut(void **state)
{
	(void)state;
	each_kind(each_cut);
}

/* What a byte of the quoted IP header says in place of the truth. */
struct lie {
	const char *what;
	uint8_t family;
	size_t at;
	uint8_t value;
	enum xlb_reason reason;
};

static const struct lie lies[] = {
	{ "version 6", XLB_IPV4, 0, 0x65, XLB_DROP_BAD_PACKET },
	{ "version 0", XLB_IPV4, 0, 0x05, XLB_DROP_BAD_PACKET },
	{ "header of 0", XLB_IPV4, 0, 0x40, XLB_DROP_BAD_PACKET },
	{ "header of 16", XLB_IPV4, 0, 0x44, XLB_DROP_BAD_PACKET },
	{ "header of 24", XLB_IPV4, 0, 0x46, XLB_DROP_ICMP_UNKNOWN },
	{ "header of 60", XLB_IPV4, 0, 0x4f, XLB_DROP_ICMP_UNKNOWN },
	{ "total length of 19", XLB_IPV4, 3, 19, XLB_DROP_BAD_PACKET },
	{ "a later fragment", XLB_IPV4, 7, 1, XLB_DROP_BAD_PACKET },
	{ "another source", XLB_IPV4, 15, 99, XLB_DROP_BAD_PACKET },
	{ "another destination", XLB_IPV4, 19, 99, XLB_DROP_ICMP_UNKNOWN },
	{ "ICMP", XLB_IPV4, 9, 1, 0 },
	{ "SCTP", XLB_IPV4, 9, 132, 0 },
	{ "version 4", XLB_IPV6, 0, 0x45, XLB_DROP_BAD_PACKET },
	{ "another source", XLB_IPV6, 23, 99, XLB_DROP_BAD_PACKET },
	{ "another destination", XLB_IPV6, 39, 99, XLB_DROP_ICMP_UNKNOWN },
	{ "ICMPv6", XLB_IPV6, 6, 58, 0 },
	{ "no next header", XLB_IPV6, 6, 59, 0 },
	{ "extension header beyond the end", XLB_IPV6, 6, 60, XLB_DROP_BAD_PACKET },
};

/* The ports take the place of what the lie takes for a header, which says that 255 * 8 bytes follow. */
static void each_lie(uint8_t family, uint8_t protocol)
{
	static uint8_t data[FRAME_MAX];
	size_t quote = ETH_HLEN + ip_header(family) + 8;
	struct error error;
	struct talk talk;

	talk_begin(&talk, family, protocol, WEB);
	error = error_of_client(&talk);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		size_t length = error_build(&error, data);

		if (lies[i].family != family)
			continue;
		data[quote + lies[i].at] = lies[i].value;
		if (lies[i].at == 3)
			data[quote + 2] = 0;
		data[quote + ip_header(family) + 1] |= lies[i].at == 6 ? 0xff : 0;
		world_refuses(lies[i].what, data, length, lies[i].reason);
	}
}

static void test_lies(void **state)
{
	(void)state;
	each_kind(each_lie);
}

/* Fragments: the first has the ports, later ones do not; and those of the error itself are not looked into. */
static void each_fragment(uint8_t family, uint8_t protocol)
{
	static uint8_t data[FRAME_MAX];
	bool ipv6 = family == XLB_IPV6;
	struct error error;
	struct talk talk;
	size_t length;

	talk_begin(&talk, family, protocol, WEB);
	error = error_of_client(&talk);
	error.quoted.extensions[0] = 44;
	error.quoted.extension_count = ipv6;
	error.quoted.fragment = ipv6 ? 1 : MORE;
	length = error_build(&error, data);
	expect_forwarded("about a first fragment", data, length);
	error.quoted.fragment = ipv6 ? LATER << 3 : LATER;
	length = error_build(&error, data);
	world_refuses("about a later fragment", data, length, XLB_DROP_BAD_PACKET);
	error = error_of_client(&talk);
	error.outer.extensions[0] = 44;
	error.outer.extension_count = ipv6;
	error.outer.fragment = ipv6 ? 1 : MORE;
	length = error_build(&error, data);
	world_refuses("in fragments", data, length, 0);
}

static void test_fragments(void **state)
{
	(void)state;
	each_kind(each_fragment);
}

/* About no flow, where that matters: who has the address decides. */
static void each_unknown(uint8_t family, uint8_t protocol)
{
	static const enum service services[] = { WEB,	   CROSS,  NAT,	      NAT_NEAR,
						 DISABLED, BROKEN, NO_SERVER, NAT_SELF };
	static uint8_t data[FRAME_MAX];
	struct error error;
	struct talk talk;

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		for (enum vip vip = 0; vip < VIP_COUNT; vip++) {
			world_reset();
			talk_init(&talk, family, protocol, services[i], vip);
			error = error_of_client(&talk);
			world_refuses("about no flow", data, error_build(&error, data),
				      vip == VIP_HOST ? 0 : XLB_DROP_ICMP_UNKNOWN);
			assert_int_equal(tables_flows(), 0);
		}
	talk_init(&talk, family, protocol, WEB, VIP_OWN);
	talk.now.snat = addr_snat(service_family(WEB, family), 0);
	talk.now.snat_port = 4000;
	error = error_of_server(&talk);
	world_refuses("to a SNAT address", data, error_build(&error, data), 0);
	talk_init(&talk, family, protocol, NAT, VIP_OWN);
	talk.now.snat = addr_client(family);
	talk.now.snat_port = talk.client_port;
	error = error_of_server(&talk);
	world_refuses("of a server to a client", data, error_build(&error, data), 0);
}

static void test_unknown(void **state)
{
	(void)state;
	each_kind(each_unknown);
}

const struct CMUnitTest icmp_odd_tests[] = {
	{ .name = "icmp: an error that ends anywhere", .test_func = test_cut },
	{ .name = "icmp: what quotes may not say of themselves", .test_func = test_lies },
	{ .name = "icmp: errors about fragments, and in fragments", .test_func = test_fragments },
	{ .name = "icmp: errors of no flow, by whose address they came to",
	  .test_func = test_unknown },
	{},
};
