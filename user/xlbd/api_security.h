/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the rules of security groups do to packets, in words and numbers. */
#ifndef XLB_XLBD_API_SECURITY_H
#define XLB_XLBD_API_SECURITY_H

#include "xlbd/engine.h"

/* "allowed by rule 2 of security group public": what is said now of a packet that would start the flow. */
void security_text(struct engine *engine, const char *listener, const struct xlb_flow_key *key,
		   char *ret, size_t size);

#endif
