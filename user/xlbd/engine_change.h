/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A change on its way, for the files that carry it out: engine_change.c, engine_work.c. */
#ifndef XLB_XLBD_ENGINE_CHANGE_H
#define XLB_XLBD_ENGINE_CHANGE_H

#include "xlbd/engine_private.h"

struct change {
	TAILQ_ENTRY(change) link;
	struct apply_options options;
	bool by_user; /* false: health or network */
	model_edit edit;
	void *edit_arg;
	apply_done done;
	void *done_arg;

	struct model *next;
	struct model_changes diff;
	struct ids *ids;
	struct compiled compiled;
	char *new_warnings;
	struct plan plan;
	uint64_t flows_affected, flows_refused;
	int held_up; /* why rows that others can refuse were left out */
	struct xlb_err err;
	int r;
};

/*
 * engine_work.c: what takes long of the first change, of `arg`, a struct engine; runs in the worker thread. Fills
 * the change's r and err and writes to engine->worker_fd when it is done.
 */
void *engine_work(void *arg);

#endif
