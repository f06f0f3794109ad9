// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/port_prefix.h"

uint32_t port_prefixes(uint16_t from, uint16_t to, struct port_prefix ret[PORT_PREFIXES_MAX])
{
	uint32_t next = from, n = 0;

	while (next <= to) {
		uint8_t length = 16;
		uint32_t size = 1;

		/* the largest block that begins here and does not go too far */
		while (length && !(next & size) && next + 2 * size - 1 <= to) {
			size *= 2;
			length--;
		}
		ret[n++] = (struct port_prefix){ (uint16_t)next, length };
		next += size;
	}
	return n;
}
