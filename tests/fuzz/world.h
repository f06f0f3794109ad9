/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The whole datapath in a process, with a server of each mode and family, and flows to all of them. Frames come in by
 * slot 1 and leave by slot 2; slot 3 is a VLAN on 1.
 */
#ifndef XLB_FUZZ_WORLD_H
#define XLB_FUZZ_WORLD_H

#include "kernel.h"

/* modes.h knows none of its functions from outside; VLAN tags and what is before them lie at odd halves of words */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wmissing-prototypes"
#pragma clang attribute push(__attribute__((no_sanitize("alignment"))), apply_to = function)
#include "xlb.bpf.c"
#pragma clang attribute pop
#pragma clang diagnostic pop

#include "core/packet.h"

/* X(NAME, mode, encapsulation, whether the server is of the other family) */
#define SERVICES(X) \
	X(FULL, FULLNAT, NONE, 0) \
	X(CROSS, FULLNAT, NONE, 1) \
	X(PLAIN, NAT, NONE, 0) \
	X(DIRECT, DR, NONE, 0) \
	X(IPIP, TUNNEL, IPIP, 0) \
	X(IPIP_CROSS, TUNNEL, IPIP, 1) \
	X(GUE, TUNNEL, GUE, 0) \
	X(GUE_CROSS, TUNNEL, GUE, 1)

enum service {
	SERVICE_NONE,
#define X(name, mode, encapsulation, cross) name,
	SERVICES(X)
#undef X
		SERVICE_COUNT,
};

static const struct {
	uint8_t mode, encapsulation;
	bool cross;
} services[SERVICE_COUNT] = {
#define X(name, mode, encapsulation, cross) \
	[name] = { XLB_MODE_##mode, XLB_ENCAPSULATION_##encapsulation, cross },
	SERVICES(X)
#undef X
};

#define PORT_FIRST  80	 /* of a listener: and its service */
#define SERVER_PORT 8080 /* where the mode has one */
#define CLIENT_PORT 40000
#define MTU	    1500
#define SNAT_FIRST  2048
#define SNAT_LAST   2175
#define SNAT_WORD   (SNAT_FIRST / 64)
#define LINK_VLAN   3
#define VLAN_TAG    0x81000064U

static const uint8_t mac_client[6] = { 2, 0, 0, 0, 0, 0xc }, mac_server[6] = { 2, 0, 0, 0, 0, 5 },
		     mac_own[6] = { 2, 0, 0, 0, 1, 1 };

/* Who somebody is: 198.51.100.n or 2001:db8::n. */
enum who { VIP = 10, SNAT = 20, CLIENT = 30, SERVER = 100 /* and its service */ };

static inline struct xlb_addr address_of(uint32_t who, uint8_t family)
{
	static const uint8_t ipv4[16] = { [10] = 0xff, 0xff, 198, 51, 100 },
			     ipv6[4] = { 0x20, 1, 0xd, 0xb8 };
	struct xlb_addr addr = {};

	if (family == XLB_IPV4)
		memcpy(addr.bytes, ipv4, sizeof(ipv4));
	else
		memcpy(addr.bytes, ipv6, sizeof(ipv6));
	addr.bytes[15] = (uint8_t)who;
	return addr;
}

/* Ids: of what there is one for each family, 1 and 2. */
static inline uint32_t id_of(uint8_t family)
{
	return 1 + (family == XLB_IPV6);
}

static inline uint32_t id_server(enum service service, uint8_t family)
{
	return 2 * service + (family == XLB_IPV6);
}

static inline uint8_t service_family(enum service service, uint8_t family)
{
	return services[service].cross ? other_family(family) : family;
}

/* --- rows ---------------------------------------------------------------------------------------- */

static struct kernel_map *snat_words, *flow_pages[XLB_FLOW_TABLES];

static inline void put_address(struct xlb_addr addr, struct xlb_address role)
{
	uint32_t place = xlb_hash_addr(&addr);

	while (table_row(addresses, place)->role.vip || table_row(addresses, place)->role.snat ||
	       table_row(addresses, place)->role.flags)
		place++;
	*table_row(addresses, place) = (struct xlb_address_place){ .role = role, .addr = addr };
}

static inline void put_interface(uint32_t slot, uint32_t nic, uint32_t tag)
{
	struct xlb_interface *interface = &tables.interfaces[slot];
	struct xlb_vlan_tags tags = { { bpf_htonl(tag) } };
	struct xlb_interface_slot value = { .ifindex = nic, .slot = slot };

	*interface = (struct xlb_interface){
		.ifindex = nic,
		.mtu = MTU,
		.flags = XLB_INTERFACE_RETURNS | (tag ? XLB_INTERFACE_TAGGED : 0),
		.nic = (uint8_t)nic,
		.tags = tags,
	};
	memcpy(interface->mac, mac_own, sizeof(mac_own));
	if (tag)
		*table_row(vlan_slots, xlb_hash_vlan(nic, &tags)) =
			(struct xlb_vlan_slot){ .nic = value, .tags = tags };
	else
		*table_row(interface_slots, nic) = value;
}

static inline void put_server(enum service service, uint8_t family)
{
	struct xlb_server *server = &tables.servers[id_server(service, family)];

	*server = (struct xlb_server){
		.addr = address_of(SERVER + service, family),
		.port = xlb_mode_has(services[service].mode, XLB_MODE_DIRECT) ?
				0 :
				bpf_htons(SERVER_PORT),
		.family = family,
		.mode = services[service].mode,
		.encapsulation = services[service].encapsulation,
		.pool_count = 1,
		.nexthop = 1,
		.pools = { { .snat = (uint16_t)id_of(family), .bitmap = (uint16_t)id_of(family) } },
	};
	put_address(server->addr,
		    (struct xlb_address){ .flags = services[service].mode == XLB_MODE_NAT ?
							   XLB_ADDRESS_RETURNS :
							   0 });
}

/* A listener and its group; all slots of the tables have the one server. */
static inline void put_service(enum service service, struct kernel_map *maglev)
{
	struct xlb_group *group = &tables.groups[service];
	uint32_t leaf = 2;
	struct xlb_port_page *page = bpf_map_lookup_elem(&port_pages, &leaf);

	page->entry[PORT_FIRST + service] = service;
	tables.listeners[service] =
		(struct xlb_listener){ .group = service, .idle_timeout = 60, .mss = 1200 };
	for (uint8_t family = XLB_IPV4; family <= XLB_IPV6; family += XLB_IPV6 - XLB_IPV4) {
		struct xlb_table_ref ref = { .offset = (uint16_t)id_server(service, family) - 2,
					     .epoch = 1 };
		uint64_t *word = (uint64_t *)maglev->values + ref.offset * XLB_MAGLEV_WORDS;
		uint32_t id = id_server(service, service_family(service, family));

		for (uint32_t i = 0; i <= XLB_MAGLEV_SLOTS / 4; i++)
			word[i] = id * 0x0001000100010001ULL;
		*(family == XLB_IPV4 ? &group->table4 : &group->table6) = ref;
		put_server(service, family);
	}
}

static inline void put_family(uint8_t family)
{
	struct xlb_addr vip = address_of(VIP, family), snat = address_of(SNAT, family);
	uint32_t id = id_of(family);
	uint64_t *range = (uint64_t *)snat_words->values + id * XLB_SNAT_WORDS;

	tables.vips[id] = (struct xlb_vip){ .tcp_root = 1, .udp_root = 1 };
	tables.vip_addresses[id] = vip;
	put_address(vip, (struct xlb_address){ .vip = id });
	tables.snats[id].addr = snat;
	put_address(snat, (struct xlb_address){ .snat = (uint16_t)id });
	range[XLB_SNAT_RANGE_WORD] = SNAT_FIRST | SNAT_LAST << 16;
}

/* An inner map of the first entry of a map of maps, or of another. */
static inline struct kernel_map *put_inner(struct kernel_map *outer, uint32_t index,
					   uint32_t entries, uint32_t size)
{
	struct kernel_map *inner = kernel_map_add((struct kernel_map){
		.type = BPF_MAP_TYPE_ARRAY, .entries = entries, .key_size = 4, .value_size = size });

	((struct kernel_map **)outer->values)[index] = inner;
	return inner;
}

static inline void put_flow_tables(void)
{
	struct kernel_map *chunks = KERNEL_MAP_OF_MAPS(flow_chunks);

	for (uint32_t i = 0; i < XLB_FLOW_TABLES; i++) {
		tables.flow_tables[i] = (struct xlb_flow_table){
			.extent = xlb_set(1ULL, (uint64_t)i, XLB_EXTENT_CHUNK),
			.seed = { 0x1234567, i },
			.chunk_shift = XLB_CHUNK_SHIFT,
			.room = XLB_PAGE_ENTRIES6,
		};
		flow_pages[i] = put_inner(chunks, i, 1, sizeof(struct xlb_flow_page));
	}
}

static inline void put_maps(void)
{
	KERNEL_MAP(work_of_cpu);
	KERNEL_MAP(flow_draft);
	KERNEL_MAP(listener_counters);
	KERNEL_MAP(server_counters);
	KERNEL_MAP(interface_counters);
	KERNEL_MAP(fragmented);
	KERNEL_MAP(translate_scratch);
	KERNEL_MAP(drops);
	KERNEL_MAP(drop_samples);
	KERNEL_MAP(budgets);
	KERNEL_MAP(evictions);
	KERNEL_MAP(probes);
	KERNEL_MAP(quic_servers);
	KERNEL_MAP(quic_ids);
	KERNEL_MAP(quic_scratch);
	KERNEL_MAP(event_scratch);
	KERNEL_MAP(flow_traffic);
	KERNEL_MAP(port_pages);
	snat_words =
		put_inner(KERNEL_MAP_OF_MAPS(snat_chunks), 0, 3 * XLB_SNAT_WORDS, sizeof(uint64_t));
	put_flow_tables();
}

static inline void put_rows(void)
{
	static const uint32_t root = 1;
	struct kernel_map *maglev;

	put_maps();
	maglev = put_inner(KERNEL_MAP_OF_MAPS(maglev_chunks), 0,
			   XLB_MAGLEV_PER_CHUNK * XLB_MAGLEV_WORDS, sizeof(uint64_t));
	((struct xlb_port_page *)bpf_map_lookup_elem(&port_pages, &root))->entry[0] =
		XLB_PORT_PAGE | 2;
	put_interface(1, 1, 0);
	put_interface(2, 2, 0);
	put_interface(LINK_VLAN, 1, VLAN_TAG);
	tables.nexthops[1].interface = 2;
	memcpy(tables.nexthops[1].mac, mac_server, sizeof(mac_server));
	memcpy(KERNEL_MAP(devices)->values, (uint32_t[]){ 0, 1, 2, 1 }, 4 * sizeof(uint32_t));
	put_family(XLB_IPV4);
	put_family(XLB_IPV6);
	for (enum service service = FULL; service < SERVICE_COUNT; service++)
		put_service(service, maglev);
	/* somebody watches everything, while the variant observes */
	watches[0] = (struct xlb_watch){ .set = XLB_WATCH_ACTIVE, .snap = XLB_EVENT_BYTES_MAX };
	memset(watched, 1 | XLB_WATCHED_MEASURE, sizeof(watched));
}

/* --- frames -------------------------------------------------------------------------------------- */

static int (*const stages_run[])(struct xdp_md *) = {
	[STAGE_ODD] = xlb_odd,
	[STAGE_FRAGMENT] = xlb_fragment,
	[STAGE_CHANGE] = xlb_change,
};

/* Runs a frame through the program and those it goes on with; the verdict. The frame is then what became of it. */
static inline int world_run(struct xdp_md *ctx)
{
	int (*volatile program)(struct xdp_md *) = xlb;

	if (setjmp(kernel_end))
		program = stages_run[kernel_next];
	return program(ctx);
}

/* --- flows --------------------------------------------------------------------------------------- */

/* How packets of a flow come in, from one of its sides. */
struct way {
	struct packet_info packet;
	bool reply; /* from the server */
};
#define WAYS_MAX 64
static struct way ways[WAYS_MAX];
static size_t way_count;

/* What changes with frames, as it is before the first one. */
static struct {
	struct xlb_flow_page pages[XLB_FLOW_TABLES];
	uint64_t ports[3][2];
} kept;

static inline uint64_t *snat_ports(uint32_t bitmap)
{
	return (uint64_t *)snat_words->values + bitmap * XLB_SNAT_WORDS + SNAT_WORD;
}

static inline void world_keep(void)
{
	for (uint32_t i = 0; i < XLB_FLOW_TABLES; i++)
		memcpy(&kept.pages[i], flow_pages[i]->values, sizeof(kept.pages[i]));
	for (uint32_t i = 1; i <= 2; i++)
		memcpy(kept.ports[i], snat_ports(i), sizeof(kept.ports[i]));
}

/* As it was, but for counters, and ways back to MACs that were not known. */
static inline void world_restore(void)
{
	for (uint32_t i = 0; i < XLB_FLOW_TABLES; i++)
		memcpy(flow_pages[i]->values, &kept.pages[i], sizeof(kept.pages[i]));
	for (uint32_t i = 1; i <= 2; i++)
		memcpy(snat_ports(i), kept.ports[i], sizeof(kept.ports[i]));
	memset(tables.path_mtus, 0, sizeof(tables.path_mtus));
	kernel_maps_forget();
	kernel_now = 1000ULL << XLB_STAMP_SHIFT;
	kernel_random = 1;
	observing = dry_run = jumbo = false;
}

/* Sends a packet, which must go on; what it has become is read into `ret`, turned round: as its receiver would answer. */
static inline void way_send(const struct way *way, uint8_t flags, struct way *ret)
{
	struct packet_info packet = way->packet, left;
	uint8_t data[PACKET_FRAME_MAX];
	struct xdp_md ctx;
	size_t size;
	int verdict;

	packet.tcp_flags = packet.protocol == IPPROTO_TCP ? flags : 0;
	size = packet_build(&packet, mac_own, way->reply ? mac_server : mac_client, data);
	kernel_frame_begin(&ctx, data, size, size);
	verdict = world_run(&ctx);
	check(verdict == (way->reply ? XDP_TX : XDP_REDIRECT));
	packet_read((const uint8_t *)ctx.data, kernel_frame_visible(&ctx), &left);
	kernel_frame_end(&ctx);
	*ret = (struct way){ .packet = left, .reply = true };
	ret->packet.source = left.destination;
	ret->packet.destination = left.source;
	ret->packet.source_port_h = left.destination_port_h;
	ret->packet.destination_port_h = left.source_port_h;
}

/* A flow that both sides know. */
static inline void open_flow(enum service service, uint8_t family, uint8_t protocol)
{
	struct way *client = &ways[way_count++], *server, unused;

	*client = (struct way){ .packet = {
					.family = family,
					.protocol = protocol,
					.has_ports = true,
					.source = address_of(CLIENT, family),
					.destination = address_of(VIP, family),
					.source_port_h = (uint16_t)(CLIENT_PORT + service),
					.destination_port_h = (uint16_t)(PORT_FIRST + service),
				} };
	server = &ways[way_count];
	way_send(client, TCP_SYN, server);
	if (xlb_mode_has(services[service].mode, XLB_MODE_DIRECT))
		return;
	way_count++;
	way_send(server, TCP_SYN | TCP_ACK, &unused);
	way_send(client, TCP_ACK, &unused);
}

/* Made once, before the first input. */
static inline void world_make(void)
{
	if (way_count)
		return;
	put_rows();
	kernel_now = 1000ULL << XLB_STAMP_SHIFT;
	for (enum service service = FULL; service < SERVICE_COUNT; service++)
		for (uint32_t i = 0; i < 4; i++)
			open_flow(service, i & 1 ? XLB_IPV4 : XLB_IPV6,
				  i & 2 ? IPPROTO_TCP : IPPROTO_UDP);
	world_keep();
}

#endif
