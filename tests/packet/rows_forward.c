// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Where packets go, and the reasons for which they do not. */
#include <netinet/in.h>

#include "talk.h"

#define ROW(text, proto, to_service, to_vip, ...) \
	{ \
		.name = text, .protocol = proto, .service = to_service, .vip = to_vip, .steps = { \
			__VA_ARGS__ \
		} \
	}
#define TCP(text, to_service, to_vip, ...) \
	ROW("tcp: " text, IPPROTO_TCP, to_service, to_vip, __VA_ARGS__)
#define UDP(text, to_service, to_vip, ...) \
	ROW("udp: " text, IPPROTO_UDP, to_service, to_vip, __VA_ARGS__)

const struct talk_row talk_rows_forward[] = {
	TCP("two arms, port rewritten", WEB, VIP_OWN, ESTABLISH, CLOSE),
	UDP("two arms, port rewritten", WEB, VIP_OWN, FORWARD(CLIENT, 0), FORWARD(SERVER, 0)),
	TCP("one arm, port kept", ONE_ARM, VIP_OWN, ESTABLISH, CLOSE),
	UDP("one arm, port kept", ONE_ARM, VIP_OWN, FORWARD(CLIENT, 0), FORWARD(SERVER, 0)),
	TCP("options, extension headers, padding", WEB, VIP_OWN,
	    FORWARD_TWIST(CLIENT, SYN, WITH_OPTIONS),
	    FORWARD_TWIST(SERVER, SYN | ACK, WITH_OPTIONS),
	    FORWARD_TWIST(CLIENT, ACK, WITH_OPTIONS)),
	UDP("options, extension headers, padding", WEB, VIP_OWN,
	    FORWARD_TWIST(CLIENT, 0, WITH_OPTIONS), FORWARD_TWIST(SERVER, 0, WITH_OPTIONS)),
	TCP("address that is VIP and SNAT address", WEB, VIP_BOTH, ESTABLISH, CLOSE),
	UDP("address that is VIP and SNAT address", WEB, VIP_BOTH, FORWARD(CLIENT, 0),
	    FORWARD(SERVER, 0)),
	TCP("listener on the host's address", WEB, VIP_HOST, ESTABLISH, CLOSE),
	TCP("host's address without listener: the host's", WEB, VIP_HOST, DO(NO_PORTS, 0),
	    PASS(CLIENT, SYN), PASS(CLIENT, ACK), PASS(CLIENT, RST)),
	UDP("host's address without listener: the host's", WEB, VIP_HOST, DO(NO_PORTS, 0),
	    PASS(CLIENT, 0)),

	TCP("no_listener", WEB, VIP_OWN, DO(NO_PORTS, 0), DROP(CLIENT, SYN, NO_LISTENER),
	    DROP(CLIENT, ACK, NO_LISTENER), DO(FLOWS, 0)),
	UDP("no_listener", WEB, VIP_OWN, DO(NO_PORTS, 0), DROP(CLIENT, 0, NO_LISTENER)),
	TCP("no_listener: disabled", DISABLED, VIP_OWN, DROP(CLIENT, SYN, NO_LISTENER)),
	TCP("no_server", NO_SERVER, VIP_OWN, DROP(CLIENT, SYN, NO_SERVER), DO(FLOWS, 0)),
	UDP("no_server", NO_SERVER, VIP_OWN, DROP(CLIENT, 0, NO_SERVER)),
	TCP("no_neighbour", NO_NEIGHBOUR, VIP_OWN, DROP(CLIENT, SYN, NO_NEIGHBOUR), DO(FLOWS, 0)),
	TCP("no_interface: not attached", UNATTACHED, VIP_OWN, DROP(CLIENT, SYN, NO_INTERFACE),
	    DO(FLOWS, 0)),
	TCP("no_interface: the device went away", NO_DEVICE, VIP_OWN,
	    DROP(CLIENT, SYN, NO_INTERFACE)),
	TCP("a server as client of its own VIP", SELF, VIP_OWN, ESTABLISH, CLOSE),
	UDP("a server as client of its own VIP", SELF, VIP_OWN, FORWARD(CLIENT, 0),
	    FORWARD(SERVER, 0)),
	TCP("internal: a server without a mode", BROKEN, VIP_OWN, DROP(CLIENT, SYN, INTERNAL)),
	TCP("ttl_expired", WEB, VIP_OWN, REFUSE(CLIENT, SYN, TTL_EXPIRED, LAST_HOP), DO(FLOWS, 0),
	    ESTABLISH, REFUSE(CLIENT, ACK, TTL_EXPIRED, LAST_HOP),
	    REFUSE(SERVER, ACK, TTL_EXPIRED, LAST_HOP), FORWARD(CLIENT, ACK)),
	TCP("mtu_exceeded", WEB, VIP_OWN, ESTABLISH, FORWARD_TWIST(CLIENT, ACK, AT_MTU),
	    REFUSE(CLIENT, ACK, MTU_EXCEEDED, OVER_MTU), FORWARD_TWIST(SERVER, ACK, AT_MTU),
	    REFUSE(SERVER, ACK, MTU_EXCEEDED, OVER_MTU)),
	UDP("mtu_exceeded", WEB, VIP_OWN, REFUSE(CLIENT, 0, MTU_EXCEEDED, OVER_MTU), DO(FLOWS, 0),
	    FORWARD_TWIST(CLIENT, 0, AT_MTU)),
	{},
};
