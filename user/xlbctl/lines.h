/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An answer in pieces, cut into lines. */
#ifndef XLB_XLBCTL_LINES_H
#define XLB_XLBCTL_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct lines {
	/* Called with each line, without its end (length bytes, no NUL); false ends the answer. */
	bool (*take)(void *arg, const char *line, size_t length);
	void *arg;
	char *pending; /* a line that has not ended yet, owned */
	size_t size;
};

/* A client_take whose arg is a struct lines. */
bool lines_take(void *arg, const char *data, size_t size);
void lines_done(struct lines *lines);

#endif
