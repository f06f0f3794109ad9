// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tables.h"

#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests.h"
#include "world.h"
#include "xlb/addr.h"
#include "xlb/lifetime.h"

#define CHUNKS_MAX XLB_FLOW_CHUNKS
#define FNV_PRIME  0x100000001b3ULL

static struct {
	struct xlb_flow_table rows[XLB_FLOW_TABLES];
	struct xlb_flow_page *chunks[XLB_FLOW_TABLES][CHUNKS_MAX];
	const struct xlb_tables *shared;
} memory;

static uint32_t page_count(enum xlb_flow_table_id id)
{
	return (uint32_t)xlb_get(memory.rows[id].extent, XLB_EXTENT_PAGES);
}

static struct xlb_flow_page *page_at(enum xlb_flow_table_id id, uint32_t page)
{
	uint32_t shift = memory.rows[id].chunk_shift;

	return memory.chunks[id][page >> shift] + (page & ((1U << shift) - 1));
}

static struct xlb_flow_page *chunk_map(const struct datapath *dp, uint32_t index, size_t size)
{
	uint32_t id;
	void *pages;
	int fd;

	assert_int_equal(bpf_map_lookup_elem(datapath_map_fd(dp, "flow_chunk_ids"), &index, &id),
			 0);
	fd = bpf_map_get_fd_by_id(id);
	assert_true(fd >= 0);
	pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	assert_ptr_not_equal(pages, MAP_FAILED);
	return pages;
}

void tables_map(const struct datapath *dp)
{
	memory.shared = mmap(NULL, sizeof(*memory.shared), PROT_READ, MAP_SHARED,
			     datapath_map_fd(dp, "tables"), 0);
	assert_ptr_not_equal(memory.shared, MAP_FAILED);
	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++) {
		struct xlb_flow_table *row = &memory.rows[id];

		assert_int_equal(bpf_map_lookup_elem(datapath_map_fd(dp, "flow_tables"), &id, row),
				 0);
		for (uint32_t i = 0; i << row->chunk_shift < page_count(id); i++) {
			assert_true(i < CHUNKS_MAX);
			memory.chunks[id][i] =
				chunk_map(dp, (uint32_t)xlb_get(row->extent, XLB_EXTENT_CHUNK) + i,
					  sizeof(struct xlb_flow_page) << row->chunk_shift);
		}
	}
}

void tables_unmap(void)
{
	munmap((void *)memory.shared, sizeof(*memory.shared));
	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++)
		for (uint32_t i = 0; i < CHUNKS_MAX; i++)
			if (memory.chunks[id][i])
				munmap(memory.chunks[id][i],
				       sizeof(struct xlb_flow_page) << memory.rows[id].chunk_shift);
	memset(&memory, 0, sizeof(memory));
}

typedef void (*visit_word)(__u64 *live, void *arg);

static void each_entry(enum xlb_flow_table_id id, visit_word visit, void *arg)
{
	uint32_t words = id == XLB_TABLE_IPV4 ? XLB_ENTRY_WORDS4 : XLB_ENTRY_WORDS6;
	uint32_t entries = id == XLB_TABLE_IPV4 ? XLB_ENTRIES4 : XLB_ENTRIES6;

	for (uint32_t page = 0; page < page_count(id); page++)
		for (uint32_t bucket = 0; bucket < XLB_PAGE_WORDS; bucket += XLB_BUCKET_WORDS)
			for (uint32_t i = 0; i < entries; i++)
				visit(&page_at(id, page)->word[bucket + i * words], arg);
}

static void count_used(__u64 *live, void *arg)
{
	*(uint32_t *)arg += xlb_get(*live, XLB_LIVE_STATE) != XLB_FLOW_FREE;
}

uint32_t tables_flows(void)
{
	uint32_t count = 0;

	each_entry(XLB_TABLE_IPV4, count_used, &count);
	each_entry(XLB_TABLE_IPV6, count_used, &count);
	return count;
}

uint32_t tables_entries(uint8_t family)
{
	return family == XLB_IPV4 ? page_count(XLB_TABLE_IPV4) * XLB_PAGE_ENTRIES4 :
				    page_count(XLB_TABLE_IPV6) * XLB_PAGE_ENTRIES6;
}

uint32_t tables_locators(void)
{
	uint32_t count = 0;

	for (uint32_t page = 0; page < page_count(XLB_TABLE_REPLIES); page++)
		for (uint32_t word = 0; word < XLB_PAGE_WORDS; word++)
			count += page_at(XLB_TABLE_REPLIES, page)->word[word] != 0;
	return count;
}

static void age_one(__u64 *live, void *arg)
{
	uint64_t stamp = xlb_get(*live, XLB_LIVE_STAMP) - *(uint32_t *)arg;

	if (xlb_get(*live, XLB_LIVE_STATE) != XLB_FLOW_FREE)
		*live = xlb_set(*live, stamp, XLB_LIVE_STAMP);
}

void tables_age(uint32_t units)
{
	each_entry(XLB_TABLE_IPV4, age_one, &units);
	each_entry(XLB_TABLE_IPV6, age_one, &units);
}

static bool lives(uint64_t live)
{
	uint64_t state = xlb_get(live, XLB_LIVE_STATE);

	return state >= XLB_FLOW_NEW && state <= XLB_FLOW_TOMBSTONE;
}

static enum flow_action count_snat(void *arg, const struct xlb_flow_key *key,
				   const struct xlb_flow *flow)
{
	(void)key;
	*(uint32_t *)arg += flow->bitmap && flow->snat_port;
	return FLOW_KEEP;
}

uint32_t tables_snat_flows(void)
{
	AUTO(flow_walk_free) struct flow_walk *walk = flow_walk_new(world_datapath());
	struct xlb_err err = {};
	uint32_t count = 0;
	bool done = false;

	assert_non_null(walk);
	while (!done)
		assert_int_equal(flow_walk_next(walk, 1000, count_snat, &count, &done, &err), 0);
	return count;
}

/* What the tables say of flows and what of locators: each flow's place, sorted. */
struct places {
	uint64_t place[65536];
	size_t count;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void add_place(struct places *places, uint64_t hash, bool ipv6)
{
	assert_true(places->count < sizeof(places->place) / sizeof(places->place[0]));
	places->place[places->count++] = xlb_get(hash, XLB_HASH_PLACE) << 1 | ipv6;
}

static bool is_same_key(const __u64 *a, const __u64 *b, uint32_t words)
{
	return lives(*a) && lives(*b) && !xlb_get(*a | *b, XLB_LIVE_REST) &&
	       !((a[1] ^ b[1]) & XLB_FIXED_IDENTITY) && !memcmp(a + 2, b + 2, (words - 2) * 8);
}

/* All that has one key lies in one page. */
static const char *page_fault(enum xlb_flow_table_id id, const struct xlb_flow_page *page,
			      struct places *places)
{
	bool ipv6 = id == XLB_TABLE_IPV6;
	uint32_t words = ipv6 ? XLB_ENTRY_WORDS6 : XLB_ENTRY_WORDS4;
	uint32_t per_bucket = ipv6 ? XLB_ENTRIES6 : XLB_ENTRIES4, count = 0;
	const __u64 *entries[XLB_PAGE_ENTRIES4];

	for (uint32_t i = 0; i < per_bucket * XLB_PAGE_WORDS / XLB_BUCKET_WORDS; i++) {
		const __u64 *entry =
			&page->word[i / per_bucket * XLB_BUCKET_WORDS + i % per_bucket * words];

		if (!xlb_get(*entry, XLB_LIVE_STATE))
			continue;
		if (!lives(*entry))
			return "an entry is neither free nor a flow";
		for (uint32_t other = 0; other < count; other++)
			if (is_same_key(entry, entries[other], words))
				return "a flow is there twice";
		entries[count++] = entry;
		if (xlb_get(entry[1], XLB_FIXED_SNAT_PORT))
			add_place(places,
				  xlb_flow_hash(memory.rows[id].seed, entry + 2,
						entry[1] & XLB_FIXED_IDENTITY, ipv6),
				  ipv6);
	}
	return NULL;
}

const char *tables_fault(void)
{
	static struct places flows, locators;
	const char *fault = NULL;

	flows.count = locators.count = 0;
	for (uint32_t id = XLB_TABLE_IPV4; id <= XLB_TABLE_IPV6; id++)
		for (uint32_t page = 0; !fault && page < page_count(id); page++)
			fault = page_fault(id, page_at(id, page), &flows);
	for (uint32_t page = 0; page < page_count(XLB_TABLE_REPLIES); page++) {
		for (uint32_t word = 0; word < XLB_PAGE_WORDS; word++) {
			uint64_t locator = page_at(XLB_TABLE_REPLIES, page)->word[word];
			uint64_t hash =
				xlb_set(0ULL, xlb_get(locator, XLB_LOCATOR_PLACE), XLB_HASH_PLACE);

			if (locator)
				add_place(&locators, hash, xlb_get(locator, XLB_LOCATOR_IPV6));
		}
	}
	qsort(flows.place, flows.count, sizeof(uint64_t), compare);
	qsort(locators.place, locators.count, sizeof(uint64_t), compare);
	if (!fault && (flows.count != locators.count ||
		       memcmp(flows.place, locators.place, flows.count * sizeof(uint64_t))))
		fault = "flows and locators do not agree";
	return fault;
}

struct plant {
	uint32_t units, left;
};

static void plant_one(__u64 *live, void *arg)
{
	struct plant *plant = arg;

	/* here and there; one in two shows the key that was there before */
	if (!plant->left || xlb_get(*live, XLB_LIVE_STATE) || (uintptr_t)live / 64 % 3)
		return;
	*live = xlb_set(*live, (uint64_t)(datapath_stamp() - plant->units), XLB_LIVE_STAMP);
	*live = xlb_set(*live, (uint64_t)(plant->left % 2), XLB_LIVE_FLAGS);
	*live = xlb_set(*live, (uint64_t)XLB_FLOW_BUSY, XLB_LIVE_STATE);
	plant->left--;
}

void tables_plant_busy(uint32_t units, uint32_t count)
{
	struct plant plant = { .units = units, .left = count };

	each_entry(XLB_TABLE_IPV4, plant_one, &plant);
	plant.left = count;
	each_entry(XLB_TABLE_IPV6, plant_one, &plant);
}

uint64_t tables_sum(void)
{
	uint64_t sum = 0;

	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++)
		for (uint32_t page = 0; page < page_count(id); page++)
			for (uint32_t word = 0; word < XLB_PAGE_WORDS; word++)
				sum = (sum ^ page_at(id, page)->word[word]) * FNV_PRIME;
	for (uint32_t hop = 0; hop < XLB_MAX_HOPS; hop++)
		sum = (sum ^ memory.shared->hops[hop]) * FNV_PRIME;
	return sum;
}

void tables_locator(const struct xlb_reply_key *reply, const struct xlb_flow_key *flow, bool put)
{
	bool ipv6 = flow->family == XLB_IPV6;
	const struct xlb_flow_table *flows = &memory.rows[ipv6 ? XLB_TABLE_IPV6 : XLB_TABLE_IPV4];
	const struct xlb_flow_table *replies = &memory.rows[XLB_TABLE_REPLIES];
	uint64_t identity =
		xlb_set(flow->vip, (uint64_t)(flow->protocol == IPPROTO_UDP), XLB_FIXED_UDP);
	uint64_t ports = xlb_flow_ports(flow->client_port, flow->port), hash, locator;
	const uint32_t *words = flow->client.words;
	__u64 key[3] = { ipv6 ? xlb_hash_join(words[0], words[1]) :
				(uint64_t)words[3] << 32 | ports,
			 xlb_hash_join(words[2], words[3]), ports };
	struct xlb_flow_page *page;

	hash = xlb_reply_hash(replies->seed, reply, !xlb_addr_is_ipv4(&reply->server));
	locator = xlb_locator(hash, xlb_flow_hash(flows->seed, key, identity, ipv6), ipv6);
	page = page_at(XLB_TABLE_REPLIES, xlb_flow_page_of(replies->extent, hash));
	for (uint32_t n = 0; n < 2 * XLB_LINE_WORDS; n++) {
		__u64 *word = &page->word[xlb_locator_word(hash, n)];

		if (*word == (put ? 0 : locator)) {
			*word = put ? locator : 0;
			return;
		}
	}
	fail_msg("no room for a locator, or it is not there");
}
