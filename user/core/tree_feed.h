/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hands a text to libfyaml in pieces. It holds back events until it knows whether what it reads is a key,
 * which may take the whole rest of the text and 350 bytes of memory for each of its bytes. So the text ends
 * where FEED_MAX bytes have gone by without an event, and a mark is put before one that begins with [ or {:
 * what follows "---" on its line cannot be a key, so the events of JSON come as it is read.
 */
#ifndef XLB_CORE_TREE_FEED_H
#define XLB_CORE_TREE_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/tree_text.h"

#define FEED_MAX (256U << 10)

struct feed {
	const char *text;
	char *marked;	    /* the text with the mark in it, or NULL */
	uint32_t mark_line; /* 1-based line that the mark is in */
	size_t length, sent, sent_at_event;
	bool cut; /* FEED_MAX was reached */
};

/* `source` must outlive the feed. 0 or -ENOMEM. */
int feed_open(struct feed *feed, const char *source);
void feed_close(struct feed *feed);
/* The callback of fy_parser_set_input_callback; `arg` is the feed. */
ssize_t feed_read(void *arg, void *buffer, size_t count);
/* To be called for every event. */
void feed_event(struct feed *feed);
/* Turns a place in the marked text into the place in the source. */
void feed_unmark(const struct feed *feed, struct place *place);

#endif
