// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/tree_feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MARK	    "--- "
#define MARK_LENGTH 4

/* True if the text begins with [ or {; *ret_lead bytes of empty and comment lines come before that line. */
static bool starts_flow(const char *text, size_t *ret_lead)
{
	const char *line = text, *p = text;

	for (; *p; p++) {
		if (*p == '\r' || *p == '\n')
			line = p + 1;
		else if (*p == '#')
			p += strcspn(p, "\r\n") - 1;
		else if (*p != ' ' && *p != '\t')
			break;
	}
	*ret_lead = (size_t)(line - text);
	return *p == '[' || *p == '{';
}

int feed_open(struct feed *feed, const char *source)
{
	size_t length = strlen(source), lead;

	*feed = (struct feed){ .text = source, .length = length };
	if (!starts_flow(source, &lead))
		return 0;
	feed->marked = malloc(length + MARK_LENGTH);
	if (!feed->marked)
		return -ENOMEM;
	memcpy(feed->marked, source, lead);
	memcpy(feed->marked + lead, MARK, MARK_LENGTH);
	memcpy(feed->marked + lead + MARK_LENGTH, source + lead, length - lead);
	feed->text = feed->marked;
	feed->length = length + MARK_LENGTH;
	feed->mark_line = 1;
	for (const char *p = source; p < source + lead; p++)
		feed->mark_line += *p == '\n' || (*p == '\r' && p[1] != '\n');
	return 0;
}

void feed_close(struct feed *feed)
{
	free(feed->marked);
	feed->marked = NULL;
}

ssize_t feed_read(void *arg, void *buffer, size_t count)
{
	struct feed *feed = arg;
	size_t n = feed->length - feed->sent;

	if (feed->sent - feed->sent_at_event > FEED_MAX) {
		feed->cut = true;
		return 0;
	}
	if (n > count)
		n = count;
	memcpy(buffer, feed->text + feed->sent, n);
	feed->sent += n;
	return (ssize_t)n;
}

void feed_event(struct feed *feed)
{
	feed->sent_at_event = feed->sent;
}

void feed_unmark(const struct feed *feed, struct place *place)
{
	if (place->line == feed->mark_line && place->column > MARK_LENGTH)
		place->column -= MARK_LENGTH;
}
