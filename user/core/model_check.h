/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Parts of model_check that stand by themselves. */
#ifndef XLB_CORE_MODEL_CHECK_H
#define XLB_CORE_MODEL_CHECK_H

#include "core/model.h"

/*
 * Listeners of one load balancer and protocol must not leave open who gets a port: two single ports that are
 * equal, two ranges that overlap, two any. A single port inside a range, or either inside any, is fine.
 */
int check_overlaps(const struct load_balancer *lb, struct xlb_err *err);

#endif
