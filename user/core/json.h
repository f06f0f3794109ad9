/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Configured objects and errors as JSON. Parsing is tree.c's. */
#ifndef XLB_CORE_JSON_H
#define XLB_CORE_JSON_H

#include <jansson.h>

#include "base/err.h"
#include "core/json_out.h"
#include "core/types.h"

/* The members of an object that are its fields, nested as in YAML; `nested` false leaves out those in maps. */
void object_fields_json(struct json_out *out, const struct object *object, bool nested);
/* What was given of the whole model, in the shape of the YAML text; malloc'd, NULL on lack of memory. */
char *model_json(const struct model *model);
/* RFC 9457 problem document: type, title, status and, if known, hint, pointer, file, line, column, length, source. A new reference. */
json_t *err_json(const struct xlb_err *err);

#endif
