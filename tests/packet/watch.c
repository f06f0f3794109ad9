// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the observing program tells of packets, and of which: rows of a filter, a talk, and the events expected. */
#include "tests.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "icmp_frames.h"
#include "sys/datapath_variant.h"

#define EVENTS_MAX 16
#define SNAP	   128

static struct variant *variant;

/* What has come out of the ring. */
struct seen {
	size_t count;
	struct xlb_event events[EVENTS_MAX];
	uint8_t data[EVENTS_MAX][SNAP];
};
static struct seen seen;

static void take(void *arg, const struct xlb_event *event, const uint8_t *data)
{
	(void)arg;
	if (seen.count == EVENTS_MAX)
		fail_msg("too many events");
	assert_true(event->captured <= SNAP);
	memcpy(seen.data[seen.count], data, event->captured);
	seen.events[seen.count++] = *event;
}

static void read_events(void)
{
	seen.count = 0;
	variant_read(variant, EVENTS_MAX * 2, take, NULL);
}

/* A filter: the members of a watch that depend on the family are made by it. */
enum filter {
	ALL,
	OF_LISTENER,
	OF_OTHER_LISTENER,
	OF_SERVER, /* by the id of its IPv4 address, or by the other one */
	OF_OTHER_SERVER,
	OF_ONE_ID, /* a server with one address */
	OF_SLOT_IN,
	OF_SLOT_OUT,
	OF_OTHER_SLOT,
	OF_TCP,
	OF_VERDICT, /* redirect */
	OF_REASON,  /* no_listener */
	OF_CLIENT,  /* address */
	OF_SERVER_ADDRESS,
	OF_CLIENT_AND_PORT,
	OF_BOTH_ENDS,
	OF_PREFIX,
	OF_OTHER_ADDRESS,
	OF_OTHER_PORT,
	BEFORE_ONLY,
	AFTER_ONLY,
};

static void end_of(struct xlb_watch_end *end, struct xlb_addr addr, int prefix)
{
	end->addr = addr;
	memset(&end->mask, 0, sizeof(end->mask));
	memset(&end->mask, 0xff, (size_t)prefix / 8);
}

static void filter_ids(struct xlb_watch *watch, enum filter filter, uint8_t protocol)
{
	switch (filter) {
	case OF_LISTENER:
	case OF_OTHER_LISTENER:
		watch->set |= XLB_WATCH_LISTENER;
		watch->listener = id_listener(filter == OF_LISTENER ? WEB : SPARE, protocol);
		break;
	case OF_SERVER:
	case OF_OTHER_SERVER:
		watch->set |= XLB_WATCH_SERVER;
		watch->server = id_server(filter == OF_SERVER ? WEB : SPARE, XLB_IPV4);
		watch->other_server = id_server(filter == OF_SERVER ? WEB : SPARE, XLB_IPV6);
		break;
	case OF_ONE_ID:
		watch->set |= XLB_WATCH_SERVER;
		watch->server = id_server(WEB, XLB_IPV4);
		break;
	case OF_SLOT_IN:
	case OF_SLOT_OUT:
	case OF_OTHER_SLOT:
		watch->set |= XLB_WATCH_SLOT;
		watch->slot = filter == OF_SLOT_IN  ? SLOT_CLIENTS :
			      filter == OF_SLOT_OUT ? SLOT_SERVERS :
						      63;
		break;
	case OF_TCP:
		watch->set |= XLB_WATCH_PROTOCOL;
		watch->protocol = IPPROTO_TCP;
		break;
	case OF_VERDICT:
		watch->set |= XLB_WATCH_VERDICT;
		watch->verdict = XLB_VERDICT_REDIRECT;
		break;
	case OF_REASON:
		watch->set |= XLB_WATCH_REASON;
		watch->reason = XLB_DROP_NO_LISTENER;
		break;
	default:
		break;
	}
}

static void filter_ends(struct xlb_watch *watch, enum filter filter, uint8_t family)
{
	struct xlb_addr client = addr_client(family), server = addr_server(WEB, family);

	watch->set |= XLB_WATCH_ENDS;
	switch (filter) {
	case OF_CLIENT:
		end_of(&watch->ends[0], client, 128);
		break;
	case OF_SERVER_ADDRESS:
		end_of(&watch->ends[0], server, 128);
		break;
	case OF_CLIENT_AND_PORT: /* of the other end */
		end_of(&watch->ends[0], client, 128);
		watch->ends[1].port = htons(service_port(WEB));
		break;
	case OF_BOTH_ENDS:
		end_of(&watch->ends[0], client, 128);
		end_of(&watch->ends[1], server, 128);
		watch->ends[2].port = htons(8080);
		break;
	case OF_PREFIX:
		client.bytes[15] ^= 0xff;
		end_of(&watch->ends[0], client, 120);
		break;
	case OF_OTHER_ADDRESS:
		client.bytes[15] ^= 0xff;
		end_of(&watch->ends[0], client, 128);
		break;
	case OF_OTHER_PORT:
		end_of(&watch->ends[0], client, 128);
		watch->ends[1].port = htons(9);
		break;
	default:
		watch->set &= ~XLB_WATCH_ENDS;
		break;
	}
}

static struct xlb_watch watch_of(enum filter filter, uint8_t family, uint8_t protocol)
{
	struct xlb_watch watch = { .set = XLB_WATCH_ACTIVE, .snap = SNAP };

	filter_ids(&watch, filter, protocol);
	filter_ends(&watch, filter, family);
	if (filter == BEFORE_ONLY)
		watch.without = 1U << XLB_EVENT_AFTER;
	if (filter == AFTER_ONLY)
		watch.without = 1U << XLB_EVENT_BEFORE;
	return watch;
}

/* What is told of a packet. */
struct told {
	uint8_t verdict, reason;
	bool before, after;
};
#define FORWARD_TOLD \
	{ \
		XLB_VERDICT_REDIRECT, 0, true, true \
	}
#define NOT_TOLD \
	{ \
		0 \
	}

static const struct watch_row {
	const char *name;
	enum filter filter;
	uint8_t protocol; /* 0: both */
	enum vip vip;
	enum service service;
	struct step step; /* the client's packet */
	struct told told;
} rows[] = {
	{ "all: forwarded", ALL, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN), FORWARD_TOLD },
	{ "all: sent back by the interface it came by",
	  ALL,
	  0,
	  VIP_OWN,
	  ONE_ARM,
	  FORWARD(CLIENT, SYN),
	  { XLB_VERDICT_TX, 0, true, true } },
	{ "all: given to the host, which is the server",
	  ALL,
	  0,
	  VIP_OWN,
	  LOCAL,
	  FORWARD(CLIENT, SYN),
	  { XLB_VERDICT_PASS, 0, true, false } },
	{ "all: dropped before anything of it is known",
	  ALL,
	  0,
	  VIP_OWN,
	  NO_SERVER,
	  DROP(CLIENT, SYN, NO_SERVER),
	  { XLB_VERDICT_DROP, XLB_DROP_NO_SERVER, true, false } },
	{ "all: dropped as the device is gone, told as it came",
	  ALL,
	  0,
	  VIP_OWN,
	  NO_DEVICE,
	  DROP(CLIENT, SYN, NO_INTERFACE),
	  { XLB_VERDICT_DROP, XLB_DROP_NO_INTERFACE, true, false } },
	{ "all: answered by RST",
	  ALL,
	  IPPROTO_TCP,
	  VIP_OWN,
	  WEB,
	  RESET(CLIENT, ACK, NO_FLOW),
	  { XLB_VERDICT_RESET, XLB_DROP_NO_FLOW, true, true } },
	{ "all: answered by an ICMP error",
	  ALL,
	  0,
	  VIP_OWN,
	  WEB,
	  REFUSE(CLIENT, SYN, TTL_EXPIRED, LAST_HOP),
	  { XLB_VERDICT_ICMP, XLB_DROP_TTL_EXPIRED, true, true } },
	{ "one side: before",
	  BEFORE_ONLY,
	  0,
	  VIP_OWN,
	  WEB,
	  FORWARD(CLIENT, SYN),
	  { XLB_VERDICT_REDIRECT, 0, true, false } },
	{ "one side: after",
	  AFTER_ONLY,
	  0,
	  VIP_OWN,
	  WEB,
	  FORWARD(CLIENT, SYN),
	  { XLB_VERDICT_REDIRECT, 0, false, true } },
	{ "listener", OF_LISTENER, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN), FORWARD_TOLD },
	{ "another listener", OF_OTHER_LISTENER, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN), NOT_TOLD },
	{ "server", OF_SERVER, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN), FORWARD_TOLD },
	{ "another server", OF_OTHER_SERVER, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN), NOT_TOLD },
	{ "server, of a packet without one", OF_SERVER, 0, VIP_OWN, NO_SERVER,
	  DROP(CLIENT, SYN, NO_SERVER), NOT_TOLD },
	{ "server with one id, of a packet without one", OF_ONE_ID, 0, VIP_OWN, NO_SERVER,
	  DROP(CLIENT, SYN, NO_SERVER), NOT_TOLD },
	{ "interface it comes in by", OF_SLOT_IN, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN),
	  FORWARD_TOLD },
	{ "interface it leaves by", OF_SLOT_OUT, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN),
	  FORWARD_TOLD },
	{ "another interface", OF_OTHER_SLOT, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN), NOT_TOLD },
	{ "protocol", OF_TCP, IPPROTO_TCP, VIP_OWN, WEB, FORWARD(CLIENT, SYN), FORWARD_TOLD },
	{ "another protocol", OF_TCP, IPPROTO_UDP, VIP_OWN, WEB, FORWARD(CLIENT, 0), NOT_TOLD },
	{ "verdict", OF_VERDICT, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN), FORWARD_TOLD },
	{ "another verdict", OF_VERDICT, 0, VIP_OWN, ONE_ARM, FORWARD(CLIENT, SYN), NOT_TOLD },
	{ "reason",
	  OF_REASON,
	  0,
	  VIP_OWN,
	  DISABLED,
	  DROP(CLIENT, SYN, NO_LISTENER),
	  { XLB_VERDICT_DROP, XLB_DROP_NO_LISTENER, true, false } },
	{ "another reason", OF_REASON, 0, VIP_OWN, NO_SERVER, DROP(CLIENT, SYN, NO_SERVER),
	  NOT_TOLD },
	{ "address of the client", OF_CLIENT, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN), FORWARD_TOLD },
	{ "address of the server", OF_SERVER_ADDRESS, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN),
	  FORWARD_TOLD },
	{ "address and port of different ends", OF_CLIENT_AND_PORT, 0, VIP_OWN, WEB,
	  FORWARD(CLIENT, SYN), FORWARD_TOLD },
	{ "both ends and the port after rewriting", OF_BOTH_ENDS, 0, VIP_OWN, WEB,
	  FORWARD(CLIENT, SYN), FORWARD_TOLD },
	{ "both ends, of another server", OF_BOTH_ENDS, 0, VIP_OWN, SPARE, FORWARD(CLIENT, SYN),
	  NOT_TOLD },
	{ "prefix", OF_PREFIX, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN), FORWARD_TOLD },
	{ "another address", OF_OTHER_ADDRESS, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN), NOT_TOLD },
	{ "another port", OF_OTHER_PORT, 0, VIP_OWN, WEB, FORWARD(CLIENT, SYN), NOT_TOLD },
};

/* An event against what was sent and what came out of the program. */
static void check_event(const struct xlb_event *event, const uint8_t *data, uint8_t stage,
			const struct told *told, const uint8_t *frame, size_t length)
{
	size_t kept = length < SNAP ? length : SNAP;

	assert_int_equal(event->stage, stage);
	assert_int_equal(event->verdict, told->verdict);
	assert_int_equal(event->reason, told->reason);
	assert_int_equal(event->slot, SLOT_CLIENTS);
	assert_int_equal(event->length, length);
	assert_int_equal(event->captured, kept);
	assert_memory_equal(data, frame, kept);
}

static void run_row(const struct watch_row *row, uint8_t family, uint8_t protocol)
{
	struct xlb_watch watch = watch_of(row->filter, family, protocol);
	size_t number = 0, length;
	uint8_t bytes[FRAME_MAX];
	struct outcome outcome;
	struct frame frame;
	struct talk talk;

	world_reset();
	read_events();
	variant_watch(variant, 0, &watch);
	talk_init(&talk, family, protocol, row->service, row->vip);
	frame = talk_frame(&talk, CLIENT, row->step.flags);
	talk_twist(&talk, &frame, CLIENT, row->step.twist);
	length = frame_build(&frame, bytes);
	world_send(bytes, length, &outcome);
	read_events();
	if (row->told.before) {
		assert_true(seen.count > number);
		check_event(&seen.events[number], seen.data[number], XLB_EVENT_BEFORE, &row->told,
			    bytes, length);
		assert_int_equal(seen.events[number].tcp_flags,
				 protocol == IPPROTO_TCP ? row->step.flags : 0);
		number++;
	}
	if (row->told.after) {
		assert_true(seen.count > number);
		check_event(&seen.events[number], seen.data[number], XLB_EVENT_AFTER, &row->told,
			    outcome.data, outcome.length);
		number++;
	}
	assert_int_equal(seen.count, number);
	if (number == 2)
		assert_int_equal(seen.events[0].number, seen.events[1].number);
	variant_unwatch(variant, 0);
}

static void observe(bool on)
{
	variant = on ? world_variant(VARIANT_OBSERVE) : NULL;
	world_program(on ? variant_program_fd(variant) : -1);
}

static void filters_and_events(void **state)
{
	(void)state;
	observe(true);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("# %s\n", rows[i].name);
		for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
			if (rows[i].protocol != IPPROTO_UDP)
				run_row(&rows[i], family, IPPROTO_TCP);
			if (rows[i].protocol != IPPROTO_TCP)
				run_row(&rows[i], family, IPPROTO_UDP);
		}
	}
	observe(false);
}

/* Packets that are none of xlb's. */
static void passed_packets_are_told(void **state)
{
	struct xlb_watch watch = watch_of(ALL, XLB_IPV4, IPPROTO_TCP);
	const struct step pass = PASS(CLIENT, SYN);
	struct talk talk;

	(void)state;
	observe(true);
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		world_reset();
		world_no_ports(VIP_HOST, family);
		read_events();
		variant_watch(variant, 0, &watch);
		talk_init(&talk, family, IPPROTO_TCP, WEB, VIP_HOST);
		assert_null(talk_step(&talk, &pass));
		read_events();
		assert_int_equal(seen.count, 1);
		assert_int_equal(seen.events[0].stage, XLB_EVENT_BEFORE);
		assert_int_equal(seen.events[0].verdict, XLB_VERDICT_PASS);
		assert_int_equal(seen.events[0].listener, 0);
		variant_unwatch(variant, 0);
	}
	observe(false);
}

/* A ping of a VIP and the answer that xlb gives, if their ends are wanted. */
static void each_ping(uint8_t family, enum filter filter, size_t wanted)
{
	const struct told told = { XLB_VERDICT_ICMP, 0, true, true };
	struct xlb_watch watch = watch_of(filter, family, IPPROTO_TCP);
	struct frame request = echo_request(family, 64);
	uint8_t bytes[FRAME_MAX];
	struct outcome outcome;
	size_t length;

	world_reset();
	read_events();
	variant_watch(variant, 0, &watch);
	length = frame_build(&request, bytes);
	world_send(bytes, length, &outcome);
	assert_int_equal(outcome.verdict, XDP_TX);
	read_events();
	variant_unwatch(variant, 0);
	assert_int_equal(seen.count, wanted);
	if (!wanted)
		return;
	check_event(&seen.events[0], seen.data[0], XLB_EVENT_BEFORE, &told, bytes, length);
	check_event(&seen.events[1], seen.data[1], XLB_EVENT_AFTER, &told, outcome.data,
		    outcome.length);
	assert_int_equal(seen.events[0].vip, id_vip(VIP_OWN, family));
	assert_int_equal(seen.events[0].number, seen.events[1].number);
}

static void pings_are_told(void **state)
{
	(void)state;
	observe(true);
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		each_ping(family, ALL, 2);
		each_ping(family, OF_CLIENT, 2);
		each_ping(family, OF_OTHER_ADDRESS, 0);
		each_ping(family, OF_LISTENER, 0);
	}
	observe(false);
}

/* Replies are told too, with the flow's listener and server. */
static void replies_are_told(void **state)
{
	const struct step steps[] = { ESTABLISH };
	struct talk talk;

	(void)state;
	observe(true);
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct xlb_watch watch = watch_of(OF_LISTENER, family, IPPROTO_TCP);

		world_reset();
		read_events();
		variant_watch(variant, 0, &watch);
		talk_init(&talk, family, IPPROTO_TCP, WEB, VIP_OWN);
		for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
			assert_null(talk_step(&talk, &steps[i]));
		read_events();
		assert_int_equal(seen.count, 6);
		assert_true(seen.events[2].found & XLB_FOUND_REPLY);
		assert_int_equal(seen.events[2].server, id_server(WEB, family));
		assert_int_equal(ntohs(seen.events[2].new_source_port), service_port(WEB));
		variant_unwatch(variant, 0);
	}
	observe(false);
}

/* Two watches with different wishes: each event says for whom it is, the longer snap wins. */
static void two_watches(void **state)
{
	struct xlb_watch short_before = watch_of(BEFORE_ONLY, XLB_IPV4, IPPROTO_TCP);
	struct xlb_watch all = watch_of(OF_LISTENER, XLB_IPV4, IPPROTO_TCP);
	const struct step syn = FORWARD(CLIENT, SYN);
	struct talk talk;

	(void)state;
	observe(true);
	short_before.snap = 20;
	all.snap = 40;
	variant_watch(variant, 1, &short_before);
	variant_watch(variant, 3, &all);
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	assert_null(talk_step(&talk, &syn));
	read_events();
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.events[0].watches, 1U << 1 | 1U << 3);
	assert_int_equal(seen.events[0].captured, 40);
	assert_int_equal(seen.events[1].watches, 1U << 3);
	observe(false);
}

/* What the ring has no room for is counted for the interface that the frame came or leaves by. */
static void full_ring(void **state)
{
	struct xlb_watch watch = watch_of(ALL, XLB_IPV4, IPPROTO_UDP);
	uint64_t sent = 0, told = 0, skipped;
	const struct step packet = FORWARD(CLIENT, 0);
	struct talk talk;

	(void)state;
	observe(true);
	variant_watch(variant, 2, &watch);
	talk_init(&talk, XLB_IPV4, IPPROTO_UDP, WEB, VIP_OWN);
	while (!variant_skipped(variant, 2, SLOT_CLIENTS) && sent < 100000) {
		assert_null(talk_step(&talk, &packet));
		sent++;
	}
	assert_null(talk_step(&talk, &packet));
	sent++;
	do {
		seen.count = 0;
		skipped = variant_read(variant, EVENTS_MAX, take, NULL);
		told += seen.count;
	} while (skipped);
	skipped = variant_skipped(variant, 2, SLOT_CLIENTS) +
		  variant_skipped(variant, 2, SLOT_SERVERS);
	assert_true(skipped >= 2);
	assert_int_equal(told + skipped, sent * 2);
	observe(false);
}

const struct CMUnitTest watch_tests[] = {
	cmocka_unit_test(filters_and_events),
	cmocka_unit_test(passed_packets_are_told),
	cmocka_unit_test(pings_are_told),
	cmocka_unit_test(replies_are_told),
	cmocka_unit_test(two_watches),
	cmocka_unit_test(full_ring),
	{},
};
