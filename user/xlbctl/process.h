/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef XLB_XLBCTL_PROCESS_H
#define XLB_XLBCTL_PROCESS_H

#include <stdbool.h>

/*
 * Runs a program found in PATH or the system's sbin folders and waits: its exit status (127: not found,
 * 128 + N: killed by signal N), or -errno. quiet: what it says goes nowhere.
 */
int process_run(const char *const *argv, bool quiet);
/* The same with what it prints; *ret is malloc'd. */
int process_output(const char *const *argv, char **ret);

#endif
