// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is special about packets whose server is the host itself. The rest is where all modes are: rows_modes.c, modes.c,
 * icmp.c, fragments.c, vlan.c, resize.c, mss.c.
 */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>

#include "../unit/rules_walk.h"
#include "icmp_frames.h"
#include "sys/datapath_variant.h"
#include "tests.h"
#include "xlb/limit.h"

#define EACH_FAMILY(family) \
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4)
#define SET 7U /* id of the set of rules that the listener is given */

static const struct step steps_open[] = {
	FORWARD(CLIENT, SYN), FORWARD(CLIENT, ACK), FORWARD(CLIENT, PSH | ACK), {}
};

/* What is counted of the service, for listener, server and interface. */
struct counts {
	uint64_t listener[1][XLB_COUNT_MAX], server[1][XLB_COUNT_MAX], interface[XLB_IFCOUNT_MAX];
};

static void counts_read(struct counts *ret)
{
	struct datapath *dp = world_datapath();

	assert_int_equal(datapath_flow_counters(dp, TABLE_LISTENER, id_listener(LOCAL, IPPROTO_TCP),
						1, ret->listener),
			 0);
	assert_int_equal(datapath_flow_counters(dp, TABLE_SERVER, id_server(LOCAL, XLB_IPV4), 1,
						ret->server),
			 0);
	assert_int_equal(datapath_interface_counters(dp, SLOT_CLIENTS, ret->interface), 0);
}

/* So many packets of `bytes` in all were given to the host since then, for the listener and the server alike. */
static void expect_counted(const struct counts *before, uint64_t packets, uint64_t bytes)
{
	static const enum xlb_flow_counter none[] = { XLB_COUNT_PACKETS_OUT, XLB_COUNT_BYTES_OUT,
						      XLB_COUNT_DROPS, XLB_COUNT_RESETS };
	struct counts now;

	counts_read(&now);
	assert_int_equal(now.listener[0][XLB_COUNT_PACKETS_IN] -
				 before->listener[0][XLB_COUNT_PACKETS_IN],
			 packets);
	assert_int_equal(now.listener[0][XLB_COUNT_BYTES_IN] -
				 before->listener[0][XLB_COUNT_BYTES_IN],
			 bytes);
	assert_int_equal(now.server[0][XLB_COUNT_PACKETS_IN] -
				 before->server[0][XLB_COUNT_PACKETS_IN],
			 packets);
	assert_int_equal(now.server[0][XLB_COUNT_BYTES_IN] - before->server[0][XLB_COUNT_BYTES_IN],
			 bytes);
	assert_int_equal(now.interface[XLB_IFCOUNT_PASS] - before->interface[XLB_IFCOUNT_PASS],
			 packets);
	assert_int_equal(now.interface[XLB_IFCOUNT_PACKETS] -
				 before->interface[XLB_IFCOUNT_PACKETS],
			 packets);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_int_equal(now.listener[0][none[i]], before->listener[0][none[i]]);
		assert_int_equal(now.server[0][none[i]], before->server[0][none[i]]);
	}
}

static uint64_t bytes_of(const struct talk *talk, uint8_t flags)
{
	static uint8_t data[FRAME_MAX];
	struct frame frame = talk_frame(talk, CLIENT, flags);

	return frame_build(&frame, data);
}

/* By a new flow, by one in full swing, and by one that is judged: once each, for one server whatever the family. */
static void test_counters(void **state)
{
	struct counts before, now;
	struct talk talk;

	(void)state;
	EACH_FAMILY(family)
	{
		talk_init(&talk, family, IPPROTO_TCP, LOCAL, VIP_OWN);
		counts_read(&before);
		talk_run(&talk, steps_open);
		talk_run(&talk, (const struct step[]){ FORWARD(CLIENT, FIN | ACK), {} });
		expect_counted(&before, 4,
			       bytes_of(&talk, SYN) + bytes_of(&talk, ACK) +
				       bytes_of(&talk, PSH | ACK) + bytes_of(&talk, FIN | ACK));
		counts_read(&now);
		assert_int_equal(now.server[0][XLB_COUNT_FLOWS] - before.server[0][XLB_COUNT_FLOWS],
				 1);
		assert_int_equal(
			now.listener[0][XLB_COUNT_FLOWS] - before.listener[0][XLB_COUNT_FLOWS], 1);
	}
}

/* One that is answered is not given to the host, and what the host gets for other reasons is not the listener's. */
static void test_not_counted(void **state)
{
	struct counts before, now;
	struct talk talk, other;

	(void)state;
	EACH_FAMILY(family)
	{
		world_reset();
		talk_init(&talk, family, IPPROTO_TCP, LOCAL, VIP_OWN);
		talk_run(&talk, steps_open);
		counts_read(&before);
		talk_run(&talk,
			 (const struct step[]){ DO(KILL, 0), RESET(CLIENT, ACK, FLOW_RESET), {} });
		counts_read(&now);
		assert_int_equal(now.server[0][XLB_COUNT_PACKETS_IN],
				 before.server[0][XLB_COUNT_PACKETS_IN]);
		assert_int_equal(now.server[0][XLB_COUNT_RESETS],
				 before.server[0][XLB_COUNT_RESETS] + 1);
		world_no_ports(VIP_HOST, family);
		talk_init(&other, family, IPPROTO_TCP, LOCAL, VIP_HOST);
		talk_run(&other, (const struct step[]){ PASS(CLIENT, SYN), {} });
		counts_read(&now);
		assert_int_equal(now.interface[XLB_IFCOUNT_PASS],
				 before.interface[XLB_IFCOUNT_PASS] + 1);
		assert_int_equal(now.server[0][XLB_COUNT_PACKETS_IN],
				 before.server[0][XLB_COUNT_PACKETS_IN]);
		assert_int_equal(now.listener[0][XLB_COUNT_PACKETS_IN],
				 before.listener[0][XLB_COUNT_PACKETS_IN]);
	}
}

/* What a router says of the way to a client is counted as what the client sends, with a flow and without. */
static void test_errors_counted(void **state)
{
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	struct counts before;
	struct talk talk;

	(void)state;
	EACH_FAMILY(family)
	{
		const struct error_row too_big = { .family = family,
						   .type = family == XLB_IPV4 ? 3 : 2,
						   .code = family == XLB_IPV4 ? 4 : 0,
						   .word = 1300 };
		struct xlb_addr router = addr_router(family);
		struct view outside;
		struct frame quoted;
		struct error error;
		size_t length;

		world_reset();
		talk_init(&talk, family, IPPROTO_TCP, LOCAL, VIP_OWN);
		outside = view_of_client(&talk);
		quoted = quoted_frame(&talk, &outside, true);
		error = error_frame(&too_big, &quoted, &router);
		error.quoted_l4 = 8;
		memcpy(error.outer.mac_source, mac_client, 6);
		length = error_build(&error, data);
		counts_read(&before);
		for (int n = 0; n < 2; n++) {
			world_send(data, length, &got);
			assert_int_equal(got.verdict, XDP_PASS);
			assert_int_equal(got.length, length);
			assert_memory_equal(got.data, data, length);
			expect_counted(&before, 1, length);
			talk_run(&talk, steps_open);
			counts_read(&before);
		}
	}
}

static void put_denial(void)
{
	struct recipe_text recipe = {};
	AUTO_FREE void *content = NULL;
	size_t size;

	recipe_begin(&recipe, false, true);
	assert_int_equal(rules_build(recipe.bytes, recipe.size, &content, &size), 0);
	recipe_done(&recipe);
	world_put_content(TABLE_RULE_SET, &(struct row_id){ SET }, content, size);
}

/* Who is not let in does not reach the host, and makes no flow; in the middle of a connection he gets RST. */
static void test_denied(void **state)
{
	const struct xlb_listener listener = { .group = LOCAL,
					       .rules = SET,
					       .idle_timeout = TCP_IDLE };
	struct counts before, now;
	struct talk talk;

	(void)state;
	put_denial();
	world_put(TABLE_LISTENER, &(struct row_id){ id_listener(LOCAL, IPPROTO_TCP) }, &listener);
	counts_read(&before);
	EACH_FAMILY(family)
	{
		talk_init(&talk, family, IPPROTO_TCP, LOCAL, VIP_OWN);
		talk_run(&talk, (const struct step[]){ DROP(CLIENT, SYN, DENIED),
						       DROP(CLIENT, ACK, DENIED),
						       DO(RECORDS, 0),
						       {} });
	}
	counts_read(&now);
	assert_int_equal(now.interface[XLB_IFCOUNT_PASS], before.interface[XLB_IFCOUNT_PASS]);
	assert_int_equal(now.listener[0][XLB_COUNT_DROPS], before.listener[0][XLB_COUNT_DROPS] + 4);
}

/* As many connections as the listener may have, of both families together; those that are there go on. */
static void test_limited(void **state)
{
	const struct xlb_limits limits = { .all = { .flows = 2 } };
	struct talk talks[3];

	(void)state;
	world_put(TABLE_LIMITS, &(struct row_id){ id_listener(LOCAL, IPPROTO_TCP) }, &limits);
	world_limited(LOCAL, IPPROTO_TCP, (struct xlb_limited){ .by = XLB_LIMITED_LISTENER });
	world_server(LOCAL, XLB_IPV4, XLB_SERVER_METERED);
	for (size_t i = 0; i < 3; i++)
		talk_init(&talks[i], i == 1 ? XLB_IPV6 : XLB_IPV4, IPPROTO_TCP, LOCAL, VIP_OWN);
	talk_run(&talks[0], steps_open);
	talk_run(&talks[1], steps_open);
	talk_run(&talks[2], (const struct step[]){ DROP(CLIENT, SYN, LIMIT_CONNECTIONS), {} });
	talk_run(&talks[0], (const struct step[]){ FORWARD(CLIENT, ACK), DO(RECORDS, 2), {} });
	/* one that the client has closed is over, whatever the host still has to say */
	talk_run(&talks[0], (const struct step[]){ FORWARD(CLIENT, FIN | ACK), {} });
	talk_run(&talks[2], steps_open);
	world_put(TABLE_LIMITS, &(struct row_id){ id_listener(LOCAL, IPPROTO_TCP) },
		  &(struct xlb_limits){});
}

#define EVENTS_MAX 4

static struct xlb_event seen[EVENTS_MAX];

static void take(void *arg, const struct xlb_event *event, const uint8_t *data)
{
	size_t *count = arg;

	(void)data;
	assert_true(*count < EVENTS_MAX);
	seen[(*count)++] = *event;
}

/* One event a packet, as it leaves as it came: of a new flow, and of one in full swing. */
static void test_told(void **state)
{
	const struct xlb_watch all = { .set = XLB_WATCH_ACTIVE, .snap = 64 };
	struct variant *variant = world_variant(VARIANT_OBSERVE);
	size_t count = 0;

	(void)state;
	world_program(variant_program_fd(variant));
	EACH_FAMILY(family)
	{
		struct talk talk;

		world_reset();
		variant_watch(variant, 0, &all);
		talk_init(&talk, family, IPPROTO_TCP, LOCAL, VIP_OWN);
		talk_run(&talk, steps_open);
		variant_unwatch(variant, 0);
		count = 0;
		variant_read(variant, EVENTS_MAX * 2, take, &count);
		assert_int_equal(count, 3);
		for (size_t i = 0; i < count; i++) {
			struct xlb_addr vip = addr_vip(VIP_OWN, family);

			assert_int_equal(seen[i].stage, XLB_EVENT_BEFORE);
			assert_int_equal(seen[i].verdict, XLB_VERDICT_PASS);
			assert_int_equal(seen[i].vip, id_vip(VIP_OWN, family));
			assert_int_equal(seen[i].listener, id_listener(LOCAL, IPPROTO_TCP));
			assert_int_equal(seen[i].server, id_server(LOCAL, XLB_IPV4));
			assert_int_equal(seen[i].group, i ? 0 : LOCAL);
			assert_int_equal(seen[i].nexthop, 0);
			assert_int_equal(seen[i].egress_link, 0);
			assert_true(addr_equal(&seen[i].new_destination, &vip));
			assert_int_equal(!!(seen[i].found & XLB_FOUND_NEW), !i);
			assert_int_equal(!!(seen[i].found & XLB_FOUND_FLOW), !!i);
		}
	}
	world_program(-1);
}

/* While flows are measured, each packet is counted once for its flow. */
static void test_measured(void **state)
{
	static struct flow_traffic rows[VARIANT_TRAFFIC_STEP];
	struct variant *variant = world_variant(VARIANT_OBSERVE);
	struct xlb_err err = {};

	(void)state;
	world_program(variant_program_fd(variant));
	EACH_FAMILY(family)
	{
		struct xlb_flow_key key;
		struct talk talk;
		bool done = false;
		size_t count = 0;

		talk_init(&talk, family, IPPROTO_TCP, LOCAL, VIP_OWN);
		variant_measure(variant, true);
		talk_run(&talk, steps_open);
		variant_measure(variant, false);
		assert_int_equal(variant_traffic_take(variant, rows, &count, &done, &err), 0);
		key = talk_key(&talk);
		assert_int_equal(count, 1);
		assert_memory_equal(&rows[0].key, &key, sizeof(key));
		assert_int_equal(rows[0].traffic.packets, 3);
		assert_int_equal(rows[0].traffic.bytes, bytes_of(&talk, SYN) +
								bytes_of(&talk, ACK) +
								bytes_of(&talk, PSH | ACK));
	}
	world_program(-1);
}

const struct CMUnitTest mode_local_tests[] = {
	{ .name = "local: listener, server and interface count what the host gets",
	  .test_func = test_counters },
	{ .name = "local: what the host does not get as the server is not counted",
	  .test_func = test_not_counted },
	{ .name = "local: packet too big of a router is counted, with a flow and without",
	  .test_func = test_errors_counted },
	{ .name = "local: a denied source does not reach the host", .test_func = test_denied },
	{ .name = "local: no more connections than the limit", .test_func = test_limited },
	{ .name = "local: events tell listener, server and group", .test_func = test_told },
	{ .name = "local: flows are measured", .test_func = test_measured },
	{},
};
