// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Forwarding modes: what packets become, both ways, and what flows mean in each. */
#include <netinet/in.h>

#include "talk.h"

#define ROW(text, proto, to_service, of_family, ...) \
	{ \
		.name = text, .protocol = proto, .service = to_service, .family = of_family, \
		.steps = { \
			__VA_ARGS__ \
		} \
	}
#define TCP(text, to_service, ...) ROW("tcp: " text, IPPROTO_TCP, to_service, 0, __VA_ARGS__)
#define UDP(text, to_service, ...) ROW("udp: " text, IPPROTO_UDP, to_service, 0, __VA_ARGS__)
#define TCP4(text, to_service, ...) \
	ROW("tcp: " text, IPPROTO_TCP, to_service, XLB_IPV4, __VA_ARGS__)

/* What a client sends in the life of a connection whose server is not heard. */
#define ONE_WAY FORWARD(CLIENT, SYN), FORWARD(CLIENT, ACK), FORWARD(CLIENT, PSH | ACK)

/* Of a server that answers itself, wherever it is. */
#define ONE_WAY_ROWS(word, service) \
	TCP(word ": a connection, replies are not xlb's", service, ONE_WAY, DO(RECORDS, 1), \
	    DO(STATE, XLB_FLOW_ESTABLISHED), FORWARD(CLIENT, FIN | ACK), \
	    DO(STATE, XLB_FLOW_CLOSING), FORWARD(CLIENT, ACK), DO(SWEEP, 0), DO(RECORDS, 0)), \
		UDP(word ": a conversation", service, FORWARD(CLIENT, 0), FORWARD(CLIENT, 0), \
		    DO(RECORDS, 1), FORWARD_TWIST(CLIENT, 0, NO_CHECKSUM)), \
		TCP(word ": options, extension headers, padding", service, \
		    FORWARD_TWIST(CLIENT, SYN, WITH_OPTIONS), \
		    FORWARD_TWIST(CLIENT, ACK, WITH_OPTIONS)), \
		TCP4(word ": may be fragmented", service, FORWARD(CLIENT, SYN), \
		     FORWARD_TWIST(CLIENT, ACK, MAY_FRAGMENT)), \
		TCP(word ": goes on with a connection that it does not know", service, \
		    FORWARD(CLIENT, ACK), DO(RECORDS, 1), DO(STATE, XLB_FLOW_NEW), \
		    FORWARD(CLIENT, ACK), DO(STATE, XLB_FLOW_ESTABLISHED)), \
		TCP(word ": an unknown RST leaves no record", service, FORWARD(CLIENT, RST), \
		    DO(RECORDS, 0)), \
		TCP(word ": a false RST is restored, after a true one SYN begins anew", service, \
		    ONE_WAY, FORWARD(CLIENT, RST), DO(STATE, XLB_FLOW_CLOSING), \
		    FORWARD(CLIENT, ACK), DO(STATE, XLB_FLOW_ESTABLISHED), FORWARD(CLIENT, RST), \
		    FORWARD(CLIENT, SYN), DO(STATE, XLB_FLOW_NEW), DO(RECORDS, 1)), \
		TCP(word ": SYN with data and ECN, segments with no and with odd flags", service, \
		    FORWARD_TWIST(CLIENT, SYN | ECE | CWR, WITH_DATA), FORWARD(CLIENT, 0), \
		    DO(STATE, XLB_FLOW_NEW), FORWARD(CLIENT, ACK), \
		    FORWARD(CLIENT, FIN | PSH | URG), DO(STATE, XLB_FLOW_CLOSING), \
		    FORWARD(CLIENT, FIN | ACK), DO(AGE, 118), FORWARD(CLIENT, ACK), \
		    DO(RECORDS, 1)), \
		TCP(word ": killed: RST, then the next SYN begins anew", service, ONE_WAY, \
		    DO(KILL, 0), RESET(CLIENT, ACK, FLOW_RESET), FORWARD(CLIENT, SYN), \
		    DO(RECORDS, 1)), \
		TCP(word ": idled out", service, ONE_WAY, DO(AGE, TCP_IDLE + 3), \
		    RESET(CLIENT, ACK, FLOW_RESET), DO(AGE, 61), FORWARD(CLIENT, ACK)), \
		TCP(word ": one that was found in its middle and fell silent is found again", \
		    service, FORWARD(CLIENT, ACK), DO(AGE, 35), FORWARD(CLIENT, ACK), \
		    DO(RECORDS, 1))

/* Of one that is behind a next hop. */
#define DIRECT_ROWS(word, service) \
	ONE_WAY_ROWS(word, service), \
		TCP(word ": mtu_exceeded counts what is added", service, FORWARD(CLIENT, SYN), \
		    FORWARD_TWIST(CLIENT, ACK, AT_MTU), \
		    REFUSE(CLIENT, ACK, MTU_EXCEEDED, OVER_MTU)), \
		TCP(word ": ttl_expired", service, REFUSE(CLIENT, SYN, TTL_EXPIRED, LAST_HOP), \
		    DO(RECORDS, 0))

const struct talk_row talk_rows_modes[] = {
	TCP("fullnat: the other family", CROSS, ESTABLISH, CLOSE, DO(FLOWS, 1)),
	UDP("fullnat: the other family", CROSS, FORWARD(CLIENT, 0), FORWARD(SERVER, 0),
	    DO(FLOWS, 1)),
	UDP("fullnat: the other family, no checksum", CROSS, FORWARD_TWIST(CLIENT, 0, NO_CHECKSUM),
	    FORWARD_TWIST(SERVER, 0, NO_CHECKSUM)),
	TCP("fullnat: the other family, options and extension headers end", CROSS,
	    FORWARD_TWIST(CLIENT, SYN, WITH_OPTIONS),
	    FORWARD_TWIST(SERVER, SYN | ACK, WITH_OPTIONS),
	    FORWARD_TWIST(CLIENT, ACK, WITH_OPTIONS)),
	TCP("fullnat: the other family, mtu_exceeded by the new header", CROSS, ESTABLISH,
	    FORWARD_TWIST(CLIENT, ACK, AT_MTU), REFUSE(CLIENT, ACK, MTU_EXCEEDED, OVER_MTU),
	    FORWARD_TWIST(SERVER, ACK, AT_MTU), REFUSE(SERVER, ACK, MTU_EXCEEDED, OVER_MTU)),
	TCP("fullnat: the other family, killed, idled out, unknown", CROSS, ESTABLISH, DO(KILL, 0),
	    RESET(CLIENT, ACK, FLOW_RESET), RESET(SERVER, ACK, FLOW_RESET), DO(SWEEP, 0),
	    RESET(CLIENT, ACK, NO_FLOW), PASS(SERVER, ACK), DO(FLOWS, 0)),

	TCP("nat: a connection", NAT, ESTABLISH, DO(RECORDS, 1), CLOSE, DO(STATE, XLB_FLOW_CLOSED),
	    DO(SWEEP, 0), DO(RECORDS, 0)),
	UDP("nat: a conversation", NAT, FORWARD(CLIENT, 0), FORWARD(SERVER, 0), DO(RECORDS, 1),
	    FORWARD_TWIST(CLIENT, 0, NO_CHECKSUM), FORWARD_TWIST(SERVER, 0, NO_CHECKSUM)),
	TCP("nat: options, extension headers, padding", NAT,
	    FORWARD_TWIST(CLIENT, SYN, WITH_OPTIONS),
	    FORWARD_TWIST(SERVER, SYN | ACK, WITH_OPTIONS)),
	TCP("nat: mtu_exceeded", NAT, ESTABLISH, FORWARD_TWIST(CLIENT, ACK, AT_MTU),
	    REFUSE(CLIENT, ACK, MTU_EXCEEDED, OVER_MTU), FORWARD_TWIST(SERVER, ACK, AT_MTU),
	    REFUSE(SERVER, ACK, MTU_EXCEEDED, OVER_MTU)),
	TCP("nat: what is no flow's is the host's", NAT, ESTABLISH, DO(SWEEP, 0), PASS(SERVER, ACK),
	    PASS(SERVER, SYN), PASS(SERVER, RST)),
	UDP("nat: what is no flow's is the host's", NAT, FORWARD(CLIENT, 0), DO(SWEEP, 0),
	    PASS(SERVER, 0)),
	TCP("nat: killed, RST to both sides", NAT, ESTABLISH, DO(KILL, 0),
	    RESET(CLIENT, ACK, FLOW_RESET), RESET(SERVER, ACK, FLOW_RESET)),
	TCP("nat: goes on with a connection that it does not know", NAT, FORWARD(CLIENT, ACK),
	    DO(RECORDS, 1), FORWARD(SERVER, ACK), FORWARD(CLIENT, ACK),
	    DO(STATE, XLB_FLOW_ESTABLISHED)),
	TCP("nat: an unknown RST leaves no record", NAT, FORWARD(CLIENT, RST), DO(RECORDS, 0)),
	TCP("nat: RST of the server, SYN again: half-open until the client's ACK", NAT, ESTABLISH,
	    FORWARD(CLIENT, FIN | ACK), FORWARD(SERVER, RST), FORWARD(CLIENT, SYN),
	    FORWARD(SERVER, SYN | ACK), DO(STATE, XLB_FLOW_NEW), FORWARD(CLIENT, ACK),
	    DO(STATE, XLB_FLOW_ESTABLISHED), DO(RECORDS, 1)),
	TCP("nat: FIN from both at once", NAT, ESTABLISH, FORWARD(SERVER, FIN | ACK),
	    FORWARD(CLIENT, FIN | ACK), DO(STATE, XLB_FLOW_CLOSED), FORWARD(CLIENT, ACK),
	    FORWARD(SERVER, FIN | ACK)),
	TCP("nat: a closed flow begins anew under its port", NAT, ESTABLISH, CLOSE,
	    FORWARD(CLIENT, SYN), DO(RECORDS, 1), FORWARD(SERVER, SYN | ACK),
	    DO(STATE, XLB_FLOW_NEW)),
	TCP("nat: clients on the server's network are fullnat's", NAT_NEAR, ESTABLISH, DO(FLOWS, 1),
	    CLOSE, DO(SWEEP, 0), DO(FLOWS, 0)),
	TCP("nat: a near client's unknown segment gets RST", NAT_NEAR, RESET(CLIENT, ACK, NO_FLOW),
	    DO(FLOWS, 0)),
	TCP("nat: a server as client of its own VIP", NAT_SELF, ESTABLISH, DO(FLOWS, 1), CLOSE),
	UDP("nat: server down, picked anew at once", NAT, FORWARD(CLIENT, 0), FORWARD(SERVER, 0),
	    DO(SERVER_FLAGS, XLB_SERVER_DOWN), DO(REPOINT, NAT_SPARE), REMAP_TO(0, NAT_SPARE),
	    FORWARD(SERVER, 0), DO(RECORDS, 1)),

	DIRECT_ROWS("dr", DR),
	TCP("dr: the server as client of its own VIP", DR_SELF, DROP(CLIENT, SYN, HAIRPIN),
	    DO(RECORDS, 0)),
	UDP("dr: the server as client of its own VIP", DR_SELF, DROP(CLIENT, 0, HAIRPIN)),
	TCP("dr: a SYN after the client's FIN begins anew", DR, ONE_WAY, FORWARD(CLIENT, FIN | ACK),
	    DO(REPOINT, DR_SPARE), REMAP_TO(SYN, DR_SPARE), DO(RECORDS, 1),
	    DO(STATE, XLB_FLOW_NEW)),
	TCP("dr: re-pointed: the flow stays, a SYN within it too", DR, ONE_WAY,
	    DO(REPOINT, DR_SPARE), FORWARD(CLIENT, ACK), FORWARD(CLIENT, SYN), DO(RECORDS, 1)),
	DIRECT_ROWS("ipip", IPIP),
	DIRECT_ROWS("ipip around the other family", IPIP_CROSS),
	DIRECT_ROWS("gue", GUE),
	DIRECT_ROWS("gue around the other family", GUE_CROSS),

	ONE_WAY_ROWS("local", LOCAL),
	TCP("local: neither MTU nor TTL matter to what goes no further", LOCAL,
	    FORWARD_TWIST(CLIENT, SYN, LAST_HOP), FORWARD_TWIST(CLIENT, ACK, LAST_HOP),
	    FORWARD_TWIST(CLIENT, ACK, OVER_MTU), DO(RECORDS, 1)),
	TCP("local: a client that has moved to another MAC", LOCAL, ONE_WAY,
	    FORWARD_TWIST(CLIENT, ACK, OTHER_MAC), DO(RECORDS, 1)),
	TCP("local: without a listener it is dropped as any other", LOCAL, DO(NO_PORTS, 0),
	    DROP(CLIENT, SYN, NO_LISTENER), DO(RECORDS, 0)),

	/* a flow goes on in the mode that it began in */
	TCP("another mode: from local to fullnat", LOCAL, ONE_WAY, DO(REPOINT, WEB),
	    FORWARD(CLIENT, ACK), DO(RECORDS, 1)),
	TCP("another mode: from fullnat to local", WEB, ESTABLISH, DO(REPOINT, LOCAL),
	    FORWARD(CLIENT, ACK), FORWARD(SERVER, ACK), DO(FLOWS, 1)),
	TCP("another mode: from fullnat to dr", WEB, ESTABLISH, DO(REPOINT, DR),
	    FORWARD(CLIENT, ACK), FORWARD(SERVER, ACK), DO(FLOWS, 1), CLOSE),
	TCP("another mode: from dr to tunnel", DR, ONE_WAY, DO(REPOINT, GUE), FORWARD(CLIENT, ACK),
	    DO(RECORDS, 1)),
	TCP("another mode: from nat to fullnat", NAT, ESTABLISH, DO(REPOINT, SPARE),
	    FORWARD(CLIENT, ACK), FORWARD(SERVER, ACK), DO(RECORDS, 1)),
	{},
};
