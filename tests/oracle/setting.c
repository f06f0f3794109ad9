// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "setting.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../packet/world.h"
#include "base/cleanup.h"
#include "base/words.h"
#include "core/maglev.h"
#include "core/ports.h"

#define GROUP_FIRST    200U
#define LISTENER_FIRST 300U
#define SERVERS_MAX    4

/* Groups of several servers, in real Maglev tables: those that a range of ports, or (from 0) any port leads to. */
static const struct {
	uint16_t from, to;
	enum service servers[SERVERS_MAX];
	struct xlb_choice quic; /* the n-th server's id is its number */
} ranges[] = {
	{ 0, 0, { WEB, CROSS }, {} },
	{ 2000, 2999, { WEB, SPARE, ONE_ARM, CROSS }, {} },
	{ 3000, 3999, { NAT, NAT_SPARE }, {} },
	{ 4000, 4999, { DR, DR_SPARE }, {} },
	{ 5000, 5999, { IPIP, IPIP_CROSS, GUE, GUE_CROSS }, {} },
	{ 6000,
	  6099,
	  { WEB, SPARE, CROSS },
	  { .id_length = 8, .server_id_length = 0, .config = XLB_QUIC_CONFIGS } },
	{ 6100,
	  6199,
	  { WEB, SPARE, CROSS },
	  { .id_length = 20, .server_id_length = 2, .config = XLB_QUIC_CONFIGS } },
	{ 6200, 6299, { NAT, NAT_SPARE }, { .id_length = 6, .server_id_length = 1, .config = 2 } },
	{ 6300,
	  6399,
	  { DR, DR_SPARE },
	  { .id_length = 8, .server_id_length = 3, .config = XLB_QUIC_CONFIGS } },
	{ 6400,
	  6499,
	  { IPIP, GUE_CROSS },
	  { .id_length = 4, .server_id_length = 0, .config = XLB_QUIC_CONFIGS } },
};
#define RANGES (sizeof(ranges) / sizeof(ranges[0]))

static json_t *groups, *port_sets;

static void add(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value))
		abort();
}

static void add_by_id(json_t *object, uint32_t id, json_t *value)
{
	char key[16];

	snprintf(key, sizeof(key), "%u", id);
	add(object, key, value);
}

static json_t *json_addr(const struct xlb_addr *addr)
{
	char text[ADDR_TEXT_MAX];

	format_addr(addr, text);
	return json_string(text);
}

static json_t *json_mac(const uint8_t mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return json_string(text);
}

/* The table of a group, of so many slots that those which are left out repeat them. */
static json_t *json_table(const uint16_t *slots, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_integer(slots[i]));
	return list;
}

static void fill_group(uint32_t group, const enum service *services)
{
	AUTO_FREE struct content_maglev *content = calloc(1, sizeof(*content));
	json_t *families = json_object();

	if (!content)
		abort();
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct maglev_server servers[SERVERS_MAX];
		struct row_maglev_key key = { group, family };
		uint32_t count = 0;

		for (; count < SERVERS_MAX && services[count]; count++) {
			uint32_t id =
				id_server(services[count], service_family(services[count], family));

			servers[count] = (struct maglev_server){ content_hash(&id, sizeof(id)),
								 20 + count * 10, id };
		}
		if (maglev_fill(servers, count, content->slot))
			abort();
		world_put_content(TABLE_MAGLEV, &key, content, sizeof(*content));
		add_by_id(families, family, json_table(content->slot, XLB_MAGLEV_SLOTS));
	}
	add_by_id(groups, group, families);
}

/* The groups that world.c has made: of one server each. */
static void describe_groups(void)
{
	for (enum service service = WEB; service < SERVICE_COUNT; service++) {
		json_t *families = json_object();

		for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
			uint16_t id = (uint16_t)id_server(service, service_family(service, family));

			if (service != NO_SERVER)
				add_by_id(families, family, json_table(&id, 1));
		}
		add_by_id(groups, service, families);
	}
}

static uint32_t range_listener(size_t range, uint8_t protocol)
{
	return LISTENER_FIRST + (uint32_t)range * 2 + (protocol == IPPROTO_UDP);
}

/* Lets the servers of a group that goes by connection ids be known by theirs. */
static void fill_quic(uint32_t group, const struct xlb_choice *quic, const enum service *services)
{
	if (!quic->id_length)
		return;
	world_put(TABLE_GROUP, &(struct row_id){ group }, &(struct row_group){ .choice = *quic });
	for (uint8_t i = 0; i < SERVERS_MAX && services[i]; i++) {
		uint8_t id[XLB_QUIC_SERVER_ID_MAX] = { i };

		world_server(services[i], XLB_IPV4, XLB_SERVER_QUIC);
		world_server(services[i], XLB_IPV6, XLB_SERVER_QUIC);
		if (quic->server_id_length)
			world_quic_name((enum service)group, id, quic->server_id_length,
					services[i]);
	}
}

static void fill_ranges(void)
{
	for (size_t i = 0; i < RANGES; i++) {
		fill_group(GROUP_FIRST + (uint32_t)i, ranges[i].servers);
		fill_quic(GROUP_FIRST + (uint32_t)i, &ranges[i].quic, ranges[i].servers);
		for (uint32_t udp = 0; udp < 2; udp++) {
			struct row_id key = { LISTENER_FIRST + (uint32_t)i * 2 + udp };
			struct xlb_listener listener = {
				.group = GROUP_FIRST + (uint32_t)i,
				.idle_timeout = udp ? UDP_IDLE : TCP_IDLE,
				.mss = udp ? 0 : 1000 * (uint32_t)(i % 3),
			};

			world_put(TABLE_LISTENER, &key, &listener);
		}
	}
}

static json_t *json_rules(const struct port_rule *rules, uint32_t count)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{si,si,si}", "from", rules[i].from, "to",
						      rules[i].to, "listener", rules[i].listener));
	return list;
}

/* The listeners of a VIP, most precise first. */
static void fill_ports(enum vip vip, uint8_t family, uint8_t protocol)
{
	struct row_port_set_key key = { id_vip(vip, family), protocol };
	struct port_rule rules[SERVICE_COUNT + RANGES];
	AUTO_FREE struct content_port_set *content = NULL;
	uint32_t count = 0;
	char name[16];
	size_t size;

	for (enum service service = WEB; service < SERVICE_COUNT; service++)
		/* mode local, which the oracle does not know: nobody asks for it */
		if (service != LOCAL)
			rules[count++] = (struct port_rule){ service_port(service),
							     service_port(service), PORT_EXACT,
							     id_listener(service, protocol) };
	for (size_t i = 1; i < RANGES; i++)
		rules[count++] = (struct port_rule){ ranges[i].from, ranges[i].to, PORT_RANGE,
						     range_listener(i, protocol) };
	if (vip == VIP_BOTH)
		rules[count++] =
			(struct port_rule){ 1, 65535, PORT_ANY, range_listener(0, protocol) };
	if (ports_build(rules, count, &content, &size))
		abort();
	world_put_content(TABLE_PORT_SET, &key, content, size);
	snprintf(name, sizeof(name), "%u/%u", key.vip, protocol);
	add(port_sets, name, json_rules(rules, count));
}

/* VLAN devices: rows only, on the NICs of clients and of servers. */
static void fill_links(void)
{
	static const struct {
		uint32_t slot, nic, mtu, tags[XLB_VLAN_TAGS];
	} links[] = {
		{ 10, SLOT_CLIENTS, CLIENT_MTU, { 0x81000064 } },
		{ 11, SLOT_CLIENTS, 1420, { 0x88a8012c, 0x81000007 } },
		{ 12, SLOT_CLIENTS, 1450, { 0x810000c8 } },
		{ 13, SLOT_SERVERS, SERVER_MTU, { 0x810000c8 } },
		{ 14, SLOT_SERVERS, 1300, { 0x88a80005, 0x81000006 } },
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct xlb_interface value = {
			.ifindex = if_nametoindex(links[i].nic == SLOT_CLIENTS ? "lo" : "xlbt0"),
			.mtu = links[i].mtu,
			.flags = XLB_INTERFACE_TAGGED,
			.nic = (uint8_t)links[i].nic,
			.tags = { { htonl(links[i].tags[0]), htonl(links[i].tags[1]) } },
		};

		memcpy(value.mac, mac_slots[links[i].nic], 6);
		value.mac[0] ^= 0x40;
		world_put(TABLE_INTERFACE, &(struct row_id){ links[i].slot }, &value);
	}
}

const char *setting_open(void)
{
	const char *reason = world_open(WORLD_FLOWS);

	if (reason)
		return reason;
	groups = json_object();
	port_sets = json_object();
	describe_groups();
	fill_ranges();
	fill_links();
	for (enum vip vip = 0; vip < VIP_COUNT; vip++)
		for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
			fill_ports(vip, family, IPPROTO_TCP);
			fill_ports(vip, family, IPPROTO_UDP);
		}
	return NULL;
}

void setting_close(void)
{
	json_decref(groups);
	json_decref(port_sets);
	world_close();
}

static json_t *json_pools(const struct xlb_server *server)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < server->pool_count; i++)
		json_array_append_new(list, json_pack("{si,si}", "snat", server->pools[i].snat,
						      "bitmap", server->pools[i].bitmap));
	return list;
}

static json_t *json_server(const struct row *row)
{
	const struct xlb_server *server = (const void *)row->value;
	const char *mode = mode_word(server->mode),
		   *encapsulation = encapsulation_word(server->encapsulation);

	return json_pack("{so,si,si,ss*,ss*,si,si,si,so}", "address", json_addr(&server->addr),
			 "port", ntohs(server->port), "family", server->family, "mode", mode,
			 "encapsulation", encapsulation, "near_bits", server->near_bits, "hop",
			 server->nexthop, "flags", server->flags, "pools", json_pools(server));
}

static json_t *json_interface(const struct row *row)
{
	const struct xlb_interface *interface = (const void *)row->value;
	int devices = datapath_map_fd(world_datapath(), "devices");
	json_t *list = json_array();
	uint32_t slot, device[2];

	memcpy(&slot, row->key, sizeof(slot));
	for (size_t i = 0; i < XLB_VLAN_TAGS && interface->tags.tag[i]; i++)
		json_array_append_new(list, json_integer(ntohl(interface->tags.tag[i])));
	return json_pack("{so,si,si,so,sb}", "mac", json_mac(interface->mac), "mtu", interface->mtu,
			 "nic", interface->nic, "tags", list, "device",
			 !bpf_map_lookup_elem(devices, &slot, device));
}

static json_t *json_hop(const struct row *row)
{
	const struct xlb_nexthop *hop = (const void *)row->value;

	return json_pack("{so,si}", "mac", json_mac(hop->mac), "interface", hop->interface);
}

static json_t *json_listener(const struct row *row)
{
	const struct xlb_listener *listener = (const void *)row->value;

	return json_pack("{si,sb,si,si}", "group", listener->group, "disabled",
			 listener->flags & XLB_LISTENER_DISABLED, "idle_timeout",
			 listener->idle_timeout, "mss", listener->mss);
}

static json_t *json_vip(const struct row *row)
{
	const struct row_vip *vip = (const void *)row->value;

	return json_pack("{sb}", "host", vip->flags & XLB_VIP_HOST);
}

static json_t *json_snat(const struct row *row)
{
	return json_addr((const struct xlb_addr *)(const void *)row->value);
}

static json_t *json_bitmap(const struct row *row)
{
	const struct row_bitmap *bitmap = (const void *)row->value;

	return json_pack("{si,si}", "from", bitmap->from, "to", bitmap->to);
}

static json_t *json_role(const struct row *row)
{
	const struct xlb_address *role = (const void *)row->value;

	return json_pack("{si,si,sb}", "vip", role->vip, "snat", role->snat, "returns",
			 role->flags & XLB_ADDRESS_RETURNS);
}

static json_t *json_quic(const struct row *row)
{
	const struct xlb_choice *quic = (const void *)row->value;

	return json_pack("{si,si,si}", "id_length", quic->id_length, "server_id_length",
			 quic->server_id_length, "config", quic->config);
}

static json_t *json_quic_server(const struct row *row)
{
	const struct xlb_quic_server_key *key = (const void *)row->key;
	const struct xlb_quic_server *server = (const void *)row->value;
	size_t length = ranges[key->group - GROUP_FIRST].quic.server_id_length;
	char id[2 * sizeof(key->id) + 1];

	for (size_t i = 0; i < length; i++)
		snprintf(id + 2 * i, 3, "%02x", key->id[i]);
	return json_pack("{si,ss,si,si}", "group", key->group, "id", id, "ipv4", server->ipv4,
			 "ipv6", server->ipv6);
}

static const struct part {
	const char *name;
	enum table_id table;
	json_t *(*json)(const struct row *row);
} parts[] = {
	{ "interfaces", TABLE_INTERFACE, json_interface },
	{ "hops", TABLE_NEXTHOP, json_hop },
	{ "snats", TABLE_SNAT, json_snat },
	{ "bitmaps", TABLE_BITMAP, json_bitmap },
	{ "servers", TABLE_SERVER, json_server },
	{ "listeners", TABLE_LISTENER, json_listener },
	{ "vips", TABLE_VIP, json_vip },
	{ "addresses", TABLE_ADDRESS, json_role },
	{ "quic", TABLE_GROUP, json_quic },
	{ "quic_servers", TABLE_QUIC_SERVER, json_quic_server },
};

struct listing {
	const struct part *part;
	json_t *rows;
};

static void add_row(void *arg, const struct row *row)
{
	struct listing *listing = arg;
	struct xlb_addr addr;
	uint32_t id;

	if (listing->part->table == TABLE_ADDRESS) {
		char text[ADDR_TEXT_MAX];

		memcpy(&addr, row->key, sizeof(addr));
		format_addr(&addr, text);
		add(listing->rows, text, listing->part->json(row));
		return;
	}
	if (listing->part->table == TABLE_QUIC_SERVER) {
		json_array_append_new(listing->rows, listing->part->json(row));
		return;
	}
	memcpy(&id, row->key, sizeof(id));
	add_by_id(listing->rows, id, listing->part->json(row));
}

void setting_print(FILE *to)
{
	struct sink *sink = datapath_sink(world_datapath());
	json_t *setting = json_object();
	struct xlb_err err = {};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct listing listing = { &parts[i], parts[i].table == TABLE_QUIC_SERVER ?
							      json_array() :
							      json_object() };

		if (sink->list(sink, &tables[parts[i].table], add_row, &listing, &err))
			fail_msg("%s", err.text);
		add(setting, parts[i].name, listing.rows);
	}
	json_object_set(setting, "groups", groups);
	json_object_set(setting, "port_sets", port_sets);
	add(setting, "reasons", json_array());
	for (uint32_t reason = 0; reason < XLB_DROP_COUNT; reason++)
		json_array_append_new(json_object_get(setting, "reasons"),
				      json_string(reason ? reason_word(reason) : ""));
	json_dumpf(setting, to, JSON_COMPACT);
	putc('\n', to);
	json_decref(setting);
}
