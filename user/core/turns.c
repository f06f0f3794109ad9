// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/turns.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Servers of a weight above 0, in an order of their own. */
struct shares {
	struct maglev_server *list; /* owned */
	uint32_t count;
	uint64_t weight; /* of all */
};

static int server_compare(const void *a, const void *b)
{
	const struct maglev_server *left = a, *right = b;

	if (left->name_hash != right->name_hash)
		return left->name_hash < right->name_hash ? -1 : 1;
	return left->id < right->id ? -1 : left->id > right->id;
}

static int collect(const struct maglev_server *servers, uint32_t count, struct shares *ret)
{
	uint32_t i;

	*ret = (struct shares){ .list = calloc((size_t)count + 1, sizeof(*servers)) };
	if (!ret->list)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		if (!servers[i].id || servers[i].id > UINT16_MAX) {
			free(ret->list);
			return -EINVAL;
		}
		if (!servers[i].weight)
			continue;
		ret->list[ret->count++] = servers[i];
		ret->weight += servers[i].weight;
	}
	qsort(ret->list, ret->count, sizeof(*ret->list), server_compare);
	return 0;
}

/* --- turns ------------------------------------------------------------------------------------------ */

#define NOBODY UINT32_MAX

/*
 * A server's n-th slot may be given from the slot on that its share of all before it comes to n, and must be by the one
 * where it comes to n + 1. The one that must be first of those that may is given the slot: earliest deadline first, by
 * which none is missed.
 */
struct turns {
	const struct shares *shares;
	uint32_t slots;
	uint32_t *given;    /* slots, by server */
	uint64_t *deadline; /* of the next one, by server */
	uint32_t *heap;	    /* servers that may, the one that must be first on top */
	uint32_t heap_count;
	uint32_t *due;	/* by slot: the first server that may from there on */
	uint32_t *next; /* by server: the next one of the same slot */
};

static bool is_before(const struct turns *turns, uint32_t a, uint32_t b)
{
	return turns->deadline[a] != turns->deadline[b] ? turns->deadline[a] < turns->deadline[b] :
							  a < b;
}

static void heap_push(struct turns *turns, uint32_t server)
{
	uint32_t at = turns->heap_count++, parent;

	for (; at; at = parent) {
		parent = (at - 1) / 2;
		if (!is_before(turns, server, turns->heap[parent]))
			break;
		turns->heap[at] = turns->heap[parent];
	}
	turns->heap[at] = server;
}

static uint32_t heap_pop(struct turns *turns)
{
	uint32_t top = turns->heap[0], last = turns->heap[--turns->heap_count], at = 0, child;

	while ((child = 2 * at + 1) < turns->heap_count) {
		if (child + 1 < turns->heap_count &&
		    is_before(turns, turns->heap[child + 1], turns->heap[child]))
			child++;
		if (!is_before(turns, turns->heap[child], last))
			break;
		turns->heap[at] = turns->heap[child];
		at = child;
	}
	turns->heap[at] = last;
	return top;
}

/* The server is let in as soon as its next slot may be given, `slot` being the next one. */
static void turns_wait(struct turns *turns, uint32_t server, uint32_t slot)
{
	uint64_t all = turns->shares->weight, own = turns->shares->list[server].weight;
	uint64_t from = turns->given[server] * all / own;

	turns->deadline[server] = ((turns->given[server] + 1ULL) * all + own - 1) / own;
	if (from <= slot) {
		heap_push(turns, server);
	} else if (from < turns->slots) {
		turns->next[server] = turns->due[from];
		turns->due[from] = server;
	}
}

static void turns_give(struct turns *turns, uint16_t *slots)
{
	uint32_t slot, server, next;

	for (server = 0; server < turns->shares->count; server++)
		turns_wait(turns, server, 0);
	for (slot = 0; slot < turns->slots; slot++) {
		for (server = turns->due[slot]; server != NOBODY; server = next) {
			next = turns->next[server];
			heap_push(turns, server);
		}
		server = heap_pop(turns);
		slots[slot] = (uint16_t)turns->shares->list[server].id;
		turns->given[server]++;
		turns_wait(turns, server, slot);
	}
}

static int take_turns(const struct shares *shares, uint16_t *ret, uint32_t slots)
{
	AUTO_FREE uint32_t *given = calloc(shares->count, sizeof(*given));
	AUTO_FREE uint64_t *deadline = calloc(shares->count, sizeof(*deadline));
	AUTO_FREE uint32_t *heap = calloc(shares->count, sizeof(*heap));
	AUTO_FREE uint32_t *next = calloc(shares->count, sizeof(*next));
	AUTO_FREE uint32_t *due = malloc(slots * sizeof(*due));
	struct turns turns = { .shares = shares,
			       .slots = slots,
			       .given = given,
			       .deadline = deadline,
			       .heap = heap,
			       .next = next,
			       .due = due };

	if (!given || !deadline || !heap || !next || !due)
		return -ENOMEM;
	memset(due, 0xff, slots * sizeof(*due));
	turns_give(&turns, ret);
	return 0;
}

int turns_fill(const struct maglev_server *servers, uint32_t count, uint16_t *slots)
{
	struct shares shares;
	int r = collect(servers, count, &shares);

	if (r)
		return r;
	memset(slots, 0, XLB_MAGLEV_SLOTS * sizeof(*slots));
	if (shares.count)
		r = take_turns(&shares, slots, XLB_MAGLEV_SLOTS);
	free(shares.list);
	return r;
}

/* --- rows ------------------------------------------------------------------------------------------- */

/* Draws of one that the row has already; then the next one in order that it has not. */
#define DRAWS 64

/* splitmix64: the same numbers wherever the table is made */
static uint64_t draw(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* The server at a place of all weights in a row; `ends` has where each one's ends. */
static uint32_t server_at(const uint64_t *ends, uint32_t count, uint64_t place)
{
	uint32_t low = 0, high = count - 1, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (place < ends[middle])
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static bool has(const uint16_t *row, uint32_t count, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < count && row[i] != id; i++)
		;
	return i < count;
}

/* The id of a server that is not among the `count` first of the row. */
static uint16_t draw_other(const struct shares *shares, const uint64_t *ends, uint64_t *state,
			   const uint16_t *row, uint32_t count)
{
	uint32_t i, server = 0;

	for (i = 0; i < DRAWS; i++) {
		server = server_at(ends, shares->count, draw(state) % shares->weight);
		if (!has(row, count, shares->list[server].id))
			break;
	}
	while (has(row, count, shares->list[server].id))
		server = (server + 1) % shares->count;
	return (uint16_t)shares->list[server].id;
}

static int fill_rows(const struct shares *shares, uint16_t *slots)
{
	AUTO_FREE uint64_t *ends = calloc(shares->count, sizeof(*ends));
	AUTO_FREE uint16_t *first = calloc(XLB_ROWS, sizeof(*first));
	uint64_t state = 0, end = 0;
	uint32_t row, i;
	int r;

	if (!ends || !first)
		return -ENOMEM;
	r = take_turns(shares, first, XLB_ROWS);
	if (r)
		return r;
	for (i = 0; i < shares->count; i++)
		ends[i] = end += shares->list[i].weight;
	for (row = 0; row < XLB_ROWS; row++, slots += XLB_ROW_SERVERS) {
		slots[0] = first[row];
		for (i = 1; i < XLB_ROW_SERVERS; i++)
			slots[i] = i < shares->count ? draw_other(shares, ends, &state, slots, i) :
						       slots[i - shares->count];
	}
	slots[0] = first[0];
	return 0;
}

int rows_fill(const struct maglev_server *servers, uint32_t count, uint16_t *slots)
{
	struct shares shares;
	int r = collect(servers, count, &shares);

	if (r)
		return r;
	memset(slots, 0, XLB_MAGLEV_SLOTS * sizeof(*slots));
	if (shares.count)
		r = fill_rows(&shares, slots);
	free(shares.list);
	return r;
}
