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

/* The same for entries first .. first + count - 1, each of `width` counters, with one call of the kernel. */
static int entries_sum(struct datapath *dp, enum map_id map, uint32_t first, uint32_t count,
		       size_t width, uint64_t *ret)
{
	int cpus = libbpf_num_possible_cpus();
	uint32_t before = first - 1, last, got = count;
	AUTO_FREE uint64_t *values = NULL;
	AUTO_FREE uint32_t *keys = NULL;
	size_t per_entry;

	if (cpus < 0)
		return cpus;
	per_entry = (size_t)cpus * width;
	values = calloc(count * per_entry, sizeof(*values));
	keys = calloc(count, sizeof(*keys));
	if (!values || !keys)
		return -ENOMEM;
	/* -ENOENT: the map ends here */
	if (bpf_map_lookup_batch(dp->maps[map].fd, first ? &before : NULL, &last, keys, values,
				 &got, NULL) &&
	    errno != ENOENT)
		return -errno;
	if (got < count)
		return -ENOENT;
	memset(ret, 0, count * width * sizeof(*ret));
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < per_entry; j++)
			ret[i * width + j % width] += values[i * per_entry + j];
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

int datapath_flow_counters(struct datapath *dp, enum table_id table, uint32_t first, uint32_t count,
			   uint64_t (*ret)[XLB_COUNT_MAX])
{
	enum map_id map = table == TABLE_SERVER ? MAP_SERVER_COUNTERS : MAP_LISTENER_COUNTERS;

	return entries_sum(dp, map, first, count, XLB_COUNT_MAX, *ret);
}

void datapath_server_others(struct datapath *dp, uint32_t server, uint64_t connections)
{
	if (server < XLB_MAX_SERVERS)
		*(volatile uint64_t *)map_entry(&dp->maps[MAP_SERVER_OTHERS], server) = connections;
}

int datapath_interface_counters(struct datapath *dp, uint32_t slot, uint64_t *ret)
{
	return entry_sum(dp, MAP_INTERFACE_COUNTERS, slot, XLB_IFCOUNT_MAX, ret);
}

_Static_assert((int)XLB_DROP_COUNT <= XLB_DROP_STRIDE,
	       "the reasons of a slot do not reach into the next");

int datapath_drop_counters(struct datapath *dp, uint32_t slot, uint64_t *ret)
{
	if (slot >= XLB_MAX_INTERFACES)
		return -ENOENT;
	return entries_sum(dp, MAP_DROPS, slot * XLB_DROP_STRIDE, XLB_DROP_COUNT, 1, ret);
}

/* Whether some CPU wrote while `samples` and then `again` were read. */
static bool is_torn(const struct xlb_drop_sample *samples, const struct xlb_drop_sample *again,
		    int cpus)
{
	for (int i = 0; i < cpus; i++)
		if (samples[i].sequence & 1 || samples[i].sequence != again[i].sequence)
			return true;
	return false;
}

/* What is torn is read again, and at last left as it is: a CPU may do nothing but drop. */
int datapath_drop_sample(struct datapath *dp, uint32_t reason, struct xlb_drop_sample *ret)
{
	AUTO_FREE struct xlb_drop_sample *samples = NULL;
	const struct xlb_drop_sample *last = NULL, *again;
	int cpus = libbpf_num_possible_cpus(), fd = dp->maps[MAP_DROP_SAMPLES].fd;

	if (cpus < 0)
		return cpus;
	samples = calloc(2 * (size_t)cpus, sizeof(*samples));
	if (!samples)
		return -ENOMEM;
	again = samples + cpus;
	for (int tries = 0; tries < 8; tries++) {
		if (bpf_map_lookup_elem(fd, &reason, samples) ||
		    bpf_map_lookup_elem(fd, &reason, samples + cpus))
			return -errno;
		if (!is_torn(samples, again, cpus))
			break;
	}
	for (int i = 0; i < cpus; i++)
		if (samples[i].time && (!last || samples[i].time > last->time))
			last = &samples[i];
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
