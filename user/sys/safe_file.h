/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files that xlbd trusts or runs: nobody but root may have put there what is in them. */
#ifndef XLB_SYS_SAFE_FILE_H
#define XLB_SYS_SAFE_FILE_H

#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"

/*
 * Opens a regular file at an absolute path that only root (or who runs xlbd) can have put there: it and the
 * directory that it lies in are its, and nobody else may write to them. No symbolic link is followed in the last part
 * of the path. A file descriptor to read from, which the caller closes, or -errno with err filled: class CONFIG, the
 * path in the text, what is in the file never.
 */
int safe_file_open(const char *path, struct xlb_err *err);
/*
 * All of such a file. The caller owns *ret, which has a NUL behind its *ret_size bytes and may be of size 0; a secret it
 * wipes. What the file was when it was opened is in *ret_status, unless that is NULL. 0 or -errno with err filled as
 * above; -EFBIG for more than `max` bytes, -EAGAIN if it was written to meanwhile. May block on a slow disk: not for the
 * loop.
 */
int safe_file_read(const char *path, size_t max, char **ret, size_t *ret_size,
		   struct stat *ret_status, struct xlb_err *err);

#endif
