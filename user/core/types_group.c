// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The field tables of server groups and servers. */
#include <stdio.h>
#include <string.h>

#include "base/words.h"
#include "core/fallback.h"
#include "core/field.h"
#include "core/health_check.h"
#include "core/object.h"
#include "core/passive.h"
#include "core/quic.h"
#include "core/scheduler.h"
#include "core/types.h"
#include "xlb/lists.h"

#define SECOND	     1000ULL
#define HOUR	     (3600 * SECOND)
#define DAY	     (24 * HOUR)
#define COUNT(array) (sizeof(array) / sizeof(array[0]))

static const struct word forwards[] = {
#define X(name, word, properties, help) { #word, XLB_MODE_##name },
#define NONE(name, word, properties, help)
	XLB_MODES_AND(X, NONE)
#undef NONE
#undef X
		{},
};
static const struct word encapsulations[] = {
#define X(name, word, help) { #word, XLB_ENCAPSULATION_##name },
	XLB_ENCAPSULATIONS(X)
#undef X
		{},
};
static const struct word affinities[] = {
	{ "none", AFFINITY_NONE },
	{ "same", AFFINITY_SAME },
	{},
};
static const struct word schedulers[] = {
	{ "maglev", SCHEDULER_MAGLEV }, { "wrr", SCHEDULER_WRR },
	{ "rr", SCHEDULER_RR },		{ "wlc", SCHEDULER_WLC },
	{ "tch", SCHEDULER_TCH },	{ "sch", SCHEDULER_SCH },
	{ "qch", SCHEDULER_QCH },	{},
};
static const struct word hashes[] = {
	{ "tuple", HASH_TUPLE },
	{ "source", HASH_SOURCE },
	{ "quic", HASH_QUIC },
	{},
};
static const struct word quic_configs[] = {
	{ "any", XLB_QUIC_CONFIGS },
	{ "0", 0 },
	{ "1", 1 },
	{ "2", 2 },
	{ "3", 3 },
	{ "4", 4 },
	{ "5", 5 },
	{ "6", 6 },
	{},
};
static const struct word on_downs[] = {
	{ "keep", ON_DOWN_KEEP },
	{ "reset", ON_DOWN_RESET },
	{},
};
static const struct word check_types[] = {
	{ "tcp", CHECK_TCP },	  { "http", CHECK_HTTP },
	{ "https", CHECK_HTTPS }, { "udp", CHECK_UDP },
	{ "icmp", CHECK_ICMP },	  { "exec", CHECK_EXEC },
	{ "none", CHECK_NONE },	  {},
};
static const struct word check_vias[] = {
	{ "address", CHECK_VIA_ADDRESS },
	{ "datapath", CHECK_VIA_DATAPATH },
	{},
};
static const struct word methods[] = {
	{ "GET", 0 },
	{ "HEAD", 1 },
	{},
};

#define GROUP_FIELD(member) .offset = offsetof(struct server_group, member)

static const struct field server_group_fields[] = {
	{
		.name = "forward",
		.kind = FIELD_WORD,
		GROUP_FIELD(forward),
		.preset = "fullnat",
		.words = forwards,
		.help = "how packets reach the servers; fullnat rewrites both addresses and needs nothing of them; "
			"each mode has a page in docs/modes",
	},
	{
		.name = "encapsulation",
		.kind = FIELD_WORD,
		GROUP_FIELD(encapsulation),
		.words = encapsulations,
		.help = "tunnel only: ipip (the default), or gue, which is UDP and so spreads over the queues of the servers",
	},
	{
		.name = "address_family_affinity",
		.kind = FIELD_WORD,
		GROUP_FIELD(affinity),
		.words = affinities,
		.help = "none: clients are served at either address of a server, if they can at one of their own family; "
			"same: only at one of their own family, the only choice in nat and dr; default none if possible",
	},
	{
		.name = "scheduler",
		.kind = FIELD_WORD,
		GROUP_FIELD(scheduler),
		.preset = "maglev",
		.words = schedulers,
		.help = "how new flows are spread: maglev is a weighted consistent hash; wrr takes turns by weight, rr without; "
			"wlc takes the server with fewest open flows for its weight; NLB's names: tch, sch, qch are maglev "
			"with hash: tuple, source, quic; see docs/schedulers.md",
	},
	{
		.name = "hash",
		.kind = FIELD_WORD,
		GROUP_FIELD(hash),
		.preset = "tuple",
		.words = hashes,
		.help = "scheduler: maglev only: what new flows are spread by: addresses and ports; the client's address alone "
			"(source); or the connection ids of QUIC, which keep a connection on its server when its client's "
			"address changes, see docs/quic.md",
	},
	{
		.name = "quic.id_length",
		.kind = FIELD_UINT,
		GROUP_FIELD(quic_id_length),
		.min = 4,
		.max = XLB_QUIC_ID_MAX,
		.preset = "8",
		.help = "hash: quic only: so many bytes of connection ids are looked at; those that servers choose must not "
			"be shorter",
	},
	{
		.name = "quic.config",
		.kind = FIELD_WORD,
		GROUP_FIELD(quic_config),
		.preset = "any",
		.words = quic_configs,
		.help = "hash: quic only: only connection ids that begin with these three bits (config rotation) name a "
			"server by its quic_id; those that begin with 7 never do",
	},
	{
		.name = "affinity.timeout",
		.kind = FIELD_TIME,
		GROUP_FIELD(affinity_timeout),
		.min = SECOND,
		.max = DAY,
		.help = "a source address stays with its server until it has begun no flow for so long, whatever the scheduler; "
			"default: it does not",
	},
	{
		.name = "slow_start",
		.kind = FIELD_TIME,
		GROUP_FIELD(slow_start),
		.min = SECOND,
		.max = HOUR,
		.help = "a server that comes up, is added, enabled or given a weight gets a tenth of its share of new flows, which "
			"rises to all of it over this time; default: all at once; see docs/schedulers.md",
	},
	{
		.name = "fail_open",
		.kind = FIELD_BOOL,
		GROUP_FIELD(fail_open),
		.preset = "true",
		.help = "with all servers down: true sends to all of them, false drops",
	},
	{
		.name = "fallback",
		.kind = FIELD_REF,
		GROUP_FIELD(fallback),
		.ref = &type_server_group,
		.help = "the group that takes new flows while fewer than min_healthy servers of this one are healthy; "
			"see docs/fallback.md",
	},
	{
		.name = "min_healthy",
		.kind = FIELD_QUOTA,
		GROUP_FIELD(min_healthy),
		.min = 1,
		.max = 1000,
		.preset = "1",
		.help = "with fallback only: healthy servers, a number or a part of those that are enabled and of a weight "
			"above 0",
	},
	{
		.name = "snat.addresses",
		.kind = FIELD_ADDRS,
		GROUP_FIELD(snat_addresses),
		.max = 2 * XLB_SERVER_POOLS,
		.help = "source addresses towards the servers; default: the one that the route prefers",
	},
	{
		.name = "snat.ports",
		.kind = FIELD_RANGE,
		GROUP_FIELD(snat_ports),
		.min = 1024,
		.max = 65535,
		.preset = "1024-65535",
		.help = "source ports towards the servers; ports that the host itself may use are left out",
	},
	{
		.name = "drain.timeout",
		.kind = FIELD_TIME,
		GROUP_FIELD(drain_timeout),
		.max = 7 * DAY,
		.help = "how long flows of a removed or disabled server may go on; default: until they end",
	},
	{
		.name = "on_down",
		.kind = FIELD_WORD,
		GROUP_FIELD(on_down),
		.preset = "keep",
		.words = on_downs,
		.help = "TCP flows of a server that went down: keep them, or reset them",
	},
	{
		.name = "health_check.type",
		.kind = FIELD_WORD,
		GROUP_FIELD(health_check.type),
		.words = check_types,
		.help = "default tcp; a group behind a range, any or only UDP, or with servers without port, must say",
	},
	{
		.name = "health_check.port",
		.kind = FIELD_UINT,
		GROUP_FIELD(health_check.port),
		.min = 1,
		.max = 65535,
		.help = "default: the server's port",
	},
	{
		.name = "health_check.via",
		.kind = FIELD_WORD,
		GROUP_FIELD(health_check.via),
		.words = check_vias,
		.help = "datapath: checks go as clients' packets do, to the VIP and with the group's outer header; address: "
			"to the server's address; default datapath in dr and tunnel, address elsewhere",
	},
	{
		.name = "health_check.interval",
		.kind = FIELD_TIME,
		GROUP_FIELD(health_check.interval),
		.min = 100,
		.max = HOUR,
		.preset = "5s",
		.help = "from the start of one check to the start of the next",
	},
	{
		.name = "health_check.timeout",
		.kind = FIELD_TIME,
		GROUP_FIELD(health_check.timeout),
		.min = 10,
		.max = HOUR,
		.preset = "2s",
		.help = "a check without an answer for so long has failed",
	},
	{
		.name = "health_check.healthy_threshold",
		.kind = FIELD_UINT,
		GROUP_FIELD(health_check.healthy_threshold),
		.min = 1,
		.max = 100,
		.preset = "2",
		.help = "passed checks in a row that bring a server back; the first ever needs one",
	},
	{
		.name = "health_check.unhealthy_threshold",
		.kind = FIELD_UINT,
		GROUP_FIELD(health_check.unhealthy_threshold),
		.min = 1,
		.max = 100,
		.preset = "3",
		.help = "failed checks in a row that take a server out",
	},
	{
		.name = "health_check.method",
		.kind = FIELD_TEXT,
		GROUP_FIELD(health_check.method),
		.min = 1,
		.max = 15,
		.preset = "GET",
		.words = methods,
		.help = "http and https only",
	},
	{
		.name = "health_check.path",
		.kind = FIELD_TEXT,
		GROUP_FIELD(health_check.path),
		.min = 1,
		.max = 255,
		.preset = "/",
		.help = "http and https only; begins with /",
	},
	{
		.name = "health_check.host",
		.kind = FIELD_TEXT,
		GROUP_FIELD(health_check.host),
		.min = 1,
		.max = 255,
		.help = "http and https only: the Host header; default: the server's address",
	},
	{
		.name = "health_check.request",
		.kind = FIELD_TEXT,
		.flags = FIELD_BYTES,
		GROUP_FIELD(health_check.request),
		.min = 1,
		.max = CHECK_BYTES_MAX,
		.help = "udp only: the datagram that asks; default: an empty one",
	},
	{
		.name = "health_check.expect",
		.kind = FIELD_EXPECT,
		GROUP_FIELD(health_check.expect),
		.min = 100,
		.max = 599,
		.preset = "200-399",
		.help = "http and https: the status codes that pass; udp: what the answer must begin with; without it any answer "
			"passes, and silence does as long as nothing says that the port is closed",
	},
	{
		.name = "health_check.verify",
		.kind = FIELD_BOOL,
		GROUP_FIELD(health_check.verify),
		.preset = "true",
		.help = "https only: false takes any certificate, expired ones and those of others too",
	},
	{
		.name = "health_check.ca",
		.kind = FIELD_TEXT,
		GROUP_FIELD(health_check.ca),
		.min = 1,
		.max = 255,
		.help = "https only: who must have signed the server's certificate: a file of certificates in PEM below "
			"/etc/xlb, or system for those that the host trusts",
	},
	{
		.name = "health_check.sni",
		.kind = FIELD_TEXT,
		GROUP_FIELD(health_check.sni),
		.min = 1,
		.max = 255,
		.help = "https only: the name to ask for and to find in the certificate; default: host; without both no name "
			"is asked for, and the server's address is to be found",
	},
	{
		.name = "health_check.command",
		.kind = FIELD_TEXTS,
		GROUP_FIELD(health_check.command),
		.max = CHECK_COMMAND_MAX,
		.help = "exec only: a program in /etc/xlb/checks and its arguments, run as nobody; exit code 0 passes",
	},
	{
		.name = "passive.failures",
		.kind = FIELD_UINT,
		GROUP_FIELD(passive.failures),
		.min = 1,
		.max = 1000000,
		.help = "forward: fullnat and nat only: so many connections of clients that a server does not answer or resets, "
			"within passive.window, put it down until its health check passes again; default: none do; "
			"see docs/health-checks.md",
	},
	{
		.name = "passive.window",
		.kind = FIELD_TIME,
		GROUP_FIELD(passive.window),
		.min = SECOND,
		.max = PASSIVE_WINDOW_MAX * SECOND,
		.preset = "10s",
		.help = "time in which passive.failures are counted; whole seconds",
	},
	{
		.name = "passive.max_ejected",
		.kind = FIELD_QUOTA,
		GROUP_FIELD(passive.max_ejected),
		.min = 1,
		.max = 1000,
		.preset = "50%",
		.help = "passive checks put no more servers down while so many of their address family are not up, for whatever reason: a "
			"number, or a part of those that are enabled and of a weight above 0",
	},
};

static const struct field server_fields[] = {
	{
		.name = "address",
		.kind = FIELD_ADDRS,
		.flags = FIELD_REQUIRED | FIELD_POSITIONAL | FIELD_SERVER_PORT,
		.offset = offsetof(struct server, address),
		.max = 2,
		.help = "one IPv4 and/or one IPv6 address (IPv6 in quotes); host names are not accepted",
	},
	{
		.name = "port",
		.kind = FIELD_UINT,
		.offset = offsetof(struct server, port),
		.max = 65535,
		.preset = "0",
		.help = "0 keeps the port that the client asked for",
	},
	{
		.name = "weight",
		.kind = FIELD_UINT,
		.offset = offsetof(struct server, weight),
		.max = 100,
		.preset = "100",
		.help = "share of new flows; 0 gets none and drains",
	},
	{
		.name = "enabled",
		.kind = FIELD_BOOL,
		.offset = offsetof(struct server, enabled),
		.preset = "true",
		.help = "false: takes no new flows; those it has drain",
	},
	{
		.name = "quic_id",
		.kind = FIELD_TEXT,
		.offset = offsetof(struct server, quic_id),
		.min = 2,
		.max = 2 * XLB_QUIC_SERVER_ID_MAX,
		.help = "in a group with hash: quic: the server id that the server puts into its connection ids (QUIC-LB, "
			"unencrypted), 1-15 bytes in hexadecimal",
	},
};

/* "a, b" of the modes that have the property. */
static const char *modes_with(uint32_t property, char text[100])
{
	size_t used = 0;

	*text = '\0';
	for (const struct word *mode = forwards; mode->word; mode++)
		if (xlb_mode_has(mode->value, property))
			used += (size_t)snprintf(text + used, 100 - used, "%s%s", used ? ", " : "",
						 mode->word);
	return text;
}

/* Fields that mean something in some modes only, and what a family may do to the mode. */
static int check_forward(struct object *object, struct xlb_err *err)
{
	static const struct {
		const char *field;
		uint32_t property;
	} needs[] = {
		{ "encapsulation", XLB_MODE_ENCAP },
		{ "snat.addresses", XLB_MODE_SNAT },
		{ "snat.ports", XLB_MODE_SNAT },
	};
	struct server_group *group = (struct server_group *)object;
	bool direct = xlb_mode_has(group->forward, XLB_MODE_DIRECT);
	const char *forward = mode_word(group->forward);
	char modes[100];

	for (size_t i = 0; i < COUNT(needs); i++)
		if (object_given(object, needs[i].field) &&
		    !xlb_mode_has(group->forward, needs[i].property))
			return object_fail(
				object, needs[i].field, err,
				"%s has no meaning with forward: %s, only with %s: remove it",
				needs[i].field, forward, modes_with(needs[i].property, modes));
	if (!object_given(object, "encapsulation"))
		group->encapsulation = xlb_mode_has(group->forward, XLB_MODE_ENCAP) ?
					       XLB_ENCAPSULATION_IPIP :
					       XLB_ENCAPSULATION_NONE;
	if (!object_given(object, "address_family_affinity"))
		group->affinity = xlb_mode_has(group->forward, XLB_MODE_FAMILY) ? AFFINITY_NONE :
										  AFFINITY_SAME;
	else if (group->affinity == AFFINITY_NONE && !xlb_mode_has(group->forward, XLB_MODE_FAMILY))
		return object_fail(
			object, "address_family_affinity", err,
			"forward: %s cannot serve a client of one family by a server of the other; %s can",
			forward, modes_with(XLB_MODE_FAMILY, modes));
	return health_check_finish_via(object, direct, modes_with(XLB_MODE_DIRECT, modes), err);
}

static int server_group_finish(struct object *object, struct xlb_err *err)
{
	int r = health_check_finish(object, err);

	if (!r)
		r = scheduler_finish_group(object, err);
	if (!r)
		r = quic_finish_group(object, err);
	if (!r)
		r = fallback_finish_group(object, err);
	if (!r)
		r = passive_finish_group(object, err);
	return r ? r : check_forward(object, err);
}

const struct type type_server_group = {
	.singular = "server_group",
	.plural = "server_groups",
	.cli = "group",
	.size = sizeof(struct server_group),
	.fields = server_group_fields,
	.field_count = COUNT(server_group_fields),
	.list_offset = offsetof(struct model, server_groups),
	.finish = server_group_finish,
	.help = "servers and how they are used; may serve many listeners",
};

const struct type type_server = {
	.singular = "server",
	.plural = "servers",
	.cli = "server",
	.size = sizeof(struct server),
	.fields = server_fields,
	.field_count = COUNT(server_fields),
	.parent = &type_server_group,
	.list_offset = offsetof(struct server_group, servers),
	.finish = quic_finish_server,
	.help = "a backend",
};
