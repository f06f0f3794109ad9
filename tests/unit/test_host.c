// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Links, routes, addresses, notifications and sockets of the host. */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "host_lab.h"

static void link_is_described(void **state)
{
	struct host_link link = {};
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(host_link(host, "va", &link, &err), 0);
	assert_string_equal(link.name, "va");
	assert_string_equal(link.kind, "veth");
	assert_string_equal(link.parent, "");
	assert_int_equal(link.ifindex, if_nametoindex("va"));
	assert_int_equal(link.mtu, 1500);
	assert_true(link.up);
	assert_int_equal(link.foreign_program, 0);

	run_peer("ip link set vb down");
	assert_int_equal(host_link(host, "va", &link, &err), 0);
	assert_false(link.up);
}

static void missing_link_names_the_present(void **state)
{
	struct host_link link;
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(host_link(host, "eth9", &link, &err), -ENODEV);
	assert_string_equal(err.text, "eth9: no such interface. Present: lo, va.");
	assert_int_equal(host_link(host, "an-interface-with-a-long-name", &link, &err), -ENODEV);
}

static void foreign_program_is_seen(void **state)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_XDP, .insn_cnt = 2 }, attach = {};
	struct host_link link = {};
	struct xlb_err err = {};
	int program, attached;

	(void)state;
	load.insns = (uintptr_t)pass;
	load.license = (uintptr_t) "GPL";
	program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	assert_true(program >= 0);
	attach.link_create.prog_fd = (uint32_t)program;
	attach.link_create.target_ifindex = if_nametoindex("va");
	attach.link_create.attach_type = BPF_XDP;
	attached = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attach, sizeof(attach));
	assert_true(attached >= 0);
	assert_int_equal(host_link(host, "va", &link, &err), 0);
	assert_int_not_equal(link.foreign_program, 0);
	close(attached);
	close(program);
}

static void assert_route(const char *to, const char *gateway, const char *source)
{
	struct xlb_addr target = addr(to);
	char text[ADDR_TEXT_MAX];
	struct host_route route = {};
	struct xlb_err err = {};

	if (host_route(host, &target, &route, &err))
		fail_msg("host_route: %s", err.text);
	assert_string_equal(route.ifname, "va");
	assert_int_equal(route.ifindex, if_nametoindex("va"));
	assert_false(route.local);
	format_addr(&route.gateway, text);
	assert_string_equal(text, gateway);
	format_addr(&route.source, text);
	assert_string_equal(text, source);
}

static void routes_are_asked(void **state)
{
	(void)state;
	assert_route("10.9.0.2", "::", "10.9.0.1");
	assert_route("10.20.1.1", "10.9.0.2", "10.9.0.1");
	assert_route("203.0.113.7", "10.9.0.254", "10.9.0.1");
	assert_route("2001:db8:9::2", "::", "2001:db8:9::1");
	assert_route("2001:db8:20::5", "2001:db8:9::2", "2001:db8:9::1");
	assert_route("2001:db8:ffff::1", "2001:db8:9::fe", "2001:db8:9::1");
	/* an IPv4 route by an IPv6 gateway */
	run("ip route add 10.21.0.0/16 via inet6 2001:db8:9::2");
	assert_route("10.21.0.1", "2001:db8:9::2", "10.9.0.1");
}

/* IPv4 knows no deprecated addresses: an interface whose first address is a VIP would send from it. */
static void vip_that_was_first_is_no_route_source(void **state)
{
	struct row vip = vip_row("198.51.100.10");

	(void)state;
	run("ip addr flush dev va");
	put(&vip);
	run("ip route add 10.50.0.0/16 dev va");
	assert_route("10.50.0.1", "::", "::");
	run("ip addr add 10.9.0.1/24 dev va");
	assert_route("10.50.0.1", "::", "10.9.0.1");
	del(&vip);
}

static void own_addresses_are_local(void **state)
{
	struct xlb_addr v4 = addr("10.9.0.1"), v6 = addr("2001:db8:9::1");
	struct host_route route = {};
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(host_route(host, &v4, &route, &err), 0);
	assert_true(route.local);
	assert_int_equal(host_route(host, &v6, &route, &err), 0);
	assert_true(route.local);
}

static void missing_route_is_said(void **state)
{
	struct xlb_addr v4 = addr("203.0.113.7"), v6 = addr("2001:db8:ffff::1");
	struct host_route route;
	struct xlb_err err = {};

	(void)state;
	run("ip route del default && ip -6 route del default && ip route add unreachable 10.22.0.0/16");
	run("ip route add unreachable 2001:db8:22::/48");
	assert_int_equal(host_route(host, &v4, &route, &err), -ENETUNREACH);
	assert_string_equal(err.text, "no route to 203.0.113.7: Network is unreachable");
	assert_int_equal(host_route(host, &v6, &route, &err), -ENETUNREACH);
	v4 = addr("10.22.0.1");
	assert_int_equal(host_route(host, &v4, &route, &err), -ENETUNREACH);
	v6 = addr("2001:db8:22::1");
	assert_int_equal(host_route(host, &v6, &route, &err), -ENETUNREACH);
	/* what an address leaves behind when the link goes down */
	run("ip route flush 10.22.0.0/16 && ip -6 route flush 2001:db8:22::/48 && ip link set va down");
	v4 = addr("10.9.0.2");
	assert_int_equal(host_route(host, &v4, &route, &err), -ENETUNREACH);
}

static void addresses_are_known(void **state)
{
	struct xlb_addr v4 = addr("10.9.0.1"), v6 = addr("2001:db8:9::1");
	struct xlb_addr near = addr("10.9.0.200"), far = addr("10.9.1.1"),
			later = addr("10.30.0.1");
	struct xlb_addr near6 = addr("2001:db8:9::abcd"), far6 = addr("2001:db8:a::1");

	(void)state;
	assert_true(host_owns_address(host, &v4));
	assert_true(host_owns_address(host, &v6));
	assert_false(host_owns_address(host, &near));
	assert_int_equal(host_on_link(host, "va", &near), 96 + 24);
	assert_false(host_on_link(host, "va", &far));
	assert_int_equal(host_on_link(host, "va", &near6), 64);
	assert_false(host_on_link(host, "va", &far6));
	assert_false(host_on_link(host, "lo", &near));
	/* known without a dispatch */
	run("ip addr add 10.30.0.1/20 dev va");
	assert_true(host_owns_address(host, &later));
	later = addr("10.30.15.255");
	assert_int_equal(host_on_link(host, "va", &later), 96 + 20);
	run("ip addr del 10.30.0.1/20 dev va");
	assert_false(host_on_link(host, "va", &later));
}

/* Until the kernel is done with what the lab changed. */
static void settle(void)
{
	struct pollfd poller = { .fd = host_fd(host), .events = POLLIN };

	while (poll(&poller, 1, 200) > 0)
		host_dispatch(host);
	changes = 0;
}

static void changes_are_told_once(void **state)
{
	struct pollfd poller = { .fd = host_fd(host), .events = POLLIN };

	(void)state;
	settle();
	run("ip addr add 10.31.0.1/32 dev va && ip addr add 10.31.0.2/32 dev va && ip route add 10.32.0.0/16 dev va");
	assert_true(wait_until(has_changed, NULL));
	assert_int_equal(changes, 1);
	host_dispatch(host);
	assert_int_equal(changes, 1);
	assert_int_equal(poll(&poller, 1, 0), 0);
}

static void change_seen_by_a_question_is_told_later(void **state)
{
	struct xlb_addr new = addr("10.31.0.1");

	(void)state;
	settle();
	run("ip addr add 10.31.0.1/32 dev va");
	assert_true(host_owns_address(host, &new));
	assert_int_equal(changes, 0);
	assert_true(wait_until(has_changed, NULL));
	assert_int_equal(changes, 1);
}

/* More notifications than the receive buffer holds. */
static void lost_notifications_are_made_up_for(void **state)
{
	struct xlb_addr last = addr("10.40.255.1"), first = addr("10.40.0.1");
	char path[] = "/tmp/xlb-test-batch.XXXXXX";
	int fd = mkstemp(path);
	FILE *batch = fdopen(fd, "w");

	(void)state;
	assert_non_null(batch);
	for (int i = 0; i < 24; i++) {
		for (int j = 0; j < 256; j++)
			fprintf(batch, "addr add 10.40.%d.1/32 dev va\n", j);
		for (int j = 0; j < 256 && i < 23; j++)
			fprintf(batch, "addr del 10.40.%d.1/32 dev va\n", j);
	}
	fprintf(batch, "addr del 10.40.0.1/32 dev va\n");
	fclose(batch);
	run("ip -batch %s", path);
	unlink(path);
	assert_true(host_owns_address(host, &last));
	assert_false(host_owns_address(host, &first));
	assert_true(wait_until(has_changed, NULL));
}

static int open_socket(int family, int type, uint16_t port_h)
{
	struct sockaddr_in6 self = { .sin6_family = AF_INET6, .sin6_port = htons(port_h) };
	struct sockaddr_in self4 = { .sin_family = AF_INET, .sin_port = htons(port_h) };
	int fd = socket(family, type, 0), r;

	self4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r = family == AF_INET ? bind(fd, (struct sockaddr *)&self4, sizeof(self4)) :
				bind(fd, (struct sockaddr *)&self, sizeof(self));
	assert_int_equal(r, 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static const struct host_socket *find_socket(const struct host_socket *sockets, uint32_t count,
					     uint8_t protocol, uint16_t port_h)
{
	for (uint32_t i = 0; i < count; i++)
		if (sockets[i].protocol == protocol && sockets[i].port_h == port_h)
			return &sockets[i];
	return NULL;
}

static void sockets_are_listed(void **state)
{
	int tcp = open_socket(AF_INET, SOCK_STREAM, 7001),
	    tcp6 = open_socket(AF_INET6, SOCK_STREAM, 7002);
	int udp = open_socket(AF_INET, SOCK_DGRAM, 7003),
	    udp6 = open_socket(AF_INET6, SOCK_DGRAM, 7004);
	const struct host_socket *found;
	struct host_socket *sockets = NULL;
	uint32_t count = 0;
	struct xlb_addr loopback = addr("127.0.0.1"), any = {};
	struct xlb_err err = {};

	(void)state;
	assert_int_equal(host_sockets(&sockets, &count, &err), 0);
	assert_int_equal(count, 4);
	found = find_socket(sockets, count, IPPROTO_TCP, 7001);
	assert_non_null(found);
	assert_true(addr_equal(&found->addr, &loopback));
	assert_int_equal(found->pid, getpid());
	assert_string_equal(found->process, "test_host");
	found = find_socket(sockets, count, IPPROTO_TCP, 7002);
	assert_non_null(found);
	assert_true(addr_equal(&found->addr, &any));
	found = find_socket(sockets, count, IPPROTO_UDP, 7003);
	assert_non_null(found);
	assert_true(addr_equal(&found->addr, &loopback));
	assert_non_null(find_socket(sockets, count, IPPROTO_UDP, 7004));
	free(sockets);
	close(tcp);
	close(tcp6);
	close(udp);
	close(udp6);
}

static void ephemeral_ports_are_read(void **state)
{
	struct port_range range;

	(void)state;
	run("echo '20000 30000' >/proc/sys/net/ipv4/ip_local_port_range");
	range = host_ephemeral_ports();
	assert_int_equal(range.from, 20000);
	assert_int_equal(range.to, 30000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LAB_TEST(link_is_described),
		LAB_TEST(missing_link_names_the_present),
		LAB_TEST(foreign_program_is_seen),
		LAB_TEST(routes_are_asked),
		LAB_TEST(vip_that_was_first_is_no_route_source),
		LAB_TEST(own_addresses_are_local),
		LAB_TEST(missing_route_is_said),
		LAB_TEST(addresses_are_known),
		LAB_TEST(changes_are_told_once),
		LAB_TEST(change_seen_by_a_question_is_told_later),
		LAB_TEST(lost_notifications_are_made_up_for),
		cmocka_unit_test(sockets_are_listed),
		cmocka_unit_test(ephemeral_ports_are_read),
	};

	return RUN_LAB_TESTS(tests);
}
