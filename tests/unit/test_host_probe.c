// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Duplicate detection and announcement of a VIP on a link. */
#include "base/clock.h"
#include "host_lab.h"

static struct host_probe question(const char *ifname, const char *text)
{
	struct host_probe probe = { .addr = addr(text) };

	strcpy(probe.ifname, ifname);
	return probe;
}

static int probe_one(const char *ifname, const char *text)
{
	struct host_probe probe = question(ifname, text);

	assert_int_equal(host_probe_addresses(&probe, 1, 300), 0);
	return probe.r;
}

static void assert_probe(const char *text, int expected)
{
	int r = probe_one("va", text);

	if (r != expected)
		fail_msg("probe of %s: %d, not %d", text, r, expected);
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

	(void)state;
	assert_probe("198.51.100.31", 0);
	assert_probe("2001:db8:99::31", 0);
	/* xlb's own VIP is nobody else's */
	put(&vip);
	assert_probe("198.51.100.10", 0);
	del(&vip);
	assert_int_equal(probe_one("lo", "198.51.100.10"), 0);
	assert_int_equal(probe_one("eth9", "198.51.100.10"), -ENODEV);
	run("ip link set va down");
	assert_int_equal(probe_one("va", "198.51.100.10"), -ENETDOWN);
}

/* Of both families and of several interfaces at once, in the time that one takes. */
static void probes_run_side_by_side(void **state)
{
	struct host_probe probes[40];
	uint64_t start;
	size_t i;

	(void)state;
	for (i = 0; i < 36; i++) {
		char text[64];

		snprintf(text, sizeof(text), i % 2 ? "2001:db8:99::%zu" : "198.51.100.%zu",
			 100 + i);
		probes[i] = question("va", text);
	}
	probes[36] = question("eth9", "198.51.100.10");
	probes[37] = question("lo", "198.51.100.10");
	start = clock_ms(CLOCK_MONOTONIC);
	assert_int_equal(host_probe_addresses(probes, 38, 300), 0);
	assert_true(clock_ms(CLOCK_MONOTONIC) - start < 2 * 300);
	for (i = 0; i < 36; i++)
		assert_int_equal(probes[i].r, 0);
	assert_int_equal(probes[36].r, -ENODEV);
	assert_int_equal(probes[37].r, 0);
	probes[38] = question("va", "10.9.0.2");
	probes[39] = question("va", "2001:db8:9::2");
	assert_int_equal(host_probe_addresses(probes, 40, 30000), 0);
	assert_true(probes[38].r == -EADDRINUSE || probes[39].r == -EADDRINUSE);
	assert_true(clock_ms(CLOCK_MONOTONIC) - start < 15000);
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
		LAB_TEST(probes_run_side_by_side),
		LAB_TEST(announcement_reaches_the_peer),
	};

	return RUN_LAB_TESTS(tests);
}
