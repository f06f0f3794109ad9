// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* GET /metrics: the formats, and the scrape as a whole. */
#include "xlbd/api_metrics.h"

#include <errno.h>
#include <string.h>

#include "xlbd/api_config.h"
#include "xlbd/api_list.h"
#include "xlbd/api_query.h"

#define TEXT_TYPE	  "text/plain; version=0.0.4; charset=utf-8"
#define OPEN_METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define LINE_MAX_BYTES	  (METRIC_NAME_MAX + LABELS_MAX + 128)

struct line {
	char text[LINE_MAX_BYTES];
	size_t length;
};

/* Hundreds of thousands of lines: printf would take longer than all that it prints. */
static void line_put(struct line *line, const char *text)
{
	size_t length = strlen(text), room = sizeof(line->text) - line->length;

	length = length < room ? length : room;
	memcpy(line->text + line->length, text, length);
	line->length += length;
}

void scrape_part(struct scrape *scrape, size_t family, const char *suffix, const char *labels,
		 const char *extra, const char *value, const char *number)
{
	size_t count;
	const struct metric *metric = &metrics(&count)[family];
	struct line line = { .length = 0 };

	line_put(&line, metric->name);
	line_put(&line, suffix);
	if (*labels || extra)
		line_put(&line, "{");
	line_put(&line, labels);
	if (extra) {
		line_put(&line, *labels ? "," : "");
		line_put(&line, extra);
		line_put(&line, "=\"");
		line_put(&line, value);
		line_put(&line, "\"");
	}
	line_put(&line, *labels || extra ? "} " : " ");
	line_put(&line, number);
	line_put(&line, "\n");
	if (!scrape->families[family])
		scrape->families[family] = evbuffer_new();
	if (!scrape->families[family] ||
	    evbuffer_add(scrape->families[family], line.text, line.length))
		scrape->failed = true;
}

/* A scrape of one scope still looks at objects as a whole. */
static bool wants_family(const struct scrape *scrape, size_t family)
{
	size_t count;

	return scrape_wants(scrape, metrics(&count)[family].scope);
}

void scrape_uint(struct scrape *scrape, size_t family, const char *labels, const char *extra,
		 const char *value, uint64_t number)
{
	char text[UINT_TEXT_MAX];

	if (wants_family(scrape, family))
		scrape_part(scrape, family, "", labels, extra, value, format_uint(number, text));
}

void scrape_real(struct scrape *scrape, size_t family, const char *labels, const char *extra,
		 const char *value, double number)
{
	char text[32];

	if (!wants_family(scrape, family))
		return;
	snprintf(text, sizeof(text), "%.10g", number);
	scrape_part(scrape, family, "", labels, extra, value, text);
}

bool scrape_wants(const struct scrape *scrape, enum metric_scope scope)
{
	return scrape->scopes >> scope & 1;
}

void label_add(char labels[LABELS_MAX], const char *name, const char *value)
{
	size_t length = strlen(labels);

	length += (size_t)snprintf(labels + length, LABELS_MAX - length, "%s%s=\"",
				   length ? "," : "", name);
	for (; *value && length + 4 < LABELS_MAX; value++) {
		if (*value == '"' || *value == '\\')
			labels[length++] = '\\';
		labels[length++] = *value == '\n' ? ' ' : *value;
	}
	memcpy(labels + length, "\"", 2);
}

/* Visits in the order of the configuration. */
static int plan_scrape(struct listing *listing, const struct model *model, struct xlb_err *err)
{
	const struct scrape *scrape = listing_arg(listing);
	bool servers = scrape_wants(scrape, SCOPE_SERVER) || scrape_wants(scrape, SCOPE_HEALTH) ||
		       scrape_wants(scrape, SCOPE_SNAT);
	bool groups = scrape_wants(scrape, SCOPE_GROUP) || scrape_wants(scrape, SCOPE_HEALTH);
	const struct object *object;
	int r;

	(void)err;
	r = listing_visit_object(listing, scrape_daemon, NULL);
	if (!r && (scrape_wants(scrape, SCOPE_INTERFACE) || scrape_wants(scrape, SCOPE_DROPS)))
		r = listing_visit_all(listing, model, &type_interface, NULL, scrape_interface);
	if (!r && scrape_wants(scrape, SCOPE_LOAD_BALANCER))
		r = listing_visit_all(listing, model, &type_load_balancer, NULL,
				      scrape_load_balancer);
	if (!r && scrape_wants(scrape, SCOPE_TLS))
		r = listing_visit_object(listing, scrape_tls, NULL);
	TAILQ_FOREACH(object, &model->load_balancers, link)
		if (!r && scrape_wants(scrape, SCOPE_LISTENER))
			r = listing_visit_all(listing, model, &type_listener, object,
					      scrape_listener);
	TAILQ_FOREACH(object, &model->server_groups, link)
		if (!r && (groups || scrape_wants(scrape, SCOPE_SERVER)))
			r = listing_count(listing, object);
	if (!r && groups)
		r = listing_visit_all(listing, model, &type_server_group, NULL, scrape_group);
	TAILQ_FOREACH(object, &model->server_groups, link)
		if (!r && servers)
			r = listing_visit_all(listing, model, &type_server, object, scrape_server);
	return r;
}

/* In OpenMetrics a family's name is without the suffix that its samples have. */
static void put_head(const struct scrape *scrape, const struct metric *metric, struct evbuffer *out)
{
	static const struct {
		const char *word, *open_word, *suffix;
	} kinds[] = {
		[METRIC_COUNTER] = { "counter", "counter", "_total" },
		[METRIC_GAUGE] = { "gauge", "gauge", "" },
		[METRIC_HISTOGRAM] = { "histogram", "histogram", "" },
		[METRIC_INFO] = { "gauge", "info", "_info" },
	};
	size_t length = strlen(metric->name);

	if (scrape->open_metrics)
		length -= strlen(kinds[metric->kind].suffix);
	evbuffer_add_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)length, metric->name,
			    metric->help, (int)length, metric->name,
			    scrape->open_metrics ? kinds[metric->kind].open_word :
						   kinds[metric->kind].word);
}

static void reply_scrape(struct call *call, void *arg, struct evbuffer *out)
{
	struct scrape *scrape = arg;
	size_t count, i;
	const struct metric *families = metrics(&count);

	if (scrape->failed) {
		call_reply_no_memory(call);
		return;
	}
	for (i = 0; i < count; i++) {
		if (!scrape->families[i])
			continue;
		put_head(scrape, &families[i], out);
		evbuffer_add_buffer(out, scrape->families[i]);
	}
	if (scrape->open_metrics)
		evbuffer_add_printf(out, "# EOF\n");
	call_reply_buffer(call, scrape->open_metrics ? OPEN_METRICS_TYPE : TEXT_TYPE, out);
}

static void scrape_free(void *arg)
{
	struct scrape *scrape = arg;
	size_t i;

	for (i = 0; i < METRIC_FAMILIES_MAX; i++)
		if (scrape->families[i])
			evbuffer_free(scrape->families[i]);
	free(scrape);
}

static void run_scrape(struct call *call)
{
	const char *accept =
		evhttp_find_header(evhttp_request_get_input_headers(call->request), "Accept");
	struct scrape *scrape = calloc(1, sizeof(*scrape));
	struct listing_kind kind = {
		.plan = plan_scrape, .done = reply_scrape, .free = scrape_free, .arg = scrape
	};
	struct xlb_err err = {};

	if (!scrape) {
		call_reply_no_memory(call);
		return;
	}
	scrape->api = call->api;
	scrape->open_metrics = accept && strstr(accept, "application/openmetrics-text");
	if (metric_scopes(query_text(call, "scope"), &scrape->scopes, &err)) {
		scrape_free(scrape);
		call_reply_err(call, &err);
		return;
	}
	listing_run(call, &kind);
}

void api_metrics(struct call *call)
{
	call_know_config(call, run_scrape);
}
