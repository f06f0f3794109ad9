// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What groups that go by connection ids of QUIC become: the group's row, flags of servers, server ids. */
#include "compile_lab.h"
#include "core/quic.h"

#define ALONE \
	"version: 1\n" \
	"interfaces: {eth0: {mode: native}, eth1: {mode: native}}\n" \
	"load_balancers: {}\n" \
	"server_groups:\n" \
	"  web:\n" \
	"    health_check: {type: none}\n"
#define QUIC ALONE "    hash: quic\n"

static struct xlb_choice group_row(const struct fixture *fixture)
{
	const struct row *row =
		rows_find(&fixture->compiled.rows, TABLE_GROUP, &(struct row_id){ 1 });
	struct xlb_choice value;

	assert_non_null(row);
	memcpy(&value, row->value, sizeof(value));
	return value;
}

/* Whom the server id, of two bytes, names. */
static struct xlb_quic_server whom(const struct fixture *fixture, uint8_t first, uint8_t second)
{
	struct xlb_quic_server_key key = { .group = 1, .id = { first, second } };
	const struct row *row = rows_find(&fixture->compiled.rows, TABLE_QUIC_SERVER, &key);
	struct xlb_quic_server value = {};

	if (row)
		memcpy(&value, row->value, sizeof(value));
	return value;
}

static void test_texts(void **state)
{
	static const char *const bad[] = {
		"", "0", "0a0", "0g", "a b c", "-1", "00112233445566778899aabbccddeeff"
	};
	uint8_t id[XLB_QUIC_SERVER_ID_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(quic_id_parse(bad[i], id), -EINVAL);
	assert_int_equal(quic_id_parse("0aF9", id), 2);
	assert_int_equal(id[0], 0x0a);
	assert_int_equal(id[1], 0xf9);
	assert_int_equal(quic_id_parse("00112233445566778899aabbccddee", id), 15);
	assert_int_equal(id[14], 0xee);
}

static void test_tuple(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture, ALONE "    servers: {web1: {address: 10.0.1.11}}\n");
	assert_int_equal(group_row(fixture).id_length, 0);
	assert_int_equal(server_row(fixture, 1).flags, 0);
	assert_int_equal(count_rows(fixture, TABLE_QUIC_SERVER), 0);
}

static void test_defaults(void **state)
{
	static const char *const texts[] = {
		QUIC "    servers: {web1: {address: 10.0.1.11}}\n",
		ALONE "    scheduler: Qch\n    servers: {web1: {address: 10.0.1.11}}\n",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		run_ok(fixture, texts[i]);
		assert_int_equal(group_row(fixture).id_length, 8);
		assert_int_equal(group_row(fixture).server_id_length, 0);
		assert_int_equal(group_row(fixture).config, XLB_QUIC_CONFIGS);
		assert_int_equal(server_row(fixture, 1).flags, XLB_SERVER_QUIC);
		assert_int_equal(count_rows(fixture, TABLE_QUIC_SERVER), 0);
	}
}

/* Servers that take no new flows have their names still; those without one are found otherwise. */
static void test_names(void **state)
{
	struct fixture *fixture = *state;

	run_ok(fixture, QUIC "    quic: {id_length: 16, config: 0}\n"
			     "    servers:\n"
			     "      a: {address: 10.0.1.11, quic_id: 0a01}\n"
			     "      b: {address: 10.0.1.12, quic_id: 0a02, weight: 0}\n"
			     "      c: {address: 10.0.1.13}\n"
			     "      d: {address: 10.0.1.14, quic_id: 0A04, enabled: false}\n");
	assert_int_equal(group_row(fixture).id_length, 16);
	assert_int_equal(group_row(fixture).server_id_length, 2);
	assert_int_equal(group_row(fixture).config, 0);
	assert_int_equal(count_rows(fixture, TABLE_QUIC_SERVER), 3);
	assert_int_equal(whom(fixture, 10, 1).ipv4, 1);
	assert_int_equal(whom(fixture, 10, 2).ipv4, 2);
	assert_int_equal(whom(fixture, 10, 4).ipv4, 4);
	/* fullnat: IPv6 clients are served at the IPv4 address */
	assert_int_equal(whom(fixture, 10, 1).ipv6, 1);
	/* the next configuration does not name the first server any more */
	run_ok(fixture, QUIC "    servers: {c: {address: 10.0.1.13, quic_id: 0102}}\n");
	assert_int_equal(count_rows(fixture, TABLE_QUIC_SERVER), 1);
	assert_int_equal(whom(fixture, 1, 2).ipv4, 3);
}

/* By its address of the client's family, while that is not down; in modes of one family by no other. */
static void test_families(void **state)
{
#define BOTH "    servers: {a: {address: [10.0.1.11, \"2001:db8:1::11\"], quic_id: 0a01}}\n"
	static const struct {
		const char *text, *down;
		uint32_t ipv4, ipv6;
	} rows[] = {
		{ QUIC BOTH, NULL, 1, 2 },
		{ QUIC BOTH, "10.0.1.11", 2, 2 },
		{ QUIC BOTH, "2001:db8:1::11", 1, 1 },
		{ QUIC BOTH, "a", 1, 2 },
		{ QUIC "    address_family_affinity: same\n" BOTH, "10.0.1.11", 1, 2 },
		{ QUIC "    servers: {a: {address: 10.0.1.11, quic_id: 0a01}}\n", NULL, 1, 1 },
		{ QUIC "    address_family_affinity: same\n"
		       "    servers: {a: {address: 10.0.1.11, quic_id: 0a01}}\n",
		  NULL, 1, 0 },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fixture->fake.down[0] = rows[i].down;
		run_ok(fixture, rows[i].text);
		assert_int_equal(whom(fixture, 10, 1).ipv4, rows[i].ipv4);
		assert_int_equal(whom(fixture, 10, 1).ipv6, rows[i].ipv6);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts), TEST(test_tuple),
		TEST(test_defaults),	      TEST(test_names),
		TEST(test_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
