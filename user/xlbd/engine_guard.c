// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Attaching to the NIC that carries the operator's own session may cut it off: such an attachment
 * vanishes again unless `xlbctl confirm` comes in time. Until then the state file does not know it, so
 * a crash undoes it as well.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/types.h"
#include "xlbd/engine_private.h"

#define RETRY_SECONDS 5

static void guard_clear(struct engine *engine)
{
	evtimer_del(engine->guard_timer);
	free(engine->guarded);
	engine->guarded = NULL;
	engine->guarded_count = 0;
	engine->guard_deadline = 0;
}

static int edit_detach(void *arg, const struct model *current, struct model **ret,
		       struct xlb_err *err)
{
	struct engine *engine = arg;
	struct model *next = model_copy(current);
	uint32_t i;

	if (!next)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	for (i = 0; i < engine->guarded_count; i++) {
		struct object *object = object_find(&next->interfaces, engine->guarded[i]);

		if (object)
			object_remove(next, object);
	}
	*ret = next;
	return 0;
}

static void guard_undone(void *arg, int r, const struct apply_result *result,
			 const struct xlb_err *err)
{
	struct timeval retry = { .tv_sec = RETRY_SECONDS };
	struct engine *engine = arg;

	(void)result;
	if (!r || !engine->guarded_count) {
		guard_clear(engine);
		return;
	}
	log_error("cannot undo the unconfirmed attach: %s, trying again in %d s", err->text,
		  RETRY_SECONDS);
	evtimer_add(engine->guard_timer, &retry);
}

static void guard_expired(evutil_socket_t fd, short events, void *arg)
{
	struct engine *engine = arg;
	struct apply_options options = { .yes = true, .origin = "attach not confirmed" };
	uint32_t i;

	(void)fd;
	(void)events;
	log_warning("attach to %s%s was not confirmed: detaching", engine->guarded[0],
		    engine->guarded_count > 1 ? " and others" : "");
	for (i = 0; i < engine->guarded_count; i++)
		event_emit(engine->events, EVENT_INTERFACE,
			   (const struct event_member[]){
				   { .name = "interface", .text = engine->guarded[i] },
				   { .name = "reason", .text = options.origin },
				   {} },
			   "%s: attach not confirmed, detaching", engine->guarded[i]);
	engine_apply(engine, &options, edit_detach, engine, guard_undone, engine);
}

void engine_guard_start(struct engine *engine, const struct model *before,
			const struct model *after, uint32_t seconds)
{
	struct timeval timeout = { .tv_sec = seconds };
	const struct object *object;

	TAILQ_FOREACH(object, &after->interfaces, link) {
		char(*names)[IFNAMSIZ];

		if (object_find(&before->interfaces, object->name))
			continue;
		names = realloc(engine->guarded, (engine->guarded_count + 1) * sizeof(*names));
		if (!names)
			return;
		engine->guarded = names;
		snprintf(names[engine->guarded_count++], IFNAMSIZ, "%.*s", IFNAMSIZ - 1,
			 object->name);
	}
	if (!engine->guarded_count)
		return;
	if (!engine->guard_timer)
		engine->guard_timer = evtimer_new(engine->base, guard_expired, engine);
	evtimer_add(engine->guard_timer, &timeout);
	engine->guard_deadline = engine_now() + seconds;
}

bool engine_is_guarded(const struct engine *engine, const char *ifname)
{
	uint32_t i;

	for (i = 0; i < engine->guarded_count; i++)
		if (!strcmp(engine->guarded[i], ifname))
			return true;
	return false;
}

void engine_guard_adopted(struct engine *engine)
{
	uint32_t i, kept = 0;

	for (i = 0; i < engine->guarded_count; i++)
		if (object_find(&engine->model->interfaces, engine->guarded[i]))
			memmove(engine->guarded[kept++], engine->guarded[i], IFNAMSIZ);
	if (engine->guarded_count && !kept)
		guard_clear(engine);
	engine->guarded_count = kept;
}

int engine_confirm(struct engine *engine, struct xlb_err *err)
{
	if (!engine->guarded_count)
		return xlb_err_set(err, XLB_ERR_NOT_FOUND, -ENOENT,
				   "nothing waits to be confirmed");
	guard_clear(engine);
	/* now the state file may know the attachment; a change under way may be the one to write it */
	engine->saved_version = UINT64_MAX;
	engine_schedule(engine, false);
	return 0;
}

uint32_t engine_confirm_left(const struct engine *engine)
{
	uint64_t now = engine_now();

	return engine->guard_deadline > now ? (uint32_t)(engine->guard_deadline - now) : 0;
}

void engine_guard_close(struct engine *engine)
{
	if (!engine->guard_timer)
		return;
	guard_clear(engine);
	event_free(engine->guard_timer);
}
