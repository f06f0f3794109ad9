// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/pcapng.h"

#include <errno.h>
#include <string.h>

#define BYTE_ORDER_MAGIC   0x1a2b3c4dU
#define LINKTYPE_ETHERNET  1
#define SHB_APPLICATION	   4
#define IDB_NAME	   2
#define IDB_TIME_UNIT	   9
#define NANOSECONDS	   9 /* ten to the power of minus so many seconds */
#define VERDICT_OF_XDP	   2 /* first byte of PCAPNG_VERDICT; the action follows in 8 bytes */
#define BLOCK_LENGTH_MIN   12U
#define BLOCK_LENGTH_LIMIT (1U << 20) /* far above what is written here */
#define PACKET_FIXED	   28U	      /* bytes of a block before what varies */
#define STATISTICS_FIXED   20U

/* A block while it is written. */
struct block {
	uint8_t *data;
	size_t size, used;
	bool full;
};

static size_t padded(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

/* Appends bytes and what pads them to a multiple of four. */
static void put(struct block *block, const void *data, size_t length)
{
	size_t room = padded(length);

	if (block->full || room > block->size - block->used) {
		block->full = true;
		return;
	}
	if (length)
		memcpy(block->data + block->used, data, length);
	memset(block->data + block->used + length, 0, room - length);
	block->used += room;
}

static void put_u32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

static void put_pair(struct block *block, uint16_t first, uint16_t second)
{
	const uint16_t pair[2] = { first, second };

	put(block, pair, sizeof(pair));
}

/* Times are the one thing of 64 bits whose halves have an order of their own: the upper one comes first. */
static void put_time(struct block *block, uint64_t time)
{
	put_u32(block, (uint32_t)(time >> 32));
	put_u32(block, (uint32_t)time);
}

static void put_option(struct block *block, uint16_t code, const void *data, size_t length)
{
	put_pair(block, code, (uint16_t)length);
	put(block, data, length);
}

/* Cut between characters of UTF-8. */
static void put_text(struct block *block, uint16_t code, const char *text)
{
	size_t length = text ? strnlen(text, PCAPNG_TEXT_MAX + 1) : 0;

	if (length > PCAPNG_TEXT_MAX) {
		length = PCAPNG_TEXT_MAX;
		while (length && ((uint8_t)text[length] & 0xc0) == 0x80)
			length--;
	}
	if (length)
		put_option(block, code, text, length);
}

static void put_u64_option(struct block *block, uint16_t code, uint64_t value)
{
	put_option(block, code, &value, sizeof(value));
}

static void put_time_option(struct block *block, uint16_t code, uint64_t time)
{
	const uint32_t halves[2] = { (uint32_t)(time >> 32), (uint32_t)time };

	put_option(block, code, halves, sizeof(halves));
}

static struct block block_begin(uint32_t type, uint8_t *data, size_t size)
{
	struct block block = { .data = data, .size = size };

	put_u32(&block, type);
	put_u32(&block, 0);
	return block;
}

/* Ends the options and the block, whose length stands at both of its ends. */
static size_t block_end(struct block *block)
{
	uint32_t length;

	put_pair(block, 0, 0);
	length = (uint32_t)(block->used + sizeof(length));
	put_u32(block, length);
	if (block->full)
		return 0;
	memcpy(block->data + 4, &length, sizeof(length));
	return length;
}

size_t pcapng_section(const char *application, const char *comment, uint8_t *ret, size_t size)
{
	struct block block = block_begin(PCAPNG_SECTION, ret, size);

	put_u32(&block, BYTE_ORDER_MAGIC);
	put_pair(&block, 1, 0); /* version */
	put_u32(&block, UINT32_MAX);
	put_u32(&block, UINT32_MAX); /* length of the section: not known */
	put_text(&block, PCAPNG_COMMENT, comment);
	put_text(&block, SHB_APPLICATION, application);
	return block_end(&block);
}

size_t pcapng_interface(const char *name, uint32_t snap, uint8_t *ret, size_t size)
{
	struct block block = block_begin(PCAPNG_INTERFACE, ret, size);
	const uint8_t unit = NANOSECONDS;

	put_pair(&block, LINKTYPE_ETHERNET, 0);
	put_u32(&block, snap);
	put_text(&block, IDB_NAME, name);
	put_option(&block, IDB_TIME_UNIT, &unit, sizeof(unit));
	return block_end(&block);
}

size_t pcapng_packet(const struct pcapng_packet *packet, uint8_t *ret, size_t size)
{
	struct block block = block_begin(PCAPNG_PACKET, ret, size);
	uint8_t verdict[9] = { VERDICT_OF_XDP };
	uint64_t action = (uint64_t)packet->verdict;

	put_u32(&block, packet->interface);
	put_time(&block, packet->time);
	put_u32(&block, packet->captured);
	put_u32(&block, packet->length);
	put(&block, packet->data, packet->captured);
	put_text(&block, PCAPNG_COMMENT, packet->comment);
	if (packet->flags)
		put_option(&block, PCAPNG_FLAGS, &packet->flags, sizeof(packet->flags));
	if (packet->id)
		put_u64_option(&block, PCAPNG_PACKET_ID, packet->id);
	if (packet->verdict >= 0) {
		memcpy(verdict + 1, &action, sizeof(action));
		put_option(&block, PCAPNG_VERDICT, verdict, sizeof(verdict));
	}
	return block_end(&block);
}

size_t pcapng_statistics(const struct pcapng_statistics *statistics, uint8_t *ret, size_t size)
{
	struct block block = block_begin(PCAPNG_STATISTICS, ret, size);

	put_u32(&block, statistics->interface);
	put_time(&block, statistics->end);
	put_text(&block, PCAPNG_COMMENT, statistics->comment);
	put_time_option(&block, PCAPNG_START_TIME, statistics->start);
	put_time_option(&block, PCAPNG_END_TIME, statistics->end);
	put_u64_option(&block, PCAPNG_IF_RECEIVED, statistics->received);
	put_u64_option(&block, PCAPNG_IF_DROPPED, statistics->dropped);
	put_u64_option(&block, PCAPNG_USER_RECEIVED, statistics->received - statistics->dropped);
	return block_end(&block);
}

static uint32_t u32_at(const uint8_t *data)
{
	uint32_t value;

	memcpy(&value, data, sizeof(value));
	return value;
}

int pcapng_read(const uint8_t *data, size_t size, struct pcapng_block *ret)
{
	uint32_t length;

	if (size < BLOCK_LENGTH_MIN)
		return -EAGAIN;
	length = u32_at(data + 4);
	if (length < BLOCK_LENGTH_MIN || length > BLOCK_LENGTH_LIMIT || length % 4)
		return -EINVAL;
	if (length > size)
		return -EAGAIN;
	if (u32_at(data + length - 4) != length)
		return -EINVAL;
	*ret = (struct pcapng_block){ u32_at(data), data, length };
	return 0;
}

/* Where options begin; the block's length if it has none. */
static size_t options_at(const struct pcapng_block *block)
{
	size_t at = block->length;

	if (block->type == PCAPNG_STATISTICS)
		at = STATISTICS_FIXED;
	else if (block->type == PCAPNG_PACKET && block->length >= PACKET_FIXED)
		at = PACKET_FIXED + padded(u32_at(block->data + 20));
	return at;
}

const uint8_t *pcapng_option(const struct pcapng_block *block, uint16_t code, uint16_t length)
{
	size_t at = options_at(block);
	uint16_t head[2];

	while (at + sizeof(head) + 4 <= block->length) {
		memcpy(head, block->data + at, sizeof(head));
		at += sizeof(head);
		if (!head[0] || at + head[1] + 4 > block->length)
			return NULL;
		if (head[0] == code && (!length || head[1] == length))
			return block->data + at;
		at += padded(head[1]);
	}
	return NULL;
}
