/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A sink for tests: a dictionary in memory that can fail any operation. */
#ifndef XLB_SYS_SINK_FAKE_H
#define XLB_SYS_SINK_FAKE_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/sink.h"

struct sink_fake;

/* It takes rows of every table, so one may stand for all sinks. */
struct sink_fake *sink_fake_new(void);
struct sink_fake *sink_fake_free(struct sink_fake *fake);
DEFINE_CLEANUP(struct sink_fake, sink_fake_free)
struct sink *sink_fake_sink(struct sink_fake *fake);

/* Puts and deletes tried since the last sink_fake_fail. */
uint32_t sink_fake_operations(const struct sink_fake *fake);
/* Lets the operations first .. last from now on fail with -EIO, the next one being 1; 0: none fails. */
void sink_fake_fail(struct sink_fake *fake, uint32_t first, uint32_t last);
/*
 * True if every operation so far was possible: deletes of rows that stand with that value, contents where
 * the table has them and only there.
 */
bool sink_fake_is_sane(const struct sink_fake *fake);
/* Everything it holds, contents too, as text that is equal if and only if the state is; malloc'd. */
char *sink_fake_dump(const struct sink_fake *fake);

#endif
