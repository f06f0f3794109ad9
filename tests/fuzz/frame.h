/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What targets that are given frames have in common. */
#ifndef XLB_FUZZ_FRAME_H
#define XLB_FUZZ_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the target, saying what does not hold. */
#define check(what) check_at(what, #what, __FILE__, __LINE__)
static inline void check_at(bool holds, const char *what, const char *file, int line)
{
	if (holds)
		return;
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

static inline size_t get16(const uint8_t *at)
{
	return (size_t)(at[0] << 8 | at[1]);
}

#endif
