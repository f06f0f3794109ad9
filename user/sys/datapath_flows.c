/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The walk over the flow table, slice by slice. Flows are ended inside the kernel, by `xlb_flow_end`. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sys/datapath_private.h"

uint32_t datapath_stamp(void)
{
	return (uint32_t)(clock_ns(CLOCK_MONOTONIC_COARSE) >> XLB_STAMP_SHIFT);
}

uint32_t datapath_max_flows(const struct datapath *dp)
{
	return dp->maps[MAP_FLOWS].entries;
}

#define BATCH 512 /* records a system call, some 0.4 ms; more where one hash bucket holds more */

struct flow_walk {
	struct datapath *dp;
	uint32_t cursor;		/* of the kernel: where the next batch begins */
	bool started, last;		/* a batch was read; the one in the buffers is the last */
	uint32_t capacity, count, next; /* of the buffers; records in them; the one to visit next */
	struct xlb_flow_key *keys;
	struct xlb_flow *flows;
};

struct flow_walk *flow_walk_new(struct datapath *dp)
{
	struct flow_walk *walk = calloc(1, sizeof(*walk));

	if (walk)
		walk->dp = dp;
	return walk;
}

struct flow_walk *flow_walk_free(struct flow_walk *walk)
{
	if (!walk)
		return NULL;
	free(walk->keys);
	free(walk->flows);
	free(walk);
	return NULL;
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

/* Fills the buffers. The kernel hands out whole hash buckets: one may hold more than a batch. */
static int batch_read(struct flow_walk *walk, struct xlb_err *err)
{
	uint32_t size = walk->capacity ? walk->capacity : BATCH;

	for (;;) {
		uint32_t count = size, next;
		int r = buffers_grow(walk, size);

		if (r < 0)
			return datapath_err(err, r, "cannot walk the flow table");
		r = bpf_map_lookup_batch(walk->dp->maps[MAP_FLOWS].fd,
					 walk->started ? &walk->cursor : NULL, &next, walk->keys,
					 walk->flows, &count, NULL);
		if (r < 0 && errno == ENOSPC) {
			size *= 2;
			continue;
		}
		if (r < 0 && errno != ENOENT)
			return datapath_err(err, -errno, "cannot walk the flow table");
		walk->last = r < 0;
		walk->count = count;
		walk->next = 0;
		walk->started = true;
		walk->cursor = next;
		return 0;
	}
}

int datapath_flow_end(struct datapath *dp, const struct xlb_flow_key *key,
		      const struct xlb_flow *flow, enum flow_action action)
{
	static const uint32_t actions[] = {
		[FLOW_DELETE] = XLB_END_DELETE,
		[FLOW_TO_TOMBSTONE] = XLB_END_TOMBSTONE,
	};
	struct xlb_flow_end end = { .key = *key, .action = actions[action] };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &end, .ctx_size_in = sizeof(end));

	memcpy(&end.seen, flow, sizeof(end.seen));
	if (bpf_prog_test_run_opts(dp->flow_end_fd, &opts))
		return -errno;
	return (int)opts.retval;
}

int datapath_flow_get(struct datapath *dp, const struct xlb_flow_key *key, struct xlb_flow *ret)
{
	return bpf_map_lookup_elem(dp->maps[MAP_FLOWS].fd, key, ret) ? -errno : 0;
}

int flow_walk_next(struct flow_walk *walk, uint32_t budget, flow_visit visit, void *arg,
		   bool *ret_done, struct xlb_err *err)
{
	int r;

	while (budget--) {
		const struct xlb_flow_key *key;
		const struct xlb_flow *flow;
		enum flow_action action;

		while (walk->next == walk->count && !walk->last) {
			r = batch_read(walk, err);
			if (r < 0)
				return r;
		}
		if (walk->next == walk->count)
			break;
		key = &walk->keys[walk->next];
		flow = &walk->flows[walk->next++];
		action = visit(arg, key, flow);
		r = action == FLOW_KEEP ? 0 : datapath_flow_end(walk->dp, key, flow, action);
		if (r < 0 && r != -ENOENT && r != -EAGAIN)
			return datapath_err(err, r, "cannot end a flow");
	}
	*ret_done = walk->last && walk->next == walk->count;
	if (*ret_done)
		walk->started = walk->last = false;
	return 0;
}
