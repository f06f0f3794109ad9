// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Gathering the facts, running the checks. */
#include "xlbd/preflight.h"
#include "xlb/lists.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "sys/datapath.h"

#define WALK_STEP  2048 /* ids */
#define ROUTES_MAX 64	/* asked for in one walk: naming a few servers is enough */

/* Another native interface of the model whose packets may not fit a page. */
static void look_for_large_arm(const struct preflight_source *source, const char *ifname,
			       struct preflight_facts *facts)
{
	const struct object *object;
	struct xlb_err ignored;
	struct host_link link;

	TAILQ_FOREACH(object, &source->model->interfaces, link) {
		if (!strcmp(object->name, ifname) ||
		    ((const struct interface *)object)->mode != XLB_ATTACH_NATIVE ||
		    host_link(source->host, object->name, &link, &ignored) ||
		    link.mtu <= PREFLIGHT_MTU_PAGE)
			continue;
		memcpy(facts->large_arm, link.name, sizeof(facts->large_arm));
		return;
	}
}

int preflight_gather_nic(const struct preflight_source *source, const char *ifname, uint32_t mode,
			 struct preflight_facts *ret, struct xlb_err *err)
{
	const struct object *object = object_find(&source->model->interfaces, ifname);
	const struct interface *interface = (const struct interface *)object;
	struct preflight_facts facts = { .mode = mode };
	uint32_t program;
	int r;

	r = host_nic(source->host, ifname, &facts.nic, err);
	if (r)
		return r;
	if (!mode)
		facts.mode = interface ? interface->mode : XLB_ATTACH_NATIVE;
	facts.fix = interface ? interface->fix : 0;
	facts.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_CONF);
	look_for_large_arm(source, ifname, &facts);
	program = facts.nic.link.foreign_program;
	if (program) {
		facts.attached = program == datapath_pinned_program(source->pin_dir, ifname);
		datapath_program_name(program, facts.program);
	}
	*ret = facts;
	return 0;
}

static void look_at_returns(const struct preflight_source *source, const char *ifname,
			    const struct server_group *group, struct preflight_facts *facts)
{
	const struct object *object;
	uint32_t i;

	TAILQ_FOREACH(object, &group->servers, link) {
		const struct addr_list *list = &((const struct server *)object)->address;

		for (i = 0; i < list->count; i++) {
			struct preflight_returns *returns =
				&facts->returns[addr_family(&list->addrs[i]) == XLB_IPV6];
			uint8_t bits;

			if (returns->used)
				continue;
			bits = host_on_link(source->host, ifname, &list->addrs[i]);
			*returns = (struct preflight_returns){ true, list->addrs[i],
							       bits ? bits : 128 };
		}
	}
}

int preflight_gather(const struct preflight_source *source, const char *ifname,
		     struct preflight_facts *ret, struct xlb_err *err)
{
	int r = preflight_gather_nic(source, ifname, 0, ret, err);

	const struct object *object;

	if (r)
		return r;
	host_system(source->host, &ret->system);
	TAILQ_FOREACH(object, &source->model->server_groups, link) {
		const struct server_group *group = (const struct server_group *)object;

		if (xlb_mode_has(group->forward, XLB_MODE_RETURNS))
			look_at_returns(source, ifname, group, ret);
	}
	preflight_look_at_tls(source->model, ret->tls);
	return 0;
}

/* --- ways to servers ------------------------------------------------------------------------------ */

/* "a, b, c"; what does not fit is left out, the count tells. */
static void add_name(char names[PREFLIGHT_NAMES_MAX], const char *text)
{
	size_t used = strlen(names), length = strlen(text);

	if (used + length + 3 < PREFLIGHT_NAMES_MAX)
		sprintf(names + used, "%s%s", used ? ", " : "", text);
}

/* "web/web1" of "web/web1@10.0.1.11 port=80 ..." */
static void server_name(const struct id_entry *entry, char *ret, size_t size)
{
	snprintf(ret, size, "%.*s", (int)strcspn(entry->key, "@"), entry->key);
}

static void look_at_nexthop(const struct preflight_source *source, const struct id_entry *entry,
			    struct preflight_walk *walk, struct preflight_facts *facts)
{
	const char *name = facts->nic.link.name, *slash = strchr(entry->key, '/');
	struct preflight_hops *hops = &facts->hops;
	size_t length = strlen(name);
	struct xlb_addr addr;
	uint8_t mac[6];

	if (!entry->live || !slash || (size_t)(slash - entry->key) != length ||
	    strncmp(entry->key, name, length) || parse_addr(slash + 1, &addr))
		return;
	hops->count++;
	if (!host_neighbour(source->host, facts->nic.link.ifindex, &addr, mac))
		return;
	for (size_t i = 0; i < sizeof(walk->unresolved) / sizeof(walk->unresolved[0]); i++)
		if (!walk->unresolved[i]) {
			walk->unresolved[i] = entry->id;
			break;
		}
	hops->unresolved++;
}

/* Names a next hop by its address and the first server that is reached by it. */
static void name_unresolved(const struct preflight_source *source, const struct id_entry *entry,
			    uint32_t nexthop, struct preflight_walk *walk,
			    struct preflight_hops *hops)
{
	const struct id_entry *hop;
	char server[ID_KEY_MAX], text[2 * ID_KEY_MAX];

	for (size_t i = 0; i < sizeof(walk->unresolved) / sizeof(walk->unresolved[0]); i++) {
		if (!nexthop || walk->unresolved[i] != nexthop)
			continue;
		walk->unresolved[i] = UINT32_MAX;
		hop = ids_by_id(source->ids, ID_NEXTHOP, nexthop);
		if (!hop || !strchr(hop->key, '/'))
			return; /* the configuration has changed since the step before */
		server_name(entry, server, sizeof(server));
		snprintf(text, sizeof(text), "%s (%s)", strchr(hop->key, '/') + 1, server);
		add_name(hops->unresolved_names, text);
	}
}

/* A server without a next hop: its route leads through an interface that xlb is not on, or there is none. */
static void look_for_interface(const struct preflight_source *source, const struct id_entry *entry,
			       const struct xlb_addr *addr, struct preflight_walk *walk,
			       struct preflight_facts *facts)
{
	struct preflight_hops *hops = &facts->hops;
	char name[ID_KEY_MAX], nic[IFNAMSIZ];
	struct host_route route;
	struct xlb_err ignored;

	if (walk->asked == ROUTES_MAX)
		return;
	walk->asked++;
	if (host_route(source->host, addr, &route, &ignored) || route.local)
		return;
	host_below_vlans(source->host, route.ifname, nic);
	if (!strcmp(nic, facts->nic.link.name) || object_find(&source->model->interfaces, nic))
		return;
	if (!hops->unattached++)
		memcpy(hops->unattached_ifname, nic, sizeof(nic));
	server_name(entry, name, sizeof(name));
	add_name(hops->unattached_names, name);
}

static void look_at_server(const struct preflight_source *source, const struct id_entry *entry,
			   struct preflight_walk *walk, struct preflight_facts *facts)
{
	struct xlb_server server;

	if (!entry->live)
		return;
	memcpy(&server, entry->frozen, sizeof(server));
	name_unresolved(source, entry, server.nexthop, walk, &facts->hops);
	if (!server.nexthop)
		look_for_interface(source, entry, &server.addr, walk, facts);
}

bool preflight_walk_step(const struct preflight_source *source, struct preflight_walk *walk,
			 struct preflight_facts *facts)
{
	for (int i = 0; i < WALK_STEP; i++) {
		const struct id_entry *entry;

		if (walk->nexthop < XLB_MAX_NEXTHOPS) {
			entry = ids_by_id(source->ids, ID_NEXTHOP, ++walk->nexthop);
			if (entry)
				look_at_nexthop(source, entry, walk, facts);
		} else if (walk->server < XLB_MAX_SERVERS) {
			entry = ids_by_id(source->ids, ID_SERVER, ++walk->server);
			if (entry)
				look_at_server(source, entry, walk, facts);
		} else {
			return true;
		}
	}
	return false;
}

/* --- judging -------------------------------------------------------------------------------------- */

void preflight_say(struct preflight_finding *ret, enum preflight_level level, const char *format,
		   ...)
{
	va_list args;

	ret->level = level;
	va_start(args, format);
	vsnprintf(ret->text, sizeof(ret->text), format, args);
	va_end(args);
}

void preflight_fix(struct preflight_finding *ret, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(ret->fix, sizeof(ret->fix), format, args);
	va_end(args);
}

static void run_checks(const struct preflight_facts *facts, const struct preflight_check *checks,
		       uint32_t count, struct preflight *ret)
{
	for (uint32_t i = 0; i < count && ret->count < PREFLIGHT_FINDINGS_MAX; i++) {
		struct preflight_finding finding = { .check = checks[i].word };

		checks[i].judge(facts, &finding);
		if (!finding.text[0])
			continue;
		ret->failures += finding.level == PREFLIGHT_FAIL;
		ret->warnings += finding.level == PREFLIGHT_WARN;
		ret->findings[ret->count++] = finding;
	}
}

static void judge_nic(const struct preflight_facts *facts, struct preflight *ret)
{
	*ret = (struct preflight){};
	memcpy(ret->ifname, facts->nic.link.name, sizeof(ret->ifname));
	run_checks(facts, preflight_nic_checks, preflight_nic_check_count, ret);
	run_checks(facts, preflight_setting_checks, preflight_setting_check_count, ret);
}

void preflight_judge(const struct preflight_facts *facts, struct preflight *ret)
{
	judge_nic(facts, ret);
	run_checks(facts, preflight_host_checks, preflight_host_check_count, ret);
}

int preflight_refusal(const struct preflight_facts *facts, struct xlb_err *err)
{
	struct preflight preflight;

	judge_nic(facts, &preflight);
	for (uint32_t i = 0; i < preflight.count; i++) {
		const struct preflight_finding *finding = &preflight.findings[i];

		if (!finding->refuses)
			continue;
		xlb_err_set(err, XLB_ERR_UNSUPPORTED, -EOPNOTSUPP, "%s", finding->text);
		if (strncmp(finding->text, preflight.ifname, strlen(preflight.ifname)))
			xlb_err_prefix(err, "%s", preflight.ifname);
		xlb_err_hint(err, "%s%s%s", finding->fix[0] ? "run: " : "", finding->fix,
			     finding->setting ? ", or attach with --fix" : "");
		return -EOPNOTSUPP;
	}
	return 0;
}

uint32_t preflight_settings(const struct preflight_facts *facts)
{
	struct preflight preflight;
	uint32_t settings = 0;

	judge_nic(facts, &preflight);
	for (uint32_t i = 0; i < preflight.count; i++)
		settings |= preflight.findings[i].setting;
	return settings;
}
