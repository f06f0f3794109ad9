// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Packets of tls listeners are for the host itself once XDP has let them in: its firewall has to let them in, too. */
#include <string.h>

#include "xlbd/preflight.h"

static const char *const family_words[] = { "ip", "ip6" };

/* Ends what was begun with a list of one or several: "a" or "{ a, b }". */
static void put_list(FILE *out, const char *list, uint32_t count)
{
	fprintf(out, count > 1 ? "{ %s }" : "%s", list);
}

static uint32_t list_vips(const struct load_balancer *lb, uint32_t family, FILE *out)
{
	char text[ADDR_TEXT_MAX];
	uint32_t count = 0;

	for (uint32_t i = 0; i < lb->addresses.count; i++) {
		if (addr_family(&lb->addresses.addrs[i]) != family)
			continue;
		format_addr(&lb->addresses.addrs[i], text);
		fprintf(out, "%s%s", count++ ? ", " : "", text);
	}
	return count;
}

static uint32_t list_ports(const struct load_balancer *lb, FILE *out)
{
	const struct object *object;
	uint32_t count = 0;

	TAILQ_FOREACH(object, &lb->listeners, link) {
		const struct listener *listener = (const struct listener *)object;

		if (!listener->enabled || !listener_is_tls(listener))
			continue;
		for (uint32_t i = 0; i < listener->port.count; i++) {
			const struct port_range *range = &listener->port.ranges[i];

			fprintf(out, "%s%u", count++ ? ", " : "", range->from);
			if (range->to != range->from)
				fprintf(out, "-%u", range->to);
		}
	}
	return count;
}

/* "ip daddr 198.51.100.10 tcp dport { 443, 8443 }"; malloc'd, empty if there is nothing, NULL on lack of memory. */
static char *match_of(const struct load_balancer *lb, uint32_t family)
{
	AUTO_FREE char *vips = NULL, *ports = NULL;
	char *match = NULL;
	size_t sizes[3];
	FILE *lists[2] = { open_memstream(&vips, &sizes[0]), open_memstream(&ports, &sizes[1]) };
	uint32_t vip_count = lists[0] ? list_vips(lb, family, lists[0]) : 0;
	uint32_t port_count = lists[1] ? list_ports(lb, lists[1]) : 0;
	FILE *out = open_memstream(&match, &sizes[2]);

	for (int i = 0; i < 2; i++)
		if (lists[i])
			fclose(lists[i]);
	if (!out)
		return NULL;
	if (vips && ports && vip_count && port_count) {
		fprintf(out, "%s daddr ", family_words[family == XLB_IPV6]);
		put_list(out, vips, vip_count);
		fputs(" tcp dport ", out);
		put_list(out, ports, port_count);
	}
	fclose(out);
	return match;
}

void preflight_look_at_tls(const struct model *model, struct preflight_tls ret[2])
{
	const struct object *object;

	TAILQ_FOREACH(object, &model->load_balancers, link) {
		const struct load_balancer *lb = (const struct load_balancer *)object;

		for (int i = 0; lb->enabled && i < 2; i++) {
			AUTO_FREE char *match = match_of(lb, i ? XLB_IPV6 : XLB_IPV4);
			struct preflight_tls *tls = &ret[i];

			if (!match || !*match)
				continue;
			if (tls->count < PREFLIGHT_MATCHES &&
			    strlen(match) < sizeof(tls->matches[0]))
				strcpy(tls->matches[tls->count++], match);
			else
				tls->left_out++;
		}
	}
}

/* The rules that let packets of the family in, behind what `ret` has. They go before all others: what drops may be the last. */
static void add_rules(const struct preflight_facts *facts, int family, char *ret, size_t size)
{
	static const struct host_input usual = { "inet", "filter", "input", false };
	const struct preflight_tls *tls = &facts->tls[family];
	const struct host_input *input = &facts->system.inputs[family];

	if (!input->chain[0])
		input = &usual;
	for (uint32_t i = 0; i < tls->count; i++)
		snprintf(ret + strlen(ret), size - strlen(ret),
			 "%snft insert rule %s %s %s %s accept", *ret ? "; " : "", input->family,
			 input->table, input->chain, tls->matches[i]);
}

void preflight_judge_tls(const struct preflight_facts *facts, struct preflight_finding *ret)
{
	const struct host_input *inputs = facts->system.inputs;
	char rules[sizeof(ret->fix)] = "", more[80] = "";
	uint32_t left_out = facts->tls[0].left_out + facts->tls[1].left_out;
	int stops = -1;

	for (int i = 0; i < 2; i++)
		if (facts->tls[i].count + facts->tls[i].left_out && inputs[i].drops && stops < 0)
			stops = i;
	for (int i = 0; i < 2; i++)
		if (stops < 0 || inputs[i].drops)
			add_rules(facts, i, rules, sizeof(rules));
	if (!rules[0] && !left_out)
		return;
	if (left_out)
		snprintf(more, sizeof(more), " (%u more load balancers need the same)", left_out);
	if (stops < 0) {
		preflight_say(ret, PREFLIGHT_OK,
			      "should this host's firewall be closed, tls listeners need%s: %s",
			      more, rules);
		return;
	}
	preflight_say(
		ret, PREFLIGHT_WARN,
		"nftables, %s %s %s, drops what it has no rule for: it has to accept packets of tls "
		"listeners, which XDP passes on to it%s",
		inputs[stops].family, inputs[stops].table, inputs[stops].chain, more);
	preflight_fix(ret, "%s", rules);
}
