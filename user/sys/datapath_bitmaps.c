/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Table `bitmap`: which ports of a SNAT address are free towards one server. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/datapath_private.h"
#include "sys/host.h"

#define ALL_ONES       (~0ULL)
#define RESERVED_PORTS "/proc/sys/net/ipv4/ip_local_reserved_ports"

static uint64_t *bitmap_words(const struct datapath *dp, uint32_t id)
{
	uint32_t chunk = id / XLB_SNAT_PER_CHUNK;

	if (!id || chunk >= dp->snat.count || !dp->snat.chunk[chunk])
		return NULL;
	return dp->snat.chunk[chunk] + (size_t)(id % XLB_SNAT_PER_CHUNK) * XLB_SNAT_WORDS;
}

static uint64_t row_word(struct row_bitmap row)
{
	return SNAT_EXISTS | (uint64_t)row.to << 16 | row.from;
}

static struct row_bitmap row_of(uint64_t word)
{
	return (struct row_bitmap){ .from = (uint16_t)word, .to = (uint16_t)(word >> 16) };
}

static int bitmap_list(struct datapath *dp, enum table_id table, row_add add, void *arg,
		       struct xlb_err *err)
{
	(void)err;
	host_ports_forget(dp);
	for (uint32_t id = 1; id < XLB_SNAT_CHUNKS * XLB_SNAT_PER_CHUNK; id++) {
		const uint64_t *words = bitmap_words(dp, id);
		struct row_bitmap value;
		struct row row;

		if (!words || !(words[XLB_SNAT_RANGE_WORD] & SNAT_EXISTS))
			continue;
		value = row_of(words[XLB_SNAT_RANGE_WORD]);
		datapath_row(table, &id, &value, &row);
		add(arg, &row);
	}
	return 0;
}

/* The bits of a word that stand for ports of from..to. */
static uint64_t range_mask(uint32_t word, uint32_t from, uint32_t to)
{
	uint64_t mask = ALL_ONES;

	if (word < from / 64 || word > to / 64)
		return 0;
	if (word == from / 64)
		mask &= ALL_ONES << (from % 64);
	if (word == to / 64)
		mask &= ALL_ONES >> (63 - to % 64);
	return mask;
}

static void bits_set(uint64_t bits[XLB_SNAT_WORDS], uint32_t from, uint32_t to)
{
	for (uint32_t word = from / 64; word <= to / 64; word++)
		bits[word] |= range_mask(word, from, to);
}

/* Ports that the host may use for connections of its own. */
static int host_ports_read(uint64_t bits[XLB_SNAT_WORDS], struct xlb_err *err)
{
	struct port_range ephemeral = host_ephemeral_ports();
	AUTO_FCLOSE FILE *file = fopen(RESERVED_PORTS, "re");
	AUTO_FREE char *line = NULL;
	char *rest, *item;
	size_t room = 0;

	if (!file)
		return datapath_err(err, -errno, "cannot read '%s'", RESERVED_PORTS);
	bits_set(bits, ephemeral.from, ephemeral.to);
	if (getline(&line, &room, file) < 0)
		return 0;
	for (rest = line; (item = strsep(&rest, ","));) {
		uint16_t from, to; /* port 0 is allowed here */
		int fields = sscanf(item, "%hu-%hu", &from, &to);

		if (fields < 1)
			continue;
		bits_set(bits, from, fields == 2 ? to : from);
	}
	return 0;
}

void host_ports_forget(struct datapath *dp)
{
	free(dp->host_ports);
	dp->host_ports = NULL;
}

/* Asked for once in a change: it may bring thousands of bitmaps. */
static int host_ports_need(struct datapath *dp, struct xlb_err *err)
{
	AUTO_FREE uint64_t *bits = NULL;
	int r;

	if (dp->host_ports)
		return 0;
	bits = calloc(XLB_SNAT_WORDS, sizeof(*bits));
	if (!bits)
		return datapath_err(err, -ENOMEM, "cannot tell which ports are the host's");
	r = host_ports_read(bits, err);
	if (!r)
		dp->host_ports = TAKE(bits);
	return r;
}

/* Lists count the bits of thousands of bitmaps: with the processor's own instruction where it has one. */
__attribute__((target_clones("popcnt", "default"))) static uint32_t words_count(
	const uint64_t *words, uint32_t count)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += (uint32_t)__builtin_popcountll(words[i]);
	return sum;
}

static uint32_t bits_count(const uint64_t *words, struct row_bitmap row)
{
	uint32_t first = row.from / 64, last = row.to / 64;
	uint64_t ends[2] = { words[first] & range_mask(first, row.from, row.to),
			     words[last] & range_mask(last, row.from, row.to) };

	if (first == last)
		return words_count(ends, 1);
	return words_count(ends, 2) + words_count(words + first + 1, last - first - 1);
}

/* Nothing refers to the bitmap yet; its own words are written last, so that it exists only when it is whole. */
static int bitmap_fill(struct datapath *dp, uint64_t *words, struct row_bitmap row,
		       struct xlb_err *err)
{
	uint64_t bits[XLB_SNAT_WORDS];
	int r = host_ports_need(dp, err);

	if (r < 0)
		return r;
	memcpy(bits, dp->host_ports, sizeof(bits));
	bits[SNAT_HOST_WORD] = bits_count(bits, row);
	for (uint32_t word = SNAT_HOST_WORD + 1; word < XLB_SNAT_WORDS; word++)
		bits[word] |= ~range_mask(word, row.from, row.to);
	bits[XLB_SNAT_RANGE_WORD] = 0;
	words_store(words, bits, XLB_SNAT_WORDS);
	bits[XLB_SNAT_RANGE_WORD] = row_word(row);
	words_store(words, bits, 1);
	return 0;
}

static int bitmap_put(struct datapath *dp, const struct row *row, const void *content, size_t size,
		      struct xlb_err *err)
{
	struct row_bitmap value;
	uint64_t *words, *chunk;
	struct row_id key;
	int r;

	(void)content, (void)size;
	memcpy(&key, row->key, sizeof(key));
	memcpy(&value, row->value, sizeof(value));
	if (!key.id)
		return xlb_err_set(err, XLB_ERR_FAILED, -ERANGE, "port bitmaps begin with id 1");
	if (value.from < XLB_SNAT_FIRST_PORT || value.to < value.from)
		return xlb_err_set(err, XLB_ERR_FAILED, -ERANGE,
				   "SNAT ports '%u-%u': a range within %u-65535 is accepted",
				   value.from, value.to, XLB_SNAT_FIRST_PORT);
	r = chunks_need(&dp->snat, key.id / XLB_SNAT_PER_CHUNK, &chunk, err);
	if (r < 0)
		return r;
	words = bitmap_words(dp, key.id);
	/* flows hold ports of it */
	if (words[XLB_SNAT_RANGE_WORD] == row_word(value))
		return 0;
	return bitmap_fill(dp, words, value, err);
}

static int bitmap_del(struct datapath *dp, const struct row *row, struct xlb_err *err)
{
	static const uint64_t zero;
	struct row_id key;
	uint64_t *words;

	(void)err;
	memcpy(&key, row->key, sizeof(key));
	words = bitmap_words(dp, key.id);
	if (words)
		words_store(words + XLB_SNAT_RANGE_WORD, &zero, 1);
	return 0;
}

const struct table_ops bitmap_ops = { bitmap_list, bitmap_put, bitmap_del };

int datapath_bitmap_usage(struct datapath *dp, uint32_t bitmap, uint32_t *ret_used,
			  uint32_t *ret_total)
{
	const uint64_t *words = bitmap_words(dp, bitmap);
	uint32_t hosts, size, taken;
	struct row_bitmap row;

	if (!words || !(words[XLB_SNAT_RANGE_WORD] & SNAT_EXISTS))
		return -ENOENT;
	row = row_of(words[XLB_SNAT_RANGE_WORD]);
	hosts = (uint32_t)words[SNAT_HOST_WORD];
	size = (uint32_t)row.to - row.from + 1;
	taken = bits_count(words, row);
	*ret_used = taken > hosts ? taken - hosts : 0;
	*ret_total = size > hosts ? size - hosts : 0;
	return 0;
}
