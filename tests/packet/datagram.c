// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "datagram.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct id random_id(uint8_t length)
{
	struct id id = { .length = length };

	for (uint8_t i = 0; i < length; i++)
		id.at[i] = (uint8_t)random();
	return id;
}

static void put_bytes(struct datagram *to, const void *bytes, size_t count)
{
	memcpy(to->at + to->length, bytes, count);
	to->length = (uint16_t)(to->length + count);
}

/* What is protected: anything. */
static void put_rest(struct datagram *to)
{
	struct id rest = random_id(20);

	put_bytes(to, rest.at, rest.length);
}

struct datagram short_header(struct id id)
{
	struct datagram datagram = { .at = { 0x40 }, .length = 1 };

	put_bytes(&datagram, id.at, id.length);
	put_rest(&datagram);
	return datagram;
}

struct datagram long_header(uint32_t version, uint8_t type, struct id to, struct id from)
{
	struct datagram datagram = { .at = { (uint8_t)(0xc0 | type << 4) }, .length = 1 };
	uint32_t word = htonl(version);

	put_bytes(&datagram, &word, sizeof(word));
	put_bytes(&datagram, &to.length, 1);
	put_bytes(&datagram, to.at, to.length);
	put_bytes(&datagram, &from.length, 1);
	put_bytes(&datagram, from.at, from.length);
	put_rest(&datagram);
	return datagram;
}

struct datagram from_client(uint8_t type, struct id to)
{
	return long_header(V1, type, to, random_id(5));
}

struct datagram from_server(uint8_t type, struct id own)
{
	return long_header(V1, type, random_id(5), own);
}
