// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/flow_top.h"

#include <string.h>

#include "xlb/hash.h"

#define NONE UINT32_MAX

/* A heap whose top is the worst flow kept, and a hash of the keys. Both hold places in `found`. */
struct flow_top {
	uint32_t limit, count, sorted;
	bool lowest;
	struct flow_found *found;
	uint32_t *heap;
	uint32_t *chain; /* by place: the next one with the same hash */
	uint32_t *buckets;
	uint32_t bucket_mask;
};

struct flow_top *flow_top_new(uint32_t limit, bool lowest)
{
	AUTO(flow_top_free) struct flow_top *top = calloc(1, sizeof(*top));
	uint32_t buckets = 1;

	if (!top)
		return NULL;
	while (buckets < limit)
		buckets *= 2;
	top->limit = limit;
	top->lowest = lowest;
	top->bucket_mask = buckets - 1;
	top->found = calloc(limit, sizeof(*top->found));
	top->heap = calloc(limit, sizeof(*top->heap));
	top->chain = calloc(limit, sizeof(*top->chain));
	top->buckets = malloc(buckets * sizeof(*top->buckets));
	if (!top->found || !top->heap || !top->chain || !top->buckets)
		return NULL;
	memset(top->buckets, 0xff, buckets * sizeof(*top->buckets)); /* NONE */
	return TAKE(top);
}

struct flow_top *flow_top_free(struct flow_top *top)
{
	if (!top)
		return NULL;
	free(top->found);
	free(top->heap);
	free(top->chain);
	free(top->buckets);
	free(top);
	return NULL;
}

static uint32_t *bucket_of(const struct flow_top *top, const struct xlb_flow_key *key)
{
	const struct xlb_addr vip = { .words = { key->vip } };
	uint32_t hash =
		xlb_hash_tuple(&key->client, key->client_port, &vip, key->port, key->protocol);

	return &top->buckets[hash & top->bucket_mask];
}

static bool is_kept(const struct flow_top *top, const struct xlb_flow_key *key)
{
	for (uint32_t at = *bucket_of(top, key); at != NONE; at = top->chain[at])
		if (!memcmp(&top->found[at].key, key, sizeof(*key)))
			return true;
	return false;
}

static void key_link(struct flow_top *top, uint32_t place)
{
	uint32_t *bucket = bucket_of(top, &top->found[place].key);

	top->chain[place] = *bucket;
	*bucket = place;
}

static void key_unlink(struct flow_top *top, uint32_t place)
{
	uint32_t *at = bucket_of(top, &top->found[place].key);

	while (*at != place)
		at = &top->chain[*at];
	*at = top->chain[place];
}

/* True if the flow in heap position a is to go before that in b. */
static bool is_worse(const struct flow_top *top, uint32_t a, uint32_t b)
{
	return top->found[top->heap[a]].rank < top->found[top->heap[b]].rank;
}

static void heap_swap(struct flow_top *top, uint32_t a, uint32_t b)
{
	uint32_t place = top->heap[a];

	top->heap[a] = top->heap[b];
	top->heap[b] = place;
}

static void heap_up(struct flow_top *top, uint32_t at)
{
	for (; at && is_worse(top, at, (at - 1) / 2); at = (at - 1) / 2)
		heap_swap(top, at, (at - 1) / 2);
}

/* Restores the order of a heap of `size` below its top. */
static void heap_down(struct flow_top *top, uint32_t size)
{
	uint32_t at = 0, worst;

	for (;; at = worst) {
		worst = at;
		for (uint32_t child = 2 * at + 1; child < size && child <= 2 * at + 2; child++)
			if (is_worse(top, child, worst))
				worst = child;
		if (worst == at)
			return;
		heap_swap(top, at, worst);
	}
}

void flow_top_offer(struct flow_top *top, const struct flow_found *found)
{
	uint64_t rank = top->lowest ? ~found->rank : found->rank;
	bool full = top->count == top->limit;
	uint32_t place = full ? top->heap[0] : top->count;

	if ((full && rank <= top->found[place].rank) || is_kept(top, &found->key))
		return;
	if (full)
		key_unlink(top, place);
	top->found[place] = *found;
	top->found[place].rank = rank;
	key_link(top, place);
	if (full) {
		heap_down(top, top->count);
	} else {
		top->heap[place] = place;
		heap_up(top, top->count++);
	}
}

/* The worst goes to the end of what is not sorted yet: in the end the best is first. */
bool flow_top_sort(struct flow_top *top, uint32_t budget)
{
	for (; budget && top->sorted < top->count; budget--) {
		top->sorted++;
		heap_swap(top, 0, top->count - top->sorted);
		heap_down(top, top->count - top->sorted);
	}
	return top->sorted == top->count;
}

uint32_t flow_top_count(const struct flow_top *top)
{
	return top->count;
}

const struct flow_found *flow_top_at(const struct flow_top *top, uint32_t place)
{
	return &top->found[top->heap[place]];
}
