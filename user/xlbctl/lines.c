// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbctl/lines.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES (1U << 20)

bool lines_take(void *arg, const char *data, size_t size)
{
	struct lines *lines = arg;
	const char *line, *end;
	char *text;

	if (lines->size + size > LINE_MAX_BYTES)
		return false;
	text = realloc(lines->pending, lines->size + size + 1);
	if (!text)
		return false;
	memcpy(text + lines->size, data, size);
	lines->pending = text;
	lines->size += size;
	line = text;
	while ((end = memchr(line, '\n', lines->size - (size_t)(line - text)))) {
		if (!lines->take(lines->arg, line, (size_t)(end - line)))
			return false;
		line = end + 1;
	}
	lines->size -= (size_t)(line - text);
	memmove(text, line, lines->size);
	return true;
}

void lines_done(struct lines *lines)
{
	free(lines->pending);
	lines->pending = NULL;
	lines->size = 0;
}
