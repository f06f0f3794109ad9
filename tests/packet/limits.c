// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Limits: how much passes, of what, in a second of a clock that the tests wind themselves. Meters hold times, so to make
 * them older is to let time pass; what the machine takes for it is made up for before each packet.
 */
#include "tests.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dry.h"
#include "tables.h"
#include "talk.h"
#include "xlb/limit.h"

#define LB     7U
#define SECOND 1000000000LL

/* --- the clock -------------------------------------------------------------------------------------- */

static int64_t began, ahead, set_at; /* set_at: on the machine's clock */

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

/* The source address whose meter goes by the clock; to look for them all in their large map takes too long. */
static struct xlb_source_key source;

static void each_meter(void (*change)(struct xlb_meter *meter, int64_t ns), int64_t ns)
{
	int fd = datapath_map_fd(world_datapath(), "sources");
	struct xlb_meter meter;

	change(tables_meter(id_listener(WEB, IPPROTO_UDP)), ns);
	change(tables_meter(XLB_LIMITS_OF_LB + LB), ns);
	if (!source.limits || bpf_map_lookup_elem(fd, &source, &meter))
		return;
	change(&meter, ns);
	assert_int_equal(bpf_map_update_elem(fd, &source, &meter, BPF_EXIST), 0);
}

static void make_older(struct xlb_meter *meter, int64_t ns)
{
	for (int i = 0; i < XLB_DUES; i++)
		if (meter->due[i])
			meter->due[i] -= (uint64_t)(ns << XLB_LIMIT_CLOCK);
}

static void clock_start(void)
{
	began = now();
	ahead = 0;
}

/* It is so many ns since clock_start. */
static void clock_set(int64_t ns)
{
	int64_t step;

	set_at = now();
	step = ns - (set_at - began + ahead);
	each_meter(make_older, step);
	ahead += step;
}

#define METERS 3 /* of the listener, the load balancer, the source address */

static struct xlb_meter noted[METERS];
static size_t place;

static void note(struct xlb_meter *meter, int64_t ns)
{
	(void)ns;
	assert_true(place < METERS);
	noted[place++] = *meter;
}

/* An address that has sent nothing before is the last of all. */
static void put_back(struct xlb_meter *meter, int64_t ns)
{
	(void)ns;
	memcpy(meter->due, noted[place].due, sizeof(meter->due));
	noted[place++] = (struct xlb_meter){};
}

/* --- limits and packets ----------------------------------------------------------------------------- */

/* Of the limits of the service WEB that the bit of XLB_LIMITED_* stands for. */
static uint32_t number_of(uint32_t by)
{
	return by & (XLB_LIMITED_LB | XLB_LIMITED_LB_SOURCE) ? XLB_LIMITS_OF_LB + LB :
							       id_listener(WEB, IPPROTO_UDP);
}

static void put_limits(uint32_t number, const struct xlb_limits *limits)
{
	world_put(TABLE_LIMITS, &(struct row_id){ number }, limits);
}

/* Gives the service's listeners, TCP and UDP, a load balancer, and these rates on one level. */
static void limit(enum service service, uint32_t by, struct xlb_rates rates)
{
	struct xlb_limited limited = { .lb = LB, .by = by };
	struct xlb_limits limits = {};

	*(by & XLB_LIMITED_SOURCES ? &limits.source : &limits.all) = rates;
	for (int i = 0; i < 2; i++) {
		uint8_t protocol = i ? IPPROTO_TCP : IPPROTO_UDP;

		put_limits(by & (XLB_LIMITED_LB | XLB_LIMITED_LB_SOURCE) ?
				   XLB_LIMITS_OF_LB + LB :
				   id_listener(service, protocol),
			   &limits);
		world_limited(service, protocol, limited);
	}
	world_server(service, XLB_IPV4, XLB_SERVER_METERED);
	world_server(service, XLB_IPV6, XLB_SERVER_METERED);
}

/* Who sends a datagram, or a SYN. */
struct sender {
	uint8_t family;
	uint8_t protocol; /* 0: UDP */
	uint8_t address;
	uint16_t port;
	uint16_t payload;
	enum service service;
};

static struct frame frame_of(const struct sender *sender)
{
	struct frame frame;
	struct talk talk;

	talk_init(&talk, sender->family, sender->protocol ? sender->protocol : IPPROTO_UDP,
		  sender->service, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, SYN);
	frame.source.bytes[15] = sender->address;
	frame.source_port = sender->port;
	frame.payload = sender->payload;
	return frame;
}

/* 0 if it went on, else why it did not. */
static enum xlb_reason send_of(const struct sender *sender)
{
	static const enum xlb_reason reasons[] = { XLB_DROP_LIMIT_NEW, XLB_DROP_LIMIT_CONNECTIONS,
						   XLB_DROP_LIMIT_BITS, XLB_DROP_LIMIT_PACKETS };
	struct frame frame = frame_of(sender);
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	uint64_t before[4];

	for (int i = 0; i < 4; i++)
		before[i] = world_drops(reasons[i]);
	world_send(data, frame_build(&frame, data), &got);
	if (got.verdict == XDP_REDIRECT)
		return 0;
	for (int i = 0; i < 4; i++)
		if (world_drops(reasons[i]) != before[i])
			return reasons[i];
	fail_msg("verdict %u", got.verdict);
	return 0;
}

/* True if it went on; else it was dropped for the reason. */
static bool passes(const struct sender *sender, enum xlb_reason reason)
{
	enum xlb_reason got = send_of(sender);

	if (got && got != reason)
		fail_msg("dropped for reason %d instead of %d", got, reason);
	return !got;
}

/* The same at a time of the clock; if the machine lets the packet wait, all is as before, and it is sent again. */
static bool passes_at(int64_t ns, struct sender *sender, enum xlb_reason reason, bool fresh)
{
	for (int i = 0; i < 1000; i++) {
		bool passed;

		clock_set(ns);
		place = 0;
		each_meter(note, 0);
		sender->port = (uint16_t)(sender->port + fresh);
		passed = passes(sender, reason);
		if (now() - set_at < 5000000)
			return passed;
		place = 0;
		each_meter(put_back, 0);
	}
	fail_msg("the machine is too busy");
	return false;
}

static void within(const char *what, uint64_t got, uint64_t want, uint64_t percent)
{
	if (got * 100 < want * (100 - percent) || got * 100 > want * (100 + percent))
		fail_msg("%s: %lu, not within %lu %% of %lu", what, got, percent, want);
}

/* --- how much --------------------------------------------------------------------------------------- */

#define RATE	1000
#define OFFERED 2500 /* in a second */
#define PAYLOAD 958  /* of UDP in IPv4 and Ethernet: 1000 bytes, of IPv6: 1020 */

struct kind {
	const char *name;
	struct xlb_rates rates;
	enum xlb_reason reason;
	bool fresh; /* each packet begins a flow */
};

static const struct kind kinds[] = {
	{ "new flows", { .new_flows = RATE }, XLB_DROP_LIMIT_NEW, true },
	{ "packets", { .packets = RATE }, XLB_DROP_LIMIT_PACKETS, false },
	{ "bits", { .bits = RATE * 8000 }, XLB_DROP_LIMIT_BITS, false },
};

/* From the first second on, and as much in those that follow. */
static void check_rate(const struct kind *kind, uint32_t by)
{
	struct sender sender = { XLB_IPV4, 0, 9, 1024, PAYLOAD, WEB };

	limit(WEB, by, kind->rates);
	source = (struct xlb_source_key){};
	if (by & XLB_LIMITED_SOURCES)
		source = (struct xlb_source_key){ .addr = frame_of(&sender).source,
						  .limits = number_of(by) };
	source.epoch = tables_epoch(source.limits);
	clock_start();
	for (int64_t second = 0; second < 2; second++) {
		uint64_t passed = 0;

		for (int64_t i = 0; i < OFFERED; i++) {
			passed += passes_at(second * SECOND + i * SECOND / OFFERED, &sender,
					    kind->reason, kind->fresh);
		}
		within(kind->name, passed, RATE, 5);
	}
	world_end_flows(FLOW_DELETE);
}

static void test_rates(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (uint32_t by = XLB_LIMITED_LISTENER; by <= XLB_LIMITED_LB_SOURCE; by *= 2)
			check_rate(&kinds[i], by);
}

/* A limit that nobody reaches drops nothing; a burst is of five, at whatever rate. */
static void test_bursts(void **state)
{
	struct sender sender = { XLB_IPV6, 0, 9, 1024, 1200, WEB };
	uint32_t passed = 0;

	(void)state;
	limit(WEB, XLB_LIMITED_LISTENER, (struct xlb_rates){ .new_flows = 1 });
	clock_start();
	for (int64_t i = 0; i < 20; i++, sender.port++) {
		clock_set(i * 1000000);
		passed += passes(&sender, XLB_DROP_LIMIT_NEW);
	}
	assert_int_equal(passed, 5);
	for (int64_t i = 1; i < 10; i++, sender.port++) {
		/* a packet comes a little after its time */
		clock_set(i * (SECOND + SECOND / 10));
		assert_true(passes(&sender, XLB_DROP_LIMIT_NEW));
	}
	/* datagrams of 1.01 s each, of which a burst of 2.42 s holds two */
	limit(WEB, XLB_LIMITED_LISTENER, (struct xlb_rates){ .bits = 10000 });
	clock_start();
	sender.port--;
	assert_true(passes(&sender, XLB_DROP_LIMIT_BITS));
	assert_true(passes(&sender, XLB_DROP_LIMIT_BITS));
	assert_false(passes(&sender, XLB_DROP_LIMIT_BITS));
	clock_set(SECOND * 7 / 10);
	assert_true(passes(&sender, XLB_DROP_LIMIT_BITS));
	assert_false(passes(&sender, XLB_DROP_LIMIT_BITS));
}

/* A rate that is raised counts at once, whatever was owed. */
static void test_raised(void **state)
{
	struct sender sender = { XLB_IPV4, 0, 9, 1024, 100, WEB };

	(void)state;
	limit(WEB, XLB_LIMITED_LISTENER, (struct xlb_rates){ .packets = 1 });
	while (passes(&sender, XLB_DROP_LIMIT_PACKETS))
		;
	limit(WEB, XLB_LIMITED_LISTENER, (struct xlb_rates){ .packets = 100 });
	assert_true(passes(&sender, XLB_DROP_LIMIT_PACKETS));
	limit(WEB, 0, (struct xlb_rates){});
	for (int i = 0; i < 100; i++)
		assert_true(passes(&sender, XLB_DROP_LIMIT_PACKETS));
}

/* What one limit refuses is not charged to another. */
static void test_refused_for_nothing(void **state)
{
	struct sender sender = { XLB_IPV4, 0, 9, 1024, 100, WEB };
	uint64_t due;

	(void)state;
	limit(WEB, XLB_LIMITED_LISTENER, (struct xlb_rates){ .new_flows = 1 });
	put_limits(XLB_LIMITS_OF_LB + LB,
		   &(struct xlb_limits){ .all.new_flows = 100, .source.packets = 100000 });
	world_limited(WEB, IPPROTO_UDP,
		      (struct xlb_limited){ LB, XLB_LIMITED_LISTENER | XLB_LIMITED_LB |
							XLB_LIMITED_LB_SOURCE });
	for (; passes(&sender, XLB_DROP_LIMIT_NEW); sender.port++)
		;
	due = tables_meter(XLB_LIMITS_OF_LB + LB)->due[XLB_DUE_NEW_FLOWS];
	assert_true(due > 0);
	assert_false(passes(&sender, XLB_DROP_LIMIT_NEW));
	assert_int_equal(tables_meter(XLB_LIMITS_OF_LB + LB)->due[XLB_DUE_NEW_FLOWS], due);
}

/* --- who ---------------------------------------------------------------------------------------------- */

/* Flows that go on come first: what begins flows gets what they leave. */
static void check_priority(const struct kind *kind, int64_t share)
{
	struct sender old = { XLB_IPV4, 0, 9, 1024, PAYLOAD, WEB }, fresh = old;
	uint64_t old_passed = 0, fresh_passed = 0;

	limit(WEB, 0, (struct xlb_rates){});
	assert_true(passes(&old, 0));
	limit(WEB, XLB_LIMITED_LISTENER, kind->rates);
	clock_start();
	fresh.address = 10;
	for (int64_t i = 0; i < 5 * RATE; i++) {
		int64_t at = i * SECOND / (5 * RATE);

		if (i % (500 / share) == 0)
			old_passed += passes_at(at, &old, kind->reason, false);
		fresh_passed += passes_at(at, &fresh, kind->reason, true);
	}
	within("old", old_passed, RATE * (uint64_t)share / 100, 5);
	within("old and fresh", old_passed + fresh_passed, RATE, 5);
	world_end_flows(FLOW_DELETE);
}

static void test_priority(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].fresh)
			continue;
		check_priority(&kinds[i], 50);
		check_priority(&kinds[i], 100);
	}
}

/* Each direction has the rate for itself. */
static void test_directions(void **state)
{
	static const struct step from_client = FORWARD(CLIENT, 0), from_server = FORWARD(SERVER, 0);
	static const struct step too_much[] = { DROP(CLIENT, 0, LIMIT_PACKETS),
						DROP(SERVER, 0, LIMIT_PACKETS) };
	struct talk talk;

	(void)state;
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		for (uint32_t by = XLB_LIMITED_LISTENER; by <= XLB_LIMITED_LB_SOURCE; by *= 2) {
			limit(WEB, by, (struct xlb_rates){ .packets = 1 });
			talk_init(&talk, family, IPPROTO_UDP, WEB, VIP_OWN);
			/* the one that began the flow could take half of a burst only */
			for (int i = 0; i < 5; i++)
				assert_null(talk_step(&talk, &from_client));
			assert_null(talk_step(&talk, &too_much[0]));
			for (int i = 0; i < 5; i++)
				assert_null(talk_step(&talk, &from_server));
			assert_null(talk_step(&talk, &too_much[1]));
			world_end_flows(FLOW_DELETE);
		}
	}
}

/* Source addresses have nothing to do with each other, nor with the same of another listener. */
static void test_sources(void **state)
{
	struct sender sender = { XLB_IPV4, 0, 9, 1024, 100, WEB };

	(void)state;
	limit(WEB, XLB_LIMITED_SOURCE, (struct xlb_rates){ .packets = 1 });
	limit(SPARE, XLB_LIMITED_SOURCE, (struct xlb_rates){ .packets = 1 });
	for (sender.family = XLB_IPV4; sender.family <= XLB_IPV6;
	     sender.family += XLB_IPV6 - XLB_IPV4)
		for (sender.address = 10; sender.address < 20; sender.address++)
			for (sender.service = WEB; sender.service <= SPARE; sender.service++) {
				for (int i = 0; i < 5; i++)
					assert_true(passes(&sender, XLB_DROP_LIMIT_PACKETS));
				assert_false(passes(&sender, XLB_DROP_LIMIT_PACKETS));
			}
}

/* --- connections -------------------------------------------------------------------------------------- */

#define CONNECTIONS 10

/* Opens as many as the limit lets, each from another port; fails if that is not `count`. */
static void open_all(struct sender *sender, uint32_t count)
{
	uint32_t passed = 0;

	for (uint32_t i = 0; i < count + 3; i++, sender->port++)
		passed += passes(sender, XLB_DROP_LIMIT_CONNECTIONS);
	assert_int_equal(passed, count);
}

static void close_one(const struct sender *sender, uint16_t port)
{
	struct xlb_flow_key key = { .client = addr_client(sender->family),
				    .vip = id_vip(VIP_OWN, sender->family),
				    .client_port = htons(port),
				    .port = htons(service_port(sender->service)),
				    .protocol = sender->protocol,
				    .family = sender->family };
	struct xlb_flow flow;

	key.client.bytes[15] = sender->address;
	assert_true(world_flow(&key, &flow));
	assert_int_equal(datapath_flow_end(world_datapath(), &flow, FLOW_DELETE), 0);
}

static void check_connections(uint32_t by, uint8_t family, uint8_t protocol)
{
	struct sender sender = { family, protocol, 9, 2000, 0, WEB };
	uint16_t first = sender.port;

	limit(WEB, by, (struct xlb_rates){ .flows = CONNECTIONS });
	open_all(&sender, CONNECTIONS);
	close_one(&sender, first);
	close_one(&sender, first + 1);
	open_all(&sender, 2);
	/* those that are open go on */
	sender.port = first + 2;
	assert_true(passes(&sender, 0));
	/* others of the same address, of another one */
	sender.port = 3000;
	sender.address++;
	open_all(&sender, by & XLB_LIMITED_SOURCES ? CONNECTIONS : 0);
	world_end_flows(FLOW_DELETE);
	open_all(&sender, CONNECTIONS);
	world_end_flows(FLOW_DELETE);
	assert_null(talk_check_flows(0));
}

static void test_connections(void **state)
{
	(void)state;
	for (uint32_t by = XLB_LIMITED_LISTENER; by <= XLB_LIMITED_LB_SOURCE; by *= 2) {
		check_connections(by, XLB_IPV4, IPPROTO_TCP);
		check_connections(by, XLB_IPV6, IPPROTO_TCP);
		check_connections(by, XLB_IPV4, IPPROTO_UDP);
		check_connections(by, XLB_IPV6, IPPROTO_UDP);
	}
}

/* A load balancer's are those of all its listeners together. */
static void test_connections_together(void **state)
{
	struct sender web = { XLB_IPV4, IPPROTO_TCP, 9, 2000, 0, WEB }, spare = web;

	(void)state;
	spare.service = SPARE;
	limit(WEB, XLB_LIMITED_LB, (struct xlb_rates){ .flows = CONNECTIONS });
	limit(SPARE, XLB_LIMITED_LB, (struct xlb_rates){ .flows = CONNECTIONS });
	for (int i = 0; i < CONNECTIONS / 2; i++, web.port++, spare.port++) {
		assert_true(passes(&web, 0));
		assert_true(passes(&spare, 0));
	}
	open_all(&web, 0);
	open_all(&spare, 0);
	/* flows count whether there is a limit or not */
	limit(WEB, 0, (struct xlb_rates){});
	for (int i = 0; i < 3; i++, web.port++)
		assert_true(passes(&web, 0));
	limit(WEB, XLB_LIMITED_LB, (struct xlb_rates){ .flows = CONNECTIONS + 5 });
	open_all(&web, 2);
	assert_null(talk_check_flows(CONNECTIONS + 5));
}

/* What was counted for an address while a limit was there is forgotten with it. */
static void test_connections_forgotten(void **state)
{
	struct sender sender = { XLB_IPV4, IPPROTO_TCP, 9, 2000, 0, WEB };

	(void)state;
	limit(WEB, XLB_LIMITED_SOURCE, (struct xlb_rates){ .flows = CONNECTIONS });
	open_all(&sender, CONNECTIONS);
	limit(WEB, XLB_LIMITED_SOURCE, (struct xlb_rates){ .new_flows = 100000 });
	world_end_flows(FLOW_DELETE);
	limit(WEB, XLB_LIMITED_SOURCE, (struct xlb_rates){ .flows = CONNECTIONS });
	open_all(&sender, CONNECTIONS);
}

/* A connection is over when both sides have said so, not when it is forgotten. */
static void test_connections_over(void **state)
{
	struct sender sender = { XLB_IPV4, IPPROTO_TCP, 7, 2000, 0, WEB };
	struct talk talk;

	(void)state;
	limit(WEB, XLB_LIMITED_SOURCE, (struct xlb_rates){ .flows = 1 });
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	talk_run(&talk, (const struct step[]){ ESTABLISH, {} });
	open_all(&sender, 0);
	talk_run(&talk, (const struct step[]){ CLOSE, {} });
	open_all(&sender, 1);
}

/* Where xlb does not hear servers, the client's FIN is all that it hears of an end, or its RST, until that proves false. */
static void test_connections_over_direct(void **state)
{
	static const enum service services[] = { DR, IPIP, GUE_CROSS };

	(void)state;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		struct sender sender = { XLB_IPV4, IPPROTO_TCP, 7, 2000, 0, services[i] };
		uint8_t family = service_family(services[i], XLB_IPV4);
		struct talk talk;

		limit(services[i], XLB_LIMITED_LISTENER, (struct xlb_rates){ .flows = 1 });
		talk_init(&talk, XLB_IPV4, IPPROTO_TCP, services[i], VIP_OWN);
		talk_run(&talk,
			 (const struct step[]){ FORWARD(CLIENT, SYN), FORWARD(CLIENT, ACK), {} });
		open_all(&sender, 0);
		talk_run(&talk,
			 (const struct step[]){ FORWARD(CLIENT, RST), FORWARD(CLIENT, ACK), {} });
		open_all(&sender, 0);
		talk_run(&talk, (const struct step[]){ FORWARD(CLIENT, FIN | ACK), {} });
		open_all(&sender, 1);
		/* what comes after the FIN opens nothing */
		talk_run(&talk, (const struct step[]){ FORWARD(CLIENT, ACK), {} });
		assert_int_equal(tables_open_flows(id_server(services[i], family)), 1);
	}
}

/* --- two CPUs, and dry runs ----------------------------------------------------------------------------- */

/* One CPU that sends as fast as it can, for a while of the real clock. */
struct racer {
	pthread_t thread;
	int cpu;
	uint64_t sent;
	const uint8_t *data;
	size_t length;
	int64_t until;
};

static void *race(void *arg)
{
	struct racer *racer = arg;
	struct outcome *got = malloc(sizeof(*got));
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(racer->cpu, &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	while (got && now() < racer->until) {
		world_send(racer->data, racer->length, got);
		racer->sent += got->verdict == XDP_REDIRECT;
	}
	free(got);
	return NULL;
}

/* Two CPUs together do not get more than one. */
static void test_two_cpus(void **state)
{
	struct sender sender = { XLB_IPV4, 0, 9, 1024, PAYLOAD, WEB };
	static uint8_t data[FRAME_MAX];
	struct racer racers[2] = {};
	struct frame frame;
	uint64_t sent = 0;
	int64_t start;

	(void)state;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		print_message("skipped: one CPU\n");
		skip();
	}
	limit(WEB, 0, (struct xlb_rates){});
	assert_true(passes(&sender, 0));
	limit(WEB, XLB_LIMITED_LISTENER, (struct xlb_rates){ .packets = 5000 });
	frame = frame_of(&sender);
	start = now();
	for (int i = 0; i < 2; i++) {
		racers[i] = (struct racer){ .cpu = i,
					    .data = data,
					    .length = frame_build(&frame, data),
					    .until = start + SECOND };
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(racers[i].thread, NULL);
		assert_true(racers[i].sent > 0);
		sent += racers[i].sent;
	}
	/* as long as it took: a busy machine may have let them wait */
	assert_true(sent <= 5000 * (uint64_t)(now() - start) / SECOND * 110 / 100);
}

static void test_dry_runs(void **state)
{
	struct sender sender = { XLB_IPV4, 0, 9, 1024, 100, WEB };

	(void)state;
	dry_start();
	for (uint32_t by = XLB_LIMITED_LISTENER; by <= XLB_LIMITED_LB_SOURCE; by *= 2) {
		uint32_t dropped = 0;

		limit(WEB, by, (struct xlb_rates){ .packets = 1, .flows = 3 });
		for (uint32_t i = 0; i < 12; i++, sender.port += i < 6)
			dropped += send_of(&sender) != 0;
		assert_true(dropped > 3);
		world_end_flows(FLOW_DELETE);
	}
	dry_stop();
}

const struct CMUnitTest limits_tests[] = {
	{ .name = "limits: rates are exact within 5 %, on every level", .test_func = test_rates },
	{ .name = "limits: bursts", .test_func = test_bursts },
	{ .name = "limits: a raised rate counts at once", .test_func = test_raised },
	{ .name = "limits: what is refused is charged to nobody",
	  .test_func = test_refused_for_nothing },
	{ .name = "limits: flows that go on come first", .test_func = test_priority },
	{ .name = "limits: each direction by itself", .test_func = test_directions },
	{ .name = "limits: source addresses", .test_func = test_sources },
	{ .name = "limits: connections", .test_func = test_connections },
	{ .name = "limits: connections of a load balancer",
	  .test_func = test_connections_together },
	{ .name = "limits: connections of addresses are forgotten",
	  .test_func = test_connections_forgotten },
	{ .name = "limits: a connection that is over", .test_func = test_connections_over },
	{ .name = "limits: one is over of which only the client is heard",
	  .test_func = test_connections_over_direct },
	{ .name = "limits: two CPUs at once", .test_func = test_two_cpus },
	{ .name = "limits: dry runs charge nothing", .test_func = test_dry_runs },
	{},
};
