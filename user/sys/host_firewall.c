// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The host's firewall: which tables there are, and what becomes of packets that are for the host itself. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "sys/host_nic.h"
#include "sys/host_private.h"

/* Adds a table's name behind the name of its firewall; what does not fit is left out. */
static void add_table(struct host_system *system, const char *firewall, const char *table)
{
	size_t used = strlen(system->firewall);
	bool known = strstr(system->firewall, firewall);

	snprintf(system->firewall + used, sizeof(system->firewall) - used, "%s%s%s",
		 !used ? "" :
		 known ? ", " :
			 "; ",
		 known ? "" : firewall, table);
}

static void take_table(void *arg, const struct nlmsghdr *message)
{
	struct nlattr *attributes[NFTA_TABLE_MAX + 1];

	if (NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWTABLE &&
	    !nlmsg_parse((struct nlmsghdr *)message, sizeof(struct nfgenmsg), attributes,
			 NFTA_TABLE_MAX, NULL) &&
	    attributes[NFTA_TABLE_NAME])
		add_table(arg, "nftables: ", nla_get_string(attributes[NFTA_TABLE_NAME]));
}

/* Asking would load the module: not where it is a module and absent, which also means that there are no tables. */
static bool has_nftables(void)
{
	AUTO_FCLOSE FILE *modules = fopen("/proc/modules", "re");
	bool found = !modules || !access("/sys/module/nf_tables", F_OK);
	char line[256];

	while (!found && fgets(line, sizeof(line), modules))
		found = !strncmp(line, "nf_tables ", 10);
	return found;
}

/* --- what is for the host itself ------------------------------------------------------------------ */

/* Base chains at the hook of input. */
struct inputs {
	struct host_input chains[8];
	uint8_t families[8]; /* NFPROTO_* */
	uint32_t count;
};

static bool is_number(const struct nlattr *attribute, uint32_t number)
{
	return attribute && ntohl(nla_get_u32(attribute)) == number;
}

static void take_chain(void *arg, const struct nlmsghdr *message)
{
	const struct nfgenmsg *header = nlmsg_data(message);
	struct nlattr *attributes[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];
	struct inputs *inputs = arg;
	struct host_input *input = &inputs->chains[inputs->count];

	if (NFNL_MSG_TYPE(message->nlmsg_type) != NFT_MSG_NEWCHAIN ||
	    inputs->count == sizeof(inputs->families) ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, NFTA_CHAIN_MAX,
			NULL) ||
	    !attributes[NFTA_CHAIN_TABLE] || !attributes[NFTA_CHAIN_NAME] ||
	    !attributes[NFTA_CHAIN_HOOK] ||
	    nla_parse_nested(hook, NFTA_HOOK_MAX, attributes[NFTA_CHAIN_HOOK], NULL) ||
	    !is_number(hook[NFTA_HOOK_HOOKNUM], NF_INET_LOCAL_IN))
		return;
	inputs->families[inputs->count++] = header->nfgen_family;
	snprintf(input->table, sizeof(input->table), "%s",
		 nla_get_string(attributes[NFTA_CHAIN_TABLE]));
	snprintf(input->chain, sizeof(input->chain), "%s",
		 nla_get_string(attributes[NFTA_CHAIN_NAME]));
	input->drops = is_number(attributes[NFTA_CHAIN_POLICY], NF_DROP);
}

/* Whether an expression only says that the packet is dropped: a verdict of that kind, not a value for another one. */
static bool is_drop(struct nlattr *const expression[NFTA_EXPR_MAX + 1])
{
	struct nlattr *immediate[NFTA_IMMEDIATE_MAX + 1], *data[NFTA_DATA_MAX + 1];
	struct nlattr *verdict[NFTA_VERDICT_MAX + 1];

	return expression[NFTA_EXPR_DATA] &&
	       !nla_parse_nested(immediate, NFTA_IMMEDIATE_MAX, expression[NFTA_EXPR_DATA], NULL) &&
	       immediate[NFTA_IMMEDIATE_DATA] &&
	       !nla_parse_nested(data, NFTA_DATA_MAX, immediate[NFTA_IMMEDIATE_DATA], NULL) &&
	       data[NFTA_DATA_VERDICT] &&
	       !nla_parse_nested(verdict, NFTA_VERDICT_MAX, data[NFTA_DATA_VERDICT], NULL) &&
	       is_number(verdict[NFTA_VERDICT_CODE], NF_DROP);
}

/* A rule without a condition that drops or rejects is as good as a policy. */
static void take_rule(void *arg, const struct nlmsghdr *message)
{
	struct nlattr *attributes[NFTA_RULE_MAX + 1], *expression[NFTA_EXPR_MAX + 1], *element;
	struct host_input *input = arg;
	bool drops = false;
	const char *name;
	int rest;

	if (NFNL_MSG_TYPE(message->nlmsg_type) != NFT_MSG_NEWRULE ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(struct nfgenmsg), attributes,
			NFTA_RULE_MAX, NULL) ||
	    !attributes[NFTA_RULE_EXPRESSIONS])
		return;
	nla_for_each_nested(element, attributes[NFTA_RULE_EXPRESSIONS], rest)
	{
		if (nla_parse_nested(expression, NFTA_EXPR_MAX, element, NULL) ||
		    !expression[NFTA_EXPR_NAME])
			return;
		name = nla_get_string(expression[NFTA_EXPR_NAME]);
		if (!strcmp(name, "reject") || (!strcmp(name, "immediate") && is_drop(expression)))
			drops = true;
		else if (strcmp(name, "counter") != 0 && strcmp(name, "log") != 0)
			return;
	}
	input->drops = input->drops || drops;
}

static void look_at_rules(struct nl_sock *sock, uint8_t family, struct host_input *input)
{
	struct nfgenmsg header = { .nfgen_family = family, .version = NFNETLINK_V0 };
	struct nl_msg *message = host_request(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE,
					      NLM_F_DUMP, &header, sizeof(header));

	if (message && (nla_put_string(message, NFTA_RULE_TABLE, input->table) ||
			nla_put_string(message, NFTA_RULE_CHAIN, input->chain))) {
		nlmsg_free(message);
		return;
	}
	netlink_ask(sock, message, take_rule, input);
}

/* Of the chains that see a family's packets, one that drops is what matters. */
static void keep_input(struct host_input *kept, const struct host_input *input)
{
	if (!kept->chain[0] || (input->drops && !kept->drops))
		*kept = *input;
}

static void read_inputs(struct nl_sock *sock, struct host_system *system)
{
	struct nfgenmsg header = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };
	struct inputs inputs = {};

	netlink_ask(sock,
		    host_request(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP, &header,
				 sizeof(header)),
		    take_chain, &inputs);
	for (uint32_t i = 0; i < inputs.count; i++) {
		uint8_t family = inputs.families[i];
		struct host_input *input = &inputs.chains[i];

		if (family != NFPROTO_INET && family != NFPROTO_IPV4 && family != NFPROTO_IPV6)
			continue;
		input->family = family == NFPROTO_INET ? "inet" :
				family == NFPROTO_IPV4 ? "ip" :
							 "ip6";
		look_at_rules(sock, family, input);
		if (family != NFPROTO_IPV6)
			keep_input(&system->inputs[0], input);
		if (family != NFPROTO_IPV4)
			keep_input(&system->inputs[1], input);
	}
}

static void read_nftables(struct host_system *system)
{
	struct nfgenmsg header = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };
	int type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE;
	struct nl_sock *sock;

	if (!has_nftables() || netlink_open(NETLINK_NETFILTER, &sock))
		return;
	netlink_ask(sock, host_request(type, NLM_F_DUMP, &header, sizeof(header)), take_table,
		    system);
	read_inputs(sock, system);
	nl_socket_free(sock);
}

/* --- iptables ------------------------------------------------------------------------------------- */

/* Tables of the older iptables, as far as they are in use. */
static void read_iptables(struct host_system *system, const char *path, const char *firewall)
{
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	char line[64];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		add_table(system, firewall, line);
	}
}

void host_firewall(struct host_system *ret)
{
	read_nftables(ret);
	read_iptables(ret, "/proc/net/ip_tables_names", "iptables: ");
	read_iptables(ret, "/proc/net/ip6_tables_names", "ip6tables: ");
}
