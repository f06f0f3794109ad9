// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What forwarding modes do when things get tight: one client port twice, a full table; and random packets. */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"
#include "talk.h"
#include "tests.h"

static const struct step steps_open[] = { ESTABLISH, {} };
static const struct step steps_close[] = { CLOSE, {} };
static const struct step steps_talk[] = { FORWARD(CLIENT, ACK), FORWARD(SERVER, ACK), {} };

static uint64_t ports_changed(enum service service)
{
	uint64_t counters[1][XLB_COUNT_MAX];

	assert_int_equal(datapath_flow_counters(world_datapath(), TABLE_LISTENER,
						id_listener(service, IPPROTO_TCP), 1, counters),
			 0);
	return counters[0][XLB_COUNT_PORTS_CHANGED];
}

/* Two listeners, one server, one port of one client: the second flow gets another port, and both are served. */
static void nat_port_of(uint8_t family)
{
	uint64_t changed = ports_changed(NAT_TWIN);
	struct talk first, second;

	talk_init(&first, family, IPPROTO_TCP, NAT, VIP_OWN);
	talk_run(&first, steps_open);
	second = first;
	second.service = second.server = NAT_TWIN;
	memset(&second.now, 0, sizeof(second.now));
	/* in the middle of a connection nothing can be changed any more */
	talk_run(&second, (const struct step[]){
				  RESET(CLIENT, ACK, NO_FLOW), DROP(CLIENT, RST, NO_FLOW), {} });
	talk_run(&second, steps_open);
	assert_int_equal(first.now.snat_port, first.client_port);
	assert_int_not_equal(second.now.snat_port, first.client_port);
	assert_int_equal(ports_changed(NAT_TWIN), changed + 1);
	talk_run(&first, steps_talk);
	talk_run(&second, steps_talk);
	talk_run(&second, (const struct step[]){ DO(RECORDS, 2), {} });
	/* a closed flow gives its port up */
	talk_run(&second, steps_close);
	talk_run(&first, steps_close);
	second.vip = VIP_HOST;
	memset(&second.now, 0, sizeof(second.now));
	talk_run(&second, steps_open);
	assert_int_equal(second.now.snat_port, first.client_port);
	assert_int_equal(ports_changed(NAT_TWIN), changed + 1);
	world_end_flows(FLOW_DELETE);
	talk_run(&first, (const struct step[]){ DO(RECORDS, 0), {} });
}

static void test_nat_port(void **state)
{
	(void)state;
	nat_port_of(XLB_IPV4);
	nat_port_of(XLB_IPV6);
}

/* With another server in the group, that one gets the second flow, and the port stays. */
static void test_nat_next_server(void **state)
{
	uint64_t changed = ports_changed(NAT_TWIN);

	(void)state;
	world_group_of_two(NAT_TWIN, NAT_TWIN, NAT_SPARE);
	for (int i = 0; i < 40; i++) {
		struct talk first, second;

		talk_init(&first, XLB_IPV4, IPPROTO_TCP, NAT, VIP_OWN);
		talk_run(&first, steps_open);
		second = first;
		second.service = NAT_TWIN;
		second.server = NAT_SPARE;
		memset(&second.now, 0, sizeof(second.now));
		/* in the middle of a connection, too */
		if (i % 2)
			talk_run(&second, (const struct step[]){ FORWARD(CLIENT, ACK), {} });
		else
			talk_run(&second, steps_open);
		assert_int_equal(second.now.snat_port, first.client_port);
	}
	assert_int_equal(ports_changed(NAT_TWIN), changed);
}

/* With no room for another flow, those that need no entry are served all the same. */
static void test_full_table(void **state)
{
	static const enum service services[] = { DR, IPIP, GUE_CROSS, LOCAL };
	uint64_t full = world_drops(XLB_DROP_FLOW_TABLE_FULL);
	static uint8_t data[FRAME_MAX];
	static struct outcome got;
	struct frame frame;
	struct talk talk;
	uint32_t flows;

	(void)state;
	world_room(16);
	/* until the buckets of most keys are taken by flows in use */
	while (world_drops(XLB_DROP_FLOW_TABLE_FULL) < full + 1000) {
		talk_init(&talk, XLB_IPV6, IPPROTO_TCP, WEB, VIP_OWN);
		frame = talk_frame(&talk, CLIENT, SYN);
		world_send(data, frame_build(&frame, data), &got);
		frame = talk_frame(&talk, CLIENT, ACK);
		if (got.verdict == XDP_REDIRECT)
			world_send(data, frame_build(&frame, data), &got);
	}
	flows = tables_flows();
	for (uint32_t i = 0; i < 300; i++) {
		talk_init(&talk, XLB_IPV6, IPPROTO_TCP, services[i % 4], VIP_OWN);
		talk_run(&talk, (const struct step[]){ FORWARD(CLIENT, SYN),
						       FORWARD(CLIENT, ACK),
						       FORWARD(CLIENT, FIN | ACK),
						       {} });
	}
	assert_in_range(tables_flows(), flows, tables_entries(XLB_IPV6));
	/* nor does one that finds no room leave a locator or a port */
	assert_int_equal(tables_locators(), flows);
	assert_int_equal(world_ports_taken(), flows);
	world_room(WORLD_FLOWS);
}

/* Random packets of one flow: whole frames compared, so every checksum update is. */
static void packets_of(enum service service, uint8_t family, uint8_t protocol)
{
	bool direct = xlb_mode_has(service_mode(service), XLB_MODE_DIRECT);
	const struct step open = FORWARD(CLIENT, SYN);
	const char *fault;
	struct talk talk;

	talk_init(&talk, family, protocol, service, VIP_OWN);
	fault = talk_step(&talk, &open);
	for (int i = 0; i < 200 && !fault; i++) {
		enum actor actor = !direct && random() % 2 ? SERVER : CLIENT;
		struct frame frame = talk_frame(&talk, actor, ACK);

		frame.ttl = (uint8_t)(2 + random() % 254);
		frame.class = (uint8_t)random();
		frame.ip_id = (uint16_t)random();
		frame.seq = (uint32_t)random();
		frame.payload = (uint16_t)(random() % 1260);
		frame.pattern = (uint16_t)random();
		frame.no_checksum = protocol == IPPROTO_UDP && random() % 4 == 0;
		fault = talk_send(&talk, actor, &frame, FORWARDED, XLB_DROP_NONE);
	}
	if (fault)
		fail_msg("service %d, IPv%d: %s", service, family, fault);
}

static void packets_of_kind(uint8_t family, uint8_t protocol)
{
	static const enum service services[] = { CROSS,	     NAT, NAT_NEAR,  DR,   IPIP,
						 IPIP_CROSS, GUE, GUE_CROSS, LOCAL };

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		packets_of(services[i], family, protocol);
}

static void test_packets(void **state)
{
	(void)state;
	srandom(5);
	each_kind(packets_of_kind);
}

const struct CMUnitTest modes_tests[] = {
	{ .name = "nat: two flows of one client port at one server", .test_func = test_nat_port },
	{ .name = "nat: another server takes the second flow", .test_func = test_nat_next_server },
	{ .name = "flow_table_full: dr, tunnel and local need no entry",
	  .test_func = test_full_table },
	{ .name = "modes: random packets", .test_func = test_packets },
	{ 0 },
};
