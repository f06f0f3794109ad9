/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What layouts.bpf.c shares with who drives it: the layouts, and which flow comes next. */
#ifndef XLB_TESTS_LAYOUTS_H
#define XLB_TESTS_LAYOUTS_H

#include <linux/types.h>

/* X(NAME, text, pages of a key, buckets in each, words of a bucket, entries of a bucket, words of an entry) */
#define LAYOUTS(X) \
	X(page24, "24 B, 5 to 128 B, 3 buckets of a page", 1, 3, 16, 5, 3) \
	X(page32, "32 B, 2 to 64 B, 6 lines of a page", 1, 6, 8, 2, 4) \
	X(any24, "24 B, 5 to 128 B, 3 buckets anywhere", 3, 1, 16, 5, 3) \
	X(pair32, "32 B, 2 to 64 B, 3 lines of a page", 1, 3, 8, 2, 4)

/* The kernel's maps beside them, key and value of 16 bytes each: X(NAME, text, type) */
#define KERNEL_MAPS(X) \
	X(hash, "kernel, HASH", BPF_MAP_TYPE_HASH) \
	X(lru, "kernel, LRU_HASH", BPF_MAP_TYPE_LRU_HASH)

enum layout {
#define X(name, ...) LAYOUT_##name,
	LAYOUTS(X)
#undef X
		LAYOUT_COUNT,
};

#define LAYOUTS_CHUNKS	    8192 /* of XLB_CHUNK_SHIFT pages, of all layouts */
#define LAYOUTS_CHUNK_FIRST (LAYOUTS_CHUNKS / LAYOUT_COUNT) /* chunks that each layout may have */

/* Variable of layouts.bpf.c. */
struct layouts {
	__u64 extent[LAYOUT_COUNT]; /* as of the real tables */
	__u64 seed[2];
	__u64 state;	    /* of the generator, or flows done */
	__u32 first, flows; /* numbers first .. first + flows - 1, at random or */
	__u32 in_turn;	    /* one after the other */
	__u32 pad;
	__u64 done; /* flows that were found, inserted or removed */
};

#endif
