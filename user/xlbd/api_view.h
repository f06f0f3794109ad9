/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is measured: the `state` of objects and the problems of a status page. */
#ifndef XLB_XLBD_API_VIEW_H
#define XLB_XLBD_API_VIEW_H

#include "core/json_out.h"
#include "xlbd/api_look.h"
#include "xlbd/api_private.h"
#include "xlbd/problems.h"

/* Routes are asked for while the first servers are looked at; see path_trouble(). */
struct route_look {
	uint32_t asked;
	bool found;
	struct host_route last;
};

/* One answer's look at the world; lives over several turns of the loop. */
struct view {
	const struct api *api;
	struct engine *engine;	       /* the same as the API's and the look's */
	struct json_out out;	       /* the answer */
	struct problems *problems;     /* NULL: not wanted, owned */
	struct route_look route;       /* api_problems_server.c's */
	struct row_vip_addr_key *vips; /* addresses xlb put on interfaces, owned */
	size_t vip_count;
	bool vips_listed;
	struct look look;
	bool brief; /* only what tables show: no nested maps, of servers no addresses */
};
void view_done(struct view *view);

/*
 * All print to view->out. This one opens the object: name, fields, state; children and the closing bracket are
 * the caller's. Adds problems it sees.
 */
void view_object(struct view *view, const struct object *object);
/* The members of the `state` of one type. */
void view_interface(struct view *view, const struct object *object);
void view_load_balancer(struct view *view, const struct object *object);
void view_listener(struct view *view, const struct object *object);
void view_server_group(struct view *view, const struct object *object);
void view_server(struct view *view, const struct object *object);
void view_security_group(struct view *view, const struct object *object);
void view_rule(struct view *view, const struct object *object);
void view_flow_table(struct view *view, const struct object *object);
/* Member `counters` by the words of lists.h. */
void view_counters(struct view *view, const uint64_t counters[XLB_COUNT_MAX]);
/* Packets by reason; those that are zero are left out. */
void view_drops(struct view *view, const char *key, const uint64_t drops[XLB_DROP_COUNT]);
/* The NIC that xlb has put a VIP on, NULL if none. */
const char *view_vip_interface(struct view *view, const struct xlb_addr *addr);

#endif
