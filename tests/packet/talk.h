/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A talk: one client's flow as a list of steps. A step sends a packet of the client or of the server and
 * says what must become of it; whole frames are compared, so every field and checksum counts.
 */
#ifndef XLB_TESTS_TALK_H
#define XLB_TESTS_TALK_H

#include "world.h"

enum actor {
	STEP_END,
	CLIENT,	    /* sends to the VIP */
	SERVER,	    /* sends to where the client's last forwarded packet came from */
	OLD_SERVER, /* the same for the mapping that the flow had before its present one */
	/* what happens in between; `arg` says how much */
	AGE,		/* the flow was silent for arg seconds */
	KILL,		/* every flow becomes a tombstone */
	SWEEP,		/* every flow is deleted by the daemon */
	SERVER_FLAGS,	/* of the talk's server: arg */
	LISTENER_FLAGS, /* of the talk's listener: arg */
	REPOINT,	/* the talk's group now has the server of service arg only */
	NO_PORTS,	/* the VIP loses its listeners */
	STATE,		/* check: the flow's state is arg */
	FLOWS,		/* check: arg records, as many locators, and as many ports taken */
	RECORDS,	/* check: arg records, as many locators if the mode has replies, no ports */
};

enum expect {
	FORWARDED,    /* by the mapping known, or a first one */
	REMAPPED,     /* forwarded with another SNAT port than before */
	DROPPED,      /* with the reason */
	ANSWERED_RST, /* with the reason */
	ANSWERED_ICMP,
	PASSED, /* to the stack, untouched */
};

/* What is special about a packet. */
enum twist {
	PLAIN,
	NO_CHECKSUM, /* UDP */
	LAST_HOP,    /* TTL 1 */
	AT_MTU,	     /* as large as the way out allows */
	OVER_MTU,
	WITH_OPTIONS, /* IPv4 options or IPv6 extension headers, TCP options, padding behind the packet */
	OTHER_MAC,    /* the client moved to another MAC */
	MAY_FRAGMENT, /* IPv4 without DF */
	WITH_DATA,    /* a SYN, too (RFC 7413) */
};

struct step {
	enum actor actor;
	uint8_t flags; /* TCP */
	enum expect expect;
	enum xlb_reason reason;
	enum twist twist;
	uint32_t arg;
};

#define TALK_STEPS 24
struct talk_row {
	const char *name;
	uint8_t protocol;
	enum service service; /* none: WEB */
	enum vip vip;
	uint8_t family; /* 0: both */
	struct step steps[TALK_STEPS];
};

/* The state of a talk; what is zero at the start is filled by steps. */
struct talk {
	uint8_t family, protocol;
	enum service service; /* whose listener the client talks to */
	enum service server;  /* who answers */
	enum vip vip;
	uint16_t client_port;
	uint8_t client_mac[6];
	uint16_t path_mtu; /* what routers have said of the way to the server; 0: nothing */
	/* mappings: the present one and the one before */
	struct mapping {
		struct xlb_addr snat;
		uint16_t snat_port;  /* or the source port of a tunnel's outer header */
		uint32_t flow_label; /* of an outer IPv6 header */
		enum service server;
	} now, before;
};

void talk_init(struct talk *talk, uint8_t family, uint8_t protocol, enum service service,
	       enum vip vip);
struct xlb_flow_key talk_key(const struct talk *talk);
/* The client's or server's packet; fields can be changed before it is sent. */
struct frame talk_frame(const struct talk *talk, enum actor actor, uint8_t flags);
/* Makes it special in this way. */
void talk_twist(struct talk *talk, struct frame *frame, enum actor actor, enum twist twist);
/*
 * Gives the frame the outer header of a server whose address is of the family. What xlb may choose of that is read from
 * what came out, also into ret; NULL or what is wrong.
 */
const char *talk_wrap(struct frame *frame, enum service server, uint8_t family,
		      const struct outcome *got, struct mapping *ret);
/* True if an outer header is not as the others of the flow, by which some spread load; false if there were none yet. */
bool talk_is_wrapped_apart(const struct talk *talk, const struct mapping *outer);
/* Sends a frame and checks what becomes of it; NULL or what is wrong. */
const char *talk_send(struct talk *talk, enum actor actor, const struct frame *frame,
		      enum expect expect, enum xlb_reason reason);
/* One step; NULL or what is wrong. */
const char *talk_step(struct talk *talk, const struct step *step);

/*
 * Sends a frame that is answered, and counted as dropped for the reason, again and again until one is dropped silently,
 * as more than XLB_ANSWERS_PER_SECOND have been answered. Fails the test if that does not come.
 */
void talk_send_until_limited(const struct frame *frame, enum xlb_reason reason);

/* All steps; fails the test at the first that is wrong. */
void talk_run(struct talk *talk, const struct step *steps);

/* NULL if there are `count` flows, locators and ports taken. */
const char *talk_check_flows(uint32_t count);

/* How rows are written: who sends what (TCP flags), and what becomes of it. */
#define FORWARD(who, tcp) \
	{ \
		.actor = who, .flags = tcp, .expect = FORWARDED \
	}
#define FORWARD_TWIST(who, tcp, how) \
	{ \
		.actor = who, .flags = tcp, .expect = FORWARDED, .twist = how \
	}
#define REMAP(tcp) \
	{ \
		.actor = CLIENT, .flags = tcp, .expect = REMAPPED \
	}
#define REMAP_TO(tcp, service) \
	{ \
		.actor = CLIENT, .flags = tcp, .expect = REMAPPED, .arg = service \
	}
#define DROP(who, tcp, why) \
	{ \
		.actor = who, .flags = tcp, .expect = DROPPED, .reason = XLB_DROP_##why \
	}
#define DROP_TWIST(who, tcp, why, how) \
	{ \
		.actor = who, .flags = tcp, .expect = DROPPED, .reason = XLB_DROP_##why, \
		.twist = how \
	}
#define RESET(who, tcp, why) \
	{ \
		.actor = who, .flags = tcp, .expect = ANSWERED_RST, .reason = XLB_DROP_##why \
	}
/* a packet of the client or the server that is too large or too old */
#define REFUSE(who, tcp, why, how) \
	{ \
		.actor = who, .flags = tcp, .expect = ANSWERED_ICMP, .reason = XLB_DROP_##why, \
		.twist = how \
	}
#define PASS(who, tcp) \
	{ \
		.actor = who, .flags = tcp, .expect = PASSED \
	}
#define DO(what, much) \
	{ \
		.actor = what, .arg = much \
	}
#define ESTABLISH FORWARD(CLIENT, SYN), FORWARD(SERVER, SYN | ACK), FORWARD(CLIENT, ACK)
#define CLOSE	  FORWARD(CLIENT, FIN | ACK), FORWARD(SERVER, FIN | ACK), FORWARD(CLIENT, ACK)

/* N: only one in N is wanted of what is done over and over to be thorough; 1: all. */
uint32_t talk_part(void);

/* cmocka test of a row, given as initial state; and all of them, or one in talk_part() by turns, one after the other. */
void talk_test(void **state);
void talk_test_all(void);

extern const struct talk_row talk_rows_forward[], talk_rows_tcp[], talk_rows_udp[],
	talk_rows_modes[]; /* end: no name */

#endif
