// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A flow table gets another size, step by step, while packets go on: see xlb/flow.h. */
#include <errno.h>
#include <stdlib.h>

#include "sys/datapath_private.h"

#define PAGE_COST 16 /* of a page with nothing to move, in entries */

enum step {
	MAKE,	/* chunks */
	SWITCH, /* new entries come to the new extent */
	SETTLE, /* no packet is at work that knows the old one only */
	MOVE,
	LEAVE, /* nothing is left; again no packet must be at work there */
	DROP,  /* chunks */
	DONE,
};

struct table_resize {
	struct datapath *dp;
	enum xlb_flow_table_id id;
	enum step step;
	uint64_t extent;
	uint32_t room, made;
	uint32_t page, left; /* of the round under way: where it is, what could not be moved */
	int r;		     /* why it has failed */
};

struct table_resize *table_resize_new(struct datapath *dp, enum xlb_flow_table_id id, uint32_t room,
				      struct xlb_err *err)
{
	struct table_resize *resize = calloc(1, sizeof(*resize));
	int r = resize ? extent_place(dp, id, room, &resize->extent) : -ENOMEM;

	if (r) {
		free(resize);
		datapath_err(err, r, "a flow table cannot get room for %u entries", room);
		if (r == -E2BIG)
			xlb_err_hint(err, "one that was made for fewer than 100000 flows has small "
					  "chunks and cannot become so large");
		return NULL;
	}
	resize->dp = dp;
	resize->id = id;
	resize->room = room;
	return resize;
}

int table_resize_left(struct datapath *dp, enum xlb_flow_table_id id, struct table_resize **ret,
		      struct xlb_err *err)
{
	const struct xlb_flow_table *table = table_row(dp, id);
	struct table_resize *resize;
	uint32_t index;

	*ret = NULL;
	if (!table->old && !chunks_left(dp, id, &index))
		return 0;
	resize = calloc(1, sizeof(*resize));
	if (!resize)
		return datapath_err(err, -ENOMEM,
				    "cannot go on with a flow table's change of size");
	resize->dp = dp;
	resize->id = id;
	resize->room = table->room;
	resize->step = DROP;
	if (table->old) {
		move_page_again(dp, id, table->moving);
		resize->step = SETTLE;
		resize->page = table->moving;
		resize->left = 1; /* pages before it are not known */
	}
	*ret = resize;
	return 0;
}

struct table_resize *table_resize_free(struct table_resize *resize)
{
	free(resize);
	return NULL;
}

enum xlb_flow_table_id table_resize_table(const struct table_resize *resize)
{
	return resize->id;
}

bool table_resize_waits(const struct table_resize *resize)
{
	return resize->step != SWITCH && resize->step != MOVE;
}

static void make(struct table_resize *resize)
{
	uint32_t chunks = extent_chunks(resize->dp, resize->extent);
	int r = extent_make(resize->dp, resize->extent, resize->made, chunks - resize->made);

	if (r < 0) {
		resize->r = r;
		resize->step = DROP;
		return;
	}
	resize->made += (uint32_t)r;
	if (resize->made == chunks)
		resize->step = SWITCH;
}

static void change_over(struct table_resize *resize)
{
	struct xlb_flow_table *table = table_row(resize->dp, resize->id);

	table->moving = 0;
	__atomic_store_n(&table->old, table->extent, __ATOMIC_RELEASE);
	__atomic_store_n(&table->extent, resize->extent, __ATOMIC_RELEASE);
	table->room = resize->room;
	resize->step = SETTLE;
}

/* True when a round over all pages is over. */
static bool move_some(struct table_resize *resize, uint32_t budget)
{
	struct xlb_flow_table *table = table_row(resize->dp, resize->id);
	uint32_t pages = (uint32_t)xlb_get(table->old, XLB_EXTENT_PAGES);

	while (resize->page < pages && budget) {
		uint32_t cost = PAGE_COST;

		__atomic_store_n(&table->moving, resize->page, __ATOMIC_RELEASE);
		resize->left += move_page(resize->dp, resize->id, resize->page, &cost);
		resize->page++;
		budget -= budget < cost ? budget : cost;
	}
	return resize->page >= pages;
}

enum table_resize_state table_resize_step(struct table_resize *resize, uint32_t budget,
					  struct xlb_err *err)
{
	struct xlb_flow_table *table = table_row(resize->dp, resize->id);
	enum table_resize_state state = TABLE_RESIZE_GOES_ON;
	uint32_t index;

	switch (resize->step) {
	case MAKE:
		make(resize);
		break;
	case SWITCH:
		change_over(resize);
		break;
	case SETTLE:
		datapath_settle_wait(resize->dp);
		resize->step = MOVE;
		break;
	case MOVE:
		if (!move_some(resize, budget))
			break;
		resize->page = 0;
		if (resize->left) {
			resize->left = 0;
			state = TABLE_RESIZE_LATER;
			break;
		}
		__atomic_store_n(&table->old, 0, __ATOMIC_RELEASE);
		resize->step = LEAVE;
		break;
	case LEAVE:
		datapath_settle_wait(resize->dp);
		resize->step = DROP;
		break;
	case DROP:
		if (chunks_left(resize->dp, resize->id, &index)) {
			chunk_drop(resize->dp, index);
			break;
		}
		resize->step = DONE;
		break;
	case DONE:
		break;
	}
	if (resize->step != DONE)
		return state;
	if (resize->r)
		datapath_err(err, resize->r, "a flow table cannot get room for %u entries",
			     resize->room);
	return resize->r ? TABLE_RESIZE_FAILED : TABLE_RESIZE_DONE;
}
