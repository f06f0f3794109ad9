/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Looks for what is wrong with the things of an answer; view->problems must be there. */
#ifndef XLB_XLBD_API_PROBLEMS_H
#define XLB_XLBD_API_PROBLEMS_H

#include "xlbd/api_view_server.h"

/* `link` is NULL while there is no such NIC, `mode` 0 while xlb is not attached to it. */
void problems_interface(struct view *view, const struct interface *interface,
			const struct host_link *link, uint32_t mode);
void problems_group(struct view *view, const char *name, const struct group_view *group);
/* `of`: servers in its group. */
void problems_server(struct view *view, const struct server_view *server, uint32_t of);
/* After all objects: what belongs to none of them, and drops that nothing seen so far explains. */
void problems_rest(struct view *view, const struct api *api);

/* [{"level", "kind", "text", "command", "count"}], the most serious first, then one that counts those left out. */
json_t *problems_json(struct problems *problems);

#endif
