// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/types.h"

#include <netinet/in.h>
#include <string.h>

#include "core/field.h"
#include "core/object.h"
#include "core/security.h"
#include "core/tls.h"
#include "core/types_limits.h"
#include "core/types_tls.h"
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
	{ "tls", PROTOCOL_TLS },
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
		.name = "security_groups",
		.kind = FIELD_REFS,
		.offset = offsetof(struct load_balancer, security_groups),
		.max = SECURITY_GROUPS_MAX,
		.ref = &type_security_group,
		.help = "who may connect, and ping the VIPs: all of this load balancer's listeners; none: everybody "
			"(docs/security-groups.md)",
	},
	LIMITS_FIELDS(struct load_balancer, "its listeners together"),
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
		.help = "what clients speak; tls: ended by xlb, see docs/tls.md",
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
		.kind = FIELD_SHARES,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct listener, server_group),
		.max = 1000,
		.ref = &type_server_group,
		.json = "server_groups",
		.help = "who serves: a group, or several by weight, {web: 95, web-next: 5}, which share new flows; of weight "
			"0 it takes none; see docs/canary.md",
	},
	{
		.name = "idle_timeout",
		.kind = FIELD_TIME,
		.offset = offsetof(struct listener, idle_timeout),
		.min = SECOND,
		.max = 7 * DAY,
		.help = "a flow without packets for so long is forgotten; default 900s (tcp, tls), 90s (udp, at most 24h)",
	},
	{
		.name = "mss",
		.kind = FIELD_UINT,
		.offset = offsetof(struct listener, mss),
		.max = MSS_MAX,
		.preset = "0",
		.help = "tcp and tls: the most that a SYN through xlb may announce as its maximum segment size, 88-65495 bytes; "
			"0: what fits the interfaces of xlb; never raised (docs/modes)",
	},
	{
		.name = "security_groups",
		.kind = FIELD_REFS,
		.offset = offsetof(struct listener, security_groups),
		.max = SECURITY_GROUPS_MAX,
		.ref = &type_security_group,
		.help = "who may connect, of those that the load balancer's security groups let in; none: all of them",
	},
	LIMITS_FIELDS(struct listener, "this listener"),
	TLS_FIELDS,
	{
		.name = "enabled",
		.kind = FIELD_BOOL,
		.offset = offsetof(struct listener, enabled),
		.preset = "true",
		.help = "false: takes no new flows; those it has finish",
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
			"mss has no meaning with protocol: udp, only with tcp and tls: remove it");
	if (listener->mss && listener->mss < MSS_MIN)
		return object_fail(
			object, "mss", err,
			"mss \"%u\": accepted are %u-%u, and 0 for what fits the interfaces",
			listener->mss, MSS_MIN, MSS_MAX);
	return tls_finish_listener(object, err);
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

const struct type *const types[] = {
	&type_interface,
	&type_flow_table,
	&type_load_balancer,
	&type_listener,
	&type_server_group,
	&type_server,
	&type_security_group,
	&type_rule,
	&type_tls_policy,
	&type_tls,
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
