/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel's tracepoints, through a tracefs that is mounted nowhere: whether the host has one does not matter. */
#ifndef XLB_BASE_TRACEFS_H
#define XLB_BASE_TRACEFS_H

/* The root of a tracefs of our own, to be closed; -errno. */
int tracefs_open(void);
/* Number of a tracepoint such as "xdp/xdp_redirect_err", for perf_event_open; -errno. */
int tracefs_tracepoint(int tracefs, const char *name);

#endif
