// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packets of flows in every mode, spoilt at random, many of them: what leaves must be whole, with checksums as right as
 * they came, and go to the server that owns the flow; what does not leave is not changed, and is counted if it is
 * dropped. MUTATIONS in the environment says how many.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "decode.h"
#include "tables.h"
#include "talk.h"
#include "tests.h"

#define MUTATIONS    200000
#define GENERATION   5000 /* frames until all flows begin anew */
#define COUNTED	     500  /* frames until the counters are looked at */
#define GUE_PORT     6080
#define TALKS_MAX    64
#define HEADERS_SIZE 80

static struct talk talks[TALKS_MAX];
static size_t talk_count;

/* Small, fast and the same on every machine (xorshift). */
static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) * limit >> 32);
}

static bool once_in(uint32_t n)
{
	return !random_below(n);
}

static void open_talks(void)
{
	static const enum service services[] = { WEB, ONE_ARM, CROSS,	   NAT, NAT_NEAR,
						 DR,  IPIP,    IPIP_CROSS, GUE, GUE_CROSS };
	static const struct step step = FORWARD(CLIENT, SYN);

	world_end_flows(FLOW_DELETE);
	world_reset_budget();
	talk_count = 0;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]) * 4; i++) {
		struct talk *talk = &talks[talk_count++];
		const char *fault;

		talk_init(talk, i & 1 ? XLB_IPV4 : XLB_IPV6, i & 2 ? IPPROTO_TCP : IPPROTO_UDP,
			  services[i / 4], (enum vip)(i % VIP_COUNT));
		fault = talk_step(talk, &step);
		if (fault)
			fail_msg("%s", fault);
	}
}

/* Whether the server's packets come through xlb, so that there is somewhere to send them to. */
static bool is_answered(const struct talk *talk)
{
	return !xlb_mode_has(service_mode(talk->service), XLB_MODE_DIRECT);
}

static size_t write_frame(uint8_t *data)
{
	static const uint8_t flags[] = { SYN, ACK, ACK, ACK, PSH | ACK, FIN | ACK, RST, SYN | ACK };
	struct talk talk = talks[random_below((uint32_t)talk_count)];
	bool reply = is_answered(&talk) && once_in(2);
	struct frame frame;

	if (!reply && once_in(8))
		talk.client_port = (uint16_t)random_below(65536);
	frame = talk_frame(&talk, reply ? SERVER : CLIENT, flags[random_below(sizeof(flags))]);
	frame.payload = (uint16_t)(once_in(8) ? random_below(1300) : random_below(64));
	frame.ip_options = (uint8_t)(once_in(6) ? random_below(11) * 4 : 0);
	frame.tcp_options = (uint8_t)(once_in(4) ? random_below(11) * 4 : 0);
	frame.no_checksum = once_in(6) && frame.family == XLB_IPV4;
	frame.padding = (uint16_t)(once_in(6) ? random_below(30) : 0);
	if (once_in(5))
		for (uint32_t n = random_below(5); frame.extension_count < n;)
			frame.extensions[frame.extension_count++] =
				(uint8_t[]){ 0, 43, 60 }[random_below(3)];
	return frame_build(&frame, data);
}

/* Turned round: as its receiver's answer would be. */
static void turn(struct frame *frame)
{
	struct frame was = *frame;

	frame->source = was.destination;
	frame->destination = was.source;
	frame->source_port = was.destination_port;
	frame->destination_port = was.source_port;
}

/* An ICMP message: of who gets a talk's packets about one that he got, or a ping. */
static size_t write_message(uint8_t *data)
{
	static const uint8_t types[2][6] = { { 3, 3, 11, 12, 5, 8 }, { 1, 2, 3, 4, 128, 135 } };
	static uint8_t quoted[FRAME_MAX], message[FRAME_MAX];
	struct talk talk = talks[random_below((uint32_t)talk_count)];
	struct frame frame = talk_frame(&talk, is_answered(&talk) && once_in(2) ? SERVER : CLIENT,
					ACK),
		     about = frame;
	size_t length;

	turn(&about);
	about.payload = (uint16_t)random_below(64);
	about.fragment = once_in(4) ? 0x2000 : 0;
	length = frame_build(&about, quoted) - ETH_HLEN;
	if (once_in(3))
		length = random_below((uint32_t)length + 1);
	message[0] = types[frame.family == XLB_IPV6][random_below(6)];
	message[1] = (uint8_t)(once_in(2) ? 0 : random_below(16));
	for (size_t i = 4; i < 8; i++)
		message[i] = (uint8_t)(once_in(2) ? 0 : random_below(256));
	memcpy(message + 8, quoted + ETH_HLEN, length);
	frame.protocol = frame.family == XLB_IPV4 ? (uint8_t)IPPROTO_ICMP : (uint8_t)IPPROTO_ICMPV6;
	frame.message = message;
	frame.payload = (uint16_t)(8 + length);
	return frame_build(&frame, data);
}

/* Spoils a frame, or not; returns its length. */
static size_t mutate(uint8_t *data, size_t length)
{
	struct decoded packet;

	for (uint32_t n = once_in(3) ? 0 : random_below(5); n; n--)
		data[12 + random_below(length - 12 < HEADERS_SIZE ? (uint32_t)length - 12 :
								    HEADERS_SIZE)] =
			(uint8_t)random_below(256);
	if (once_in(10))
		length = ETH_HLEN + random_below((uint32_t)length - ETH_HLEN + 1);
	decode_frame(data, length, &packet);
	/* the checksum alone should not give a changed packet away */
	if (!packet.fault && (packet.payload || decoded_is_icmp(&packet)) && once_in(2))
		decode_repair(data, &packet);
	return length;
}

static bool is_vip(const struct xlb_addr *addr, uint8_t family)
{
	for (enum vip vip = 0; vip < VIP_COUNT; vip++) {
		struct xlb_addr vip_addr = addr_vip(vip, family);

		if (addr_equal(addr, &vip_addr))
			return true;
	}
	return false;
}

/* Whose listener has the port: where none has it, that of any port. */
static enum service service_of(uint16_t port)
{
	for (enum service service = WEB; service < SERVICE_COUNT; service++)
		if (service_port(service) == port)
			return service;
	return WEB;
}

static const char *server_of_flow(const struct decoded *client_side, bool reply,
				  enum service *ret_service)
{
	struct xlb_flow_key key = {
		.client = reply ? client_side->destination : client_side->source,
		.client_port =
			htons(reply ? client_side->destination_port : client_side->source_port),
		.port = htons(reply ? client_side->source_port : client_side->destination_port),
		.protocol = client_side->protocol,
		.family = client_side->family,
	};
	const struct xlb_addr *vip = reply ? &client_side->source : &client_side->destination;
	struct xlb_flow flow;

	for (enum vip n = 0; n < VIP_COUNT; n++) {
		struct xlb_addr addr = addr_vip(n, key.family);

		if (addr_equal(vip, &addr))
			key.vip = id_vip(n, key.family);
	}
	*ret_service = service_of(ntohs(key.port));
	if (world_flow(&key, &flow) && flow.server / 2 != *ret_service)
		return "the flow's server is not that of its listener";
	return NULL;
}

/* In an outer header: `out` is replaced by what is inside. */
static const char *unwrap(const uint8_t *got, enum service service, const struct decoded *in,
			  struct decoded *out)
{
	uint8_t family = service_family(service, in->family);
	struct xlb_addr server = addr_server(service, family), source = addr_snat(family, 0);
	size_t at = out->l4 + (service_is_gue(service) ? 8 : 0);

	if (out->family != family || !addr_equal(&out->destination, &server))
		return "the tunnel does not lead to the flow's server";
	if (!addr_equal(&out->source, &source))
		return "the tunnel does not begin at xlb";
	if (service_is_gue(service) && out->destination_port != GUE_PORT)
		return "not to the port of GUE";
	if (out->l3_sum == SUM_WRONG)
		return "wrong checksum of the outer header";
	decode_packet(got, at, out->end - at, out);
	return out->fault;
}

static bool is_server(const struct xlb_addr *addr, uint8_t family)
{
	for (enum service service = WEB; service < SERVICE_COUNT; service++) {
		struct xlb_addr server = addr_server(service, family);

		if (addr_equal(addr, &server))
			return true;
	}
	return false;
}

/*
 * An ICMP message that was passed on, or answered: what it quotes now is what its receiver has sent, as right or wrong
 * as it was.
 */
static const char *message_fault(const uint8_t *sent, const struct decoded *in, const uint8_t *got,
				 const struct decoded *out)
{
	struct decoded was, is;

	if (!decoded_is_icmp(out)) /* in an outer header, which other packets are looked at for */
		return is_server(&out->destination, out->family) ? NULL : "not to a server";
	if (in->l4_sum != out->l4_sum)
		return "ICMP checksum not as right as it was";
	if (addr_equal(&out->source, &in->destination) &&
	    addr_equal(&out->destination, &in->source))
		return NULL; /* an answer to a ping */
	if (out->ttl != in->ttl - 1)
		return "TTL of an ICMP error";
	if (addr_equal(&out->source, &in->source) &&
	    addr_equal(&out->destination, &in->destination))
		return memcmp(got, mac_server, 6) ? "not to the MAC of the server" : NULL;
	if (!is_vip(&out->source, out->family) && !is_server(&out->destination, out->family))
		return "an ICMP error to nobody";
	decode_packet(sent, in->l4 + 8, in->end - in->l4 - 8, &was);
	decode_packet(got, out->l4 + 8, out->end - out->l4 - 8, &is);
	if (!addr_equal(&is.source, &out->destination))
		return "an ICMP error quotes what its receiver has not sent";
	return !was.fault && !was.fragment && !is.fault ? compare_sums(&was, &is) : NULL;
}

static const char *request_fault(const uint8_t *got, const struct decoded *in, struct decoded *out)
{
	enum service service;
	const char *fault = server_of_flow(in, false, &service);
	enum xlb_mode mode = service_mode(service);
	struct xlb_addr server;

	if (!fault && mode == XLB_MODE_TUNNEL)
		fault = unwrap(got, service, in, out);
	if (fault)
		return fault;
	if (xlb_mode_has(mode, XLB_MODE_DIRECT)) {
		if (memcmp(got, mac_server, 6))
			return "not to the MAC of the way to the server";
		return addr_equal(&in->destination, &out->destination) &&
				       addr_equal(&in->source, &out->source) ?
			       NULL :
			       "ends changed on a direct way";
	}
	server = addr_server(service, service_family(service, in->family));
	if (!addr_equal(&out->destination, &server) ||
	    out->destination_port != server_port(service, in->destination_port))
		return "not to the flow's server";
	if (mode == XLB_MODE_NAT && service != NAT_NEAR && service != NAT_SELF)
		return addr_equal(&in->source, &out->source) ? NULL : "nat changed the client";
	return NULL;
}

static const char *reply_fault(const struct decoded *in, const struct decoded *out)
{
	enum service service;
	const char *fault = server_of_flow(out, true, &service);
	struct xlb_addr server = addr_server(service, in->family);

	if (fault)
		return fault;
	return addr_equal(&in->source, &server) ? NULL : "a stranger's packet went to the client";
}

/* What is wrong with a frame that leaves. */
static const char *sent_fault(const uint8_t *sent, size_t length, const struct outcome *got)
{
	struct decoded in, out;
	const char *fault;

	decode_frame(sent, length, &in);
	decode_frame(got->data, got->length, &out);
	if (in.fault)
		return "a broken packet was sent on";
	if (out.fault)
		return out.fault;
	if (compare_is_reset(&in, &out))
		return compare_reset(&out);
	if (decoded_is_icmp(&in))
		return message_fault(sent, &in, got->data, &out);
	if (decoded_is_icmp(&out))
		return compare_refusal(sent, &in, got->data, &out);
	/* has no ports, or not all that its checksum covers: fragments.c puts such packets together */
	if (in.fragment)
		return out.l3_sum == SUM_WRONG && in.l3_sum != SUM_WRONG ?
			       "wrong IPv4 header checksum of a fragment" :
			       NULL;
	fault = is_vip(&out.source, out.family) ? reply_fault(&in, &out) :
						  request_fault(got->data, &in, &out);
	if (fault)
		return fault;
	if (out.ttl != in.ttl - 1)
		return "TTL";
	fault = compare_payload(sent, &in, got->data, &out);
	return fault ? fault : compare_sums(&in, &out);
}

static const char *fault_of(const uint8_t *sent, size_t length, const struct outcome *got)
{
	if (got->verdict == XDP_TX || got->verdict == XDP_REDIRECT)
		return sent_fault(sent, length, got);
	if (got->verdict != XDP_PASS && got->verdict != XDP_DROP)
		return "unknown verdict";
	if (got->length != length || memcmp(sent, got->data, length))
		return "changed, and not sent";
	return NULL;
}

/* Sends some; drops are counted once each. A RST is counted as a drop too. */
static void send_some(uint64_t first)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	uint64_t before = world_drops_total(), drops = 0, sent = 0, counted;

	for (uint64_t i = 0; i < COUNTED; i++) {
		size_t length = mutate(data, once_in(5) ? write_message(data) : write_frame(data));
		const char *fault;

		world_send(data, length, &got);
		fault = fault_of(data, length, &got);
		if (fault) {
			frame_print_difference(got.data, got.length, data, length);
			fail_msg("frame %llu, verdict %u: %s", (unsigned long long)(first + i),
				 got.verdict, fault);
		}
		drops += got.verdict == XDP_DROP;
		sent += got.verdict == XDP_TX;
	}
	counted = world_drops_total() - before;
	if (counted < drops || counted > drops + sent)
		fail_msg("%llu drops, %llu counted", (unsigned long long)drops,
			 (unsigned long long)counted);
}

static void test_mutations(void **state)
{
	const char *wanted = getenv("MUTATIONS");
	uint64_t count = wanted ? strtoull(wanted, NULL, 10) : MUTATIONS / talk_part();

	(void)state;
	random_state = 1;
	for (uint64_t i = 0; i < count; i += COUNTED) {
		if (i % GENERATION == 0)
			open_talks();
		send_some(i);
		if (tables_fault())
			fail_msg("after frame %llu: %s", (unsigned long long)i, tables_fault());
	}
}

const struct CMUnitTest mutation_tests[] = {
	{ .name = "mutations: what leaves is whole, and goes where its flow says",
	  .test_func = test_mutations },
	{ 0 },
};
