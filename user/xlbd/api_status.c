// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The whole state on one page. */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "xlbd/api_query.h"
#include "xlbd/api_summary.h"
#include "xlbd/state.h"
#include "xlbd/version.h"

struct retired {
	const struct engine *engine;
	json_t *list;
	uint64_t now;
};

static void add_retired(void *arg, struct id_entry *entry)
{
	struct retired *retired = arg;
	uint64_t flows, left = entry->deadline > retired->now ? entry->deadline - retired->now : 0;

	if (entry->live)
		return;
	flows = engine_flows(retired->engine, entry->kind, entry->id);
	if (!flows)
		return;
	json_array_append_new(
		retired->list,
		json_pack("{s:s, s:s, s:I, s:o}", "kind", state_kind_word(entry->kind), "key",
			  entry->key, "flows", (json_int_t)flows, "deadline",
			  entry->deadline == UINT64_MAX ? json_null() :
							  json_integer((json_int_t)left)));
}

static json_t *retired_json(const struct engine *engine)
{
	struct retired retired = { .engine = engine,
				   .list = json_array(),
				   .now = (uint64_t)time(NULL) };

	ids_each(engine_ids(engine), ID_SERVER, add_retired, &retired);
	ids_each(engine_ids(engine), ID_LISTENER, add_retired, &retired);
	ids_each(engine_ids(engine), ID_VIP, add_retired, &retired);
	return retired.list;
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

json_t *status_head(const struct api *api)
{
	const struct engine *engine = api->engine;
	struct drop_sum sum = { .datapath = engine_datapath(engine) };
	struct utsname kernel = {};
	struct timespec now;

	uname(&kernel);
	clock_gettime(CLOCK_MONOTONIC, &now);
	ids_each(engine_ids(engine), ID_INTERFACE, add_drops, &sum);
	return json_pack("{s:s, s:s, s:i, s:I, s:s, s:I, s:s, s:b, s:b, s:I, s:I, s:I, s:o, s:o}",
			 "version", XLB_VERSION, "instance", api->paths.instance, "pid",
			 (int)getpid(), "uptime", (json_int_t)(now.tv_sec - api->started), "kernel",
			 kernel.release, "revision", (json_int_t)engine_revision(engine), "origin",
			 engine_origin(engine), "pending", engine_is_pending(engine),
			 "file_differs", engine_file_differs(engine), "flows",
			 (json_int_t)engine_flows_total(engine), "max_flows",
			 (json_int_t)datapath_max_flows(sum.datapath), "confirm_in",
			 (json_int_t)engine_confirm_left(engine), "drops", drops_json(sum.drops),
			 "retired", retired_json(engine));
}

static int plan_status(struct listing *listing, const struct model *model, struct xlb_err *err)
{
	static const struct type *const sections[] = { &type_interface, &type_load_balancer,
						       &type_server_group };
	size_t i;
	int r;

	(void)err;
	r = listing_open(listing, status_head);
	for (i = 0; !r && i < sizeof(sections) / sizeof(sections[0]); i++) {
		r = listing_text(listing, ",");
		if (!r)
			r = listing_array(listing, model, sections[i], NULL);
	}
	if (!r)
		r = listing_text(listing, ",\"problems\":");
	if (!r)
		r = listing_problems(listing);
	return r ? r : listing_text(listing, "}\n");
}

void api_status(struct call *call)
{
	struct xlb_err err = {};
	bool summary;

	if (query_flag(call, "summary", &summary, &err))
		call_reply_err(call, &err);
	else
		listing_run(call, summary ? plan_summary : plan_status, true);
}
