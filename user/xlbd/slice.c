// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/slice.h"

#include "base/clock.h"

#define SLICE_NS (2 * NS_PER_MS)

uint64_t slice_begin(void)
{
	return clock_ns(CLOCK_MONOTONIC) + SLICE_NS;
}

bool slice_is_over(uint64_t end)
{
	return clock_ns(CLOCK_MONOTONIC) >= end;
}
