/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* GET /v1/status?summary=1: the state without a word about every listener and server. */
#ifndef XLB_XLBD_API_SUMMARY_H
#define XLB_XLBD_API_SUMMARY_H

#include "xlbd/api_list.h"

struct summary; /* sums over the servers of each group, by the group's name */
struct summary *summary_free(struct summary *summary);

int plan_summary(struct listing *listing, const struct model *model, struct xlb_err *err);

/* api_status.c: what is no list of objects */
json_t *status_head(const struct api *api);

#endif
