/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef XLB_XLBD_VERSION_H
#define XLB_XLBD_VERSION_H

#ifndef XLB_VERSION
#define XLB_VERSION "0.1.0"
#endif

#endif
