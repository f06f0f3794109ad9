// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/slice.h"

#include <time.h>

#define SLICE_NS 2000000

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t slice_begin(void)
{
	return now_ns() + SLICE_NS;
}

bool slice_is_over(uint64_t end)
{
	return now_ns() >= end;
}
