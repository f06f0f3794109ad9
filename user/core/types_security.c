// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The field tables of security groups and their rules. */
#include "core/security.h"
#include "core/types.h"

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

static const struct word actions[] = {
	{ "allow", ACTION_ALLOW },
	{ "deny", ACTION_DENY },
	{},
};
static const struct word protocols[] = {
	{ "all", RULE_ALL }, { "tcp", RULE_TCP }, { "udp", RULE_UDP }, { "icmp", RULE_ICMP }, {},
};

static const struct field security_group_fields[] = {
	{
		.name = "default",
		.kind = FIELD_WORD,
		.offset = offsetof(struct security_group, otherwise),
		.preset = "deny",
		.words = actions,
		.help = "what becomes of new flows that no rule matches; of several groups in a list all must say allow",
	},
};

static const struct field rule_fields[] = {
	{
		.name = "action",
		.kind = FIELD_WORD,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct rule, action),
		.words = actions,
		.help = "what becomes of new flows that match; the first rule that matches decides",
	},
	{
		.name = "protocol",
		.kind = FIELD_WORD,
		.offset = offsetof(struct rule, protocol),
		.preset = "all",
		.words = protocols,
		.help = "icmp: pings to the VIPs",
	},
	{
		.name = "port",
		.kind = FIELD_RANGE,
		.offset = offsetof(struct rule, port),
		.min = 1,
		.max = 65535,
		.preset = "1-65535",
		.help = "the port, or range of ports, that the client asks for; with protocol tcp or udp",
	},
	{
		.name = "source",
		.kind = FIELD_NETS,
		.offset = offsetof(struct rule, source),
		.max = 1024,
		.help = "networks and addresses of clients (IPv6 in quotes); default: everybody",
	},
	{
		.name = "file",
		.kind = FIELD_TEXT,
		.offset = offsetof(struct rule, file),
		.min = 1,
		.max = 255,
		.help = "in place of source: a file below /etc/xlb with up to 100000 networks, one a line, # for comments; "
			"read by apply and by xlbctl security-group reload",
	},
};

const struct type type_security_group = {
	.singular = "security_group",
	.plural = "security_groups",
	.cli = "security-group",
	.size = sizeof(struct security_group),
	.fields = security_group_fields,
	.field_count = COUNT(security_group_fields),
	.list_offset = offsetof(struct model, security_groups),
	.help = "rules that say which clients may connect; may be used by many load balancers and listeners",
};

const struct type type_rule = {
	.singular = "rule",
	.plural = "rules",
	.cli = "rule",
	.size = sizeof(struct rule),
	.fields = rule_fields,
	.field_count = COUNT(rule_fields),
	.parent = &type_security_group,
	.ordered = true,
	.list_offset = offsetof(struct security_group, rules),
	.finish = security_finish_rule,
	.help = "one of a security group's rules, which are a list: the first that matches decides",
};
