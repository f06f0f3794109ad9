/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `xlbctl top`: counters fetched again and again, made into rates, sorted and shown. */
#ifndef XLB_XLBCTL_TOP_H
#define XLB_XLBCTL_TOP_H

#include "xlbctl/client.h"

#define TOP_COLUMNS_MAX	 10
#define TOP_FILTER_MAX	 64
#define TOP_HEAD_LINES	 4 /* of what top_print prints before the rows */
#define TOP_TIMEOUT_SECS 5 /* a daemon that is stopped must not hold the keys up */

enum top_cell {
	TOP_NAME, /* text, as wide as there is room */
	TOP_TEXT,
	TOP_COUNT,
	TOP_RATE,
	TOP_BITS,    /* rate of bytes, as bits */
	TOP_MEANING, /* of a drop reason */
};

struct top_column {
	const char *head;
	enum top_cell cell;
	const char *source; /* column of the daemon's answer */
	int width;
};

struct top_view {
	const char *word;    /* of the command line and of the path */
	const char *keys[2]; /* columns of the answer that tell rows apart */
	const struct top_column *columns;
	size_t count, sort; /* columns, the one sorted by at first */
};
extern const struct top_view top_views[];
extern const size_t top_view_count;

/* One line. Texts belong to the answer, numbers are what is shown; < 0: not known yet. */
struct top_row {
	const char *texts[TOP_COLUMNS_MAX];
	double numbers[TOP_COLUMNS_MAX];
	bool faulty;
};

struct top {
	const struct top_view *view;
	size_t sort;
	bool ascending, paused;
	char filter[TOP_FILTER_MAX]; /* "": all rows */
	char note[256];		     /* why the picture is old, "": it is not */
	struct answer now, before, status;
	struct top_row *rows; /* sorted; owned */
	size_t count;
};
void top_clear(struct top *top);
#define AUTO_TOP __attribute__((cleanup(top_clear)))

/* Another view, in its usual order, unfiltered, with nothing measured yet. */
void top_show(struct top *top, const struct top_view *view);
/* Asks the daemon; rows are anew. < 0 with ctl->err filled: what was there is still there. */
int top_fetch(struct ctl *ctl, struct top *top);
/* After a change of sort, direction or filter. */
void top_arrange(struct top *top);
/* True once there are rates. */
bool top_is_measured(const struct top *top);
/* Head and rows as text; lines are cut at `width` (0: not cut). */
void top_print(FILE *out, const struct top *top, uint32_t width);

/* top_screen.c: the picture on the terminal, with keys, until q. The only user of ncurses. */
int top_screen(struct ctl *ctl, struct top *top);

#endif
