/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The world of the packet tests: the real program, its maps filled through the sink that xlbd uses, and
 * frames sent through it by BPF_PROG_TEST_RUN. Every frame comes in by interface slot 1.
 *
 *     clients --- slot 1 (MTU 1500) [xlb] slot 2 (MTU 1400) --- servers      slot 3: not attached
 *
 * Each service is a listener on a port of the VIPs (for TCP and UDP), a server group and a server for
 * each family.
 */
#ifndef XLB_TESTS_WORLD_H
#define XLB_TESTS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame.h"
#include "sys/datapath.h"
#include "sys/datapath_variant.h"

/*
 * X(NAME, port of the listener, port of the server, mode, encapsulation, whether the server is of the other
 * family)
 */
#define SERVICES(X) \
	X(WEB, 80, 8080, FULLNAT, NONE, 0)	  /* by slot 2 */ \
	X(SPARE, 81, 8080, FULLNAT, NONE, 0)	  /* another server */ \
	X(ONE_ARM, 82, 0, FULLNAT, NONE, 0)	  /* by slot 1, port kept */ \
	X(NO_NEIGHBOUR, 83, 80, FULLNAT, NONE, 0) /* next hop not resolved */ \
	X(UNATTACHED, 84, 80, FULLNAT, NONE, 0)	  /* next hop on slot 3 */ \
	X(NO_DEVICE, 85, 80, FULLNAT, NONE, 0)	  /* next hop on a slot whose device went away */ \
	X(TINY, 86, 80, FULLNAT, NONE, 0)	  /* two pools of 3 and 2 ports */ \
	X(SELF, 87, 80, FULLNAT, NONE, 0)	  /* the server is the client */ \
	X(NO_SERVER, 88, 80, FULLNAT, NONE, 0)	  /* a group without a table */ \
	X(DISABLED, 89, 80, FULLNAT, NONE, 0) \
	X(BROKEN, 90, 80, NONE, NONE, 0) /* a server without a mode */ \
	X(CROSS, 91, 8080, FULLNAT, NONE, 1) \
	X(NAT, 92, 8080, NAT, NONE, 0) \
	X(NAT_TWIN, 93, 8080, NAT, NONE, 0) /* the server of NAT under another listener */ \
	X(NAT_SPARE, 94, 8080, NAT, NONE, 0) \
	X(NAT_NEAR, 95, 8080, NAT, NONE, 0) /* the client is on the server's network */ \
	X(NAT_SELF, 96, 8080, NAT, NONE, 0) \
	X(DR, 97, 0, DR, NONE, 0) \
	X(DR_SPARE, 98, 0, DR, NONE, 0) \
	X(DR_SELF, 99, 0, DR, NONE, 0) \
	X(IPIP, 100, 0, TUNNEL, IPIP, 0) \
	X(IPIP_CROSS, 101, 0, TUNNEL, IPIP, 1) \
	X(GUE, 102, 0, TUNNEL, GUE, 0) \
	X(GUE_CROSS, 103, 0, TUNNEL, GUE, 1) \
	X(LOCAL, 104, 0, LOCAL, NONE, \
	  0) /* the host itself, by one row for clients of both families */

enum service {
	SERVICE_NONE,
#define X(name, port, server_port, mode, encapsulation, cross) name,
	SERVICES(X)
#undef X
		SERVICE_COUNT,
};

static inline uint8_t other_family(uint8_t family)
{
	return family == XLB_IPV4 ? XLB_IPV6 : XLB_IPV4;
}

enum vip { VIP_OWN, VIP_HOST, VIP_BOTH /* also a SNAT address; any port */, VIP_COUNT };

#define SLOT_NONE    0U /* of what the host gets */
#define SLOT_CLIENTS 1U
#define SLOT_SERVERS 2U
#define CLIENT_MTU   1500
#define SERVER_MTU   1400
#define TCP_IDLE     900
#define UDP_IDLE     90
#define TINY_FROM    20000
#define WORLD_FLOWS  8192

extern const uint8_t mac_client[6], mac_server[6], mac_slots[3][6];

struct xlb_addr addr_client(uint8_t family);
struct xlb_addr addr_vip(enum vip vip, uint8_t family);
struct xlb_addr addr_snat(uint8_t family, unsigned int n); /* n: 0 or 1 */
struct xlb_addr addr_server(enum service service, uint8_t family);
uint16_t service_port(enum service service);
enum xlb_mode service_mode(enum service service);
bool service_is_gue(enum service service);
/* Family of the server that clients of `family` get. */
uint8_t service_family(enum service service, uint8_t family);
uint16_t server_port(enum service service, uint16_t client_port);
uint32_t id_vip(enum vip vip, uint8_t family);
uint32_t id_snat(uint8_t family, unsigned int n);
uint32_t id_server(enum service service, uint8_t family);
uint32_t id_listener(enum service service, uint8_t protocol);

/* Calls `test` for both families with TCP and UDP. */
void each_kind(void (*test)(uint8_t family, uint8_t protocol));

/* Loads and fills; a reason to skip everything, or NULL. */
const char *world_open(uint32_t flows);
void world_close(void);
/* Back to the state after world_open, but for counters and the tables' room. */
void world_reset(void);
/* Ends every flow and gives the tables room for this many of each family, as world_open does without loading anew. */
void world_room(uint32_t flows);
/* As many RSTs may be sent as in a new second. */
void world_reset_budget(void);

/* The world's datapath, for what has no function here. */
struct datapath *world_datapath(void);
/* A variant of its program, which nobody watches and that has nothing to tell; the world frees it. */
struct variant *world_variant(enum variant_kind kind);
void world_put(enum table_id table, const void *key, const void *value);
/* The same with a content; and in a table whose values are only to differ with the content. */
void world_put_row(enum table_id table, const void *key, const void *value, const void *content,
		   size_t size);
void world_put_content(enum table_id table, const void *key, const void *content, size_t size);
void world_server(enum service service, uint8_t family, uint32_t flags);
void world_listener(enum service service, uint8_t protocol, uint32_t group, uint32_t flags);
/* The same with SPLIT and `flags` beside it. */
void world_split(enum service service, uint8_t protocol, const struct xlb_split *split,
		 uint32_t flags);
/* The listener as it is at the start, but for what its packets are held to. */
void world_limited(enum service service, uint8_t protocol, struct xlb_limited limited);
/* The listener for TCP as it is at the start, but for its MSS. */
void world_mss(enum service service, uint32_t mss);
/* Makes all slots of a group's table a server, of either family. */
void world_group(enum service group, enum service server);
/* Slots of the table are one server's and the other's in turn. */
void world_group_of_two(enum service group, enum service even, enum service odd);
/* The way to servers is by this slot: hop is SLOT_CLIENTS or SLOT_SERVERS, by which they are reached at first. */
void world_next_hop(uint32_t hop, uint32_t slot);
void world_no_ports(enum vip vip, uint8_t family);
/* Gives the server of a service, which has no flows, another address. */
void world_server_moved(enum service service, uint8_t family);
/* A server with this weight, for groups that go by load. */
void world_weight(enum service service, uint32_t weight);
/* What chooses the group's servers. */
void world_choice(enum service group, const struct xlb_choice *choice);
/* Others are in the group's place, which goes by tuples. */
void world_instead(enum service group, const struct xlb_instead *instead);
/* Such an id with these bytes names the server, in the group. */
void world_quic_name(enum service group, const uint8_t *id, size_t length, enum service server);
/* How many ids the datapath has learned; forgets them. */
uint32_t world_quic_ids(void);
void world_quic_forget(void);
/* The same of what has become of first fragments. */
void world_forget_fragments(void);
/* Whether sources may be with servers: a group has been made so since the last reset. */
bool world_has_affinities(void);
/* Makes it so many seconds longer that sources have begun no flow. */
void world_age_affinities(uint32_t seconds);

/* What became of a frame. */
struct outcome {
	uint32_t verdict;
	size_t length;
	uint8_t data[FRAME_MAX + 256];
};
/* Frames go through this program (-1: the datapath's own again). */
void world_program(int fd);
void world_send(const uint8_t *data, size_t length, struct outcome *ret);

/* Sends bytes and wants a drop for a reason, or PASS if there is none; either way nothing of them changes. */
void world_refuses(const char *what, const uint8_t *data, size_t length, enum xlb_reason reason);

void world_drops_read(uint64_t ret[XLB_DROP_COUNT]);
uint64_t world_drops(enum xlb_reason reason);
uint64_t world_drops_total(void);
/* Taken ports of all bitmaps that are not taken at rest. */
uint32_t world_ports_taken(void);
bool world_flow(const struct xlb_flow_key *key, struct xlb_flow *ret);
/* Makes every flow, and what is known of paths, `seconds` older. */
void world_age(uint32_t seconds);
/* Ends every flow as the daemon does. */
void world_end_flows(enum flow_action action);

#endif
