// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The maximum segment size that a SYN announces: lowered where it must be, and nothing else of the options is. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk.h"
#include "tests.h"

#define OPTIONS_MAX 40

#define END	       0
#define NOTHING	       1
#define MSS(high, low) 2, 4, high, low
#define WINDOW	       3, 3, 7
#define SACK_PERMITTED 4, 2
#define TIMESTAMP      8, 10, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0

static const enum service services[] = { WEB,  ONE_ARM,	   CROSS, NAT,	     NAT_NEAR, DR,
					 IPIP, IPIP_CROSS, GUE,	  GUE_CROSS, LOCAL };

#define EACH_SERVICE(at) for (size_t at = 0; at < sizeof(services) / sizeof(services[0]); at++)
#define EACH_FAMILY(family) \
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4)

static bool is_direct(enum service service)
{
	return xlb_mode_has(service_mode(service), XLB_MODE_DIRECT);
}

static uint32_t fits(uint32_t mtu, uint8_t family)
{
	return mtu - 20 - (family == XLB_IPV4 ? 20 : 40);
}

/* What segments that pass both interfaces may measure. */
static uint32_t limit_of(enum service service, uint8_t family)
{
	uint32_t client = fits(CLIENT_MTU, family);
	uint32_t server =
		fits(service == ONE_ARM ? CLIENT_MTU : SERVER_MTU, service_family(service, family));

	return is_direct(service) ? 65535 : client < server ? client : server;
}

/* The naive way: what the options should become. */
static void lower(uint8_t *options, size_t length, uint32_t limit)
{
	size_t size;

	for (size_t at = 0; at < length && options[at] != END; at += size) {
		size = options[at] == NOTHING ? 1 : at + 1 < length ? options[at + 1] : 0;
		if (size < (options[at] == NOTHING ? 1 : 2) || at + size > length)
			return;
		if (options[at] != 2 || size != 4)
			continue;
		if ((uint32_t)(options[at + 2] << 8 | options[at + 3]) <= limit)
			return;
		options[at + 2] = (uint8_t)(limit >> 8);
		options[at + 3] = (uint8_t)limit;
		return;
	}
}

/* Sends a segment with options; they come out as `wanted`. Options and headers around them are multiples of 4. */
static const char *exchange(struct talk *talk, enum actor actor, struct frame *frame,
			    const uint8_t *options, const uint8_t *wanted, size_t length)
{
	frame->tcp_options = (uint8_t)length;
	frame->option_bytes = options;
	frame->option_bytes_out = wanted;
	return talk_send(talk, actor, frame, FORWARDED, XLB_DROP_NONE);
}

/* The client's SYN, and the server's answer where xlb sees it, announce `announced`. */
static void opens(enum service service, uint8_t family, uint32_t announced, uint32_t wanted)
{
	const uint8_t options[] = { MSS((uint8_t)(announced >> 8), (uint8_t)announced),
				    SACK_PERMITTED, TIMESTAMP, NOTHING, WINDOW };
	const uint8_t out[] = { MSS((uint8_t)(wanted >> 8), (uint8_t)wanted), SACK_PERMITTED,
				TIMESTAMP, NOTHING, WINDOW };
	const char *fault;
	struct frame frame;
	struct talk talk;

	talk_init(&talk, family, IPPROTO_TCP, service, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, SYN);
	fault = exchange(&talk, CLIENT, &frame, options, out, sizeof(out));
	/* and once more, by the flow that is there now */
	if (!fault)
		fault = exchange(&talk, CLIENT, &frame, options, out, sizeof(out));
	if (!fault && !is_direct(service)) {
		frame = talk_frame(&talk, SERVER, SYN | ACK);
		fault = exchange(&talk, SERVER, &frame, options, out, sizeof(out));
	}
	/* what opens nothing announces nothing */
	frame = talk_frame(&talk, CLIENT, ACK);
	if (!fault)
		fault = exchange(&talk, CLIENT, &frame, options, options, sizeof(options));
	if (fault)
		fail_msg("service %d, IPv%u, %u announced: %s", service, family, announced, fault);
}

static void test_automatic(void **state)
{
	(void)state;
	EACH_SERVICE(i)
	EACH_FAMILY(family)
	{
		uint32_t limit = limit_of(services[i], family);

		opens(services[i], family, limit + (limit < 65535), limit);
		opens(services[i], family, 65535, limit);
		opens(services[i], family, limit, limit);
		opens(services[i], family, limit - 1, limit - 1);
		opens(services[i], family, 536, 536);
		opens(services[i], family, 0, 0);
	}
}

static void test_listener(void **state)
{
	(void)state;
	EACH_SERVICE(i)
	EACH_FAMILY(family)
	{
		uint32_t limit = limit_of(services[i], family);

		/* what does not fit does not fit */
		world_mss(services[i], 9000);
		opens(services[i], family, 65535, limit < 9000 ? limit : 9000);
		world_mss(services[i], 88);
		opens(services[i], family, 89, 88);
		opens(services[i], family, 88, 88);
		opens(services[i], family, 87, 87);
	}
}

/* Another value counts from the next SYN, of flows that are there too. */
static void test_live(void **state)
{
	static const uint8_t sent[] = { MSS(0x05, 0xb4) }, first[] = { MSS(0x03, 0xe8) },
			     second[] = { MSS(0x02, 0xbc) }, fitting[] = { MSS(0x05, 0x50) };
	struct frame frame;
	struct talk talk;

	(void)state;
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, SYN);
	world_mss(WEB, 1000);
	assert_null(exchange(&talk, CLIENT, &frame, sent, first, sizeof(sent)));
	world_mss(WEB, 700);
	assert_null(exchange(&talk, CLIENT, &frame, sent, second, sizeof(sent)));
	frame = talk_frame(&talk, SERVER, SYN | ACK);
	assert_null(exchange(&talk, SERVER, &frame, sent, second, sizeof(sent)));
	world_mss(WEB, 0);
	assert_null(exchange(&talk, SERVER, &frame, sent, fitting, sizeof(sent)));
}

/* Options by hand, for a listener with an MSS of 1000 (0x03e8). */
static const struct list {
	const char *name;
	uint8_t length, options[OPTIONS_MAX], wanted[OPTIONS_MAX];
} lists[] = {
	{ "none", 0, {}, {} },
	{ "no MSS: none is inserted",
	  20,
	  { SACK_PERMITTED, TIMESTAMP, NOTHING, WINDOW, END },
	  { SACK_PERMITTED, TIMESTAMP, NOTHING, WINDOW, END } },
	{ "at an odd place",
	  8,
	  { NOTHING, MSS(0x05, 0xb4), NOTHING, NOTHING },
	  { NOTHING, MSS(0x03, 0xe8), NOTHING, NOTHING } },
	{ "at the next odd place, and the last of all",
	  8,
	  { NOTHING, NOTHING, NOTHING, MSS(0xff, 0xff), END },
	  { NOTHING, NOTHING, NOTHING, MSS(0x03, 0xe8), END } },
	{ "behind all others",
	  20,
	  { WINDOW, SACK_PERMITTED, TIMESTAMP, MSS(0x05, 0xb4), END },
	  { WINDOW, SACK_PERMITTED, TIMESTAMP, MSS(0x03, 0xe8), END } },
	{ "twice: the first is meant",
	  12,
	  { MSS(0x05, 0xb4), NOTHING, MSS(0x08, 0), END },
	  { MSS(0x03, 0xe8), NOTHING, MSS(0x08, 0), END } },
	{ "nothing but the longest list",
	  40,
	  { 253, 36, [36] = 2, 4, 0x05, 0xb4 },
	  { 253, 36, [36] = 2, 4, 0x03, 0xe8 } },
	{ "behind the end", 8, { END, MSS(0x05, 0xb4) }, { END, MSS(0x05, 0xb4) } },
	{ "inside of another option",
	  8,
	  { 253, 8, MSS(0x05, 0xb4), END, END },
	  { 253, 8, MSS(0x05, 0xb4), END, END } },
	{ "its length is too small", 8, { 2, 3, 0x05, 0xb4, END }, { 2, 3, 0x05, 0xb4, END } },
	{ "its length is too large",
	  8,
	  { 2, 6, 0x05, 0xb4, 0x05, 0xb4, NOTHING, NOTHING },
	  { 2, 6, 0x05, 0xb4, 0x05, 0xb4, NOTHING, NOTHING } },
	{ "a good one behind one of the wrong length",
	  8,
	  { 2, 3, 0xff, MSS(0x05, 0xb4), END },
	  { 2, 3, 0xff, MSS(0x03, 0xe8), END } },
	{ "behind an option of length 0",
	  8,
	  { 253, 0, MSS(0x05, 0xb4), END, END },
	  { 253, 0, MSS(0x05, 0xb4), END, END } },
	{ "behind an option of length 1",
	  8,
	  { 253, 1, MSS(0x05, 0xb4), END, END },
	  { 253, 1, MSS(0x05, 0xb4), END, END } },
	{ "its own length is 0", 4, { 2, 0, 0x05, 0xb4 }, { 2, 0, 0x05, 0xb4 } },
	{ "behind an option that runs out of the header",
	  8,
	  { 253, 9, MSS(0x05, 0xb4), END, END },
	  { 253, 9, MSS(0x05, 0xb4), END, END } },
	{ "longer than any header",
	  8,
	  { 253, 255, MSS(0x05, 0xb4), END, END },
	  { 253, 255, MSS(0x05, 0xb4), END, END } },
	{ "the header ends within it", 4, { NOTHING, 2, 4, 0x05 }, { NOTHING, 2, 4, 0x05 } },
	{ "the header ends behind its length",
	  4,
	  { NOTHING, NOTHING, 2, 4 },
	  { NOTHING, NOTHING, 2, 4 } },
	{ "the header ends behind its kind",
	  4,
	  { NOTHING, NOTHING, NOTHING, 2 },
	  { NOTHING, NOTHING, NOTHING, 2 } },
};

/* A SYN whose data looks like what the header lacks. */
static struct frame syn_with_data(const struct talk *talk, enum actor actor)
{
	struct frame frame = talk_frame(talk, actor, actor == CLIENT ? SYN : SYN | ACK);

	frame.payload = 20;
	frame.pattern = 0x0405; /* a length, a high byte */
	return frame;
}

static void list_of(const struct list *list, enum service service, uint8_t family)
{
	const char *fault;
	struct frame frame;
	struct talk talk;

	talk_init(&talk, family, IPPROTO_TCP, service, VIP_OWN);
	frame = syn_with_data(&talk, CLIENT);
	fault = exchange(&talk, CLIENT, &frame, list->options, list->wanted, list->length);
	if (!fault && !is_direct(service)) {
		frame = syn_with_data(&talk, SERVER);
		fault = exchange(&talk, SERVER, &frame, list->options, list->wanted, list->length);
	}
	if (fault)
		fail_msg("%s, service %d, IPv%u: %s", list->name, service, family, fault);
}

static void test_lists(void **state)
{
	(void)state;
	EACH_SERVICE(i)
	{
		world_mss(services[i], 1000);
		EACH_FAMILY(family)
		for (size_t n = 0; n < sizeof(lists) / sizeof(lists[0]); n++)
			list_of(&lists[n], services[i], family);
	}
}

/* IPv4 options or IPv6 extension headers before it, now and then. */
static void vary(struct frame *frame)
{
	static const uint8_t types[] = { 0, 43, 60, 44 };

	frame->seq = (uint32_t)random();
	frame->padding = random() % 2 ? 0 : 7;
	if (random() % 2)
		return;
	frame->ip_options = (uint8_t)(random() % 11 * 4);
	frame->extension_count = (uint8_t)(random() % 5);
	memcpy(frame->extensions, types, sizeof(types));
	if (frame->family == XLB_IPV6)
		frame->fragment = 0;
}

static void vary_and_exchange(struct talk *talk, enum actor actor, const uint8_t *options,
			      size_t length, uint32_t limit)
{
	struct frame frame = syn_with_data(talk, actor);
	uint8_t wanted[OPTIONS_MAX];
	const char *fault;

	vary(&frame);
	memcpy(wanted, options, length);
	lower(wanted, length, limit);
	fault = exchange(talk, actor, &frame, options, wanted, length);
	if (!fault)
		return;
	for (size_t i = 0; i < length; i++)
		printf("%s%02x", i ? " " : "# options ", options[i]);
	fail_msg("\nservice %d, IPv%u, %s: %s", talk->service, talk->family,
		 actor == CLIENT ? "client" : "server", fault);
}

/* Both sides send such a SYN; the flow that is there already is used. */
static void both(struct talk *talk, const uint8_t *options, size_t length, uint32_t limit)
{
	vary_and_exchange(talk, CLIENT, options, length, limit);
	if (!is_direct(talk->service))
		vary_and_exchange(talk, SERVER, options, length, limit);
}

/* The usual options, moved by up to three bytes, in headers that end after each word: they are cut at every byte. */
static void test_cut(void **state)
{
	static const uint8_t usual[OPTIONS_MAX] = {
		SACK_PERMITTED,	 MSS(0x05, 0xb4), TIMESTAMP, WINDOW,
		MSS(0x05, 0xb4), NOTHING,	  253,	     13
	};
	uint8_t options[OPTIONS_MAX];
	struct talk talk;

	(void)state;
	EACH_SERVICE(i)
	EACH_FAMILY(family)
	{
		world_mss(services[i], 1000);
		talk_init(&talk, family, IPPROTO_TCP, services[i], VIP_OWN);
		for (size_t moved = 0; moved < 4; moved++) {
			memset(options, NOTHING, moved);
			memcpy(options + moved, usual, OPTIONS_MAX - moved);
			for (size_t length = 0; length <= OPTIONS_MAX; length += 4)
				both(&talk, options, length, 1000);
		}
	}
}

/* Random bytes, most of them such as options begin with. */
static void test_random(void **state)
{
	static const uint8_t likely[] = { 0, 1, 1, 2, 2, 2, 3, 4, 4, 4, 8, 10 };
	uint8_t options[OPTIONS_MAX];
	struct talk talk;

	(void)state;
	srandom(6);
	EACH_SERVICE(i)
	EACH_FAMILY(family)
	{
		talk_init(&talk, family, IPPROTO_TCP, services[i], VIP_OWN);
		for (int n = 0; n < 200; n++) {
			uint32_t mss = 88 + (uint32_t)random() % 1000;

			world_mss(services[i], mss);
			for (size_t at = 0; at < OPTIONS_MAX; at++)
				options[at] = random() % 8 ?
						      likely[(size_t)random() % sizeof(likely)] :
						      (uint8_t)random();
			both(&talk, options, (size_t)random() % 11 * 4, mss);
		}
	}
}

const struct CMUnitTest mss_tests[] = {
	{ .name = "mss: by itself what fits the interfaces, in every mode",
	  .test_func = test_automatic },
	{ .name = "mss: what the listener says", .test_func = test_listener },
	{ .name = "mss: another value counts from the next SYN", .test_func = test_live },
	{ .name = "mss: odd places, lies, headers that end too soon", .test_func = test_lists },
	{ .name = "mss: options cut at every byte", .test_func = test_cut },
	{ .name = "mss: random options", .test_func = test_random },
	{ 0 },
};
