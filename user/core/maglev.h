/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Weighted Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4). */
#ifndef XLB_CORE_MAGLEV_H
#define XLB_CORE_MAGLEV_H

#include "core/content.h"
#include "xlb/abi.h"

/*
 * Fills slots[XLB_MAGLEV_SLOTS] with server ids in proportion to the weights (0: none; meant for 0-100:
 * work grows with the largest weight). The table depends on name hashes, weights and ids only, not on
 * their order; without a server of a weight above 0 every slot is 0. 0, -ENOMEM, or -EINVAL for an id
 * that is 0 or does not fit a slot.
 */
int maglev_fill(const struct maglev_server *servers, uint32_t count, uint16_t *slots);

#endif
