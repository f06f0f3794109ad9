/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the fields of a group's health check have to do with each other. */
#ifndef XLB_CORE_HEALTH_CHECK_H
#define XLB_CORE_HEALTH_CHECK_H

#include "core/model.h"

/* The part of `finish` of a group that is about its health check. */
int health_check_finish(struct object *object, struct xlb_err *err);
/* True if there must be a port to ask. */
bool health_check_needs_port(const struct health_check *check);
/*
 * Resolves `via` and refuses what cannot go that way. direct: the servers get packets as they came from clients;
 * direct_modes: the words of the modes that are so, for messages.
 */
int health_check_finish_via(struct object *object, bool direct, const char *direct_modes,
			    struct xlb_err *err);

#endif
