/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What reading and writing the state file share. */
#ifndef XLB_XLBD_STATE_PRIVATE_H
#define XLB_XLBD_STATE_PRIVATE_H

#include "xlbd/state.h"

/* Raised when an older xlbd could not read the file. */
#define STATE_VERSION  1
#define STATE_PATH_MAX 160

/* Numbers of the files in revisions/, ascending; malloc'd, NULL with count 0 if there are none. */
uint64_t *state_revisions(const struct paths *paths, size_t *ret_count);

#endif
