/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Objects as YAML text. */
#ifndef XLB_CORE_EXPORT_H
#define XLB_CORE_EXPORT_H

#include "core/types.h"

/* "{address: 10.0.1.13, port: 8080}": what was given of an object, without its children. malloc'd. */
char *object_flow(const struct object *object);

#endif
