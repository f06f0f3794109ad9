/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Per-CPU counters, summed. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys/datapath_private.h"

/* Adds up the `count` counters of an entry over all CPUs. */
static int entry_sum(struct datapath *dp, enum map_id map, uint32_t key, size_t count,
		     uint64_t *ret)
{
	int cpus = libbpf_num_possible_cpus();
	AUTO_FREE uint64_t *values = NULL;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus * count, sizeof(*values));
	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(dp->maps[map].fd, &key, values))
		return -errno;
	memset(ret, 0, count * sizeof(*ret));
	for (size_t i = 0; i < (size_t)cpus * count; i++)
		ret[i % count] += values[i];
	return 0;
}

static int entries_clear(struct datapath *dp, enum map_id map, uint32_t first, uint32_t entries,
			 size_t count)
{
	int cpus = libbpf_num_possible_cpus();
	AUTO_FREE uint64_t *zero = NULL;

	if (cpus < 0)
		return cpus;
	zero = calloc((size_t)cpus * count, sizeof(*zero));
	if (!zero)
		return -ENOMEM;
	for (uint32_t key = first; key < first + entries; key++)
		if (bpf_map_update_elem(dp->maps[map].fd, &key, zero, BPF_EXIST))
			return -errno;
	return 0;
}

int datapath_listener_counters(struct datapath *dp, uint32_t listener, uint64_t *ret)
{
	return entry_sum(dp, MAP_LISTENER_COUNTERS, listener, XLB_COUNT_MAX, ret);
}

int datapath_server_counters(struct datapath *dp, uint32_t server, uint64_t *ret)
{
	return entry_sum(dp, MAP_SERVER_COUNTERS, server, XLB_COUNT_MAX, ret);
}

int datapath_interface_counters(struct datapath *dp, uint32_t slot, uint64_t *ret)
{
	return entry_sum(dp, MAP_INTERFACE_COUNTERS, slot, XLB_IFCOUNT_MAX, ret);
}

_Static_assert((int)XLB_DROP_COUNT <= XLB_DROP_STRIDE,
	       "the reasons of a slot do not reach into the next");

int datapath_drop_counters(struct datapath *dp, uint32_t slot, uint64_t *ret)
{
	uint64_t sums[XLB_DROP_COUNT];

	if (slot >= XLB_MAX_INTERFACES)
		return -ENOENT;
	for (uint32_t reason = 0; reason < XLB_DROP_COUNT; reason++) {
		int r = entry_sum(dp, MAP_DROPS, slot * XLB_DROP_STRIDE + reason, 1, &sums[reason]);

		if (r < 0)
			return r;
	}
	memcpy(ret, sums, sizeof(sums));
	return 0;
}

/*
 * The program may write while this reads: what is torn is read again, and at last left as it is if the CPU
 * does nothing but drop.
 */
int datapath_drop_sample(struct datapath *dp, uint32_t reason, struct xlb_drop_sample *ret)
{
	AUTO_FREE struct xlb_drop_sample *samples = NULL;
	const struct xlb_drop_sample *last = NULL;
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	samples = calloc((size_t)cpus, sizeof(*samples));
	if (!samples)
		return -ENOMEM;
	for (int tries = 0; tries < 8; tries++) {
		bool torn = false;

		if (bpf_map_lookup_elem(dp->maps[MAP_DROP_SAMPLES].fd, &reason, samples))
			return -errno;
		last = NULL;
		for (int i = 0; i < cpus; i++) {
			torn |= samples[i].sequence & 1;
			if (samples[i].time && (!last || samples[i].time > last->time))
				last = &samples[i];
		}
		if (!torn)
			break;
	}
	if (!last)
		return -ENOENT;
	*ret = *last;
	if (ret->captured > sizeof(ret->data))
		ret->captured = sizeof(ret->data);
	return 0;
}

int datapath_evictions(struct datapath *dp, uint64_t *ret)
{
	return entry_sum(dp, MAP_EVICTIONS, 0, 1, ret);
}

int datapath_clear_counters(struct datapath *dp, enum table_id table, uint32_t id)
{
	int r;

	switch (table) {
	case TABLE_LISTENER:
		return entries_clear(dp, MAP_LISTENER_COUNTERS, id, 1, XLB_COUNT_MAX);
	case TABLE_SERVER:
		return entries_clear(dp, MAP_SERVER_COUNTERS, id, 1, XLB_COUNT_MAX);
	case TABLE_INTERFACE:
		r = entries_clear(dp, MAP_INTERFACE_COUNTERS, id, 1, XLB_IFCOUNT_MAX);
		return r < 0 ? r :
			       entries_clear(dp, MAP_DROPS, id * XLB_DROP_STRIDE, XLB_DROP_STRIDE,
					     1);
	default:
		return -EINVAL;
	}
}
