/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The memory of flows: tables of pages that datapath and daemon both read, and write by 8-byte atomics only.
 *
 * Three tables share one layout of pages: flows of IPv4 clients, of IPv6 clients, and locators of replies.
 * A hash names a page of 4 KiB and a place in it, and all that a key can be in lies in that page: an insert, which
 * looks everywhere, meets one page, and a few bits name a place. The page is found by scaling 30 bits of the hash
 * to the number of pages, which may thus be any.
 *
 *  flows	page = 32 buckets of 128 bytes, bucket = 5 entries of 24 bytes (IPv4) or 3 of 40 (IPv6). A key has
 *		three buckets of its page.
 *  locators	page = 64 lines of 64 bytes, line = 8 words, 0: free. A key has two lines of its page.
 *
 * An entry is the words {live, fixed, key...}. `live` is changed by compare-and-swap alone and carries an
 * incarnation, which differs each time the entry is used anew: who reads `live`, the rest, and `live` again
 * with the same incarnation has read one flow. All other words are written while `live` says BUSY.
 *
 *  FREE -> BUSY (one CPU has it; nobody else looks) -> BUSY, shown (its key counts: of several with one key only
 *  one will live) -> NEW .. TOMBSTONE (lives) -> DEAD (claimed by the one who takes it apart) -> FREE
 *
 * A table that changes its size has two extents: nothing new comes into the old one, and what lies there moves over,
 * by the daemon, page by page. Readers look in the old one, then in the new one; whoever has seen the new one sees
 * the old one too, so the word `extent` is read first. Both have the same seed, so a place stays true. An entry is moved
 * as follows; a daemon that was killed goes on where it was:
 *
 *  live -> live, MOVING (packets change it still, only the mover ends it) -> its copy lives, MOVING too
 *  -> FREE, MOVING in the old extent, if it still is as it was copied (its words stay, so who has found it there finds
 *  the copy by them) -> MOVING is taken from the copy
 */
#ifndef XLB_FLOW_H
#define XLB_FLOW_H

#include <linux/types.h>

#include "xlb/abi.h"
#include "xlb/hash.h"
#include "xlb/lists.h"

/* Fields of a word are "first bit, bits". */
static inline __u64 xlb_field_get(__u64 word, __u32 first, __u32 bits)
{
	return word >> first & ((1ULL << bits) - 1);
}

static inline __u64 xlb_field_set(__u64 word, __u64 value, __u32 first, __u32 bits)
{
	__u64 mask = ((1ULL << bits) - 1) << first;

	return (word & ~mask) | (value << first & mask);
}

#define xlb_get(word, ...)	  xlb_field_get(word, __VA_ARGS__)
#define xlb_set(word, value, ...) xlb_field_set(word, value, __VA_ARGS__)

/* word `live` */
#define XLB_LIVE_STAMP	     0, 20  /* of the last packet of either side, see XLB_STAMP_SHIFT */
#define XLB_LIVE_CREATED     20, 16 /* stamp, lower bits */
#define XLB_LIVE_HOP	     36, 16 /* where replies go: index in map `hops`, 0: not known */
#define XLB_LIVE_FLAGS	     52, 4 /* XLB_FLOW_FIN_*, XLB_FLOW_RST_*; of a BUSY one XLB_FLOW_SHOWN */
#define XLB_LIVE_STATE	     56, 3 /* XLB_FLOW_* */
#define XLB_LIVE_INCARNATION 59, 3
/*
 * A closed flow replaced by a new one of the same client port rests until its time is over, so that its SNAT
 * port is not met in TIME_WAIT: its server still finds it, its client does not.
 */
#define XLB_LIVE_REST	     62, 1
/* it is on its way from one extent of its table to the other; with FREE: it was */
#define XLB_LIVE_MOVING	     63, 1

/* word `fixed` */
#define XLB_FIXED_VIP	   0, 12 /* id */
#define XLB_FIXED_UDP	   12, 1
#define XLB_FIXED_SERVER   13, 14
#define XLB_FIXED_LISTENER 27, 13
#define XLB_FIXED_POOL	   40, 3 /* which of the server's pools the SNAT port is of */
#define XLB_FIXED_SNAT_PORT \
	43, 16 /* as it lies in packets; 0: no reply comes back, there is no locator */
#define XLB_FIXED_INSTEAD 59, 1 /* fullnat, whatever the server's mode */
#define XLB_FIXED_CREATED 60, 4 /* stamp, upper bits */

/* what of `fixed` is part of the key */
#define XLB_FIXED_IDENTITY ((1ULL << 13) - 1)
_Static_assert(XLB_MAX_VIPS <= 1 << 12 && XLB_MAX_SERVERS <= 1 << 14 &&
		       XLB_MAX_LISTENERS <= 1 << 13 && XLB_SERVER_POOLS <= 1 << 3,
	       "ids fit their fields");

/* Stamps of entries: 2^20 units are 13 days. What is up to 16 units ahead is of a CPU whose clock ticks earlier. */
#define XLB_STAMP_MASK	0xfffffU
#define XLB_STAMP_AHEAD 16

/* A BUSY or DEAD entry is left by its owner within microseconds; so many units later nobody owns it. */
#define XLB_FLOW_ABANDONED 60

/* How a flow is forwarded, of its word `fixed` and its server's mode. */
static inline __u8 xlb_flow_mode(__u64 fixed, __u8 server_mode)
{
	return xlb_get(fixed, XLB_FIXED_INSTEAD) ? XLB_MODE_FULLNAT : server_mode;
}

/*
 * True of a flow that is a connection to its server: it is neither being made, nor over, nor does it only rest. `direct`: of
 * a mode whose servers xlb does not hear, so a connection is over with its client's FIN: nothing else will tell.
 */
static inline int xlb_flow_is_open(__u64 live, int direct)
{
	__u64 state = xlb_get(live, XLB_LIVE_STATE);

	return state >= XLB_FLOW_NEW &&
	       state <= (direct ? XLB_FLOW_ESTABLISHED : XLB_FLOW_CLOSING) &&
	       !xlb_get(live, XLB_LIVE_REST);
}

#define XLB_PAGE_WORDS	    512
#define XLB_BUCKET_WORDS    16
#define XLB_ENTRY_WORDS4    3
#define XLB_ENTRY_WORDS6    5
#define XLB_ENTRIES4	    5 /* of a bucket */
#define XLB_ENTRIES6	    3
#define XLB_PAGE_ENTRIES4   160
#define XLB_PAGE_ENTRIES6   96
#define XLB_CANDIDATES	    3 /* buckets of a key */
#define XLB_LINE_WORDS	    8
#define XLB_CHUNK_SHIFT	    10 /* pages of a chunk of a large table: 4 MiB */
#define XLB_CHUNK_SHIFT_MIN 7
#define XLB_FLOW_CHUNKS	    12288

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"

struct xlb_flow_page {
	__u64 word[XLB_PAGE_WORDS];
};
XLB_ASSERT_SIZE(xlb_flow_page, 4096);

enum xlb_flow_table_id {
	XLB_TABLE_IPV4,
	XLB_TABLE_IPV6,
	XLB_TABLE_REPLIES,
	XLB_FLOW_TABLES,
};
#define XLB_TABLE_ROWS 4 /* a power of two */

/* word `extent` */
#define XLB_EXTENT_PAGES 0, 30	/* at least 128, see XLB_LOCATOR_TAG */
#define XLB_EXTENT_CHUNK 32, 14 /* its first entry of map `flow_chunks` */

struct xlb_flow_table {
	__u64 extent;  /* where new entries come */
	__u64 old;     /* what is left behind, 0: nothing; written before `extent`, read after it */
	__u64 seed[2]; /* random: who cannot guess it cannot choose keys that meet in a page */
	__u32 chunk_shift;
	__u32 room;   /* entries that it was made for */
	__u32 moving; /* page of `old` that the mover is at: only there may an entry be half moved */
	__u32 pad;
};
XLB_ASSERT_SIZE(xlb_flow_table, 48);

/* Which entry: `word` is the index of its word `live` in the page. */
struct xlb_flow_at {
	__u32 chunk; /* entry of map `flow_chunks` */
	__u16 page;  /* of the chunk */
	__u16 word;
};
XLB_ASSERT_SIZE(xlb_flow_at, 8);

#define XLB_END_BATCH 16

/*
 * Argument of the program `xlb_flow_end` (BPF_PROG_TEST_RUN, type syscall): ends flows as the datapath does,
 * those whose word `live` still is what the caller has seen. Returns how many those were.
 */
struct xlb_flow_ends {
	__u32 count;
	__u32 pad;
	struct {
		struct xlb_flow_at at;
		__u64 seen;
		__u32 ipv6;
		__u32 action; /* XLB_END_* */
		__s32 result; /* 0, or -EAGAIN */
		__u32 pad;
	} flow[XLB_END_BATCH];
};
XLB_ASSERT_SIZE(xlb_flow_ends, 8 + 32 * XLB_END_BATCH);

#pragma GCC diagnostic pop

/*
 * A hash, used from its upper end: 30 bits for the page, and of flows 4 + 5 bits for the buckets in it, which
 * together are the flow's place; of locators 6 bits for the line.
 */
#define XLB_HASH_PAGE	34, 30
#define XLB_HASH_STEP	30, 4
#define XLB_HASH_BUCKET 25, 5
#define XLB_HASH_PLACE	25, 39
#define XLB_HASH_LINE	28, 6

/* Hash of a flow's key words (one of IPv4, three of IPv6) and identity. */
static inline __u64 xlb_flow_hash(const __u64 seed[2], const __u64 *key, __u64 identity, int ipv6)
{
	__u64 hash = xlb_hash_mix(seed[0], key[0]);

	if (ipv6) {
		hash = xlb_hash_mix(hash, key[1]);
		identity = key[2] | identity << 32;
	}
	return xlb_hash_mix(xlb_hash_mix(hash, identity), seed[1]);
}

/* How entries lie in a bucket. */
static inline __u32 xlb_entry_words(int ipv6)
{
	return ipv6 ? XLB_ENTRY_WORDS6 : XLB_ENTRY_WORDS4;
}

static inline __u32 xlb_bucket_entries(int ipv6)
{
	return ipv6 ? XLB_ENTRIES6 : XLB_ENTRIES4;
}

/*
 * The first of a key's buckets with so many free entries is taken, which spares most lookups the others: else the
 * emptiest of them. A locator's first line likewise.
 */
static inline __u32 xlb_bucket_roomy(int ipv6)
{
	return (xlb_bucket_entries(ipv6) + 1) / 2;
}
#define XLB_LINE_ROOMY 3

/* Index of the n-th candidate bucket's first word. */
static inline __u32 xlb_flow_bucket(__u64 hash, __u32 n)
{
	__u64 bucket = xlb_get(hash, XLB_HASH_BUCKET) + n * (xlb_get(hash, XLB_HASH_STEP) * 2 + 1);

	return (bucket & (XLB_PAGE_WORDS / XLB_BUCKET_WORDS - 1)) * XLB_BUCKET_WORDS;
}

/* The page, of all of the table's, that the hash names. */
static inline __u32 xlb_flow_page_of(__u64 extent, __u64 hash)
{
	return (__u32)(xlb_get(extent, XLB_EXTENT_PAGES) * xlb_get(hash, XLB_HASH_PAGE) >> 30);
}

/* The first of the page numbers in a hash, of 30 bits, that name this page; of the one behind the last 2^30. */
static inline __u64 xlb_flow_page_first(__u64 extent, __u64 page)
{
	__u64 pages = xlb_get(extent, XLB_EXTENT_PAGES);

	return ((page << 30) + pages - 1) / pages;
}

/*
 * A locator. Its tag is the lower end of the hash's page bits: with the page that it lies in, of 128 or more, it
 * gives them all, so that locators can be moved to a table of another size. The place leads to the flow
 * whatever size that one's table has.
 */
#define XLB_LOCATOR_PLACE 0, 39
#define XLB_LOCATOR_IPV6  39, 1 /* of the flow's client */
#define XLB_LOCATOR_TAG	  40, 23
#define XLB_LOCATOR_USED  63, 1

static inline __u64 xlb_locator_tag(__u64 hash)
{
	return xlb_get(hash, 34, 23);
}

static inline __u64 xlb_locator(__u64 reply_hash, __u64 flow_hash, int ipv6)
{
	__u64 word = xlb_set(0ULL, 1ULL, XLB_LOCATOR_USED);

	word = xlb_set(word, xlb_locator_tag(reply_hash), XLB_LOCATOR_TAG);
	word = xlb_set(word, (__u64) !!ipv6, XLB_LOCATOR_IPV6);
	return xlb_set(word, xlb_get(flow_hash, XLB_HASH_PLACE), XLB_LOCATOR_PLACE);
}

/* Index of candidate word 0 .. 15 of a locator. */
static inline __u32 xlb_locator_word(__u64 hash, __u32 n)
{
	__u32 line = (__u32)xlb_get(hash, XLB_HASH_LINE);

	if (n >= XLB_LINE_WORDS)
		line ^= (__u32)(xlb_locator_tag(hash) & 63) | 1;
	return line * XLB_LINE_WORDS + n % XLB_LINE_WORDS;
}

/* Hash of the ends of a reply; both addresses are of one family. */
static inline __u64 xlb_reply_hash(const __u64 seed[2], const struct xlb_reply_key *key, int ipv6)
{
	__u64 hash = xlb_hash_mix(seed[0], xlb_hash_join(key->server.words[3], key->peer.words[3]));

	if (ipv6) {
		hash = xlb_hash_mix(hash,
				    xlb_hash_join(key->server.words[0], key->server.words[1]));
		hash = xlb_hash_mix(hash, xlb_hash_join(key->server.words[2], key->peer.words[2]));
		hash = xlb_hash_mix(hash, xlb_hash_join(key->peer.words[0], key->peer.words[1]));
	}
	hash = xlb_hash_mix(hash, (__u64)key->server_port << 32 | (__u64)key->peer_port << 16 |
					  key->protocol);
	return xlb_hash_mix(hash, seed[1]);
}

/* Key word of the ports, which is the lower half of IPv4's only one. */
static inline __u64 xlb_flow_ports(__be16 client_port, __be16 port)
{
	return (__u64)client_port << 16 | port;
}

#endif
