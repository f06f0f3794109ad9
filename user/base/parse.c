// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* units of time, longest first */
static const struct {
	const char *suffix;
	uint64_t ms;
} units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
#define COUNT(array) (sizeof(array) / sizeof(array[0]))

/* of numbers of what comes in a second, largest first */
static const struct {
	const char *suffix;
	uint64_t times;
} thousands[] = {
	{ "T", 1000000000000 }, { "G", 1000000000 }, { "M", 1000000 }, { "k", 1000 }, { "", 1 },
};

/* Reads decimal digits; *ret_rest is what follows. No sign, no leading zeros ("010" means 8 or 10). */
static int read_digits(const char *text, uint64_t *ret, const char **ret_rest)
{
	uint64_t value = 0;
	const char *p = text;

	if (!isdigit((unsigned char)*p) || (p[0] == '0' && isdigit((unsigned char)p[1])))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	*ret = value;
	*ret_rest = p;
	return 0;
}

/* True if the text is nothing but digits. */
static bool is_digits(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

int parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *rest;
	uint64_t value;
	int r;

	r = read_digits(text, &value, &rest);
	if (r)
		return r == -ERANGE && !is_digits(text) ? -EINVAL : r;
	if (*rest)
		return -EINVAL;
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_rate(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	const char *rest = text + strspn(text, "0123456789");
	const char *end;
	uint64_t value;
	int r;

	for (size_t i = 0; i < COUNT(thousands); i++) {
		if (strcmp(rest, thousands[i].suffix) != 0)
			continue;
		r = read_digits(text, &value, &end);
		if (r)
			return r;
		if (__builtin_mul_overflow(value, thousands[i].times, &value) || value < min ||
		    value > max)
			return -ERANGE;
		*ret = value;
		return 0;
	}
	return -EINVAL;
}

void format_rate(uint64_t rate, char *ret, size_t size)
{
	size_t i = 0;

	while (!rate || rate % thousands[i].times)
		if (++i == COUNT(thousands) - 1)
			break;
	snprintf(ret, size, "%" PRIu64 "%s", rate / thousands[i].times, thousands[i].suffix);
}

int parse_duration(const char *text, uint64_t min_ms, uint64_t max_ms, uint64_t *ret_ms)
{
	const char *rest = text + strspn(text, "0123456789");
	const char *end;
	uint64_t value;
	int r;

	for (size_t i = 0; i < COUNT(units); i++) {
		if (strcmp(rest, units[i].suffix) != 0)
			continue;
		r = read_digits(text, &value, &end);
		if (r)
			return r;
		if (__builtin_mul_overflow(value, units[i].ms, &value) || value < min_ms ||
		    value > max_ms)
			return -ERANGE;
		*ret_ms = value;
		return 0;
	}
	return -EINVAL;
}

void format_duration(uint64_t ms, char *ret, size_t size)
{
	size_t i = 0;

	if (!ms) {
		snprintf(ret, size, "0s");
		return;
	}
	while (ms % units[i].ms)
		i++;
	snprintf(ret, size, "%" PRIu64 "%s", ms / units[i].ms, units[i].suffix);
}

void format_utc(time_t time, char ret[TIME_TEXT_MAX])
{
	struct tm tm;

	ret[0] = '\0';
	if (gmtime_r(&time, &tm))
		strftime(ret, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int parse_addr(const char *text, struct xlb_addr *ret)
{
	struct xlb_addr addr;

	if (inet_pton(AF_INET6, text, addr.bytes) == 1) {
		*ret = addr;
		return 0;
	}
	memcpy(addr.bytes, v4_prefix, sizeof(v4_prefix));
	if (inet_pton(AF_INET, text, addr.bytes + sizeof(v4_prefix)) != 1)
		return -EINVAL;
	*ret = addr;
	return 0;
}

int parse_prefix(const char *text, struct xlb_addr *ret, struct xlb_addr *ret_mask)
{
	size_t length = strcspn(text, "/");
	char address[ADDR_TEXT_MAX];
	uint64_t bits, most;

	if (length >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, length);
	address[length] = '\0';
	if (parse_addr(address, ret))
		return -EINVAL;
	most = addr_family(ret) == XLB_IPV4 ? 32 : 128;
	bits = most;
	if (text[length]) {
		int r = parse_uint(text + length + 1, 0, most, &bits);

		if (r)
			return r;
	}
	bits += 128 - most;
	for (uint64_t i = 0; i < sizeof(ret_mask->bytes); i++) {
		uint64_t left = bits > i * 8 ? bits - i * 8 : 0;

		ret_mask->bytes[i] = left >= 8 ? 0xff : (uint8_t)(0xff00 >> left);
	}
	return 0;
}

int parse_network(const char *text, struct prefix *ret)
{
	struct prefix prefix = {};
	struct xlb_addr addr, mask;
	bool spare = false;
	int r = parse_prefix(text, &addr, &mask);

	if (r)
		return r;
	for (size_t i = 0; i < sizeof(mask.bytes); i++) {
		prefix.bits += (uint32_t)__builtin_popcount(mask.bytes[i]);
		prefix.addr.bytes[i] = addr.bytes[i] & mask.bytes[i];
		spare = spare || prefix.addr.bytes[i] != addr.bytes[i];
	}
	*ret = prefix;
	return spare ? -EDOM : 0;
}

void format_network(const struct prefix *prefix, char ret[PREFIX_TEXT_MAX])
{
	uint32_t skip = addr_family(&prefix->addr) == XLB_IPV4 ? 96 : 0;

	format_addr(&prefix->addr, ret);
	if (prefix->bits < 128)
		sprintf(ret + strlen(ret), "/%u", prefix->bits - skip);
}

const char *format_uint(uint64_t number, char ret[UINT_TEXT_MAX])
{
	char *p = ret + UINT_TEXT_MAX - 1;

	*p = '\0';
	do
		*--p = (char)('0' + number % 10);
	while (number /= 10);
	return p;
}

void format_addr(const struct xlb_addr *addr, char ret[ADDR_TEXT_MAX])
{
	if (addr_family(addr) == XLB_IPV4)
		inet_ntop(AF_INET, addr->bytes + sizeof(v4_prefix), ret, ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, addr->bytes, ret, ADDR_TEXT_MAX);
}

int parse_addr_port(const char *text, struct xlb_addr *ret, uint16_t *ret_port_h,
		    bool *ret_has_port)
{
	char host[ADDR_TEXT_MAX];
	const char *colon = strrchr(text, ':');
	struct xlb_addr addr;
	size_t length;
	uint64_t port;
	int r;

	if (!parse_addr(text, ret)) {
		*ret_port_h = 0;
		*ret_has_port = false;
		return 0;
	}
	if (!colon)
		return -EINVAL;
	length = (size_t)(colon - text);
	/* a colon inside the address is only unambiguous in brackets */
	if (text[0] == '[') {
		if (length < 2 || text[length - 1] != ']')
			return -EINVAL;
		text++;
		length -= 2;
	} else if (memchr(text, ':', length)) {
		return -EINVAL;
	}
	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = 0;
	if (parse_addr(host, &addr))
		return -EINVAL;
	r = parse_uint(colon + 1, 1, 65535, &port);
	if (r)
		return r;
	*ret = addr;
	*ret_port_h = (uint16_t)port;
	*ret_has_port = true;
	return 0;
}

int parse_port_range(const char *text, struct port_range *ret)
{
	const char *rest;
	uint64_t from, to;
	int r;

	r = read_digits(text, &from, &rest);
	if (r)
		return r == -ERANGE && strspn(text, "0123456789-") != strlen(text) ? -EINVAL : r;
	to = from;
	if (*rest) {
		if (*rest != '-')
			return -EINVAL;
		r = parse_uint(rest + 1, 0, UINT64_MAX, &to);
		if (r)
			return r;
	}
	if (from < 1 || to > 65535 || from > to)
		return -ERANGE;
	*ret = (struct port_range){ .from = (uint16_t)from, .to = (uint16_t)to };
	return 0;
}

/* The byte that the text after a backslash stands for, and its length there; -EINVAL if there is none. */
static int parse_escape(const char *text, size_t *ret_length)
{
	static const char letters[] = "rnt\\", bytes[] = "\r\n\t\\";
	const char *letter = *text ? strchr(letters, *text) : NULL;
	unsigned int byte;

	*ret_length = letter ? 1 : 3;
	if (letter)
		return bytes[letter - letters];
	if (*text != 'x' || !isxdigit((unsigned char)text[1]) || !isxdigit((unsigned char)text[2]))
		return -EINVAL;
	sscanf(text + 1, "%2x", &byte);
	return (int)byte;
}

int parse_bytes(const char *text, uint8_t *ret, size_t size)
{
	size_t count = 0, length;

	while (*text) {
		int byte = (unsigned char)*text++;

		if (byte == '\\') {
			byte = parse_escape(text, &length);
			if (byte < 0)
				return byte;
			text += length;
		}
		if (count == size)
			return -ERANGE;
		ret[count++] = (uint8_t)byte;
	}
	return (int)count;
}

void escape_bytes(const uint8_t *bytes, size_t length, char *ret, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < length && used + 5 <= size; i++) {
		bool plain = isprint(bytes[i]) && bytes[i] != '\\';

		used += (size_t)snprintf(ret + used, size - used, plain ? "%c" : "\\x%02x",
					 bytes[i]);
	}
	ret[used] = '\0';
}

uint8_t addr_family(const struct xlb_addr *addr)
{
	return memcmp(addr->bytes, v4_prefix, sizeof(v4_prefix)) ? XLB_IPV6 : XLB_IPV4;
}

bool addr_equal(const struct xlb_addr *a, const struct xlb_addr *b)
{
	return !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool addr_is_special(const struct xlb_addr *addr)
{
	static const uint8_t zero[15];
	const uint8_t *b = addr->bytes;
	const uint8_t *v4 = b + sizeof(v4_prefix);

	if (addr_family(addr) == XLB_IPV4)
		return v4[0] == 0 || v4[0] == 127 || (v4[0] >= 224 && v4[0] < 240) ||
		       (v4[0] == 169 && v4[1] == 254) || !memcmp(v4, "\xff\xff\xff\xff", 4);
	return (!memcmp(b, zero, sizeof(zero)) && b[15] <= 1) || b[0] == 0xff ||
	       (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

#define WORD_MAX 64

/* Edits (insert, delete, replace, swap of neighbours) between two words, case ignored. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *spare = before;
		int ca = tolower((unsigned char)a[i - 1]);

		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			int cb = tolower((unsigned char)b[j - 1]);
			size_t best = last[j - 1] + (ca != cb);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
			    cb == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[b_len];
}

const char *nearest_word(const char *word, const char *const *candidates, size_t n)
{
	size_t length = strlen(word);
	size_t limit = length / 3 ? length / 3 : 1;
	const char *best = NULL;

	if (!length || length > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(candidates[i]);
		size_t distance;

		if (other > WORD_MAX)
			continue;
		distance = edit_distance(word, length, candidates[i], other);
		if (distance > limit || distance >= length)
			continue;
		if (!distance)
			return candidates[i];
		/* only something nearer replaces what was found first */
		best = candidates[i];
		limit = distance - 1;
	}
	return best;
}
