// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Slow start: how long servers have taken new flows, of which compile makes parts of their weights, and when groups in which
 * one starts are compiled again. What compile has found is adopted with its rows, so both always agree.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/object.h"
#include "xlbd/engine_private.h"

#define STEPS	 20	       /* compiles during a start */
#define STEP_MIN NS_PER_SECOND /* of a group, for this */
#define AGES_AGO 1	       /* a server that was up when xlbd was started */
#define ALL	 100

struct server_start {
	uint64_t since; /* CLOCK_MONOTONIC ns, or AGES_AGO; 0: it takes no new flows */
	uint32_t group; /* id */
	uint8_t part;	/* as compiled */
	bool seen;	/* in what is being adopted */
};

uint64_t engine_served(const struct engine *engine, uint32_t server)
{
	uint64_t since = engine->slow_starts.servers[server].since;

	if (!engine->slow_starts.known || since == AGES_AGO)
		return UINT64_MAX;
	return since ? (clock_ns(CLOCK_MONOTONIC) - since) / NS_PER_MS : 0;
}

static const struct server_group *group_of(const struct engine *engine, uint32_t id)
{
	const struct id_entry *entry = ids_by_id(engine->ids, ID_GROUP, id);

	return entry ? model_group(engine->model, entry->key) : NULL;
}

static uint64_t left_ms(const struct engine *engine, const struct server_group *group,
			uint32_t server)
{
	uint64_t served = engine_served(engine, server);

	return group->slow_start != UINT64_MAX && served < group->slow_start ?
		       group->slow_start - served :
		       0;
}

bool engine_is_starting(const struct engine *engine, uint32_t server, struct slow_start *ret)
{
	const struct server_start *start = &engine->slow_starts.servers[server];
	const struct server_group *group;

	if (!start->part || start->part >= ALL)
		return false;
	group = group_of(engine, start->group);
	if (!group)
		return false;
	*ret = (struct slow_start){ start->part, left_ms(engine, group, server) };
	return true;
}

/* --- time --- */

static void start_timer(struct engine *engine)
{
	uint64_t first = UINT64_MAX, now = clock_ns(CLOCK_MONOTONIC), left;
	struct timeval delay;

	for (uint32_t id = 0; id < XLB_MAX_GROUPS; id++)
		if (engine->slow_starts.due[id] && engine->slow_starts.due[id] < first)
			first = engine->slow_starts.due[id];
	evtimer_del(engine->slow_starts.timer);
	if (first == UINT64_MAX)
		return;
	left = first > now ? first - now : 0;
	delay = (struct timeval){ .tv_sec = (time_t)(left / NS_PER_SECOND),
				  .tv_usec = (suseconds_t)(left % NS_PER_SECOND / 1000) };
	evtimer_add(engine->slow_starts.timer, &delay);
}

/* No more groups at once than can be compiled alone: others wait, rather than everything be compiled for this. */
static void compile_due(evutil_socket_t fd, short events, void *arg)
{
	struct engine *engine = arg;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	(void)fd;
	(void)events;
	for (uint32_t id = 0; id < XLB_MAX_GROUPS; id++) {
		uint64_t *due = &engine->slow_starts.due[id];
		const struct server_group *group;

		if (!*due || *due > now)
			continue;
		group = group_of(engine, id);
		if (group && engine->due_count < GROUPS_DUE_MAX)
			engine_schedule_group(engine, group->object.name);
		*due = group ? now + STEP_MIN : 0; /* unless a compile says otherwise */
	}
	start_timer(engine);
}

/* The group has a server that starts: when it is compiled next. */
static void note_due(struct engine *engine, uint32_t group_id, const struct server_group *group,
		     uint64_t left)
{
	uint64_t step = left < group->slow_start / STEPS ? left : group->slow_start / STEPS;
	uint64_t *due = &engine->slow_starts.due[group_id], next;

	next = clock_ns(CLOCK_MONOTONIC) +
	       (step * NS_PER_MS > STEP_MIN ? step * NS_PER_MS : STEP_MIN);
	if (!*due || next < *due)
		*due = next;
}

/* --- what was compiled --- */

static uint64_t since_when(const struct engine *engine, const struct server_part *part,
			   uint64_t before)
{
	if (!part->part)
		return 0;
	if (before)
		return before;
	/* what xlbd finds up when it starts has been so before */
	return !engine->slow_starts.known && part->up ? AGES_AGO : clock_ns(CLOCK_MONOTONIC);
}

static void adopt_server(struct engine *engine, const struct server_part *part)
{
	struct server_start *start = &engine->slow_starts.servers[part->server];
	bool started = start->part && start->part < ALL, starts = part->part && part->part < ALL;
	const struct server_group *group;
	uint64_t left;

	start->since = since_when(engine, part, start->since);
	start->group = part->group;
	start->part = part->part;
	start->seen = true;
	group = starts || started ? group_of(engine, part->group) : NULL;
	if (!group)
		return;
	left = left_ms(engine, group, part->server);
	if (starts)
		note_due(engine, part->group, group, left);
	if (started != starts && part->part)
		engine_events_slow_start(engine, part->server, group, part->part, left);
}

static void adopt_some(struct engine *engine, const struct compiled *compiled)
{
	uint32_t i;

	for (i = 0; i < compiled->part_count; i++)
		engine->slow_starts.due[compiled->parts[i].group] = 0;
	for (i = 0; i < compiled->part_count; i++)
		adopt_server(engine, &compiled->parts[i]);
}

/* Servers that are not in it are gone, or only finish their flows. */
static void adopt_all(struct engine *engine, const struct compiled *compiled)
{
	struct slow_starts *starts = &engine->slow_starts;
	uint32_t id;

	memset(starts->due, 0, XLB_MAX_GROUPS * sizeof(*starts->due));
	for (id = 0; id < XLB_MAX_SERVERS; id++)
		starts->servers[id].seen = false;
	adopt_some(engine, compiled);
	for (id = 0; id < XLB_MAX_SERVERS; id++)
		if (!starts->servers[id].seen)
			starts->servers[id] = (struct server_start){};
}

void engine_slow_start_adopted(struct engine *engine, const struct compiled *compiled, bool part)
{
	if (part)
		adopt_some(engine, compiled);
	else
		adopt_all(engine, compiled);
	engine->slow_starts.known = true;
	start_timer(engine);
}

int engine_slow_start_open(struct engine *engine, struct xlb_err *err)
{
	struct slow_starts *starts = &engine->slow_starts;

	starts->servers = calloc(XLB_MAX_SERVERS, sizeof(*starts->servers));
	starts->due = calloc(XLB_MAX_GROUPS, sizeof(*starts->due));
	starts->timer = evtimer_new(engine->base, compile_due, engine);
	if (!starts->servers || !starts->due || !starts->timer)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	return 0;
}

void engine_slow_start_close(struct engine *engine)
{
	if (engine->slow_starts.timer)
		event_free(engine->slow_starts.timer);
	free(engine->slow_starts.servers);
	free(engine->slow_starts.due);
}
