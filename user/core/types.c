// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/types.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/words.h"
#include "core/field.h"
#include "core/object.h"
#include "core/quic.h"
#include "xlb/lists.h"

#define SECOND	     1000ULL
#define HOUR	     (3600 * SECOND)
#define DAY	     (24 * HOUR)
#define MSS_MIN	     88U    /* Linux takes no less from an application */
#define MSS_MAX	     65495U /* of the largest IPv4 packet */
#define COUNT(array) (sizeof(array) / sizeof(array[0]))

static const struct word attach_modes[] = {
	{ "native", XLB_ATTACH_NATIVE },
	{ "generic", XLB_ATTACH_GENERIC },
	{},
};
static const struct word settings[] = {
#define X(name, word, wanted, help) { #word, 1U << XLB_SETTING_##name },
	XLB_SETTINGS(X)
#undef X
		{},
};
static const struct word address_managements[] = {
	{ "xlb", ADDRESS_MANAGEMENT_XLB },
	{ "none", ADDRESS_MANAGEMENT_NONE },
	{},
};
static const struct word protocols[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{},
};
static const struct word forwards[] = {
#define X(name, word, properties, help) { #word, XLB_MODE_##name },
	XLB_MODES(X)
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
	{ "maglev", SCHEDULER_MAGLEV },
	{ "tch", SCHEDULER_MAGLEV },
	{ "qch", SCHEDULER_QCH },
	{},
};
static const struct word hashes[] = {
	{ "tuple", HASH_TUPLE },
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
	{ "tcp", CHECK_TCP },
	{ "http", CHECK_HTTP },
	{ "none", CHECK_NONE },
	{},
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

static const struct field interface_fields[] = {
	{
		.name = "mode",
		.kind = FIELD_WORD,
		.offset = offsetof(struct interface, mode),
		.preset = "native",
		.words = attach_modes,
		.help = "native runs in the driver; generic works with every driver but is slower",
	},
	{
		.name = "fix",
		.kind = FIELD_WORDS,
		.offset = offsetof(struct interface, fix),
		.words = settings,
		.help = "settings of the NIC that xlb changes while attached and restores on detach; attach --fix "
			"adds those that iface check complains of",
	},
};

static const struct field flow_table_fields[] = {
	{
		.name = "max",
		.kind = FIELD_UINT,
		.offset = offsetof(struct flow_table, max),
		.min = 1024,
		.max = 268435456,
		.help = "how many flows of each family, IPv4 and IPv6, the tables may grow to; default: from the machine's memory",
	},
};

static const struct field load_balancer_fields[] = {
	{
		.name = "addresses",
		.kind = FIELD_ADDRS,
		.flags = FIELD_REQUIRED | FIELD_POSITIONAL,
		.offset = offsetof(struct load_balancer, addresses),
		.max = 256,
		.help = "the VIPs, IPv4 and IPv6 (IPv6 in quotes)",
	},
	{
		.name = "address_management",
		.kind = FIELD_WORD,
		.offset = offsetof(struct load_balancer, address_management),
		.preset = "xlb",
		.words = address_managements,
		.help = "xlb puts the VIPs on an interface and announces them; none leaves that to others",
	},
	{
		.name = "enabled",
		.kind = FIELD_BOOL,
		.offset = offsetof(struct load_balancer, enabled),
		.preset = "true",
		.help = "false: takes no new flows; those it has finish",
	},
};

static const struct field listener_fields[] = {
	{
		.name = "protocol",
		.kind = FIELD_WORD,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct listener, protocol),
		.words = protocols,
		.help = "what clients speak",
	},
	{
		.name = "port",
		.kind = FIELD_PORTS,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct listener, port),
		.max = VALUE_ITEMS_MAX,
		.json = "ports",
		.help = "ports of the VIPs; a single port beats a range, a range beats any",
	},
	{
		.name = "server_group",
		.kind = FIELD_REF,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct listener, server_group),
		.ref = &type_server_group,
		.json = "server_groups",
		.help = "who serves",
	},
	{
		.name = "idle_timeout",
		.kind = FIELD_TIME,
		.offset = offsetof(struct listener, idle_timeout),
		.min = SECOND,
		.max = 7 * DAY,
		.help = "a flow without packets for so long is forgotten; default 900s (tcp), 90s (udp, at most 24h)",
	},
	{
		.name = "mss",
		.kind = FIELD_UINT,
		.offset = offsetof(struct listener, mss),
		.max = MSS_MAX,
		.preset = "0",
		.help = "tcp only: the most that a SYN through xlb may announce as its maximum segment size, 88-65495 bytes; "
			"0: what fits the interfaces of xlb; never raised (docs/modes)",
	},
	{
		.name = "enabled",
		.kind = FIELD_BOOL,
		.offset = offsetof(struct listener, enabled),
		.preset = "true",
		.help = "false: takes no new flows; those it has finish",
	},
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
		.help = "how new flows are spread; maglev is a weighted consistent hash; NLB's names: tch is maglev, "
			"qch is maglev with hash: quic",
	},
	{
		.name = "hash",
		.kind = FIELD_WORD,
		GROUP_FIELD(hash),
		.preset = "tuple",
		.words = hashes,
		.help = "what new flows are spread by: addresses and ports, or the connection ids of QUIC, which keep a "
			"connection on its server when its client's address changes; see docs/quic.md",
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
		.name = "fail_open",
		.kind = FIELD_BOOL,
		GROUP_FIELD(fail_open),
		.preset = "true",
		.help = "with all servers down: true sends to all of them, false drops",
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
		.help = "http only",
	},
	{
		.name = "health_check.path",
		.kind = FIELD_TEXT,
		GROUP_FIELD(health_check.path),
		.min = 1,
		.max = 255,
		.preset = "/",
		.help = "http only; begins with /",
	},
	{
		.name = "health_check.host",
		.kind = FIELD_TEXT,
		GROUP_FIELD(health_check.host),
		.min = 1,
		.max = 255,
		.help = "http only: the Host header; default: the server's address",
	},
	{
		.name = "health_check.expect",
		.kind = FIELD_CODES,
		GROUP_FIELD(health_check.expect),
		.min = 100,
		.max = 599,
		.preset = "200-399",
		.help = "http only: the status codes that pass",
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

static int listener_finish(struct object *object, struct xlb_err *err)
{
	struct listener *listener = (struct listener *)object;
	bool udp = listener->protocol == IPPROTO_UDP;

	if (!object_given(object, "idle_timeout"))
		listener->idle_timeout = udp ? 90 * SECOND : 900 * SECOND;
	else if (udp && listener->idle_timeout > DAY)
		return object_fail(object, "idle_timeout", err,
				   "idle_timeout of a udp listener: accepted are 1s-24h");
	if (udp && object_given(object, "mss"))
		return object_fail(
			object, "mss", err,
			"mss has no meaning with protocol: udp, only with tcp: remove it");
	if (listener->mss && listener->mss < MSS_MIN)
		return object_fail(
			object, "mss", err,
			"mss \"%u\": accepted are %u-%u, and 0 for what fits the interfaces",
			listener->mss, MSS_MIN, MSS_MAX);
	return 0;
}

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
	if (!object_given(object, "health_check.via"))
		group->health_check.via = direct ? CHECK_VIA_DATAPATH : CHECK_VIA_ADDRESS;
	else if (group->health_check.via == CHECK_VIA_DATAPATH && !direct)
		return object_fail(
			object, "health_check.via", err,
			"via: datapath has no meaning with forward: %s, whose packets go to the server's address "
			"anyway, only with %s: remove it",
			forward, modes_with(XLB_MODE_DIRECT, modes));
	return 0;
}

static int server_group_finish(struct object *object, struct xlb_err *err)
{
	static const char *const http[] = { "health_check.method", "health_check.path",
					    "health_check.host", "health_check.expect" };
	struct health_check *check = &((struct server_group *)object)->health_check;
	bool given = false;
	int r;

	for (size_t i = 0; i < object->type->field_count; i++)
		if (!strncmp(object->type->fields[i].name, "health_check.", 13))
			given = given || object_given(object, object->type->fields[i].name);
	if (!object_given(object, "health_check.type"))
		check->type = given ? CHECK_TCP : CHECK_DEFAULT;
	for (size_t i = 0; i < COUNT(http) && check->type != CHECK_HTTP; i++)
		if (object_given(object, http[i]))
			return object_fail(
				object, http[i], err,
				"%s is for checks of type http only: add type: http or remove it",
				http[i]);
	if (*check->path != '/')
		return object_fail(object, "health_check.path", err,
				   "health_check.path \"%.100s\": a path begins with /",
				   check->path);
	r = quic_finish_group(object, err);
	return r ? r : check_forward(object, err);
}

const struct type type_interface = {
	.singular = "interface",
	.plural = "interfaces",
	.cli = "iface",
	.size = sizeof(struct interface),
	.fields = interface_fields,
	.field_count = COUNT(interface_fields),
	.list_offset = offsetof(struct model, interfaces),
	.help = "a NIC that xlb is attached to",
};

const struct type type_flow_table = {
	.singular = "flow_table",
	.plural = "flow_table",
	.cli = "flow-table",
	.size = sizeof(struct flow_table),
	.fields = flow_table_fields,
	.field_count = COUNT(flow_table_fields),
	.single = true,
	.list_offset = offsetof(struct model, flow_table),
	.help = "how many flows xlb remembers",
};

const struct type type_load_balancer = {
	.singular = "load_balancer",
	.plural = "load_balancers",
	.cli = "lb",
	.size = sizeof(struct load_balancer),
	.fields = load_balancer_fields,
	.field_count = COUNT(load_balancer_fields),
	.list_offset = offsetof(struct model, load_balancers),
	.help = "a set of VIPs with listeners",
};

const struct type type_listener = {
	.singular = "listener",
	.plural = "listeners",
	.cli = "listener",
	.size = sizeof(struct listener),
	.fields = listener_fields,
	.field_count = COUNT(listener_fields),
	.parent = &type_load_balancer,
	.list_offset = offsetof(struct load_balancer, listeners),
	.finish = listener_finish,
	.help = "ports of a load balancer and who serves them",
};

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

const struct type *const types[] = {
	&type_interface,
	&type_flow_table,
	&type_load_balancer,
	&type_listener,
	&type_server_group,
	&type_server,
	NULL,
};

const struct type *type_find(const char *word)
{
	for (const struct type *const *type = types; *type; type++)
		if (!strcmp((*type)->singular, word) || !strcmp((*type)->plural, word) ||
		    !strcmp((*type)->cli, word))
			return *type;
	return NULL;
}

const struct type *type_child(const struct type *type)
{
	for (const struct type *const *child = types; *child; child++)
		if ((*child)->parent == type)
			return *child;
	return NULL;
}

const struct field *field_find(const struct type *type, const char *name)
{
	for (size_t i = 0; i < type->field_count; i++)
		if (!strcmp(type->fields[i].name, name))
			return &type->fields[i];
	return NULL;
}
