/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups that stand in for others whose servers are down, as configured. Who does so now is compile_fallback.c's. */
#ifndef XLB_CORE_FALLBACK_H
#define XLB_CORE_FALLBACK_H

#include "core/model.h"

/* The part of `finish` of a group that is about its fallback. */
int fallback_finish_group(struct object *object, struct xlb_err *err);
/*
 * The group's fallback, which is another, does not lead back to it, ends within XLB_FALLBACKS, and looks at connection
 * ids alike. What does not exist is not looked at. err carries a JSON pointer.
 */
int check_fallback(const struct model *model, const struct server_group *group,
		   struct xlb_err *err);

/*
 * The group of the name, if there is one, and all whose new flows may come to it by their fallbacks, each once, then NULL;
 * the array is the caller's. NULL on lack of memory.
 */
const struct server_group **fallback_sources(const struct model *model, const char *name);
/* Whether new flows of the listener may come to a group with these sources. */
bool listener_leads_to(const struct listener *listener, const struct server_group *const *sources);

#endif
