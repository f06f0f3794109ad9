/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Query options and X-XLB-Origin of a call. */
#ifndef XLB_XLBD_API_QUERY_H
#define XLB_XLBD_API_QUERY_H

#include "xlbd/api_private.h"

/* Fills call->options and origin_file. 0, or -EINVAL with err naming what is accepted. */
int query_parse(struct call *call, struct xlb_err *err);

#endif
