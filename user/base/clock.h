/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A clock's time as one number: of CLOCK_MONOTONIC since the boot, of CLOCK_REALTIME since 1970. */
#ifndef XLB_BASE_CLOCK_H
#define XLB_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND 1000000000ULL
#define NS_PER_MS     1000000ULL

uint64_t clock_ns(clockid_t clock);
uint64_t clock_ms(clockid_t clock);

#endif
