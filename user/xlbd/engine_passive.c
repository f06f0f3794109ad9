// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Passive health checks: once a second the datapath's counts of failed connections say whether a server that its health check
 * takes for a good one is none to clients. It is put down then, and up again by its health check.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/passive.h"
#include "xlbd/engine_private.h"

/* What is known of one address of a server, by its id in the datapath. */
struct passive_server {
	uint32_t id;
	uint64_t looked; /* when it was looked at last */
	bool told;	 /* that it stays although it fails */
	struct passive_window window;
	UT_hash_handle hh;
};

/* Addresses of one family, of servers that are to take flows. */
struct passive_addresses {
	uint32_t all, out; /* not up */
};

/* Where a look at a group has come to. */
struct passive_look {
	struct engine *engine;
	const struct server_group *group;
	struct passive_addresses ipv4, ipv6;
	uint64_t now;
};

static struct passive_addresses *addresses_of(struct passive_look *look,
					      const struct xlb_addr *addr)
{
	return addr_family(addr) == XLB_IPV4 ? &look->ipv4 : &look->ipv6;
}

static enum health health_of(const struct passive_look *look, const struct server *server,
			     const struct xlb_addr *addr)
{
	enum health health = HEALTH_INITIAL;

	checker_health(look->engine->checker, look->group->object.name, server->object.name, addr,
		       &health);
	return health;
}

static struct passive_server *known_server(struct engine *engine, uint32_t id)
{
	struct passive_server *known;

	HASH_FIND(hh, engine->passive.servers, &id, sizeof(id), known);
	if (known)
		return known;
	known = calloc(1, sizeof(*known));
	if (!known)
		return NULL;
	known->id = id;
	HASH_ADD(hh, engine->passive.servers, id, sizeof(known->id), known);
	return known;
}

/* Connections to an address that have failed within the window, 0 if that is not known. */
static uint64_t failures_of(const struct passive_look *look, struct passive_server *known)
{
	uint64_t counters[1][XLB_COUNT_MAX];

	if (datapath_flow_counters(look->engine->datapath, TABLE_SERVER, known->id, 1, counters))
		return 0;
	return passive_feed(&known->window,
			    counters[0][XLB_COUNT_RESET_FLOWS] + counters[0][XLB_COUNT_UNANSWERED],
			    (uint32_t)(look->group->passive.window / 1000));
}

static void eject(struct passive_look *look, const struct server *server,
		  const struct xlb_addr *addr, struct passive_server *known, uint64_t failures)
{
	const char *group = look->group->object.name, *name = server->object.name;
	struct passive_addresses *addresses = addresses_of(look, addr);
	uint32_t max = passive_out_max(&look->group->passive.max_ejected, addresses->all);
	char reason[100];

	if (addresses->out >= max) {
		if (!known->told)
			log_warning(
				"%s/%s fails its clients (%llu connections), but is not ejected: %u of %u "
				"addresses of its family are out, passive.max_ejected is %u",
				group, name, (unsigned long long)failures, addresses->out,
				addresses->all, max);
		known->told = true;
		return;
	}
	snprintf(reason, sizeof(reason),
		 "passive: %llu connections of clients failed within %llu s",
		 (unsigned long long)failures,
		 (unsigned long long)look->group->passive.window / 1000);
	if (!checker_eject(look->engine->checker, group, name, addr, reason,
			   failures < UINT32_MAX ? (uint32_t)failures : UINT32_MAX))
		addresses->out++;
	passive_forget(&known->window);
}

static void look_at_address(struct passive_look *look, const struct server *server,
			    const struct xlb_addr *addr)
{
	uint32_t id = engine_live_server(look->engine, look->group->object.name,
					 server->object.name, addr);
	struct passive_server *known = id ? known_server(look->engine, id) : NULL;
	uint64_t failures;

	if (!known)
		return;
	known->looked = look->now;
	failures = failures_of(look, known);
	if (health_of(look, server, addr) != HEALTH_UP)
		passive_forget(
			&known->window); /* what it does while it is out, or was before, is old */
	else if (failures >= look->group->passive.failures)
		eject(look, server, addr, known, failures);
	else
		known->told = known->told && failures;
}

static void look_at_group(struct engine *engine, const struct server_group *group, uint64_t now)
{
	struct passive_look look = { .engine = engine, .group = group, .now = now };
	const struct object *object;

	TAILQ_FOREACH(object, &group->servers, link) {
		const struct server *server = (const struct server *)object;

		for (uint32_t i = 0; i < server->address.count; i++) {
			const struct xlb_addr *addr = &server->address.addrs[i];

			if (!server->enabled || !server->weight)
				continue;
			addresses_of(&look, addr)->all++;
			addresses_of(&look, addr)->out += health_of(&look, server, addr) !=
							  HEALTH_UP;
		}
	}
	TAILQ_FOREACH(object, &group->servers, link) {
		const struct server *server = (const struct server *)object;

		for (uint32_t i = 0; i < server->address.count; i++)
			look_at_address(&look, server, &server->address.addrs[i]);
	}
}

static void forget(struct engine *engine, uint64_t before)
{
	struct passive_server *known, *next;

	HASH_ITER(hh, engine->passive.servers, known, next) {
		if (known->looked >= before)
			continue;
		HASH_DEL(engine->passive.servers, known);
		free(known);
	}
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;
	const struct object *object;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	(void)fd;
	(void)what;
	TAILQ_FOREACH(object, &engine->model->server_groups, link)
		if (((const struct server_group *)object)->passive.failures)
			look_at_group(engine, (const struct server_group *)object, now);
	forget(engine, now);
}

int engine_passive_open(struct engine *engine, struct xlb_err *err)
{
	static const struct timeval second = { .tv_sec = 1 };

	engine->passive.timer = event_new(engine->base, -1, EV_PERSIST, on_second, engine);
	if (!engine->passive.timer || event_add(engine->passive.timer, &second))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	return 0;
}

void engine_passive_close(struct engine *engine)
{
	if (engine->passive.timer)
		event_free(engine->passive.timer);
	forget(engine, UINT64_MAX);
}
