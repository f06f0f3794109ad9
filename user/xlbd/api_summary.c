// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_summary.h"

#include <errno.h>
#include <string.h>
#include <uthash.h>

#include "xlbd/api_problems.h"

/* One group; kept by name, as the model may be another one in the next slice. */
struct group_sum {
	char name[NAME_TEXT_MAX];
	struct group_view view; /* but `group` */
	uint32_t mark;		/* the load balancer that counted it last */
	UT_hash_handle hh;
};

struct summary {
	struct group_sum *groups;
	struct group_sum *last;
	uint32_t load_balancers; /* so far */
};

struct summary *summary_free(struct summary *summary)
{
	struct group_sum *sum, *next;

	if (!summary)
		return NULL;
	HASH_ITER(hh, summary->groups, sum, next) {
		HASH_DEL(summary->groups, sum);
		free(sum);
	}
	free(summary);
	return NULL;
}

static struct group_sum *sum_find(struct view *view, const char *name)
{
	struct group_sum *sum = NULL;

	if (view->summary)
		HASH_FIND_STR(view->summary->groups, name, sum);
	return sum;
}

/* The sum of a group, begun if this is its first server; NULL on lack of memory. */
static struct group_sum *sum_get(struct view *view, const struct server_group *group)
{
	const char *name = group->object.name;
	const struct object *object;
	struct group_sum *sum;

	if (!view->summary)
		view->summary = calloc(1, sizeof(*view->summary));
	if (!view->summary)
		return NULL;
	if (view->summary->last && !strcmp(view->summary->last->name, name))
		return view->summary->last;
	sum = calloc(1, sizeof(*sum));
	if (!sum)
		return NULL;
	memcpy(sum->name, name, sizeof(sum->name));
	sum->view.fails_open = engine_group_fails_open(view->engine, name);
	sum->view.ever_up = checker_group_ever_up(engine_checker(view->engine), name);
	TAILQ_FOREACH(object, &group->servers, link)
		sum->view.servers++;
	HASH_ADD_STR(view->summary->groups, name, sum);
	view->summary->last = sum;
	return sum;
}

static int scan_server(struct view *view, const struct object *object, struct evbuffer *out)
{
	const struct server *server = (const struct server *)object;
	struct group_sum *sum = sum_get(view, (const struct server_group *)object->parent);
	struct server_view seen;

	(void)out;
	if (!sum)
		return -ENOMEM;
	view_look_at_server(view, server, &seen);
	sum->view.flows += seen.flows;
	if (seen.addresses[seen.best].check.health == HEALTH_UP)
		sum->view.up++;
	if (view_receives(&sum->view, &seen))
		sum->view.receiving_weight += server->weight;
	problems_server(view, &seen, sum->view.servers);
	return 0;
}

static const char *forward_word(uint32_t mode)
{
	static const char *const words[XLB_MODE_COUNT] = {
#define X(name, word, help) [XLB_MODE_##name] = #word,
		XLB_MODES(X)
#undef X
	};

	return mode < XLB_MODE_COUNT ? words[mode] : NULL;
}

static int print_json(struct evbuffer *out, json_t *json)
{
	AUTO_FREE char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6)) :
				      NULL;

	json_decref(json);
	return !text || evbuffer_add(out, text, strlen(text)) ? -ENOMEM : 0;
}

static int print_group(struct view *view, const struct object *object, struct evbuffer *out)
{
	const struct server_group *group = (const struct server_group *)object;
	struct group_sum *sum = sum_get(view, group);

	if (!sum)
		return -ENOMEM;
	problems_group(view, object->name, &sum->view);
	return print_json(out, json_pack("{s:s, s:s?, s:{s:I, s:i, s:i, s:b}}", "name",
					 object->name, "forward", forward_word(group->forward),
					 "state", "flows", (json_int_t)sum->view.flows, "up",
					 (int)sum->view.up, "servers", (int)sum->view.servers,
					 "fail_open", (int)sum->view.fails_open));
}

static json_t *rates_json(const struct traffic_rates *rates)
{
	json_t *json = json_pack("{s:f}", "drops", rates->drops);

#define X(name, word, help) \
	json_object_set_new(json, #word, json_real(rates->counters[XLB_IFCOUNT_##name]));
	XLB_INTERFACE_COUNTERS(X)
#undef X
	return json;
}

static int print_interface(struct view *view, const struct object *object, struct evbuffer *out)
{
	const struct id_entry *slot =
		ids_find(engine_ids(view->engine), ID_INTERFACE, object->name);
	json_t *state = view_interface(view, object);
	struct traffic_rates rates;

	if (state && slot && traffic_rates(view->traffic, slot->id, &rates)) {
		json_object_set_new(state, "rates", rates_json(&rates));
		json_object_set_new(state, "recent", drops_json(rates.recent));
	}
	return print_json(out, json_pack("{s:s, s:o}", "name", object->name, "state", state));
}

/* Servers of all groups that its listeners use, each group counted once. */
static void count_servers(struct view *view, const struct load_balancer *lb, uint32_t *ret_up,
			  uint32_t *ret_servers)
{
	const struct object *object;

	*ret_up = *ret_servers = 0;
	if (!view->summary)
		return; /* there is no group at all */
	view->summary->load_balancers++;
	TAILQ_FOREACH(object, &lb->listeners, link) {
		struct group_sum *sum =
			sum_find(view, ((const struct listener *)object)->server_group);

		if (!sum || sum->mark == view->summary->load_balancers)
			continue;
		sum->mark = view->summary->load_balancers;
		*ret_up += sum->view.up;
		*ret_servers += sum->view.servers;
	}
}

static int print_load_balancer(struct view *view, const struct object *object, struct evbuffer *out)
{
	const struct load_balancer *lb = (const struct load_balancer *)object;
	json_t *state = view_load_balancer(view, object);
	json_t *addresses = json_array();
	const struct object *listener;
	uint32_t up, servers, i;
	int listeners = 0;

	count_servers(view, lb, &up, &servers);
	TAILQ_FOREACH(listener, &lb->listeners, link)
		listeners++;
	for (i = 0; i < lb->addresses.count; i++) {
		char text[ADDR_TEXT_MAX];

		format_addr(&lb->addresses.addrs[i], text);
		json_array_append_new(addresses, json_string(text));
	}
	json_object_set_new(state, "up", json_integer(up));
	json_object_set_new(state, "servers", json_integer(servers));
	return print_json(out, json_pack("{s:s, s:b, s:o, s:i, s:o}", "name", object->name,
					 "enabled", (int)lb->enabled, "addresses", addresses,
					 "listeners", listeners, "state", state));
}

static int print_problem_counts(struct view *view, const struct object *object,
				struct evbuffer *out)
{
	uint32_t counts[PROBLEM_LEVEL_COUNT];
	json_t *json = json_object();
	int i;

	(void)object;
	problems_count(view->problems, counts);
	for (i = 0; i < PROBLEM_LEVEL_COUNT; i++)
		json_object_set_new(json, problem_level_word(i), json_integer(counts[i]));
	return print_json(out, json);
}

/* `,"plural":[...]`, with the children of each object scanned before it is printed. */
static int add_section(struct listing *listing, const struct model *model, const struct type *type,
		       listing_print scan, listing_print print)
{
	const struct object *object, *child;
	bool first = true;
	int r;

	r = listing_array_begin(listing, type);
	TAILQ_FOREACH(object, model_list(model, type, NULL), link) {
		if (scan)
			TAILQ_FOREACH(child, &((const struct server_group *)object)->servers, link)
				if (!r)
					r = listing_call(listing, scan, child);
		if (!r && !first)
			r = listing_text(listing, ",");
		if (!r)
			r = listing_call(listing, print, object);
		if (r)
			return r;
		first = false;
	}
	return r ? r : listing_text(listing, "]");
}

int plan_summary(struct listing *listing, const struct model *model, struct xlb_err *err)
{
	static const struct {
		const struct type *type;
		listing_print scan, print;
	} sections[] = {
		{ &type_interface, NULL, print_interface },
		{ &type_server_group, scan_server, print_group },
		{ &type_load_balancer, NULL, print_load_balancer },
	};
	size_t i;
	int r;

	(void)err;
	r = listing_open(listing, status_head);
	for (i = 0; !r && i < sizeof(sections) / sizeof(sections[0]); i++)
		r = add_section(listing, model, sections[i].type, sections[i].scan,
				sections[i].print);
	if (!r)
		r = listing_text(listing, ",\"problems\":");
	if (!r)
		r = listing_problems(listing);
	if (!r)
		r = listing_text(listing, ",\"problem_counts\":");
	if (!r)
		r = listing_call(listing, print_problem_counts, NULL);
	return r ? r : listing_text(listing, "}\n");
}
