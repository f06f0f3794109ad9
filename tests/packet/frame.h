/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames of the packet tests: built from a description, compared with one, checksums computed anew. */
#ifndef XLB_TESTS_FRAME_H
#define XLB_TESTS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xlb/abi.h"

#define FRAME_MAX 2048

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10
#define URG 0x20
#define ECE 0x40
#define CWR 0x80

#define DONT_FRAGMENT 0x4000

/* Host byte order; what is not named is zero in the frame. */
struct frame {
	uint8_t mac_source[6], mac_destination[6];
	/* an outer header, if its family is not 0 */
	struct outer {
		uint8_t family;
		bool gue;
		struct xlb_addr source, destination;
		uint16_t source_port;
		uint16_t ip_id, fragment;
		uint32_t flow_label;
	} outer;
	uint8_t family, protocol;
	uint8_t class; /* DSCP and ECN */
	struct xlb_addr source, destination;
	uint16_t source_port, destination_port;
	uint8_t ttl;
	uint16_t ip_id;
	uint16_t fragment; /* IPv4: the 16 bits of flags and offset; IPv6: of a fragment header, if any */
	uint8_t ip_options; /* IPv4, bytes */
	uint8_t extensions
		[8]; /* IPv6: types of extension headers of 8 or, destination options, 24 bytes */
	uint8_t extension_count;
	uint8_t segments_left;
	uint8_t flags; /* TCP */
	uint32_t seq, ack;
	uint16_t window;
	uint8_t tcp_options;		 /* bytes */
	const uint8_t *option_bytes;	 /* what those are, NULL: no operation */
	const uint8_t *option_bytes_out; /* what xlb makes of them, NULL: the same */
	bool no_checksum;		 /* UDP */
	uint16_t payload;		 /* bytes */
	uint16_t pattern;		 /* first two bytes of the payload, the others count up */
	const uint8_t *content;		 /* the payload's first bytes, in place of the pattern's */
	uint16_t content_length;
	uint16_t padding; /* bytes behind the IP packet */
	/* ICMP: the message, whose checksum is filled where it is sent from; `payload` counts its bytes */
	const uint8_t *message;
};

/* Writes the frame; returns its length, at most FRAME_MAX. */
size_t frame_build(const struct frame *frame, uint8_t *ret);
/* Checks every checksum of a frame that frame_build could have made; NULL if right, else what is wrong. */
const char *frame_fault(const uint8_t *data, size_t length);
/* Bytes that the outer header adds. */
size_t frame_outer_size(const struct frame *frame);
/* Offset of the (inner) transport header in what frame_build writes. */
size_t frame_l4_offset(const struct frame *frame);
/* Prints the bytes of two frames that differ. */
void frame_print_difference(const uint8_t *got, size_t got_length, const uint8_t *want,
			    size_t want_length);
/* Internet checksum over data, added to a sum. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t length);
uint16_t checksum_fold(uint32_t sum);

#endif
