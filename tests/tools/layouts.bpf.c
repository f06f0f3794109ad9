// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Layouts of a table of IPv4 flows, each as three programs: one run looks a flow up, inserts or removes it. What
 * they do is what the datapath does (bpf/flow.h, bpf/insert.h), without what flows mean: no eviction, no state
 * but "lives", and nobody who waits. `nothing` picks a flow and leaves it at that.
 */
#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "layouts.h"
#include "xlb/flow.h"

#define IDENTITY 100ULL /* of all flows: TCP to VIP 100 */
#define LIVES	 xlb_set(0ULL, (__u64)XLB_FLOW_ESTABLISHED, XLB_LIVE_STATE)
#define BUSY	 xlb_set(0ULL, (__u64)XLB_FLOW_BUSY, XLB_LIVE_STATE)
#define SHOWN	 xlb_set(BUSY, (__u64)XLB_FLOW_SHOWN, XLB_LIVE_FLAGS)
#define ROOM	 9 /* bits below: a word of a page, above: how many places */

/* Where the verifier would walk every way through, see STEP of the datapath. */
#define GLOBAL_STEP __attribute__((noinline))

char _license[] SEC("license") = "Dual BSD/GPL";

struct layouts layouts;

struct chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << XLB_CHUNK_SHIFT);
	__type(key, __u32);
	__type(value, struct xlb_flow_page);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LAYOUTS_CHUNKS);
	__type(key, __u32);
	__array(values, struct chunk);
} chunks SEC(".maps");

struct flow_key {
	__u64 key, identity;
};
struct flow_value {
	__u64 live, fixed;
};

/* One of LAYOUTS. Constants wherever it is used: a program of each is compiled. */
struct shape {
	__u32 pages, buckets, bucket_words, entries, entry_words;
};

/* The next flow's key. */
static __always_inline __u64 pick(void)
{
	__u64 at = layouts.state;

	if (layouts.in_turn) {
		layouts.state = at + 1;
	} else {
		layouts.state =
			at * 6364136223846793005ULL + 1442695040888963407ULL; /* Knuth's MMIX */
		at = (layouts.state >> 32) * layouts.flows >> 32;
	}
	return xlb_hash_mix(0, layouts.first + at); /* no two numbers give one key */
}

/*
 * The next flow waits for this one, of which bit 63 is never set: packets follow one another a thousand instructions
 * apart, so that no CPU has two lookups under way at once as it could have here.
 */
static __always_inline void wait_for(__u64 word)
{
	layouts.state += word >> 63;
}

static __always_inline struct xlb_flow_page *page_of(__u64 extent, __u64 hash)
{
	__u32 page = xlb_flow_page_of(extent, hash);
	__u32 chunk = (__u32)xlb_get(extent, XLB_EXTENT_CHUNK) + (page >> XLB_CHUNK_SHIFT);
	void *inner = bpf_map_lookup_elem(&chunks, &chunk);

	page &= (1 << XLB_CHUNK_SHIFT) - 1;
	return inner ? bpf_map_lookup_elem(inner, &page) : NULL;
}

/* The hash that names the n-th page of a key. */
static __always_inline __u64 hash_of(__u64 hash, __u32 n)
{
	return n ? xlb_hash_mix(hash, n * 0xd6e8feb86659fd93ULL) : hash;
}

/* Index of the first word of a page's n-th bucket for the hash; all of it lies in the page. */
static __always_inline __u32 bucket_of(__u64 hash, __u32 n, const struct shape shape)
{
	__u64 bucket = xlb_get(hash, 24, 6) + n * (xlb_get(hash, XLB_HASH_STEP) * 2 + 1);
	__u32 first = (__u32)bucket * shape.bucket_words;

	barrier_var(first);
	return first & (XLB_PAGE_WORDS - shape.bucket_words);
}

static __always_inline __u64 *word_of(const struct xlb_flow_page *page, __u32 index)
{
	barrier_var(index);
	return (__u64 *)&page->word[index & (XLB_PAGE_WORDS - 1)];
}

static __always_inline __u64 word_read(const __u64 *word)
{
	return *(const volatile __u64 *)word;
}

static __always_inline bool lives(__u64 live)
{
	__u32 state = (__u32)xlb_get(live, XLB_LIVE_STATE);

	return state >= XLB_FLOW_NEW && state <= XLB_FLOW_TOMBSTONE;
}

/* Index of the first word of the page's entry with the key; -1. */
static __always_inline int scan(const struct xlb_flow_page *page, __u64 hash, __u64 key,
				const struct shape shape)
{
	const __u64 *entry;
	__u32 n, i, first;

	if (!page)
		return -1;
	for (n = 0; n < shape.buckets; n++) {
		first = bucket_of(hash, n, shape);
#pragma unroll
		for (i = 0; i < shape.entries; i++) {
			entry = &page->word[first + i * shape.entry_words];
			if (entry[2] == key && lives(word_read(entry)) &&
			    ((word_read(entry + 1) ^ IDENTITY) & XLB_FIXED_IDENTITY) == 0 &&
			    word_read(entry + 2) == key)
				return (int)(first + i * shape.entry_words);
		}
	}
	return -1;
}

/* Of the page's buckets the one with most room: how many free entries and which (ROOM). */
static __always_inline int room(const struct xlb_flow_page *page, __u64 hash,
				const struct shape shape)
{
	__u32 n, i, first, word, free, all, at, best = 0;

	if (!page)
		return 0;
	for (n = 0; n < shape.buckets; n++) {
		first = bucket_of(hash, n, shape);
		all = at = 0;
#pragma unroll
		for (i = 0; i < shape.entries; i++) {
			word = first + i * shape.entry_words;
			/* without branches, of which the verifier would walk every one */
			free = 1 ^ (__u32)((0 - xlb_get(word_read(&page->word[word]),
							XLB_LIVE_STATE)) >>
					   63);
			at = (at & (free - 1)) | (word & (0 - free));
			all += free;
		}
		best = all > best >> ROOM ? all << ROOM | at : best;
	}
	return (int)best;
}

typedef int (*scan_step)(const struct xlb_flow_page *page, __u64 hash, __u64 key);
typedef int (*room_step)(const struct xlb_flow_page *page, __u64 hash);

/* The page with the flow, and where it is there; NULL: it is nowhere. */
static __always_inline struct xlb_flow_page *find(__u64 extent, __u64 key, const struct shape shape,
						  scan_step step, __u32 *ret_word)
{
	__u64 hash = xlb_flow_hash(layouts.seed, &key, IDENTITY, 0), one;
	struct xlb_flow_page *page;
	__u32 n;
	int word;

#pragma unroll
	for (n = 0; n < shape.pages; n++) {
		one = hash_of(hash, n);
		page = page_of(extent, one);
		if (!page)
			return NULL;
		word = step(page, one, key);
		*ret_word = (__u32)word;
		if (word >= 0)
			return page;
	}
	return NULL;
}

static __always_inline int hit(__u64 extent, const struct shape shape, scan_step step)
{
	__u32 word = 0;
	struct xlb_flow_page *page = find(extent, pick(), shape, step, &word);

	if (!page)
		return XDP_PASS;
	wait_for(word_read(word_of(page, word + 1)));
	wait_for(word_read(word_of(page, word)));
	layouts.done++;
	return XDP_PASS;
}

/* As the datapath does: take an entry, write it, show it, look for others of the key, and bring it to life. */
static __always_inline int insert(__u64 extent, const struct shape shape, scan_step step,
				  room_step room_of)
{
	__u64 key = pick(), hash = xlb_flow_hash(layouts.seed, &key, IDENTITY, 0);
	struct xlb_flow_page *page, *best = NULL;
	__u32 n, most = 0, word;
	__u64 *live;

#pragma unroll
	for (n = 0; n < shape.pages; n++) {
		page = page_of(extent, hash_of(hash, n));
		word = (__u32)room_of(page, hash_of(hash, n));
		if (page && word >> ROOM > most >> ROOM) {
			most = word;
			best = page;
		}
	}
	if (!best)
		return XDP_PASS;
	word = most & ((1 << ROOM) - 1);
	live = word_of(best, word);
	if (__sync_val_compare_and_swap(live, 0, BUSY) != 0)
		return XDP_PASS;
	*(volatile __u64 *)word_of(best, word + 1) = IDENTITY;
	*(volatile __u64 *)word_of(best, word + 2) = key;
	if (__sync_val_compare_and_swap(live, BUSY, SHOWN) != BUSY ||
	    find(extent, key, shape, step, &word) ||
	    __sync_val_compare_and_swap(live, SHOWN, LIVES) != SHOWN)
		return XDP_PASS;
	layouts.done++;
	return XDP_PASS;
}

static __always_inline int remove(__u64 extent, const struct shape shape, scan_step step)
{
	__u32 word = 0;
	struct xlb_flow_page *page = find(extent, pick(), shape, step, &word);

	if (!page)
		return XDP_PASS;
	*(volatile __u64 *)word_of(page, word) = 0;
	layouts.done++;
	return XDP_PASS;
}

#define X(name, text, pages, ...) \
	GLOBAL_STEP int scan_##name(const struct xlb_flow_page *page, __u64 hash, __u64 key) \
	{ \
		return scan(page, hash, key, (struct shape){ pages, __VA_ARGS__ }); \
	} \
	GLOBAL_STEP int room_##name(const struct xlb_flow_page *page, __u64 hash) \
	{ \
		return room(page, hash, (struct shape){ pages, __VA_ARGS__ }); \
	} \
	SEC("xdp") int hit_##name(struct xdp_md *ctx) \
	{ \
		(void)ctx; \
		return hit(layouts.extent[LAYOUT_##name], (struct shape){ pages, __VA_ARGS__ }, \
			   scan_##name); \
	} \
	SEC("xdp") int insert_##name(struct xdp_md *ctx) \
	{ \
		(void)ctx; \
		return insert(layouts.extent[LAYOUT_##name], (struct shape){ pages, __VA_ARGS__ }, \
			      scan_##name, room_##name); \
	} \
	SEC("xdp") int remove_##name(struct xdp_md *ctx) \
	{ \
		(void)ctx; \
		return remove(layouts.extent[LAYOUT_##name], (struct shape){ pages, __VA_ARGS__ }, \
			      scan_##name); \
	}
LAYOUTS(X)
#undef X

#define X(name, text, map_type) \
	struct { \
		__uint(type, map_type); \
		__uint(max_entries, 1); /* the loader's */ \
		__type(key, struct flow_key); \
		__type(value, struct flow_value); \
	} name SEC(".maps"); \
	SEC("xdp") int hit_##name(struct xdp_md *ctx) \
	{ \
		struct flow_key key = { pick(), IDENTITY }; \
		struct flow_value *value = bpf_map_lookup_elem(&name, &key); \
\
		(void)ctx; \
		if (!value) \
			return XDP_PASS; \
		wait_for(word_read(&value->fixed)); \
		wait_for(word_read(&value->live)); \
		layouts.done++; \
		return XDP_PASS; \
	} \
	SEC("xdp") int insert_##name(struct xdp_md *ctx) \
	{ \
		struct flow_key key = { pick(), IDENTITY }; \
		struct flow_value value = { LIVES, IDENTITY }; \
\
		(void)ctx; \
		layouts.done += !bpf_map_update_elem(&name, &key, &value, BPF_NOEXIST); \
		return XDP_PASS; \
	} \
	SEC("xdp") int remove_##name(struct xdp_md *ctx) \
	{ \
		struct flow_key key = { pick(), IDENTITY }; \
\
		(void)ctx; \
		layouts.done += !bpf_map_delete_elem(&name, &key); \
		return XDP_PASS; \
	}
KERNEL_MAPS(X)
#undef X

SEC("xdp")
int nothing(struct xdp_md *ctx)
{
	__u64 key = pick();

	(void)ctx;
	barrier_var(key);
	layouts.done++;
	return XDP_PASS;
}
