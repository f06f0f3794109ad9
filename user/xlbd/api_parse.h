/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Configuration texts are parsed in a thread of their own, one after the other: a large one takes
 * longer than the loop may stand still, and whoever can connect may send one.
 */
#ifndef XLB_XLBD_API_PARSE_H
#define XLB_XLBD_API_PARSE_H

#include "xlbd/api_private.h"

int parser_open(struct event_base *base, struct parser **ret);
/* Waits for the text under way and drops the others; their calls stay unanswered. */
struct parser *parser_close(struct parser *parser);

/* The call with its body as tree and model, checked by itself; the callee owns both. */
typedef void (*text_parsed)(struct call *call, struct model *model, struct tree *tree);
/* Calls `parsed` from the loop, or answers the call with what is wrong. */
void parser_run(struct call *call, text_parsed parsed);

#endif
