// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Settings of NICs as rows, and what is told of a NIC, against the kernel. */
#include "host_lab.h"
#include "sys/host_nic.h"

static struct row setting_row(const char *ifname, enum xlb_setting setting, uint32_t value)
{
	struct row row = { .table = TABLE_SETTING };
	struct row_setting_key key = { .setting = setting };

	strcpy(key.ifname, ifname);
	memcpy(row.key, &key, sizeof(key));
	memcpy(row.value, &value, sizeof(value));
	return row;
}

static uint32_t now_is(enum xlb_setting setting)
{
	uint32_t value;

	assert_int_equal(host_setting("va", setting, &value), 0);
	return value;
}

static void rp_filter_is(uint32_t value)
{
	assert_int_equal(now_is(XLB_SETTING_RP_FILTER), value);
}

static void settings_come_and_go(void **state)
{
	struct row rp_filter = setting_row("va", XLB_SETTING_RP_FILTER, 2);
	struct row gro = setting_row("va", XLB_SETTING_GRO, 0);
	struct host_setting_state states[XLB_SETTING_COUNT];
	struct listed listed;

	(void)state;
	run("echo 1 >/proc/sys/net/ipv4/conf/va/rp_filter; ethtool -K va gro on");
	put(&rp_filter);
	put(&gro);
	rp_filter_is(2);
	assert_int_equal(now_is(XLB_SETTING_GRO), 0);
	listed = list(TABLE_SETTING);
	assert_int_equal(listed.count, 2);
	assert_int_equal(host_settings(host, "va", states), 2);
	assert_int_equal(states[0].setting, XLB_SETTING_GRO);
	assert_int_equal(states[0].was, 1);
	assert_int_equal(states[1].was, 1);
	assert_int_equal(states[1].given, 2);
	assert_int_equal(states[1].now, 2);
	assert_int_equal(host_settings(host, "vx", states), 0);
	run("test $(grep -c ^setting %s) = 2", owner_file);

	put(&rp_filter); /* again: what it was before stays known */
	del(&rp_filter);
	del(&gro);
	rp_filter_is(1);
	assert_int_equal(now_is(XLB_SETTING_GRO), 1);
	assert_int_equal(list(TABLE_SETTING).count, 0);
	run("test ! -s %s", owner_file);
}

static void restart_remembers(void **state)
{
	struct row rp_filter = setting_row("va", XLB_SETTING_RP_FILTER, 2);

	(void)state;
	run("echo 1 >/proc/sys/net/ipv4/conf/va/rp_filter");
	put(&rp_filter);
	host = host_close(host);
	open_host();
	assert_int_equal(list(TABLE_SETTING).count, 1);
	del(&rp_filter);
	rp_filter_is(1);
}

/* What was as wanted before is not changed on the way out either. */
static void setting_that_fits_is_left(void **state)
{
	struct row rp_filter = setting_row("va", XLB_SETTING_RP_FILTER, 2);

	(void)state;
	run("echo 2 >/proc/sys/net/ipv4/conf/va/rp_filter");
	put(&rp_filter);
	assert_int_equal(list(TABLE_SETTING).count, 1);
	del(&rp_filter);
	rp_filter_is(2);
}

static void change_by_another_is_left(void **state)
{
	struct row rp_filter = setting_row("va", XLB_SETTING_RP_FILTER, 2);
	struct listed listed;

	(void)state;
	run("echo 1 >/proc/sys/net/ipv4/conf/va/rp_filter");
	put(&rp_filter);
	run("echo 0 >/proc/sys/net/ipv4/conf/va/rp_filter");
	/* listed as xlb's, so that it is not put again */
	listed = list(TABLE_SETTING);
	assert_int_equal(listed.count, 1);
	assert_memory_equal(listed.rows[0].value, rp_filter.value, sizeof(uint32_t));
	del(&rp_filter);
	rp_filter_is(0);
	assert_int_equal(list(TABLE_SETTING).count, 0);
}

/* attach --fix says that it is to be xlb's again; what the other one made of it is what is restored. */
static void released_setting_is_taken_anew(void **state)
{
	struct row rp_filter = setting_row("va", XLB_SETTING_RP_FILTER, 2);

	(void)state;
	run("echo 1 >/proc/sys/net/ipv4/conf/va/rp_filter");
	put(&rp_filter);
	host_settings_release(host, "va");
	assert_int_equal(list(TABLE_SETTING).count, 1); /* nobody changed it */
	run("echo 0 >/proc/sys/net/ipv4/conf/va/rp_filter");
	host_settings_release(host, "va");
	assert_int_equal(list(TABLE_SETTING).count, 0);
	put(&rp_filter);
	rp_filter_is(2);
	del(&rp_filter);
	rp_filter_is(0);
}

/* A reboot and another NIC of that name have their own values: the mark does not count any more. */
static void old_marks_do_not_count(void **state)
{
	struct row rp_filter = setting_row("va", XLB_SETTING_RP_FILTER, 2);
	FILE *file;

	(void)state;
	run("echo 1 >/proc/sys/net/ipv4/conf/va/rp_filter");
	host = host_close(host);
	file = fopen(owner_file, "w");
	fprintf(file,
		"setting va rp_filter 0 1 %u another-boot\nsetting vz gro 1 0 99 another-boot\n",
		if_nametoindex("va"));
	fclose(file);
	open_host();
	assert_int_equal(list(TABLE_SETTING).count, 0);
	run("test ! -s %s", owner_file);
	put(&rp_filter);
	del(&rp_filter);
	rp_filter_is(1);
}

static void broken_marks_are_refused(void **state)
{
	static const char *const lines[] = {
		"setting",
		"setting va",
		"setting va colour 1 0 3 boot",
		"setting va gro 1 0 3",
		"setting va gro one 0 3 boot",
		"setting a-name-that-is-too-long gro 1 0 3 boot",
	};
	struct xlb_err err = {};

	(void)state;
	host = host_close(host);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		FILE *file = fopen(owner_file, "w");

		fprintf(file, "%s\n", lines[i]);
		fclose(file);
		assert_int_equal(host_open(owner_file, count_change, &changes, &host, &err),
				 -EINVAL);
		assert_non_null(strstr(err.text, ":1: not an owner mark"));
	}
	assert_int_equal(truncate(owner_file, 0), 0);
	open_host();
}

static void failed_put_leaves_nothing(void **state)
{
	/* veth cannot do it, and a name that does not exist cannot do anything */
	struct row lro = setting_row("va", XLB_SETTING_LRO, 1);
	struct row absent = setting_row("vx", XLB_SETTING_RP_FILTER, 2);
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(try_put(&lro, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "va: cannot change lro"));
	assert_true(try_put(&absent, &err) < 0);
	assert_int_equal(list(TABLE_SETTING).count, 0);
	run("test ! -s %s", owner_file);
}

static void nic_is_described(void **state)
{
	struct xlb_err err = {};
	struct nic nic = {};

	(void)state;
	run("ethtool -K va gro on; echo 2 >/proc/sys/net/ipv4/conf/va/rp_filter");
	assert_int_equal(host_nic(host, "va", &nic, &err), 0);
	assert_string_equal(nic.driver, "veth");
	assert_true(nic.features[NIC_GRO].known && nic.features[NIC_GRO].on);
	assert_false(nic.features[NIC_GRO].fixed);
	assert_false(nic.features[NIC_LRO].on);
	assert_true(nic.features[NIC_LRO].fixed);
	assert_true(nic.channels.rx >= 1 && nic.channels.tx >= 1);
	assert_true(nic.has_rp_filter);
	assert_int_equal(nic.rp_filter, 2);
	/* the other end is in a namespace without a name: the kernel tells of the link, not of its offloads */
	assert_true(nic.peer.present && nic.peer.elsewhere);
	assert_string_equal(nic.peer.netns, "");
	assert_string_equal(nic.peer.name, "vb");
	assert_int_equal(nic.peer.mtu, 1500);
	assert_false(nic.peer.features[NIC_GRO].known);
	assert_int_equal(host_nic(host, "eth9", &nic, &err), -ENODEV);
	assert_string_equal(err.text, "eth9: no such interface. Present: lo, va.");
}

/* Both ends here, one of them the port of a bridge. */
static void what_lies_around_is_seen(void **state)
{
	struct xlb_err err = {};
	struct nic nic = {};

	(void)state;
	run("ip link add vc type veth peer name vd && ip link add bridge9 type bridge && "
	    "ip link set vc master bridge9 && ip link set vd mtu 9000 && ethtool -K vd gro off tx off >/dev/null");
	assert_int_equal(host_nic(host, "vc", &nic, &err), 0);
	assert_string_equal(nic.master, "bridge9");
	assert_string_equal(nic.master_kind, "bridge");
	assert_true(nic.peer.present && !nic.peer.elsewhere);
	assert_string_equal(nic.peer.name, "vd");
	assert_int_equal(nic.peer.mtu, 9000);
	assert_true(nic.peer.features[NIC_TX_CHECKSUM].known);
	assert_false(nic.peer.features[NIC_TX_CHECKSUM].on);
	assert_false(nic.peer.features[NIC_GRO].on);
	run("ip link del bridge9 && ip link del vc");
	/* not a veth: no other end */
	assert_int_equal(host_nic(host, "lo", &nic, &err), 0);
	assert_false(nic.peer.present);
}

static void system_is_described(void **state)
{
	struct host_system system;

	(void)state;
	host_system(host, &system);
	assert_true(system.version >= 6001);
	assert_true(system.release[0]);
	assert_true(system.capabilities & 1ULL << 12); /* CAP_NET_ADMIN */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LAB_TEST(settings_come_and_go),
		LAB_TEST(restart_remembers),
		LAB_TEST(setting_that_fits_is_left),
		LAB_TEST(change_by_another_is_left),
		LAB_TEST(released_setting_is_taken_anew),
		LAB_TEST(old_marks_do_not_count),
		LAB_TEST(broken_marks_are_refused),
		LAB_TEST(failed_put_leaves_nothing),
		LAB_TEST(nic_is_described),
		LAB_TEST(what_lies_around_is_seen),
		LAB_TEST(system_is_described),
	};

	return RUN_LAB_TESTS(tests);
}
