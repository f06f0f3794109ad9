/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A range of ports as prefixes, for tries. */
#ifndef XLB_BASE_PORT_PREFIX_H
#define XLB_BASE_PORT_PREFIX_H

#include <stdint.h>

#define PORT_PREFIXES_MAX 30 /* that a range can be made of */

struct port_prefix {
	uint16_t port;	/* the first one, host byte order */
	uint8_t length; /* bits that all its ports have in common, 0-16 */
};

/* The fewest prefixes that have all ports from `from` to `to` and no others, by rising port: how many. 0: from > to. */
uint32_t port_prefixes(uint16_t from, uint16_t to, struct port_prefix ret[PORT_PREFIXES_MAX]);

#endif
