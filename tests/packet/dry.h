/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Dry runs beside the real program: while they are on, every frame that a test sends goes through one first.
 * It must leave every map as it was and come to the verdict that the real program then comes to.
 */
#ifndef XLB_TESTS_DRY_H
#define XLB_TESTS_DRY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Loads the variant for the world's datapath, or lets it go. */
void dry_start(void);
void dry_stop(void);
/* What the dry run of a frame said. */
struct dry_result {
	uint32_t action; /* of XDP */
	uint8_t verdict, reason, found;
};
/* False if dry runs are off. */
bool dry_run_frame(const uint8_t *data, size_t length, struct dry_result *ret);

#endif
