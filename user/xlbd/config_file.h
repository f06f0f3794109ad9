/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The configuration file: applied on a first start, and compared with what runs. */
#ifndef XLB_XLBD_CONFIG_FILE_H
#define XLB_XLBD_CONFIG_FILE_H

#include "base/err.h"
#include "core/model.h"

/* Reads and checks the file by itself. 0 or -errno with err; the model is the caller's. */
int config_file_parse(const char *path, struct model **ret, struct xlb_err *err);

#endif
