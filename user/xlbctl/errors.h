/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one place that prints errors, and the question before flows are cut. */
#ifndef XLB_XLBCTL_ERRORS_H
#define XLB_XLBCTL_ERRORS_H

#include <jansson.h>

#include "xlbctl/xlbctl.h"

/* Fills err from an answer that is not 2xx: a problem document, or anything else that speaks HTTP. */
void error_from_answer(long status, const char *body, const json_t *json, struct xlb_err *err);
/* Prints ctl->err: "file:line:column: error: text", the line, a caret and the hint, or "xlbctl: text". */
void error_print(const struct ctl *ctl, FILE *out);
/*
 * After a 409 needs-confirmation: asks at the terminal, true for yes. Without a terminal, or for no, false
 * with ctl->err saying what to do.
 */
bool confirm_ask(struct ctl *ctl);

#endif
