// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Security groups: the program against a walk over the rules, on random input; and what new rules do to old flows. */
#include "tests.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/rules_walk.h"
#include "core/ports.h"
#include "dry.h"
#include "talk.h"

#define SET 7U /* id of the set that the listeners and VIPs of these tests have */

static void put_set(const struct recipe_text *recipe)
{
	AUTO_FREE void *content = NULL;
	size_t size;

	assert_int_equal(rules_build(recipe->bytes, recipe->size, &content, &size), 0);
	world_put_content(TABLE_RULE_SET, &(struct row_id){ SET }, content, size);
}

/* One rule for all packets. */
static void put_one(bool allow)
{
	struct recipe_text recipe = {};

	recipe_begin(&recipe, allow, true);
	put_set(&recipe);
	recipe_done(&recipe);
}

static void use_set(uint8_t family, uint8_t protocol, uint32_t set)
{
	struct xlb_listener listener = { .group = WEB, .rules = (uint16_t)set };

	listener.idle_timeout = protocol == IPPROTO_TCP ? TCP_IDLE : UDP_IDLE;
	world_put(TABLE_LISTENER, &(struct row_id){ id_listener(WEB, protocol) }, &listener);
	world_put(TABLE_VIP, &(struct row_id){ id_vip(VIP_OWN, family) },
		  &(struct row_vip){ .rules = set });
}

/* All ports of the VIP are the listener's. */
static void any_port(uint8_t family, uint8_t protocol)
{
	struct row_port_set_key key = { id_vip(VIP_OWN, family), protocol };
	struct port_rule rule = { 1, 65535, PORT_ANY, id_listener(WEB, protocol) };
	AUTO_FREE struct content_port_set *content = NULL;
	size_t size;

	assert_int_equal(ports_build(&rule, 1, &content, &size), 0);
	world_put_content(TABLE_PORT_SET, &key, content, size);
}

static void use_everywhere(uint32_t set)
{
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		use_set(family, IPPROTO_TCP, set);
		use_set(family, IPPROTO_UDP, set);
		if (!set)
			continue;
		any_port(family, IPPROTO_TCP);
		any_port(family, IPPROTO_UDP);
	}
}

static uint8_t echo_message[8];

static void build_packet(const struct rules_packet *packet, uint16_t client_port, struct frame *ret)
{
	uint8_t family = addr_family(&packet->source);
	struct talk talk;

	talk_init(&talk, family, packet->protocol == XLB_RULES_UDP ? IPPROTO_UDP : IPPROTO_TCP, WEB,
		  VIP_OWN);
	*ret = talk_frame(&talk, CLIENT, packet->protocol == XLB_RULES_TCP ? SYN : 0);
	ret->source = packet->source;
	ret->source_port = client_port;
	ret->destination_port = packet->port_h;
	if (packet->protocol != XLB_RULES_ICMP)
		return;
	ret->protocol = family == XLB_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	ret->payload = sizeof(echo_message);
	ret->message = echo_message;
	echo_message[0] = family == XLB_IPV4 ? 8 : 128;
}

/* True if it was let in: then it went on, or was answered, or was left to the host. */
static bool is_let_in(const struct rules_packet *packet, uint16_t client_port)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	uint64_t denied = world_drops(XLB_DROP_DENIED), drops = world_drops_total();
	struct frame frame;

	build_packet(packet, client_port, &frame);
	world_send(data, frame_build(&frame, data), &got);
	denied = world_drops(XLB_DROP_DENIED) - denied;
	if (world_drops_total() - drops != denied || (got.verdict == XDP_DROP) != denied)
		fail_msg("verdict %u, %lu denied, %lu drops", got.verdict, denied,
			 world_drops_total() - drops);
	return !denied;
}

/* As many as the walk has met. */
static void check_hits(const uint64_t *wanted, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (datapath_rule_hits(world_datapath(), SET, i) != wanted[i])
			fail_msg("rule %u of %u: %lu hits, %lu wanted", i, count,
				 datapath_rule_hits(world_datapath(), SET, i), wanted[i]);
}

static void compare(const struct recipe_text *recipe, uint32_t packets)
{
	const struct rules_recipe *rules = recipe_of(recipe);
	AUTO_FREE uint64_t *hits = calloc(rules->rule_count + 1, sizeof(*hits));

	assert_non_null(hits);
	put_set(recipe);
	for (uint32_t i = 0; i < packets; i++) {
		struct rules_packet packet = rules_random_packet(rules);
		uint32_t want;
		bool got;

		packet.port_h = packet.port_h ? packet.port_h : 1;
		want = rules_walk(rules, &packet);
		got = is_let_in(&packet, (uint16_t)(1024 + i));
		if (got != !!(want & XLB_RULES_ALLOW)) {
			char text[ADDR_TEXT_MAX];

			format_addr(&packet.source, text);
			fail_msg("%s protocol %u port %u: %s", text, packet.protocol, packet.port_h,
				 got ? "let in" : "denied");
		}
		for (uint32_t level = 0; level < RULES_LEVELS; level++)
			if (xlb_rules_hit(want, level))
				hits[xlb_rules_hit(want, level) - 1]++;
	}
	check_hits(hits, rules->rule_count);
	world_end_flows(FLOW_DELETE);
}

static void test_random(void **state)
{
	(void)state;
	srandom(11);
	use_everywhere(SET);
	for (int round = 0; round < 40; round++) {
		struct recipe_text recipe = {};

		rules_random(&recipe, (uint32_t)random() % 30, 5);
		compare(&recipe, 100);
		recipe_done(&recipe);
		datapath_settle(world_datapath());
	}
	use_everywhere(0);
}

/* Trees of three nodes, and a set that goes on from chunk to chunk. */
static void test_large(void **state)
{
	struct recipe_text recipe = {};

	(void)state;
	srandom(12);
	use_everywhere(SET);
	rules_random(&recipe, 3, 50000);
	compare(&recipe, 1000);
	recipe_done(&recipe);
	rules_random(&recipe, 1024, 2);
	compare(&recipe, 1000);
	recipe_done(&recipe);
	use_everywhere(0);
}

/* A dry run judges, and counts nothing. */
static void test_dry_run(void **state)
{
	struct rules_packet packet = { .source = addr_client(XLB_IPV4), .port_h = 80 };
	struct rules_rule rule = { .to = 65535, .protocols = 7 };
	struct recipe_text recipe = {};

	(void)state;
	recipe_begin(&recipe, true, true);
	recipe_add(&recipe, &rule, NULL);
	use_everywhere(SET);
	put_set(&recipe);
	dry_start();
	assert_false(is_let_in(&packet, 4000));
	dry_stop();
	assert_int_equal(datapath_rule_hits(world_datapath(), SET, 0), 1);
	recipe_done(&recipe);
	use_everywhere(0);
}

/* Rules are about packets that start a flow: what follows goes on, both ways. */
static void flows_go_on(uint8_t family, uint8_t protocol)
{
	const struct step open[] = { FORWARD(CLIENT, SYN), FORWARD(SERVER, SYN | ACK),
				     FORWARD(CLIENT, ACK) };
	const struct step later[] = { FORWARD(CLIENT, ACK), FORWARD(SERVER, ACK) };
	const struct step again = DROP(CLIENT, SYN, DENIED);
	struct talk talk, other;

	put_one(true);
	use_set(family, protocol, SET);
	talk_init(&talk, family, protocol, WEB, VIP_OWN);
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
		assert_null(talk_step(&talk, &open[i]));
	put_one(false);
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		assert_null(talk_step(&talk, &later[i]));
	talk_init(&other, family, protocol, WEB, VIP_OWN);
	other.client_port++;
	assert_null(talk_step(&other, &again));
	use_set(family, protocol, 0);
	world_end_flows(FLOW_DELETE);
}

static void test_flows_go_on(void **state)
{
	(void)state;
	each_kind(flows_go_on);
}

/* Who is not let in learns nothing, not even that there is no flow. */
static void test_no_answer(void **state)
{
	const struct step ack = DROP(CLIENT, ACK, DENIED);
	struct talk talk;

	(void)state;
	put_one(false);
	use_set(XLB_IPV4, IPPROTO_TCP, SET);
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	assert_null(talk_step(&talk, &ack));
	use_set(XLB_IPV4, IPPROTO_TCP, 0);
}

/* --- a swap under traffic ---------------------------------------------------------------------------- */

#define SWAPS 300

struct swapper {
	struct recipe_text recipes[2];
	atomic_bool over;
};

/* Of two sets that agree on these and differ in size and in most else. */
static void make_recipe(struct recipe_text *recipe, uint32_t rules, const struct prefix *allowed,
			const struct prefix *denied)
{
	struct rules_rule first = { .to = 65535, .protocols = 7, .count = 1 };

	recipe_begin(recipe, false, true);
	recipe_append(recipe, &first, denied);
	first.allow = true;
	recipe_append(recipe, &first, allowed);
	for (uint32_t i = 0; i < rules; i++) {
		struct rules_rule rule = { .to = (uint16_t)(i * 7),
					   .protocols = (uint8_t)(1 + i % 7),
					   .allow = i % 2,
					   .count = 1 };
		struct prefix prefix = rules_random_prefix();

		recipe_append(recipe, &rule, &prefix);
	}
	recipe_join(recipe);
}

static void *swap(void *arg)
{
	struct swapper *swapper = arg;

	for (int i = 0; i < SWAPS; i++) {
		put_set(&swapper->recipes[i % 2]);
		/* so that memory is used again and again */
		datapath_settle(world_datapath());
	}
	atomic_store(&swapper->over, true);
	return NULL;
}

static void test_swap(void **state)
{
	struct rules_packet in = { .port_h = 80 }, out = { .port_h = 80 };
	static struct swapper swapper;
	struct prefix allowed, denied;
	uint32_t packets = 0;
	pthread_t thread;

	(void)state;
	srandom(13);
	assert_int_equal(parse_network("198.18.0.0/16", &allowed), 0);
	assert_int_equal(parse_network("198.19.0.0/16", &denied), 0);
	parse_addr("198.18.3.4", &in.source);
	parse_addr("198.19.3.4", &out.source);
	for (int i = 0; i < 2; i++)
		make_recipe(&swapper.recipes[i], i ? 400 : 20, &allowed, &denied);
	put_set(&swapper.recipes[1]);
	use_everywhere(SET);
	assert_int_equal(pthread_create(&thread, NULL, swap, &swapper), 0);
	while (!atomic_load(&swapper.over)) {
		uint16_t port = (uint16_t)(1024 + packets++ % 2000);

		in.protocol = out.protocol = packets % 2 ? XLB_RULES_TCP : XLB_RULES_UDP;
		assert_true(is_let_in(&in, port));
		assert_false(is_let_in(&out, port));
		if (port == 1024)
			world_end_flows(FLOW_DELETE);
	}
	pthread_join(thread, NULL);
	assert_true(packets > 0);
	use_everywhere(0);
	for (int i = 0; i < 2; i++)
		recipe_done(&swapper.recipes[i]);
}

const struct CMUnitTest rules_tests[] = {
	{ .name = "rules: random ones, against a walk, with hits", .test_func = test_random },
	{ .name = "rules: a thousand, and 150 000 networks", .test_func = test_large },
	{ .name = "rules: a dry run counts no hits", .test_func = test_dry_run },
	{ .name = "rules: flows go on when their client is not let in any more",
	  .test_func = test_flows_go_on },
	{ .name = "rules: who is not let in gets no RST", .test_func = test_no_answer },
	{ .name = "rules: swapped under traffic, never half a set", .test_func = test_swap },
	{ 0 },
};
