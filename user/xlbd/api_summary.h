/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* GET /v1/status?summary=1: the state without a word about every listener and server. */
#ifndef XLB_XLBD_API_SUMMARY_H
#define XLB_XLBD_API_SUMMARY_H

#include "xlbd/api_list.h"

/* Answers the call. */
void run_summary(struct call *call);

/* api_status.c's: a visit that opens the object with what is no list of objects. */
int status_head(void *arg, struct view *view, const struct object *object);

#endif
