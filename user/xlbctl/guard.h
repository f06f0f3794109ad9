/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Is it dangerous to attach to this NIC? */
#ifndef XLB_XLBCTL_GUARD_H
#define XLB_XLBCTL_GUARD_H

/*
 * "the default route" or "this SSH session" if the NIC carries it, NULL if neither: an attach that goes
 * wrong there may cut off the operator.
 */
const char *guard_reason(const char *ifname);

#endif
