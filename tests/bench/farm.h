/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The world of the benches: beside that of the packet tests (tests/packet/world.h), a VIP with one listener for
 * TCP and one for UDP, and a group of many servers of one mode, so that millions of flows have ports.
 *
 * Flow tables are filled and asked by packets only: what they are made of does not matter here.
 */
#ifndef XLB_TESTS_FARM_H
#define XLB_TESTS_FARM_H

#include "measure.h"
#include "xlb/abi.h"
#include "xlb/lists.h"

/* X(NAME, word, mode, encapsulation, whether servers are of the family that clients are not) */
#define FARMS(X) \
	X(DR, "dr", DR, NONE, false) \
	X(TUNNEL, "tunnel", TUNNEL, IPIP, false) \
	X(NAT, "nat", NAT, NONE, false) \
	X(FULLNAT, "fullnat", FULLNAT, NONE, false) \
	X(GUE, "tunnel gue", TUNNEL, GUE, false) \
	X(TUNNEL_CROSS, "tunnel cross", TUNNEL, IPIP, true) \
	X(FULLNAT_CROSS, "fullnat cross", FULLNAT, NONE, true)

enum farm_kind {
#define X(name, word, mode, encapsulation, cross) FARM_##name,
	FARMS(X)
#undef X
		FARM_KINDS,
};
extern const char *const farm_words[FARM_KINDS];
/* Ends the program if the word is none. */
enum farm_kind farm_kind_of(const char *word);
/* of those that have replies and ports */
bool farm_has_replies(enum farm_kind kind);
bool farm_has_ports(enum farm_kind kind);

#define FARM_PORTS_PER_PAIR \
	36000 /* of a server and a SNAT address, beside those of the host; rounded down */
/* Servers that have ports for so many flows with all SNAT addresses that a server can have, two thirds taken. */
uint32_t farm_servers_for(uint64_t flows);

struct farm_plan {
	enum farm_kind kind;
	uint8_t family;	  /* of clients */
	uint32_t room;	  /* of the flow tables at first */
	uint32_t servers; /* each with XLB_SERVER_POOLS SNAT addresses, if the mode has any */
};
/* Loads and fills; NULL, or why it cannot. Ends what was open. */
const char *farm_open(const struct farm_plan *plan);
/* Ends all flows and goes on with others. For few: the daemon's way to end a flow is slow. */
void farm_change(enum farm_kind kind, uint8_t family);
/* Whether the group goes by connection ids of QUIC: what is sent is short headers. */
void farm_go_by_ids(bool on);
/* Gives the listeners a security group of so many rules, none of which is met; 0: no group. */
void farm_rules(uint32_t count);
/* Gives the tables that the farm's flows are in room for so many, and moves what there is. */
void farm_grow(uint32_t room);
/* What those tables take then. */
uint64_t farm_bytes(enum farm_kind kind, uint8_t family, uint32_t room);
void farm_close(void);
int farm_program(void);

enum farm_target { FARM_LISTENER, FARM_NO_LISTENER, FARM_ELSEWHERE };

/* What is sent: of which flows, in which order. */
struct farm_load {
	uint8_t protocol, flags;
	bool reply;
	enum farm_target target;
	uint32_t first, flows, stride; /* numbers of flows; stride 0: 1 */
	bool in_turn;		       /* else at random */
	bool options;		       /* with those of a SYN of Linux */
	bool by_ids;		       /* of QUIC: for farm_go_by_ids */
	uint32_t rules;		       /* that are passed: for farm_rules */
};
/* Makes the front send that. */
void farm_aim(struct front *front, const struct farm_load *load);
/* Sends each flow's packet once. ns per packet. */
double farm_sweep_over(struct front *front, const struct farm_load *load);

/*
 * Makes flows `from` to `to` of the protocol, established in the end; returns ns of the packet that makes a
 * flow. No more than a few of them are half-open at a time.
 */
double farm_fill(struct front *front, uint8_t protocol, uint32_t from, uint32_t to);
/* Learns the ends of the flows 0 to `flows`, so that their replies can be sent. */
void farm_learn(struct front *front, uint8_t protocol, uint32_t flows);
/* Whether listeners take new flows. While they do not, a packet of no flow is dropped and so counted. */
void farm_listen(bool on);
/* Packets dropped until now. */
uint64_t farm_drops(void);
/* Why, since this was last asked: of packets by which farm_fill made flows, and that farm_measure measured. */
void farm_reasons(uint64_t ret[XLB_DROP_COUNT]);
/* Of the flows 0 to `flows`, how many are there. */
uint64_t farm_present(struct front *front, uint8_t protocol, uint32_t flows);
/* Dies if what the program makes of the load is not a whole frame with right checksums. */
void farm_check(struct front *front, const struct farm_load *load, uint32_t verdict);
/* ns per packet of one round of one program; rounds at random are of other flows each, programs' of the same. */
double farm_round(struct front *front, const struct farm_load *load, int round, int program,
		  uint32_t repeat);
/*
 * Rounds of `repeat` packets through the trivial program and through xlb's. Loads in turn go on from round to
 * round, and new flows of TCP are established between them. Fills what share of packets was dropped.
 */
struct figure farm_measure(struct front *front, struct farm_load *load, int rounds, uint32_t repeat,
			   double *ret_dropped);

#endif
