/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What must survive a restart: model, revision and ids, in `current`. Temp file, fsync, rename. */
#ifndef XLB_XLBD_STATE_H
#define XLB_XLBD_STATE_H

#include "base/err.h"
#include "core/ids.h"
#include "core/model.h"
#include "xlbd/paths.h"

#define STATE_REVISIONS_KEPT 20
#define STATE_MAX_NODES	     2000000 /* every id of every kind beside the largest model */

struct state {
	uint64_t revision;
	char origin[256];    /* file or command of the last change */
	struct model *model; /* owned */
	struct ids *ids;     /* owned */
};
void state_done(struct state *state);

/* -ENOENT: no state yet (first start). A damaged file is an error that names it, never ignored. */
int state_load(const struct paths *paths, struct state *ret, struct xlb_err *err);
/* What is to be saved. */
struct state_wanted {
	uint64_t revision;
	const char *origin;
	struct model *model;	      /* gets the texts of its objects (model_write_kept) */
	struct server_group *instead; /* NULL, or what stands for the model's group of its name */
	const struct ids *ids;
	bool new_revision;
};
/* The text of the ids as of a version; tens of thousands of ids mostly stay what they were. */
struct state_text {
	char *ids; /* owned; NULL: none yet */
	uint64_t version;
};
void state_text_done(struct state_text *text);

/*
 * Writes `current` durably. When `new_revision`, the file it replaces is kept as revisions/N and
 * all but the newest STATE_REVISIONS_KEPT are removed. Missing directories are made (0750). `text` is
 * brought up to date; it may be a zeroed one.
 */
int state_save(const struct paths *paths, const struct state_wanted *wanted,
	       struct state_text *text, struct xlb_err *err);

/* "server", "vip", ... as in the state file and in the API's `retired`. */
const char *state_kind_word(enum id_kind kind);

#endif
