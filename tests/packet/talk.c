// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "talk.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

#define CLIENT_TTL 61
#define SERVER_TTL 64

void talk_init(struct talk *talk, uint8_t family, uint8_t protocol, enum service service,
	       enum vip vip)
{
	static uint16_t next_port = 40000;

	*talk = (struct talk){
		.family = family,
		.protocol = protocol,
		.service = service,
		.server = service,
		.vip = vip,
		.client_port = next_port++,
	};
	memcpy(talk->client_mac, mac_client, 6);
}

struct xlb_flow_key talk_key(const struct talk *talk)
{
	return (struct xlb_flow_key){
		.client = addr_client(talk->family),
		.vip = id_vip(talk->vip, talk->family),
		.client_port = htons(talk->client_port),
		.port = htons(service_port(talk->service)),
		.protocol = talk->protocol,
		.family = talk->family,
	};
}

struct frame talk_frame(const struct talk *talk, enum actor actor, uint8_t flags)
{
	struct frame frame = {
		.family = talk->family,
		.protocol = talk->protocol,
		.class = 0xb9,
		.ttl = actor == CLIENT ? CLIENT_TTL : SERVER_TTL,
		.ip_id = 0x1234,
		.fragment = DONT_FRAGMENT,
		.flags = flags,
		.seq = 0xfffffff0,
		.ack = 0x01020304,
		.window = 512,
		.payload = flags & SYN ? 0 : 37,
		.pattern = talk->client_port,
	};
	const struct mapping *mapping = actor == OLD_SERVER ? &talk->before : &talk->now;

	memcpy(frame.mac_destination, mac_slots[SLOT_CLIENTS], 6);
	if (actor == CLIENT) {
		memcpy(frame.mac_source, talk->client_mac, 6);
		frame.source = addr_client(talk->family);
		frame.source_port = talk->client_port;
		frame.destination = addr_vip(talk->vip, talk->family);
		frame.destination_port = service_port(talk->service);
	} else {
		memcpy(frame.mac_source, mac_server, 6);
		frame.family = service_family(mapping->server, talk->family);
		frame.source = addr_server(mapping->server, frame.family);
		frame.source_port = server_port(mapping->server, service_port(talk->service));
		frame.destination = mapping->snat;
		frame.destination_port = mapping->snat_port;
	}
	return frame;
}

static const char *expect_frame(const struct outcome *got, struct frame *want)
{
	static uint8_t data[FRAME_MAX];
	size_t length;

	if (want->option_bytes_out)
		want->option_bytes = want->option_bytes_out;
	length = frame_build(want, data);

	if (got->length == length && !memcmp(got->data, data, length))
		return frame_fault(got->data, got->length);
	frame_print_difference(got->data, got->length, data, length);
	return "another frame than wanted came out";
}

/* The slot by which packets to the server leave. */
static uint32_t slot_of(enum service server)
{
	if (server == LOCAL)
		return SLOT_NONE;
	return server == ONE_ARM ? SLOT_CLIENTS : SLOT_SERVERS;
}

static const char *expect_way(const struct outcome *got, uint32_t slot)
{
	uint32_t want = slot == SLOT_NONE ? XDP_PASS : slot == SLOT_CLIENTS ? XDP_TX : XDP_REDIRECT;

	return got->verdict == want ? NULL : "wrong verdict for a packet to forward";
}

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* What the frame becomes when only its family changes (RFC 7915); an IP ID is anything. */
static void frame_translate(struct frame *frame, uint8_t family, const struct outcome *got)
{
	size_t length = 20U + frame->payload +
			(frame->protocol == IPPROTO_TCP ? 20U + frame->tcp_options : 8U);

	if (frame->family == family)
		return;
	frame->family = family;
	frame->ip_options = frame->extension_count = 0;
	frame->fragment = frame->ip_id = 0;
	if (family == XLB_IPV6)
		frame->no_checksum = false;
	else if (length > 1260)
		frame->fragment = DONT_FRAGMENT;
	else
		frame->ip_id = read16(got->data + 18);
}

/* Reads where a forwarded request says it comes from, and checks that it may. */
static const char *mapping_read_snat(uint8_t family, const struct frame *want,
				     const struct outcome *got, struct mapping *ret)
{
	struct xlb_addr first = addr_snat(family, 0), second = addr_snat(family, 1);

	if (family == XLB_IPV4) {
		ret->snat = first;
		memcpy(ret->snat.bytes + 12, got->data + 26, 4);
	} else {
		memcpy(ret->snat.bytes, got->data + 22, 16);
	}
	ret->snat_port = read16(got->data + frame_l4_offset(want));
	if (!addr_equal(&ret->snat, &first) && !addr_equal(&ret->snat, &second))
		return "the source is no SNAT address";
	if (ret->snat_port < 1024 || (ret->snat_port >= 32768 && ret->snat_port < 61000))
		return "the source port is not in the pool";
	return NULL;
}

/* What an outer header may choose for itself. */
static const char *mapping_read_outer(struct frame *want, const struct outcome *got,
				      struct mapping *ret)
{
	const uint8_t *ip = got->data + 14;

	if (want->outer.family == XLB_IPV6)
		ret->flow_label = (ip[1] & 15U) << 16 | read16(ip + 2);
	if (want->outer.gue)
		ret->snat_port = read16(ip + (want->outer.family == XLB_IPV4 ? 20 : 40));
	if (want->outer.gue && ret->snat_port < 49152)
		return "the outer source port is not a dynamic one";
	if (want->outer.family == XLB_IPV4 && !want->outer.fragment)
		want->outer.ip_id = read16(ip + 4);
	want->outer.source_port = ret->snat_port;
	want->outer.flow_label = ret->flow_label;
	return NULL;
}

static void frame_wrap(struct frame *frame, enum service server, uint8_t family)
{
	bool fragments = frame->family == XLB_IPV4 && !(frame->fragment & DONT_FRAGMENT);

	frame->outer = (struct outer){
		.family = family,
		.gue = service_is_gue(server),
		.source = addr_snat(family, 0),
		.destination = addr_server(server, family),
		.fragment = fragments ? 0 : DONT_FRAGMENT,
	};
}

const char *talk_wrap(struct frame *frame, enum service server, uint8_t family,
		      const struct outcome *got, struct mapping *ret)
{
	frame_wrap(frame, server, family);
	return mapping_read_outer(frame, got, ret);
}

bool talk_is_wrapped_apart(const struct talk *talk, const struct mapping *outer)
{
	return talk->now.server && (outer->snat_port != talk->now.snat_port ||
				    outer->flow_label != talk->now.flow_label);
}

/*
 * What the client's packet must become, but for the MACs. What xlb may choose is read from what came out, into
 * ret and from there into the frame wanted.
 */
static const char *want_request(const struct talk *talk, struct frame *want,
				const struct outcome *got, struct mapping *ret)
{
	uint8_t family = service_family(talk->server, talk->family);
	enum xlb_mode mode = service_mode(talk->server);
	const char *fault;

	ret->server = talk->server;
	if (mode == XLB_MODE_LOCAL)
		return NULL;
	want->ttl--;
	if (got->length < 14 + 28)
		return "what came out is too short";
	if (mode == XLB_MODE_DR)
		return NULL;
	if (mode == XLB_MODE_TUNNEL)
		return talk_wrap(want, talk->server, family, got, ret);
	frame_translate(want, family, got);
	want->destination = addr_server(talk->server, family);
	want->destination_port = server_port(talk->server, want->destination_port);
	if (mode == XLB_MODE_NAT && talk->server != NAT_NEAR && talk->server != NAT_SELF) {
		ret->snat = want->source;
		ret->snat_port = want->source_port = read16(got->data + frame_l4_offset(want));
		return NULL;
	}
	fault = mapping_read_snat(family, want, got, ret);
	want->source = ret->snat;
	want->source_port = ret->snat_port;
	return fault;
}

static const char *expect_request(struct talk *talk, const struct frame *sent, enum expect expect,
				  const struct outcome *got)
{
	struct frame want = *sent;
	struct mapping mapping = {};
	const char *fault = expect_way(got, slot_of(talk->server));
	bool same;

	if (!fault)
		fault = want_request(talk, &want, got, &mapping);
	if (fault)
		return fault;
	same = mapping.snat_port == talk->now.snat_port &&
	       mapping.flow_label == talk->now.flow_label && mapping.server == talk->now.server &&
	       addr_equal(&mapping.snat, &talk->now.snat);
	if (expect == REMAPPED && same)
		return "the mapping of the old flow was used again";
	if (expect == FORWARDED && talk->now.server && !same)
		return "the mapping changed";
	if (!same) {
		talk->before = talk->now;
		talk->now = mapping;
	}
	if (slot_of(talk->server)) {
		memcpy(want.mac_source, mac_slots[slot_of(talk->server)], 6);
		memcpy(want.mac_destination, mac_server, 6);
	}
	return expect_frame(got, &want);
}

static const char *expect_reply(const struct talk *talk, const struct frame *sent,
				const struct outcome *got)
{
	struct frame want = *sent;
	const char *fault = expect_way(got, SLOT_CLIENTS);

	if (fault)
		return fault;
	memcpy(want.mac_source, mac_slots[SLOT_CLIENTS], 6);
	memcpy(want.mac_destination, talk->client_mac, 6);
	want.ttl--;
	frame_translate(&want, talk->family, got);
	want.source = addr_vip(talk->vip, talk->family);
	want.source_port = service_port(talk->service);
	want.destination = addr_client(talk->family);
	want.destination_port = talk->client_port;
	return expect_frame(got, &want);
}

/* RFC 9293 section 3.10.7.1 */
static const char *expect_rst(const struct frame *sent, const struct outcome *got)
{
	struct frame want = {
		.family = sent->family,
		.protocol = IPPROTO_TCP,
		.source = sent->destination,
		.destination = sent->source,
		.source_port = sent->destination_port,
		.destination_port = sent->source_port,
		.ttl = 64,
		.fragment = DONT_FRAGMENT,
		.flags = RST,
		.seq = sent->ack,
	};

	if (got->verdict != XDP_TX)
		return "wrong verdict for a RST";
	memcpy(want.mac_source, mac_slots[SLOT_CLIENTS], 6);
	memcpy(want.mac_destination, sent->mac_source, 6);
	if (!(sent->flags & ACK)) {
		want.flags |= ACK;
		want.seq = 0;
		want.ack =
			sent->seq + sent->payload + !!(sent->flags & SYN) + !!(sent->flags & FIN);
	}
	return expect_frame(got, &want);
}

/* The first 8 bytes of the error that the sender of a frame gets, but for the checksum. */
static void refusal_begin(const struct frame *sent, enum xlb_reason reason, uint32_t mtu,
			  uint8_t *message)
{
	bool ipv4 = sent->family == XLB_IPV4;

	memset(message, 0, 8);
	if (reason == XLB_DROP_TTL_EXPIRED) {
		message[0] = ipv4 ? 11 : 3;
		return;
	}
	message[0] = ipv4 ? 3 : 2;
	message[1] = ipv4 ? 4 : 0;
	message[6] = (uint8_t)(mtu >> 8);
	message[7] = (uint8_t)mtu;
}

/* RFC 792, RFC 4443; `mtu`: what the sender must be told, if the frame is too large. */
static const char *expect_refusal(const struct frame *sent, enum xlb_reason reason, uint32_t mtu,
				  const struct outcome *got)
{
	static uint8_t message[FRAME_MAX];
	static uint8_t data[FRAME_MAX];
	size_t quoted = frame_build(sent, data) - 14 - sent->padding;
	size_t most = sent->family == XLB_IPV4 ? 576 - 28 : 1280 - 48;
	struct frame want = {
		.family = sent->family,
		.protocol = sent->family == XLB_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		.class = sent->family == XLB_IPV4 ? 0xc0 : 0,
		.source = sent->destination,
		.destination = sent->source,
		.ttl = 64,
		.message = message,
	};

	if (got->verdict != XDP_TX)
		return "wrong verdict for an ICMP error";
	memcpy(want.mac_source, mac_slots[SLOT_CLIENTS], 6);
	memcpy(want.mac_destination, sent->mac_source, 6);
	if (want.family == XLB_IPV4)
		want.ip_id = read16(got->data + 18);
	refusal_begin(sent, reason, mtu, message);
	quoted = quoted < most ? quoted : most;
	memcpy(message + 8, data + 14, quoted);
	want.payload = (uint16_t)(8 + quoted);
	return expect_frame(got, &want);
}

static uint32_t mtu_towards(const struct talk *talk, const struct frame *frame, enum actor actor);

const char *talk_send(struct talk *talk, enum actor actor, const struct frame *frame,
		      enum expect expect, enum xlb_reason reason)
{
	static struct outcome got;
	static uint8_t data[FRAME_MAX];
	size_t length = frame_build(frame, data);
	uint64_t drops = world_drops(reason), total = world_drops_total();
	uint64_t counted = expect == DROPPED || expect == ANSWERED_RST || expect == ANSWERED_ICMP;

	world_send(data, length, &got);
	if (world_drops(reason) - drops != (reason ? counted : 0) ||
	    world_drops_total() - total != counted) {
		for (int i = 1; i < XLB_DROP_COUNT; i++)
			printf("# drops of reason %d: %llu\n", i,
			       (unsigned long long)world_drops((enum xlb_reason)i));
		return "drops are not counted as wanted";
	}
	switch (expect) {
	case FORWARDED:
	case REMAPPED:
		return actor == CLIENT ? expect_request(talk, frame, expect, &got) :
					 expect_reply(talk, frame, &got);
	case ANSWERED_RST:
		return expect_rst(frame, &got);
	case ANSWERED_ICMP:
		return expect_refusal(frame, reason, mtu_towards(talk, frame, actor), &got);
	case DROPPED:
		return got.verdict == XDP_DROP ? NULL : "not dropped";
	case PASSED:
		if (got.verdict != XDP_PASS)
			return "not passed";
		return got.length == length && !memcmp(got.data, data, length) ? NULL : "changed";
	}
	return "unknown expectation";
}

/* Bytes of IP headers that the frame leaves with. */
static uint32_t out_header(const struct talk *talk, const struct frame *frame, enum actor actor)
{
	uint8_t family = actor == CLIENT ? service_family(talk->server, talk->family) :
					   talk->family;
	struct frame wrapped = *frame;

	if (service_mode(talk->server) != XLB_MODE_TUNNEL)
		return family == XLB_IPV4 ? 20 : 40;
	frame_wrap(&wrapped, talk->server, family);
	return (uint32_t)frame_outer_size(&wrapped) + (frame->family == XLB_IPV4 ? 20 : 40);
}

static uint32_t mtu_out(const struct talk *talk, enum actor actor)
{
	if (talk->path_mtu && actor == CLIENT)
		return talk->path_mtu;
	return actor == CLIENT && slot_of(talk->server) == SLOT_SERVERS ? SERVER_MTU : CLIENT_MTU;
}

/* How large the sender of the frame may make it. */
static uint32_t mtu_towards(const struct talk *talk, const struct frame *frame, enum actor actor)
{
	uint32_t mtu = mtu_out(talk, actor) + (frame->family == XLB_IPV4 ? 20 : 40) -
		       out_header(talk, frame, actor);

	return frame->family == XLB_IPV6 && mtu < 1280 ? 1280 : mtu;
}

void talk_twist(struct talk *talk, struct frame *frame, enum actor actor, enum twist twist)
{
	uint32_t mtu = mtu_out(talk, actor);
	uint32_t header = out_header(talk, frame, actor);

	header += frame->protocol == IPPROTO_TCP ? 20 : 8;
	switch (twist) {
	case PLAIN:
		break;
	case NO_CHECKSUM:
		frame->no_checksum = true;
		break;
	case LAST_HOP:
		frame->ttl = 1;
		break;
	case AT_MTU:
	case OVER_MTU:
		frame->payload = (uint16_t)(mtu - header + (twist == OVER_MTU));
		break;
	case WITH_OPTIONS:
		frame->ip_options = 12;
		frame->tcp_options = 20;
		memcpy(frame->extensions, (uint8_t[]){ 0, 43, 60, 44 }, 4);
		frame->extension_count = 4;
		if (frame->family == XLB_IPV6)
			frame->fragment = 0; /* a fragment header on a whole packet (RFC 6946) */
		frame->padding = 9;
		break;
	case MAY_FRAGMENT:
		frame->fragment = 0;
		break;
	case WITH_DATA:
		frame->payload = 37;
		break;
	case OTHER_MAC:
		talk->client_mac[0] ^= 4;
		memcpy(frame->mac_source, talk->client_mac, 6);
		break;
	}
}

static const char *check_state(const struct talk *talk, uint32_t state)
{
	struct xlb_flow_key key = talk_key(talk);
	struct xlb_flow flow;

	if (!world_flow(&key, &flow))
		return "there is no flow";
	return flow.state == state ? NULL : "the flow is in another state";
}

const char *talk_check_flows(uint32_t count)
{
	uint32_t flows = tables_flows(), replies = tables_locators(), ports = world_ports_taken();

	if (flows == count && replies == count && ports == count)
		return NULL;
	printf("# %u flows, %u locators, %u ports, %u wanted\n", flows, replies, ports, count);
	return "flows, reply locators and SNAT ports taken do not agree";
}

static const char *check_records(const struct talk *talk, uint32_t count)
{
	bool direct = xlb_mode_has(service_mode(talk->server), XLB_MODE_DIRECT);
	uint32_t flows = tables_flows(), replies = tables_locators(), ports = world_ports_taken();

	if (flows == count && replies == (direct ? 0 : count) && !ports)
		return NULL;
	printf("# %u flows, %u locators, %u ports, %u wanted\n", flows, replies, ports, count);
	return "flows and reply locators do not agree";
}

static const char *step_between(struct talk *talk, const struct step *step)
{
	switch (step->actor) {
	case AGE:
		world_age(step->arg);
		return NULL;
	case KILL:
		world_end_flows(FLOW_TO_TOMBSTONE);
		return NULL;
	case SWEEP:
		world_end_flows(FLOW_DELETE);
		return NULL;
	case SERVER_FLAGS:
		world_server(talk->server, service_family(talk->server, talk->family), step->arg);
		return NULL;
	case LISTENER_FLAGS:
		world_listener(talk->service, talk->protocol, talk->service, step->arg);
		return NULL;
	case REPOINT:
		world_group(talk->service, (enum service)step->arg);
		return NULL;
	case NO_PORTS:
		world_no_ports(talk->vip, talk->family);
		return NULL;
	case STATE:
		return check_state(talk, step->arg);
	case FLOWS:
		return talk_check_flows(step->arg);
	case RECORDS:
		return check_records(talk, step->arg);
	default:
		return "unknown step";
	}
}

const char *talk_step(struct talk *talk, const struct step *step)
{
	struct frame frame;

	if (step->actor != CLIENT && step->actor != SERVER && step->actor != OLD_SERVER)
		return step_between(talk, step);
	if (step->actor == CLIENT && step->expect == REMAPPED && step->arg)
		talk->server = (enum service)step->arg;
	frame = talk_frame(talk, step->actor, step->flags);
	talk_twist(talk, &frame, step->actor, step->twist);
	return talk_send(talk, step->actor, &frame, step->expect, step->reason);
}

void talk_send_until_limited(const struct frame *frame, enum xlb_reason reason)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	uint64_t limited = world_drops(XLB_DROP_RATE_LIMITED), answered = world_drops(reason);
	size_t length = frame_build(frame, data);
	uint32_t sent = 0, dropped = 0;

	for (int i = 0; i < 20000 && !dropped; i++) {
		world_send(data, length, &got);
		assert_true(got.verdict == XDP_TX || got.verdict == XDP_DROP);
		sent += got.verdict == XDP_TX;
		dropped += got.verdict == XDP_DROP;
	}
	assert_int_equal(dropped, 1);
	assert_true(sent >= XLB_ANSWERS_PER_SECOND);
	assert_int_equal(got.length, length);
	assert_memory_equal(got.data, data, length);
	assert_int_equal(world_drops(XLB_DROP_RATE_LIMITED) - limited, dropped);
	assert_int_equal(world_drops(reason) - answered, sent);
}

void talk_run(struct talk *talk, const struct step *steps)
{
	for (size_t i = 0; steps[i].actor; i++) {
		const char *fault = talk_step(talk, &steps[i]);

		if (fault)
			fail_msg("step %zu: %s", i + 1, fault);
	}
}

void talk_test(void **state)
{
	const struct talk_row *row = *state;
	const char *fault;
	struct talk talk;

	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		if (row->family && row->family != family)
			continue;
		world_reset();
		talk_init(&talk, family, row->protocol, row->service ? row->service : WEB,
			  row->vip);
		for (size_t i = 0; i < TALK_STEPS && row->steps[i].actor; i++) {
			fault = talk_step(&talk, &row->steps[i]);
			if (fault)
				fail_msg("IPv%u, step %zu: %s", family, i + 1, fault);
		}
		fault = tables_fault();
		if (fault)
			fail_msg("IPv%u, in the end: %s", family, fault);
	}
}

uint32_t talk_part(void)
{
	const char *wanted = getenv("PACKET_PART");
	uint32_t part = wanted ? (uint32_t)strtoul(wanted, NULL, 10) : 1;

	return part ? part : 1;
}

void talk_test_all(void)
{
	static const struct talk_row *const lists[] = { talk_rows_forward, talk_rows_tcp,
							talk_rows_udp, talk_rows_modes };
	static uint32_t turn;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (const struct talk_row *row = lists[i]; row->name; row++) {
			void *talk = (void *)(uintptr_t)row;

			if (turn++ % talk_part() == 0)
				talk_test(&talk);
		}
}
