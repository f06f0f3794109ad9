// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What lies in the old extent of a flow table goes over to the new one, while packets use and change it: see
 * xlb/flow.h for the steps. Who kills the daemon in between leaves at most one entry half moved, in the page that
 * the table's row names, and each step can be done again.
 */
#include "sys/datapath_private.h"

struct move {
	struct datapath *dp;
	const struct xlb_flow_table *table;
	uint64_t from, to; /* extents */
	bool ipv6;	   /* of flows */
	bool again;	   /* what is moved may be there already */
};

static struct move move_of(struct datapath *dp, enum xlb_flow_table_id id, bool again)
{
	const struct xlb_flow_table *table = table_row(dp, id);

	return (struct move){ .dp = dp,
			      .table = table,
			      .from = table->old,
			      .to = table->extent,
			      .ipv6 = id == XLB_TABLE_IPV6,
			      .again = again };
}

static uint64_t word_read(const __u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* False with what is there if it is not as seen. */
static bool word_swap(__u64 *word, __u64 *seen, uint64_t next)
{
	return __atomic_compare_exchange_n(word, seen, next, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_ACQUIRE);
}

static struct xlb_flow_page *page_to(const struct move *move, uint64_t hash)
{
	struct xlb_flow_at at;

	return table_page(move->dp, move->to, xlb_flow_page_of(move->to, hash), &at);
}

/* --- flows ------------------------------------------------------------------------------------------- */

#define MOVING (1ULL << 63) /* XLB_LIVE_MOVING */

/* A free entry among the key's buckets, where the datapath would take it, BUSY now as *ret_live says; NULL: none. */
static __u64 *place_take(const struct move *move, uint64_t hash, __u64 *ret_live)
{
	struct xlb_flow_page *page = page_to(move, hash);
	uint32_t most = 0;
	__u64 *best = NULL, seen;

	for (uint32_t n = 0; n < XLB_CANDIDATES; n++) {
		__u64 *bucket = &page->word[xlb_flow_bucket(hash, n)], *free = NULL;
		uint32_t count = 0;

		for (uint32_t i = xlb_bucket_entries(move->ipv6); i--;) {
			__u64 *entry = bucket + i * xlb_entry_words(move->ipv6);

			if (xlb_get(word_read(entry), XLB_LIVE_STATE))
				continue;
			free = entry;
			count++;
		}
		if (count > most)
			best = free;
		most = count > most ? count : most;
		if (most >= xlb_bucket_roomy(move->ipv6))
			break;
	}
	if (!best)
		return NULL;
	seen = word_read(best);
	*ret_live = xlb_set(0ULL, xlb_get(seen, XLB_LIVE_INCARNATION), XLB_LIVE_INCARNATION);
	*ret_live = xlb_set(*ret_live, (uint64_t)datapath_stamp(), XLB_LIVE_STAMP);
	*ret_live = xlb_set(*ret_live, (uint64_t)XLB_FLOW_BUSY, XLB_LIVE_STATE);
	return !xlb_get(seen, XLB_LIVE_STATE) && word_swap(best, &seen, *ret_live) ? best : NULL;
}

/* Which words of two entries are the same: the key's, or those of everything but `live`. */
static bool is_same(const struct move *move, const __u64 *a, const __u64 *b, bool key_only)
{
	uint64_t differs = (word_read(a + 1) ^ word_read(b + 1)) &
			   (key_only ? XLB_FIXED_IDENTITY : UINT64_MAX);

	for (uint32_t i = 2; i < xlb_entry_words(move->ipv6); i++)
		differs |= word_read(a + i) ^ word_read(b + i);
	return !differs;
}

/* Among the candidates in the new extent the one that is asked for; NULL: none. */
static __u64 *candidate_find(const struct move *move, const __u64 *entry, uint64_t hash,
			     bool (*is_it)(const struct move *move, const __u64 *entry,
					   const __u64 *candidate),
			     struct xlb_flow_at *ret_at)
{
	struct xlb_flow_page *page =
		table_page(move->dp, move->to, xlb_flow_page_of(move->to, hash), ret_at);

	for (uint32_t n = 0; n < XLB_CANDIDATES; n++) {
		for (uint32_t i = 0; i < xlb_bucket_entries(move->ipv6); i++) {
			ret_at->word = (uint16_t)(xlb_flow_bucket(hash, n) +
						  i * xlb_entry_words(move->ipv6));
			if (entry_lives(word_read(&page->word[ret_at->word])) &&
			    is_it(move, entry, &page->word[ret_at->word]))
				return &page->word[ret_at->word];
		}
	}
	return NULL;
}

static bool is_copy(const struct move *move, const __u64 *entry, const __u64 *candidate)
{
	return (word_read(candidate) & MOVING) && is_same(move, entry, candidate, false);
}

static bool is_rival(const struct move *move, const __u64 *entry, const __u64 *candidate)
{
	return !xlb_get(word_read(entry) | word_read(candidate), XLB_LIVE_REST) &&
	       is_same(move, entry, candidate, true);
}

/*
 * While the extents were changed over, a CPU that knew only the old one may have made a flow that another made in
 * the new one: packets have met the first since, so the other goes. False if it does not.
 */
static bool rival_end(const struct move *move, const __u64 *entry, uint64_t hash)
{
	struct xlb_flow rival = { .ipv6 = move->ipv6 };
	const __u64 *found = candidate_find(move, entry, hash, is_rival, &rival.at);

	if (!found)
		return true;
	rival.live = word_read(found);
	return !datapath_flow_end(move->dp, &rival, FLOW_DELETE);
}

/* A copy that is alive, though the entry counts before it as long as that is there; NULL: there is no place. */
static __u64 *copy_make(const struct move *move, const __u64 *entry, uint64_t live, uint64_t hash)
{
	__u64 busy = 0, *copy = place_take(move, hash, &busy);

	if (!copy)
		return NULL;
	for (uint32_t i = 1; i < xlb_entry_words(move->ipv6); i++)
		__atomic_store_n(copy + i, word_read(entry + i), __ATOMIC_RELAXED);
	live = xlb_set(live, xlb_get(busy, XLB_LIVE_INCARNATION), XLB_LIVE_INCARNATION);
	/* lost if it was taken for abandoned */
	return word_swap(copy, &busy, live) ? copy : NULL;
}

/* Whether the entry is free now. */
static bool entry_move(const struct move *move, __u64 *entry)
{
	uint64_t hash = entry_hash(move->table, entry, move->ipv6);
	__u64 live = word_read(entry), *copy = NULL;
	uint64_t incarnation, gone;
	struct xlb_flow_at at;

	while (entry_lives(live) && !(live & MOVING))
		if (word_swap(entry, &live, live | MOVING))
			live |= MOVING;
	if (!entry_lives(live))
		return !xlb_get(live, XLB_LIVE_STATE);
	/* a predecessor may have come so far */
	if (move->again)
		copy = candidate_find(move, entry, hash, is_copy, &at);
	if (!copy && rival_end(move, entry, hash))
		copy = copy_make(move, entry, live, hash);
	if (!copy) {
		__atomic_fetch_and(entry, ~MOVING, __ATOMIC_RELEASE);
		return false;
	}
	incarnation = xlb_get(word_read(copy), XLB_LIVE_INCARNATION);
	gone = xlb_set(MOVING, xlb_get(live, XLB_LIVE_INCARNATION), XLB_LIVE_INCARNATION);
	/* no packet changes the copy before the entry has gone */
	do
		__atomic_store_n(copy, xlb_set(live, incarnation, XLB_LIVE_INCARNATION),
				 __ATOMIC_RELEASE);
	while (!word_swap(entry, &live, gone));
	__atomic_fetch_and(copy, ~MOVING, __ATOMIC_RELEASE);
	return true;
}

static uint32_t move_flows(const struct move *move, struct xlb_flow_page *page, uint32_t *cost)
{
	uint32_t left = 0;

	for (uint32_t n = 0; n < page_entries(move->ipv6); n++) {
		__u64 *entry = &page->word[entry_word(n, move->ipv6)];

		if (!xlb_get(word_read(entry), XLB_LIVE_STATE))
			continue;
		left += !entry_move(move, entry);
		++*cost;
	}
	return left;
}

/* Copies whose entries had gone already when the predecessor was killed. */
static void release_copies(const struct move *move, uint32_t from_page)
{
	uint64_t until = xlb_flow_page_first(move->from, from_page + 1ULL);
	uint64_t page =
		xlb_flow_page_first(move->from, from_page) * xlb_get(move->to, XLB_EXTENT_PAGES) >>
		30;

	for (; xlb_flow_page_first(move->to, page) < until; page++) {
		struct xlb_flow_at at;
		struct xlb_flow_page *words = table_page(move->dp, move->to, page, &at);

		for (uint32_t n = 0; words && n < page_entries(move->ipv6); n++) {
			__u64 *copy = &words->word[entry_word(n, move->ipv6)];

			if (entry_lives(word_read(copy)))
				__atomic_fetch_and(copy, ~MOVING, __ATOMIC_RELEASE);
		}
	}
}

/* --- locators ---------------------------------------------------------------------------------------- */

/* A free word in a locator's two lines, or the one that has the locator already; NULL: none. */
static __u64 *locator_place(const struct move *move, uint64_t hash, uint64_t locator)
{
	struct xlb_flow_page *page = page_to(move, hash);
	uint32_t free[2] = {};
	__u64 *at[2] = {};

	for (uint32_t n = 2 * XLB_LINE_WORDS; n--;) {
		__u64 *word = &page->word[xlb_locator_word(hash, n)];
		uint64_t there = word_read(word);

		if (move->again && there == locator)
			return word;
		if (there)
			continue;
		free[n / XLB_LINE_WORDS]++;
		at[n / XLB_LINE_WORDS] = word;
	}
	return at[free[0] < XLB_LINE_ROOMY && free[1] > free[0]];
}

/* The hash that a locator in this page was made with, as far as it says where locators lie. */
static uint64_t locator_hash(const struct move *move, uint32_t page, uint32_t word,
			     uint64_t locator)
{
	uint64_t first = xlb_flow_page_first(move->from, page), tag_mask = (1ULL << 23) - 1;
	uint64_t pages = (first & ~tag_mask) | xlb_get(locator, XLB_LOCATOR_TAG), hash;

	if (pages < first)
		pages += tag_mask + 1;
	hash = xlb_set(0ULL, pages, XLB_HASH_PAGE);
	/* of its two lines it does not matter which is the first */
	return xlb_set(hash, (uint64_t)(word / XLB_LINE_WORDS), XLB_HASH_LINE);
}

static uint32_t move_locators(const struct move *move, struct xlb_flow_page *words, uint32_t page,
			      uint32_t *cost)
{
	uint32_t left = 0;

	for (uint32_t n = 0; n < XLB_PAGE_WORDS; n++) {
		__u64 locator = word_read(&words->word[n]), seen = 0, *copy;

		if (!locator)
			continue;
		++*cost;
		copy = locator_place(move, locator_hash(move, page, n, locator), locator);
		if (!copy || (!word_swap(copy, &seen, locator) && seen != locator)) {
			left++;
			continue;
		}
		/* a flow that has ended meanwhile has taken this one, and did not know of the other */
		seen = locator;
		if (!word_swap(&words->word[n], &seen, 0)) {
			seen = locator;
			word_swap(copy, &seen, 0);
		}
	}
	return left;
}

/* ----------------------------------------------------------------------------------------------------- */

static uint32_t page_move(const struct move *move, enum xlb_flow_table_id id, uint32_t page,
			  uint32_t *cost)
{
	struct xlb_flow_at at;
	struct xlb_flow_page *words = table_page(move->dp, move->from, page, &at);

	if (!words)
		return 0;
	return id == XLB_TABLE_REPLIES ? move_locators(move, words, page, cost) :
					 move_flows(move, words, cost);
}

uint32_t move_page(struct datapath *dp, enum xlb_flow_table_id id, uint32_t page, uint32_t *cost)
{
	struct move move = move_of(dp, id, false);

	return page_move(&move, id, page, cost);
}

void move_page_again(struct datapath *dp, enum xlb_flow_table_id id, uint32_t page)
{
	struct move move = move_of(dp, id, true);
	uint32_t cost = 0;

	page_move(&move, id, page, &cost);
	if (id != XLB_TABLE_REPLIES)
		release_copies(&move, page);
}
