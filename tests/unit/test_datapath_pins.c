/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What outlives the daemon: pins and attachments. */
#include "datapath_fixture.h"

static void test_adoption(void **state)
{
	const struct xlb_interface interface = { .ifindex = if_nametoindex("xlbt0"), .mtu = 1500 };
	const struct row_attachment_key nic = { "xlbt0" };
	const struct row_attachment native = { XLB_ATTACH_NATIVE };
	const struct xlb_listener listener = { .group = 5, .idle_timeout = 900 };
	const struct xlb_addr addr = { .bytes = { 0x20, 1, 0xd, 0xb8 } };
	const struct row_bitmap bitmap = { 1024, 4095 };
	AUTO_FREE struct content_port_set *ports = port_set_new(10000, 20000);
	struct attachment_info before, after;
	struct list present, again;

	(void)state;
	NEED_KERNEL();
	put(TABLE_INTERFACE, &id7, &interface);
	put(TABLE_NEXTHOP, &id7, &(struct xlb_nexthop){ .mac = { 2 }, .interface = 7 });
	put(TABLE_SNAT, &id7, &(struct xlb_snat){ addr });
	put(TABLE_BITMAP, &id7, &bitmap);
	put(TABLE_SERVER, &id7, &(struct xlb_server){ .addr = addr, .family = XLB_IPV6 });
	maglev_put(9);
	put(TABLE_GROUP, &(struct row_id){ 5 }, &(struct row_group){ .choice.id_length = 8 });
	put(TABLE_QUIC_SERVER, &(struct xlb_quic_server_key){ .group = 5, .id = { 1, 2 } },
	    &(struct xlb_quic_server){ .ipv6 = 7 });
	put(TABLE_LISTENER, &id7, &listener);
	port_set_put(7, IPPROTO_TCP, ports, 11);
	put(TABLE_VIP, &id7, &(struct row_vip){ 0 });
	put(TABLE_ADDRESS, &addr, &(struct xlb_address){ .vip = 7 });
	put(TABLE_ATTACHMENT, &nic, &native);
	present = list_all();
	assert_int_equal(present.count, 13);
	assert_int_equal(datapath_attachment(dp, "xlbt0", &before), 0);
	dp_reopen();
	again = list_all();
	assert_int_equal(again.count, present.count);
	assert_memory_equal(again.rows, present.rows, present.count * sizeof(present.rows[0]));
	/* the link runs the program just loaded */
	assert_int_equal(datapath_attachment(dp, "xlbt0", &after), 0);
	assert_int_not_equal(after.program_id, before.program_id);
	assert_int_equal(after.mode, XLB_ATTACH_NATIVE);
	assert_string_equal(after.program_tag, before.program_tag);
	assert_int_equal(datapath_table_room(dp, XLB_TABLE_IPV4), TEST_FLOWS);
	del(TABLE_ATTACHMENT, &nic);
}

static bool has_chunk(const char *map, uint32_t index)
{
	uint32_t id;

	return !bpf_map_lookup_elem(datapath_map_fd(dp, map), &index, &id);
}

/* Chunks are there without a gap: who adopts them looks no further than to the first that is missing. */
static void test_chunks_without_gap(void **state)
{
	const struct row_id far = { 2 * XLB_SNAT_PER_CHUNK + 7 };
	const struct row_bitmap bitmap = { 1024, 4095 };

	(void)state;
	NEED_KERNEL();
	put(TABLE_BITMAP, &far, &bitmap);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(has_chunk("snat_chunks", i));
	assert_false(has_chunk("snat_chunks", 3));
	dp_reopen();
	assert_count(TABLE_BITMAP, 1);
	assert_listed(TABLE_BITMAP, &far, &bitmap);
}

static void test_half_made_pins(void **state)
{
	const struct datapath_options larger = { .pin_dir = pin_dir, .flows = 4 * TEST_FLOWS };
	static const char *const lost[] = { "drops", "devices", "snat_chunks", "links" };
	char path[PATH_MAX];

	(void)state;
	NEED_KERNEL();
	put(TABLE_SNAT, &id7, &(struct xlb_snat){ { .bytes = { 1 } } });
	dp = datapath_close(dp);
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", pin_dir, lost[i]);
		assert_int_equal(remove(path), 0);
	}
	assert_int_equal(datapath_open(&larger, &dp, &err), 0);
	assert_count(TABLE_SNAT, 1);
	/* the size stays that the tables were made with */
	assert_int_equal(datapath_table_room(dp, XLB_TABLE_IPV4), TEST_FLOWS);
	dp_reopen();
	assert_count(TABLE_SNAT, 1);
}

static void test_foreign_pin(void **state)
{
	const struct datapath_options options = { .pin_dir = pin_dir };
	AUTO_CLOSE int fd = -1;
	char path[PATH_MAX], sizes[64];

	(void)state;
	NEED_KERNEL();
	dp = datapath_close(dp);
	snprintf(sizes, sizeof(sizes), "value size 8, this version of xlb needs %zu",
		 sizeof(struct xlb_tables));
	snprintf(path, sizeof(path), "%s/tables", pin_dir);
	assert_int_equal(remove(path), 0);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tables", 4, 8, 100, NULL);
	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	assert_int_equal(datapath_open(&options, &dp, &err), -EEXIST);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, sizes));
	assert_int_equal(remove(path), 0);
	dp_open();
}

static void test_no_bpffs(void **state)
{
	const struct datapath_options options = { .pin_dir = "/tmp/xlb-test/abi5" };

	(void)state;
	NEED_KERNEL();
	dp = datapath_close(dp);
	assert_int_equal(datapath_open(&options, &dp, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "'/tmp/xlb-test/abi5' is not on a bpf file system"));
	assert_string_equal(err.hint, "mount it: mount -t bpf bpf /sys/fs/bpf");
	dp_open();
}

static void test_unpinned(void **state)
{
	const struct datapath_options options = {};
	const struct row_attachment_key nic = { "xlbt0" };
	const struct row_attachment native = { XLB_ATTACH_NATIVE };

	(void)state;
	NEED_KERNEL();
	datapath_unpin(dp);
	dp = datapath_close(dp);
	assert_int_not_equal(access(pin_parent, F_OK), 0);
	assert_int_equal(datapath_open(&options, &dp, &err), 0);
	assert_int_equal(datapath_table_room(dp, XLB_TABLE_IPV4), XLB_DEFAULT_FLOWS);
	put(TABLE_ATTACHMENT, &nic, &native);
	assert_listed(TABLE_ATTACHMENT, &nic, &native);
	assert_int_not_equal(access(pin_parent, F_OK), 0);
	assert_int_equal(datapath_map_fd(dp, "nonsense"), -ENOENT);
	assert_true(datapath_program_fd(dp) >= 0);
}

static void test_attach(void **state)
{
	const struct row_attachment_key nic = { "xlbt0" }, dotted = { "xlbt1.5" },
					none = { "xlbt77" };
	const struct row_attachment native = { XLB_ATTACH_NATIVE },
				    generic = { XLB_ATTACH_GENERIC };
	struct attachment_info info;

	(void)state;
	NEED_KERNEL();
	assert_int_equal(try_put(TABLE_ATTACHMENT, &none, &native, NULL, 0), -ENODEV);
	assert_int_equal(err.class, XLB_ERR_NOT_FOUND);
	assert_string_equal(err.text, "there is no interface 'xlbt77'");
	assert_int_equal(datapath_attachment(dp, "xlbt0", &info), -ENOENT);
	put(TABLE_ATTACHMENT, &nic, &native);
	assert_listed(TABLE_ATTACHMENT, &nic, &native);
	put(TABLE_ATTACHMENT, &nic, &generic);
	assert_listed(TABLE_ATTACHMENT, &nic, &generic);
	assert_count(TABLE_ATTACHMENT, 1);
	assert_int_equal(datapath_attachment(dp, "xlbt0", &info), 0);
	assert_int_equal(info.mode, XLB_ATTACH_GENERIC);
	assert_int_equal(strlen(info.program_tag), 16);
	/* a name with a dot, which bpffs does not take */
	run("ip link set xlbt1 name xlbt1.5");
	put(TABLE_ATTACHMENT, &dotted, &native);
	dp_reopen();
	assert_count(TABLE_ATTACHMENT, 2);
	assert_listed(TABLE_ATTACHMENT, &dotted, &native);
	assert_listed(TABLE_ATTACHMENT, &nic, &generic);
	del(TABLE_ATTACHMENT, &dotted);
	run("ip link set xlbt1.5 name xlbt1");
	del(TABLE_ATTACHMENT, &nic);
	assert_count(TABLE_ATTACHMENT, 0);
	run("! ip link show xlbt0 | grep -q xdp");
	dp_reopen();
	assert_count(TABLE_ATTACHMENT, 0);
}

static void test_attach_refused(void **state)
{
	const struct row_attachment_key loopback = { "lo" }, nic = { "xlbt0" };
	const struct row_attachment native = { XLB_ATTACH_NATIVE },
				    generic = { XLB_ATTACH_GENERIC };
	AUTO_CLOSE int foreign = -1;
	struct bpf_insn insns[] = { { .code = 0xb7, .dst_reg = 0, .imm = 2 }, { .code = 0x95 } };

	(void)state;
	NEED_KERNEL();
	/* a driver without native XDP; the generic attachment comes back */
	put(TABLE_ATTACHMENT, &loopback, &generic);
	assert_int_equal(try_put(TABLE_ATTACHMENT, &loopback, &native, NULL, 0), -EOPNOTSUPP);
	assert_int_equal(err.class, XLB_ERR_UNSUPPORTED);
	assert_non_null(strstr(
		err.text, "interface 'lo' does not take the program in native mode: driver '"));
	assert_non_null(strstr(err.hint, "--mode generic"));
	assert_listed(TABLE_ATTACHMENT, &loopback, &generic);
	del(TABLE_ATTACHMENT, &loopback);
	/* somebody else's program */
	foreign = bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", insns, 2, NULL);
	assert_true(foreign >= 0);
	assert_int_equal(bpf_xdp_attach((int)if_nametoindex("xlbt0"), foreign, 0, NULL), 0);
	assert_int_equal(try_put(TABLE_ATTACHMENT, &nic, &native, NULL, 0), -EBUSY);
	assert_non_null(strstr(err.text, "another XDP program (id "));
	assert_int_equal(try_put(TABLE_ATTACHMENT, &nic, &generic, NULL, 0), -EEXIST);
	assert_non_null(strstr(err.text, "another XDP program (id "));
	assert_int_equal(bpf_xdp_detach((int)if_nametoindex("xlbt0"), 0, NULL), 0);
	assert_count(TABLE_ATTACHMENT, 0);
}

/* The NIC refuses a program that takes one buffer only, and gets the other. */
static void test_attach_jumbo(void **state)
{
	const struct row_attachment_key nic = { "xlbt0" };
	const struct row_attachment native = { XLB_ATTACH_NATIVE };

	(void)state;
	NEED_KERNEL();
	run("ip link set xlbt1 mtu 9000");
	put(TABLE_ATTACHMENT, &nic, &native);
	assert_listed(TABLE_ATTACHMENT, &nic, &native);
	dp_reopen();
	assert_listed(TABLE_ATTACHMENT, &nic, &native);
	del(TABLE_ATTACHMENT, &nic);
	run("ip link set xlbt1 mtu 1500");
}

static void test_attach_interface_returns(void **state)
{
	const struct row_attachment_key nic = { "xlbt8" };
	const struct row_attachment native = { XLB_ATTACH_NATIVE };

	(void)state;
	NEED_KERNEL();
	for (int restart = 0; restart < 2; restart++) {
		run("ip link add xlbt8 type veth peer name xlbt9");
		put(TABLE_ATTACHMENT, &nic, &native);
		run("ip link del xlbt8");
		assert_count(TABLE_ATTACHMENT, 0);
		run("ip link add xlbt8 type veth peer name xlbt9");
		assert_count(TABLE_ATTACHMENT, 0);
		if (restart)
			dp_reopen();
		put(TABLE_ATTACHMENT, &nic, &native);
		assert_listed(TABLE_ATTACHMENT, &nic, &native);
		/* renamed: no longer where it should be */
		run("ip link set xlbt8 name xlbt10");
		assert_listed(TABLE_ATTACHMENT, &nic, &(struct row_attachment){ 0 });
		run("ip link add xlbt8 type veth peer name xlbt11");
		put(TABLE_ATTACHMENT, &nic, &native);
		assert_listed(TABLE_ATTACHMENT, &nic, &native);
		run("! ip link show xlbt10 | grep -q xdp");
		del(TABLE_ATTACHMENT, &nic);
		run("ip link del xlbt8; ip link del xlbt10");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_adoption),	   TEST(test_chunks_without_gap),
		TEST(test_half_made_pins), TEST(test_foreign_pin),
		TEST(test_no_bpffs),	   TEST(test_unpinned),
		TEST(test_attach),	   TEST(test_attach_refused),
		TEST(test_attach_jumbo),   TEST(test_attach_interface_returns),
	};

	return cmocka_run_group_tests_name("datapath_pins", tests, group_setup, group_teardown);
}
