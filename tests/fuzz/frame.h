/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What targets that are given frames have in common. */
#ifndef XLB_FUZZ_FRAME_H
#define XLB_FUZZ_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check(bool holds)
{
	if (!holds)
		abort();
}

static inline size_t get16(const uint8_t *at)
{
	return (size_t)(at[0] << 8 | at[1]);
}

#endif
