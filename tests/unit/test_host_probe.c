// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Duplicate detection and announcement of a VIP on a link. */
#include "host_lab.h"

static void assert_probe(const char *text, int expected)
{
	struct xlb_addr target = addr(text);
	struct xlb_err err = {};
	uint8_t mac[6] = {};
	int r = host_probe_address("va", &target, 300, mac, &err);

	if (r != expected)
		fail_msg("probe of %s: %d, not %d: %s", text, r, expected, err.text);
	if (r)
		assert_non_null(strstr(err.text, "in use"));
}

static void probe_finds_the_owner(void **state)
{
	(void)state;
	run_peer("ip addr add 198.51.100.30/32 dev vb");
	run_peer("ip addr add 2001:db8:99::30/128 dev vb");
	assert_probe("10.9.0.2", -EADDRINUSE);
	assert_probe("198.51.100.30", -EADDRINUSE);
	assert_probe("2001:db8:9::2", -EADDRINUSE);
	assert_probe("2001:db8:99::30", -EADDRINUSE);
}

static void probe_of_a_free_address(void **state)
{
	struct row vip = vip_row("198.51.100.10");
	struct xlb_addr target = addr("198.51.100.10");
	struct xlb_err err = {};
	uint8_t mac[6];

	(void)state;
	assert_probe("198.51.100.31", 0);
	assert_probe("2001:db8:99::31", 0);
	/* xlb's own VIP is nobody else's */
	put(&vip);
	assert_probe("198.51.100.10", 0);
	del(&vip);
	assert_int_equal(host_probe_address("lo", &target, 300, mac, &err), 0);
	assert_int_equal(host_probe_address("eth9", &target, 300, mac, &err), -ENODEV);
	run("ip link set va down");
	assert_int_equal(host_probe_address("va", &target, 300, mac, &err), -ENETDOWN);
}

struct believed {
	const char *addr;
	char mac[18];
};

/* The peer believes that the address is at the MAC address. */
static bool peer_believes(void *arg)
{
	struct believed *believed = arg;
	char command[256];

	snprintf(command, sizeof(command),
		 "nsenter --net=/proc/%d/ns/net ip neigh show %s | grep -q %s", (int)peer,
		 believed->addr, believed->mac);
	return !system(command);
}

static void assert_announced(const char *text)
{
	struct xlb_addr target = addr(text);
	struct believed believed = { .addr = text };
	struct xlb_err err = {};

	run_peer("ip neigh replace %s lladdr 02:00:00:00:00:99 dev vb nud stale", text);
	assert_int_equal(host_announce_address("va", &target, &err), 0);
	command_output(believed.mac, sizeof(believed.mac), "cat /sys/class/net/va/address 2>&-");
	command_output(believed.mac, sizeof(believed.mac),
		       "ip -o link show va | sed 's/.*ether //;s/ .*//'");
	if (!wait_until(peer_believes, &believed))
		fail_msg("the peer did not take the announcement of %s", text);
}

static void announcement_reaches_the_peer(void **state)
{
	(void)state;
	assert_announced("10.9.0.50");
	assert_announced("2001:db8:9::50");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LAB_TEST(probe_finds_the_owner),
		LAB_TEST(probe_of_a_free_address),
		LAB_TEST(announcement_reaches_the_peer),
	};

	return RUN_LAB_TESTS(tests);
}
