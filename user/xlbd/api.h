/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP on the Unix socket: docs/api.md. */
#ifndef XLB_XLBD_API_H
#define XLB_XLBD_API_H

#include <event2/event.h>

#include "base/err.h"
#include <stdio.h>

#include "xlbd/engine.h"

struct api;

/* Listens on paths->socket (0660 root:xlb; the group may be missing, then 0600 with a log line). */
int api_open(struct event_base *base, const struct paths *paths, struct engine *engine,
	     struct api **ret, struct xlb_err *err);
/* Begins what takes its time and would make the first call that needs it wait. */
void api_warm_up(struct api *api);
/* Serves GET /metrics, and nothing else, on "ADDRESS:PORT" too. 0 or -errno with err. */
int api_listen_metrics(struct api *api, const char *address, struct xlb_err *err);
struct api *api_close(struct api *api);

/*
 * Without a daemon: prints what GET /v1/interfaces/IFNAME/check would answer, with the configuration of the state
 * file. Returns the class of the error of which it printed the problem document, XLB_ERR_NONE if it went well.
 */
enum xlb_err_class preflight_print(const struct paths *paths, const char *ifname, FILE *out);

#endif
