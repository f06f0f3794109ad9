// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "dry.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "sys/datapath_variant.h"
#include "tables.h"
#include "tests.h"
#include "world.h"

#define FNV_PRIME 0x100000001b3ULL

static struct variant *variant;
static const uint64_t *ports;
static struct xlb_event last;

/* X(map, entries looked at): what the program writes to; the rest it only reads */
#define WRITTEN_ARRAYS(X) \
	X(listener_counters, 256) \
	X(server_counters, 128) \
	X(interface_counters, 8) \
	X(drops, 256) \
	X(budgets, XLB_ANSWER_COUNT) \
	X(drop_samples, XLB_DROP_COUNT)

/* FNV-1a, but by words of 32 bits, of which all is made that is looked at. */
static uint64_t hash_words(uint64_t hash, const void *data, size_t size)
{
	const uint32_t *words = data;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		hash = (hash ^ words[i]) * FNV_PRIME;
	return hash;
}

/* Of entries from the first one on; all of them are asked for at once, as there are thousands for each frame. */
static uint64_t hash_array(const char *name, uint32_t entries)
{
	int fd = datapath_map_fd(world_datapath(), name);
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info), end, count = entries;
	AUTO_FREE uint32_t *keys = calloc(entries, sizeof(*keys));
	AUTO_FREE uint8_t *values = NULL;
	size_t values_size;

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	values_size = (info.value_size + 7) / 8 * 8 * (size_t)libbpf_num_possible_cpus() * entries;
	values = calloc(1, values_size);
	assert_true(keys && values);
	/* ENOENT: the map has no more */
	if (bpf_map_lookup_batch(fd, NULL, &end, keys, values, &count, NULL))
		assert_int_equal(errno, ENOENT);
	assert_int_equal(count, entries);
	return hash_words(0, values, values_size);
}

#define CHUNK_BYTES (XLB_SNAT_PER_CHUNK * XLB_SNAT_WORDS * sizeof(uint64_t))

/*
 * The world's port bitmaps are all in the first chunk. Mapped once: on 6.1 a lookup in a map of maps waits
 * for a grace period.
 */
static const uint64_t *ports_map(void)
{
	uint32_t key = 0, id;
	AUTO_CLOSE int inner = -1;
	const uint64_t *words;

	assert_int_equal(bpf_map_lookup_elem(datapath_map_fd(world_datapath(), "snat_chunks"), &key,
					     &id),
			 0);
	inner = bpf_map_get_fd_by_id(id);
	words = mmap(NULL, CHUNK_BYTES, PROT_READ, MAP_SHARED, inner, 0);
	assert_ptr_not_equal(words, MAP_FAILED);
	return words;
}

/* What was learned of connection ids, in any order. */
static uint64_t hash_quic_ids(void)
{
	int fd = datapath_map_fd(world_datapath(), "quic_ids");
	struct xlb_quic_id key, *before = NULL;
	struct xlb_quic_owner owner;
	uint64_t sum = 0;

	for (; !bpf_map_get_next_key(fd, before, &key); before = &key) {
		assert_int_equal(bpf_map_lookup_elem(fd, &key, &owner), 0);
		sum += hash_words(hash_words(1, &key, sizeof(key)), &owner, sizeof(owner));
	}
	return sum;
}

/* The same of sources that are with a server. */
static uint64_t hash_affinities(void)
{
	int fd = datapath_map_fd(world_datapath(), "affinities");
	struct xlb_affinity_key key, *before = NULL;
	struct xlb_affinity affinity;
	uint64_t sum = 0;

	for (; world_has_affinities() && !bpf_map_get_next_key(fd, before, &key); before = &key) {
		assert_int_equal(bpf_map_lookup_elem(fd, &key, &affinity), 0);
		sum += hash_words(hash_words(1, &key, sizeof(key)), &affinity, sizeof(affinity));
	}
	return sum;
}

static uint64_t hash_world(void)
{
	uint64_t hash = tables_sum() + hash_quic_ids() + hash_affinities();

	for (size_t i = 0; i < CHUNK_BYTES / sizeof(*ports); i++)
		hash = (hash ^ ports[i]) * FNV_PRIME;
#define X(map, entries) hash = hash * 31 + hash_array(#map, entries);
	WRITTEN_ARRAYS(X)
#undef X
	return hash;
}

void dry_start(void)
{
	const struct xlb_watch all = { .set = XLB_WATCH_ACTIVE, .snap = 64 };

	variant = world_variant(VARIANT_DRY_RUN);
	variant_watch(variant, 0, &all);
	ports = ports_map();
}

void dry_stop(void)
{
	munmap((void *)ports, CHUNK_BYTES);
	variant = NULL;
}

static void take_event(void *arg, const struct xlb_event *event, const uint8_t *data)
{
	(void)arg, (void)data;
	if (event->stage == XLB_EVENT_BEFORE)
		last = *event;
}

bool dry_run_frame(const uint8_t *data, size_t length, struct dry_result *ret)
{
	struct xlb_err err = {};
	uint64_t before;

	if (!variant)
		return false;
	before = hash_world();
	last = (struct xlb_event){};
	if (variant_run(variant, if_nametoindex("lo"), data, length, &ret->action, &err))
		fail_msg("%s", err.text);
	variant_read(variant, 16, take_event, NULL);
	if (hash_world() != before)
		fail_msg("a dry run has changed a map");
	ret->verdict = last.verdict;
	ret->reason = last.reason;
	ret->found = last.found;
	return true;
}
