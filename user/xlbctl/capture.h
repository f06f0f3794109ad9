/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef XLB_XLBCTL_CAPTURE_H
#define XLB_XLBCTL_CAPTURE_H

#include <jansson.h>
#include <stdio.h>

/* One line for a packet that xlbd has told as JSON. */
void capture_put_line(FILE *out, const json_t *packet);

#endif
