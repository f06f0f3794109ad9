// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where the two lines of a reply's locator are full, that reply has no place: a flow gets another port, since it has
 * other lines, and is refused only after some.
 */
#include "tests.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>

#include "dry.h"
#include "tables.h"
#include "talk.h"

static const struct step steps_open[] = { ESTABLISH, {} };

/* The replies of the talk's flow with this port of the address. */
static struct xlb_reply_key reply_of(const struct talk *talk, struct xlb_addr peer, uint32_t port)
{
	uint16_t from = server_port(talk->service, service_port(talk->service));

	return (struct xlb_reply_key){ .server = addr_server(talk->service, talk->family),
				       .peer = peer,
				       .server_port = htons(from),
				       .peer_port = htons((uint16_t)port),
				       .protocol = IPPROTO_TCP };
}

static void crowd(const struct talk *talk, struct xlb_addr peer, uint32_t from, uint32_t to,
		  uint32_t step)
{
	for (uint32_t port = from; port <= to; port += step) {
		struct xlb_reply_key reply = reply_of(talk, peer, port);

		tables_crowd(&reply);
	}
}

static void opens(struct talk *talk, enum service service, uint8_t family)
{
	talk_init(talk, family, IPPROTO_TCP, service, VIP_OWN);
	talk_run(talk, steps_open);
}

static void is_refused(enum service service, uint8_t family, uint8_t flags)
{
	struct talk talk;

	talk_init(&talk, family, IPPROTO_TCP, service, VIP_OWN);
	talk_run(&talk, (const struct step[]){ DROP(CLIENT, flags, FLOW_TABLE_FULL), {} });
}

/* Also of a pool with free ports, if none of them has a place. */
static void other_pool_of(uint8_t family)
{
	struct talk talk;

	talk_init(&talk, family, IPPROTO_TCP, TINY, VIP_OWN);
	crowd(&talk, addr_snat(family, 0), TINY_FROM, TINY_FROM + 2, 1);
	for (int i = 0; i < 2; i++) {
		opens(&talk, TINY, family);
		assert_in_range(talk.now.snat_port, TINY_FROM + 100, TINY_FROM + 101);
	}
	for (int i = 0; i < 20; i++)
		is_refused(TINY, family, SYN);
	tables_uncrowd();
	assert_null(talk_check_flows(2));
	opens(&talk, TINY, family);
	assert_in_range(talk.now.snat_port, TINY_FROM, TINY_FROM + 2);
	world_end_flows(FLOW_DELETE);
	assert_null(talk_check_flows(0));
}

static void test_other_pool(void **state)
{
	(void)state;
	dry_start();
	other_pool_of(XLB_IPV4);
	other_pool_of(XLB_IPV6);
	dry_stop();
}

/* Some in a hundred ports have no place: no flow is refused for that. */
static void test_other_port(void **state)
{
	struct talk talk;

	(void)state;
	talk_init(&talk, XLB_IPV4, IPPROTO_TCP, WEB, VIP_OWN);
	crowd(&talk, addr_snat(XLB_IPV4, 0), 1024, 65535, 200);
	for (int i = 0; i < 1000; i++)
		opens(&talk, WEB, XLB_IPV4);
	tables_uncrowd();
	assert_null(talk_check_flows(1000));
	world_end_flows(FLOW_DELETE);
	assert_null(talk_check_flows(0));
}

/* A server of mode nat gets another port than the client's, unless it may know the connection already. */
static void nat_port_of(uint8_t family)
{
	struct talk talk;

	talk_init(&talk, family, IPPROTO_TCP, NAT, VIP_OWN);
	crowd(&talk, addr_client(family), talk.client_port, talk.client_port, 1);
	talk_run(&talk, (const struct step[]){ DROP(CLIENT, ACK, FLOW_TABLE_FULL), {} });
	talk_run(&talk, steps_open);
	assert_int_not_equal(talk.now.snat_port, talk.client_port);
	tables_uncrowd();
	talk_run(&talk, (const struct step[]){ DO(RECORDS, 1), {} });
	crowd(&talk, addr_client(family), 1, 65535, 1);
	is_refused(NAT, family, SYN);
	tables_uncrowd();
	talk_run(&talk, (const struct step[]){ DO(RECORDS, 1), {} });
	world_end_flows(FLOW_DELETE);
}

static void test_nat_port(void **state)
{
	(void)state;
	dry_start();
	nat_port_of(XLB_IPV4);
	nat_port_of(XLB_IPV6);
	dry_stop();
}

/* Also where a test has failed. */
static int uncrowd(void **state)
{
	(void)state;
	tables_uncrowd();
	return 0;
}

const struct CMUnitTest crowded_tests[] = {
	{ .name = "no place for a reply: a port of another pool",
	  .test_func = test_other_pool,
	  .teardown_func = uncrowd },
	{ .name = "no place for a reply: another port",
	  .test_func = test_other_port,
	  .teardown_func = uncrowd },
	{ .name = "no place for a reply: nat changes the port",
	  .test_func = test_nat_port,
	  .teardown_func = uncrowd },
	{ 0 },
};
