// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Frames with VLAN tags: the rows of the other files once more, with clients and servers in VLANs; then what such
 * frames have of their own. VLAN devices are rows: no device of the host is needed.
 */
#include "vlan.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <string.h>

#include "icmp_frames.h"
#include "sys/datapath_variant.h"
#include "tests.h"

#define MACS		  12
#define TAGS_MAX	  (XLB_VLAN_TAGS * 4)
#define SLOT_CLIENTS_VLAN 5U
#define SLOT_SERVERS_VLAN 6U /* on the NIC of the servers */
#define SLOT_ONE_ARM_VLAN 7U /* the same tags on the NIC that all frames of tests come by */

#define C_TAG(id) ((uint32_t)ETH_P_8021Q << 16 | (id))
#define S_TAG(id) ((uint32_t)ETH_P_8021AD << 16 | (id))
#define ID	  0x0fffU
#define PRIORITY  0xf000U

/* Tags, outer first, in host order. */
struct tags {
	uint32_t tag[XLB_VLAN_TAGS];
};

/* Where clients and servers are; their frames have these tags, and a priority in each. */
static const struct network {
	const char *name;
	struct tags clients, servers;
} networks[] = {
	{ "from a VLAN to none", { { C_TAG(100) } }, { { 0 } } },
	{ "from none to a VLAN", { { 0 } }, { { C_TAG(200) } } },
	{ "from a VLAN to another", { { C_TAG(100) } }, { { C_TAG(200) } } },
	{ "within a VLAN", { { C_TAG(4094) } }, { { C_TAG(4094) } } },
	{ "from QinQ to a VLAN", { { S_TAG(300), C_TAG(100) } }, { { C_TAG(200) } } },
	{ "from a VLAN to QinQ", { { S_TAG(200) } }, { { C_TAG(300), C_TAG(200) } } },
	{ "from QinQ to QinQ", { { S_TAG(1), C_TAG(2) } }, { { S_TAG(1), C_TAG(3) } } },
	{ "priority without a VLAN", { { C_TAG(0) } }, { { C_TAG(200) } } },
	{ "priority inside of a VLAN", { { C_TAG(100), C_TAG(0) } }, { { C_TAG(0) } } },
	{ "priority around a VLAN", { { C_TAG(0), C_TAG(100) } }, { { 0 } } },
};

static const struct network *network; /* NULL: no tags */
static struct tags sent;	      /* with the frame at hand */
static uint64_t drops;		      /* before it */

/* What a frame of theirs has: the ids and priorities of its own. */
static struct tags tags_sent(const struct tags *tags)
{
	static const uint32_t priorities[] = { 0xb000, 0x6000 };
	struct tags ret = *tags;

	for (int i = 0; i < XLB_VLAN_TAGS; i++)
		if (ret.tag[i])
			ret.tag[i] |= priorities[i];
	return ret;
}

/* What makes the link: a tag with id 0 does not. */
static struct tags tags_of_link(const struct tags *tags)
{
	struct tags ret = {};
	int count = 0;

	for (int i = 0; i < XLB_VLAN_TAGS; i++)
		if (tags->tag[i] & ID)
			ret.tag[count++] = tags->tag[i];
	return ret;
}

static size_t tags_size(const struct tags *tags)
{
	return tags->tag[1] ? 8 : tags->tag[0] ? 4 : 0;
}

static void tags_write(const struct tags *tags, uint8_t *at)
{
	for (size_t i = 0; i < tags_size(tags) / 4; i++)
		memcpy(at + i * 4, &(uint32_t){ htonl(tags->tag[i]) }, 4);
}

/* `data` with tags between its MACs and the rest. */
static size_t frame_with_tags(const uint8_t *data, size_t length, const struct tags *tags,
			      uint8_t *ret)
{
	size_t size = tags_size(tags);

	memcpy(ret, data, MACS);
	tags_write(tags, ret + MACS);
	memcpy(ret + MACS + size, data + MACS, length - MACS);
	return length + size;
}

const uint8_t *vlan_tag(const uint8_t *data, size_t *length)
{
	static uint8_t tagged[FRAME_MAX + TAGS_MAX];

	if (!network)
		return data;
	sent = tags_sent(memcmp(data + 6, mac_server, 6) ? &network->clients : &network->servers);
	drops = world_drops_total();
	*length = frame_with_tags(data, *length, &sent, tagged);
	return tagged;
}

/* What a frame must have by where it goes, and by what it came with. */
static struct tags tags_wanted(const struct outcome *outcome)
{
	bool forwarded = (outcome->verdict == XDP_TX || outcome->verdict == XDP_REDIRECT) &&
			 world_drops_total() == drops;
	struct tags want;

	if (!forwarded)
		return sent;
	want = tags_of_link(memcmp(outcome->data, mac_server, 6) ? &network->clients :
								   &network->servers);
	if (want.tag[0])
		want.tag[0] |= sent.tag[0] & PRIORITY;
	if (want.tag[1])
		want.tag[1] |= sent.tag[sent.tag[1] != 0] & PRIORITY;
	return want;
}

void vlan_untag(struct outcome *outcome)
{
	uint8_t bytes[TAGS_MAX];
	struct tags want;
	size_t size;

	if (!network)
		return;
	want = tags_wanted(outcome);
	size = tags_size(&want);
	tags_write(&want, bytes);
	if (outcome->length < MACS + size || memcmp(outcome->data + MACS, bytes, size)) {
		frame_print_difference(outcome->data, outcome->length, outcome->data, MACS);
		fail_msg("%s: the tags of the frame are not %08x %08x", network->name, want.tag[0],
			 want.tag[1]);
	}
	outcome->length -= size;
	memmove(outcome->data + MACS, outcome->data + MACS + size, outcome->length - MACS);
}

/* A VLAN device as a row; tags without an id make none. */
static bool put_link(uint32_t slot, uint32_t nic, const struct tags *tags)
{
	struct tags link = tags_of_link(tags);
	struct xlb_interface value = {
		.ifindex = if_nametoindex(nic == SLOT_CLIENTS ? "lo" : "xlbt0"),
		.mtu = nic == SLOT_CLIENTS ? CLIENT_MTU : SERVER_MTU,
		.flags = XLB_INTERFACE_TAGGED,
		.nic = (uint8_t)nic,
		.tags = { { htonl(link.tag[0]), htonl(link.tag[1]) } },
	};

	if (!link.tag[0])
		return false;
	memcpy(value.mac, mac_slots[nic], 6);
	world_put(TABLE_INTERFACE, &(struct row_id){ slot }, &value);
	return true;
}

static void del_link(uint32_t slot)
{
	struct sink *sink = datapath_sink(world_datapath());
	struct row row = { .table = TABLE_INTERFACE };
	struct xlb_err err = {};

	memcpy(row.key, &slot, sizeof(slot));
	assert_int_equal(sink->del(sink, &row, &err), 0);
}

static void network_start(const struct network *next)
{
	bool same = !memcmp(&next->clients, &next->servers, sizeof(next->clients));

	put_link(SLOT_CLIENTS_VLAN, SLOT_CLIENTS, &next->clients);
	if (same)
		world_next_hop(SLOT_CLIENTS, SLOT_CLIENTS_VLAN);
	else if (put_link(SLOT_ONE_ARM_VLAN, SLOT_CLIENTS, &next->servers))
		world_next_hop(SLOT_CLIENTS, SLOT_ONE_ARM_VLAN);
	if (put_link(SLOT_SERVERS_VLAN, SLOT_SERVERS, &next->servers))
		world_next_hop(SLOT_SERVERS, SLOT_SERVERS_VLAN);
	network = next;
}

static void network_stop(void)
{
	network = NULL;
	world_next_hop(SLOT_CLIENTS, SLOT_CLIENTS);
	world_next_hop(SLOT_SERVERS, SLOT_SERVERS);
	for (uint32_t slot = SLOT_CLIENTS_VLAN; slot <= SLOT_ONE_ARM_VLAN; slot++)
		del_link(slot);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		print_message("# %s\n", networks[i].name);
		network_start(&networks[i]);
		talk_test_all();
		network_stop();
	}
}

static void test_malformed(void **state)
{
	network_start(&networks[4]);
	for (const struct CMUnitTest *test = malformed_tests; test->name; test++) {
		world_reset();
		test->test_func(state);
	}
	network_stop();
}

/* --- frames of nobody ----------------------------------------------------------------------------- */

/* A frame of a client to a VIP, with these tags. */
static size_t client_frame(const struct tags *tags, uint8_t *ret)
{
	static uint8_t data[FRAME_MAX];
	struct frame frame;
	struct talk talk;

	talk_init(&talk, XLB_IPV4, IPPROTO_UDP, WEB, VIP_OWN);
	frame = talk_frame(&talk, CLIENT, 0);
	return frame_with_tags(data, frame_build(&frame, data), tags, ret);
}

static void expect_passed(const char *what, const uint8_t *data, size_t length)
{
	static struct outcome got;

	world_send(data, length, &got);
	if (got.verdict != XDP_PASS || got.length != length || memcmp(got.data, data, length))
		fail_msg("%s: verdict %u, or changed", what, got.verdict);
}

static void test_unknown(void **state)
{
	static const struct {
		const char *name;
		struct tags tags;
	} rows[] = {
		{ "another id", { { C_TAG(101) } } },
		{ "another kind of tag", { { S_TAG(100) } } },
		{ "a second tag", { { C_TAG(100), C_TAG(100) } } },
		{ "the inner tag alone", { { C_TAG(2) } } },
		{ "the outer tag alone", { { S_TAG(1) } } },
		{ "tags changed over", { { C_TAG(2), S_TAG(1) } } },
	};
	static const struct tags vlan = { { C_TAG(100) } }, qinq = { { S_TAG(1), C_TAG(2) } };
	static uint8_t data[FRAME_MAX + TAGS_MAX], more[FRAME_MAX + 2 * TAGS_MAX];
	static struct outcome got;
	size_t length;

	(void)state;
	put_link(SLOT_CLIENTS_VLAN, SLOT_CLIENTS, &vlan);
	put_link(SLOT_ONE_ARM_VLAN, SLOT_CLIENTS, &qinq);
	put_link(SLOT_SERVERS_VLAN, SLOT_SERVERS, &(struct tags){ { C_TAG(101) } });
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		length = client_frame(&rows[i].tags, data);
		expect_passed(rows[i].name, data, length);
	}
	length = client_frame(&qinq, data);
	world_send(data, length, &got);
	assert_int_equal(got.verdict, XDP_REDIRECT);
	length = frame_with_tags(data, length, &vlan, more);
	expect_passed("three tags", more, length);
	network_stop();
}

/* --- pings ---------------------------------------------------------------------------------------- */

/* A ping of a VIP is answered in the tags that it came in. */
static void each_ping(uint8_t family)
{
	static uint8_t plain[FRAME_MAX], data[FRAME_MAX + TAGS_MAX], wanted[FRAME_MAX + TAGS_MAX];
	static struct outcome got;

	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		struct tags tags = tags_sent(&networks[i].clients);
		struct frame request = echo_request(family, 64), reply;
		size_t length;

		network_start(&networks[i]);
		network = NULL; /* frames are as they are sent */
		length = frame_with_tags(plain, frame_build(&request, plain), &tags, data);
		world_send(data, length, &got);
		reply = echo_reply(&request);
		frame_with_tags(plain, frame_build(&reply, plain), &tags, wanted);
		if (got.verdict != XDP_TX || got.length != length ||
		    memcmp(got.data, wanted, length)) {
			frame_print_difference(got.data, got.length, wanted, length);
			fail_msg("%s, IPv%u: verdict %u", networks[i].name, family, got.verdict);
		}
		network_stop();
	}
}

static void test_pings(void **state)
{
	(void)state;
	each_ping(XLB_IPV4);
	each_ping(XLB_IPV6);
}

/* --- what is counted and told --------------------------------------------------------------------- */

static void test_counters(void **state)
{
	uint64_t before[XLB_IFCOUNT_MAX], after[XLB_IFCOUNT_MAX], link[XLB_IFCOUNT_MAX];
	static uint8_t data[FRAME_MAX + TAGS_MAX];
	static struct outcome got;
	size_t length;

	(void)state;
	network_start(&networks[4]);
	length = client_frame(&(struct tags){}, data);
	assert_int_equal(datapath_interface_counters(world_datapath(), SLOT_CLIENTS, before), 0);
	world_send(data, length, &got);
	assert_int_equal(got.verdict, XDP_REDIRECT);
	world_no_ports(VIP_OWN, XLB_IPV4);
	world_end_flows(FLOW_DELETE);
	world_send(data, length, &got);
	assert_int_equal(got.verdict, XDP_DROP);
	assert_int_equal(datapath_interface_counters(world_datapath(), SLOT_CLIENTS, after), 0);
	assert_int_equal(after[XLB_IFCOUNT_PACKETS] - before[XLB_IFCOUNT_PACKETS], 2);
	assert_int_equal(after[XLB_IFCOUNT_BYTES] - before[XLB_IFCOUNT_BYTES],
			 2 * (length + TAGS_MAX));
	assert_int_equal(datapath_interface_counters(world_datapath(), SLOT_CLIENTS_VLAN, link), 0);
	assert_int_equal(link[XLB_IFCOUNT_PACKETS], 0);
	network_stop();
}

static struct {
	uint32_t count;
	struct xlb_event event;
	uint8_t data[FRAME_MAX];
} seen[2];

static void take(void *arg, const struct xlb_event *event, const uint8_t *data)
{
	uint32_t *count = arg;

	assert_true(*count < 2);
	seen[*count].event = *event;
	memcpy(seen[*count].data, data, event->captured);
	++*count;
}

static void expect_told(struct variant *variant, const uint8_t *data, size_t length,
			const struct outcome *after)
{
	uint32_t count = 0;

	variant_read(variant, 8, take, &count);
	assert_int_equal(count, after ? 2 : 1);
	assert_int_equal(seen[0].event.slot, SLOT_CLIENTS);
	assert_int_equal(seen[0].event.link, SLOT_CLIENTS_VLAN);
	assert_int_equal(seen[0].event.length, length);
	assert_memory_equal(seen[0].data, data, length);
	if (!after)
		return;
	assert_int_equal(seen[1].event.egress, SLOT_SERVERS);
	assert_int_equal(seen[1].event.egress_link, SLOT_SERVERS_VLAN);
	assert_int_equal(seen[1].event.length, after->length);
	assert_memory_equal(seen[1].data, after->data, after->length);
}

/* Who watches sees frames as they are on the wire, and the last one dropped too. */
static void test_told(void **state)
{
	const struct xlb_watch all = { .set = XLB_WATCH_ACTIVE, .snap = FRAME_MAX };
	static const struct network *const qinq = &networks[6];
	static uint8_t data[FRAME_MAX + TAGS_MAX];
	struct xlb_drop_sample sample;
	static struct outcome got;
	struct variant *variant = world_variant(VARIANT_OBSERVE);
	size_t length;

	(void)state;
	network_start(qinq);
	network = NULL; /* frames are as they are sent */
	world_program(variant_program_fd(variant));
	variant_watch(variant, 0, &all);
	length = client_frame(&qinq->clients, data);
	world_send(data, length, &got);
	assert_int_equal(got.verdict, XDP_REDIRECT);
	assert_int_equal(got.length, length);
	expect_told(variant, data, length, &got);
	world_no_ports(VIP_OWN, XLB_IPV4);
	length = client_frame(&qinq->clients, data);
	world_send(data, length, &got);
	assert_int_equal(got.verdict, XDP_DROP);
	expect_told(variant, data, length, NULL);
	assert_int_equal(datapath_drop_sample(world_datapath(), XLB_DROP_NO_LISTENER, &sample), 0);
	assert_memory_equal(sample.data, data, sample.captured);
	world_program(-1);
	variant_unwatch(variant, 0);
	network_stop();
}

const struct CMUnitTest vlan_tests[] = {
	{ .name = "vlan: every row, within and between VLANs", .test_func = test_rows },
	{ .name = "vlan: malformed packets", .test_func = test_malformed },
	{ .name = "vlan: tags of no VLAN of the host", .test_func = test_unknown },
	{ .name = "vlan: pings of VIPs are answered in their tags", .test_func = test_pings },
	{ .name = "vlan: frames are counted for their NIC, with their tags",
	  .test_func = test_counters },
	{ .name = "vlan: frames are told as they are on the wire", .test_func = test_told },
	{},
};
