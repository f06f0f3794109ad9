/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is measured: the `state` of objects and the problems of a status page. */
#ifndef XLB_XLBD_API_VIEW_H
#define XLB_XLBD_API_VIEW_H

#include "core/json_out.h"
#include "xlbd/api_look.h"
#include "xlbd/api_private.h"

enum problem_level { PROBLEM_ERROR, PROBLEM_WARNING, PROBLEM_INFO };

/* One answer's look at the world; lives over several turns of the loop. */
struct view {
	struct engine *engine; /* the same as the look's */
	json_t *problems;      /* NULL: not wanted */
	uint32_t problem_count;
	struct row_vip_addr_key *vips; /* addresses xlb put on interfaces, owned */
	size_t vip_count;
	bool vips_listed;
	struct look look;
	bool brief; /* only what tables show: no nested maps, of servers no addresses */
};
void view_done(struct view *view);

/* Opens the object: name, fields, state; children and the closing bracket are the caller's. Adds problems it sees. */
void view_object(struct view *view, const struct object *object, struct json_out *out);
/* The members of the `state` of one type. */
void view_interface(struct view *view, const struct object *object, struct json_out *out);
void view_load_balancer(struct view *view, const struct object *object, struct json_out *out);
void view_listener(struct view *view, const struct object *object, struct json_out *out);
void view_server_group(struct view *view, const struct object *object, struct json_out *out);
void view_server(struct view *view, const struct object *object, struct json_out *out);

/* Member `counters` by the words of lists.h. */
void view_counters(const uint64_t counters[XLB_COUNT_MAX], struct json_out *out);
/* Words of lists.h to values; reasons that are zero are left out. */
json_t *drops_json(const uint64_t drops[XLB_DROP_COUNT]);

/* The NIC that xlb has put a VIP on, NULL if none. */
const char *view_vip_interface(struct view *view, const struct xlb_addr *addr);
/* "native", "generic", NULL. */
const char *view_mode_word(uint32_t mode);

/* `command` is what to type next, NULL: nothing. */
void view_problem(struct view *view, enum problem_level level, const char *command,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The problems that belong to no object, and the count of those left out. */
void view_finish_problems(struct view *view, const struct paths *paths);

#endif
