/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Frames and what people say of them: "203.0.113.9:51000 > 198.51.100.10:80 tcp SYN". */
#ifndef XLB_CORE_PACKET_H
#define XLB_CORE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/parse.h"

#define PACKET_TEXT_MAX	 160
#define PACKET_FRAME_MAX 128 /* bytes of a frame that packet_build makes */

/* bits of a TCP header's flags */
#define PACKET_FIN 0x01
#define PACKET_SYN 0x02
#define PACKET_RST 0x04
#define PACKET_PSH 0x08
#define PACKET_ACK 0x10

struct packet_info {
	uint8_t family; /* XLB_IPV4 or XLB_IPV6; 0: no IP, ether_type says what */
	uint8_t protocol;
	uint8_t tcp_flags;
	bool fragment;	/* of a larger packet: ports may be missing */
	bool has_ports; /* TCP or UDP, and the bytes reached that far */
	uint16_t ether_type;
	uint16_t vlans[2]; /* ids of its VLAN tags, the outer one first */
	uint8_t vlan_count;
	struct xlb_addr source, destination;
	uint16_t source_port_h, destination_port_h;
};

/* What can be told from the first bytes of an Ethernet frame; whatever they are, this is safe. */
void packet_read(const uint8_t *data, size_t size, struct packet_info *ret);
/* "tcp"; NULL: there is no word for it. */
const char *packet_protocol_word(uint8_t protocol);
void packet_format(const struct packet_info *info, char ret[PACKET_TEXT_MAX]);
/* "SYN,ACK" in any case to bits; -EINVAL. */
int packet_flags_parse(const char *text, uint8_t *ret);

/*
 * The smallest frame that says the same: TCP or UDP without payload, or a ping (ICMP of the family), checksums right.
 * Returns its length.
 */
size_t packet_build(const struct packet_info *info, const uint8_t destination[6],
		    const uint8_t source[6], uint8_t ret[PACKET_FRAME_MAX]);

#endif
