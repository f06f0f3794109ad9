/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tables of groups whose servers take turns, or are compared a few at a time. */
#ifndef XLB_CORE_TURNS_H
#define XLB_CORE_TURNS_H

#include "core/content.h"
#include "xlb/abi.h"

/*
 * Both fill slots[XLB_MAGLEV_SLOTS] with server ids (0: none, without a server of a weight above 0). The result depends
 * on name hashes, weights and ids only, not on their order. 0, -ENOMEM, or -EINVAL for an id that is 0 or does not fit
 * a slot.
 */

/*
 * Turns that are as smooth as can be: whatever the number of slots from the first on, a server has less than one slot
 * more or less than its share of them.
 */
int turns_fill(const struct maglev_server *servers, uint32_t count, uint16_t *slots);
/*
 * XLB_ROWS rows of XLB_ROW_SERVERS servers, which differ; of a group with fewer, all of them, some repeated. The first one
 * of the rows is by weight, each other one by weight among those that the row has not. The slot behind the rows is
 * like the first.
 */
int rows_fill(const struct maglev_server *servers, uint32_t count, uint16_t *slots);

#endif
