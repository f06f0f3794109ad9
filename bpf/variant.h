/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The object is loaded in variants, made by constants: the kernel's verifier takes out what a variant does
 * not do. Without any it is the program that forwards; an observing one runs in its place while somebody
 * watches; one for dry runs is never attached; one for frames that do not fit a page takes its place for ever.
 */
#ifndef XLB_BPF_VARIANT_H
#define XLB_BPF_VARIANT_H

#include <stdbool.h>

const volatile bool observing; /* tells what it decides: watch.h */
const volatile bool dry_run;   /* writes to no map that others see */
const volatile bool jumbo;     /* frames may lie in several buffers (xdp.frags) */

#endif
