/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rule sets: what the security groups of a load balancer and of a listener say of a packet that starts a flow, in a form
 * whose cost does not depend on the number of rules.
 *
 * Sources that the same rules match are one class, ports of a protocol that the same rules match are one column, and a
 * matrix has the answer for each pair. A set is a run of pages of 4 KiB:
 *
 *  head	page 0, struct xlb_rules_head
 *  nodes	where a source's class is found: a tree per family of the first addresses of intervals. A node has 512 entries of
 *		IPv4, "address, value" in a word, or 128 of IPv6, two words of address and one of value; the rest of
 *		the last node repeats its last entry.
 *  ports	a table per protocol: 256 numbers of leaves by the port's high byte, then leaves of 256 columns by its low
 *		byte; 4 of either to a word
 *  matrix	[class][column], 2 answers to a word
 *  hits	a word for each rule, by the number in the answer: new flows that it has decided, counted by packets
 *
 * Datapath and daemon read a set by the same code. It is written while nothing refers to it, but for the hits.
 */
#ifndef XLB_RULES_H
#define XLB_RULES_H

#include <linux/in.h>
#include <linux/types.h>

#include "xlb/abi.h"

#define XLB_RULES_NODE	   0x80000000U /* of a value: what follows is the page of a node, not a class */
#define XLB_RULES_DEPTH	   3	       /* nodes from the root to a class, at most */
#define XLB_RULES_ENTRIES4 512
#define XLB_RULES_ENTRIES6 128

enum xlb_rules_protocol { XLB_RULES_TCP, XLB_RULES_UDP, XLB_RULES_ICMP, XLB_RULES_PROTOCOLS };

/* Pages are numbered from the set's first; page 0 is the head itself: none. */
struct xlb_rules_head {
	__u64 hash; /* of the recipe, for adoption after a restart */
	__u32 pages;
	__u32 rules;			   /* of both levels */
	__u32 root4, root6;		   /* values */
	__u32 ports[XLB_RULES_PROTOCOLS];  /* page of the table, 0: all ports are one column */
	__u32 column[XLB_RULES_PROTOCOLS]; /* without a table */
	__u32 columns;
	__u32 matrix;
	__u32 hits;
	__u32 pad;
};

/* A page by its number in all of the memory of sets, NULL if there is none: whoever includes this says how it is found. */
static inline struct xlb_rules_page *xlb_rules_page(const void *memory, __u32 page);

static inline enum xlb_rules_protocol xlb_rules_protocol(__u8 protocol)
{
	return protocol == IPPROTO_TCP ? XLB_RULES_TCP :
	       protocol == IPPROTO_UDP ? XLB_RULES_UDP :
					 XLB_RULES_ICMP;
}

/* Two words of an address as a number, which has its order. */
static inline __u64 xlb_rules_number(__u32 high, __u32 low)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u64)__builtin_bswap32(high) << 32 | __builtin_bswap32(low);
#else
	return (__u64)high << 32 | low;
#endif
}

/*
 * 1 if a < b + borrow. Without a branch, which could not be foretold, and whose ways the verifier would walk all; the compiler
 * would make one, did it see through this.
 */
static inline __u64 xlb_rules_less(__u64 a, __u64 b, __u64 borrow)
{
	__u64 difference = a - b - borrow;

	__asm__("" : "+r"(difference));
	return ((~a & b) | (~(a ^ b) & difference)) >> 63;
}

/*
 * An index below `limit`, a power of two. The mask must stay where only the compiler knows that the number is small: the
 * verifier of 6.1 does not.
 */
static inline __u32 xlb_rules_index(__u32 number, __u32 limit)
{
	__asm__("" : "+r"(number));
	return number & (limit - 1);
}

/* The value of the last entry that begins at the address or before. */
static inline __u32 xlb_rules_find4(const struct xlb_rules_page *node, __u64 address)
{
	__u32 at = 0, half;

#pragma GCC unroll 9
	for (half = XLB_RULES_ENTRIES4 / 2; half; half /= 2) {
		__u32 i = xlb_rules_index(at | half, XLB_RULES_ENTRIES4);

		at |= half & ((__u32)xlb_rules_less(address, node->word[i] >> 32, 0) - 1);
	}
	return (__u32)node->word[xlb_rules_index(at, XLB_RULES_ENTRIES4)];
}

static inline __u32 xlb_rules_find6(const struct xlb_rules_page *node, __u64 high, __u64 low)
{
	__u32 at = 0, half;

#pragma GCC unroll 7
	for (half = XLB_RULES_ENTRIES6 / 2; half; half /= 2) {
		__u32 i = xlb_rules_index(at | half, XLB_RULES_ENTRIES6);
		__u64 borrow = xlb_rules_less(low, node->word[XLB_RULES_ENTRIES6 + i], 0);

		at |= half & ((__u32)xlb_rules_less(high, node->word[i], borrow) - 1);
	}
	return (__u32)node->word[2 * XLB_RULES_ENTRIES6 + xlb_rules_index(at, XLB_RULES_ENTRIES6)];
}

/* The class of a source in the set that begins at page `first`. */
static inline __u32 xlb_rules_class(const void *memory, __u32 first, const struct xlb_addr *source,
				    __u8 family)
{
	const struct xlb_rules_head *head = (const void *)xlb_rules_page(memory, first);
	__u64 high = xlb_rules_number(source->words[0], source->words[1]);
	__u64 low = xlb_rules_number(source->words[2], source->words[3]);
	__u32 value;
	int i;

	if (!head)
		return 0;
	value = family == XLB_IPV4 ? head->root4 : head->root6;

#pragma GCC unroll 3
	for (i = 0; i < XLB_RULES_DEPTH; i++) {
		const struct xlb_rules_page *node;

		if (!(value & XLB_RULES_NODE))
			break;
		node = xlb_rules_page(memory, first + (value & ~XLB_RULES_NODE));
		if (!node)
			return 0;
		value = family == XLB_IPV4 ? xlb_rules_find4(node, low & 0xffffffff) :
					     xlb_rules_find6(node, high, low);
	}
	return value;
}

/* Item `n` of those that lie 4 to a word from page `page` on. */
static inline __u32 xlb_rules_item(const void *memory, __u32 page, __u32 n)
{
	const struct xlb_rules_page *found =
		xlb_rules_page(memory, page + n / (XLB_RULES_PAGE_WORDS * 4));

	if (!found)
		return 0;
	return found->word[xlb_rules_index(n / 4, XLB_RULES_PAGE_WORDS)] >> (n % 4 * 16) & 0xffff;
}

static inline __u32 xlb_rules_column(const void *memory, __u32 first,
				     enum xlb_rules_protocol protocol, __u16 port_h)
{
	const struct xlb_rules_head *head = (const void *)xlb_rules_page(memory, first);
	__u32 table, leaf;

	if (!head)
		return 0;
	table = head->ports[protocol];
	if (!table)
		return head->column[protocol];
	leaf = xlb_rules_item(memory, first + table, port_h >> 8);
	return xlb_rules_item(memory, first + table, 256 * (leaf + 1) + (port_h & 0xff));
}

/* What the set says of packets of a class and a column. 0: denied, by no rule. */
static inline __u32 xlb_rules_answer(const void *memory, __u32 first, __u32 class, __u32 column)
{
	const struct xlb_rules_page *page = xlb_rules_page(memory, first);
	const struct xlb_rules_head *head = (const void *)page;
	__u32 at;

	if (!page)
		return 0;
	at = class * head->columns + column;
	page = xlb_rules_page(memory, first + head->matrix + at / (XLB_RULES_PAGE_WORDS * 2));
	if (!page)
		return 0;
	return (__u32)(page->word[xlb_rules_index(at / 2, XLB_RULES_PAGE_WORDS)] >> (at % 2 * 32));
}

/* What the set that begins at page `first` says of a packet (port: the one asked for, host order). */
static inline __u32 xlb_rules_classify(const void *memory, __u32 first,
				       const struct xlb_addr *source, __u8 family,
				       enum xlb_rules_protocol protocol, __u16 port_h)
{
	return xlb_rules_answer(memory, first, xlb_rules_class(memory, first, source, family),
				xlb_rules_column(memory, first, protocol, port_h));
}

/* Where flows that rule `hit` - 1 of the set has decided are counted; NULL: nowhere. */
static inline __u64 *xlb_rules_hits(const void *memory, __u32 first, __u32 hit)
{
	struct xlb_rules_page *page = xlb_rules_page(memory, first);
	const struct xlb_rules_head *head = (const void *)page;

	if (!page || !hit)
		return (void *)0;
	page = xlb_rules_page(memory, first + head->hits + hit / XLB_RULES_PAGE_WORDS);
	return page ? &page->word[xlb_rules_index(hit, XLB_RULES_PAGE_WORDS)] : (void *)0;
}

#endif
