/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Datagrams of QUIC, as far as they can be read without a key. */
#ifndef XLB_TESTS_DATAGRAM_H
#define XLB_TESTS_DATAGRAM_H

#include <stdint.h>

#include "xlb/abi.h"

#define V1	0x00000001U
#define V2	0x6b3343cfU
#define UNKNOWN 0xfaceb00cU

/* bits of a long header's first byte, version 1 */
#define INITIAL	  0
#define ZERO_RTT  1
#define HANDSHAKE 2
#define RETRY	  3

struct datagram {
	uint8_t at[96];
	uint16_t length;
};

struct id {
	uint8_t at[XLB_QUIC_ID_MAX];
	uint8_t length;
};

struct id random_id(uint8_t length);
struct datagram short_header(struct id id);
/* `type`: the bits of its first byte; `to`, `from`: ids of who gets and who sends it. */
struct datagram long_header(uint32_t version, uint8_t type, struct id to, struct id from);
/* Of version 1, from one whose own id does not matter to who has this one. */
struct datagram from_client(uint8_t type, struct id to);
struct datagram from_server(uint8_t type, struct id own);

#endif
