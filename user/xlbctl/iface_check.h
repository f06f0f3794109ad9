/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The checks of an interface: asked for, printed. */
#ifndef XLB_XLBCTL_IFACE_CHECK_H
#define XLB_XLBCTL_IFACE_CHECK_H

#include "xlbctl/client.h"

/* From the daemon, or from the program xlbd if no daemon runs. 0, or < 0 with ctl->err filled. */
int iface_check_get(struct ctl *ctl, const char *ifname, struct answer *ret);
/* A line for each check, its fix below; `all` false: only what is not well. Returns how many lines could be fixed by attach --fix. */
size_t iface_check_print(FILE *out, const json_t *json, bool all);

#endif
