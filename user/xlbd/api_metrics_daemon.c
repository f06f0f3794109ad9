// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The samples that belong to no object. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "xlbd/api_config.h"
#include "xlbd/api_metrics.h"
#include "xlbd/version.h"

static void put(struct scrape *scrape, enum metric_id family, uint64_t number)
{
	scrape_uint(scrape, family, "", NULL, NULL, number);
}

static double seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static void put_build(struct scrape *scrape)
{
	unsigned long long pages, resident = 0;
	AUTO_FCLOSE FILE *statm = fopen("/proc/self/statm", "re");
	char labels[LABELS_MAX] = "";
	struct utsname kernel = {};
	struct rusage usage = {};

	uname(&kernel);
	label_add(labels, "version", XLB_VERSION);
	label_add(labels, "kernel", kernel.release);
	label_add(labels, "xlb_instance", scrape->api->paths.instance);
	scrape_uint(scrape, METRIC_BUILD_INFO, labels, NULL, NULL, 1);
	put(scrape, METRIC_PROCESS_START, (uint64_t)scrape->api->started_at);
	getrusage(RUSAGE_SELF, &usage);
	scrape_real(scrape, METRIC_PROCESS_CPU, "", NULL, NULL,
		    seconds(&usage.ru_utime) + seconds(&usage.ru_stime));
	if (statm && fscanf(statm, "%llu %llu", &pages, &resident) == 2)
		put(scrape, METRIC_PROCESS_RESIDENT, resident * (uint64_t)sysconf(_SC_PAGESIZE));
}

static void put_operations(struct scrape *scrape, const char *type, uint64_t all, uint64_t failed)
{
	char labels[LABELS_MAX] = "";

	label_add(labels, "type", type);
	scrape_uint(scrape, METRIC_OPERATIONS, labels, "result", "success", all - failed);
	scrape_uint(scrape, METRIC_OPERATIONS, labels, "result", "failure", failed);
}

static void put_config(struct scrape *scrape, const struct engine *engine)
{
	const struct engine_stats *stats = engine_stats(engine);

	put(scrape, METRIC_REVISION, engine_revision(engine));
	put(scrape, METRIC_FILE_DIFFERS, config_differs(scrape->api));
	put(scrape, METRIC_PENDING, engine_is_pending(engine));
	if (stats->last_change) {
		put(scrape, METRIC_APPLY_SUCCESS, stats->last_change_ok);
		put(scrape, METRIC_APPLY_TIME, stats->last_change);
	}
	put_operations(scrape, "change", stats->changes, stats->changes_failed);
	put_operations(scrape, "reconcile", stats->reconciles, stats->reconciles_failed);
}

static void count_id(void *arg, struct id_entry *entry)
{
	uint64_t *count = arg;

	(void)entry;
	(*count)++;
}

static void put_flows(struct scrape *scrape, const struct engine *engine)
{
	static const char *const flow_maps[XLB_FLOW_TABLES] = {
		[XLB_TABLE_IPV4] = "flows_ipv4",
		[XLB_TABLE_IPV6] = "flows_ipv6",
		[XLB_TABLE_REPLIES] = "flow_replies",
	};
	static const char *const expiries[EXPIRY_COUNT] = {
		[EXPIRY_IDLE] = "idle",
		[EXPIRY_CLOSED] = "closed",
		[EXPIRY_CUT] = "cut",
		[EXPIRY_DENIED] = "denied",
	};
	static const struct {
		enum id_kind kind;
		const char *map;
		uint32_t capacity;
	} spaces[] = {
		{ ID_INTERFACE, "interfaces", XLB_MAX_INTERFACES },
		{ ID_VIP, "vips", XLB_MAX_VIPS },
		{ ID_LISTENER, "listeners", XLB_MAX_LISTENERS },
		{ ID_GROUP, "groups", XLB_MAX_GROUPS },
		{ ID_SERVER, "servers", XLB_MAX_SERVERS },
		{ ID_NEXTHOP, "nexthops", XLB_MAX_NEXTHOPS },
		{ ID_LB, "load_balancers", XLB_MAX_LBS },
		{ ID_RULE_SET, "rule_sets", XLB_MAX_RULE_SETS },
		{ ID_SNAT, "snats", XLB_MAX_SNATS },
		{ ID_BITMAP, "snat_bitmaps", XLB_SNAT_CHUNKS * XLB_SNAT_PER_CHUNK },
	};
	const struct engine_stats *stats = engine_stats(engine);
	uint64_t evicted;
	size_t i;

	put(scrape, METRIC_FLOWS, engine_flows_total(engine));
	for (i = 0; i < EXPIRY_COUNT; i++)
		scrape_uint(scrape, METRIC_FLOWS_EXPIRED, "", "reason", expiries[i],
			    stats->expired[i]);
	if (!datapath_evictions(engine_datapath(engine), &evicted))
		put(scrape, METRIC_FLOWS_EVICTED, evicted);
	put(scrape, METRIC_FLOWS_MAX, engine_max_flows(engine));
	put(scrape, METRIC_FLOW_TABLE_BYTES, datapath_tables_memory(engine_datapath(engine)));
	for (i = 0; i < XLB_FLOW_TABLES; i++) {
		scrape_uint(scrape, METRIC_MAP_ENTRIES, "", "map", flow_maps[i],
			    engine_table_used(engine, i));
		scrape_uint(scrape, METRIC_MAP_CAPACITY, "", "map", flow_maps[i],
			    datapath_table_room(engine_datapath(engine), i));
	}
	for (i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		uint64_t count = 0;

		ids_each(engine_ids(engine), spaces[i].kind, count_id, &count);
		scrape_uint(scrape, METRIC_MAP_ENTRIES, "", "map", spaces[i].map, count);
		scrape_uint(scrape, METRIC_MAP_CAPACITY, "", "map", spaces[i].map,
			    spaces[i].capacity - 1); /* 0 is no id */
	}
}

int scrape_daemon(void *arg, struct view *view, const struct object *object)
{
	struct scrape *scrape = arg;

	(void)object;
	if (scrape_wants(scrape, SCOPE_BUILD))
		put_build(scrape);
	if (scrape_wants(scrape, SCOPE_CONFIG))
		put_config(scrape, view->engine);
	if (scrape_wants(scrape, SCOPE_FLOWS))
		put_flows(scrape, view->engine);
	return scrape->failed ? -ENOMEM : 0;
}
