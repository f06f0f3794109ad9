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

#include "xlbd/engine_private.h"

static void *wait_for_packets(void *arg)
{
	struct engine *engine = arg;
	uint64_t one = 1;

	datapath_settle_wait(engine->datapath);
	if (engine->settler.trim)
		malloc_trim(0);
	if (write(engine->settler.fd, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes any count below its limit */
	return NULL;
}

void engine_settle(struct engine *engine, bool trim)
{
	struct settler *settler = &engine->settler;

	settler->trim_due = settler->trim_due || trim;
	if (settler->waiting || (!datapath_settle_begin(engine->datapath) && !settler->trim_due))
		return;
	settler->trim = settler->trim_due;
	settler->trim_due = false;
	settler->waiting = !pthread_create(&settler->thread, NULL, wait_for_packets, engine);
	if (!settler->waiting)
		datapath_settle(engine->datapath);
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
	engine_settle(engine, false);
}

int engine_settle_open(struct engine *engine, struct xlb_err *err)
{
	struct settler *settler = &engine->settler;

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
	if (settler->event)
		event_free(settler->event);
	if (settler->fd >= 0)
		close(settler->fd);
}
