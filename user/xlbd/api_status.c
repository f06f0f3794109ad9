// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The whole state on one page. */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "xlbd/api_config.h"
#include "xlbd/api_problems.h"
#include "xlbd/api_query.h"
#include "xlbd/api_summary.h"
#include "xlbd/api_tls.h"
#include "xlbd/state.h"
#include "xlbd/version.h"

struct retired {
	const struct engine *engine;
	struct json_out *out;
	uint64_t now;
};

static void put_retired_id(void *arg, struct id_entry *entry)
{
	struct retired *retired = arg;
	struct json_out *out = retired->out;
	uint64_t flows;

	if (entry->live)
		return;
	flows = engine_flows(retired->engine, entry->kind, entry->id);
	if (!flows)
		return;
	out_open(out, NULL, '{');
	out_text(out, "kind", state_kind_word(entry->kind));
	out_text(out, "key", entry->key);
	out_uint(out, "flows", flows);
	if (entry->deadline == UINT64_MAX)
		out_null(out, "deadline");
	else
		out_uint(out, "deadline",
			 entry->deadline > retired->now ? entry->deadline - retired->now : 0);
	out_close(out, '}');
}

static void put_retired(struct json_out *out, const struct engine *engine)
{
	struct retired retired = { .engine = engine, .out = out, .now = (uint64_t)time(NULL) };

	out_open(out, "retired", '[');
	ids_each(engine_ids(engine), ID_SERVER, put_retired_id, &retired);
	ids_each(engine_ids(engine), ID_LISTENER, put_retired_id, &retired);
	ids_each(engine_ids(engine), ID_VIP, put_retired_id, &retired);
	out_close(out, ']');
}

struct drop_sum {
	struct datapath *datapath;
	uint64_t drops[XLB_DROP_COUNT];
};

static void add_drops(void *arg, struct id_entry *entry)
{
	uint64_t drops[XLB_DROP_COUNT] = {};
	struct drop_sum *sum = arg;
	size_t i;

	if (datapath_drop_counters(sum->datapath, entry->id, drops))
		return;
	for (i = 0; i < XLB_DROP_COUNT; i++)
		sum->drops[i] += drops[i];
}

static void put_daemon(struct json_out *out, const struct api *api)
{
	struct utsname kernel = {};
	struct timespec now;

	uname(&kernel);
	clock_gettime(CLOCK_MONOTONIC, &now);
	out_text(out, "version", XLB_VERSION);
	out_text(out, "instance", api->paths.instance);
	out_uint(out, "pid", (uint64_t)getpid());
	out_uint(out, "uptime", (uint64_t)(now.tv_sec - api->started));
	out_text(out, "kernel", kernel.release);
}

int status_head(void *arg, struct view *view, const struct object *object)
{
	const struct engine *engine = view->engine;
	struct drop_sum sum = { .datapath = engine_datapath(engine) };
	struct json_out *out = &view->out;

	(void)arg;
	(void)object;
	ids_each(engine_ids(engine), ID_INTERFACE, add_drops, &sum);
	out_open(out, NULL, '{');
	put_daemon(out, view->api);
	out_uint(out, "revision", engine_revision(engine));
	out_text(out, "origin", engine_origin(engine));
	out_bool(out, "pending", engine_is_pending(engine));
	out_bool(out, "file_differs", config_differs(view->api));
	out_uint(out, "flows", engine_flows_total(engine));
	out_uint(out, "max_flows", engine_max_flows(engine));
	out_uint(out, "confirm_in", engine_confirm_left(engine));
	view_drops(view, "drops", sum.drops);
	put_retired(out, engine);
	view_tls_engine(view);
	return 0;
}

static int plan_status(struct listing *listing, const struct model *model, struct xlb_err *err)
{
	static const struct type *const sections[] = { &type_interface, &type_load_balancer,
						       &type_server_group };
	size_t i;
	int r;

	(void)err;
	r = listing_visit_object(listing, status_head, NULL);
	for (i = 0; !r && i < sizeof(sections) / sizeof(sections[0]); i++) {
		r = listing_text(listing, ",");
		if (!r)
			r = listing_array(listing, model, sections[i], NULL);
	}
	if (!r)
		r = listing_text(listing, ",\"problems\":");
	if (!r)
		r = listing_visit_object(listing, problems_print, NULL);
	return r ? r : listing_text(listing, "}\n");
}

static void run_status(struct call *call)
{
	listing_run(call, &(struct listing_kind){ .plan = plan_status, .with_problems = true });
}

void api_status(struct call *call)
{
	struct xlb_err err = {};
	bool summary;

	if (query_flag(call, "summary", &summary, &err))
		call_reply_err(call, &err);
	else
		call_know_config(call, summary ? run_summary : run_status);
}
