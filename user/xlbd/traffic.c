// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define RING (TRAFFIC_WINDOW + 1)

struct sample {
	uint64_t time; /* monotonic ns */
	uint64_t counters[XLB_IFCOUNT_MAX], drops[XLB_DROP_COUNT];
};

/* The last samples of one slot. */
struct history {
	uint32_t count, next; /* samples in the ring, where the next one goes */
	struct sample ring[RING];
};

struct traffic {
	const struct engine *engine;
	struct event *timer;
	struct history *slots[XLB_MAX_INTERFACES]; /* NULL: never looked at */
};

static const struct sample *sample_back(const struct history *history, uint32_t steps)
{
	return &history->ring[(history->next + RING - 1 - steps) % RING];
}

/* A slot that was given to another NIC counts from zero again. */
static bool went_back(const struct sample *now, const struct sample *before)
{
	size_t i;

	for (i = 0; i < XLB_IFCOUNT_MAX; i++)
		if (now->counters[i] < before->counters[i])
			return true;
	for (i = 0; i < XLB_DROP_COUNT; i++)
		if (now->drops[i] < before->drops[i])
			return true;
	return false;
}

static void look(void *arg, struct id_entry *entry)
{
	struct traffic *traffic = arg;
	struct datapath *datapath = engine_datapath(traffic->engine);
	struct sample sample = {};
	struct history *history;

	if (entry->id >= XLB_MAX_INTERFACES ||
	    datapath_interface_counters(datapath, entry->id, sample.counters) ||
	    datapath_drop_counters(datapath, entry->id, sample.drops))
		return;
	history = traffic->slots[entry->id];
	if (!history)
		history = traffic->slots[entry->id] = calloc(1, sizeof(*history));
	if (!history)
		return;
	sample.time = clock_ns(CLOCK_MONOTONIC);
	if (history->count && went_back(&sample, sample_back(history, 0)))
		history->count = 0;
	history->ring[history->next] = sample;
	history->next = (history->next + 1) % RING;
	if (history->count < RING)
		history->count++;
}

static void tick(evutil_socket_t fd, short events, void *arg)
{
	struct traffic *traffic = arg;

	(void)fd;
	(void)events;
	ids_each(engine_ids(traffic->engine), ID_INTERFACE, look, traffic);
}

struct traffic *traffic_new(struct event_base *base, const struct engine *engine)
{
	struct traffic *traffic = calloc(1, sizeof(*traffic));

	if (!traffic)
		return NULL;
	traffic->engine = engine;
	traffic->timer = event_new(base, -1, EV_PERSIST, tick, traffic);
	if (!traffic->timer || event_add(traffic->timer, &(struct timeval){ .tv_sec = 1 }))
		return traffic_free(traffic);
	return traffic;
}

struct traffic *traffic_free(struct traffic *traffic)
{
	size_t i;

	if (!traffic)
		return NULL;
	if (traffic->timer)
		event_free(traffic->timer);
	for (i = 0; i < XLB_MAX_INTERFACES; i++)
		free(traffic->slots[i]);
	free(traffic);
	return NULL;
}

bool traffic_rates(const struct traffic *traffic, uint32_t slot, struct traffic_rates *ret)
{
	const struct history *history = slot < XLB_MAX_INTERFACES ? traffic->slots[slot] : NULL;
	const struct sample *now, *before, *oldest;
	double seconds;
	size_t i;

	if (!history || history->count < 2)
		return false;
	now = sample_back(history, 0);
	before = sample_back(history, 1);
	oldest = sample_back(history, history->count - 1);
	seconds = (double)(now->time - before->time) / 1e9;
	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < XLB_IFCOUNT_MAX; i++)
		ret->counters[i] = (double)(now->counters[i] - before->counters[i]) / seconds;
	for (i = 0; i < XLB_DROP_COUNT; i++) {
		ret->reasons[i] = (double)(now->drops[i] - before->drops[i]) / seconds;
		ret->drops += ret->reasons[i];
		ret->recent[i] = now->drops[i] - oldest->drops[i];
	}
	return true;
}
