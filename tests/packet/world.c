// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contents.h"
#include "dry.h"
#include "resize.h"
#include "tables.h"
#include "vlan.h"

#define SLOT_UNATTACHED 3U
#define SLOT_GONE	4U
#define HOP_UNRESOLVED	5U
#define BITMAP_TINY	5U /* and the next */
#define BITMAP_COUNT	9U

const uint8_t mac_client[6] = { 2, 0, 0, 0, 0, 0xc };
const uint8_t mac_server[6] = { 2, 0, 0, 0, 0, 0x5 };
const uint8_t mac_slots[3][6] = { { 0 }, { 2, 0, 0, 0, 1, 1 }, { 2, 0, 0, 0, 1, 2 } };

static struct datapath *datapath;
static struct variant *variants[VARIANT_JUMBO + 1]; /* those that tests have asked for */
static uint32_t ports_at_rest;

static const struct {
	uint16_t port, server_port;
	enum xlb_mode mode;
	enum xlb_encapsulation encapsulation;
	bool cross;
} services[] = {
#define X(name, port, server_port, mode, encapsulation, cross) \
	[name] = { port, server_port, XLB_MODE_##mode, XLB_ENCAPSULATION_##encapsulation, cross },
	SERVICES(X)
#undef X
};

static struct xlb_addr addr(const char *text)
{
	struct xlb_addr addr;

	if (parse_addr(text, &addr) < 0)
		fail_msg("'%s' is no address", text);
	return addr;
}

struct xlb_addr addr_client(uint8_t family)
{
	return addr(family == XLB_IPV4 ? "203.0.113.7" : "2001:db8:c::7");
}

struct xlb_addr addr_vip(enum vip vip, uint8_t family)
{
	static const char *const texts[VIP_COUNT][2] = {
		[VIP_OWN] = { "198.51.100.10", "2001:db8::10" },
		[VIP_HOST] = { "198.51.100.1", "2001:db8::1" },
		[VIP_BOTH] = { "10.0.1.3", "2001:db8:1::3" },
	};

	return addr(texts[vip][family == XLB_IPV6]);
}

struct xlb_addr addr_snat(uint8_t family, unsigned int n)
{
	if (n)
		return addr_vip(VIP_BOTH, family);
	return addr(family == XLB_IPV4 ? "10.0.1.2" : "2001:db8:1::2");
}

struct xlb_addr addr_server(enum service service, uint8_t family)
{
	struct xlb_addr server = addr(family == XLB_IPV4 ? "10.0.1.100" : "2001:db8:1::100");

	if (service == SELF || service == NAT_SELF || service == DR_SELF)
		return addr_client(family);
	if (service == LOCAL)
		return (struct xlb_addr){ 0 };
	server.bytes[15] = (uint8_t)(100 + (service == NAT_TWIN ? NAT : service));
	return server;
}

uint16_t service_port(enum service service)
{
	return services[service].port;
}

enum xlb_mode service_mode(enum service service)
{
	return services[service].mode;
}

bool service_is_gue(enum service service)
{
	return services[service].encapsulation == XLB_ENCAPSULATION_GUE;
}

uint8_t service_family(enum service service, uint8_t family)
{
	if (service == LOCAL)
		return XLB_IPV4;
	return services[service].cross ? other_family(family) : family;
}

uint16_t server_port(enum service service, uint16_t client_port)
{
	return services[service].server_port ? services[service].server_port : client_port;
}

uint32_t id_vip(enum vip vip, uint8_t family)
{
	return vip * 2U + (family == XLB_IPV6) + 1;
}

uint32_t id_snat(uint8_t family, unsigned int n)
{
	return n * 2U + (family == XLB_IPV6) + 1;
}

uint32_t id_server(enum service service, uint8_t family)
{
	return service * 2U + (family == XLB_IPV6);
}

uint32_t id_listener(enum service service, uint8_t protocol)
{
	return service + (protocol == IPPROTO_UDP ? 100U : 0);
}

void each_kind(void (*test)(uint8_t family, uint8_t protocol))
{
	test(XLB_IPV4, IPPROTO_TCP);
	test(XLB_IPV4, IPPROTO_UDP);
	test(XLB_IPV6, IPPROTO_TCP);
	test(XLB_IPV6, IPPROTO_UDP);
}

struct datapath *world_datapath(void)
{
	return datapath;
}

void world_put_row(enum table_id table, const void *key, const void *value, const void *content,
		   size_t size)
{
	struct sink *sink = datapath_sink(datapath);
	struct row row = { .table = table };
	struct xlb_err err = {};

	memcpy(row.key, key, tables[table].key_size);
	memcpy(row.value, value, tables[table].value_size);
	if (sink->put(sink, &row, content, size, &err) < 0)
		fail_msg("put %s: %s", tables[table].word, err.text);
}

void world_put(enum table_id table, const void *key, const void *value)
{
	world_put_row(table, key, value, NULL, 0);
}

static struct xlb_server server_value(enum service service, uint8_t family, uint32_t flags)
{
	static const uint32_t hops[SERVICE_COUNT] = {
		[ONE_ARM] = SLOT_CLIENTS,
		[NO_NEIGHBOUR] = HOP_UNRESOLVED,
		[UNATTACHED] = SLOT_UNATTACHED,
		[NO_DEVICE] = SLOT_GONE,
	};
	struct xlb_server server = {
		.addr = addr_server(service, family),
		.port = htons(services[service].server_port),
		.family = family,
		.mode = (uint8_t)services[service].mode,
		.encapsulation = (uint8_t)services[service].encapsulation,
		/* what server and client share */
		.near_bits = service != NAT_NEAR ? 0 :
			     family == XLB_IPV4	 ? 96 :
						   32,
		.pool_count = service == TINY ? 2 : 1,
		.nexthop = hops[service] ? hops[service] : SLOT_SERVERS,
		.flags = flags,
	};

	if (service == LOCAL) {
		server.pool_count = 0;
		server.nexthop = 0;
		return server;
	}

	for (unsigned int i = 0; i < 2; i++) {
		server.pools[i].snat = (uint16_t)id_snat(family, i);
		server.pools[i].bitmap =
			(uint16_t)(id_snat(family, i) + (service == TINY ? BITMAP_TINY - 1 : 0));
	}
	return server;
}

void world_server(enum service service, uint8_t family, uint32_t flags)
{
	struct xlb_server server = server_value(service, family, flags);

	world_put(TABLE_SERVER, &(struct row_id){ id_server(service, family) }, &server);
}

void world_server_moved(enum service service, uint8_t family)
{
	struct xlb_server server = server_value(service, family, 0);

	server.addr.bytes[14]++;
	world_put(TABLE_SERVER, &(struct row_id){ id_server(service, family) }, &server);
}

void world_weight(enum service service, uint32_t weight)
{
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct xlb_server server = server_value(service, family, 0);

		server.weight = (uint16_t)weight;
		world_put(TABLE_SERVER, &(struct row_id){ id_server(service, family) }, &server);
	}
}

/* To walk a map of so many places takes some milliseconds, even if nothing is there. */
static bool has_affinities;

bool world_has_affinities(void)
{
	return has_affinities;
}

void world_choice(enum service group, const struct xlb_choice *choice)
{
	has_affinities = has_affinities || choice->affinity;
	world_put(TABLE_GROUP, &(struct row_id){ group }, &(struct row_group){ .choice = *choice });
}

void world_instead(enum service group, const struct xlb_instead *instead)
{
	world_put(TABLE_GROUP, &(struct row_id){ group },
		  &(struct row_group){ .instead = *instead });
}

void world_quic_name(enum service group, const uint8_t *id, size_t length, enum service server)
{
	struct xlb_quic_server_key key = { .group = group };
	struct xlb_quic_server value = {
		.ipv4 = id_server(server, service_family(server, XLB_IPV4)),
		.ipv6 = id_server(server, service_family(server, XLB_IPV6)),
	};

	memcpy(key.id, id, length);
	world_put(TABLE_QUIC_SERVER, &key, &value);
}

uint32_t world_quic_ids(void)
{
	int fd = datapath_map_fd(datapath, "quic_ids");
	struct xlb_quic_id key, *last = NULL;
	uint32_t count = 0;

	for (; !bpf_map_get_next_key(fd, last, &key); last = &key)
		count++;
	return count;
}

static void map_clear(const char *name, void *key)
{
	int fd = datapath_map_fd(datapath, name);

	while (!bpf_map_get_next_key(fd, NULL, key))
		bpf_map_delete_elem(fd, key);
}

void world_quic_forget(void)
{
	map_clear("quic_ids", &(struct xlb_quic_id){});
}

void world_age_affinities(uint32_t seconds)
{
	int fd = datapath_map_fd(datapath, "affinities");
	struct xlb_affinity_key key, *last = NULL;
	struct xlb_affinity affinity;

	for (; !bpf_map_get_next_key(fd, last, &key); last = &key) {
		assert_int_equal(bpf_map_lookup_elem(fd, &key, &affinity), 0);
		affinity.stamp -= (uint32_t)(((uint64_t)seconds * 1000000000) >> XLB_STAMP_SHIFT);
		affinity.stamp &= XLB_STAMP_MASK;
		bpf_map_update_elem(fd, &key, &affinity, BPF_EXIST);
	}
}

static void put_listener(enum service service, uint8_t protocol, struct xlb_listener listener)
{
	struct row_id key = { id_listener(service, protocol) };

	listener.idle_timeout = protocol == IPPROTO_TCP ? TCP_IDLE : UDP_IDLE;
	world_put(TABLE_LISTENER, &key, &listener);
}

void world_forget_fragments(void)
{
	map_clear("fragmented", &(struct xlb_fragment_key){});
}

void world_listener(enum service service, uint8_t protocol, uint32_t group, uint32_t flags)
{
	put_listener(service, protocol, (struct xlb_listener){ .group = group, .flags = flags });
}

void world_limited(enum service service, uint8_t protocol, struct xlb_limited limited)
{
	put_listener(service, protocol,
		     (struct xlb_listener){ .group = service, .limited = limited });
}

void world_split(enum service service, uint8_t protocol, const struct xlb_split *split,
		 uint32_t flags)
{
	world_put(TABLE_SPLIT, &(struct row_id){ id_listener(service, protocol) }, split);
	world_listener(service, protocol, split->groups[0].group, XLB_LISTENER_SPLIT | flags);
}

void world_mss(enum service service, uint32_t mss)
{
	put_listener(service, IPPROTO_TCP, (struct xlb_listener){ .group = service, .mss = mss });
}

static void fill_addresses(uint8_t family)
{
	for (enum vip vip = 0; vip < VIP_COUNT; vip++) {
		struct row_id key = { id_vip(vip, family) };
		struct row_vip flags = { .flags = vip == VIP_HOST ? XLB_VIP_HOST : 0 };
		struct xlb_addr vip_addr = addr_vip(vip, family);
		struct xlb_address role = {
			.vip = key.id,
			.snat = (uint16_t)(vip == VIP_BOTH ? id_snat(family, 1) : 0),
		};

		contents_ports(vip, family);
		world_put(TABLE_VIP, &key, &flags);
		world_put(TABLE_ADDRESS, &vip_addr, &role);
	}
	for (enum service service = WEB; service < SERVICE_COUNT; service++) {
		struct xlb_addr server = addr_server(service, family);
		struct xlb_address role = { .flags = XLB_ADDRESS_RETURNS };

		if (xlb_mode_has(services[service].mode, XLB_MODE_RETURNS))
			world_put(TABLE_ADDRESS, &server, &role);
	}
	for (unsigned int i = 0; i < 2; i++) {
		struct row_id key = { id_snat(family, i) };
		struct xlb_snat snat = { .addr = addr_snat(family, i) };
		struct xlb_address role = { .snat = (uint16_t)key.id };

		world_put(TABLE_SNAT, &key, &snat);
		if (!i)
			world_put(TABLE_ADDRESS, &snat.addr, &role);
	}
}

void world_next_hop(uint32_t hop, uint32_t slot)
{
	struct xlb_nexthop value = { .interface = (uint16_t)slot };

	memcpy(value.mac, mac_server, 6);
	world_put(TABLE_NEXTHOP, &(struct row_id){ hop }, &value);
}

static void fill_interfaces(void)
{
	const uint32_t client_ifindex = if_nametoindex("lo"),
		       server_ifindex = if_nametoindex("xlbt0");

	for (uint32_t slot = SLOT_CLIENTS; slot <= SLOT_GONE; slot++) {
		struct row_id key = { slot };
		struct xlb_interface interface = {
			.ifindex = slot == SLOT_CLIENTS ? client_ifindex : server_ifindex,
			.mtu = slot == SLOT_CLIENTS ? CLIENT_MTU : SERVER_MTU,
			.flags = XLB_INTERFACE_RETURNS,
			.nic = (uint8_t)slot,
		};

		world_next_hop(slot, slot);
		if (slot == SLOT_UNATTACHED)
			continue;
		if (slot < SLOT_UNATTACHED)
			memcpy(interface.mac, mac_slots[slot], 6);
		world_put(TABLE_INTERFACE, &key, &interface);
		if (slot == SLOT_GONE)
			bpf_map_delete_elem(datapath_map_fd(datapath, "devices"), &slot);
	}
	world_put(TABLE_NEXTHOP, &(struct row_id){ HOP_UNRESOLVED }, &(struct xlb_nexthop){});
}

/* What tests change, and world_reset restores. */
static void fill_services(void)
{
	for (enum service service = WEB; service < SERVICE_COUNT; service++) {
		for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4)
			world_server(service, service_family(service, family), 0);
		contents_group(service);
		world_choice(service, &(struct xlb_choice){});
		for (uint8_t protocol = IPPROTO_TCP; protocol;
		     protocol = protocol == IPPROTO_TCP ? IPPROTO_UDP : 0)
			world_listener(service, protocol, service,
				       service == DISABLED ? XLB_LISTENER_DISABLED : 0);
	}
}

static void fill(void)
{
	fill_interfaces();
	for (uint32_t bitmap = 1; bitmap < BITMAP_COUNT; bitmap++) {
		struct row_bitmap range = { 1024, 65535 };

		if (bitmap >= BITMAP_TINY) {
			bool second = bitmap >= BITMAP_TINY + 2;

			range.from = (uint16_t)(TINY_FROM + (second ? 100 : 0));
			range.to = (uint16_t)(range.from + (second ? 1 : 2));
		}
		world_put(TABLE_BITMAP, &(struct row_id){ bitmap }, &range);
	}
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4)
		fill_addresses(family);
	fill_services();
}

static const char *make_namespace(void)
{
	if (geteuid() != 0)
		return "needs root";
	if (unshare(CLONE_NEWNET))
		return "cannot make a network namespace";
	/* not among the ports of the pools that tests count */
	if (system("echo 32768 60999 >/proc/sys/net/ipv4/ip_local_port_range") ||
	    system("ip link add xlbt0 type veth peer name xlbt1"))
		return "cannot make a veth";
	return NULL;
}

const char *world_open(uint32_t flows)
{
	static bool has_namespace;
	const struct datapath_options options = { .flows = flows };
	static struct xlb_err err;
	const char *reason;
	cpu_set_t cpus;

	if (!has_namespace) {
		reason = make_namespace();
		if (reason)
			return reason;
		has_namespace = true;
		/* the budget of RSTs is one CPU's */
		CPU_ZERO(&cpus);
		CPU_SET(sched_getcpu(), &cpus);
		sched_setaffinity(0, sizeof(cpus), &cpus);
	}
	if (datapath_open(&options, &datapath, &err) < 0)
		return err.text;
	tables_map(datapath);
	contents_none();
	ports_at_rest = 0;
	fill();
	ports_at_rest = world_ports_taken();
	return NULL;
}

void world_close(void)
{
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		variants[i] = variant_free(variants[i]);
	tables_unmap();
	datapath = datapath_close(datapath);
}

static void resize_table(enum xlb_flow_table_id id, uint32_t room)
{
	struct xlb_err err = {};
	struct table_resize *resize = table_resize_new(datapath, id, room, &err);
	enum table_resize_state state = TABLE_RESIZE_GOES_ON;

	if (!resize)
		fail_msg("table_resize_new: %s; %s", err.text, err.hint);
	while (state != TABLE_RESIZE_DONE) {
		state = table_resize_step(resize, room, &err);
		if (state == TABLE_RESIZE_FAILED)
			fail_msg("table_resize_step: %s", err.text);
	}
	table_resize_free(resize);
}

void world_room(uint32_t flows)
{
	world_end_flows(FLOW_DELETE);
	for (uint32_t id = 0; id < XLB_FLOW_TABLES; id++)
		/* replies are of flows of both families */
		resize_table(id, id == XLB_TABLE_REPLIES ? 2 * flows : flows);
	tables_forget();
}

static void forget_event(void *arg, const struct xlb_event *event, const uint8_t *data)
{
	(void)arg, (void)event, (void)data;
}

struct variant *world_variant(enum variant_kind kind)
{
	struct xlb_err err = {};

	if (!variants[kind] && variant_load(datapath, kind, &variants[kind], &err))
		fail_msg("%s", err.text);
	for (uint32_t i = 0; i < XLB_WATCHES; i++)
		variant_unwatch(variants[kind], i);
	while (variant_read(variants[kind], XLB_WATCHES, forget_event, NULL))
		;
	return variants[kind];
}

void world_reset_budget(void)
{
	AUTO_FREE struct xlb_budget *budgets = calloc(1024, sizeof(*budgets));

	for (uint32_t i = 0; i < XLB_ANSWER_COUNT; i++)
		bpf_map_update_elem(datapath_map_fd(datapath, "budgets"), &i, budgets, BPF_ANY);
}

void world_reset(void)
{
	world_end_flows(FLOW_DELETE);
	world_quic_forget();
	if (has_affinities)
		map_clear("affinities", &(struct xlb_affinity_key){});
	has_affinities = false;
	tables_forget_paths();
	map_clear("quic_servers", &(struct xlb_quic_server_key){});
	world_forget_fragments();
	map_clear("sources", &(struct xlb_source_key){});
	fill_services();
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4)
		for (enum vip vip = 0; vip < VIP_COUNT; vip++)
			contents_ports(vip, family);
	if (datapath_settle_begin(datapath)) {
		datapath_settle_wait(datapath);
		datapath_settle_end(datapath);
	}
	world_reset_budget();
}

void world_drops_read(uint64_t ret[XLB_DROP_COUNT])
{
	if (datapath_drop_counters(datapath, SLOT_CLIENTS, ret) < 0)
		fail_msg("datapath_drop_counters");
}

/* The real program must have decided as the dry run did. */
static void dry_compare(const struct dry_result *dry, const struct outcome *got, uint64_t drops)
{
	if (dry->action != got->verdict)
		fail_msg("the dry run said %u, the program %u", dry->action, got->verdict);
	if (!dry->verdict)
		fail_msg("the dry run told no verdict");
	if (dry->reason && world_drops(dry->reason) != drops + 1)
		fail_msg("the dry run said reason %u, the program counted another", dry->reason);
}

static int other_program = -1;

void world_program(int fd)
{
	other_program = fd;
}

void world_send(const uint8_t *data, size_t length, struct outcome *ret)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_out = ret->data,
		    .data_size_out = sizeof(ret->data), .repeat = 1);
	struct dry_result dry;
	bool compare;
	uint64_t drops;

	resize_before_frame();
	data = vlan_tag(data, &length);
	opts.data_in = data;
	opts.data_size_in = (uint32_t)length;
	compare = dry_run_frame(data, length, &dry);
	drops = compare ? world_drops(dry.reason) : 0;

	if (bpf_prog_test_run_opts(
		    other_program >= 0 ? other_program : datapath_program_fd(datapath), &opts))
		fail_msg("BPF_PROG_TEST_RUN: %s", strerror(errno));
	ret->verdict = opts.retval;
	ret->length = opts.data_size_out;
	vlan_untag(ret);
	if (compare)
		dry_compare(&dry, ret, drops);
}

uint64_t world_drops(enum xlb_reason reason)
{
	uint64_t drops[XLB_DROP_COUNT];

	world_drops_read(drops);
	return drops[reason];
}

uint64_t world_drops_total(void)
{
	uint64_t drops[XLB_DROP_COUNT], total = 0;

	world_drops_read(drops);
	for (int i = 0; i < XLB_DROP_COUNT; i++)
		total += drops[i];
	return total;
}

void world_refuses(const char *what, const uint8_t *data, size_t length, enum xlb_reason reason)
{
	static struct outcome got;
	uint64_t before = world_drops(reason);

	world_send(data, length, &got);
	if (got.verdict != (reason ? XDP_DROP : XDP_PASS))
		fail_msg("%s, %zu bytes: verdict %u", what, length, got.verdict);
	if (reason && world_drops(reason) != before + 1)
		fail_msg("%s, %zu bytes: reason %d not counted", what, length, reason);
	if (got.length != length || memcmp(got.data, data, length))
		fail_msg("%s, %zu bytes: the frame was changed", what, length);
}

uint32_t world_ports_taken(void)
{
	uint32_t taken = 0, used, total;

	for (uint32_t bitmap = 1; bitmap < BITMAP_COUNT; bitmap++)
		if (!datapath_bitmap_usage(datapath, bitmap, &used, &total))
			taken += used;
	return taken - ports_at_rest;
}

bool world_flow(const struct xlb_flow_key *key, struct xlb_flow *ret)
{
	return !datapath_flow_get(datapath, key, ret);
}

void world_age(uint32_t seconds)
{
	tables_age((uint32_t)(((uint64_t)seconds * 1000000000) >> XLB_STAMP_SHIFT));
}

static enum flow_action answer(void *arg, const struct xlb_flow_key *key,
			       const struct xlb_flow *flow)
{
	(void)key, (void)flow;
	return *(enum flow_action *)arg;
}

void world_end_flows(enum flow_action action)
{
	AUTO(flow_walk_free) struct flow_walk *walk = flow_walk_new(datapath);
	struct xlb_err err = {};
	bool done = false;

	assert_non_null(walk);
	while (!done)
		if (flow_walk_next(walk, WORLD_FLOWS, answer, &action, &done, &err) < 0)
			fail_msg("%s", err.text);
}
