// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* VLAN devices and bonds become rows beside their NIC. */
#include "compile_lab.h"

#define TAG(id) __builtin_bswap32(0x81000000U | (id))

static const struct vlan_device vlans[] = {
	{ "eth0.100", 1500, { 2, 1 }, { { TAG(100), 0 } } },
	{ "eth0.100.200", 1496, { 2, 2 }, { { TAG(100), TAG(200) } } },
};

static struct xlb_interface interface_row(const struct fixture *fixture, const char *name)
{
	const struct id_entry *entry = ids_find(fixture->ids, ID_INTERFACE, name);
	struct xlb_interface value = {};
	const struct row *row;

	assert_non_null(entry);
	row = rows_find(&fixture->compiled.rows, TABLE_INTERFACE, &(struct row_id){ entry->id });
	if (row)
		memcpy(&value, row->value, sizeof(value));
	return value;
}

static uint32_t slot_of(const struct fixture *fixture, const char *name)
{
	return ids_find(fixture->ids, ID_INTERFACE, name)->id;
}

static void test_vlans(void **state)
{
	struct fixture *fixture = *state;
	struct xlb_interface row;

	fixture->fake.vlans = vlans;
	fixture->fake.vlan_count = 2;
	run_ok(fixture, WEB);
	assert_int_equal(count_rows(fixture, TABLE_INTERFACE), 4);
	assert_int_equal(count_rows(fixture, TABLE_ATTACHMENT), 2);
	row = interface_row(fixture, "eth0");
	assert_int_equal(row.nic, slot_of(fixture, "eth0"));
	assert_false(row.flags & XLB_INTERFACE_TAGGED);
	row = interface_row(fixture, "eth0.100.200");
	assert_int_equal(row.ifindex, 2);
	assert_int_equal(row.mtu, 1496);
	assert_int_equal(row.nic, slot_of(fixture, "eth0"));
	assert_true(row.flags & XLB_INTERFACE_TAGGED);
	assert_memory_equal(&row.tags, &vlans[1].tags, sizeof(row.tags));
	assert_memory_equal(row.mac, vlans[1].mac, sizeof(row.mac));
	/* and what hides their tags on the NIC goes off */
	assert_int_equal(count_rows(fixture, TABLE_SETTING), 1);

	fixture->fake.vlan_count = 1;
	run_ok(fixture, WEB);
	assert_int_equal(count_rows(fixture, TABLE_INTERFACE), 3);
	fixture->fake.vlan_count = 0;
	run_ok(fixture, WEB);
	assert_int_equal(count_rows(fixture, TABLE_INTERFACE), 2);
	assert_int_equal(count_rows(fixture, TABLE_SETTING), 0);
}

/* One that the configuration names is not found a second time. */
static void test_named(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake.vlans = vlans;
	fixture->fake.vlan_count = 1;
	run_ok(fixture, "version: 1\ninterfaces: {eth0: {}, eth0.100: {}}\n");
	assert_int_equal(count_rows(fixture, TABLE_INTERFACE), 1);
}

static void test_no_room(void **state)
{
	struct vlan_device *many = calloc(XLB_MAX_INTERFACES, sizeof(*many));
	struct fixture *fixture = *state;

	for (uint32_t i = 0; i < XLB_MAX_INTERFACES; i++) {
		snprintf(many[i].name, sizeof(many[i].name), "eth0.%u", i + 1);
		many[i].tags.tag[0] = TAG(i + 1);
	}
	fixture->fake.vlans = many;
	fixture->fake.vlan_count = XLB_MAX_INTERFACES;
	run_ok(fixture, "version: 1\ninterfaces: {eth0: {}}\n");
	assert_int_equal(count_rows(fixture, TABLE_INTERFACE), XLB_MAX_INTERFACES - 1);
	assert_non_null(strstr(fixture->compiled.warnings, "no room for VLAN device eth0.256"));
	free(many);
}

static void test_bond(void **state)
{
	static const struct bond_port ports[] = { { "eth5", 5 }, { "eth6", 6 } };
	struct fixture *fixture = *state;
	const struct row *row;

	fixture->fake.ports = ports;
	fixture->fake.port_count = 2;
	run_ok(fixture, WEB);
	assert_int_equal(count_rows(fixture, TABLE_BOND_PORT), 2);
	row = rows_find(&fixture->compiled.rows, TABLE_BOND_PORT, &(struct row_id){ 6 });
	assert_non_null(row);
	assert_int_equal(((const struct row_id *)(const void *)row->value)->id,
			 slot_of(fixture, "eth0"));
	assert_int_equal(count_rows(fixture, TABLE_SETTING), 0);
	/* ports take off the tags of a bond's VLANs */
	fixture->fake.vlans = vlans;
	fixture->fake.vlan_count = 1;
	run_ok(fixture, WEB);
	assert_int_equal(count_rows(fixture, TABLE_SETTING), 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_vlans),
		TEST(test_named),
		TEST(test_no_room),
		TEST(test_bond),
	};

	return cmocka_run_group_tests_name("compile_vlan", tests, NULL, NULL);
}
