// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which listener and which server: the program against naive code, on random input. */
#include "tests.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ports.h"
#include "talk.h"
#include "xlb/hash.h"

static uint32_t random_below(uint32_t n)
{
	return (uint32_t)random() % n;
}

/* Who got the packet, by its destination: SERVICE_NONE if it was dropped for no_listener. */
static enum service receiver(const struct outcome *got, uint8_t family)
{
	const uint8_t *at = got->data + (family == XLB_IPV4 ? 30 : 38);

	if (got->verdict == XDP_DROP)
		return SERVICE_NONE;
	if (got->verdict != XDP_REDIRECT && got->verdict != XDP_TX)
		fail_msg("verdict %u", got->verdict);
	for (enum service service = WEB; service < SERVICE_COUNT; service++) {
		struct xlb_addr server = addr_server(service, family);

		if (!memcmp(at, server.bytes + (family == XLB_IPV4 ? 12 : 0),
			    family == XLB_IPV4 ? 4 : 16))
			return service;
	}
	fail_msg("the packet went to nobody");
	return SERVICE_NONE;
}

static enum service send_from(const struct talk *talk, const struct xlb_addr *client,
			      uint16_t client_port, uint16_t port)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	struct frame frame = talk_frame(talk, CLIENT, SYN);

	frame.source = *client;
	frame.source_port = client_port;
	frame.destination_port = port;
	world_send(data, frame_build(&frame, data), &got);
	return receiver(&got, talk->family);
}

/* Slot by slot, the server is the one that hash.h and the table say. */
static void test_hash(void **state)
{
	static const enum service servers[] = { WEB, SPARE, ONE_ARM };
	AUTO_FREE struct content_maglev *content = malloc(sizeof(*content));
	uint32_t met[SERVICE_COUNT] = {};
	struct talk talk;

	(void)state;
	assert_non_null(content);
	srandom(2);
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct row_maglev_key key = { WEB, family };
		struct xlb_addr vip = addr_vip(VIP_OWN, family);

		for (uint32_t i = 0; i < XLB_MAGLEV_SLOTS; i++)
			content->slot[i] = (uint16_t)id_server(servers[random_below(3)], family);
		world_put_content(TABLE_MAGLEV, &key, content, sizeof(*content));
		for (int i = 0; i < 600; i++) {
			uint8_t protocol = random() % 2 ? IPPROTO_TCP : IPPROTO_UDP;
			struct xlb_addr client = addr_client(family);
			uint16_t port = (uint16_t)random_below(65536);
			uint32_t slot;

			client.bytes[14] = (uint8_t)random();
			client.bytes[15] = (uint8_t)random();
			talk_init(&talk, family, protocol, WEB, VIP_OWN);
			slot = xlb_maglev_slot(xlb_hash_tuple(&client, htons(port), &vip,
							      htons(service_port(WEB)), protocol));
			for (enum service want = WEB; want < SERVICE_COUNT; want++)
				if (id_server(want, family) == content->slot[slot]) {
					assert_int_equal(send_from(&talk, &client, port, 80), want);
					met[want]++;
				}
		}
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(met[servers[i]], 300, 500);
}

/* Which group has the hash, by its weight. */
static enum service naive_share(const enum service *groups, const uint32_t *weights, uint32_t hash)
{
	uint64_t sum = 0, part = 0;
	uint32_t i;

	for (i = 0; i < 3; i++)
		sum += weights[i];
	for (i = 0; i < 2; i++) {
		part += weights[i];
		if (hash * sum < part << 32)
			break;
	}
	return groups[i];
}

static void split_put(uint8_t protocol, const enum service *groups, const uint32_t *weights,
		      uint32_t flags)
{
	uint64_t sum = weights[0] + weights[1] + weights[2], part = 0;
	struct xlb_split split = {};

	for (uint32_t i = 0; i < 3; i++) {
		part += weights[i];
		split.groups[i].group = groups[i];
		split.groups[i].limit = (uint32_t)((part << 32) / sum - 1);
	}
	world_split(WEB, protocol, &split, flags);
}

static const enum service shared[] = { WEB, SPARE, ONE_ARM };

/* Flow by flow the group is the one of naive code. */
static void split_of(uint8_t family, uint8_t protocol)
{
	static const uint32_t weights[] = { 70, 25, 5 };
	struct xlb_addr vip = addr_vip(VIP_OWN, family), client = addr_client(family);
	struct talk talk;

	talk_init(&talk, family, protocol, WEB, VIP_OWN);
	split_put(protocol, shared, weights, 0);
	for (uint32_t i = 0; i < 1000; i++) {
		uint16_t port = (uint16_t)(1024 + random_below(60000));
		enum service want;

		client.bytes[14] = (uint8_t)random();
		client.bytes[15] = (uint8_t)random();
		want = naive_share(shared, weights,
				   xlb_hash_split(xlb_hash_tuple(&client, htons(port), &vip,
								 htons(service_port(WEB)),
								 protocol)));
		assert_int_equal(send_from(&talk, &client, port, service_port(WEB)), want);
	}
}

static void test_split(void **state)
{
	(void)state;
	srandom(5);
	each_kind(split_of);
}

/* By the client's address alone, whatever its ports. */
static void test_split_source(void **state)
{
	static const uint32_t weights[] = { 1, 1, 1 };
	uint32_t met[SERVICE_COUNT] = {};

	(void)state;
	srandom(6);
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct xlb_addr client = addr_client(family);
		struct talk talk;

		talk_init(&talk, family, IPPROTO_UDP, WEB, VIP_OWN);
		split_put(IPPROTO_UDP, shared, weights, XLB_LISTENER_SOURCE);
		for (uint32_t i = 0; i < 300; i++) {
			enum service want;

			client.bytes[14] = (uint8_t)random();
			client.bytes[15] = (uint8_t)random();
			want = naive_share(shared, weights,
					   xlb_hash_split(xlb_hash_source(&client)));
			for (int j = 0; j < 3; j++)
				assert_int_equal(send_from(&talk, &client,
							   (uint16_t)(1024 + random_below(60000)),
							   service_port(WEB)),
						 want);
			met[want]++;
		}
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(met[shared[i]], 150, 250);
}

/* 5 % of the hashes are met by 5 % of many clients, and these meet all slots evenly: the two hashes do not agree. */
static void test_split_independent(void **state)
{
	static uint32_t buckets[64];
	struct xlb_addr vip = addr_vip(VIP_OWN, XLB_IPV4), client = addr_client(XLB_IPV4);
	const uint32_t clients = 1 << 22, wanted = clients / 20;
	uint32_t taken = 0;

	(void)state;
	memset(buckets, 0, sizeof(buckets));
	for (uint32_t i = 0; i < clients; i++) {
		uint32_t hash;

		memcpy(client.bytes + 12, &i, sizeof(i));
		hash = xlb_hash_tuple(&client, htons(40000), &vip, htons(80), IPPROTO_TCP);
		if (xlb_hash_split(hash) >= UINT32_MAX / 20)
			continue;
		buckets[xlb_maglev_slot(hash) * 64ULL / XLB_MAGLEV_SLOTS]++;
		taken++;
	}
	assert_in_range(taken, wanted / 100 * 99, wanted / 100 * 101);
	for (int i = 0; i < 64; i++)
		assert_in_range(buckets[i], taken / 64 / 10 * 9, taken / 64 / 10 * 11);
}

/* Flows stay where they are while shares change; one of weight 0 gets no new ones; the end of a row is no end of the world. */
static void split_changes_of(uint8_t family, uint8_t protocol)
{
	static const uint32_t all_web[] = { 100, 0, 0 };
	static const enum service zero_last[] = { SPARE, ONE_ARM, WEB };
	static const uint32_t zero_weights[] = { 1, 1, 0 };
	struct xlb_addr client = addr_client(family);
	struct talk talk;

	talk_init(&talk, family, protocol, WEB, VIP_OWN);
	split_put(protocol, shared, all_web, 0);
	for (uint16_t port = 2000; port < 2100; port++)
		assert_int_equal(send_from(&talk, &client, port, service_port(WEB)), WEB);
	split_put(protocol, zero_last, zero_weights, 0);
	for (uint16_t port = 2000; port < 2100; port++)
		assert_int_equal(send_from(&talk, &client, port, service_port(WEB)), WEB);
	for (uint16_t port = 3000; port < 3100; port++)
		assert_int_not_equal(send_from(&talk, &client, port, service_port(WEB)), WEB);
	/* as it is for a moment while a group is added: the last one has moved and is not there yet */
	world_split(WEB, protocol,
		    &(struct xlb_split){ .groups = { { .group = SPARE, .limit = 1000 } } }, 0);
	for (uint16_t port = 4000; port < 4010; port++)
		assert_int_equal(send_from(&talk, &client, port, service_port(WEB)), SPARE);
}

static void test_split_changes(void **state)
{
	(void)state;
	each_kind(split_changes_of);
}

/* A group whose clients of the family go to a fallback, if there is one. */
static void fall_back(enum service group, uint8_t family, enum service to)
{
	struct xlb_instead instead = { .ipv4 = family == XLB_IPV4 ? to : 0,
				       .ipv6 = family == XLB_IPV6 ? to : 0,
				       .fallback = to };

	world_instead(group, &instead);
}

/* Nobody takes another's flows, as at the start. */
static void no_fallbacks(void)
{
	world_instead(WEB, &(struct xlb_instead){});
	world_instead(SPARE, &(struct xlb_instead){});
}

static void send_ports(const struct talk *talk, uint16_t from, enum service want)
{
	struct xlb_addr client = addr_client(talk->family);

	for (uint16_t port = from; port < from + 20; port++)
		assert_int_equal(send_from(talk, &client, port, service_port(WEB)), want);
}

/* New flows of that family go to the fallback, in its own mode; flows stay where they began, then and afterwards. */
static void fallback_of(uint8_t family, uint8_t protocol)
{
	struct talk talk;

	talk_init(&talk, family, protocol, WEB, VIP_OWN);
	send_ports(&talk, 2000, WEB);
	fall_back(WEB, family, NAT_SPARE);
	send_ports(&talk, 2000, WEB);
	send_ports(&talk, 3000, NAT_SPARE);
	fall_back(WEB, other_family(family), NAT_SPARE);
	send_ports(&talk, 2000, WEB);
	send_ports(&talk, 3000, NAT_SPARE);
	send_ports(&talk, 4000, WEB);
	/* one that takes flows in another's place does not pass them on: the daemon has gone all the way */
	fall_back(WEB, family, SPARE);
	fall_back(SPARE, family, ONE_ARM);
	send_ports(&talk, 5000, SPARE);
	no_fallbacks();
}

static void test_fallback(void **state)
{
	(void)state;
	each_kind(fallback_of);
}

/* Where several share a listener each falls back for itself. */
static void split_fallback_of(uint8_t family, uint8_t protocol)
{
	static const enum service groups[] = { WEB, SPARE, SPARE };
	static const uint32_t weights[] = { 1, 1, 0 };
	struct xlb_addr client = addr_client(family);
	enum service before[100];
	struct talk talk;

	talk_init(&talk, family, protocol, WEB, VIP_OWN);
	split_put(protocol, groups, weights, 0);
	for (uint16_t i = 0; i < 100; i++)
		before[i] = send_from(&talk, &client, 2000 + i, service_port(WEB));
	world_end_flows(FLOW_DELETE);
	fall_back(SPARE, family, ONE_ARM);
	for (uint16_t i = 0; i < 100; i++)
		assert_int_equal(send_from(&talk, &client, 2000 + i, service_port(WEB)),
				 before[i] == SPARE ? ONE_ARM : WEB);
	no_fallbacks();
}

static void test_split_fallback(void **state)
{
	(void)state;
	each_kind(split_fallback_of);
}

/* The flow of a server that is down is chosen anew, and so leaves the group. */
static void fallback_of_down(uint8_t family, uint8_t protocol)
{
	struct talk talk;

	talk_init(&talk, family, protocol, WEB, VIP_OWN);
	send_ports(&talk, 2000, WEB);
	world_server(WEB, family, XLB_SERVER_DOWN);
	fall_back(WEB, family, SPARE);
	send_ports(&talk, 2000, SPARE);
	world_server(WEB, family, 0);
	no_fallbacks();
}

static void test_fallback_of_down(void **state)
{
	(void)state;
	each_kind(fallback_of_down);
}

/* A datagram with a connection id of QUIC, whose first bytes behind the first name a server. */
static enum service send_id(const struct talk *talk, uint16_t client_port, uint8_t name)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	const uint8_t datagram[32] = { 0x40, 0x00, 0x0a, name, (uint8_t)client_port };
	struct frame frame = talk_frame(talk, CLIENT, 0);

	frame.source_port = client_port;
	frame.content = datagram;
	frame.payload = frame.content_length = sizeof(datagram);
	world_send(data, frame_build(&frame, data), &got);
	return receiver(&got, talk->family);
}

/* A connection that began at a fallback is found there by its id, though the group takes new ones itself again. */
static void test_fallback_named(void **state)
{
	static const enum service groups[] = { WEB, NAT_TWIN, ONE_ARM, SERVICE_NONE };
	struct row_group row = {
		.choice = { .id_length = 8, .server_id_length = 2, .config = XLB_QUIC_CONFIGS },
	};
	struct talk talk;

	(void)state;
	for (int i = 0; i < 3; i++) {
		row.instead.fallback = groups[i + 1];
		world_put(TABLE_GROUP, &(struct row_id){ groups[i] }, &row);
	}
	world_quic_name(ONE_ARM, (const uint8_t[]){ 0x0a, 0x03 }, 2, SPARE);
	talk_init(&talk, XLB_IPV4, IPPROTO_UDP, WEB, VIP_OWN);
	for (uint16_t port = 2000; port < 2020; port++) {
		assert_int_equal(send_id(&talk, port, 0x03), SPARE);
		assert_int_equal(send_id(&talk, port + 100, 0x04), WEB);
	}
}

/* Clients of neighbouring addresses and ports spread over all slots: the hash has no pattern. */
static void test_hash_spread(void **state)
{
	static uint32_t buckets[256];
	struct xlb_addr vip = addr_vip(VIP_OWN, XLB_IPV4), client = addr_client(XLB_IPV4);
	const uint32_t rounds = 1 << 20;

	(void)state;
	memset(buckets, 0, sizeof(buckets));
	for (uint32_t i = 0; i < rounds; i++) {
		uint32_t slot;

		client.bytes[14] = (uint8_t)(i >> 12);
		client.bytes[15] = (uint8_t)(i >> 4 & 0xf0);
		slot = xlb_maglev_slot(xlb_hash_tuple(&client, htons((uint16_t)(1024 + (i & 0xff))),
						      &vip, htons(80), IPPROTO_TCP));
		buckets[slot * 256ULL / XLB_MAGLEV_SLOTS]++;
	}
	for (int i = 0; i < 256; i++)
		assert_in_range(buckets[i], rounds / 256 * 9 / 10, rounds / 256 * 11 / 10);
}

#define RULES 12

/* Rules of one class do not overlap; ranges are cut at high bytes now and then. */
static uint32_t rules_make(struct port_rule rules[RULES])
{
	static const enum service listeners[] = { WEB, SPARE, ONE_ARM };
	uint32_t count = 0, from = 1;

	for (int i = 0; i < 5 && from < 60000; i++) {
		uint32_t to = from + random_below(i % 2 ? 300 : 9000);

		if (random() % 3 == 0)
			to |= 0xff;
		rules[count++] = (struct port_rule){ (uint16_t)from, (uint16_t)to, PORT_RANGE,
						     id_listener(listeners[i % 3], IPPROTO_UDP) };
		from = to + 1 + random_below(2000);
	}
	for (uint32_t port = 1 + random_below(9000); port < 65536 && count < RULES - 1;
	     port += 1 + random_below(20000))
		rules[count++] =
			(struct port_rule){ (uint16_t)port, (uint16_t)port, PORT_EXACT,
					    id_listener(listeners[port % 3], IPPROTO_UDP) };
	if (random() % 2)
		rules[count++] =
			(struct port_rule){ 1, 65535, PORT_ANY, id_listener(SPARE, IPPROTO_UDP) };
	return count;
}

static uint32_t naive_match(const struct port_rule *rules, uint32_t count, uint16_t port)
{
	const struct port_rule *best = NULL;

	for (uint32_t i = 0; i < count; i++)
		if (port >= rules[i].from && port <= rules[i].to &&
		    (!best || rules[i].class > best->class))
			best = &rules[i];
	return best ? best->listener : 0;
}

/* Ports that matter: at the edges of rules, or any. */
static uint16_t port_pick(const struct port_rule *rules, uint32_t count)
{
	const struct port_rule *rule = &rules[random_below(count)];
	uint32_t pick = random_below(5);
	uint16_t ports[] = { rule->from, rule->to, (uint16_t)(rule->from - 1),
			     (uint16_t)(rule->to + 1), (uint16_t)random() };

	return ports[pick] ? ports[pick] : 1;
}

static void test_ports(void **state)
{
	struct row_port_set_key key = { id_vip(VIP_OWN, XLB_IPV4), IPPROTO_UDP };
	struct xlb_addr client = addr_client(XLB_IPV4);
	struct port_rule rules[RULES];
	struct talk talk;

	(void)state;
	srandom(3);
	talk_init(&talk, XLB_IPV4, IPPROTO_UDP, WEB, VIP_OWN);
	for (int round = 0; round < 30; round++) {
		uint32_t count = rules_make(rules);
		AUTO_FREE struct content_port_set *content = NULL;
		size_t size;

		assert_int_equal(ports_build(rules, count, &content, &size), 0);
		world_put_content(TABLE_PORT_SET, &key, content, size);
		datapath_settle(world_datapath());
		for (int i = 0; i < 100; i++) {
			uint16_t port = port_pick(rules, count);
			uint32_t want = naive_match(rules, count, port);
			enum service got = send_from(&talk, &client, (uint16_t)(1024 + i), port);

			if ((got ? id_listener(got, IPPROTO_UDP) : 0) != want)
				fail_msg("port %u: listener %u wanted, service %d got", port, want,
					 got);
		}
		world_end_flows(FLOW_DELETE);
	}
}

/* A source that is an address of xlb would make packets go in circles. */
static void test_own_source(void **state)
{
	(void)state;
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct frame frame;
		const char *fault;
		struct talk talk;

		talk_init(&talk, family, IPPROTO_UDP, WEB, VIP_OWN);
		frame = talk_frame(&talk, CLIENT, 0);
		for (int i = 0; i < 2; i++) {
			frame.source = i ? addr_snat(family, 0) : addr_vip(VIP_OWN, family);
			fault = talk_send(&talk, CLIENT, &frame, DROPPED, XLB_DROP_HAIRPIN);
			if (fault)
				fail_msg("%s", fault);
		}
	}
}

/* Two VIPs, one client address and port, the same servers: each reply comes from its own VIP. */
static void test_two_vips(void **state)
{
	(void)state;
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct talk talks[2];
		const char *fault;

		for (int i = 0; i < 2; i++)
			talk_init(&talks[i], family, IPPROTO_UDP, WEB, i ? VIP_HOST : VIP_OWN);
		talks[1].client_port = talks[0].client_port;
		for (int i = 0; i < 8; i++) {
			struct talk *talk = &talks[i % 2];
			enum actor actor = i / 2 % 2 ? SERVER : CLIENT;
			struct frame frame = talk_frame(talk, actor, 0);

			fault = talk_send(talk, actor, &frame, FORWARDED, XLB_DROP_NONE);
			if (fault)
				fail_msg("%s", fault);
		}
		assert_int_not_equal(talks[0].now.snat_port, talks[1].now.snat_port);
	}
}

/* Random packets of one flow, both ways: whole frames compared, so every checksum update is. */
static void checksums_of(uint8_t family, uint8_t protocol)
{
	const struct step open = FORWARD(CLIENT, SYN);
	const char *fault;
	struct talk talk;

	talk_init(&talk, family, protocol, WEB, VIP_OWN);
	fault = talk_step(&talk, &open);
	for (int i = 0; i < 400 && !fault; i++) {
		enum actor actor = random() % 2 ? CLIENT : SERVER;
		struct frame frame = talk_frame(&talk, actor, ACK);

		frame.ttl = (uint8_t)(2 + random_below(254));
		frame.ip_id = (uint16_t)random();
		frame.seq = (uint32_t)random();
		frame.payload = (uint16_t)random_below(1200);
		frame.pattern = (uint16_t)random();
		fault = talk_send(&talk, actor, &frame, FORWARDED, XLB_DROP_NONE);
	}
	if (fault)
		fail_msg("%s", fault);
}

static void test_checksums(void **state)
{
	(void)state;
	srandom(4);
	each_kind(checksums_of);
}

/* A UDP checksum that comes out as 0 is sent as 0xffff: 0 would say that there is none. */
static void udp_zero_from(uint8_t family, enum actor actor)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	const struct step open = FORWARD(CLIENT, 0);
	struct frame frame;
	const char *fault;
	struct talk talk;
	size_t at;

	talk_init(&talk, family, IPPROTO_UDP, WEB, VIP_OWN);
	assert_null(talk_step(&talk, &open));
	frame = talk_frame(&talk, actor, 0);
	at = frame_l4_offset(&frame) + 6;
	frame.pattern = 0;
	world_send(data, frame_build(&frame, data), &got);
	/* adding to the data what the checksum was makes it 0 */
	frame.pattern = (uint16_t)(got.data[at] << 8 | got.data[at + 1]);
	world_send(data, frame_build(&frame, data), &got);
	assert_int_equal(got.data[at] << 8 | got.data[at + 1], 0xffff);
	fault = talk_send(&talk, actor, &frame, FORWARDED, XLB_DROP_NONE);
	if (fault)
		fail_msg("%s", fault);
}

static void test_udp_zero(void **state)
{
	(void)state;
	udp_zero_from(XLB_IPV4, CLIENT);
	udp_zero_from(XLB_IPV4, SERVER);
	udp_zero_from(XLB_IPV6, CLIENT);
	udp_zero_from(XLB_IPV6, SERVER);
}

const struct CMUnitTest choice_tests[] = {
	{ .name = "choice: server by hash.h and table", .test_func = test_hash },
	{ .name = "choice: groups by weight", .test_func = test_split },
	{ .name = "choice: groups by weight, by the source alone", .test_func = test_split_source },
	{ .name = "choice: group and server do not depend on each other",
	  .test_func = test_split_independent },
	{ .name = "choice: weights of groups change", .test_func = test_split_changes },
	{ .name = "choice: a fallback takes new flows, of each family for itself",
	  .test_func = test_fallback },
	{ .name = "choice: a fallback of one of several groups", .test_func = test_split_fallback },
	{ .name = "choice: a fallback takes the flows of servers that are down",
	  .test_func = test_fallback_of_down },
	{ .name = "choice: a connection id names a server of a fallback",
	  .test_func = test_fallback_named },
	{ .name = "choice: the hash spreads neighbours", .test_func = test_hash_spread },
	{ .name = "choice: listener by port, random rules", .test_func = test_ports },
	{ .name = "choice: xlb's own addresses are no clients", .test_func = test_own_source },
	{ .name = "choice: two VIPs, one client port", .test_func = test_two_vips },
	{ .name = "checksums: random packets", .test_func = test_checksums },
	{ .name = "checksums: UDP zero", .test_func = test_udp_zero },
	{ 0 },
};
