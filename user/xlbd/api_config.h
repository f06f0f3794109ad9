/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether the configuration file still says what runs. It is read when somebody asks and it has changed, by the
 * worker: to parse it takes longer than the loop may stand still.
 */
#ifndef XLB_XLBD_API_CONFIG_H
#define XLB_XLBD_API_CONFIG_H

#include "xlbd/api_private.h"

struct config_watch;
struct config_watch *config_watch_new(void);
struct config_watch *config_watch_free(struct config_watch *watch);

/* Goes on with `then`, now or later, when the file is known as it is. */
void call_know_config(struct call *call, void (*then)(struct call *call));
/* True if there is a file, as it was last known, and it is another configuration, or none. */
bool config_differs(const struct api *api);

#endif
