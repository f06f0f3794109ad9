/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames read again, by nothing of the datapath: lengths, checksums, ends. */
#ifndef XLB_TESTS_PACKET_DECODE_H
#define XLB_TESTS_PACKET_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xlb/abi.h"

/* Of a checksum. */
enum sum { SUM_ABSENT, SUM_RIGHT, SUM_WRONG };

struct decoded {
	const char *
		fault; /* what contradicts itself; of the rest only what comes before it is filled */
	uint8_t family; /* 0: no IP */
	uint8_t protocol, ttl, tcp_flags;
	bool fragment; /* not a whole packet */
	struct xlb_addr source, destination;
	uint16_t source_port, destination_port; /* of TCP and UDP */
	size_t l3, l4, end;			/* offsets; what is behind the end is padding */
	size_t payload;				/* offset of what follows TCP or UDP */
	enum sum l3_sum, l4_sum;
};

/* The IP packet of so many bytes at an offset of a frame. */
void decode_packet(const uint8_t *frame, size_t at, size_t length, struct decoded *ret);
/* The packet of a frame, behind VLAN tags if there are any. */
void decode_frame(const uint8_t *frame, size_t length, struct decoded *ret);
/* True if its protocol is the ICMP of its family. */
bool decoded_is_icmp(const struct decoded *packet);
/* What a fragment of TCP or UDP adds to the checksum of the whole packet, beside lengths: 0xffff is 0. */
uint16_t decode_share(const uint8_t *frame, const struct decoded *packet);
/* Makes the checksums right that a decoded packet has. */
void decode_repair(uint8_t *frame, const struct decoded *packet);

#endif
