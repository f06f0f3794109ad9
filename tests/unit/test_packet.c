// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Frames to text and from text; bytes of any kind. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/packet.h"

static const uint8_t mac_a[6] = { 2, 0, 0, 0, 0, 1 }, mac_b[6] = { 2, 0, 0, 0, 0, 2 };

static struct packet_info packet(const char *source, const char *destination, uint8_t protocol,
				 uint8_t flags)
{
	struct packet_info info = { .protocol = protocol, .tcp_flags = flags };

	assert_int_equal(
		parse_addr_port(source, &info.source, &info.source_port_h, &info.has_ports), 0);
	assert_int_equal(parse_addr_port(destination, &info.destination, &info.destination_port_h,
					 &info.has_ports),
			 0);
	info.family = addr_family(&info.source);
	return info;
}

static uint16_t sum(const uint8_t *data, size_t size, uint32_t start)
{
	for (size_t i = 0; i < size; i += 2)
		start += (uint32_t)(data[i] << 8 | (i + 1 < size ? data[i + 1] : 0));
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return (uint16_t)start;
}

/* What is built reads back as the same text, and its checksums add up to all ones. */
static void test_round_trip(void **state)
{
	static const struct {
		const char *source, *destination;
		uint8_t protocol, flags;
		const char *text;
	} rows[] = {
		{ "203.0.113.9:51000", "198.51.100.10:80", IPPROTO_TCP, PACKET_SYN,
		  "203.0.113.9:51000 > 198.51.100.10:80 tcp SYN" },
		{ "203.0.113.9:1", "198.51.100.10:65535", IPPROTO_TCP, PACKET_SYN | PACKET_ACK,
		  "203.0.113.9:1 > 198.51.100.10:65535 tcp SYN,ACK" },
		{ "203.0.113.9:51000", "198.51.100.10:53", IPPROTO_UDP, 0,
		  "203.0.113.9:51000 > 198.51.100.10:53 udp" },
		{ "[2001:db8::2]:51000", "[2001:db8::10]:443", IPPROTO_TCP, PACKET_RST,
		  "[2001:db8::2]:51000 > [2001:db8::10]:443 tcp RST" },
		{ "[2001:db8::2]:51000", "[2001:db8::10]:443", IPPROTO_UDP, 0,
		  "[2001:db8::2]:51000 > [2001:db8::10]:443 udp" },
		{ "203.0.113.9", "198.51.100.10", IPPROTO_ICMP, 0,
		  "203.0.113.9 > 198.51.100.10 icmp" },
		{ "2001:db8::2", "2001:db8::10", IPPROTO_ICMPV6, 0,
		  "2001:db8::2 > 2001:db8::10 icmp6" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet_info info = packet(rows[i].source, rows[i].destination,
						 rows[i].protocol, rows[i].flags),
				   read;
		uint8_t frame[PACKET_FRAME_MAX];
		size_t length = packet_build(&info, mac_a, mac_b, frame);
		bool ipv4 = info.family == XLB_IPV4;
		size_t l4 = 14 + (ipv4 ? 20 : 40);
		uint32_t pseudo = info.protocol + (uint32_t)(length - l4) +
				  sum(frame + (ipv4 ? 26 : 22), ipv4 ? 8 : 32, 0);
		char text[PACKET_TEXT_MAX];

		packet_read(frame, length, &read);
		packet_format(&read, text);
		assert_string_equal(text, rows[i].text);
		if (ipv4)
			assert_int_equal(sum(frame + 14, 20, 0), 0xffff);
		if (info.protocol == IPPROTO_ICMP)
			pseudo = 0;
		assert_int_equal(sum(frame + l4, length - l4, pseudo), 0xffff);
	}
}

static void test_other_frames(void **state)
{
	uint8_t arp[60] = { [12] = 8, [13] = 6 };
	struct packet_info info = packet("203.0.113.9:5", "198.51.100.10:80", IPPROTO_TCP, 0);
	uint8_t frame[PACKET_FRAME_MAX];
	char text[PACKET_TEXT_MAX];

	(void)state;
	packet_read(arp, sizeof(arp), &info);
	packet_format(&info, text);
	assert_string_equal(text, "Ethernet type 0x0806");

	info = packet("203.0.113.9:5", "198.51.100.10:80", IPPROTO_TCP, 0);
	packet_build(&info, mac_a, mac_b, frame);
	frame[14 + 7] = 1; /* a later fragment has no ports */
	packet_read(frame, 60, &info);
	packet_format(&info, text);
	assert_string_equal(text, "203.0.113.9 > 198.51.100.10 tcp fragment");
	frame[14 + 7] = 0;
	frame[14 + 9] = 47;
	packet_read(frame, 60, &info);
	packet_format(&info, text);
	assert_string_equal(text, "203.0.113.9 > 198.51.100.10 protocol 47");
}

static void test_tags(void **state)
{
	struct packet_info info = packet("203.0.113.9:5", "198.51.100.10:80", IPPROTO_UDP, 0);
	uint8_t frame[PACKET_FRAME_MAX], tagged[PACKET_FRAME_MAX + 8];
	static const uint8_t tags[] = { 0x88, 0xa8, 0xb1, 0x2c, 0x81, 0, 0, 100 };
	char text[PACKET_TEXT_MAX];
	size_t length;

	(void)state;
	length = packet_build(&info, mac_a, mac_b, frame);
	memcpy(tagged, frame, 12);
	memcpy(tagged + 12, tags, sizeof(tags));
	memcpy(tagged + 20, frame + 12, length - 12);
	packet_read(tagged, length + 8, &info);
	packet_format(&info, text);
	assert_string_equal(text, "203.0.113.9:5 > 198.51.100.10:80 udp vlan 300.100");
	packet_read(tagged, 17, &info);
	packet_format(&info, text);
	assert_string_equal(text, "Ethernet type 0x88a8");
}

/* Every length of a frame, and noise: the sanitizers watch. */
static void test_any_bytes(void **state)
{
	struct packet_info info =
		packet("[2001:db8::2]:51000", "[2001:db8::10]:443", IPPROTO_TCP, PACKET_SYN);
	uint8_t frame[PACKET_FRAME_MAX];
	char text[PACKET_TEXT_MAX];
	size_t length = packet_build(&info, mac_a, mac_b, frame);

	(void)state;
	srandom(1);
	for (int round = 0; round < 20000; round++) {
		size_t size = (size_t)random() % (length + 1);
		uint8_t *copy = malloc(size + 1);

		memcpy(copy, frame, size);
		/* the type stays: what is behind it is to be read */
		for (int i = 0; size > 14 && i < 3; i++)
			copy[14 + (size_t)random() % (size - 14)] = (uint8_t)random();
		packet_read(copy, size, &info);
		packet_format(&info, text);
		free(copy);
	}
}

static void test_flags(void **state)
{
	uint8_t flags = 0;

	(void)state;
	assert_int_equal(packet_flags_parse("syn", &flags), 0);
	assert_int_equal(flags, PACKET_SYN);
	assert_int_equal(packet_flags_parse("SYN,ack", &flags), 0);
	assert_int_equal(flags, PACKET_SYN | PACKET_ACK);
	assert_int_equal(packet_flags_parse("syn,x", &flags), -EINVAL);
	assert_int_equal(packet_flags_parse("synack", &flags), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_other_frames),
		cmocka_unit_test(test_tags),	   cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_flags),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
