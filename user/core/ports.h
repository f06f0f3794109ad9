/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Port rules to the two-level pages the datapath reads. */
#ifndef XLB_CORE_PORTS_H
#define XLB_CORE_PORTS_H

#include "base/sink.h"
#include "core/content.h"

/*
 * Builds the pages of a set of rules: a higher class beats a lower one; of rules of one class that overlap
 * (the model refuses them) the later wins. High bytes whose 256 ports agree are one root entry, equal
 * leaves are shared. 0, -ENOMEM, or -EINVAL for port 0, a reversed range, an unknown class or a listener
 * id that is no id. `*ret` is malloc'd.
 */
int ports_build(const struct port_rule *rules, uint32_t count, struct content_port_set **ret,
		size_t *ret_size);

#endif
