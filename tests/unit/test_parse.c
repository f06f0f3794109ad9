// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/parse.h"
#include "base/sink.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int r;
		uint64_t value;
	} rows[] = {
		{ "0", 0, 100, 0, 0 },
		{ "100", 0, 100, 0, 100 },
		{ "101", 0, 100, -ERANGE, 0 },
		{ "1", 2, 9, -ERANGE, 0 },
		{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0 },
		{ "", 0, 9, -EINVAL, 0 },
		{ "-1", 0, 9, -EINVAL, 0 },
		{ "+1", 0, 9, -EINVAL, 0 },
		{ " 1", 0, 9, -EINVAL, 0 },
		{ "1 ", 0, 9, -EINVAL, 0 },
		{ "010", 0, 99, -EINVAL, 0 },
		{ "0x10", 0, 99, -EINVAL, 0 },
		{ "1e3", 0, 9999, -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t value = 77;

		print_message("# '%s'\n", rows[i].text);
		assert_int_equal(parse_uint(rows[i].text, rows[i].min, rows[i].max, &value),
				 rows[i].r);
		assert_int_equal(value, rows[i].r ? 77 : rows[i].value);
	}
}

static void rates(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t value;
		const char *back; /* NULL: the same text */
	} rows[] = {
		{ "1", 0, 1, NULL },
		{ "999", 0, 999, NULL },
		{ "20k", 0, 20000, NULL },
		{ "1500", 0, 1500, NULL },
		{ "100M", 0, 100000000, NULL },
		{ "1000M", 0, 1000000000, "1G" },
		{ "1T", 0, 1000000000000, NULL },
		{ "1001G", -ERANGE, 0, NULL },
		{ "0", -ERANGE, 0, NULL },
		{ "0k", -ERANGE, 0, NULL },
		{ "99999999999999999999", -ERANGE, 0, NULL },
		{ "99999999999999T", -ERANGE, 0, NULL },
		{ "", -EINVAL, 0, NULL },
		{ "k", -EINVAL, 0, NULL },
		{ "-1", -EINVAL, 0, NULL },
		{ "010", -EINVAL, 0, NULL },
		{ "1.5M", -EINVAL, 0, NULL },
		{ "10m", -EINVAL, 0, NULL },
		{ "10K", -EINVAL, 0, NULL },
		{ "10 k", -EINVAL, 0, NULL },
		{ "10kk", -EINVAL, 0, NULL },
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 0;

		assert_int_equal(parse_rate(rows[i].text, 1, 1000000000000, &value), rows[i].r);
		assert_int_equal(value, rows[i].value);
		if (rows[i].r)
			continue;
		format_rate(value, text, sizeof(text));
		assert_string_equal(text, rows[i].back ? rows[i].back : rows[i].text);
	}
	format_rate(0, text, sizeof(text));
	assert_string_equal(text, "0");
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t ms;
		const char *printed;
	} rows[] = {
		{ "250ms", 0, 250, "250ms" },
		{ "60s", 0, 60000, "1m" },
		{ "90s", 0, 90000, "90s" },
		{ "5m", 0, 300000, "5m" },
		{ "24h", 0, 86400000, "1d" },
		{ "7d", 0, 604800000, "7d" },
		{ "1500ms", 0, 1500, "1500ms" },
		{ "0s", 0, 0, "0s" },
		{ "8d", -ERANGE, 0, NULL },
		{ "18446744073709551615d", -ERANGE, 0, NULL },
		{ "99999999999999999999s", -ERANGE, 0, NULL },
		{ "60", -EINVAL, 0, NULL },
		{ "s", -EINVAL, 0, NULL },
		{ "", -EINVAL, 0, NULL },
		{ "1m30s", -EINVAL, 0, NULL },
		{ "1.5s", -EINVAL, 0, NULL },
		{ "-1s", -EINVAL, 0, NULL },
		{ "1 s", -EINVAL, 0, NULL },
		{ "1S", -EINVAL, 0, NULL },
		{ "01s", -EINVAL, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t ms = 77;
		char text[32];

		print_message("# '%s'\n", rows[i].text);
		assert_int_equal(parse_duration(rows[i].text, 0, 604800000, &ms), rows[i].r);
		assert_int_equal(ms, rows[i].r ? 77 : rows[i].ms);
		if (rows[i].r)
			continue;
		format_duration(ms, text, sizeof(text));
		assert_string_equal(text, rows[i].printed);
	}
}

static void addresses(void **state)
{
	static const struct {
		const char *text;
		uint8_t family; /* 0: refused */
		const char *printed;
		bool special;
	} rows[] = {
		{ "10.0.1.11", XLB_IPV4, "10.0.1.11", false },
		{ "2001:DB8:0::1", XLB_IPV6, "2001:db8::1", false },
		{ "::ffff:10.0.0.1", XLB_IPV4, "10.0.0.1", false },
		{ "0.0.0.0", XLB_IPV4, "0.0.0.0", true },
		{ "127.1.2.3", XLB_IPV4, "127.1.2.3", true },
		{ "169.254.0.1", XLB_IPV4, "169.254.0.1", true },
		{ "224.0.0.1", XLB_IPV4, "224.0.0.1", true },
		{ "239.255.255.255", XLB_IPV4, "239.255.255.255", true },
		{ "255.255.255.255", XLB_IPV4, "255.255.255.255", true },
		{ "223.255.255.255", XLB_IPV4, "223.255.255.255", false },
		{ "::", XLB_IPV6, "::", true },
		{ "::1", XLB_IPV6, "::1", true },
		{ "::2", XLB_IPV6, "::2", false },
		{ "fe80::1", XLB_IPV6, "fe80::1", true },
		{ "febf::1", XLB_IPV6, "febf::1", true },
		{ "fec0::1", XLB_IPV6, "fec0::1", false },
		{ "ff02::1", XLB_IPV6, "ff02::1", true },
		{ "fd00::1", XLB_IPV6, "fd00::1", false },
		{ "10.0.1", 0, NULL, false },
		{ "10.0.1.256", 0, NULL, false },
		{ "10.0.1.011", 0, NULL, false },
		{ "10.0.1.1/24", 0, NULL, false },
		{ "fe80::1%eth0", 0, NULL, false },
		{ "host", 0, NULL, false },
		{ "", 0, NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[ADDR_TEXT_MAX];
		struct xlb_addr addr;

		print_message("# '%s'\n", rows[i].text);
		assert_int_equal(parse_addr(rows[i].text, &addr), rows[i].family ? 0 : -EINVAL);
		if (!rows[i].family)
			continue;
		assert_int_equal(addr_family(&addr), rows[i].family);
		format_addr(&addr, text);
		assert_string_equal(text, rows[i].printed);
		assert_int_equal(addr_is_special(&addr), rows[i].special);
	}
}

static void addresses_with_ports(void **state)
{
	static const struct {
		const char *text;
		int r;
		const char *addr;
		uint16_t port;
	} rows[] = {
		{ "10.0.1.13:8080", 0, "10.0.1.13", 8080 },
		{ "[2001:db8::1]:8080", 0, "2001:db8::1", 8080 },
		{ "10.0.1.13", 0, "10.0.1.13", 0 },
		{ "2001:db8::1", 0, "2001:db8::1", 0 },
		{ "2001:db8::1:8080", 0, "2001:db8::1:8080", 0 },
		{ "[10.0.1.13]:80", 0, "10.0.1.13", 80 },
		{ "10.0.1.13:0", -ERANGE, NULL, 0 },
		{ "10.0.1.13:70000", -ERANGE, NULL, 0 },
		{ "10.0.1.13:", -EINVAL, NULL, 0 },
		{ ":80", -EINVAL, NULL, 0 },
		{ "[]:80", -EINVAL, NULL, 0 },
		{ "[2001:db8::1]", -EINVAL, NULL, 0 },
		{ "1:2:3:80", -EINVAL, NULL, 0 },
		{ "host:80", -EINVAL, NULL, 0 },
		{ "[2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0001]:80", -EINVAL, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[ADDR_TEXT_MAX];
		struct xlb_addr addr;
		uint16_t port;
		bool has_port;

		print_message("# '%s'\n", rows[i].text);
		assert_int_equal(parse_addr_port(rows[i].text, &addr, &port, &has_port), rows[i].r);
		if (rows[i].r)
			continue;
		format_addr(&addr, text);
		assert_string_equal(text, rows[i].addr);
		assert_int_equal(port, rows[i].port);
		assert_int_equal(has_port, rows[i].port != 0);
	}
}

static void prefixes(void **state)
{
	static const struct {
		const char *text, *mask;
		int r;
	} rows[] = {
		{ "192.0.2.1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0 },
		{ "192.0.2.0/24", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00", 0 },
		{ "192.0.2.0/30", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc", 0 },
		{ "0.0.0.0/0", "ffff:ffff:ffff:ffff:ffff:ffff::", 0 },
		{ "2001:db8::/33", "ffff:ffff:8000::", 0 },
		{ "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0 },
		{ "::/0", "::", 0 },
		{ "192.0.2.0/33", NULL, -ERANGE },
		{ "2001:db8::/129", NULL, -ERANGE },
		{ "192.0.2.0/", NULL, -EINVAL },
		{ "192.0.2.0/24/1", NULL, -EINVAL },
		{ "/24", NULL, -EINVAL },
		{ "", NULL, -EINVAL },
		{ "2001:db8:0000:0000:0000:0000:0000:0000:0000:0000:0000/32", NULL, -EINVAL },
	};
	struct xlb_addr addr, mask, expected;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse_prefix(rows[i].text, &addr, &mask), rows[i].r);
		if (rows[i].r)
			continue;
		assert_int_equal(inet_pton(AF_INET6, rows[i].mask, expected.bytes), 1);
		assert_memory_equal(mask.bytes, expected.bytes, sizeof(mask.bytes));
	}
}

static void port_ranges(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint16_t from, to;
	} rows[] = {
		{ "80", 0, 80, 80 },
		{ "1-65535", 0, 1, 65535 },
		{ "10000-20000", 0, 10000, 20000 },
		{ "0", -ERANGE, 0, 0 },
		{ "65536", -ERANGE, 0, 0 },
		{ "200-100", -ERANGE, 0, 0 },
		{ "0-10", -ERANGE, 0, 0 },
		{ "80-", -EINVAL, 0, 0 },
		{ "-80", -EINVAL, 0, 0 },
		{ "80-90-100", -EINVAL, 0, 0 },
		{ "any", -EINVAL, 0, 0 },
		{ "", -EINVAL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct port_range range = {};

		print_message("# '%s'\n", rows[i].text);
		assert_int_equal(parse_port_range(rows[i].text, &range), rows[i].r);
		assert_int_equal(range.from, rows[i].from);
		assert_int_equal(range.to, rows[i].to);
	}
}

static void nearest_words(void **state)
{
	static const char *const words[] = { "protocol", "port", "server_group", "idle_timeout",
					     "enabled" };
	static const struct {
		const char *word, *nearest;
	} rows[] = {
		{ "sevrer_group", "server_group" },
		{ "Port", "port" },
		{ "ports", "port" },
		{ "protcol", "protocol" },
		{ "timeout", NULL },
		{ "x", NULL },
		{ "", NULL },
		{ "this-word-is-much-too-long-to-be-compared-with-anything-that-we-know-of", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *nearest = nearest_word(rows[i].word, words, COUNT(words));

		print_message("# '%s'\n", rows[i].word);
		if (rows[i].nearest)
			assert_string_equal(nearest, rows[i].nearest);
		else
			assert_null(nearest);
	}
}

static void errors(void **state)
{
	struct xlb_err err = { .line = 3, .hint = "old" };
	char longest[600];

	(void)state;
	assert_int_equal(xlb_err_set(&err, XLB_ERR_CONFIG, -22, "%s", "inner"), -22);
	assert_int_equal(err.line, 0);
	assert_string_equal(err.hint, "");
	xlb_err_prefix(&err, "outer %d", 1);
	assert_string_equal(err.text, "outer 1: inner");
	xlb_err_set(&err, XLB_ERR_FAILED, -1, "again: %s", err.text);
	assert_string_equal(err.text, "again: outer 1: inner");

	/* a text that is cut ends with a whole character */
	memset(longest, 'x', 510);
	strcpy(longest + 510, "\xc3\xa9\xc3\xa9");
	xlb_err_set(&err, XLB_ERR_FAILED, -1, "%s", longest);
	assert_int_equal(strlen(err.text), 510);
	xlb_err_prefix(&err, "prefix");
	assert_int_equal(strlen(err.text), 511);

	for (int i = XLB_ERR_NONE + 1; i < XLB_ERR_CLASS_COUNT; i++)
		assert_int_equal(xlb_err_class_of(xlb_err_word(i)), i);
	assert_int_equal(xlb_err_class_of("no such"), XLB_ERR_FAILED);
	assert_int_equal(xlb_err_exit(XLB_ERR_CONFIG), 3);
	assert_int_equal(xlb_err_status(XLB_ERR_CONFLICT), 412);
	assert_int_equal(xlb_err_set(NULL, XLB_ERR_FAILED, -5, "nobody listens"), -5);
}

static void table_rows(void **state)
{
	(void)state;
	for (int i = 0; i < TABLE_COUNT; i++) {
		assert_int_equal(tables[i].id, i);
		assert_true(tables[i].key_size && tables[i].key_size <= ROW_KEY_MAX);
		assert_true(tables[i].value_size && tables[i].value_size <= ROW_VALUE_MAX);
		assert_true(!i || tables[i].rank >= tables[i - 1].rank);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(durations),
		cmocka_unit_test(rates),
		cmocka_unit_test(addresses),
		cmocka_unit_test(addresses_with_ports),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(port_ranges),
		cmocka_unit_test(nearest_words),
		cmocka_unit_test(errors),
		cmocka_unit_test(table_rows),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
