/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Schedulers of server groups as they are configured, and what they are to the datapath. */
#ifndef XLB_CORE_SCHEDULER_H
#define XLB_CORE_SCHEDULER_H

#include "core/content.h"
#include "core/model.h"

/* The part of `finish` of a group that is about its scheduler: other names are resolved, fields without meaning refused. */
int scheduler_finish_group(struct object *object, struct xlb_err *err);
/* XLB_BY_* */
uint8_t scheduler_by(const struct server_group *group);
/* What fills the group's tables. */
enum fill scheduler_fill(const struct server_group *group);
/* The weight that a server of the group has among the others. */
uint32_t scheduler_weight(const struct server_group *group, const struct server *server);

#endif
