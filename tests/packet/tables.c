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
#include "xlb/tables.h"

#define CHUNKS_MAX XLB_FLOW_CHUNKS
#define FNV_PRIME  0x100000001b3ULL

static struct {
	const struct datapath *dp;
	struct xlb_flow_page *chunks[CHUNKS_MAX]; /* as they are mapped on first use */
	struct xlb_tables *shared;
} memory;

static struct xlb_flow_table row_of(enum xlb_flow_table_id id)
{
	return memory.shared->flow_tables[id];
}

static struct xlb_flow_page *chunk_map(uint32_t index, uint32_t shift)
{
	uint32_t id;
	void *pages;
	int fd;

	assert_int_equal(
		bpf_map_lookup_elem(datapath_map_fd(memory.dp, "flow_chunk_ids"), &index, &id), 0);
	fd = bpf_map_get_fd_by_id(id);
	assert_true(fd >= 0);
	pages = mmap(NULL, sizeof(struct xlb_flow_page) << shift, PROT_READ | PROT_WRITE,
		     MAP_SHARED, fd, 0);
	close(fd);
	assert_ptr_not_equal(pages, MAP_FAILED);
	return pages;
}

static struct xlb_flow_page *page_at(const struct xlb_flow_table *row, uint64_t extent,
				     uint32_t page)
{
	uint32_t index = (uint32_t)xlb_get(extent, XLB_EXTENT_CHUNK) + (page >> row->chunk_shift);

	if (!memory.chunks[index])
		memory.chunks[index] = chunk_map(index, row->chunk_shift);
	return memory.chunks[index] + (page & ((1U << row->chunk_shift) - 1));
}

typedef void (*visit_page)(const struct xlb_flow_table *row, enum xlb_flow_table_id id,
			   struct xlb_flow_page *page, void *arg);

/* Of both extents, in the order of their pages. */
static void each_page(enum xlb_flow_table_id id, visit_page visit, void *arg)
{
	struct xlb_flow_table row = row_of(id);
	uint64_t extents[] = { row.old, row.extent };

	for (int i = 0; i < 2; i++)
		for (uint32_t page = 0; page < xlb_get(extents[i], XLB_EXTENT_PAGES); page++)
			visit(&row, id, page_at(&row, extents[i], page), arg);
}

void tables_map(const struct datapath *dp)
{
	memory.dp = dp;
	memory.shared = mmap(NULL, sizeof(*memory.shared), PROT_READ | PROT_WRITE, MAP_SHARED,
			     datapath_map_fd(dp, "tables"), 0);
	assert_ptr_not_equal(memory.shared, MAP_FAILED);
}

void tables_forget(void)
{
	uint32_t shift = row_of(XLB_TABLE_IPV4).chunk_shift;

	for (uint32_t i = 0; i < CHUNKS_MAX; i++)
		if (memory.chunks[i])
			munmap(memory.chunks[i], sizeof(struct xlb_flow_page) << shift);
	memset(memory.chunks, 0, sizeof(memory.chunks));
}

void tables_unmap(void)
{
	tables_forget();
	munmap(memory.shared, sizeof(*memory.shared));
	memset(&memory, 0, sizeof(memory));
}

typedef void (*visit_word)(__u64 *live, void *arg);
struct word_visit {
	visit_word visit;
	void *arg;
};

static void visit_entries(const struct xlb_flow_table *row, enum xlb_flow_table_id id,
			  struct xlb_flow_page *page, void *arg)
{
	const struct word_visit *each = arg;
	bool ipv6 = id == XLB_TABLE_IPV6;

	(void)row;
	for (uint32_t bucket = 0; bucket < XLB_PAGE_WORDS; bucket += XLB_BUCKET_WORDS)
		for (uint32_t i = 0; i < xlb_bucket_entries(ipv6); i++)
			each->visit(&page->word[bucket + i * xlb_entry_words(ipv6)], each->arg);
}

static void each_entry(enum xlb_flow_table_id id, visit_word visit, void *arg)
{
	each_page(id, visit_entries, &(struct word_visit){ visit, arg });
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

uint64_t tables_open_flows(uint32_t server)
{
	return memory.shared->server_flows[server];
}

void tables_set_others(uint32_t server, uint64_t connections)
{
	memory.shared->server_others[server] = connections;
}

struct xlb_meter *tables_meter(uint32_t number)
{
	return &memory.shared->meters[number].all;
}

uint32_t tables_epoch(uint32_t number)
{
	return (uint32_t)memory.shared->meters[number].epoch;
}

uint32_t tables_entries(uint8_t family)
{
	return (uint32_t)xlb_get(
		       row_of(family == XLB_IPV4 ? XLB_TABLE_IPV4 : XLB_TABLE_IPV6).extent,
		       XLB_EXTENT_PAGES) *
	       (family == XLB_IPV4 ? XLB_PAGE_ENTRIES4 : XLB_PAGE_ENTRIES6);
}

uint32_t tables_locator_places(void)
{
	return (uint32_t)xlb_get(row_of(XLB_TABLE_REPLIES).extent, XLB_EXTENT_PAGES) *
	       XLB_PAGE_WORDS;
}

static void count_locators(const struct xlb_flow_table *row, enum xlb_flow_table_id id,
			   struct xlb_flow_page *page, void *arg)
{
	(void)row, (void)id;
	for (uint32_t word = 0; word < XLB_PAGE_WORDS; word++)
		*(uint32_t *)arg += page->word[word] != 0;
}

uint32_t tables_locators(void)
{
	uint32_t count = 0;

	each_page(XLB_TABLE_REPLIES, count_locators, &count);
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
	for (uint32_t i = 0; i < XLB_PATH_MTUS; i++) {
		__u64 *path = &memory.shared->path_mtus[i];
		uint64_t stamp = xlb_get(*path, XLB_PATH_STAMP) - units;

		*path = xlb_set(*path, stamp, XLB_PATH_STAMP);
	}
}

void tables_forget_paths(void)
{
	memset(memory.shared->path_mtus, 0, sizeof(memory.shared->path_mtus));
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

/* What the tables say of flows and what of locators: each flow's place, sorted; the keys of those that are met. */
struct places {
	uint64_t place[65536];
	size_t count;
};
struct findings {
	struct places flows, locators;
	const __u64 *met[65536]; /* entries */
	uint32_t met_count;
	uint64_t server_flows[XLB_MAX_SERVERS], meter_flows[XLB_MAX_LIMITS]; /* open */
	const char *fault;
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

static bool is_direct(uint64_t fixed)
{
	const struct xlb_server *server = &memory.shared->servers[xlb_get(fixed, XLB_FIXED_SERVER)];

	return xlb_mode_has(xlb_flow_mode(fixed, server->mode), XLB_MODE_DIRECT);
}

static void find_flows(const struct xlb_flow_table *row, enum xlb_flow_table_id id,
		       struct xlb_flow_page *page, void *arg)
{
	bool ipv6 = id == XLB_TABLE_IPV6;
	struct findings *findings = arg;

	for (uint32_t bucket = 0; bucket < XLB_PAGE_WORDS; bucket += XLB_BUCKET_WORDS) {
		for (uint32_t i = 0; i < xlb_bucket_entries(ipv6); i++) {
			const __u64 *entry = &page->word[bucket + i * xlb_entry_words(ipv6)];
			uint64_t hash;

			if (!xlb_get(*entry, XLB_LIVE_STATE))
				continue;
			if (!lives(*entry))
				findings->fault = "an entry is neither free nor a flow";
			if (xlb_get(*entry, XLB_LIVE_MOVING))
				findings->fault = "an entry is half moved";
			hash = xlb_flow_hash(row->seed, entry + 2, entry[1] & XLB_FIXED_IDENTITY,
					     ipv6);
			if (xlb_get(entry[1], XLB_FIXED_SNAT_PORT))
				add_place(&findings->flows, hash, ipv6);
			if (xlb_flow_is_open(*entry, is_direct(entry[1]))) {
				uint64_t listener = xlb_get(entry[1], XLB_FIXED_LISTENER);
				uint32_t lb = memory.shared->listeners[listener].limited.lb;

				findings->server_flows[xlb_get(entry[1], XLB_FIXED_SERVER)]++;
				findings->meter_flows[listener]++;
				findings->meter_flows[XLB_LIMITS_OF_LB + lb]++;
			}
			if (!xlb_get(*entry, XLB_LIVE_REST))
				findings->met[findings->met_count++] = entry;
			assert_true(findings->met_count < 65536);
		}
	}
}

static void find_locators(const struct xlb_flow_table *row, enum xlb_flow_table_id id,
			  struct xlb_flow_page *page, void *arg)
{
	struct findings *findings = arg;

	(void)row, (void)id;
	for (uint32_t word = 0; word < XLB_PAGE_WORDS; word++) {
		uint64_t locator = page->word[word];
		uint64_t hash = xlb_set(0ULL, xlb_get(locator, XLB_LOCATOR_PLACE), XLB_HASH_PLACE);

		if (locator)
			add_place(&findings->locators, hash, xlb_get(locator, XLB_LOCATOR_IPV6));
	}
}

static size_t key_bytes;

static int compare_keys(const void *a, const void *b)
{
	const __u64 *x = *(const __u64 *const *)a, *y = *(const __u64 *const *)b;
	uint64_t one = x[1] & XLB_FIXED_IDENTITY, other = y[1] & XLB_FIXED_IDENTITY;

	return one != other ? (one > other) - (one < other) : memcmp(x + 2, y + 2, key_bytes);
}

static bool is_twice(struct findings *findings, enum xlb_flow_table_id id)
{
	key_bytes = (xlb_entry_words(id == XLB_TABLE_IPV6) - 2) * sizeof(__u64);
	qsort(findings->met, findings->met_count, sizeof(findings->met[0]), compare_keys);
	for (uint32_t i = 1; i < findings->met_count; i++)
		if (!compare_keys(&findings->met[i - 1], &findings->met[i]))
			return true;
	return false;
}

const char *tables_fault(void)
{
	static struct findings findings;
	struct places *flows = &findings.flows, *locators = &findings.locators;

	memset(&findings, 0, sizeof(findings));
	for (uint32_t id = XLB_TABLE_IPV4; id <= XLB_TABLE_IPV6; id++) {
		findings.met_count = 0;
		each_page(id, find_flows, &findings);
		if (is_twice(&findings, id))
			findings.fault = "a flow is there twice";
	}
	each_page(XLB_TABLE_REPLIES, find_locators, &findings);
	qsort(flows->place, flows->count, sizeof(uint64_t), compare);
	qsort(locators->place, locators->count, sizeof(uint64_t), compare);
	if (!findings.fault &&
	    (flows->count != locators->count ||
	     memcmp(flows->place, locators->place, flows->count * sizeof(uint64_t))))
		findings.fault = "flows and locators do not agree";
	if (!findings.fault && memcmp(findings.server_flows, memory.shared->server_flows,
				      sizeof(findings.server_flows)))
		findings.fault = "open flows of servers are miscounted";
	for (uint32_t i = 0; !findings.fault && i < XLB_MAX_LIMITS; i++)
		if (findings.meter_flows[i] != memory.shared->meters[i].all.flows)
			findings.fault = "open flows of listeners are miscounted";
	return findings.fault;
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

static void sum_page(const struct xlb_flow_table *row, enum xlb_flow_table_id id,
		     struct xlb_flow_page *page, void *arg)
{
	uint64_t *sum = arg;

	(void)row, (void)id;
	for (uint32_t word = 0; word < XLB_PAGE_WORDS; word++)
		*sum = (*sum ^ page->word[word]) * FNV_PRIME;
}

uint64_t tables_sum(void)
{
	uint64_t sum = 0;

	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++)
		each_page(id, sum_page, &sum);
	for (uint32_t hop = 0; hop < XLB_MAX_HOPS; hop++)
		sum = (sum ^ memory.shared->hops[hop]) * FNV_PRIME;
	for (uint32_t id = 0; id < XLB_MAX_SERVERS; id++)
		sum = (sum ^ memory.shared->server_flows[id]) * FNV_PRIME;
	for (size_t i = 0; i < sizeof(memory.shared->meters) / 8; i++)
		sum = (sum ^ ((const uint64_t *)memory.shared->meters)[i]) * FNV_PRIME;
	for (uint32_t group = 0; group < XLB_MAX_GROUPS; group++)
		sum = (sum ^ memory.shared->turns[group]) * FNV_PRIME;
	for (uint32_t path = 0; path < XLB_PATH_MTUS; path++)
		sum = (sum ^ memory.shared->path_mtus[path]) * FNV_PRIME;
	return sum;
}

void tables_locator(const struct xlb_reply_key *reply, const struct xlb_flow_key *flow, bool put)
{
	bool ipv6 = flow->family == XLB_IPV6;
	struct xlb_flow_table flows = row_of(ipv6 ? XLB_TABLE_IPV6 : XLB_TABLE_IPV4);
	struct xlb_flow_table replies = row_of(XLB_TABLE_REPLIES);
	uint64_t identity =
		xlb_set(flow->vip, (uint64_t)(flow->protocol == IPPROTO_UDP), XLB_FIXED_UDP);
	uint64_t ports = xlb_flow_ports(flow->client_port, flow->port), hash, locator;
	const uint32_t *words = flow->client.words;
	__u64 key[3] = { ipv6 ? xlb_hash_join(words[0], words[1]) :
				(uint64_t)words[3] << 32 | ports,
			 xlb_hash_join(words[2], words[3]), ports };
	struct xlb_flow_page *page;

	hash = xlb_reply_hash(replies.seed, reply, !xlb_addr_is_ipv4(&reply->server));
	locator = xlb_locator(hash, xlb_flow_hash(flows.seed, key, identity, ipv6), ipv6);
	page = page_at(&replies, replies.extent, xlb_flow_page_of(replies.extent, hash));
	for (uint32_t n = 0; n < 2 * XLB_LINE_WORDS; n++) {
		__u64 *word = &page->word[xlb_locator_word(hash, n)];

		if (*word == (put ? 0 : locator)) {
			*word = put ? locator : 0;
			return;
		}
	}
	fail_msg("no room for a locator, or it is not there");
}

#define NOBODYS (1ULL << 63) /* leads to page 0, with a tag that replies may have */

void tables_crowd(const struct xlb_reply_key *reply)
{
	struct xlb_flow_table row = row_of(XLB_TABLE_REPLIES);
	uint64_t hash = xlb_reply_hash(row.seed, reply, !xlb_addr_is_ipv4(&reply->server));
	struct xlb_flow_page *page = page_at(&row, row.extent, xlb_flow_page_of(row.extent, hash));

	for (uint32_t n = 0; n < 2 * XLB_LINE_WORDS; n++) {
		__u64 *word = &page->word[xlb_locator_word(hash, n)];

		*word = *word ? *word : NOBODYS;
	}
}

static void uncrowd_page(const struct xlb_flow_table *row, enum xlb_flow_table_id id,
			 struct xlb_flow_page *page, void *arg)
{
	(void)row, (void)id, (void)arg;
	for (uint32_t word = 0; word < XLB_PAGE_WORDS; word++)
		if (page->word[word] == NOBODYS)
			page->word[word] = 0;
}

void tables_uncrowd(void)
{
	each_page(XLB_TABLE_REPLIES, uncrowd_page, NULL);
}
