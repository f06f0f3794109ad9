// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What no field can see by itself: references, overlaps, duplicates. Sorted arrays keep big models cheap. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/words.h"
#include "core/fallback.h"
#include "core/health_check.h"
#include "core/model_check.h"
#include "core/object.h"
#include "core/quic.h"
#include "core/security.h"
#include "core/tls.h"
#include "xlb/lists.h"

/* A group and how listeners use it. */
struct group_use {
	const struct server_group *group;
	const struct listener *ranged; /* the first with a range or any, of which servers hear */
	const struct listener *ported; /* the first with single ports */
	uint32_t port;		       /* its first */
	bool ports_differ;	       /* from others of the group's listeners */
	const struct listener *tls;    /* the first that is one */
	bool tcp, udp;
};

struct vip {
	struct xlb_addr addr;
	const struct load_balancer *lb;
	uint32_t index;
};

/* An address of a server, to find twins inside its group. */
struct endpoint {
	struct xlb_addr addr;
	uint32_t port, order;
	const struct server *server;
};

struct checker {
	const struct model *model;
	struct xlb_err *err;
	struct group_use *groups; /* by name */
	size_t group_count;
	struct vip *vips; /* by address, then in the model's order */
	size_t vip_count;
};

static int no_memory(struct checker *checker)
{
	return xlb_err_set(checker->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}

/* Points at one item of a list: the list itself if it is alone. */
static void point_at_item(struct checker *checker, uint32_t index, uint32_t count)
{
	char *pointer = checker->err->pointer;
	size_t used = strlen(pointer);

	if (count > 1)
		snprintf(pointer + used, sizeof(checker->err->pointer) - used, "/%u", index);
}

/* --- groups by name ----------------------------------------------------------------------------- */

static int compare_groups(const void *a, const void *b)
{
	return strcmp(((const struct group_use *)a)->group->object.name,
		      ((const struct group_use *)b)->group->object.name);
}

static int compare_name(const void *name, const void *use)
{
	return strcmp(name, ((const struct group_use *)use)->group->object.name);
}

static int collect_groups(struct checker *checker)
{
	const struct object *object;
	size_t n = 0;

	TAILQ_FOREACH(object, &checker->model->server_groups, link)
		n++;
	checker->groups = calloc(n + 1, sizeof(*checker->groups));
	if (!checker->groups)
		return no_memory(checker);
	TAILQ_FOREACH(object, &checker->model->server_groups, link)
		checker->groups[checker->group_count++].group = (const struct server_group *)object;
	qsort(checker->groups, n, sizeof(*checker->groups), compare_groups);
	return 0;
}

static struct group_use *find_use(const struct checker *checker, const char *name)
{
	return bsearch(name, checker->groups, checker->group_count, sizeof(*checker->groups),
		       compare_name);
}

/* --- VIPs by address ---------------------------------------------------------------------------- */

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct xlb_addr)); /* the first member of struct vip */
}

static const struct vip *find_vip(const struct checker *checker, const struct xlb_addr *addr)
{
	return bsearch(addr, checker->vips, checker->vip_count, sizeof(*checker->vips),
		       compare_addrs);
}

static int collect_vips(struct checker *checker)
{
	const struct object *object;
	size_t n = 0;

	TAILQ_FOREACH(object, &checker->model->load_balancers, link)
		n += ((const struct load_balancer *)object)->addresses.count;
	checker->vips = calloc(n + 1, sizeof(*checker->vips));
	if (!checker->vips)
		return no_memory(checker);
	TAILQ_FOREACH(object, &checker->model->load_balancers, link) {
		const struct load_balancer *lb = (const struct load_balancer *)object;

		for (uint32_t i = 0; i < lb->addresses.count; i++)
			checker->vips[checker->vip_count++] =
				(struct vip){ lb->addresses.addrs[i], lb, i };
	}
	qsort(checker->vips, n, sizeof(*checker->vips), compare_addrs);
	return 0;
}

static int refuse_special(struct checker *checker, const struct object *object, const char *field,
			  const struct addr_list *list)
{
	char text[ADDR_TEXT_MAX], title[OBJECT_TITLE_MAX];

	for (uint32_t i = 0; i < list->count; i++) {
		if (!addr_is_special(&list->addrs[i]))
			continue;
		format_addr(&list->addrs[i], text);
		object_fail(
			object, field, checker->err,
			"%s: %s cannot be used: it is an unspecified, loopback, multicast, link-local or broadcast "
			"address",
			object_title(object, title), text);
		point_at_item(checker, i, list->count);
		return -EINVAL;
	}
	return 0;
}

/* Addresses that must not be a VIP: packets to them would come back to the datapath. */
static int refuse_vip(struct checker *checker, const struct object *object, const char *field,
		      const struct addr_list *list)
{
	char text[ADDR_TEXT_MAX], title[OBJECT_TITLE_MAX];

	for (uint32_t i = 0; i < list->count; i++) {
		const struct vip *vip = find_vip(checker, &list->addrs[i]);

		if (!vip)
			continue;
		format_addr(&list->addrs[i], text);
		object_fail(
			object, field, checker->err,
			"%s: %s is an address of load balancer %s and cannot be used here too: packets would loop",
			object_title(object, title), text, vip->lb->object.name);
		point_at_item(checker, i, list->count);
		return -EINVAL;
	}
	return 0;
}

static int check_vips(struct checker *checker)
{
	char text[ADDR_TEXT_MAX], title[OBJECT_TITLE_MAX];
	const struct object *object;
	int r = 0;

	TAILQ_FOREACH(object, &checker->model->load_balancers, link) {
		r = refuse_special(checker, object, "addresses",
				   &((const struct load_balancer *)object)->addresses);
		if (r)
			return r;
	}
	for (size_t i = 1; i < checker->vip_count; i++) {
		const struct vip *a = &checker->vips[i - 1], *b = &checker->vips[i];

		if (!addr_equal(&a->addr, &b->addr))
			continue;
		format_addr(&b->addr, text);
		object_fail(
			&b->lb->object, "addresses", checker->err,
			"%s: %s belongs to load balancer %s already: a VIP has one load balancer",
			object_title(&b->lb->object, title), text, a->lb->object.name);
		point_at_item(checker, b->index, b->lb->addresses.count);
		return -EINVAL;
	}
	return 0;
}

/* --- listeners ---------------------------------------------------------------------------------- */

static void note_ports(struct group_use *use, const struct listener *listener,
		       const struct port_range *range)
{
	if (range->from != range->to) {
		/* who ends TLS asks servers at whatever port they have */
		if (!use->ranged && !listener_is_tls(listener))
			use->ranged = listener;
		return;
	}
	use->ports_differ = use->ports_differ || (use->ported && use->port != range->from);
	if (use->ported)
		return;
	use->ported = listener;
	use->port = range->from;
}

/* The listener uses the group, or one that it is a fallback of. */
static void note_use(struct group_use *use, const struct listener *listener)
{
	use->tcp = use->tcp || listener->protocol != IPPROTO_UDP;
	if (!use->tls && listener_is_tls(listener))
		use->tls = listener;
	use->udp = use->udp || listener->protocol == IPPROTO_UDP;
	for (uint32_t i = 0; i < listener->port.count; i++)
		note_ports(use, listener, &listener->port.ranges[i]);
}

/* The same of all that take flows in its place. */
static void note_uses(const struct checker *checker, struct group_use *use,
		      const struct listener *listener)
{
	for (uint32_t i = 0; use && i < XLB_FALLBACKS; i++) {
		note_use(use, listener);
		use = *use->group->fallback ? find_use(checker, use->group->fallback) : NULL;
	}
}

static int refuse_unknown(struct checker *checker, const struct object *object, const char *field,
			  const char *group)
{
	char names[300], title[OBJECT_TITLE_MAX];
	const char *candidates[256], *nearest;
	size_t n = 0;

	object_names(&checker->model->server_groups, names, sizeof(names));
	object_fail(object, field, checker->err,
		    "%s: server group \"%s\" does not exist: there is %s",
		    object_title(object, title), group, names);
	for (; n < checker->group_count && n < sizeof(candidates) / sizeof(candidates[0]); n++)
		candidates[n] = checker->groups[n].group->object.name;
	nearest = nearest_word(group, candidates, n);
	if (nearest)
		xlb_err_hint(checker->err, "did you mean \"%s\"?", nearest);
	return -EINVAL;
}

/* An id is looked at before it is known which of the groups has the connection. */
static int check_shared_ids(struct checker *checker, const struct listener *listener,
			    const struct server_group *first, const struct server_group *group)
{
	char title[OBJECT_TITLE_MAX];

	if (quic_id_length(first) == quic_id_length(group))
		return 0;
	return object_fail(
		&listener->object, "server_group", checker->err,
		"%s: groups %s and %s share it, but not how they look at connection ids: give both the same hash "
		"and quic.id_length",
		object_title(&listener->object, title), first->object.name, group->object.name);
}

static int check_shares(struct checker *checker, const struct listener *listener)
{
	const struct share_list *list = &listener->server_group;
	const struct group_use *first = find_use(checker, list->shares[0].group);
	int r = 0;

	for (uint32_t i = 0; !r && i < list->count; i++) {
		struct group_use *use = find_use(checker, list->shares[i].group);

		if (!use)
			r = refuse_unknown(checker, &listener->object, "server_group",
					   list->shares[i].group);
		else
			r = check_shared_ids(checker, listener, first->group, use->group);
		if (r)
			point_at_item(checker, i, list->count);
		else
			note_uses(checker, use, listener);
	}
	return r;
}

static int check_listeners(struct checker *checker, const struct load_balancer *lb)
{
	const struct object *object;
	int r;

	TAILQ_FOREACH(object, &lb->listeners, link) {
		r = check_shares(checker, (const struct listener *)object);
		if (r)
			return r;
	}
	return check_overlaps(lb, checker->err);
}

/* --- groups and servers ------------------------------------------------------------------------- */

static int check_families(struct checker *checker, const struct server *server)
{
	const struct addr_list *list = &server->address;
	char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX], title[OBJECT_TITLE_MAX];

	if (list->count != 2 || addr_family(&list->addrs[0]) != addr_family(&list->addrs[1]))
		return 0;
	format_addr(&list->addrs[0], a);
	format_addr(&list->addrs[1], b);
	object_fail(&server->object, "address", checker->err,
		    "%s: %s and %s are of one family: accepted are one IPv4 and one IPv6 address",
		    object_title(&server->object, title), a, b);
	point_at_item(checker, 1, 2);
	return -EINVAL;
}

static int compare_endpoints(const void *a, const void *b)
{
	const struct endpoint *x = a, *y = b;
	int r = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	if (!r)
		r = x->port < y->port ? -1 : x->port > y->port;
	return r ? r : x->order < y->order ? -1 : x->order > y->order;
}

static int refuse_twin(struct checker *checker, const struct endpoint *first,
		       const struct endpoint *twin)
{
	char text[ADDR_TEXT_MAX], port[20] = "", title[OBJECT_TITLE_MAX];
	const struct addr_list *list = &twin->server->address;

	format_addr(&twin->addr, text);
	if (twin->port)
		snprintf(port, sizeof(port), " port %u", twin->port);
	object_fail(&twin->server->object, "address", checker->err,
		    "%s: %s%s is server %s already: remove one of them or give it another port",
		    object_title(&twin->server->object, title), text, port,
		    first->server->object.name);
	for (uint32_t i = 0; i < list->count; i++)
		if (addr_equal(&list->addrs[i], &twin->addr))
			point_at_item(checker, i, list->count);
	return -EINVAL;
}

static int check_twins(struct checker *checker, const struct server_group *group)
{
	AUTO_FREE struct endpoint *endpoints = NULL;
	const struct object *object;
	uint32_t n = 0;

	TAILQ_FOREACH(object, &group->servers, link)
		n += ((const struct server *)object)->address.count;
	endpoints = calloc(n + 1, sizeof(*endpoints));
	if (!endpoints)
		return no_memory(checker);
	n = 0;
	TAILQ_FOREACH(object, &group->servers, link) {
		const struct server *server = (const struct server *)object;

		for (uint32_t i = 0; i < server->address.count; i++, n++)
			endpoints[n] = (struct endpoint){ server->address.addrs[i], server->port, n,
							  server };
	}
	qsort(endpoints, n, sizeof(*endpoints), compare_endpoints);
	for (uint32_t i = 1; i < n; i++)
		if (addr_equal(&endpoints[i - 1].addr, &endpoints[i].addr) &&
		    endpoints[i - 1].port == endpoints[i].port)
			return refuse_twin(checker, &endpoints[i - 1], &endpoints[i]);
	return 0;
}

/* Where the server gets packets as they came, its port is the listener's. */
static int check_kept_port(struct checker *checker, const struct group_use *use,
			   const struct server *server)
{
	const struct object *object = &server->object;
	char title[OBJECT_TITLE_MAX], other[OBJECT_TITLE_MAX];

	if (!xlb_mode_has(use->group->forward, XLB_MODE_DIRECT) || !server->port || !use->ported ||
	    (use->port == server->port && !use->ports_differ))
		return 0;
	object_fail(
		object, "port", checker->err,
		"%s has port %u, but with forward: %s it is asked for the port of %s: remove the server's "
		"port",
		object_title(object, title), server->port, mode_word(use->group->forward),
		object_title(&use->ported->object, other));
	xlb_err_hint(checker->err, "forward: fullnat or nat can change the port");
	return -EINVAL;
}

static int check_servers(struct checker *checker, const struct group_use *use)
{
	char title[OBJECT_TITLE_MAX], other[OBJECT_TITLE_MAX];
	const struct object *object;
	int r = 0;

	TAILQ_FOREACH(object, &use->group->servers, link) {
		const struct server *server = (const struct server *)object;

		r = refuse_special(checker, object, "address", &server->address);
		if (!r)
			r = refuse_vip(checker, object, "address", &server->address);
		if (!r)
			r = check_families(checker, server);
		if (r)
			return r;
		if (use->ranged && server->port)
			return object_fail(
				object, "port", checker->err,
				"%s has port %u, but %s has a range of ports: remove the server's port, which "
				"keeps the port that the client asked for",
				object_title(object, title), server->port,
				object_title(&use->ranged->object, other));
		r = check_kept_port(checker, use, server);
		if (r)
			return r;
	}
	return check_twins(checker, use->group);
}

/* A server that is asked for the listener's port is checked there, if that is one port. */
static bool knows_port(const struct group_use *use)
{
	return xlb_mode_has(use->group->forward, XLB_MODE_DIRECT) && use->ported &&
	       !use->ports_differ;
}

/* A check on the server's port needs that port to be known and to speak what is asked there. */
static int check_health(struct checker *checker, const struct group_use *use)
{
	const struct object *group = &use->group->object, *object;
	bool typed = object_given(group, "health_check.type");
	char title[OBJECT_TITLE_MAX], other[OBJECT_TITLE_MAX], reason[OBJECT_TITLE_MAX + 40] = "";

	if (!health_check_needs_port(&use->group->health_check) ||
	    (typed && object_given(group, "health_check.port")))
		return 0;
	if (use->ranged)
		snprintf(reason, sizeof(reason), "%s has a range of ports",
			 object_title(&use->ranged->object, other));
	else if (use->udp && !use->tcp && use->group->health_check.type != CHECK_UDP)
		snprintf(reason, sizeof(reason), "it serves only udp");
	TAILQ_FOREACH(object, &use->group->servers, link)
		if (!*reason && !((const struct server *)object)->port && !knows_port(use))
			snprintf(reason, sizeof(reason), "%s has no port",
				 object_title(object, other));
	if (!*reason)
		return 0;
	return object_fail(
		group, "health_check", checker->err,
		"%s: %s, so its health check must say %s: add health_check: {type: %s, port: N} or "
		"health_check: {type: none}",
		object_title(group, title), reason, typed ? "the port" : "type and port",
		use->udp && !use->tcp ? "udp" : "tcp");
}

/* xlb itself answers clients there, and speaks to servers from an address of its own. */
static int check_tls_use(struct checker *checker, const struct group_use *use)
{
	const struct server_group *group = use->group;
	char title[OBJECT_TITLE_MAX], other[OBJECT_TITLE_MAX];

	if (!use->tls || !xlb_mode_has(group->forward, XLB_MODE_DIRECT))
		return 0;
	return object_fail(
		&group->object, "forward", checker->err,
		"%s: with forward: %s servers answer clients themselves, but %s, which is tls, does "
		"that: use forward: fullnat or nat, or a group of its own",
		object_title(&group->object, title), mode_word(group->forward),
		object_title(&use->tls->object, other));
}

static int check_group(struct checker *checker, const struct group_use *use)
{
	const struct server_group *group = use->group;
	int r;

	r = check_tls_use(checker, use);
	if (!r)
		r = refuse_special(checker, &group->object, "snat.addresses",
				   &group->snat_addresses);
	if (!r)
		r = refuse_vip(checker, &group->object, "snat.addresses", &group->snat_addresses);
	if (!r)
		r = check_servers(checker, use);
	if (!r)
		r = check_quic(group, checker->err);
	return r ? r : check_health(checker, use);
}

static int check_known_fallback(struct checker *checker, const struct server_group *group)
{
	if (*group->fallback && !find_use(checker, group->fallback))
		return refuse_unknown(checker, &group->object, "fallback", group->fallback);
	return check_fallback(checker->model, group, checker->err);
}

static int check_all(struct checker *checker)
{
	const struct object *object;
	int r = collect_groups(checker);

	if (!r)
		r = collect_vips(checker);
	if (!r)
		r = check_vips(checker);
	if (r)
		return r;
	TAILQ_FOREACH(object, &checker->model->load_balancers, link) {
		r = check_listeners(checker, (const struct load_balancer *)object);
		if (r)
			return r;
	}
	r = check_security(checker->model, checker->err);
	if (!r)
		r = check_tls(checker->model, checker->err);
	if (r)
		return r;
	/* in the text's order, so that the first error is the first in the text */
	TAILQ_FOREACH(object, &checker->model->server_groups, link) {
		r = check_known_fallback(checker, (const struct server_group *)object);
		if (!r)
			r = check_group(checker, find_use(checker, object->name));
		if (r)
			return r;
	}
	return 0;
}

static void checker_done(struct checker *checker)
{
	free(checker->groups);
	free(checker->vips);
}

int model_check(const struct model *model, struct xlb_err *err)
{
	struct checker checker = { .model = model, .err = err };
	int r = check_all(&checker);

	checker_done(&checker);
	return r;
}

/* Listeners and fallbacks are what they were: of interest is only how listeners use the group. */
int model_check_group(const struct model *model, const struct server_group *group,
		      struct xlb_err *err)
{
	struct checker checker = { .model = model, .err = err };
	struct group_use use = { .group = group };
	AUTO_FREE const struct server_group **sources = fallback_sources(model, group->object.name);
	const struct object *lb, *object;
	int r = sources ? collect_vips(&checker) : no_memory(&checker);

	if (r)
		return r;
	TAILQ_FOREACH(lb, &model->load_balancers, link)
		TAILQ_FOREACH(object, &((const struct load_balancer *)lb)->listeners, link)
			if (listener_leads_to((const struct listener *)object, sources))
				note_use(&use, (const struct listener *)object);
	r = check_group(&checker, &use);
	checker_done(&checker);
	return r;
}
