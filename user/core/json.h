/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The only user of jansson: prints. Parsing is tree.c's. Every function returns a new reference. */
#ifndef XLB_CORE_JSON_H
#define XLB_CORE_JSON_H

#include <jansson.h>

#include "base/err.h"
#include "core/types.h"

/* All fields of an object, nested as in YAML; children by their plural as name -> object. */
json_t *object_json(const struct object *object);
/* The whole model, in the shape of the YAML text. */
json_t *model_json(const struct model *model);
/* RFC 9457 problem document: type, title, status and, if known, hint, pointer, file, line, column, length, source. */
json_t *err_json(const struct xlb_err *err);

#endif
