/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the words of a command to the object it is about, and from `--field value` to a JSON body. */
#ifndef XLB_XLBCTL_TARGET_H
#define XLB_XLBCTL_TARGET_H

#include <jansson.h>

#include "xlbctl/xlbctl.h"

struct target {
	const struct type *type;
	char parent[256], name[256]; /* "" where there is none */
	const char *const *rest;     /* words behind the name */
	size_t rest_count;
	char path[768]; /* "/v1/server_groups/web/servers/web1", names percent-encoded */
};

/*
 * Reads [TYPE] [PARENT] NAME, where PARENT/NAME may be one word; of a single type there is only TYPE. `preset` is the
 * type of a command that needs none named (it then takes the words only if the first is no type).
 */
int target_object(struct ctl *ctl, const struct type *preset, struct target *ret);
/* Reads TYPE [PARENT]; parent "" means the objects of all parents, the path is then the parents' list. */
int target_list(struct ctl *ctl, struct target *ret);
/* Refuses words behind the name. */
int target_no_rest(struct ctl *ctl, const struct target *target);

/*
 * The body of an add or a set: positional values by the field table's order, then the field options. All
 * values are texts, the daemon gives them their types; an empty one becomes null. *ret is malloc'd.
 */
int body_build(struct ctl *ctl, const struct target *target, char **ret);

#endif
