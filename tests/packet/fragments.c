// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Packets in fragments: cut here, and put together again of what comes out. */
#include "tests.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "decode.h"
#include "talk.h"

#define PARTS	   3
#define PART_BYTES 400 /* of the IP payload, but for the last one */
#define PAYLOAD	   1000
#define FIRST_ID   0x4321U

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Fragment `n` of the packet that the frame describes; its length. */
static size_t fragment_build(const struct frame *frame, size_t n, uint8_t *ret)
{
	static uint8_t whole[FRAME_MAX];
	size_t length = frame_build(frame, whole), l4 = frame_l4_offset(frame);
	size_t from = n * PART_BYTES, left = length - l4 - from;
	size_t size = left > PART_BYTES ? PART_BYTES : left, at = l4;
	bool more = size < left;

	memcpy(ret, whole, l4);
	if (frame->family == XLB_IPV4) {
		put16(ret + 16, l4 - 14 + size);
		put16(ret + 20, from / 8 | (more ? 0x2000 : 0));
		put16(ret + 24, 0);
		put16(ret + 24, checksum_fold(checksum_add(0, ret + 14, l4 - 14)));
	} else {
		at += 8;
		memset(ret + l4, 0, 8);
		ret[l4] = ret[20];
		ret[20] = 44;
		put16(ret + l4 + 2, from | more);
		put16(ret + l4 + 6, frame->ip_id);
		put16(ret + 18, 8 + size);
	}
	memcpy(ret + at, whole + l4 + from, size);
	return at + size;
}

/* Packets put together of what came out: as a frame without fragments. */
struct reassembly {
	uint8_t data[FRAME_MAX + 256];
	size_t header,
		length; /* of the IP header with what lies before, and of what lies behind it so far */
	uint32_t id;
	bool whole;
};

/* Adds what came out, behind `outer` bytes of headers that are not looked at; NULL or what is wrong. */
static const char *reassemble(struct reassembly *into, const struct outcome *got, size_t outer)
{
	const uint8_t *ip = got->data + 14 + outer;
	bool ipv4 = ip[0] >> 4 == 4;
	size_t header = ipv4 ? 20 : 48, offset, size;
	uint32_t id;
	bool more;

	if (!ipv4 && ip[6] != 44)
		return "no fragment header";
	if (ipv4 && checksum_fold(checksum_add(0, ip, 20)))
		return "wrong IPv4 header checksum";
	offset = ipv4 ? (read16(ip + 6) & 0x1fffU) * 8 : read16(ip + 42) & 0xfff8U;
	more = ipv4 ? read16(ip + 6) & 0x2000 : ip[43] & 1;
	id = ipv4 ? read16(ip + 4) : (uint32_t)read16(ip + 44) << 16 | read16(ip + 46);
	size = ipv4 ? read16(ip + 2) - 20U : read16(ip + 4) - 8U;
	if (offset != into->length)
		return "a gap between fragments";
	if (offset && id != into->id)
		return "fragments of one packet have several ids";
	if (ip + header + size > got->data + got->length)
		return "the fragment is longer than its frame";
	into->id = id;
	into->header = ipv4 ? 34 : 54;
	if (!offset) {
		memcpy(into->data, got->data, 12);
		put16(into->data + 12, ipv4 ? 0x0800 : 0x86dd);
		memcpy(into->data + 14, ip, into->header - 14);
		if (!ipv4)
			into->data[20] = ip[40];
	}
	memcpy(into->data + into->header + offset, ip + header, size);
	into->length += size;
	into->whole = !more;
	put16(into->data + (ipv4 ? 16 : 18), into->length + (ipv4 ? 20 : 0));
	if (ipv4) {
		put16(into->data + 18, 0);
		put16(into->data + 20, 0);
		put16(into->data + 24, 0);
		put16(into->data + 24, checksum_fold(checksum_add(0, into->data + 14, 20)));
	}
	return NULL;
}

static size_t outer_size(const struct talk *talk, enum actor actor)
{
	struct frame wrapped = { .outer = { .family = service_family(talk->server, talk->family),
					    .gue = service_is_gue(talk->server) } };

	return actor == CLIENT && service_mode(talk->server) == XLB_MODE_TUNNEL ?
		       frame_outer_size(&wrapped) :
		       0;
}

/* What the whole packet must look like: as the actor's other side knows the flow. */
static struct frame wanted(const struct talk *talk, enum actor actor, const struct frame *sent)
{
	struct frame want = *sent;
	enum xlb_mode mode = service_mode(talk->server);

	want.ttl -= mode != XLB_MODE_LOCAL;
	want.ip_id = want.fragment = 0;
	if (actor == SERVER) {
		want.family = talk->family;
		want.source = addr_vip(talk->vip, talk->family);
		want.source_port = service_port(talk->service);
		want.destination = addr_client(talk->family);
		want.destination_port = talk->client_port;
	} else if (mode == XLB_MODE_FULLNAT || mode == XLB_MODE_NAT) {
		want.family = service_family(talk->server, talk->family);
		want.source = talk->now.snat;
		want.source_port = talk->now.snat_port;
		want.destination = addr_server(talk->server, want.family);
		want.destination_port = server_port(talk->server, want.destination_port);
	}
	return want;
}

static bool is_numbered(const struct talk *talk, enum actor actor)
{
	enum xlb_mode mode = service_mode(talk->server);

	return mode == XLB_MODE_FULLNAT || (mode == XLB_MODE_NAT && actor == SERVER);
}

static struct frame large_frame(const struct talk *talk, enum actor actor)
{
	struct frame frame = talk_frame(talk, actor, PSH | ACK);

	frame.payload = PAYLOAD;
	frame.fragment = 0;
	frame.ip_id = FIRST_ID;
	return frame;
}

/* Whether a fragment is in an outer header that is not as those of its flow. */
static bool is_apart(const struct talk *talk, const struct outcome *got)
{
	struct frame wrapped = {};
	struct mapping outer = {};

	talk_wrap(&wrapped, talk->server, service_family(talk->server, talk->family), got, &outer);
	return talk_is_wrapped_apart(talk, &outer);
}

/* Whether it leaves, or the host, which is the server, gets it as it was sent. */
static bool is_on_its_way(const struct talk *talk, const struct outcome *got, const uint8_t *sent,
			  size_t length)
{
	if (service_mode(talk->server) != XLB_MODE_LOCAL)
		return got->verdict == XDP_TX || got->verdict == XDP_REDIRECT;
	return got->verdict == XDP_PASS && got->length == length &&
	       !memcmp(got->data, sent, length);
}

static void send_fragments(const struct talk *talk, enum actor actor)
{
	static struct reassembly into;
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	struct frame frame = large_frame(talk, actor), want = wanted(talk, actor, &frame);
	const char *fault = NULL;
	size_t length;

	memset(&into, 0, sizeof(into));
	for (size_t n = 0; n < PARTS && !fault; n++) {
		length = fragment_build(&frame, n, data);
		world_send(data, length, &got);
		if (!is_on_its_way(talk, &got, data, length))
			fail_msg("service %d IPv%u protocol %u actor %d, fragment %zu: verdict %u",
				 talk->service, talk->family, talk->protocol, actor, n,
				 got.verdict);
		fault = reassemble(&into, &got, outer_size(talk, actor));
		if (!fault && outer_size(talk, actor) && is_apart(talk, &got))
			fault = "not in the outer header of its flow";
	}
	if (!fault && !into.whole)
		fault = "not whole";
	if (!fault && is_numbered(talk, actor) == (into.id == FIRST_ID))
		fault = "the id was kept where it must not be, or changed where it need not";
	memcpy(want.mac_source, into.data + 6, 6);
	memcpy(want.mac_destination, into.data, 6);
	length = frame_build(&want, data);
	if (!fault && (length != into.header + into.length || memcmp(data, into.data, length))) {
		frame_print_difference(into.data, into.header + into.length, data, length);
		fault = "another packet came out";
	}
	if (fault)
		fail_msg("service %d IPv%u protocol %u actor %d: %s", talk->service, talk->family,
			 talk->protocol, actor, fault);
}

static void begin(struct talk *talk, uint8_t family, uint8_t protocol, enum service service)
{
	const struct step request = FORWARD(CLIENT, SYN);
	const char *fault;

	world_reset();
	talk_init(talk, family, protocol, service, VIP_OWN);
	fault = talk_step(talk, &request);
	if (fault)
		fail_msg("%s", fault);
}

static void each_mode(uint8_t family, uint8_t protocol)
{
	static const enum service services[] = { WEB,  ONE_ARM,	   CROSS, NAT,	     DR,
						 IPIP, IPIP_CROSS, GUE,	  GUE_CROSS, LOCAL };
	struct talk talk;

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		begin(&talk, family, protocol, services[i]);
		send_fragments(&talk, CLIENT);
		if (!xlb_mode_has(service_mode(services[i]), XLB_MODE_DIRECT))
			send_fragments(&talk, SERVER);
	}
}

static void test_modes(void **state)
{
	(void)state;
	each_kind(each_mode);
}

/* One fragment alone, changed at one byte of what is behind Ethernet; what becomes of it. */
static void expect_alone(const struct frame *frame, size_t n, enum xlb_reason reason)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	size_t length = fragment_build(frame, n, data);
	uint64_t before = world_drops(reason);

	world_send(data, length, &got);
	if (got.verdict != XDP_DROP || world_drops(reason) != before + 1)
		fail_msg("IPv%u, fragment %zu: verdict %u, not dropped for reason %d",
			 frame->family, n, got.verdict, reason);
	if (got.length != length || memcmp(got.data, data, length))
		fail_msg("a dropped fragment was changed");
}

static void orphans(uint8_t family, uint8_t protocol)
{
	struct talk talk;
	struct frame frame;

	begin(&talk, family, protocol, WEB);
	frame = large_frame(&talk, CLIENT);
	frame.ip_id = 0x1111;
	expect_alone(&frame, 1, XLB_DROP_FRAGMENT);
	send_fragments(&talk, CLIENT); /* of another packet */
	expect_alone(&frame, 1, XLB_DROP_FRAGMENT);
}

static void test_orphans(void **state)
{
	(void)state;
	each_kind(orphans);
}

/* To the host's address, and to a SNAT address of which no flow is known: the host's business. */
static void host(uint8_t family, uint8_t protocol)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	struct talk talk;
	struct frame frame;

	begin(&talk, family, protocol, WEB);
	frame = large_frame(&talk, CLIENT);
	frame.destination = addr_vip(VIP_HOST, family);
	world_send(data, fragment_build(&frame, 1, data), &got);
	assert_int_equal(got.verdict, XDP_PASS);
	frame.destination_port = 7; /* no listener */
	world_send(data, fragment_build(&frame, 0, data), &got);
	assert_int_equal(got.verdict, XDP_PASS);
	frame = large_frame(&talk, SERVER);
	frame.source_port ^= 1;
	for (size_t n = 0; n < PARTS; n++) {
		world_send(data, fragment_build(&frame, n, data), &got);
		assert_int_equal(got.verdict, XDP_PASS);
	}
}

static void test_host(void **state)
{
	(void)state;
	each_kind(host);
}

/* A first fragment too small for its transport header, a later one that would lie over it. */
static void tiny(uint8_t family, uint8_t protocol)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	struct talk talk;
	struct frame frame;
	size_t length, l4;
	uint64_t before;

	begin(&talk, family, protocol, WEB);
	frame = large_frame(&talk, CLIENT);
	l4 = frame_l4_offset(&frame) + (family == XLB_IPV6 ? 8 : 0);
	for (size_t size = 0; size < (protocol == IPPROTO_TCP ? 20 : 8); size++) {
		fragment_build(&frame, 0, data);
		put16(data + (family == XLB_IPV4 ? 16 : 18),
		      family == XLB_IPV4 ? 20 + size : 8 + size);
		before = world_drops(XLB_DROP_BAD_PACKET);
		world_send(data, l4 + size, &got);
		assert_int_equal(got.verdict, XDP_DROP);
		assert_int_equal(world_drops(XLB_DROP_BAD_PACKET), before + 1);
	}
	send_fragments(&talk, CLIENT);
	if (protocol != IPPROTO_TCP)
		return;
	length = fragment_build(&frame, 1, data);
	put16(data + (family == XLB_IPV4 ? 20 : l4 - 6), family == XLB_IPV4 ? 0x2001 : 8 | 1);
	before = world_drops(XLB_DROP_BAD_PACKET);
	world_send(data, length, &got);
	assert_int_equal(got.verdict, XDP_DROP);
	assert_int_equal(world_drops(XLB_DROP_BAD_PACKET), before + 1);
}

static void test_tiny(void **state)
{
	(void)state;
	each_kind(tiny);
}

/* A UDP datagram without a checksum cannot get one from its first fragment. */
static void test_no_checksum(void **state)
{
	struct talk talk;
	struct frame frame;

	(void)state;
	begin(&talk, XLB_IPV4, IPPROTO_UDP, CROSS);
	frame = large_frame(&talk, CLIENT);
	frame.no_checksum = true;
	expect_alone(&frame, 0, XLB_DROP_FRAGMENT);
}

/* The error about a first fragment is no fragment itself. */
static void complaint(uint8_t family, uint8_t protocol)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	struct decoded answer;
	struct frame frame;
	struct talk talk;

	begin(&talk, family, protocol, WEB);
	frame = large_frame(&talk, CLIENT);
	frame.ttl = 1;
	world_send(data, fragment_build(&frame, 0, data), &got);
	assert_int_equal(got.verdict, XDP_TX);
	decode_frame(got.data, got.length, &answer);
	assert_null(answer.fault);
	assert_false(answer.fragment);
	assert_int_equal(answer.l4_sum, SUM_RIGHT);
}

static void test_complaint(void **state)
{
	(void)state;
	each_kind(complaint);
}

/* More packets in fragments than are kept: the newest of them go on, and flows without fragments are not touched. */
static void test_flood(void **state)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	const struct step request = FORWARD(CLIENT, 0);
	struct talk talk;
	struct frame frame;
	const char *fault;

	(void)state;
	begin(&talk, XLB_IPV4, IPPROTO_UDP, WEB);
	frame = large_frame(&talk, CLIENT);
	for (uint32_t i = 0; i < 3 * XLB_MAX_FRAGMENTED; i++) {
		frame.ip_id = (uint16_t)(i * 7);
		world_send(data, fragment_build(&frame, 0, data), &got);
		if (got.verdict != XDP_REDIRECT)
			fail_msg("first fragment %u: verdict %u", i, got.verdict);
	}
	send_fragments(&talk, CLIENT);
	fault = talk_step(&talk, &request);
	if (fault)
		fail_msg("%s", fault);
}

const struct CMUnitTest fragment_tests[] = {
	{ .name = "fragments: packets come out whole in every mode and family, both ways",
	  .test_func = test_modes },
	{ .name = "fragments: without the first one they are dropped", .test_func = test_orphans },
	{ .name = "fragments: the host's are the host's", .test_func = test_host },
	{ .name = "fragments: tiny and overlapping ones are bad_packet", .test_func = test_tiny },
	{ .name = "fragments: UDP without checksum does not change its family",
	  .test_func = test_no_checksum },
	{ .name = "fragments: an error about one is none", .test_func = test_complaint },
	{ .name = "fragments: a flood of them hurts no others", .test_func = test_flood },
	{},
};
