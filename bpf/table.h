/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pages of the flow tables (xlb/flow.h) and single words of them. */
#ifndef XLB_BPF_TABLE_H
#define XLB_BPF_TABLE_H

#include "maps.h"
#include "pkt.h"
#include "variant.h"

static __always_inline const struct xlb_flow_table *table_find(enum xlb_flow_table_id id)
{
	return table_row(flow_tables, id);
}

static __always_inline struct xlb_flow_page *table_page_at(const struct xlb_flow_at *at)
{
	__u32 chunk = at->chunk, page = at->page;
	void *inner = bpf_map_lookup_elem(&flow_chunks, &chunk);

	return inner ? bpf_map_lookup_elem(inner, &page) : NULL;
}

static __always_inline __u64 word_read(const __u64 *word)
{
	return *(const volatile __u64 *)word;
}

/* The page that the hash names in an extent; fills all of `at` but the word. */
static __always_inline struct xlb_flow_page *table_page(const struct xlb_flow_table *table,
							__u64 extent, __u64 hash,
							struct xlb_flow_at *at)
{
	__u32 page = xlb_flow_page_of(extent, hash), shift = table->chunk_shift & 31;

	at->chunk = (__u32)xlb_get(extent, XLB_EXTENT_CHUNK) + (page >> shift);
	at->page = (__u16)(page & ((1U << shift) - 1));
	return table_page_at(at);
}

/* The one that a new entry comes to. */
static __always_inline struct xlb_flow_page *table_page_new(const struct xlb_flow_table *table,
							    __u64 hash, struct xlb_flow_at *at)
{
	return table_page(table, word_read(&table->extent), hash, at);
}

/* The verifier must see that a word lies in its page, and the compiler not know better. */
static __always_inline __u64 *page_word(const struct xlb_flow_page *page, __u32 index)
{
	barrier_var(index);
	return (__u64 *)&page->word[index & (XLB_PAGE_WORDS - 1)];
}

/* The same of a bucket's first word, so that all of the bucket lies in the page. */
static __always_inline __u32 page_bucket(__u64 hash, __u32 n)
{
	__u32 first = xlb_flow_bucket(hash, n);

	barrier_var(first);
	return first & (XLB_PAGE_WORDS - XLB_BUCKET_WORDS);
}

/* The same of the line with the n-th candidate of a locator. */
static __always_inline __u32 page_line(__u64 hash, __u32 n)
{
	__u32 first = xlb_locator_word(hash, n);

	barrier_var(first);
	return first & (XLB_PAGE_WORDS - XLB_LINE_WORDS);
}

/* True if the word was as seen; a dry run only looks. */
static __always_inline bool word_swap(__u64 *word, __u64 seen, __u64 next)
{
	if (dry_run)
		return word_read(word) == seen;
	return __sync_val_compare_and_swap(word, seen, next) == seen;
}

#endif
