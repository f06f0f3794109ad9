// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Groups that go by connection ids of QUIC: which server gets a datagram of no flow, whatever its form, and what is
 * learned from those of a flow.
 */
#include "tests.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "dry.h"
#include "quic_talk.h"

/* --- new flows --------------------------------------------------------------------------------------- */

/* One id reaches one server, from every port and in every form of header. */
static void forms_of(const struct pair *pair, uint8_t family)
{
	static const struct {
		uint32_t version;
		uint8_t type;
	} forms[] = { { V1, 0 },      { V1, 1 },      { V1, 2 },	 { V1, 3 },
		      { V2, 0 },      { V2, 1 },      { V2, 2 },	 { V2, 3 },
		      { UNKNOWN, 0 }, { UNKNOWN, 2 }, { 0 /* any */, 0 } };

	for (int round = 0; round < 6; round++) {
		enum service want = round % 2 ? pair->odd : pair->even;
		struct id id = id_of(pair, want, (uint8_t)(ID_LENGTH + random() % 13));

		for (size_t i = 0; i < COUNT(forms); i++)
			goes_to(pair, family,
				long_header(forms[i].version, forms[i].type, id, random_id(8)),
				want);
		goes_to(pair, family, short_header(id), want);
	}
}

static void test_forms(void **state)
{
	(void)state;
	srandom(6);
	each_pair(forms_of);
}

/* Ids of every length under every setting, and each cut off at every byte: never a drop. */
static void lengths_of(const struct pair *pair, uint8_t id_length)
{
	struct datagram datagrams[22] = { short_header(random_id(20)) };

	world_choice(pair->even,
		     &(struct xlb_choice){ .id_length = id_length, .config = XLB_QUIC_CONFIGS });
	for (uint8_t length = 0; length <= 20; length++)
		datagrams[1 + length] = from_client(length % 3, random_id(length));
	for (size_t i = 0; i < COUNT(datagrams); i++) {
		struct datagram cut = datagrams[i];

		do {
			struct talk talk;

			talk_init(&talk, i % 2 ? XLB_IPV4 : XLB_IPV6, IPPROTO_UDP, pair->even,
				  VIP_OWN);
			talk.server = by_bytes(pair, &talk, &cut, id_length);
			send_as(&talk, CLIENT, &cut);
			assert_int_equal(server_of(pair, &talk), talk.server);
		} while (cut.length--);
		world_end_flows(FLOW_DELETE);
	}
}

static void test_lengths(void **state)
{
	static const struct pair pair = { WEB, SPARE };

	(void)state;
	srandom(7);
	go_by_ids(&pair, BY_DEFAULT);
	lengths_of(&pair, 4);
	lengths_of(&pair, ID_LENGTH);
	lengths_of(&pair, 20);
}

/* Whatever it is, also lengths that lie. */
static void garbage_of(const struct pair *pair, uint8_t family)
{
	for (int i = 0; i < 200; i++) {
		struct datagram datagram = { .length = (uint16_t)(random() % 64) };

		for (uint16_t at = 0; at < datagram.length; at++)
			datagram.at[at] = (uint8_t)random();
		goes_to(pair, family, datagram, SERVICE_NONE);
		/* on the flow of another one: what is learned from it must not go wrong */
		if (i % 4 == 0) {
			struct datagram first = from_client(INITIAL, random_id(8));
			struct talk talk = from_new_port(pair, family, &first, SERVICE_NONE);

			send_as(&talk, CLIENT, &datagram);
			if (is_heard(pair))
				send_as(&talk, SERVER, &datagram);
			datagram.at[0] |= 0x80;
			send_as(&talk, CLIENT, &datagram);
			if (is_heard(pair))
				send_as(&talk, SERVER, &datagram);
			world_quic_forget();
		}
	}
}

static void test_garbage(void **state)
{
	(void)state;
	srandom(8);
	each_pair(garbage_of);
}

/* TCP to such a group, and groups that go by tuples, do not look at ids. */
static void test_tuple(void **state)
{
	static const struct pair pair = { WEB, SPARE };
	struct datagram datagram = short_header(random_id(20));
	const struct step syn = FORWARD(CLIENT, SYN);

	(void)state;
	srandom(9);
	go_by_ids(&pair, BY_DEFAULT);
	for (int i = 0; i < 100; i++) {
		struct talk talk;

		if (i == 50)
			world_choice(pair.even, &(struct xlb_choice){});
		talk_init(&talk, XLB_IPV4, i < 50 ? IPPROTO_TCP : IPPROTO_UDP, pair.even, VIP_OWN);
		talk.server = by_tuple(&pair, &talk);
		if (i < 50)
			assert_null(talk_step(&talk, &syn));
		else
			send_as(&talk, CLIENT, &datagram);
		assert_int_equal(server_of(&pair, &talk), talk.server);
	}
}

/* --- server ids -------------------------------------------------------------------------------------- */

static const uint8_t name_even[] = { 0x0a, 0x01 }, name_odd[] = { 0x0a, 0x02 };

/* An id that names a server and that the hash gives to the other one. */
static struct id named(const struct pair *pair, enum service server, uint8_t first)
{
	struct id id;

	do {
		id = random_id(12);
		id.at[0] = first;
		memcpy(id.at + 1, server == pair->even ? name_even : name_odd, sizeof(name_odd));
	} while (by_id(pair, id, ID_LENGTH) == server);
	return id;
}

static void give_names(const struct pair *pair, uint8_t config)
{
	struct xlb_choice quic = BY_DEFAULT;

	quic.server_id_length = sizeof(name_odd);
	quic.config = config;
	world_choice(pair->even, &quic);
	world_quic_name(pair->even, name_even, sizeof(name_even), pair->even);
	world_quic_name(pair->even, name_odd, sizeof(name_odd), pair->odd);
}

static void names_of(const struct pair *pair, uint8_t family)
{
	static const uint32_t no_service[] = { XLB_SERVER_DOWN, XLB_SERVER_RESET };

	give_names(pair, XLB_QUIC_CONFIGS);
	for (int i = 0; i < 4; i++) {
		enum service server = i % 2 ? pair->odd : pair->even;
		struct id id = named(pair, server, (uint8_t)(i * 0x40));

		goes_to(pair, family, short_header(id), server);
		goes_to(pair, family, from_client(HANDSHAKE, id), server);
		goes_to(pair, family, long_header(V2, 3, id, random_id(0)), server);
		/* these ids are of clients, who must not choose */
		goes_to(pair, family, from_client(INITIAL, id), other(pair, server));
		goes_to(pair, family, from_client(ZERO_RTT, id), other(pair, server));
		goes_to(pair, family, long_header(V2, 1, id, random_id(0)), other(pair, server));
		goes_to(pair, family, long_header(UNKNOWN, 2, id, random_id(0)),
			other(pair, server));
		/* the server made it without knowing its name */
		id = named(pair, server, 0xe5);
		goes_to(pair, family, short_header(id), other(pair, server));
	}
	for (size_t i = 0; i < COUNT(no_service); i++) {
		flags_of(pair->odd, no_service[i]);
		goes_to(pair, family, short_header(named(pair, pair->odd, 0)), pair->even);
		flags_of(pair->odd, 0);
	}
	/* ids of another configuration are read otherwise */
	give_names(pair, 2);
	goes_to(pair, family, short_header(named(pair, pair->odd, 0x47)), pair->odd);
	goes_to(pair, family, short_header(named(pair, pair->odd, 0x67)), pair->even);
	/* a server that takes no new flow finishes what it has: it is in no slot, but has its name */
	world_group(pair->even, pair->even);
	goes_to(pair, family, short_header(named(pair, pair->odd, 0x47)), pair->odd);
}

static void test_names(void **state)
{
	(void)state;
	srandom(10);
	each_pair(names_of);
}

/* A name counts in its own group only. */
static void test_names_of_others(void **state)
{
	static const struct pair pair = { WEB, SPARE };
	struct id id;

	(void)state;
	srandom(11);
	go_by_ids(&pair, BY_DEFAULT);
	give_names(&pair, XLB_QUIC_CONFIGS);
	world_quic_name(ONE_ARM, (const uint8_t[]){ 0x0a, 0x03 }, 2, ONE_ARM);
	id = named(&pair, pair.odd, 0);
	id.at[2] = 3;
	goes_to(&pair, XLB_IPV4, short_header(id), by_id(&pair, id, ID_LENGTH));
}

/* --- ids that are learned ---------------------------------------------------------------------------- */

/*
 * A connection that began with an id of the client's, at a server to which the hash does not give the server's own id.
 * What tells of that is sent by whom it is learned from.
 */
static struct talk connect_to(const struct pair *pair, uint8_t family, enum service server,
			      uint8_t type, struct id own)
{
	struct datagram initial = from_client(INITIAL, id_of(pair, server, 14));
	struct talk talk = from_new_port(pair, family, &initial, server);
	struct datagram answer = from_server(type, own), next = from_client(type, own);

	if (is_heard(pair))
		send_as(&talk, SERVER, &answer);
	else
		send_as(&talk, CLIENT, &next);
	return talk;
}

/* The client's port changes time and again; what it sends there goes on, at the server that has the connection. */
static void rebinding_of(const struct pair *pair, uint8_t family)
{
	for (int i = 0; i < 4; i++) {
		enum service server = i % 2 ? pair->odd : pair->even;
		struct id own = id_of(pair, other(pair, server), i < 2 ? ID_LENGTH : 20);
		struct datagram data = short_header(own);
		struct talk talk = connect_to(pair, family, server, HANDSHAKE, own);

		send_as(&talk, CLIENT, &data);
		for (int move = 0; move < 3; move++) {
			talk = from_new_port(pair, family, &data, server);
			if (is_heard(pair))
				send_as(&talk, SERVER, &data);
			send_as(&talk, CLIENT, &data);
		}
		/* in the handshake too, whatever the type */
		goes_to(pair, family, from_client(HANDSHAKE, own), server);
		goes_to(pair, family, from_client(INITIAL, own), server);
		/* the flow's time is over, the connection's is not */
		world_age(UDP_IDLE + 3);
		talk.now = (struct mapping){};
		send_as(&talk, CLIENT, &data);
		assert_int_equal(server_of(pair, &talk), server);
	}
}

static void test_rebinding(void **state)
{
	(void)state;
	srandom(12);
	each_pair(rebinding_of);
}

/* Who lost the connection is not asked for it: a server that is down, drained, or another one by now. */
static void lost_servers_of(const struct pair *pair, uint8_t family)
{
	struct id own = id_of(pair, pair->even, ID_LENGTH);
	struct datagram data = short_header(own);

	connect_to(pair, family, pair->odd, HANDSHAKE, own);
	flags_of(pair->odd, XLB_SERVER_DOWN);
	from_new_port(pair, family, &data, pair->even);
	flags_of(pair->odd, XLB_SERVER_RESET);
	from_new_port(pair, family, &data, pair->even);
	flags_of(pair->odd, 0);
	from_new_port(pair, family, &data, pair->odd);
	/* drained: in no slot, but it goes on with what it has */
	world_group(pair->even, pair->even);
	from_new_port(pair, family, &data, pair->odd);
	/* its id becomes another's, which no id does that flows have */
	world_end_flows(FLOW_DELETE);
	world_server_moved(pair->odd, family);
	from_new_port(pair, family, &data, pair->even);
}

static void test_lost_servers(void **state)
{
	(void)state;
	srandom(13);
	each_pair(lost_servers_of);
}

/* What teaches nothing: forms that say nothing of the server, ids too short, ids of clients where servers are heard. */
static void not_learned_of(const struct pair *pair, uint8_t family)
{
	struct datagram initial = from_client(INITIAL, id_of(pair, pair->odd, 14));
	struct talk talk = from_new_port(pair, family, &initial, pair->odd);
	struct id own = id_of(pair, pair->even, ID_LENGTH), small = random_id(ID_LENGTH - 1);
	const struct datagram silent[] = {
		short_header(own),
		long_header(V1, RETRY, own, own),
		long_header(V2, 0, own, own),
		long_header(0, 0, own, own),
		long_header(V1, HANDSHAKE, small, small),
	};

	for (size_t i = 0; i < COUNT(silent); i++) {
		struct datagram cut = silent[i];

		send_as(&talk, CLIENT, &cut);
		if (is_heard(pair))
			send_as(&talk, SERVER, &cut);
		assert_int_equal(world_quic_ids(), 0);
	}
	/* cut off within the id */
	for (uint16_t length = 0; length < 7 + 2 * ID_LENGTH; length++) {
		struct datagram cut = long_header(V1, HANDSHAKE, own, own);

		cut.length = is_heard(pair) ? length : length % (6 + ID_LENGTH);
		send_as(&talk, is_heard(pair) ? SERVER : CLIENT, &cut);
		assert_int_equal(world_quic_ids(), 0);
	}
	if (is_heard(pair)) {
		struct datagram said = from_client(HANDSHAKE, own);

		send_as(&talk, CLIENT, &said);
		assert_int_equal(world_quic_ids(), 0);
	}
}

static void test_not_learned(void **state)
{
	(void)state;
	srandom(14);
	each_pair(not_learned_of);
}

/* Where only clients are heard, one cannot take over the id of another one's connection. */
static void taken_of(const struct pair *pair, uint8_t family)
{
	struct id own = id_of(pair, pair->even, ID_LENGTH);
	struct datagram data = short_header(own);

	connect_to(pair, family, pair->odd, HANDSHAKE, own);
	connect_to(pair, family, pair->even, HANDSHAKE, own);
	/* a server that chooses an id that another had long ago is right */
	from_new_port(pair, family, &data, is_heard(pair) ? pair->even : pair->odd);
}

static void test_taken(void **state)
{
	(void)state;
	srandom(15);
	each_pair(taken_of);
}

/* UDP may end before IP does: what lies behind is no part of the datagram, and no id. */
static void surplus_of(const struct pair *pair, uint8_t family)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;

	for (uint16_t length = 0; length < 1 + ID_LENGTH; length++) {
		struct datagram whole = short_header(random_id(ID_LENGTH)), cut = whole;
		struct frame frame;
		struct talk talk;
		size_t size;

		cut.length = length;
		talk_init(&talk, family, IPPROTO_UDP, pair->even, VIP_OWN);
		frame = talk_frame(&talk, CLIENT, 0);
		frame.content = whole.at;
		frame.payload = frame.content_length = whole.length;
		size = frame_build(&frame, data);
		data[frame_l4_offset(&frame) + 5] = (uint8_t)(8 + length);
		world_send(data, size, &got);
		assert_int_equal(server_of(pair, &talk), by_bytes(pair, &talk, &cut, ID_LENGTH));
	}
}

static void test_surplus(void **state)
{
	(void)state;
	srandom(18);
	each_pair(surplus_of);
}

/* Flows of other groups teach nothing, nor does an id count at another VIP or port. */
static void test_elsewhere(void **state)
{
	static const struct pair pair = { WEB, SPARE }, tuples = { ONE_ARM, ONE_ARM };
	struct id own = id_of(&pair, pair.even, ID_LENGTH);
	struct datagram data = short_header(own), answer = from_server(HANDSHAKE, own);
	struct talk talk;

	(void)state;
	srandom(16);
	talk = from_new_port(&tuples, XLB_IPV4, &data, ONE_ARM);
	send_as(&talk, SERVER, &answer);
	assert_int_equal(world_quic_ids(), 0);
	go_by_ids(&pair, BY_DEFAULT);
	connect_to(&pair, XLB_IPV4, pair.odd, INITIAL, own);
	assert_int_equal(world_quic_ids(), 1);
	talk_init(&talk, XLB_IPV4, IPPROTO_UDP, pair.even, VIP_HOST);
	send_as(&talk, CLIENT, &data);
	assert_int_equal(server_of(&pair, &talk), pair.even);
	world_listener(ONE_ARM, IPPROTO_UDP, pair.even, 0);
	talk_init(&talk, XLB_IPV4, IPPROTO_UDP, ONE_ARM, VIP_OWN);
	talk.server = pair.even;
	send_as(&talk, CLIENT, &data);
	assert_int_equal(server_of(&pair, &talk), pair.even);
}

/* A server goes and comes back: only ids that its slots had move, and those that others have learned do not. */
static void test_stability(void **state)
{
	static const struct pair pair = { WEB, SPARE };
	struct id ids[20];

	(void)state;
	srandom(17);
	go_by_ids(&pair, BY_DEFAULT);
	for (size_t i = 0; i < COUNT(ids); i++) {
		ids[i] = id_of(&pair, pair.odd, ID_LENGTH);
		connect_to(&pair, XLB_IPV4, i % 2 ? pair.odd : pair.even, HANDSHAKE, ids[i]);
	}
	world_group(pair.even, pair.odd);
	for (size_t i = 0; i < COUNT(ids); i++)
		goes_to(&pair, XLB_IPV4, short_header(ids[i]), i % 2 ? pair.odd : pair.even);
}

/* The same with a dry run before each frame. */
static void test_dry(void **state)
{
	(void)state;
	dry_start();
	each_pair(forms_of);
	each_pair(names_of);
	each_pair(rebinding_of);
	each_pair(not_learned_of);
	dry_stop();
}

/* What a dry run tells of how the server was found; of a client's new port. */
static uint8_t how(const struct pair *pair, struct datagram datagram)
{
	static uint8_t data[FRAME_MAX];
	struct dry_result result;
	struct frame frame;
	struct talk talk;

	talk_init(&talk, XLB_IPV4, IPPROTO_UDP, pair->even, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, 0);
	frame.content = datagram.at;
	frame.payload = frame.content_length = datagram.length;
	assert_true(dry_run_frame(data, frame_build(&frame, data), &result));
	return result.found;
}

static void test_told(void **state)
{
	static const struct pair pair = { WEB, SPARE };
	struct id own;

	(void)state;
	srandom(18);
	go_by_ids(&pair, BY_DEFAULT);
	give_names(&pair, XLB_QUIC_CONFIGS);
	own = id_of(&pair, pair.even, ID_LENGTH);
	own.at[0] = 0xff;
	connect_to(&pair, XLB_IPV4, pair.odd, HANDSHAKE, own);
	dry_start();
	assert_int_equal(how(&pair, short_header(named(&pair, pair.odd, 0))),
			 XLB_FOUND_NAMED | XLB_FOUND_NEW);
	assert_int_equal(how(&pair, short_header(own)), XLB_FOUND_OWNER | XLB_FOUND_NEW);
	assert_int_equal(how(&pair, from_client(INITIAL, random_id(8))),
			 XLB_FOUND_ID | XLB_FOUND_SLOT | XLB_FOUND_NEW);
	assert_int_equal(how(&pair, (struct datagram){ .length = 3 }),
			 XLB_FOUND_SLOT | XLB_FOUND_NEW);
	dry_stop();
}

/* A first fragment that ends within the id is of no connection, whatever lies behind it in the frame. */
static void test_first_fragment(void **state)
{
	static const struct pair pair = { WEB, SPARE };
	static uint8_t data[FRAME_MAX];
	static struct outcome got;

	(void)state;
	srandom(19);
	go_by_ids(&pair, BY_DEFAULT);
	for (int i = 0; i < 40; i++) {
		struct datagram datagram = short_header(random_id(ID_LENGTH));
		struct talk talk;
		struct frame frame;
		size_t length;

		talk_init(&talk, XLB_IPV6, IPPROTO_UDP, pair.even, VIP_OWN);
		frame = talk_frame(&talk, CLIENT, 0);
		frame.extensions[frame.extension_count++] = IPPROTO_FRAGMENT;
		frame.fragment = 1; /* of more */
		frame.content = datagram.at;
		frame.payload = frame.content_length = datagram.length;
		length = frame_build(&frame, data);
		data[19] =
			8 + 8 +
			ID_LENGTH; /* payload: the fragment header, that of UDP, no more than its 8th byte */
		world_send(data, length, &got);
		assert_int_equal(server_of(&pair, &talk), by_tuple(&pair, &talk));
	}
}

const struct CMUnitTest quic_tests[] = {
	{ .name = "quic: an id reaches one server in every form", .test_func = test_forms },
	{ .name = "quic: ids of every length, cut off anywhere", .test_func = test_lengths },
	{ .name = "quic: garbage", .test_func = test_garbage },
	{ .name = "quic: tcp, and groups that go by tuples", .test_func = test_tuple },
	{ .name = "quic: ids that name servers", .test_func = test_names },
	{ .name = "quic: names of other groups", .test_func = test_names_of_others },
	{ .name = "quic: the client's port changes", .test_func = test_rebinding },
	{ .name = "quic: servers that lost the connection", .test_func = test_lost_servers },
	{ .name = "quic: what teaches nothing", .test_func = test_not_learned },
	{ .name = "quic: an id that is taken", .test_func = test_taken },
	{ .name = "quic: bytes behind the datagram", .test_func = test_surplus },
	{ .name = "quic: a first fragment that ends within the id",
	  .test_func = test_first_fragment },
	{ .name = "quic: ids of elsewhere", .test_func = test_elsewhere },
	{ .name = "quic: servers come and go", .test_func = test_stability },
	{ .name = "quic: dry runs", .test_func = test_dry },
	{ .name = "quic: what is told", .test_func = test_told },
	{ 0 },
};
