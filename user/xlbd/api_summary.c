// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_summary.h"

#include <errno.h>

#include "base/words.h"
#include "xlbd/api_problems.h"
#include "xlbd/traffic.h"

static int begin_group(void *arg, struct view *view, const struct object *object)
{
	(void)arg;
	return look_begin(&view->look, (const struct server_group *)object);
}

/* Each server is looked at once, for the sums and for what is wrong with it. */
static int scan_server(void *arg, struct view *view, const struct object *object)
{
	const struct group_look *group = look_group(&view->look, object->parent->name);
	struct server_look seen;

	(void)arg;
	look_server(&view->look, (const struct server *)object, &seen);
	look_count(&view->look, &seen);
	problems_server(view, &seen, group->servers);
	return 0;
}

static int print_group(void *arg, struct view *view, const struct object *object)
{
	struct json_out *out = &view->out;

	(void)arg;
	out_open(out, NULL, '{');
	out_text(out, "name", object->name);
	out_text(out, "forward", mode_word(((const struct server_group *)object)->forward));
	out_open(out, "state", '{');
	view_server_group(view, object);
	out_close(out, '}');
	out_close(out, '}');
	return 0;
}

static void put_rates(struct json_out *out, const struct traffic_rates *rates)
{
	out_open(out, "rates", '{');
	out_real(out, "drops", rates->drops);
#define X(name, word, help) out_real(out, #word, rates->counters[XLB_IFCOUNT_##name]);
	XLB_INTERFACE_COUNTERS(X)
#undef X
	out_close(out, '}');
}

static int print_interface(void *arg, struct view *view, const struct object *object)
{
	const struct id_entry *slot =
		ids_find(engine_ids(view->engine), ID_INTERFACE, object->name);
	struct json_out *out = &view->out;
	struct traffic_rates rates;

	(void)arg;
	out_open(out, NULL, '{');
	out_text(out, "name", object->name);
	out_open(out, "state", '{');
	view_interface(view, object);
	if (slot && traffic_rates(view->api->traffic, slot->id, &rates)) {
		put_rates(out, &rates);
		view_drops(view, "recent", rates.recent);
	}
	out_close(out, '}');
	out_close(out, '}');
	return 0;
}

/* Servers of all groups that its listeners use, each group counted once. */
static void count_servers(struct view *view, const struct load_balancer *lb, uint32_t mark,
			  uint32_t *ret_up, uint32_t *ret_servers)
{
	const struct object *object;

	*ret_up = *ret_servers = 0;
	TAILQ_FOREACH(object, &lb->listeners, link) {
		const struct share_list *list = &((const struct listener *)object)->server_group;

		for (uint32_t i = 0; i < list->count; i++) {
			struct group_look *group = look_group(&view->look, list->shares[i].group);

			if (!group || group->mark == mark)
				continue;
			group->mark = mark;
			*ret_up += group->up;
			*ret_servers += group->servers;
		}
	}
}

static int print_load_balancer(void *arg, struct view *view, const struct object *object)
{
	const struct load_balancer *lb = (const struct load_balancer *)object;
	const struct object *listener;
	struct json_out *out = &view->out;
	uint32_t up, servers, listeners = 0, *load_balancers = arg, i;

	count_servers(view, lb, ++*load_balancers, &up, &servers);
	TAILQ_FOREACH(listener, &lb->listeners, link)
		listeners++;
	out_open(out, NULL, '{');
	out_text(out, "name", object->name);
	out_bool(out, "enabled", lb->enabled);
	out_open(out, "addresses", '[');
	for (i = 0; i < lb->addresses.count; i++) {
		char text[ADDR_TEXT_MAX];

		format_addr(&lb->addresses.addrs[i], text);
		out_text(out, NULL, text);
	}
	out_close(out, ']');
	out_uint(out, "listeners", listeners);
	out_open(out, "state", '{');
	view_load_balancer(view, object);
	out_uint(out, "up", up);
	out_uint(out, "servers", servers);
	out_close(out, '}');
	out_close(out, '}');
	return 0;
}

static int print_problem_counts(void *arg, struct view *view, const struct object *object)
{
	uint32_t counts[PROBLEM_LEVEL_COUNT];
	int i;

	(void)arg;
	(void)object;
	problems_count(view->problems, counts);
	out_open(&view->out, NULL, '{');
	for (i = 0; i < PROBLEM_LEVEL_COUNT; i++)
		out_uint(&view->out, problem_level_word(i), counts[i]);
	out_close(&view->out, '}');
	return 0;
}

static int scan_groups(struct listing *listing, const struct model *model)
{
	const struct object *group, *server;
	int r = 0;

	TAILQ_FOREACH(group, &model->server_groups, link) {
		r = listing_visit_object(listing, begin_group, group);
		TAILQ_FOREACH(server, &((const struct server_group *)group)->servers, link)
			if (!r)
				r = listing_visit_object(listing, scan_server, server);
		if (r)
			break;
	}
	return r;
}

/* `,"plural":[...]` */
static int add_section(struct listing *listing, const struct model *model, const struct type *type,
		       listing_visit print)
{
	int r = listing_array_begin(listing, type);

	if (!r)
		r = listing_visit_all(listing, model, type, NULL, print);
	return r ? r : listing_text(listing, "]");
}

static int plan_summary(struct listing *listing, const struct model *model, struct xlb_err *err)
{
	static const struct {
		const struct type *type;
		listing_visit print;
	} sections[] = {
		{ &type_interface, print_interface },
		{ &type_server_group, print_group },
		{ &type_load_balancer, print_load_balancer },
	};
	size_t i;
	int r;

	(void)err;
	r = scan_groups(listing, model);
	if (!r)
		r = listing_visit_object(listing, status_head, NULL);
	for (i = 0; !r && i < sizeof(sections) / sizeof(sections[0]); i++)
		r = add_section(listing, model, sections[i].type, sections[i].print);
	if (!r)
		r = listing_text(listing, ",\"problems\":");
	if (!r)
		r = listing_visit_object(listing, problems_print, NULL);
	if (!r)
		r = listing_text(listing, ",\"problem_counts\":");
	if (!r)
		r = listing_visit_object(listing, print_problem_counts, NULL);
	return r ? r : listing_text(listing, "}\n");
}

void run_summary(struct call *call)
{
	uint32_t *load_balancers = calloc(1, sizeof(*load_balancers)); /* looked at so far */

	if (load_balancers)
		listing_run(call, &(struct listing_kind){ .plan = plan_summary,
							  .with_problems = true,
							  .free = free,
							  .arg = load_balancers });
	else
		call_reply_no_memory(call);
}
