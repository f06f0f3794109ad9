// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "icmp_frames.h"

#include <arpa/inet.h>
#include <string.h>

#define QUOTED_TTL 50
#define ROUTER_TTL 200

size_t error_build(const struct error *error, uint8_t *ret)
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

struct xlb_addr addr_router(uint8_t family)
{
	struct xlb_addr addr = addr_client(family);

	addr.bytes[14] ^= 0x55;
	return addr;
}

struct view view_of_client(const struct talk *talk)
{
	return (struct view){
		.family = talk->family,
		.server = addr_vip(talk->vip, talk->family),
		.peer = addr_client(talk->family),
		.server_port = service_port(talk->service),
		.peer_port = talk->client_port,
	};
}

struct view view_of_server(const struct talk *talk)
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

struct frame quoted_frame(const struct talk *talk, const struct view *view, bool of_server)
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

struct error error_frame(const struct error_row *row, const struct frame *quoted,
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

uint8_t echo_message[FRAME_MAX];

struct frame echo_request(uint8_t family, uint16_t size)
{
	struct frame frame = {
		.family = family,
		.protocol = family == XLB_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		.class = 0x28,
		.source = addr_client(family),
		.destination = addr_vip(VIP_OWN, family),
		.ttl = 1, /* is enough to be answered */
		.ip_id = 0x1234,
		.fragment = DONT_FRAGMENT,
		.payload = size,
		.message = echo_message,
	};

	for (size_t i = 0; i < sizeof(echo_message); i++)
		echo_message[i] = (uint8_t)(i * 7 + size);
	echo_message[0] = family == XLB_IPV4 ? 8 : 128;
	echo_message[1] = 0;
	memcpy(frame.mac_source, mac_client, 6);
	memcpy(frame.mac_destination, mac_slots[SLOT_CLIENTS], 6);
	return frame;
}

struct frame echo_reply(const struct frame *request)
{
	struct frame reply = *request;

	reply.source = request->destination;
	reply.destination = request->source;
	memcpy(reply.mac_source, request->mac_destination, 6);
	memcpy(reply.mac_destination, request->mac_source, 6);
	reply.ttl = 64;
	echo_message[0] = request->family == XLB_IPV4 ? 0 : 129;
	return reply;
}

uint32_t talk_slot(const struct talk *talk)
{
	if (talk->server == LOCAL)
		return SLOT_NONE;
	return talk->server == ONE_ARM ? SLOT_CLIENTS : SLOT_SERVERS;
}

bool talk_is_fullnat(const struct talk *talk)
{
	return service_mode(talk->server) == XLB_MODE_FULLNAT || talk->server == NAT_NEAR;
}

void talk_begin(struct talk *talk, uint8_t family, uint8_t protocol, enum service service)
{
	const struct step request = FORWARD(CLIENT, SYN);
	const char *fault;

	world_reset();
	talk_init(talk, family, protocol, service, VIP_OWN);
	fault = talk_step(talk, &request);
	if (fault)
		fail_msg("%s", fault);
}
