// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tables that a change has replaced are free after an RCU grace period. It takes 10 ms and more, so a thread waits
 * for it; what further changes replace meanwhile has the next wait.
 */
#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "xlbd/engine_change.h"

static void free_changes(struct change_list *list)
{
	struct change *change;

	while ((change = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, change, link);
		engine_change_free(change);
	}
}

static void *wait_for_packets(void *arg)
{
	struct engine *engine = arg;
	struct settler *settler = &engine->settler;
	bool large = !TAILQ_EMPTY(&settler->taken);
	uint64_t one = 1;

	datapath_settle_wait(engine->datapath);
	free_changes(&settler->taken);
	if (large)
		malloc_trim(0);
	if (write(settler->fd, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes any count below its limit */
	return NULL;
}

static void start_waiting(struct engine *engine)
{
	struct settler *settler = &engine->settler;

	if (settler->waiting ||
	    (!datapath_settle_begin(engine->datapath) && TAILQ_EMPTY(&settler->junk)))
		return;
	TAILQ_CONCAT(&settler->taken, &settler->junk, link);
	settler->waiting = !pthread_create(&settler->thread, NULL, wait_for_packets, engine);
	if (settler->waiting)
		return;
	datapath_settle(engine->datapath);
	free_changes(&settler->taken);
}

void engine_settle(struct engine *engine, struct change *change)
{
	if (change->part)
		engine_change_free(change);
	else
		TAILQ_INSERT_TAIL(&engine->settler.junk, change, link);
	start_waiting(engine);
}

static void settled(evutil_socket_t fd, short events, void *arg)
{
	struct engine *engine = arg;
	uint64_t count;

	(void)events;
	if (read(fd, &count, sizeof(count)) != sizeof(count) || !engine->settler.waiting)
		return;
	pthread_join(engine->settler.thread, NULL);
	engine->settler.waiting = false;
	datapath_settle_end(engine->datapath);
	start_waiting(engine);
}

int engine_settle_open(struct engine *engine, struct xlb_err *err)
{
	struct settler *settler = &engine->settler;

	TAILQ_INIT(&settler->junk);
	TAILQ_INIT(&settler->taken);
	settler->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (settler->fd < 0)
		return xlb_err_set(err, XLB_ERR_FAILED, -errno, "eventfd: %s", strerror(errno));
	settler->event =
		event_new(engine->base, settler->fd, EV_READ | EV_PERSIST, settled, engine);
	if (!settler->event)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	event_add(settler->event, NULL);
	return 0;
}

void engine_settle_close(struct engine *engine)
{
	struct settler *settler = &engine->settler;

	if (settler->waiting)
		pthread_join(settler->thread, NULL);
	if (settler->fd >= 0)
		free_changes(&settler->junk);
	if (settler->event)
		event_free(settler->event);
	if (settler->fd >= 0)
		close(settler->fd);
}
