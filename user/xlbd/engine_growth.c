// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Flow tables grow when the sweep finds them more than FILLED_PERCENT full, half-open flows left out, and shrink when
 * the configuration wants them smaller. One table at a time; what waits for the kernel is done in a thread.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "xlbd/engine_private.h"

#define FILLED_PERCENT 70
#define STEP_ENTRIES   2000 /* less than half a millisecond */
#define STEP_PAUSE_US  1000
#define LATER_SECONDS  1
#define RETRY_NS       (60 * NS_PER_SECOND)
#define FLOWS_MAX      (1U << 28)

const char *const engine_table_words[XLB_FLOW_TABLES] = {
	[XLB_TABLE_IPV4] = "ipv4",
	[XLB_TABLE_IPV6] = "ipv6",
	[XLB_TABLE_REPLIES] = "replies",
};

/* Bytes that tables for so many IPv4 flows with replies take at most, while they grow from half of that. */
static uint64_t growing_bytes(uint32_t flows)
{
	uint64_t bytes = datapath_table_bytes(XLB_TABLE_IPV4, flows) +
			 datapath_table_bytes(XLB_TABLE_REPLIES, flows);

	return bytes + bytes / 2;
}

/* Flows of each family for which half of the machine's memory is enough. */
static uint32_t default_max(void)
{
	uint64_t total, available;
	uint32_t flows = FLOWS_MAX;

	if (host_memory(&total, &available))
		return XLB_DEFAULT_FLOWS;
	while (flows > XLB_DEFAULT_FLOWS && growing_bytes(flows) > total / 2)
		flows -= flows / 8;
	return flows;
}

uint32_t engine_max_flows(const struct engine *engine)
{
	uint32_t max = engine->model->flow_table.max;

	return max ? max : engine->growth.default_max;
}

int engine_check_flow_table(const struct model *model, struct xlb_err *err)
{
	uint32_t max = model->flow_table.max;
	uint64_t total, available;

	if (!max || host_memory(&total, &available) || growing_bytes(max) <= total)
		return 0;
	xlb_err_set(
		err, XLB_ERR_CONFIG, -ENOMEM,
		"flow_table.max %u: tables for so many flows, and those that they grow from, take %llu MiB; this machine has %llu MiB",
		max, (unsigned long long)(growing_bytes(max) >> 20),
		(unsigned long long)(total >> 20));
	xlb_err_hint(err, "without flow_table.max they grow to what half of the memory holds");
	snprintf(err->pointer, sizeof(err->pointer), "/flow_table/max");
	return -ENOMEM;
}

uint32_t engine_table_max(const struct engine *engine, enum xlb_flow_table_id id)
{
	return engine_max_flows(engine) * (id == XLB_TABLE_REPLIES ? 2 : 1);
}

static uint32_t wanted_room(const struct engine *engine, enum xlb_flow_table_id id)
{
	uint32_t room = datapath_table_room(engine->datapath, id);
	uint64_t used = engine_table_used(engine, id) * 100;
	uint32_t max = engine_table_max(engine, id);

	if (room < max && used > (uint64_t)room * FILLED_PERCENT)
		return room > max / 2 ? max : 2 * room;
	/* only one that was asked for */
	if (engine->model->flow_table.max && room > max && used <= (uint64_t)max * FILLED_PERCENT)
		return max;
	return room;
}

/* Memory that is wanted for other things by now is not taken. */
static int check_memory(struct engine *engine, enum xlb_flow_table_id id, uint32_t room,
			struct xlb_err *err)
{
	uint64_t bytes = datapath_table_bytes(id, room), total, available;
	uint64_t all = datapath_tables_memory(engine->datapath) + bytes;

	if (host_memory(&total, &available))
		return 0;
	if (bytes + total / 16 > available)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM,
				   "it needs %llu MiB, of the machine's memory %llu MiB are free",
				   (unsigned long long)(bytes >> 20),
				   (unsigned long long)(available >> 20));
	if (!engine->model->flow_table.max && all > total / 2)
		return xlb_err_set(
			err, XLB_ERR_FAILED, -ENOMEM,
			"flow tables would take %llu MiB, more than half of the machine's memory, and there is no flow_table.max that allows it",
			(unsigned long long)(all >> 20));
	return 0;
}

/* --- one resize -------------------------------------------------------------------------------------- */

static void schedule(struct growth *growth, uint32_t seconds, uint32_t us)
{
	struct timeval pause = { .tv_sec = seconds, .tv_usec = (suseconds_t)us };

	evtimer_add(growth->timer, &pause);
}

static void fail(struct engine *engine, enum xlb_flow_table_id id, const char *why)
{
	struct growth *growth = &engine->growth;

	snprintf(growth->trouble, sizeof(growth->trouble),
		 "the flow table %s cannot get another size: %s", engine_table_words[id], why);
	log_warning("%s, proceeding with the present one", growth->trouble);
	growth->retry_at = clock_ns(CLOCK_MONOTONIC) + RETRY_NS;
}

static void begin(struct engine *engine, enum xlb_flow_table_id id, uint32_t room)
{
	struct growth *growth = &engine->growth;
	struct xlb_err err = {};

	if (!check_memory(engine, id, room, &err))
		growth->resize = table_resize_new(engine->datapath, id, room, &err);
	if (!growth->resize) {
		fail(engine, id, err.text);
		return;
	}
	growth->trouble[0] = '\0';
	growth->before = datapath_table_room(engine->datapath, id);
	growth->began = clock_ns(CLOCK_MONOTONIC);
	schedule(growth, 0, STEP_PAUSE_US);
}

/* What a predecessor has left half done comes first. */
static int take_over(struct engine *engine, struct xlb_err *err)
{
	struct growth *growth = &engine->growth;

	growth->before = 0;
	for (uint32_t id = 0; id < XLB_FLOW_TABLES && !growth->resize; id++) {
		int r = table_resize_left(engine->datapath, id, &growth->resize, err);

		if (r)
			return r;
	}
	if (growth->resize)
		schedule(growth, 0, STEP_PAUSE_US);
	return 0;
}

static void end(struct engine *engine, enum table_resize_state state, const struct xlb_err *err)
{
	struct growth *growth = &engine->growth;
	enum xlb_flow_table_id id = table_resize_table(growth->resize);
	struct xlb_err left = {};

	if (state == TABLE_RESIZE_FAILED)
		fail(engine, id, err->text);
	else if (growth->before)
		engine_events_table(engine, id, growth->before,
				    clock_ns(CLOCK_MONOTONIC) - growth->began);
	growth->resize = table_resize_free(growth->resize);
	if (take_over(engine, &left))
		log_warning("%s, proceeding", left.text);
}

/* What a step has come to. */
static void take_state(struct engine *engine, enum table_resize_state state,
		       const struct xlb_err *err)
{
	switch (state) {
	case TABLE_RESIZE_GOES_ON:
		schedule(&engine->growth, 0, STEP_PAUSE_US);
		break;
	case TABLE_RESIZE_LATER:
		schedule(&engine->growth, LATER_SECONDS, 0);
		break;
	case TABLE_RESIZE_DONE:
	case TABLE_RESIZE_FAILED:
		end(engine, state, err);
		break;
	}
}

static void *wait_for_kernel(void *arg)
{
	struct growth *growth = arg;
	uint64_t one = 1;

	do
		growth->state = table_resize_step(growth->resize, 0, &growth->err);
	while (growth->state == TABLE_RESIZE_GOES_ON && table_resize_waits(growth->resize) &&
	       !growth->stop);
	if (write(growth->fd, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes any count below its limit */
	return NULL;
}

static void waited(evutil_socket_t fd, short events, void *arg)
{
	struct engine *engine = arg;
	struct growth *growth = &engine->growth;
	uint64_t count;

	(void)events;
	if (read(fd, &count, sizeof(count)) != sizeof(count) || !growth->waiting)
		return;
	pthread_join(growth->thread, NULL);
	growth->waiting = false;
	take_state(engine, growth->state, &growth->err);
}

static void go_on(evutil_socket_t fd, short events, void *arg)
{
	struct engine *engine = arg;
	struct growth *growth = &engine->growth;
	struct xlb_err err = {};

	(void)fd;
	(void)events;
	if (table_resize_waits(growth->resize)) {
		growth->waiting = !pthread_create(&growth->thread, NULL, wait_for_kernel, growth);
		if (growth->waiting)
			return;
	}
	take_state(engine, table_resize_step(growth->resize, STEP_ENTRIES, &err), &err);
}

/* ----------------------------------------------------------------------------------------------------- */

void engine_growth_look(struct engine *engine)
{
	struct growth *growth = &engine->growth;
	uint32_t id, room;

	if (growth->resize || clock_ns(CLOCK_MONOTONIC) < growth->retry_at)
		return;
	for (id = 0; id < XLB_FLOW_TABLES && !growth->resize; id++) {
		room = wanted_room(engine, id);
		if (room != datapath_table_room(engine->datapath, id))
			begin(engine, id, room);
	}
}

void engine_growth_adopted(struct engine *engine)
{
	engine->growth.retry_at = 0;
	engine->growth.trouble[0] = '\0';
}

int engine_growth_open(struct engine *engine, struct xlb_err *err)
{
	struct growth *growth = &engine->growth;

	growth->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (growth->fd < 0)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "eventfd: %s", strerror(errno));
	growth->default_max = default_max();
	growth->timer = evtimer_new(engine->base, go_on, engine);
	growth->event = event_new(engine->base, growth->fd, EV_READ | EV_PERSIST, waited, engine);
	if (!growth->timer || !growth->event)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	event_add(growth->event, NULL);
	return take_over(engine, err);
}

void engine_growth_close(struct engine *engine)
{
	struct growth *growth = &engine->growth;

	growth->stop = true;
	if (growth->waiting)
		pthread_join(growth->thread, NULL);
	if (growth->timer)
		event_free(growth->timer);
	if (growth->event)
		event_free(growth->event);
	if (growth->fd >= 0)
		close(growth->fd);
	table_resize_free(growth->resize);
}

bool engine_table_resizes(const struct engine *engine, enum xlb_flow_table_id id)
{
	return engine->growth.resize && table_resize_table(engine->growth.resize) == id;
}

const char *engine_table_trouble(const struct engine *engine)
{
	return engine->growth.trouble;
}
