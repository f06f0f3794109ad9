// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Any bytes as a frame: the datapath's parser stays inside of it, and what it accepts is whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct packet *pkt, size_t size)
{
	size_t header = pkt->protocol == IPPROTO_TCP ? sizeof(struct tcphdr) :
						       sizeof(struct udphdr);

	if (pkt->fault)
		return;
	if (!is_l4(pkt->protocol) || pkt->l4_length < header ||
	    (size_t)pkt->l4_offset + pkt->l4_length > size ||
	    (size_t)pkt->l3_length + sizeof(struct ethhdr) > size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet pkt = {};
	/* as drivers do: the IP header is aligned, the Ethernet header is not */
	uint8_t *copy = malloc(size + 2);

	if (!copy)
		return 0;
	if (size)
		memcpy(copy + 2, data, size);
	if (!parse_packet(copy + 2, copy + 2 + size, (uint32_t)size, &pkt))
		check(&pkt, size);
	free(copy);
	return 0;
}
