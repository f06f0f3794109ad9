// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/words.h"

#include <stddef.h>
#include <string.h>

#include "base/sink.h"
#include "xlb/abi.h"
#include "xlb/lists.h"

static const struct {
	const char *word, *meaning;
} reasons[XLB_DROP_COUNT] = {
#define X(name, word, meaning) [XLB_DROP_##name] = { #word, meaning },
	XLB_REASONS(X)
#undef X
};

static const char *const advice[XLB_DROP_COUNT] = {
	[XLB_DROP_BAD_PACKET] =
		"look at one by `xlbctl capture`: a scan, or a device on the way that cuts packets",
	[XLB_DROP_FRAGMENT] =
		"nothing, if it is a few: the sender repeats the packet; else look for a path that puts fragments out of order, or a "
		"flood of them (`xlbctl capture --reason fragment`)",
	[XLB_DROP_NO_LISTENER] =
		"add a listener if the port should be served; otherwise it is a scan: nothing to do",
	[XLB_DROP_NO_SERVER] =
		"add a server with an address of that family and a weight; bring a server back up",
	[XLB_DROP_NO_FLOW] =
		"normal after idle timeouts and restarts of clients; if it goes on, raise `idle_timeout`",
	[XLB_DROP_NO_NEIGHBOUR] =
		"see `xlbctl status`: a server or gateway does not answer, or its interface is not attached",
	[XLB_DROP_NO_INTERFACE] =
		"attach the interface that these clients came by again, or let their flows end",
	[XLB_DROP_SNAT_EXHAUSTED] =
		"add addresses to the group's `snat.addresses`, widen `snat.ports`, or add servers",
	[XLB_DROP_FLOW_TABLE_FULL] =
		"raise `flow_table.max` if the tables have grown to it (`xlbctl show flow-table`), or lower `idle_timeout`",
	[XLB_DROP_HAIRPIN] =
		"let the server talk to itself by its own address instead of the VIP; with `forward: fullnat` or `nat` it may use the VIP",
	[XLB_DROP_TTL_EXPIRED] = "a traceroute; else look for a routing loop in front of xlb",
	[XLB_DROP_MTU_EXCEEDED] =
		"nothing, if its rate is low: senders learn; else give the interface towards the servers the MTU of the one that "
		"clients come by, for a tunnel 20 to 48 bytes more, or lower the servers' MSS (docs/modes/tunnel.md)",
	[XLB_DROP_FLOW_RESET] =
		"nothing, if a server was drained or a flow killed; else raise `idle_timeout`",
	[XLB_DROP_INTERNAL] =
		"restart xlbd, which repairs the maps; report it with the output of `xlbctl status --json`",
	[XLB_DROP_RATE_LIMITED] =
		"look at the sources by `xlbctl capture`: somebody makes up segments of flows that are none, or sends "
		"what is too large again and again",
	[XLB_DROP_FLOW_BUSY] = "nothing: the sender repeats the packet; if it goes on, report it",
	[XLB_DROP_REDIRECT_FAILED] =
		"look at the other interface: is it up, does its driver know XDP redirect (on veth: a program "
		"or GRO at the far end), is its queue too short",
	[XLB_DROP_ICMP_UNKNOWN] =
		"nothing: flows end before errors about them arrive, and scanners make some up; if it goes on, look at one by "
		"`xlbctl capture`",
	[XLB_DROP_DENIED] =
		"nothing, if it is meant: `xlbctl trace` names the rule; else add a rule that allows the client before it",
	[XLB_DROP_LIMIT_NEW] =
		"nothing, if it is meant: clients try again; else raise `limits.new_connections_per_second` of the listener or "
		"load balancer, or of their `limits.per_source`",
	[XLB_DROP_LIMIT_CONNECTIONS] =
		"nothing, if it is meant; else raise `limits.connections` of the listener or load balancer, or of their "
		"`limits.per_source`, or lower `idle_timeout`",
	[XLB_DROP_LIMIT_BITS] =
		"nothing, if it is meant: TCP slows down; else raise `limits.bits_per_second` of the listener or load balancer, or "
		"of their `limits.per_source`",
	[XLB_DROP_LIMIT_PACKETS] =
		"nothing, if it is meant; else raise `limits.packets_per_second` of the listener or load balancer, or of their "
		"`limits.per_source`",
	[XLB_DROP_TX_FAILED] =
		"lengthen the interface's queue (`ethtool -G`); on veth, attach a program at the far end",
};

static const char *const verdicts[XLB_VERDICT_COUNT] = {
#define X(name, word, meaning) [XLB_VERDICT_##name] = #word,
	XLB_VERDICTS(X)
#undef X
};

static const char *const modes[XLB_MODE_COUNT] = {
#define X(name, word, properties, help) [XLB_MODE_##name] = #word,
	XLB_MODES(X)
#undef X
};

static const char *const flow_states[] = {
	[XLB_FLOW_FREE] = "free",
	[XLB_FLOW_NEW] = "new",
	[XLB_FLOW_ESTABLISHED] = "established",
	[XLB_FLOW_CLOSING] = "closing",
	[XLB_FLOW_CLOSED] = "closed",
	[XLB_FLOW_TOMBSTONE] = "tombstone",
	[XLB_FLOW_BUSY] = "busy",
	[XLB_FLOW_DEAD] = "dead",
};

const char *verdict_word(uint32_t verdict)
{
	return verdict < XLB_VERDICT_COUNT ? verdicts[verdict] : NULL;
}

const char *reason_word(uint32_t reason)
{
	return reason < XLB_DROP_COUNT ? reasons[reason].word : NULL;
}

const char *reason_meaning(uint32_t reason)
{
	return reason < XLB_DROP_COUNT ? reasons[reason].meaning : NULL;
}

const char *reason_advice(uint32_t reason)
{
	return reason < XLB_DROP_COUNT ? advice[reason] : NULL;
}

const char *flow_state_word(uint32_t state)
{
	return state < sizeof(flow_states) / sizeof(flow_states[0]) ? flow_states[state] : NULL;
}

const char *mode_word(uint32_t mode)
{
	return mode < XLB_MODE_COUNT ? modes[mode] : NULL;
}

const char *encapsulation_word(uint32_t encapsulation)
{
	static const char *const words[XLB_ENCAPSULATION_COUNT] = {
#define X(name, word, help) [XLB_ENCAPSULATION_##name] = #word,
		XLB_ENCAPSULATIONS(X)
#undef X
	};

	return encapsulation < XLB_ENCAPSULATION_COUNT ? words[encapsulation] : NULL;
}

const char *attach_mode_word(uint32_t mode)
{
	switch (mode) {
	case XLB_ATTACH_NATIVE:
		return "native";
	case XLB_ATTACH_GENERIC:
		return "generic";
	}
	return NULL;
}

uint32_t verdict_by_word(const char *word)
{
	uint32_t verdict = XLB_VERDICT_COUNT - 1;

	while (verdict && strcmp(verdicts[verdict], word))
		verdict--;
	return verdict;
}

uint32_t reason_by_word(const char *word)
{
	uint32_t reason = XLB_DROP_COUNT - 1;

	while (reason && strcmp(reasons[reason].word, word))
		reason--;
	return reason;
}
