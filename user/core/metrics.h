/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The metric families: one row of metric_list.h each. Names, types, labels and help of a scrape, docs/metrics.md and the checks of
 * dashboard and alerts come from here. What counts flows, packets and drops comes from the rows of lists.h.
 */
#ifndef XLB_CORE_METRICS_H
#define XLB_CORE_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "core/metric_list.h"
#include "xlb/lists.h"

enum metric_kind {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_HISTOGRAM,
	METRIC_INFO, /* a gauge of 1 whose labels are the fact */
};

enum metric_scope {
#define X(name, word, help) SCOPE_##name,
	XLB_METRIC_SCOPES(X)
#undef X
		SCOPE_COUNT,
};

enum metric_id {
#define X(name, word, kind, scope, labels, help) METRIC_##name,
	XLB_METRICS(X)
#undef X
		METRIC_COUNT, /* families of counters follow */
};

#define METRIC_FAMILIES_MAX 128
#define METRIC_NAME_MAX	    96

struct metric {
	char name[METRIC_NAME_MAX]; /* with _total, _info */
	enum metric_kind kind;
	enum metric_scope scope;
	const char *labels;
	char help[256]; /* a sentence */
};
/* All families in the order of a scrape; the first METRIC_COUNT are those of enum metric_id. */
const struct metric *metrics(size_t *ret_count);

/* The family of a counter of lists.h, and the label that tells it from others of that family (NULL: none). */
struct metric_counter {
	size_t family; /* index in metrics() */
	const char *label, *value;
};
const struct metric_counter *metric_listener_counter(enum xlb_flow_counter counter);
const struct metric_counter *metric_server_counter(enum xlb_flow_counter counter);
/* NULL for the count of all packets: it is the sum over the verdicts. */
const struct metric_counter *metric_interface_counter(enum xlb_interface_counter counter);

/* "listener,server" to a bit for each; NULL text is all. -EINVAL names the scopes. */
int metric_scopes(const char *text, uint32_t *ret, struct xlb_err *err);
/* The table of docs/metrics.md. */
void metrics_markdown(FILE *out);

#endif
