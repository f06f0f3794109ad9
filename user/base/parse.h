/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Text to value and back: numbers, durations, addresses, ports. All parsers take the whole string. */
#ifndef XLB_BASE_PARSE_H
#define XLB_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "xlb/abi.h"

#define ADDR_TEXT_MAX 46
#define UINT_TEXT_MAX 21
#define TIME_TEXT_MAX 32

/* An inclusive port range, host byte order. */
struct port_range {
	uint16_t from, to;
};

/* A network: the address has no bits behind the first `bits` of struct xlb_addr's 128, so IPv4 has 96 or more. */
struct prefix {
	struct xlb_addr addr;
	uint32_t bits;
};
#define PREFIX_TEXT_MAX (ADDR_TEXT_MAX + 4)

/* All parsers: 0, or -EINVAL (not of the form), or -ERANGE (of the form, outside min..max). */
int parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
/* "250ms", "60s", "5m", "2h", "7d" to milliseconds; a bare number is -EINVAL. */
int parse_duration(const char *text, uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms);
/* Shortest exact text of a duration, e.g. 90000 -> "90s", 120000 -> "2m". */
void format_duration(uint64_t ms, char *ret, size_t size);
/* "500", "20k", "100M", "1G", "1T": thousands, millions, ... */
int parse_rate(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
/* Shortest exact text of such a number, e.g. 100000000 -> "100M", 1500 -> "1500". */
void format_rate(uint64_t rate, char *ret, size_t size);
/* Decimal digits, where lists print hundreds of thousands of numbers; returns the text inside `ret`. */
const char *format_uint(uint64_t number, char ret[UINT_TEXT_MAX]);
/* "2026-11-22T10:00:00Z" */
void format_utc(time_t time, char ret[TIME_TEXT_MAX]);
/* An IPv4 or IPv6 address without prefix length or scope; IPv4 becomes ::ffff:a.b.c.d. */
int parse_addr(const char *text, struct xlb_addr *ret);
/* An address, or one and a prefix length ("10.0.0.0/8", "2001:db8::/32"), as an address and a mask. */
int parse_prefix(const char *text, struct xlb_addr *ret, struct xlb_addr *ret_mask);
void format_addr(const struct xlb_addr *addr, char ret[ADDR_TEXT_MAX]);
/* The same as a network. -EDOM: there are bits behind its length; then *ret is the network that they are in. */
int parse_network(const char *text, struct prefix *ret);
/* "10.0.0.0/8"; of a single address without a length. */
void format_network(const struct prefix *prefix, char ret[PREFIX_TEXT_MAX]);
/* "10.0.1.13:8080", "[2001:db8::1]:8080" or an address alone (port 0, *ret_has_port false). */
int parse_addr_port(const char *text, struct xlb_addr *ret, uint16_t *ret_port_h,
		    bool *ret_has_port);
/* "80" or "10000-20000"; port 0 and reversed ranges are -ERANGE. */
int parse_port_range(const char *text, struct port_range *ret);

/*
 * Bytes from text in which \xHH, \r, \n, \t and \\ stand for one each: how many, or -EINVAL (no such escape),
 * or -ERANGE (more than `size`).
 */
int parse_bytes(const char *text, uint8_t *ret, size_t size);
/* The same the other way round, for people: cut to fit, what cannot be printed as \xHH. */
void escape_bytes(const uint8_t *bytes, size_t length, char *ret, size_t size);

/* XLB_IPV4 or XLB_IPV6 */
uint8_t addr_family(const struct xlb_addr *addr);
bool addr_equal(const struct xlb_addr *a, const struct xlb_addr *b);
/* True for addresses that can be neither VIP nor server: unspecified, loopback, multicast, link-local, broadcast. */
bool addr_is_special(const struct xlb_addr *addr);

/* The candidate nearest to `word` (edit distance at most a third of its length, at least 1), or NULL. */
const char *nearest_word(const char *word, const char *const *candidates, size_t n);

#endif
