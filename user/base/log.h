/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Log lines to stderr with the journal's <N> priority prefix when stderr is not a terminal. */
#ifndef XLB_BASE_LOG_H
#define XLB_BASE_LOG_H

#include "base/err.h"

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...)
	__attribute__((format(printf, 1, 2))); /* only if XLB_DEBUG is set */

#endif
