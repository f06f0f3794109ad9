/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the fields of a group's health check have to do with each other. */
#ifndef XLB_CORE_HEALTH_CHECK_H
#define XLB_CORE_HEALTH_CHECK_H

#include "core/model.h"

/* The part of `finish` of a group that is about its health check. */
int health_check_finish(struct object *object, struct xlb_err *err);

#endif
