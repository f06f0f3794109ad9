/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A change on its way, for the files that carry it out: engine_change.c, engine_part.c, engine_work.c, engine_commit.c. */
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

	/* a part: of these groups alone. By a user, of one, and `group` is what it is to be; else those whose health changed */
	bool part;
	char due_groups[GROUPS_DUE_MAX][NAME_TEXT_MAX];
	uint32_t due_count;
	struct server_group *group; /* owned */

	struct model *next; /* of a change of all by a user */
	struct model_changes diff;
	struct ids *ids;	/* of a part: a part */
	struct ids *ids_before; /* the engine's, when these have taken their place */
	struct compiled compiled;
	char *new_warnings;
	struct plan plan;
	bool saves; /* the state file is written before the first map */
	bool save_tried;
	uint64_t saved_before;	    /* engine->saved_version */
	bool new_revision;	    /* and has a new revision */
	char (*left_out)[IFNAMSIZ]; /* owned: attachments that the file must not know yet */
	uint32_t left_out_count;
	struct rows listed; /* what is present, read anew because it was stale */
	bool lists, lists_all;
	bool compiles; /* in the worker: everything is compiled; else what is planned is built */
	bool committing;
	size_t applied; /* operations carried out so far */
	uint64_t flows_affected, flows_refused;
	int held_up; /* why rows that others can refuse were left out */
	struct xlb_err err;
	int r;
};

/* engine_change.c; any thread may */
void engine_change_free(struct change *change);

/* engine_change.c: refuses what would leave flows without a listener, unless the user has agreed */
int engine_check_consent(struct engine *engine, struct change *change);

/*
 * engine_part.c: prepares the change if it is of a few groups alone; with any failure it has done nothing, and the
 * change is to be prepared as one of everything.
 */
int engine_prepare_part(struct engine *engine, struct change *change);
/* A part has been carried out: what it has replaced is replaced. */
void engine_adopt_part(struct engine *engine, struct change *change);

/* engine_commit.c: decides whether and what to write to the state file */
void engine_plan_save(struct engine *engine, struct change *change);
/* Writes the state file as planned, first the ids, then the maps: an id that a map knows is never handed out twice. */
int engine_save(struct engine *engine, struct change *change);
/* The change fails on the way: gives the file back, if it was written, what the engine goes by. */
void engine_unsave(struct engine *engine, struct change *change);
/*
 * Carries out a change that is built and saved, for as long as the loop may be held up (`whole`: to its end).
 * -EINPROGRESS: to be called again; any other error: all is as before.
 */
int engine_commit(struct engine *engine, struct change *change, bool whole);
/* The new state becomes the engine's. */
void engine_adopt(struct engine *engine, struct change *change);

/* engine_change.c: compiles everything and compares it with what is present; runs in the worker */
int engine_compile(struct engine *engine, struct change *change);

/*
 * engine_work.c: what takes long of the first change, of `arg`, a struct engine; runs in the worker thread. Fills
 * the change's r and err and writes to engine->worker_fd when it is done.
 */
void *engine_work(void *arg);

#endif
