/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A scrape on its way: samples go to the buffer of their family, whatever order objects are looked at. */
#ifndef XLB_XLBD_API_METRICS_H
#define XLB_XLBD_API_METRICS_H

#include <event2/buffer.h>

#include "core/metrics.h"
#include "xlbd/api_view.h"

#define LABELS_MAX 512

struct scrape {
	const struct api *api;
	uint32_t scopes; /* bits of enum metric_scope */
	bool open_metrics;
	bool failed; /* out of memory */
	struct evbuffer *families[METRIC_FAMILIES_MAX];
};

/* `labels`: `a="b",c="d"` or "". `extra` is one more label, NULL: none; its value needs no escape. */
void scrape_uint(struct scrape *scrape, size_t family, const char *labels, const char *extra,
		 const char *value, uint64_t number);
void scrape_real(struct scrape *scrape, size_t family, const char *labels, const char *extra,
		 const char *value, double number);
/* A sample of a histogram's part: "_bucket", "_sum", "_count". */
void scrape_part(struct scrape *scrape, size_t family, const char *suffix, const char *labels,
		 const char *extra, const char *value, const char *number);
/* True if some family of the scope was asked for. */
bool scrape_wants(const struct scrape *scrape, enum metric_scope scope);
/* Appends name="value" to a text of LABELS_MAX, escaped. */
void label_add(char labels[LABELS_MAX], const char *name, const char *value);

/* One visit each, see api_list.h; arg is the scrape. */
int scrape_daemon(void *arg, struct view *view, const struct object *object);
int scrape_interface(void *arg, struct view *view, const struct object *object);
int scrape_load_balancer(void *arg, struct view *view, const struct object *object);
int scrape_listener(void *arg, struct view *view, const struct object *object);
int scrape_tls(void *arg, struct view *view, const struct object *object);
int scrape_group(void *arg, struct view *view, const struct object *object);
int scrape_server(void *arg, struct view *view, const struct object *object);

#endif
