/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long work that takes many turns of the loop may take in one: 2 ms. */
#ifndef XLB_XLBD_SLICE_H
#define XLB_XLBD_SLICE_H

#include <stdbool.h>
#include <stdint.h>

/* When a slice that begins now is over. */
uint64_t slice_begin(void);
bool slice_is_over(uint64_t end);

#endif
