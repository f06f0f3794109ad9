/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is measured: the `state` of objects and the problems of a status page. */
#ifndef XLB_XLBD_API_VIEW_H
#define XLB_XLBD_API_VIEW_H

#include "xlbd/api_private.h"
#include "xlbd/problems.h"
#include "xlbd/traffic.h"

/* Sums over the servers of one group, made once for all of them. */
struct group_view {
	const struct server_group *group; /* whose; NULL: none yet */
	uint32_t servers, up;
	uint64_t flows;
	uint64_t receiving_weight; /* of the servers that get new flows */
	bool fails_open, ever_up;
};

/* One answer's look at the world; lives over several turns of the loop. */
struct view {
	struct engine *engine;
	const struct traffic *traffic;
	struct problems *problems;     /* NULL: not wanted */
	struct problem_scan *scan;     /* api_problems.c's, owned */
	struct summary *summary;       /* api_summary.c's, owned */
	uint32_t rows;		       /* printed so far, by those who print rows */
	struct row_vip_addr_key *vips; /* addresses xlb put on interfaces, owned */
	size_t vip_count;
	bool vips_listed;
	struct group_view group;
};
void view_done(struct view *view);

/* Name, fields and state, without children; NULL on lack of memory. Adds problems it sees. */
json_t *view_object(struct view *view, const struct object *object);
/* The `state` of one type. */
json_t *view_interface(struct view *view, const struct object *object);
json_t *view_load_balancer(struct view *view, const struct object *object);
json_t *view_listener(struct view *view, const struct object *object);
json_t *view_server_group(struct view *view, const struct object *object);
json_t *view_server(struct view *view, const struct object *object);

/* Words of lists.h to values; reasons that are zero are left out. */
json_t *counters_json(const uint64_t counters[XLB_COUNT_MAX]);
json_t *drops_json(const uint64_t drops[XLB_DROP_COUNT]);

/* "native", "generic", NULL: not attached */
const char *attach_mode_word(uint32_t mode);

#endif
