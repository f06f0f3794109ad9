/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The walk over the flow table, slice by slice. Flows are ended inside the kernel, by `xlb_flow_end`. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sys/datapath_private.h"

uint32_t datapath_stamp(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint32_t)(((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec) >>
			  XLB_STAMP_SHIFT);
}

uint32_t datapath_max_flows(const struct datapath *dp)
{
	return dp->maps[MAP_FLOWS].entries;
}

static int buffers_grow(struct flow_walk *walk, uint32_t capacity)
{
	struct xlb_flow_key *keys;
	struct xlb_flow *flows;

	if (capacity <= walk->capacity)
		return 0;
	keys = reallocarray(walk->keys, capacity, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	walk->keys = keys;
	flows = reallocarray(walk->flows, capacity, sizeof(*flows));
	if (!flows)
		return -ENOMEM;
	walk->flows = flows;
	walk->capacity = capacity;
	return 0;
}

/*
 * Reads the next slice. The kernel hands out whole hash buckets: one that holds more than `budget` flows
 * is read with a larger budget.
 */
static int slice_read(struct datapath *dp, uint32_t budget, uint32_t *ret_count, bool *ret_end,
		      struct xlb_err *err)
{
	struct flow_walk *walk = &dp->walk;

	for (;;) {
		uint32_t count = budget, next;
		int r = buffers_grow(walk, budget);

		if (r < 0)
			return datapath_err(err, r, "cannot walk the flow table");
		r = bpf_map_lookup_batch(dp->maps[MAP_FLOWS].fd,
					 walk->started ? &walk->cursor : NULL, &next, walk->keys,
					 walk->flows, &count, NULL);
		if (r < 0 && errno == ENOSPC) {
			budget *= 2;
			continue;
		}
		if (r < 0 && errno != ENOENT)
			return datapath_err(err, -errno, "cannot walk the flow table");
		*ret_end = r < 0;
		*ret_count = count;
		walk->started = r == 0;
		walk->cursor = next;
		return 0;
	}
}

/* The program does nothing to a flow whose first word is no longer what was seen. */
static int flow_end(struct datapath *dp, const struct xlb_flow_key *key,
		    const struct xlb_flow *flow, uint32_t action)
{
	struct xlb_flow_end end = { .key = *key, .action = action };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &end, .ctx_size_in = sizeof(end));

	memcpy(&end.seen, flow, sizeof(end.seen));
	return bpf_prog_test_run_opts(dp->flow_end_fd, &opts) ? -errno : 0;
}

int datapath_walk_flows(struct datapath *dp, uint32_t budget, flow_visit visit, void *arg,
			bool *ret_done, struct xlb_err *err)
{
	static const uint32_t actions[] = {
		[FLOW_DELETE] = XLB_END_DELETE,
		[FLOW_TO_TOMBSTONE] = XLB_END_TOMBSTONE,
	};
	uint32_t count = 0;
	bool end = false;
	int r = slice_read(dp, budget ? budget : 1, &count, &end, err);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < count; i++) {
		const struct xlb_flow_key *key = &dp->walk.keys[i];
		const struct xlb_flow *flow = &dp->walk.flows[i];
		enum flow_action action = visit(arg, key, flow);

		r = action == FLOW_KEEP ? 0 : flow_end(dp, key, flow, actions[action]);
		if (r < 0)
			return datapath_err(err, r, "cannot end a flow");
	}
	*ret_done = end;
	return 0;
}
