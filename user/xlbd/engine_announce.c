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

/* What one thread sends: a packet socket takes a grace period to close, some 10 ms. */
struct round {
	uint32_t count;
	struct row_vip_addr_key keys[];
};

static void *send_round(void *arg)
{
	AUTO_FREE struct round *round = arg;
	struct xlb_err err;
	uint32_t i;

	for (i = 0; i < round->count; i++)
		if (host_announce_address(round->keys[i].ifname, &round->keys[i].addr, &err))
			log_warning("cannot announce a VIP: %s", err.text);
	return NULL;
}

static void end_round(struct engine *engine)
{
	if (engine->announcing)
		pthread_join(engine->announcer, NULL);
	engine->announcing = false;
}

/* Announces those from `first` on, and forgets those that have been announced often enough. */
static void start_round(struct engine *engine, uint32_t first)
{
	struct round *round =
		calloc(1, sizeof(*round) + engine->announcement_count * sizeof(round->keys[0]));
	uint32_t i, kept = first;

	if (!round)
		return;
	for (i = first; i < engine->announcement_count; i++) {
		struct announcement *item = &engine->announcements[i];

		round->keys[round->count++] = item->key;
		if (--item->left)
			engine->announcements[kept++] = *item;
	}
	engine->announcement_count = kept;
	end_round(engine); /* a second old or of another change: it is over, or nearly */
	engine->announcing = !pthread_create(&engine->announcer, NULL, send_round, round);
	if (!engine->announcing)
		send_round(round);
}

static void announce_round(evutil_socket_t fd, short events, void *arg)
{
	struct engine *engine = arg;
	struct timeval second = { .tv_sec = 1 };

	(void)fd;
	(void)events;
	start_round(engine, 0);
	if (engine->announcement_count)
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
	uint32_t added = 0;
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
			break;
		engine->announcements = list;
		list += engine->announcement_count++;
		list->left = ANNOUNCEMENTS;
		memcpy(&list->key, plan->ops[i].row.key, sizeof(list->key));
		added++;
	}
	if (!added)
		return;
	start_round(engine, engine->announcement_count - added);
	if (!engine->announce_timer)
		engine->announce_timer = evtimer_new(engine->base, announce_round, engine);
	if (!evtimer_pending(engine->announce_timer, NULL))
		evtimer_add(engine->announce_timer, &second);
}

void engine_announce_close(struct engine *engine)
{
	end_round(engine);
	if (engine->announce_timer)
		event_free(engine->announce_timer);
	free(engine->announcements);
}
