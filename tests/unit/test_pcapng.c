// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Blocks byte by byte, as draft-ietf-opsawg-pcapng section 4 lays them out. That tshark reads them: netns tests. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/pcapng.h"

/* A block as the draft says, written number by number; its length is filled in at both ends. */
struct expected {
	uint8_t data[2048];
	size_t length;
};

static void u32(struct expected *expected, uint32_t value)
{
	memcpy(expected->data + expected->length, &value, 4);
	expected->length += 4;
}

static void u16s(struct expected *expected, uint16_t first, uint16_t second)
{
	memcpy(expected->data + expected->length, &first, 2);
	memcpy(expected->data + expected->length + 2, &second, 2);
	expected->length += 4;
}

static void u64(struct expected *expected, uint64_t value)
{
	memcpy(expected->data + expected->length, &value, 8);
	expected->length += 8;
}

/* `room`: length with what pads it */
static void bytes(struct expected *expected, const void *data, size_t length, size_t room)
{
	memcpy(expected->data + expected->length, data, length);
	expected->length += room;
}

static void check(struct expected *expected, const uint8_t *block, size_t length)
{
	uint32_t whole = (uint32_t)expected->length + 4;

	u32(expected, whole);
	memcpy(expected->data + 4, &whole, 4);
	assert_int_equal(length, expected->length);
	assert_memory_equal(block, expected->data, length);
}

static void section(void **state)
{
	struct expected expected = {};
	uint8_t block[PCAPNG_BLOCK_MAX(0)];

	(void)state;
	u32(&expected, 0x0a0d0d0a);
	u32(&expected, 0);
	u32(&expected, 0x1a2b3c4d);
	u16s(&expected, 1, 0);
	u64(&expected, UINT64_MAX);
	u16s(&expected, 1, 5);
	bytes(&expected, "a = b", 5, 8);
	u16s(&expected, 4, 8);
	bytes(&expected, "xlbd 1.0", 8, 8);
	u16s(&expected, 0, 0);
	check(&expected, block, pcapng_section("xlbd 1.0", "a = b", block, sizeof(block)));
}

static void interface(void **state)
{
	struct expected expected = {};
	uint8_t block[PCAPNG_BLOCK_MAX(0)];

	(void)state;
	u32(&expected, 1);
	u32(&expected, 0);
	u16s(&expected, 1, 0);
	u32(&expected, 96);
	u16s(&expected, 2, 4);
	bytes(&expected, "eth0", 4, 4);
	u16s(&expected, 9, 1);
	bytes(&expected, "\x09", 1, 4);
	u16s(&expected, 0, 0);
	check(&expected, block, pcapng_interface("eth0", 96, block, sizeof(block)));
}

static const struct pcapng_packet packet = {
	.interface = 3,
	.time = 0x1122334455667788,
	.length = 1514,
	.captured = 5,
	.data = (const uint8_t *)"12345",
	.comment = "before",
	.flags = PCAPNG_INBOUND,
	.id = 0x0001000000000007,
	.verdict = 4,
};

static void packets(void **state)
{
	struct expected expected = {}, bare = {};
	uint8_t block[PCAPNG_BLOCK_MAX(5)];
	const struct pcapng_packet lost = { .verdict = -1 };

	(void)state;
	u32(&expected, 6);
	u32(&expected, 0);
	u32(&expected, 3);
	u32(&expected, 0x11223344);
	u32(&expected, 0x55667788);
	u32(&expected, 5);
	u32(&expected, 1514);
	bytes(&expected, "12345", 5, 8);
	u16s(&expected, 1, 6);
	bytes(&expected, "before", 6, 8);
	u16s(&expected, 2, 4);
	u32(&expected, 1);
	u16s(&expected, 5, 8);
	u64(&expected, 0x0001000000000007);
	u16s(&expected, 7, 9);
	bytes(&expected, "\x02\x04\0\0\0\0\0\0\0", 9, 12); /* of a little-endian host */
	u16s(&expected, 0, 0);
	check(&expected, block, pcapng_packet(&packet, block, sizeof(block)));

	u32(&bare, 6);
	u32(&bare, 0);
	bytes(&bare, "", 0, 20);
	u16s(&bare, 0, 0);
	check(&bare, block, pcapng_packet(&lost, block, sizeof(block)));
}

static void statistics(void **state)
{
	const struct pcapng_statistics numbers = { .interface = 1,
						   .start = 0x0000000100000002,
						   .end = 0x0000000300000004,
						   .received = 10,
						   .dropped = 3 };
	struct expected expected = {};
	uint8_t block[PCAPNG_BLOCK_MAX(0)];

	(void)state;
	u32(&expected, 5);
	u32(&expected, 0);
	u32(&expected, 1);
	u32(&expected, 3);
	u32(&expected, 4);
	u16s(&expected, 2, 8);
	u32(&expected, 1);
	u32(&expected, 2);
	u16s(&expected, 3, 8);
	u32(&expected, 3);
	u32(&expected, 4);
	u16s(&expected, 4, 8);
	u64(&expected, 10);
	u16s(&expected, 5, 8);
	u64(&expected, 3);
	u16s(&expected, 8, 8);
	u64(&expected, 7);
	u16s(&expected, 0, 0);
	check(&expected, block, pcapng_statistics(&numbers, block, sizeof(block)));
}

/* A text is cut between characters, and a block that does not fit is not written beyond its room. */
static void limits(void **state)
{
	struct pcapng_packet large = packet;
	char text[PCAPNG_TEXT_MAX + 10];
	uint8_t block[PCAPNG_BLOCK_MAX(5)];
	struct pcapng_block read;
	size_t length, size;
	uint16_t head[2];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text + PCAPNG_TEXT_MAX - 1, "\xc3\xa4", 2);
	text[sizeof(text) - 1] = '\0';
	large.comment = text;
	length = pcapng_packet(&large, block, sizeof(block));
	assert_int_equal(pcapng_read(block, length, &read), 0);
	memcpy(head, pcapng_option(&read, PCAPNG_COMMENT, 0) - 4, sizeof(head));
	assert_int_equal(head[1], PCAPNG_TEXT_MAX - 1);
	for (size = 0; size < length; size++) {
		uint8_t *room = malloc(size ? size : 1); /* the sanitizer watches its end */

		assert_int_equal(pcapng_packet(&large, room, size), 0);
		free(room);
	}
}

static void reading(void **state)
{
	uint8_t blocks[2 * PCAPNG_BLOCK_MAX(5)];
	size_t first = pcapng_packet(&packet, blocks, sizeof(blocks)), size;
	struct pcapng_block block;
	uint64_t id;

	(void)state;
	size = first + pcapng_section("a", NULL, blocks + first, sizeof(blocks) - first);
	for (size_t i = 0; i < first; i++)
		assert_int_equal(pcapng_read(blocks, i, &block), -EAGAIN);
	assert_int_equal(pcapng_read(blocks, size, &block), 0);
	assert_int_equal(block.type, PCAPNG_PACKET);
	assert_int_equal(block.length, first);
	memcpy(&id, pcapng_option(&block, PCAPNG_PACKET_ID, 8), sizeof(id));
	assert_true(id == packet.id);
	assert_null(pcapng_option(&block, PCAPNG_PACKET_ID, 4));
	assert_null(pcapng_option(&block, 77, 0));
	assert_int_equal(pcapng_read(blocks + first, size - first, &block), 0);
	assert_int_equal(block.type, PCAPNG_SECTION);
	assert_null(pcapng_option(&block, PCAPNG_COMMENT, 0));
}

/* What is no block, or lies about its lengths. */
static void damaged(void **state)
{
	uint8_t block[PCAPNG_BLOCK_MAX(5)];
	uint32_t length = (uint32_t)pcapng_packet(&packet, block, sizeof(block)), value;
	struct pcapng_block read;

	(void)state;
	value = 0xffffffff;
	memcpy(block + 20, &value, 4); /* captured bytes */
	assert_int_equal(pcapng_read(block, length, &read), 0);
	assert_null(pcapng_option(&read, PCAPNG_FLAGS, 4));
	value = 5;
	memcpy(block + 20, &value, 4);
	block[36 + 2] = 0xff; /* length of the comment */
	assert_int_equal(pcapng_read(block, length, &read), 0);
	assert_null(pcapng_option(&read, PCAPNG_FLAGS, 4));
	block[length - 4]++;
	assert_int_equal(pcapng_read(block, length, &read), -EINVAL);
	block[4] = 8;
	assert_int_equal(pcapng_read(block, length, &read), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(section), cmocka_unit_test(interface),
		cmocka_unit_test(packets), cmocka_unit_test(statistics),
		cmocka_unit_test(limits),  cmocka_unit_test(reading),
		cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests_name("pcapng", tests, NULL, NULL);
}
