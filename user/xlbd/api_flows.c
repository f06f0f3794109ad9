// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_flows.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "xlbd/api_query.h"

#define WORKS_MAX 4

/* --- the filter of a query ----------------------------------------------------------------------- */

static int read_end(const struct call *call, const char *name, struct flow_end *ret,
		    struct xlb_err *err)
{
	const char *text = query_text(call, name);
	int r = text ? flow_end_parse(text, ret) : 0;

	if (r == -ERANGE)
		return xlb_err_set(err, XLB_ERR_USAGE, r,
				   "query option %s is '%.64s': bits are set behind the prefix",
				   name, text);
	if (r)
		return xlb_err_set(
			err, XLB_ERR_USAGE, r,
			"query option %s is '%.64s': ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT or ADDRESS/BITS is accepted",
			name, text);
	return 0;
}

static int read_words(const struct call *call, struct flow_filter *filter, struct xlb_err *err)
{
	const char *protocol = query_text(call, "protocol"), *state = query_text(call, "state");
	char accepted[80];

	if (protocol && strcmp(protocol, "tcp") && strcmp(protocol, "udp"))
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "query option protocol is '%.32s': tcp or udp is accepted",
				   protocol);
	if (protocol)
		filter->protocol = protocol[0] == 't' ? IPPROTO_TCP : IPPROTO_UDP;
	if (state)
		filter->state = flow_state_by_word(state);
	if (!state || filter->state)
		return 0;
	flow_state_list(accepted, sizeof(accepted));
	return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
			   "query option state is '%.32s': one of %s is accepted", state, accepted);
}

/* A name is wrong if nothing configured has it, nor any id that flows may still hold. */
static int check_name(const struct model *model, const struct type *parent,
		      const struct type *child, const char *name, struct xlb_err *err)
{
	const char *slash = strchr(name, '/');
	const struct type *type;
	struct object *object, *above;
	char path[300];

	if (child && !slash)
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "query option %s is '%.64s': %s/%s is accepted", child->cli,
				   name, parent->cli, child->cli);
	if (!child)
		snprintf(path, sizeof(path), "%s/%.250s", parent->plural, name);
	else
		snprintf(path, sizeof(path), "%s/%.*s/%s/%.100s", parent->plural,
			 (int)(slash - name < 100 ? slash - name : 100), name, child->plural,
			 slash + 1);
	return model_walk(model, path, &type, &above, &object, err);
}

static int check_names(const struct flow_work *work, struct xlb_err *err)
{
	const struct flow_filter *filter = &work->filter;
	const struct {
		const char *name;
		const struct type *parent, *child;
	} names[] = {
		{ filter->load_balancer, &type_load_balancer, NULL },
		{ filter->listener, &type_load_balancer, &type_listener },
		{ filter->group, &type_server_group, NULL },
		{ filter->server, &type_server_group, &type_server },
	};
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].name)
			r = check_name(engine_model(work->api->engine), names[i].parent,
				       names[i].child, names[i].name, err);
	return r;
}

static int read_filter(struct flow_work *work, struct xlb_err *err)
{
	struct ids *ids = engine_ids(work->api->engine);
	struct flow_filter *filter = &work->filter;
	bool found;
	int r;

	filter->load_balancer = query_text(work->call, "load_balancer");
	filter->listener = query_text(work->call, "listener");
	filter->group = query_text(work->call, "group");
	filter->server = query_text(work->call, "server");
	r = read_end(work->call, "client", &filter->client, err);
	if (!r)
		r = read_end(work->call, "vip", &filter->vip, err);
	if (!r)
		r = read_words(work->call, filter, err);
	if (r)
		return r;
	if (flow_filter_resolve(filter, ids, &found))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	work->ids_version = ids_version(ids);
	return found ? 0 : check_names(work, err);
}

/* --- work ---------------------------------------------------------------------------------------- */

int flow_work_open(struct flow_work *work, struct call *call, event_callback_fn run, void *arg,
		   struct xlb_err *err)
{
	int r;

	if (call->api->flow_works == WORKS_MAX)
		return xlb_err_set(err, XLB_ERR_UNREACHABLE, -EBUSY,
				   "%d lists or kills of flows are under way: try again later",
				   WORKS_MAX);
	work->call = call;
	work->api = call->api;
	work->api->flow_works++;
	r = read_filter(work, err);
	if (r)
		return r;
	work->timer = event_new(work->api->base, -1, 0, run, arg);
	work->walk = flow_walk_new(engine_datapath(work->api->engine));
	return work->timer && work->walk ?
		       0 :
		       xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}

void flow_work_close(struct flow_work *work)
{
	if (!work->api)
		return;
	work->api->flow_works--;
	if (work->timer)
		event_free(work->timer);
	flow_walk_free(work->walk);
	flow_filter_done(&work->filter);
}

int flow_work_begin(struct flow_work *work, struct xlb_err *err)
{
	struct ids *ids = engine_ids(work->api->engine);
	bool ignored;

	if (call_is_abandoned(work->call))
		return xlb_err_set(err, XLB_ERR_FAILED, -ECANCELED, "the client has gone away");
	work->now = datapath_stamp();
	if (work->ids_version == ids_version(ids))
		return 0;
	if (flow_filter_resolve(&work->filter, ids, &ignored))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	work->ids_version = ids_version(ids);
	return 0;
}

uint8_t flow_work_meets(struct flow_work *work, const struct xlb_flow_key *key,
			const struct xlb_flow *flow)
{
	uint8_t state = flow_state(key, flow, work->now,
				   engine_idle_timeout(work->api->engine, flow->listener));

	work->scanned += state != 0;
	if (!flow_filter_matches(&work->filter, key, flow, state))
		return 0;
	work->matched++;
	return state;
}

int flow_work_pause(struct flow_work *work, uint32_t us)
{
	return event_add(work->timer, &(struct timeval){ .tv_usec = us }) ? -ENOMEM : 0;
}
