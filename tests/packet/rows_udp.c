// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What UDP packets do to a flow. */
#include <netinet/in.h>

#include "talk.h"

#define UDP(text, ...) \
	{ \
		.name = "udp: " text, .protocol = IPPROTO_UDP, .steps = { __VA_ARGS__ } \
	}

const struct talk_row talk_rows_udp[] = {
	UDP("a conversation", FORWARD(CLIENT, 0), DO(STATE, XLB_FLOW_NEW), FORWARD(CLIENT, 0),
	    DO(STATE, XLB_FLOW_NEW), FORWARD(SERVER, 0), DO(STATE, XLB_FLOW_ESTABLISHED),
	    FORWARD(CLIENT, 0), FORWARD(SERVER, 0), DO(FLOWS, 1), DO(SWEEP, 0), DO(FLOWS, 0),
	    PASS(SERVER, 0)),
	UDP("no checksum stays none", FORWARD_TWIST(CLIENT, 0, NO_CHECKSUM),
	    FORWARD_TWIST(SERVER, 0, NO_CHECKSUM), FORWARD(CLIENT, 0)),
	UDP("idled out: a new flow", FORWARD(CLIENT, 0), DO(AGE, 88), FORWARD(SERVER, 0),
	    DO(AGE, 93), DROP(SERVER, 0, NO_FLOW), REMAP(0), FORWARD(SERVER, 0), DO(FLOWS, 1)),
	UDP("killed: forgotten, a new flow", FORWARD(CLIENT, 0), DO(KILL, 0),
	    DROP(SERVER, 0, FLOW_RESET), REMAP(0), DO(FLOWS, 1)),
	UDP("re-pointed: the flow stays", FORWARD(CLIENT, 0), DO(REPOINT, SPARE),
	    FORWARD(CLIENT, 0), FORWARD(SERVER, 0)),
	UDP("server down: picked anew at once", FORWARD(CLIENT, 0), FORWARD(SERVER, 0),
	    DO(SERVER_FLAGS, XLB_SERVER_DOWN), DO(REPOINT, SPARE), REMAP_TO(0, SPARE),
	    FORWARD(SERVER, 0), FORWARD(CLIENT, 0), DO(FLOWS, 1)),
	UDP("all servers down, fail open: the flow stays where it is", FORWARD(CLIENT, 0),
	    DO(SERVER_FLAGS, XLB_SERVER_DOWN), FORWARD(CLIENT, 0), FORWARD(SERVER, 0),
	    FORWARD(CLIENT, 0), DO(FLOWS, 1)),
	UDP("server drained: forgotten and picked anew", FORWARD(CLIENT, 0), DO(REPOINT, SPARE),
	    DO(SERVER_FLAGS, XLB_SERVER_RESET), DROP(SERVER, 0, FLOW_RESET), REMAP_TO(0, SPARE),
	    FORWARD(SERVER, 0), DO(FLOWS, 1)),
	UDP("server drained, no other: dropped", FORWARD(CLIENT, 0),
	    DO(SERVER_FLAGS, XLB_SERVER_RESET), DROP(CLIENT, 0, NO_SERVER)),
	UDP("listener disabled: flows stay, no new ones", FORWARD(CLIENT, 0),
	    DO(LISTENER_FLAGS, XLB_LISTENER_DISABLED), FORWARD(CLIENT, 0), FORWARD(SERVER, 0),
	    DO(AGE, 93), DROP(CLIENT, 0, NO_LISTENER)),
	UDP("replies follow a client that moves to another MAC", FORWARD(CLIENT, 0),
	    FORWARD_TWIST(CLIENT, 0, OTHER_MAC), FORWARD(SERVER, 0)),
	{},
};
