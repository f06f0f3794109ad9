/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A thread for the large texts of calls: to parse or to print one takes longer than the loop may stand still,
 * and whoever can connect may ask for it. One piece of work after the other.
 */
#ifndef XLB_XLBD_API_WORKER_H
#define XLB_XLBD_API_WORKER_H

#include "xlbd/api_private.h"

struct work {
	/* In the thread: neither engine nor API may be touched. */
	void (*run)(const struct call *call, void *arg);
	/* In the loop: answers the call or goes on with it. */
	void (*done)(struct call *call, void *arg);
	void (*free)(void *arg); /* after done, or without it if the API closes first */
};

int worker_open(struct event_base *base, struct worker **ret);
/* Waits for the work under way and drops the rest; its calls stay unanswered. */
struct worker *worker_close(struct worker *worker);
/* Takes over arg; NULL, lack of memory, is answered. */
void worker_run(struct call *call, const struct work *work, void *arg);

/* The call with its body as tree and model, checked by itself; the callee owns both. */
typedef void (*text_parsed)(struct call *call, struct model *model, struct tree *tree);
/* Calls `parsed` from the loop, or answers the call with what is wrong. */
void call_parse(struct call *call, text_parsed parsed);

#endif
