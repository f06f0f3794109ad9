/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Talks of QUIC with groups of two servers: who is wanted for an id, and what is sent. For quic.c, whose tests they serve. */
#ifndef XLB_TESTS_QUIC_TALK_H
#define XLB_TESTS_QUIC_TALK_H

#include <arpa/inet.h>
#include <string.h>

#include "datagram.h"
#include "talk.h"
#include "tests.h"
#include "xlb/hash.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID_LENGTH    8

/* The listener's service, and another one whose server is in its group too. */
struct pair {
	enum service even, odd;
};

/* --- who is wanted ----------------------------------------------------------------------------------- */

static inline enum service by_slot(const struct pair *pair, uint32_t hash)
{
	return xlb_maglev_slot(hash) % 2 ? pair->odd : pair->even;
}

static inline enum service by_id(const struct pair *pair, struct id id, uint8_t id_length)
{
	struct xlb_quic_id key = {};

	memcpy(key.bytes, id.at, id.length < id_length ? id.length : id_length);
	return by_slot(pair, xlb_hash_quic(&key));
}

static inline enum service by_tuple(const struct pair *pair, const struct talk *talk)
{
	struct xlb_addr client = addr_client(talk->family), vip = addr_vip(talk->vip, talk->family);

	return by_slot(pair, xlb_hash_tuple(&client, htons(talk->client_port), &vip,
					    htons(service_port(talk->service)), talk->protocol));
}

/* Any bytes, read once more, naively. */
static inline enum service by_bytes(const struct pair *pair, const struct talk *talk,
				    const struct datagram *datagram, uint8_t id_length)
{
	bool is_long = datagram->length && datagram->at[0] & 0x80;
	struct id id = { .length = id_length };
	size_t start = is_long ? 6 : 1;

	if (is_long && datagram->length > 5 && datagram->at[5] < id_length)
		id.length = datagram->at[5];
	if (!id.length || datagram->length < start + id.length)
		return by_tuple(pair, talk);
	memcpy(id.at, datagram->at + start, id.length);
	return by_id(pair, id, id_length);
}

static inline enum service other(const struct pair *pair, enum service server)
{
	return server == pair->even ? pair->odd : pair->even;
}

/* An id that the hash gives to the server, of bytes that name nobody. */
static inline struct id id_of(const struct pair *pair, enum service server, uint8_t length)
{
	struct id id;

	do
		id = random_id(length);
	while (by_id(pair, id, ID_LENGTH) != server);
	return id;
}

/* --- talking ----------------------------------------------------------------------------------------- */

static inline void flags_of(enum service server, uint32_t flags)
{
	world_server(server, XLB_IPV4, XLB_SERVER_QUIC | flags);
	world_server(server, XLB_IPV6, XLB_SERVER_QUIC | flags);
}

static inline void go_by_ids(const struct pair *pair, struct xlb_choice quic)
{
	world_group_of_two(pair->even, pair->even, pair->odd);
	world_choice(pair->even, &quic);
	flags_of(pair->even, 0);
	flags_of(pair->odd, 0);
}

#define BY_DEFAULT ((struct xlb_choice){ .id_length = ID_LENGTH, .config = XLB_QUIC_CONFIGS })

static inline void send_as(struct talk *talk, enum actor actor, const struct datagram *datagram)
{
	struct frame frame = talk_frame(talk, actor, 0);
	const char *fault;

	frame.content = datagram->at;
	frame.payload = frame.content_length = datagram->length;
	fault = talk_send(talk, actor, &frame, FORWARDED, XLB_DROP_NONE);
	if (fault)
		fail_msg("service %d, IPv%u: %s", talk->service, talk->family, fault);
}

static inline enum service server_of(const struct pair *pair, const struct talk *talk)
{
	struct xlb_flow_key key = talk_key(talk);
	enum service servers[] = { pair->even, pair->odd };
	struct xlb_flow flow;

	assert_true(world_flow(&key, &flow));
	for (size_t i = 0; i < COUNT(servers); i++)
		if (flow.server == id_server(servers[i], service_family(servers[i], talk->family)))
			return servers[i];
	fail_msg("the flow is of a server that is not in the group");
	return SERVICE_NONE;
}

/* A datagram from a port that the client has not used yet; the frame that leaves is compared too. */
static inline struct talk from_new_port(const struct pair *pair, uint8_t family,
					const struct datagram *datagram, enum service want)
{
	struct talk talk;

	talk_init(&talk, family, IPPROTO_UDP, pair->even, VIP_OWN);
	talk.server = want ? want : by_bytes(pair, &talk, datagram, ID_LENGTH);
	send_as(&talk, CLIENT, datagram);
	assert_int_equal(server_of(pair, &talk), talk.server);
	return talk;
}

static inline void goes_to(const struct pair *pair, uint8_t family, struct datagram datagram,
			   enum service want)
{
	from_new_port(pair, family, &datagram, want);
}

/* For every mode and family. */
static inline void each_pair(void (*test)(const struct pair *pair, uint8_t family))
{
	static const struct pair pairs[] = {
		{ WEB, SPARE }, { CROSS, WEB }, { NAT, NAT_SPARE }, { DR, DR_SPARE }, { IPIP, GUE },
	};

	for (size_t i = 0; i < COUNT(pairs); i++)
		for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
			world_reset();
			go_by_ids(&pairs[i], BY_DEFAULT);
			test(&pairs[i], family);
		}
}

static inline bool is_heard(const struct pair *pair)
{
	return !xlb_mode_has(service_mode(pair->even), XLB_MODE_DIRECT);
}

#endif
