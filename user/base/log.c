// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

/* One fprintf a line, so that lines of several threads do not mix. */
static void __attribute__((format(printf, 2, 0)))
log_line(int priority, const char *format, va_list args)
{
	char text[2048];

	vsnprintf(text, sizeof(text), format, args);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%s\n", text);
	else
		fprintf(stderr, "<%d>%s\n", priority, text);
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_ERR, format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_WARNING, format, args);
	va_end(args);
}

void log_notice(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_NOTICE, format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	if (!getenv("XLB_DEBUG"))
		return;
	va_start(args, format);
	log_line(LOG_DEBUG, format, args);
	va_end(args);
}
