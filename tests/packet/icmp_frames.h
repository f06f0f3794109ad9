/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP errors about the packets of talks. */
#ifndef XLB_TESTS_PACKET_ICMP_FRAMES_H
#define XLB_TESTS_PACKET_ICMP_FRAMES_H

#include "talk.h"

#define WHOLE_PACKET 0xffff

/* An error as one family says it, and as the other does (RFC 7915 sections 4.2 and 5.2). */
struct error_row {
	uint8_t family, type, code;
	uint32_t word; /* bytes 4 to 7 of the message */
	bool none;     /* the other family has no such error */
	uint8_t other_type, other_code;
	uint32_t other_word;
};

/* An error: what carries it, what it says, and what it quotes, of that so many bytes from the transport header on. */
struct error {
	struct frame outer, quoted;
	uint8_t type, code;
	uint32_t word;
	size_t quoted_l4;
};

/* How one side knows the flow: the client and the VIP, or the server and what it takes for the client. */
struct view {
	uint8_t family;
	struct xlb_addr server, peer;
	uint16_t server_port, peer_port;
};

struct view view_of_client(const struct talk *talk);
struct view view_of_server(const struct talk *talk);
struct xlb_addr addr_router(uint8_t family);

/* The packet of the flow that an error is about, as a side knows it; one of the server's or one of the client's. */
struct frame quoted_frame(const struct talk *talk, const struct view *view, bool of_server);
/* An error of somebody to somebody, about a packet of the receiver's. */
struct error error_frame(const struct error_row *row, const struct frame *quoted,
			 const struct xlb_addr *from);
/* Writes the frame; returns its length. */
size_t error_build(const struct error *error, uint8_t *ret);

/* What pings say: type, code and the rest of the message, in the frames of the two below. */
extern uint8_t echo_message[FRAME_MAX];
/* A client's ping of a VIP, with a message of so many bytes; and what answers it. Each fills the message. */
struct frame echo_request(uint8_t family, uint16_t size);
struct frame echo_reply(const struct frame *request);

/* A world with this talk, which has a flow that both sides know. */
void talk_begin(struct talk *talk, uint8_t family, uint8_t protocol, enum service service);
/* By which packets to its server leave: SLOT_NONE if that is the host. */
uint32_t talk_slot(const struct talk *talk);
/* True if its server sees a SNAT address. */
bool talk_is_fullnat(const struct talk *talk);

#endif
