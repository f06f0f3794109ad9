/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The datapath's tables: put, list and del of each, the contents of the big ones, counters. */
#include "datapath_fixture.h"

static void test_plain_rows(void **state)
{
	const struct xlb_server server = {
		.addr = { .bytes = { [10] = 0xff, 0xff, 10, 0, 1, 11 } },
		.port = htons(8080),
		.family = XLB_IPV4,
		.mode = XLB_MODE_FULLNAT,
		.pool_count = 1,
		.nexthop = 3,
		.pools = { { .snat = 1, .bitmap = 7 } },
	};
	const struct xlb_nexthop nexthop = { .mac = { 2, 0, 0, 0, 0, 1 }, .interface = 1 };
	const struct xlb_nexthop unresolved = {};
	const struct xlb_snat snat = { { .bytes = { 0x20, 1, 0xd, 0xb8, [15] = 1 } } };
	const struct xlb_listener listener = { .group = 2, .idle_timeout = 900 };
	const struct xlb_addr addr = { .bytes = { [10] = 0xff, 0xff, 192, 0, 2, 1 } };
	const struct xlb_address role = { .vip = 4 };
	const struct row_vip flags = { .flags = XLB_VIP_HOST }, no_flags = {};
	const struct row_group quic = { .choice.id_length = 8, .instead = { 3, 4, 3, 0 } },
			       tuple = {};
	const struct xlb_split split = { .groups = { { 3, 5 }, { 2, UINT32_MAX } } };
	const struct xlb_limits limits = { .all = { .bits = 1 }, .source = { .flows = 2 } };
	const struct xlb_quic_server_key named = { .group = 7, .id = { 10, 11 } };
	const struct xlb_quic_server names = { .ipv4 = 3 };
	const struct {
		enum table_id table;
		const void *key, *value;
	} rows[] = {
		{ TABLE_SERVER, &id7, &server },       { TABLE_NEXTHOP, &id7, &nexthop },
		{ TABLE_NEXTHOP, &id7, &unresolved },  { TABLE_SNAT, &id7, &snat },
		{ TABLE_LISTENER, &id7, &listener },   { TABLE_VIP, &id7, &flags },
		{ TABLE_VIP, &id7, &no_flags },	       { TABLE_ADDRESS, &addr, &role },
		{ TABLE_GROUP, &id7, &quic },	       { TABLE_GROUP, &id7, &tuple },
		{ TABLE_QUIC_SERVER, &named, &names }, { TABLE_SPLIT, &id7, &split },
		{ TABLE_LIMITS, &id7, &limits },
	};

	(void)state;
	NEED_KERNEL();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_count(rows[i].table, 0);
		put(rows[i].table, rows[i].key, rows[i].value);
		put(rows[i].table, rows[i].key, rows[i].value);
		assert_count(rows[i].table, 1);
		assert_listed(rows[i].table, rows[i].key, rows[i].value);
		del(rows[i].table, rows[i].key);
		assert_count(rows[i].table, 0);
	}
}

static void test_ids_out_of_range(void **state)
{
	const struct row_id zero = { 0 }, large = { XLB_MAX_SERVERS };
	const struct row_vip_addr_key vip_addr = { .ifname = "lo" };
	const struct xlb_server server = { .family = XLB_IPV4 };

	(void)state;
	NEED_KERNEL();
	assert_int_equal(try_put(TABLE_SERVER, &zero, &server, NULL, 0), -ERANGE);
	assert_int_equal(try_put(TABLE_SERVER, &large, &server, NULL, 0), -ERANGE);
	assert_string_equal(err.text, "id 16384 of table 'server' is outside of 1-16383");
	/* a table of another sink */
	assert_int_equal(try_put(TABLE_VIP_ADDR, &vip_addr, &(struct row_flags){ 0 }, NULL, 0),
			 -EINVAL);
}

static void test_addresses_full(void **state)
{
	const struct xlb_address role = { .snat = 1 };
	struct xlb_addr addr = { .bytes = { 0x20, 1 } };
	int r = 0;

	(void)state;
	NEED_KERNEL();
	for (uint32_t i = 0; r == 0 && i < 1000000; i++) {
		addr.words[3] = i;
		r = try_put(TABLE_ADDRESS, &addr, &role, NULL, 0);
	}
	assert_int_equal(r, -ENOSPC);
	assert_non_null(strstr(err.text, "no room for address '2001::"));
}

/* What the datapath would find. */
static uint32_t slot_of(uint32_t ifindex)
{
	for (uint32_t i = 0; i < XLB_PROBES; i++) {
		uint32_t place = (ifindex + i) % XLB_INTERFACE_PLACES;
		struct xlb_interface_slot found = shared_tables()->interface_slots[place];

		if (found.ifindex == ifindex || !found.ifindex)
			return found.slot;
	}
	return 0;
}

/* What was put is there, whatever else came and went. */
static void test_addresses_come_and_go(void **state)
{
	const struct xlb_address role = { .snat = 1 };
	struct xlb_addr addr = { .bytes = { 0x20, 1 } };
	const struct xlb_tables *shared;
	uint32_t left = 0;
	struct row row;

	(void)state;
	NEED_KERNEL();
	for (uint32_t i = 0; i < 300000; i++) {
		addr.words[3] = i;
		put(TABLE_ADDRESS, &addr, &role);
		if (i < 20)
			continue;
		addr.words[3] = i - 20;
		row = row_of(TABLE_ADDRESS, &addr, NULL);
		assert_int_equal(datapath_sink(dp)->del(datapath_sink(dp), &row, &err), 0);
	}
	assert_count(TABLE_ADDRESS, 20);
	/* and what went has left nothing behind that searches must pass */
	shared = shared_tables();
	for (uint32_t place = 0; place < XLB_ADDRESS_PLACES; place++)
		left += !shared->addresses[place].role.snat &&
			shared->addresses[place].addr.words[0];
	assert_in_range(left, 0, 20);
}

static uint32_t vlan_slot_of(const struct xlb_interface *vlan)
{
	const struct xlb_tables *shared = shared_tables();

	for (uint32_t i = 0; i < XLB_VLAN_PLACES; i++)
		if (shared->vlan_slots[i].nic.ifindex == vlan->ifindex &&
		    !memcmp(&shared->vlan_slots[i].tags, &vlan->tags, sizeof(vlan->tags)))
			return shared->vlan_slots[i].nic.slot;
	return 0;
}

/* VLAN devices and ports of a bond beside the NIC that they are of. */
static void test_vlans_and_ports(void **state)
{
	struct xlb_interface nic = { .ifindex = if_nametoindex("xlbt0"), .mtu = 1500, .nic = 7 };
	struct xlb_interface vlan = { .ifindex = nic.ifindex,
				      .mtu = 1496,
				      .flags = XLB_INTERFACE_TAGGED,
				      .nic = 7,
				      .tags = { { htonl(0x81000064), 0 } } };
	struct xlb_interface moved = vlan;
	struct row_id slot8 = { 8 }, port = { if_nametoindex("xlbt1") }, bond = { 7 };
	struct row row;

	(void)state;
	NEED_KERNEL();
	put(TABLE_INTERFACE, &id7, &nic);
	put(TABLE_INTERFACE, &slot8, &vlan);
	assert_count(TABLE_INTERFACE, 2);
	assert_int_equal(slot_of(nic.ifindex), 7);
	assert_int_equal(vlan_slot_of(&vlan), 8);
	/* another id */
	moved.tags.tag[1] = htonl(0x81000065);
	put(TABLE_INTERFACE, &slot8, &moved);
	assert_int_equal(vlan_slot_of(&vlan), 0);
	assert_int_equal(vlan_slot_of(&moved), 8);

	put(TABLE_BOND_PORT, &port, &bond);
	assert_listed(TABLE_BOND_PORT, &port, &bond);
	assert_int_equal(slot_of(port.id), 7);
	row = row_of(TABLE_BOND_PORT, &port, &bond);
	assert_int_equal(datapath_sink(dp)->del(datapath_sink(dp), &row, &err), 0);
	assert_count(TABLE_BOND_PORT, 0);
	assert_int_equal(slot_of(port.id), 0);
	del(TABLE_INTERFACE, &slot8);
	assert_int_equal(vlan_slot_of(&moved), 0);
	assert_listed(TABLE_INTERFACE, &id7, &nic);
	del(TABLE_INTERFACE, &id7);
	assert_count(TABLE_INTERFACE, 0);
}

static void test_interface(void **state)
{
	struct xlb_interface value = { .ifindex = if_nametoindex("xlbt0"),
				       .mtu = 1500,
				       .mac = { 2 } };
	struct xlb_interface missing = { .ifindex = 99999, .mtu = 1500 };
	struct xlb_interface gone;
	uint32_t ifindex = value.ifindex, slot = 7, device = 0;

	(void)state;
	NEED_KERNEL();
	assert_int_equal(try_put(TABLE_INTERFACE, &id7, &missing, NULL, 0), -EINVAL);
	assert_count(TABLE_INTERFACE, 0);
	put(TABLE_INTERFACE, &id7, &value);
	assert_listed(TABLE_INTERFACE, &id7, &value);
	assert_int_equal(slot_of(ifindex), 7);
	assert_int_equal(bpf_map_lookup_elem(datapath_map_fd(dp, "devices"), &slot, &device), 0);
	assert_int_equal(device, ifindex);
	/* a failed put leaves the old row */
	assert_int_equal(try_put(TABLE_INTERFACE, &id7, &missing, NULL, 0), -EINVAL);
	assert_listed(TABLE_INTERFACE, &id7, &value);
	/* to another NIC */
	value.ifindex = if_nametoindex("xlbt1");
	put(TABLE_INTERFACE, &id7, &value);
	assert_listed(TABLE_INTERFACE, &id7, &value);
	assert_int_equal(slot_of(ifindex), 0);
	/* the NIC vanishes */
	run("ip link add xlbt8 type veth peer name xlbt9");
	value.ifindex = if_nametoindex("xlbt8");
	put(TABLE_INTERFACE, &id7, &value);
	run("ip link del xlbt8");
	gone = value;
	gone.ifindex = 0;
	assert_listed(TABLE_INTERFACE, &id7, &gone);
	put(TABLE_INTERFACE, &id7, &gone);
	assert_listed(TABLE_INTERFACE, &id7, &gone);
	del(TABLE_INTERFACE, &id7);
	assert_count(TABLE_INTERFACE, 0);
}

static struct xlb_table_ref maglev_ref(uint32_t group)
{
	return shared_tables()->groups[group].table6;
}

/* The words of a table; until those of another chunk are asked for. */
static const uint64_t *maglev_words(struct xlb_table_ref ref)
{
	const size_t words = XLB_MAGLEV_PER_CHUNK * XLB_MAGLEV_WORDS;

	return chunk_words("maglev_chunks", ref.chunk, words * sizeof(uint64_t)) +
	       ref.offset * XLB_MAGLEV_WORDS;
}

static void test_maglev(void **state)
{
	const struct row_maglev_key key = { 5, XLB_IPV6 };
	struct xlb_table_ref first, second, third;
	const uint64_t *words;

	(void)state;
	NEED_KERNEL();
	maglev_put(1);
	first = maglev_ref(5);
	words = maglev_words(first);
	assert_int_equal(first.epoch, 1);
	for (uint32_t i = 0; i < XLB_MAGLEV_SLOTS; i++)
		assert_int_equal((words[i / 4] >> (i % 4 * 16)) & 0xffff, (uint16_t)(i * 31 + 1));
	maglev_put(2);
	second = maglev_ref(5);
	assert_int_equal(second.epoch, 2);
	assert_int_not_equal(second.offset, first.offset);
	/* packets may still read the first table */
	maglev_put(3);
	third = maglev_ref(5);
	assert_int_not_equal(third.offset, first.offset);
	assert_int_equal(words[XLB_MAGLEV_HASH_WORD], 1);
	datapath_settle(dp);
	maglev_put(4);
	assert_int_equal(maglev_ref(5).offset, first.offset);
	dp_reopen();
	assert_count(TABLE_MAGLEV, 1);
	/* what is in use is known after a restart */
	maglev_put(5);
	assert_int_not_equal(maglev_ref(5).offset, first.offset);
	del(TABLE_MAGLEV, &key);
	assert_count(TABLE_MAGLEV, 0);
	assert_int_equal(try_put(TABLE_MAGLEV, &key, &(struct row_hash){ 6 }, NULL, 0), -EINVAL);
}

static const struct xlb_port_page *port_page(uint32_t index)
{
	static struct mapped pages;
	const struct xlb_port_page *page = map_memory(&pages, datapath_map_fd(dp, "port_pages"),
						      XLB_MAX_PORT_PAGES * sizeof(*page));

	return page + index;
}

static uint32_t port_match(uint32_t vip, uint32_t protocol, uint16_t port)
{
	const struct xlb_vip value = shared_tables()->vips[vip];
	uint32_t index = protocol == IPPROTO_TCP ? value.tcp_root : value.udp_root, entry;

	if (!index)
		return 0;
	entry = port_page(index)->entry[port >> 8];
	return entry & XLB_PORT_PAGE ? port_page(entry & ~XLB_PORT_PAGE)->entry[port & 255] : entry;
}

static void assert_ports(uint32_t vip, uint32_t protocol, uint16_t from, uint16_t to)
{
	for (uint32_t port = 0; port < 65536; port += 3)
		assert_int_equal(port_match(vip, protocol, (uint16_t)port),
				 port >= from && port <= to ? 2 : 1);
	assert_int_equal(port_match(vip, protocol, from), 2);
	assert_int_equal(port_match(vip, protocol, to), 2);
	assert_int_equal(port_match(vip, protocol, to + 1), 1);
}

static void test_port_set(void **state)
{
	const struct row_port_set_key tcp = { 7, IPPROTO_TCP }, udp = { 7, IPPROTO_UDP };
	AUTO_FREE struct content_port_set *set = port_set_new(10000, 20000),
					  *other = port_set_new(500, 1500),
					  *narrow = port_set_new(600, 1200),
					  *last = port_set_new(3000, 5000);
	struct content_port_set broken = { .leaf_count = 0, .root = { XLB_PORT_PAGE } };
	const struct row_hash hash = { 1 };

	(void)state;
	NEED_KERNEL();
	put(TABLE_VIP, &id7, &(struct row_vip){ .flags = XLB_VIP_HOST });
	port_set_put(7, IPPROTO_TCP, set, 11);
	port_set_put(7, IPPROTO_UDP, other, 12);
	assert_ports(7, IPPROTO_TCP, 10000, 20000);
	assert_ports(7, IPPROTO_UDP, 500, 1500);
	assert_int_equal(try_put(TABLE_PORT_SET, &tcp, &hash, &broken, sizeof(broken)), -EINVAL);
	assert_ports(7, IPPROTO_TCP, 10000, 20000);
	/* more switches than there are pages: replaced ones come back */
	for (uint64_t i = 0; i < XLB_MAX_PORT_PAGES / 3 + 10; i++)
		port_set_put(7, IPPROTO_TCP, narrow, 100 + i);
	assert_ports(7, IPPROTO_TCP, 600, 1200);
	assert_ports(7, IPPROTO_UDP, 500, 1500);
	dp_reopen();
	port_set_put(7, IPPROTO_TCP, last, 13);
	assert_ports(7, IPPROTO_UDP, 500, 1500);
	assert_ports(7, IPPROTO_TCP, 3000, 5000);
	del(TABLE_PORT_SET, &tcp);
	assert_int_equal(port_match(7, IPPROTO_TCP, 3000), 0);
	assert_count(TABLE_PORT_SET, 1);
	del(TABLE_PORT_SET, &udp);
	assert_count(TABLE_PORT_SET, 0);
	assert_listed(TABLE_VIP, &id7, &(struct row_vip){ .flags = XLB_VIP_HOST });
}

static void test_port_pages_used_up(void **state)
{
	const size_t size = sizeof(struct content_port_set) + 256 * 256 * sizeof(uint32_t);
	AUTO_FREE struct content_port_set *set = calloc(1, size);
	const struct row_hash hash = { 1 };
	struct row_port_set_key key = { 0, IPPROTO_TCP };
	int r = 0;

	(void)state;
	NEED_KERNEL();
	assert_non_null(set);
	set->leaf_count = 256;
	for (uint32_t i = 0; i < 256; i++)
		set->root[i] = XLB_PORT_PAGE | i;
	while (r == 0 && ++key.vip < 100)
		r = try_put(TABLE_PORT_SET, &key, &hash, set, size);
	assert_int_equal(r, -ENOSPC);
	assert_string_equal(
		err.text, "port pages are used up: 16191 of 16383 are in use, 257 more are needed");
	assert_count(TABLE_PORT_SET, key.vip - 1);
}

static void assert_usage(uint32_t bitmap, uint32_t used, uint32_t total)
{
	uint32_t is_used = 0, is_total = 0;

	assert_int_equal(datapath_bitmap_usage(dp, bitmap, &is_used, &is_total), 0);
	assert_int_equal(is_used, used);
	assert_int_equal(is_total, total);
}

static void test_bitmap(void **state)
{
	/* the namespace's ephemeral ports are 2000-2999, reserved are 1100 and 1200-1209 */
	const struct row_bitmap whole = { 1024, 65535 }, part = { 1090, 1150 },
				low = { 1000, 2000 };
	const struct row_id id = { 70 };
	uint64_t *words;

	(void)state;
	NEED_KERNEL();
	assert_int_equal(try_put(TABLE_BITMAP, &id, &low, NULL, 0), -ERANGE);
	assert_int_equal(datapath_bitmap_usage(dp, 70, &(uint32_t){ 0 }, &(uint32_t){ 0 }),
			 -ENOENT);
	put(TABLE_BITMAP, &id, &whole);
	assert_listed(TABLE_BITMAP, &id, &whole);
	assert_usage(70, 0, 65536 - 1024 - 1000 - 11);
	words = snat_words(70);
	for (uint32_t port = 128; port < 65536; port++) {
		bool host = (port >= 2000 && port <= 2999) || port == 1100 ||
			    (port >= 1200 && port <= 1209);

		assert_int_equal(port_is_free(words, port), port >= 1024 && !host);
	}
	put(TABLE_BITMAP, &id7, &part);
	assert_usage(7, 0, 60);
	words = snat_words(7);
	assert_false(port_is_free(words, 1089));
	assert_true(port_is_free(words, 1090));
	assert_true(port_is_free(words, 1150));
	assert_false(port_is_free(words, 1151));
	/* a flow takes port 1090; putting the same row again does not free it */
	words[1090 / 64] |= 1ULL << 1090 % 64;
	put(TABLE_BITMAP, &id7, &part);
	assert_usage(7, 1, 60);
	dp_reopen();
	assert_usage(7, 1, 60);
	assert_count(TABLE_BITMAP, 2);
	del(TABLE_BITMAP, &id7);
	assert_count(TABLE_BITMAP, 1);
	put(TABLE_BITMAP, &id7, &part);
	assert_usage(7, 0, 60);
}

static void test_counters(void **state)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	AUTO_FREE uint64_t *values = calloc(cpus * XLB_COUNT_MAX, sizeof(*values));
	uint64_t one[1][XLB_COUNT_MAX], many[9][XLB_COUNT_MAX], drops[XLB_DROP_COUNT];
	uint32_t id = 7, drop = 3 * XLB_DROP_STRIDE + XLB_DROP_NO_FLOW;

	(void)state;
	NEED_KERNEL();
	for (size_t i = 0; i < cpus * XLB_COUNT_MAX; i++)
		values[i] = 100 * (i % XLB_COUNT_MAX) + 1;
	assert_int_equal(
		bpf_map_update_elem(datapath_map_fd(dp, "server_counters"), &id, values, 0), 0);
	assert_int_equal(datapath_flow_counters(dp, TABLE_SERVER, 7, 1, one), 0);
	for (size_t i = 0; i < XLB_COUNT_MAX; i++)
		assert_int_equal(one[0][i], (100 * i + 1) * cpus);
	/* many at once are the same as one by one, from the first id and up to the last */
	assert_int_equal(datapath_flow_counters(dp, TABLE_SERVER, 0, 9, many), 0);
	assert_memory_equal(many[7], one[0], sizeof(one[0]));
	assert_int_equal(many[6][0] + many[8][0], 0);
	assert_int_equal(datapath_flow_counters(dp, TABLE_LISTENER, XLB_MAX_LISTENERS - 9, 9, many),
			 0);
	assert_int_equal(datapath_flow_counters(dp, TABLE_LISTENER, XLB_MAX_LISTENERS - 8, 9, many),
			 -ENOENT);
	assert_int_equal(datapath_clear_counters(dp, TABLE_SERVER, 7), 0);
	assert_int_equal(datapath_flow_counters(dp, TABLE_SERVER, 7, 1, one), 0);
	assert_int_equal(one[0][1], 0);
	assert_int_equal(bpf_map_update_elem(datapath_map_fd(dp, "drops"), &drop, values, 0), 0);
	assert_int_equal(datapath_drop_counters(dp, 3, drops), 0);
	assert_int_not_equal(drops[XLB_DROP_NO_FLOW], 0);
	assert_int_equal(drops[XLB_DROP_NO_LISTENER], 0);
	assert_int_equal(datapath_clear_counters(dp, TABLE_INTERFACE, 3), 0);
	assert_int_equal(datapath_drop_counters(dp, 3, drops), 0);
	assert_int_equal(drops[XLB_DROP_NO_FLOW], 0);
	assert_int_equal(datapath_interface_counters(dp, 3, one[0]), 0);
}

static void samples_write(const struct xlb_drop_sample *samples)
{
	uint32_t reason = XLB_DROP_NO_FLOW;

	assert_int_equal(
		bpf_map_update_elem(datapath_map_fd(dp, "drop_samples"), &reason, samples, 0), 0);
}

/* The youngest of all CPUs; what a program left half written, or wrote wrong, does no harm. */
static void test_drop_sample(void **state)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	AUTO_FREE struct xlb_drop_sample *samples = calloc(cpus, sizeof(*samples));
	struct xlb_drop_sample last;

	(void)state;
	NEED_KERNEL();
	assert_int_equal(datapath_drop_sample(dp, XLB_DROP_NO_FLOW, &last), -ENOENT);
	for (size_t i = 0; i < cpus; i++)
		samples[i] = (struct xlb_drop_sample){
			.sequence = 2, .slot = (uint32_t)i + 1, .time = 1000 - i, .captured = 60
		};
	samples_write(samples);
	assert_int_equal(datapath_drop_sample(dp, XLB_DROP_NO_FLOW, &last), 0);
	assert_int_equal(last.slot, 1);
	assert_int_equal(last.time, 1000);
	samples[cpus - 1].time = 2000;
	samples[cpus - 1].sequence = 3;
	samples[cpus - 1].captured = UINT32_MAX;
	samples_write(samples);
	assert_int_equal(datapath_drop_sample(dp, XLB_DROP_NO_FLOW, &last), 0);
	assert_int_equal(last.slot, cpus);
	assert_int_equal(last.captured, XLB_SAMPLE_BYTES);
	assert_int_equal(datapath_drop_sample(dp, XLB_DROP_NO_LISTENER, &last), -ENOENT);
	assert_true(datapath_drop_sample(dp, XLB_DROP_COUNT, &last) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain_rows),
		TEST(test_ids_out_of_range),
		TEST(test_addresses_full),
		TEST(test_addresses_come_and_go),
		TEST(test_vlans_and_ports),
		TEST(test_interface),
		TEST(test_maglev),
		TEST(test_port_set),
		TEST(test_port_pages_used_up),
		TEST(test_bitmap),
		TEST(test_counters),
		TEST(test_drop_sample),
	};

	return cmocka_run_group_tests_name("datapath", tests, group_setup, group_teardown);
}
