/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One-row tables shared by datapath, daemon, tool and docs. Numbers are appended, never re-used.
 *
 * Adding a drop reason, counter or mode is one row here (see docs/adding.md).
 */
#ifndef XLB_LISTS_H
#define XLB_LISTS_H

/* X(NAME, word, meaning): why a packet was dropped, or answered by RST instead of being forwarded */
#define XLB_REASONS(X) \
	X(BAD_PACKET, bad_packet, \
	  "truncated or malformed header of a packet to a VIP or SNAT address") \
	X(FRAGMENT, fragment, \
	  "IP fragment whose first one is not known: it has not come yet, or long ago") \
	X(NO_LISTENER, no_listener, "no listener of the VIP has this port") \
	X(NO_SERVER, no_server, "the server group has no server for the client's address family") \
	X(NO_FLOW, no_flow, "segment of no known TCP flow, answered with RST; or late UDP reply") \
	X(NO_NEIGHBOUR, no_neighbour, "next hop unknown or its MAC address not resolved") \
	X(NO_INTERFACE, no_interface, "the next hop's interface is not attached") \
	X(SNAT_EXHAUSTED, snat_exhausted, \
	  "no free source port towards the server: add a SNAT address") \
	X(FLOW_TABLE_FULL, flow_table_full, "no room for another flow") \
	X(HAIRPIN, hairpin, \
	  "the client is an address of xlb, or the server that was chosen in mode dr or tunnel") \
	X(TTL_EXPIRED, ttl_expired, "TTL or hop limit used up; its sender is told by ICMP") \
	X(MTU_EXCEEDED, mtu_exceeded, \
	  "packet larger than the MTU of its way out; its sender is told by ICMP") \
	X(FLOW_RESET, flow_reset, \
	  "flow was killed, idled out or drained; answered with RST (TCP)") \
	X(INTERNAL, internal, "a map lookup that cannot fail failed: please report") \
	X(RATE_LIMITED, rate_limited, \
	  "RST or ICMP error not sent: more than 1000 a second on this CPU") \
	X(FLOW_BUSY, flow_busy, "another CPU was replacing the flow at this moment") \
	X(REDIRECT_FAILED, redirect_failed, \
	  "the other interface did not take the packet: it is down, its queue is full, or its driver lacks redirect") \
	X(TX_FAILED, tx_failed, "the interface did not send the packet back: its queue is full") \
	X(ICMP_UNKNOWN, icmp_unknown, \
	  "ICMP error about no known flow, or one that the other address family has no word for") \
	X(DENIED, denied, "a security group does not let the client in") \
	X(LIMIT_NEW, limit_new, "more new connections a second than a limit allows") \
	X(LIMIT_CONNECTIONS, limit_connections, "as many connections are open as a limit allows") \
	X(LIMIT_BITS, limit_bits, "more bits a second than a limit allows") \
	X(LIMIT_PACKETS, limit_packets, "more packets a second than a limit allows")

enum xlb_reason {
	XLB_DROP_NONE,
#define X(name, word, meaning) XLB_DROP_##name,
	XLB_REASONS(X)
#undef X
		XLB_DROP_COUNT,
};
/* X(NAME, word, meaning): what became of a packet */
#define XLB_VERDICTS(X) \
	X(PASS, pass, "given to the host's stack") \
	X(DROP, drop, "dropped") \
	X(RESET, reset, "answered with RST") \
	X(TX, tx, "sent back out of the same interface") \
	X(REDIRECT, redirect, "sent out of another interface") \
	X(ICMP, icmp, "answered with an ICMP message")

enum xlb_verdict {
	XLB_VERDICT_NONE,
#define X(name, word, meaning) XLB_VERDICT_##name,
	XLB_VERDICTS(X)
#undef X
		XLB_VERDICT_COUNT,
};

/* stride of an interface slot in map `drops`: key = slot * XLB_DROP_STRIDE + reason */
#define XLB_DROP_STRIDE 32

/* X(NAME, word, help): counted per listener and per server, maps `listener_counters`, `server_counters` */
#define XLB_FLOW_COUNTERS(X) \
	X(FLOWS, flows_created, "flows created") \
	X(PACKETS_IN, packets_in, "packets from clients") \
	X(BYTES_IN, bytes_in, "bytes from clients, layer 2 included") \
	X(PACKETS_OUT, packets_out, "packets to clients") \
	X(BYTES_OUT, bytes_out, "bytes to clients, layer 2 included") \
	X(DROPS, drops, "packets dropped after the listener or server was known") \
	X(RESETS, resets, "RST segments made by xlb") \
	X(PORTS_CHANGED, ports_changed, \
	  "flows of mode nat whose client port was changed: another flow had it towards the server") \
	X(RESET_FLOWS, reset_flows, \
	  "TCP flows that the server has reset, as far as it answers through xlb") \
	X(UNANSWERED, unanswered, \
	  "SYNs that a client had to send again a second later, as the server has not answered, as far as it answers through xlb")

enum xlb_flow_counter {
#define X(name, word, help) XLB_COUNT_##name,
	XLB_FLOW_COUNTERS(X)
#undef X
		XLB_COUNT_MAX,
};

/* X(NAME, word, help): counted per interface slot, map `interface_counters`; from the third on a packet's verdict */
#define XLB_INTERFACE_COUNTERS(X) \
	X(PACKETS, packets, "packets seen") \
	X(BYTES, bytes, "bytes seen, layer 2 included") \
	X(PASS, pass, "packets given to the host's stack") \
	X(DROP, drop, "packets dropped") \
	X(TX, tx, "packets sent back out of the same interface") \
	X(REDIRECT, redirect, "packets sent out of another interface")

enum xlb_interface_counter {
#define X(name, word, help) XLB_IFCOUNT_##name,
	XLB_INTERFACE_COUNTERS(X)
#undef X
		XLB_IFCOUNT_MAX,
};

/* properties of a forwarding mode */
#define XLB_MODE_SNAT	1U /* takes ports of the server's SNAT pools */
#define XLB_MODE_FAMILY 2U /* client and server may be of different address families */
#define XLB_MODE_DIRECT \
	4U /* the server answers clients itself, from the VIP and the port that they asked for */
#define XLB_MODE_ON_LINK 8U  /* the server itself must be the next hop */
#define XLB_MODE_ENCAP	 16U /* packets get an outer header */
#define XLB_MODE_RETURNS \
	32U /* the server's answers to clients' addresses must come back through xlb */
#define XLB_MODE_ADOPT \
	64U /* goes on with connections of which there is no flow, by the scheduler's choice */
#define XLB_MODE_HOST 128U /* the host's own stack is the server */

/*
 * X(NAME, word, properties, help): forwarding modes; a mode is bpf/mode_<word>.h. OWN: the same of those that xlb takes by
 * itself, and no server group asks for.
 */
#define XLB_MODES_AND(X, OWN) \
	X(FULLNAT, fullnat, XLB_MODE_SNAT | XLB_MODE_FAMILY, \
	  "rewrites source and destination: works with untouched servers") \
	X(DR, dr, XLB_MODE_DIRECT | XLB_MODE_ON_LINK | XLB_MODE_ADOPT, \
	  "rewrites only the MAC: servers on the same link answer clients themselves") \
	X(TUNNEL, tunnel, XLB_MODE_DIRECT | XLB_MODE_FAMILY | XLB_MODE_ENCAP | XLB_MODE_ADOPT, \
	  "puts packets into an outer header: servers anywhere answer clients themselves") \
	X(NAT, nat, XLB_MODE_SNAT | XLB_MODE_RETURNS | XLB_MODE_ADOPT, \
	  "rewrites only the destination: servers see their clients and answer through xlb") \
	OWN(LOCAL, local, XLB_MODE_DIRECT | XLB_MODE_FAMILY | XLB_MODE_ADOPT | XLB_MODE_HOST, \
	    "gives packets to the host itself, where tls listeners end")
#define XLB_MODES(X) XLB_MODES_AND(X, X)

enum xlb_mode {
	XLB_MODE_NONE,
#define X(name, word, properties, help) XLB_MODE_##name,
	XLB_MODES(X)
#undef X
		XLB_MODE_COUNT,
};

/* X(NAME, word, help): outer headers of a mode with encapsulation */
#define XLB_ENCAPSULATIONS(X) \
	X(IPIP, ipip, "IP in IP, of any family in any (RFC 2003, 2473, 4213)") \
	X(GUE, gue, "UDP port 6080, whose source port spreads flows over queues and links")

enum xlb_encapsulation {
	XLB_ENCAPSULATION_NONE,
#define X(name, word, help) XLB_ENCAPSULATION_##name,
	XLB_ENCAPSULATIONS(X)
#undef X
		XLB_ENCAPSULATION_COUNT,
};

/* Whether the mode has one of the properties. */
static inline int xlb_mode_has(unsigned int mode, unsigned int property)
{
	/* a mask of modes, made by the compiler if the property is a constant */
#define X(name, word, properties, help) | ((properties)&property ? 1U << XLB_MODE_##name : 0)
	return mode < XLB_MODE_COUNT && (0 XLB_MODES(X)) >> mode & 1;
#undef X
}

#endif
