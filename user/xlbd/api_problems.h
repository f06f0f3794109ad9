/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Looks for what is wrong with the things of an answer; view->problems must be there. */
#ifndef XLB_XLBD_API_PROBLEMS_H
#define XLB_XLBD_API_PROBLEMS_H

#include "xlbd/api_view.h"

/* `link` is NULL while there is no such NIC, `mode` 0 while xlb is not attached to it. */
void problems_interface(struct view *view, const struct interface *interface,
			const struct host_link *link, uint32_t mode);
void problems_group(struct view *view, const struct group_look *group);
/* `of`: servers in its group. */
void problems_server(struct view *view, const struct server_look *server, uint32_t of);
/*
 * A visit of api_list.h, after all objects: looks for what belongs to none of them and for drops that nothing
 * seen so far explains, and prints [{"level", "kind", "text", "command", "count"}]: the most serious first, then
 * one that counts those left out.
 */
int problems_print(void *arg, struct view *view, const struct object *object);

#endif
