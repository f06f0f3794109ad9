// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The host's sink: neighbours and VIP addresses come, stay, are owned and go. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "host_lab.h"

struct resolution {
	struct xlb_addr addr;
	uint8_t mac[6];
};

static bool is_resolved(void *arg)
{
	struct resolution *resolution = arg;

	return !host_neighbour(host, if_nametoindex("va"), &resolution->addr, resolution->mac);
}

static void assert_resolves(const char *text)
{
	struct resolution resolution = { .addr = addr(text) };
	char mac[18], expected[64];

	if (!wait_until(is_resolved, &resolution))
		fail_msg("%s is not resolved", text);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", resolution.mac[0],
		 resolution.mac[1], resolution.mac[2], resolution.mac[3], resolution.mac[4],
		 resolution.mac[5]);
	snprintf(expected, sizeof(expected), "nsenter --net=/proc/%d/ns/net cat /proc/net/arp",
		 (int)peer);
	command_output(expected, sizeof(expected),
		       "ip neigh show 10.9.0.2 dev va | awk '{printf $3}'");
	assert_string_equal(mac, expected);
}

static void neighbours_resolve(void **state)
{
	struct row v4 = neighbour_row("10.9.0.2"), v6 = neighbour_row("2001:db8:9::2");
	struct row silent = neighbour_row("10.9.0.77");
	struct resolution nobody = { .addr = addr("10.9.0.77") };

	(void)state;
	put(&v4);
	put(&v6);
	put(&silent);
	put(&v4);
	assert_resolves("10.9.0.2");
	assert_resolves("2001:db8:9::2");
	assert_false(is_resolved(&nobody));
	assert_true(is_listed(&v4));
	assert_true(is_listed(&v6));
	assert_true(is_listed(&silent));
	assert_int_equal(list(TABLE_NEIGHBOUR).count, 3);
	del(&v6);
	assert_false(is_listed(&v6));
	del(&v6);
	assert_int_equal(list(TABLE_NEIGHBOUR).count, 2);
	run("grep -qx 'neighbour va' %s", owner_file);
	del(&v4);
	del(&silent);
	run("test ! -s %s", owner_file);
}

static void neighbours_survive_a_restart(void **state)
{
	struct row row = neighbour_row("10.9.0.2");

	(void)state;
	put(&row);
	host_close(host);
	open_host();
	assert_true(is_listed(&row));
	/* another instance leaves them alone */
	host_close(host);
	assert_int_equal(truncate(owner_file, 0), 0);
	open_host();
	assert_false(is_listed(&row));
	del(&row);
	run("ip neigh show 10.9.0.2 dev va | grep -q managed");
}

/* `ip neigh flush` takes managed entries too: the daemon sees it and puts them again. */
static void flushed_neighbours_are_put_again(void **state)
{
	struct row row = neighbour_row("10.9.0.2");

	(void)state;
	put(&row);
	assert_resolves("10.9.0.2");
	host_dispatch(host);
	changes = 0;
	run("ip neigh flush all");
	assert_true(wait_until(has_changed, NULL));
	assert_false(is_listed(&row));
	put(&row);
	assert_resolves("10.9.0.2");
}

static void link_flap_is_mended(void **state)
{
	struct row v4 = neighbour_row("10.9.0.2"), vip = vip_row("2001:db8:99::10");

	(void)state;
	put(&v4);
	put(&vip);
	assert_resolves("10.9.0.2");
	host_dispatch(host);
	changes = 0;
	run("ip link set va down");
	assert_true(wait_until(is_not_listed, &v4));
	assert_true(wait_until(is_not_listed, &vip));
	assert_true(wait_until(has_changed, NULL));
	run("ip link set va up");
	put(&v4);
	put(&vip);
	assert_true(is_listed(&v4));
	assert_true(is_listed(&vip));
	assert_resolves("10.9.0.2");
}

static void neighbour_made_by_hand_is_left(void **state)
{
	struct row permanent = neighbour_row("10.9.0.60"), managed = neighbour_row("10.9.0.61");
	struct resolution resolution = { .addr = addr("10.9.0.60") };

	(void)state;
	run("ip neigh add 10.9.0.60 lladdr 02:00:00:00:00:60 dev va nud permanent");
	run("ip neigh add 10.9.0.61 dev va managed");
	assert_false(is_listed(&permanent));
	put(&permanent);
	put(&managed);
	assert_true(is_listed(&permanent));
	assert_true(is_listed(&managed));
	assert_true(is_resolved(&resolution));
	assert_int_equal(resolution.mac[5], 0x60);
	del(&permanent);
	del(&managed);
	assert_false(is_listed(&permanent));
	run("ip neigh show 10.9.0.60 dev va | grep -q PERMANENT");
	run("ip neigh show 10.9.0.61 dev va nud all | grep -q managed");
}

static void vip_comes_and_goes(void **state)
{
	struct row v4 = vip_row("198.51.100.10"), v6 = vip_row("2001:db8:99::10");
	struct xlb_addr addr4 = addr("198.51.100.10");
	char marks[128];

	(void)state;
	put(&v4);
	put(&v6);
	put(&v6);
	run("ip addr show dev va | grep -q 'inet 198.51.100.10/32 scope global deprecated'");
	run("ip addr show dev va | grep -q 'inet6 2001:db8:99::10/128 scope global nodad deprecated'");
	assert_true(is_listed(&v4));
	assert_true(is_listed(&v6));
	assert_int_equal(list(TABLE_VIP_ADDR).count, 2);
	assert_false(host_owns_address(host, &addr4));
	snprintf(marks, sizeof(marks), "sort %s", owner_file);
	command_output(marks, sizeof(marks), marks);
	assert_string_equal(marks, "vip_addr 198.51.100.10 va\nvip_addr 2001:db8:99::10 va\n");
	del(&v6);
	del(&v6);
	assert_false(is_listed(&v6));
	del(&v4);
	run("! ip addr show dev va | grep -q -e 198.51.100.10 -e 2001:db8:99::10");
	run("test ! -s %s", owner_file);
}

static void assert_source(const char *to, const char *expected)
{
	struct sockaddr_in6 socket_addr = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	socklen_t size = sizeof(socket_addr);
	struct xlb_addr target = addr(to), source;
	char text[ADDR_TEXT_MAX];
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	memcpy(&socket_addr.sin6_addr, target.bytes, 16);
	assert_int_equal(connect(fd, (struct sockaddr *)&socket_addr, sizeof(socket_addr)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&socket_addr, &size), 0);
	close(fd);
	memcpy(source.bytes, &socket_addr.sin6_addr, 16);
	format_addr(&source, text);
	assert_string_equal(text, expected);
}

static void vip_is_never_a_source(void **state)
{
	/* nearer to the targets than the host's own addresses */
	struct row v4 = vip_row("10.9.0.100"), v6 = vip_row("2001:db8:20::100");

	(void)state;
	put(&v4);
	put(&v6);
	assert_source("10.9.0.2", "10.9.0.1");
	assert_source("10.20.0.101", "10.9.0.1");
	assert_source("203.0.113.7", "10.9.0.1");
	assert_source("2001:db8:9::2", "2001:db8:9::1");
	assert_source("2001:db8:20::101", "2001:db8:9::1");
	assert_source("2001:db8:ffff::1", "2001:db8:9::1");
	del(&v4);
	del(&v6);
}

static void address_of_the_user_is_refused_and_kept(void **state)
{
	struct row taken = vip_row("10.9.0.1"), same = vip_row("198.51.100.20");
	struct xlb_addr by_hand = addr("198.51.100.20");
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(try_put(&taken, &err), -EEXIST);
	assert_string_equal(err.text,
			    "10.9.0.1 is already an address of va that xlb did not put there");
	/* just like a VIP, even with its mark in the file, but not put by xlb */
	put(&same);
	run("ip addr del 198.51.100.20/32 dev va && ip addr add 198.51.100.20/32 dev va preferred_lft 0");
	assert_false(is_listed(&same));
	assert_true(host_owns_address(host, &by_hand));
	assert_int_equal(try_put(&same, &err), -EEXIST);
	del(&same);
	del(&taken);
	run("ip addr show dev va | grep -q 198.51.100.20/32 && ip addr show dev va | grep -q 10.9.0.1/24");
}

static void marks_survive_a_restart(void **state)
{
	struct row kept = vip_row("198.51.100.10"), lost = vip_row("198.51.100.11");
	struct xlb_addr kept_addr = addr("198.51.100.10");

	(void)state;
	put(&kept);
	put(&lost);
	host_close(host);
	run("ip addr del 198.51.100.11/32 dev va");
	open_host();
	assert_true(is_listed(&kept));
	assert_int_equal(list(TABLE_VIP_ADDR).count, 1);
	run("! grep -q 198.51.100.11 %s", owner_file);
	/* without its mark it is somebody else's */
	host_close(host);
	assert_int_equal(truncate(owner_file, 0), 0);
	open_host();
	assert_true(host_owns_address(host, &kept_addr));
	del(&kept);
	run("ip addr show dev va | grep -q 198.51.100.10/32");
}

static void broken_marks_are_refused(void **state)
{
	struct host *other;
	struct xlb_err err = {};
	char expected[128];

	(void)state;
	run("printf 'neighbour va\\nvip_addr nonsense va\\n' > %s", owner_file);
	assert_int_equal(host_open(owner_file, NULL, NULL, &other, &err), -EINVAL);
	snprintf(expected, sizeof(expected), "%s:2: not an owner mark", owner_file);
	assert_string_equal(err.text, expected);
}

static void failed_put_leaves_nothing(void **state)
{
	struct row v6 = vip_row("2001:db8:99::10"), elsewhere = vip_row("198.51.100.10");
	struct xlb_err err = {};

	(void)state;
	((struct row_vip_addr_key *)elsewhere.key)->ifname[1] = 'x';
	assert_int_equal(try_put(&elsewhere, &err), -ENODEV);
	run("echo 1 >/proc/sys/net/ipv6/conf/va/disable_ipv6");
	assert_int_equal(try_put(&v6, &err), -EACCES);
	assert_string_equal(err.hint, "IPv6 is off there: sysctl net.ipv6.conf.va.disable_ipv6=0");
	run("echo 0 >/proc/sys/net/ipv6/conf/va/disable_ipv6");
	run("test ! -s %s", owner_file);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LAB_TEST(neighbours_resolve),
		LAB_TEST(neighbours_survive_a_restart),
		LAB_TEST(flushed_neighbours_are_put_again),
		LAB_TEST(link_flap_is_mended),
		LAB_TEST(neighbour_made_by_hand_is_left),
		LAB_TEST(vip_comes_and_goes),
		LAB_TEST(vip_is_never_a_source),
		LAB_TEST(address_of_the_user_is_refused_and_kept),
		LAB_TEST(marks_survive_a_restart),
		LAB_TEST(broken_marks_are_refused),
		LAB_TEST(failed_put_leaves_nothing),
	};

	return RUN_LAB_TESTS(tests);
}
