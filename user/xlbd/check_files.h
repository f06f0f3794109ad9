/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files that health checks need: certificates to trust, programs to run. */
#ifndef XLB_XLBD_CHECK_FILES_H
#define XLB_XLBD_CHECK_FILES_H

#include "core/model.h"

/* A program that is a safe file (sys/safe_file.h), which somebody else must be able to run. 0, or -errno with err filled. */
int check_program(const char *path, struct xlb_err *err);

/*
 * Whether what checks need is there, below `directory` (/etc/xlb): of the group, or of all groups. What `current` has
 * already is not looked at again, so that a file that is gone does not stand in the way of other changes: its checks say
 * so. 0, or -EINVAL with err pointing at the field. Reads files: not for the loop.
 */
int check_files_of_group(const struct server_group *group, const struct model *current,
			 const char *directory, struct xlb_err *err);
int check_files_of_model(const struct model *model, const struct model *current,
			 const char *directory, struct xlb_err *err);

#endif
