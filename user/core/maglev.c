// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/maglev.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define SLOTS XLB_MAGLEV_SLOTS

/* A server while the table is filled: it walks its own permutation of the slots, next, next + skip, ... */
struct walker {
	uint32_t next, skip;
	uint32_t weight, credit;
	uint64_t name_hash;
	uint32_t id;
};

/* finalizer of splitmix64: makes independent hashes of one */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static int walker_compare(const void *a, const void *b)
{
	const struct walker *left = a, *right = b;

	if (left->name_hash != right->name_hash)
		return left->name_hash < right->name_hash ? -1 : 1;
	return left->id < right->id ? -1 : left->id > right->id;
}

/*
 * A bit per slot that is taken: most of the work is to meet taken slots in no order, and these 8 KiB stay in
 * the processor's nearest cache where the slots themselves would not.
 */
struct taken {
	uint64_t words[(SLOTS + 63) / 64];
};

static bool is_taken(const struct taken *taken, uint32_t slot)
{
	return taken->words[slot / 64] >> slot % 64 & 1;
}

/* Takes the first free slot of the walker's permutation; SLOTS is prime, so it meets every slot. */
static uint32_t walker_take(struct walker *walker, struct taken *taken)
{
	uint32_t slot, next = walker->next;

	do {
		slot = next;
		next += walker->skip;
		if (next >= SLOTS)
			next -= SLOTS;
	} while (is_taken(taken, slot));
	walker->next = next;
	taken->words[slot / 64] |= 1ULL << slot % 64;
	return slot;
}

/* A server takes a slot whenever its weights add up to the largest: turns in proportion, spread evenly. */
static void take_turns(struct walker *walkers, uint32_t count, uint32_t max_weight, uint16_t *slots)
{
	struct taken taken = {};
	uint32_t filled = 0, i;

	for (;;) {
		for (i = 0; i < count; i++) {
			struct walker *walker = &walkers[i];

			walker->credit += walker->weight;
			if (walker->credit < max_weight)
				continue;
			walker->credit -= max_weight;
			slots[walker_take(walker, &taken)] = (uint16_t)walker->id;
			if (++filled == SLOTS)
				return;
		}
	}
}

int maglev_fill(const struct maglev_server *servers, uint32_t count, uint16_t *slots)
{
	AUTO_FREE struct walker *walkers = calloc((size_t)count + 1, sizeof(*walkers));
	uint32_t i, n = 0, max_weight = 0;

	if (!walkers)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		const struct maglev_server *server = &servers[i];
		struct walker *walker = &walkers[n];

		if (!server->id || server->id > UINT16_MAX)
			return -EINVAL;
		if (!server->weight)
			continue;
		walker->next = (uint32_t)(mix(server->name_hash) % SLOTS);
		walker->skip = (uint32_t)(mix(~server->name_hash) % (SLOTS - 1)) + 1;
		walker->weight = server->weight;
		walker->name_hash = server->name_hash;
		walker->id = server->id;
		if (server->weight > max_weight)
			max_weight = server->weight;
		n++;
	}
	memset(slots, 0, SLOTS * sizeof(*slots));
	if (!n)
		return 0;
	qsort(walkers, n, sizeof(*walkers), walker_compare);
	take_turns(walkers, n, max_weight, slots);
	return 0;
}
