// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A VIP that has just been added is announced three times, so that neighbours forget who had it before. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "xlbd/engine_private.h"

#define ANNOUNCEMENTS 3

struct announcement {
	struct row_vip_addr_key key;
	uint32_t left;
};

static void announce(struct announcement *item)
{
	struct xlb_err err;

	if (host_announce_address(item->key.ifname, &item->key.addr, &err))
		log_warning("cannot announce a VIP: %s", err.text);
	item->left--;
}

static void announce_round(evutil_socket_t fd, short events, void *arg)
{
	struct engine *engine = arg;
	struct timeval second = { .tv_sec = 1 };
	uint32_t i, kept = 0;

	(void)fd;
	(void)events;
	for (i = 0; i < engine->announcement_count; i++) {
		announce(&engine->announcements[i]);
		if (engine->announcements[i].left)
			engine->announcements[kept++] = engine->announcements[i];
	}
	engine->announcement_count = kept;
	if (kept)
		evtimer_add(engine->announce_timer, &second);
}

/* An address that has left its NIC may soon be another host's. */
static void forget(struct engine *engine, const struct row *row)
{
	uint32_t i, kept = 0;

	for (i = 0; i < engine->announcement_count; i++)
		if (memcmp(&engine->announcements[i].key, row->key,
			   sizeof(struct row_vip_addr_key)))
			engine->announcements[kept++] = engine->announcements[i];
	engine->announcement_count = kept;
}

void engine_announce(struct engine *engine, const struct plan *plan)
{
	struct timeval second = { .tv_sec = 1 };
	size_t i;

	for (i = 0; i < plan->count; i++) {
		struct announcement *list;

		if (plan->ops[i].row.table != TABLE_VIP_ADDR)
			continue;
		forget(engine, &plan->ops[i].row);
		if (plan->ops[i].kind != OP_PUT)
			continue;
		list = realloc(engine->announcements,
			       (engine->announcement_count + 1) * sizeof(*list));
		if (!list)
			return;
		engine->announcements = list;
		list += engine->announcement_count++;
		list->left = ANNOUNCEMENTS;
		memcpy(&list->key, plan->ops[i].row.key, sizeof(list->key));
		announce(list);
	}
	if (!engine->announcement_count)
		return;
	if (!engine->announce_timer)
		engine->announce_timer = evtimer_new(engine->base, announce_round, engine);
	if (!evtimer_pending(engine->announce_timer, NULL))
		evtimer_add(engine->announce_timer, &second);
}

void engine_announce_close(struct engine *engine)
{
	if (engine->announce_timer)
		event_free(engine->announce_timer);
	free(engine->announcements);
}
