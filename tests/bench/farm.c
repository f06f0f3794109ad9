// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "farm.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../packet/tables.h"
#include "../packet/world.h"
#include "core/ports.h"
#include "core/rules.h"
#include "xlb/addr.h"

/* ids that the world does not use */
#define VIP	       100U
#define GROUP	       200U
#define SERVER_FIRST   1000U
#define SNAT_FIRST     100U
#define BITMAP_FIRST   XLB_SNAT_PER_CHUNK
#define RULES	       7U
#define LISTENER(prot) ((prot) == IPPROTO_UDP ? 401U : 400U)

#define PORT	       80
#define PORT_OF_NOBODY 9
#define PORT_OF_SERVER 8080
#define IDLE_TIMEOUT   86400
/* half-open flows at a time: what a table grants them is more */
#define FILL_STEP      16384

#define MEMORY_PAUSE_US 300000
#define MEMORY_NOISE	(16 << 20)

static const struct {
	enum xlb_mode mode;
	enum xlb_encapsulation encapsulation;
	bool cross;
} kinds[FARM_KINDS] = {
#define X(name, word, mode, encapsulation, cross) \
	{ XLB_MODE_##mode, XLB_ENCAPSULATION_##encapsulation, cross },
	FARMS(X)
#undef X
};

const char *const farm_words[FARM_KINDS] = {
#define X(name, word, mode, encapsulation, cross) word,
	FARMS(X)
#undef X
};

static struct farm_plan plan;
static bool is_open;
static uint16_t rules;			 /* set of the listeners, 0: none */
static uint64_t reasons[XLB_DROP_COUNT]; /* what farm_reasons says */

enum farm_kind farm_kind_of(const char *word)
{
	for (enum farm_kind kind = 0; kind < FARM_KINDS; kind++)
		if (!strcmp(farm_words[kind], word))
			return kind;
	fprintf(stderr, "bench: '%s' is no mode\n", word);
	exit(2);
}

bool farm_has_replies(enum farm_kind kind)
{
	return !xlb_mode_has(kinds[kind].mode, XLB_MODE_DIRECT);
}

bool farm_has_ports(enum farm_kind kind)
{
	return kinds[kind].mode == XLB_MODE_FULLNAT;
}

uint32_t farm_servers_for(uint64_t flows)
{
	return (uint32_t)(flows * 3 / 2 / (FARM_PORTS_PER_PAIR * XLB_SERVER_POOLS)) + 1;
}

/* Addresses of a kind of host differ in their last four bytes only. */
static struct xlb_addr addr_of(uint8_t family, const char *ipv4, const char *ipv6, uint32_t number)
{
	struct xlb_addr addr;

	if (parse_addr(family == XLB_IPV4 ? ipv4 : ipv6, &addr) < 0)
		die("'%s' or '%s' is no address", ipv4, ipv6);
	addr.words[3] = htonl(ntohl(addr.words[3]) + number);
	return addr;
}

/* up to 2^24 of them, none of which is an address of the world's */
static struct xlb_addr addr_first_client(void)
{
	return addr_of(plan.family, "10.1.0.0", "2001:db8:c::", 0);
}

static struct xlb_addr addr_farm_vip(void)
{
	return addr_of(plan.family, "198.51.100.200", "2001:db8::200", 0);
}

static struct xlb_addr addr_elsewhere(void)
{
	return addr_of(plan.family, "198.51.100.201", "2001:db8::201", 0);
}

static uint8_t server_family(void)
{
	return kinds[plan.kind].cross ? other_family(plan.family) : plan.family;
}

static struct xlb_addr addr_of_server(uint32_t number)
{
	return addr_of(server_family(), "172.16.0.1", "2001:db8:5::1", number);
}

static struct xlb_addr addr_of_pool(uint32_t number)
{
	return addr_of(server_family(), "172.31.0.1", "2001:db8:6::1", number);
}

static void put_content(enum table_id table, const void *key, const void *content, size_t size)
{
	struct sink *sink = datapath_sink(world_datapath());
	struct row_hash hash = { content_hash(content, size) };
	struct row row = { .table = table };
	struct xlb_err err = {};

	memcpy(row.key, key, tables[table].key_size);
	memcpy(row.value, &hash, sizeof(hash));
	if (sink->put(sink, &row, content, size, &err) < 0)
		die("put %s: %s", tables[table].word, err.text);
}

static void put_pools(void)
{
	for (uint32_t i = 0; i < XLB_SERVER_POOLS; i++) {
		struct row_id key = { SNAT_FIRST + i };
		struct xlb_snat snat = { addr_of_pool(i) };
		struct xlb_address role = { .snat = (uint16_t)key.id };

		world_put(TABLE_SNAT, &key, &snat);
		world_put(TABLE_ADDRESS, &snat.addr, &role);
	}
}

static bool by_ids; /* of QUIC */

static void put_server(uint32_t number)
{
	struct row_id key = { SERVER_FIRST + number };
	struct xlb_server server = {
		.flags = by_ids ? XLB_SERVER_QUIC : 0,
		.addr = addr_of_server(number),
		.port = farm_has_replies(plan.kind) ? htons(PORT_OF_SERVER) : 0,
		.family = server_family(),
		.mode = (uint8_t)kinds[plan.kind].mode,
		.encapsulation = (uint8_t)kinds[plan.kind].encapsulation,
		.pool_count = XLB_SERVER_POOLS,
		.nexthop = SLOT_SERVERS,
	};
	const struct xlb_address returns = { .flags = XLB_ADDRESS_RETURNS };
	const struct row_bitmap range = { 1024, 65535 };

	for (uint32_t i = 0; i < XLB_SERVER_POOLS; i++) {
		struct row_id bitmap = { BITMAP_FIRST + number * XLB_SERVER_POOLS + i };

		server.pools[i].snat = (uint16_t)(SNAT_FIRST + i);
		if (!farm_has_ports(plan.kind))
			continue;
		server.pools[i].bitmap = (uint16_t)bitmap.id;
		world_put(TABLE_BITMAP, &bitmap, &range);
	}
	world_put(TABLE_SERVER, &key, &server);
	if (xlb_mode_has(server.mode, XLB_MODE_RETURNS))
		world_put(TABLE_ADDRESS, &server.addr, &returns);
}

static void put_group(void)
{
	AUTO_FREE struct content_maglev *content = calloc(1, sizeof(*content));
	struct row_maglev_key key = { GROUP, plan.family };

	if (!content)
		die("calloc");
	for (uint32_t i = 0; i < XLB_MAGLEV_SLOTS; i++)
		content->slot[i] = (uint16_t)(SERVER_FIRST + i % plan.servers);
	put_content(TABLE_MAGLEV, &key, content, sizeof(*content));
}

void farm_go_by_ids(bool on)
{
	const struct row_group quic = {
		.choice = { .id_length = on ? 8 : 0, .config = XLB_QUIC_CONFIGS },
	};

	by_ids = on;
	for (uint32_t i = 0; i < plan.servers; i++)
		put_server(i);
	world_put(TABLE_GROUP, &(struct row_id){ GROUP }, &quic);
}

void farm_rules(uint32_t count)
{
	const size_t size = sizeof(struct rules_recipe) +
			    count * (sizeof(struct rules_rule) + sizeof(struct prefix));
	AUTO_FREE struct rules_recipe *recipe = calloc(1, size);
	AUTO_FREE void *content = NULL;
	struct rules_rule *rule;
	struct prefix *prefix;
	size_t content_size;

	rules = count ? RULES : 0;
	farm_listen(true);
	if (!count)
		return;
	*recipe = (struct rules_recipe){ .rule_count = count,
					 .prefix_count = count,
					 .allow = { true, true } };
	rule = (struct rules_rule *)(recipe + 1);
	prefix = (struct prefix *)(rule + count);
	for (uint32_t i = 0; i < count; i++) {
		rule[i] = (struct rules_rule){
			.from = (uint16_t)(1000 + i * 8),
			.to = (uint16_t)(1000 + i * 8 + i % 16),
			.protocols = 1U << XLB_RULES_TCP | 1U << XLB_RULES_UDP,
			.first = i,
			.count = 1,
		};
		prefix[i].addr = addr_farm_vip();
		prefix[i].addr.words[3] = htonl(i << 10);
		prefix[i].bits = plan.family == XLB_IPV4 ? 22 : 118;
	}
	if (rules_build(recipe, size, &content, &content_size))
		die("rules_build");
	put_content(TABLE_RULE_SET, &(struct row_id){ RULES }, content, content_size);
}

void farm_listen(bool on)
{
	const struct xlb_listener listener = {
		.group = GROUP,
		.flags = on ? 0 : XLB_LISTENER_DISABLED,
		.idle_timeout = IDLE_TIMEOUT,
		.rules = rules,
	};

	world_put(TABLE_LISTENER, &(struct row_id){ LISTENER(IPPROTO_TCP) }, &listener);
	world_put(TABLE_LISTENER, &(struct row_id){ LISTENER(IPPROTO_UDP) }, &listener);
}

static void put_vip(void)
{
	const struct xlb_address role = { .vip = VIP };
	const struct xlb_addr addr = addr_farm_vip();

	for (uint32_t protocol = IPPROTO_TCP; protocol <= IPPROTO_UDP;
	     protocol += IPPROTO_UDP - IPPROTO_TCP) {
		const struct port_rule rule = { PORT, PORT, PORT_EXACT, LISTENER(protocol) };
		struct row_port_set_key key = { VIP, protocol };
		AUTO_FREE struct content_port_set *content = NULL;
		size_t size;

		if (ports_build(&rule, 1, &content, &size) < 0)
			die("ports_build");
		put_content(TABLE_PORT_SET, &key, content, size);
	}
	world_put(TABLE_VIP, &(struct row_id){ VIP }, &(struct row_vip){ 0 });
	world_put(TABLE_ADDRESS, &addr, &role);
}

static void put_all(void)
{
	put_pools();
	for (uint32_t i = 0; i < plan.servers; i++)
		put_server(i);
	put_group();
	farm_listen(true);
	put_vip();
}

const char *farm_open(const struct farm_plan *wanted)
{
	const char *reason;

	farm_close();
	reason = world_open(wanted->room);
	if (reason)
		return reason;
	is_open = true;
	plan = *wanted;
	put_all();
	return NULL;
}

uint64_t farm_bytes(enum farm_kind kind, uint8_t family, uint32_t room)
{
	uint64_t bytes =
		datapath_table_bytes(family == XLB_IPV4 ? XLB_TABLE_IPV4 : XLB_TABLE_IPV6, room);

	return farm_has_replies(kind) ? bytes + datapath_table_bytes(XLB_TABLE_REPLIES, room) :
					bytes;
}

static void resize(enum xlb_flow_table_id id, uint32_t room)
{
	struct xlb_err err = {};
	struct table_resize *resize;
	enum table_resize_state state = TABLE_RESIZE_GOES_ON;

	if (datapath_table_room(world_datapath(), id) >= room)
		return;
	resize = table_resize_new(world_datapath(), id, room, &err);
	while (resize && state != TABLE_RESIZE_DONE && state != TABLE_RESIZE_FAILED)
		state = table_resize_step(resize, UINT32_MAX, &err);
	if (!resize || state == TABLE_RESIZE_FAILED)
		die("%s", err.text);
	table_resize_free(resize);
}

void farm_grow(uint32_t room)
{
	/* or what is mapped of the old memory would stay */
	tables_forget();
	resize(plan.family == XLB_IPV4 ? XLB_TABLE_IPV4 : XLB_TABLE_IPV6, room);
	if (farm_has_replies(plan.kind))
		resize(XLB_TABLE_REPLIES, room);
}

void farm_change(enum farm_kind kind, uint8_t family)
{
	world_end_flows(FLOW_DELETE);
	plan.kind = kind;
	plan.family = family;
	put_all();
}

/* The kernel frees large maps later: who looks at the memory that is left must wait for it. */
static void wait_for_memory(void)
{
	uint64_t before, now = memory_available();

	do {
		before = now;
		usleep(MEMORY_PAUSE_US);
		now = memory_available();
	} while (now > before + MEMORY_NOISE);
}

void farm_close(void)
{
	if (!is_open)
		return;
	world_close();
	is_open = false;
	wait_for_memory();
}

int farm_program(void)
{
	return datapath_program_fd(world_datapath());
}

/* The frame of a load, zero where flows differ. */
static struct frame frame_of(const struct farm_load *load)
{
	static const uint8_t options[] = { 2, 4, 5, 180, 4, 2, 8, 10, 1, 2,
					   3, 4, 0, 0,	 0, 0, 1, 3,  3, 7 };
	const uint16_t port = load->target == FARM_LISTENER ? PORT : PORT_OF_NOBODY;
	struct frame frame = {
		.family = load->reply ? server_family() : plan.family,
		.protocol = load->protocol,
		.ttl = 64,
		.fragment = DONT_FRAGMENT,
		.flags = load->flags,
		.seq = 1000,
		.ack = load->flags & ACK ? 2000 : 0,
		.window = 65535,
		.tcp_options = load->options ? sizeof(options) : 0,
		.option_bytes = options,
	};

	if (frame.family == XLB_IPV6)
		frame.fragment = 0;
	memcpy(frame.mac_source, load->reply ? mac_server : mac_client, ETH_ALEN);
	memcpy(frame.mac_destination, mac_slots[SLOT_CLIENTS], ETH_ALEN);
	if (load->reply) {
		frame.source = addr_of_server(0);
		/* nat's servers know the client itself */
		frame.destination = farm_has_ports(plan.kind) ? addr_of_pool(0) :
								addr_first_client();
		frame.source_port = PORT_OF_SERVER;
		frame.destination.words[3] = 0;
	} else {
		frame.source = addr_first_client();
		frame.destination = load->target == FARM_ELSEWHERE ? addr_elsewhere() :
								     addr_farm_vip();
		frame.destination_port = port;
	}
	frame.source.words[3] = 0;
	frame.payload = (uint16_t)(VARY_LENGTH - frame_l4_offset(&frame) -
				   (frame.protocol == IPPROTO_TCP ?
					    sizeof(struct tcphdr) + frame.tcp_options :
					    sizeof(struct udphdr)));
	return frame;
}

/* Sum of 16-bit words as they lie in memory. */
static uint64_t sum_of(const uint8_t *data, size_t size)
{
	uint64_t sum = 0;
	uint16_t word;

	for (; size >= sizeof(word); data += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		sum += word;
	}
	return sum;
}

void farm_aim(struct front *front, const struct farm_load *load)
{
	const struct frame frame = frame_of(load);
	const bool ipv4 = frame.family == XLB_IPV4, udp = frame.protocol == IPPROTO_UDP;
	const size_t l4 = frame_l4_offset(&frame);
	struct vary vary = {
		.state = load->in_turn ? 0 : 88172645463325252ULL,
		.first = load->first,
		.flows = load->flows,
		.stride = load->stride ? load->stride : 1,
		.client = ntohl(addr_first_client().words[3]),
		.pick = load->in_turn ? VARY_NEXT : VARY_RANDOM,
		.udp = udp,
	};
	uint8_t data[FRAME_MAX];

	frame_build(&frame, data);
	if (ipv4)
		memset(data + ETH_HLEN + offsetof(struct iphdr, check), 0, 2);
	memset(data + l4 + (udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check)),
	       0, 2);
	vary.ip_sum = ipv4 ? sum_of(data + ETH_HLEN, sizeof(struct iphdr)) : 0;
	vary.l4_sum = (ipv4 ? sum_of(data + ETH_HLEN + offsetof(struct iphdr, saddr), 8) :
			      sum_of(data + ETH_HLEN + offsetof(struct ipv6hdr, saddr), 32)) +
		      htons(frame.protocol) + htons((uint16_t)(VARY_LENGTH - l4)) +
		      sum_of(data + l4, VARY_LENGTH - l4);
	memcpy(vary.head, data, VARY_LENGTH);
	*front->vary = vary;
	front_aim(front, frame.family, load->reply);
}

double farm_sweep_over(struct front *front, const struct farm_load *load)
{
	farm_aim(front, load);
	return front_run(front, farm_program(), load->flows, NULL);
}

/* Since `before`; returns of how many packets. */
static uint64_t add_reasons(const uint64_t before[XLB_DROP_COUNT])
{
	uint64_t now[XLB_DROP_COUNT], sum = 0;

	world_drops_read(now);
	for (int i = 0; i < XLB_DROP_COUNT; i++) {
		reasons[i] += now[i] - before[i];
		sum += now[i] - before[i];
	}
	return sum;
}

void farm_reasons(uint64_t ret[XLB_DROP_COUNT])
{
	memcpy(ret, reasons, sizeof(reasons));
	memset(reasons, 0, sizeof(reasons));
}

double farm_fill(struct front *front, uint8_t protocol, uint32_t from, uint32_t to)
{
	struct farm_load load = { .protocol = protocol, .in_turn = true };
	uint64_t drops[XLB_DROP_COUNT];
	double ns = 0;

	for (load.first = from; load.first < to; load.first += load.flows) {
		load.flows = to - load.first < FILL_STEP ? to - load.first : FILL_STEP;
		load.flags = SYN;
		world_drops_read(drops);
		ns += farm_sweep_over(front, &load) * load.flows;
		add_reasons(drops);
		load.flags = ACK;
		if (protocol == IPPROTO_TCP)
			farm_sweep_over(front, &load);
	}
	return to > from ? ns / (to - from) : 0;
}

void farm_learn(struct front *front, uint8_t protocol, uint32_t flows)
{
	const struct farm_load load = {
		.protocol = protocol, .flags = ACK, .flows = flows, .in_turn = true
	};

	farm_aim(front, &load);
	front->vary->learn = 1;
	/* the first flow comes round once more: what became of the last one is seen then */
	front_run(front, farm_program(), flows + 1, NULL);
	front->vary->learn = 0;
}

uint64_t farm_drops(void)
{
	return world_drops_total();
}

uint64_t farm_present(struct front *front, uint8_t protocol, uint32_t flows)
{
	const struct farm_load load = {
		.protocol = protocol, .flags = ACK, .flows = flows, .in_turn = true
	};
	uint64_t drops = farm_drops();

	farm_listen(false);
	farm_sweep_over(front, &load);
	farm_listen(true);
	return flows - (farm_drops() - drops);
}

void farm_check(struct front *front, const struct farm_load *load, uint32_t verdict)
{
	uint8_t frame[FRAME_MAX];
	const char *fault;
	uint32_t got, length;

	farm_aim(front, load);
	length = front_send(front, farm_program(), frame, sizeof(frame), &got);
	fault = frame_fault(frame, length);
	if (got != verdict || fault)
		die("%s: verdict %u instead of %u, frame %s", farm_words[plan.kind], got, verdict,
		    fault ? fault : "right");
}

double farm_round(struct front *front, const struct farm_load *load, int round, int program,
		  uint32_t repeat)
{
	farm_aim(front, load);
	/* other flows each round, the same for both programs */
	front->vary->state += load->in_turn ? 0 : (uint64_t)(round + 1) << 32;
	return front_run(front, program, repeat, NULL);
}

struct figure farm_measure(struct front *front, struct farm_load *load, int rounds, uint32_t repeat,
			   double *ret_dropped)
{
	static double times[ROUNDS_MAX], trivial[ROUNDS_MAX];
	uint64_t drops[XLB_DROP_COUNT], dropped = 0;

	/* one to warm up */
	for (int round = -1; round < rounds; round++) {
		uint64_t more;
		double ns[2];

		world_drops_read(drops);

		if (load->in_turn)
			load->flows = repeat;
		for (int i = 0; i < 2; i++) {
			/* who comes first changes: what follows what must not matter */
			bool own = (i + round) & 1;

			ns[own] = farm_round(front, load, round,
					     own ? farm_program() : front->trivial, repeat);
		}
		more = add_reasons(drops);
		if (load->in_turn) {
			struct farm_load answer = *load;

			answer.flags = ACK;
			if (load->protocol == IPPROTO_TCP)
				farm_sweep_over(front, &answer);
			load->first += repeat;
		}
		if (round < 0)
			continue;
		dropped += more;
		trivial[round] = ns[0];
		times[round] = ns[1];
	}
	*ret_dropped = (double)dropped / repeat / rounds;
	return figure_of(times, trivial, rounds);
}
