// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The samples of tls listeners. */
#include <errno.h>

#include "core/tls.h"
#include "xlbd/api_metrics.h"
#include "xlbd/engine_tls.h"

static void put_expiry(struct scrape *scrape, struct view *view, const struct listener *listener,
		       const char *labels)
{
	const struct texts *list = &listener->tls.certificates;

	for (uint32_t i = 0; i < list->count; i++) {
		struct certificate_paths paths = certificate_paths(list->texts[i]);
		struct tls_file_name name = { TLS_FILE_CERTIFICATE, paths.chain, paths.key };
		struct tls_file_facts facts;
		char all[LABELS_MAX];

		engine_tls_facts(view->engine, &name, &facts);
		if (!facts.known)
			continue;
		snprintf(all, sizeof(all), "%s", labels);
		label_add(all, "certificate", paths.chain);
		label_add(all, "names", facts.names);
		scrape_uint(scrape, METRIC_TLS_EXPIRES, all, NULL, NULL,
			    facts.expires > 0 ? (uint64_t)facts.expires : 0);
	}
}

static void put_listener(struct scrape *scrape, struct view *view, const struct object *object)
{
	uint32_t id = look_listener_id(&view->look, object);
	char labels[LABELS_MAX] = "", version[8];
	const struct tls_counters *counters;
	struct tls_look look = {};

	if (id)
		haproxy_look(engine_haproxy(view->engine), id, &look);
	counters = &look.counters;
	label_add(labels, "load_balancer", object->parent->name);
	label_add(labels, "listener", object->name);
	scrape_uint(scrape, METRIC_TLS_LISTENER_UP, labels, NULL, NULL, look.state == TLS_SERVES);
	scrape_uint(scrape, METRIC_TLS_OPEN, labels, NULL, NULL, counters->open);
	scrape_uint(scrape, METRIC_TLS_HANDSHAKES, labels, "result", "full",
		    counters->handshakes - counters->resumed);
	scrape_uint(scrape, METRIC_TLS_HANDSHAKES, labels, "result", "resumed", counters->resumed);
	scrape_uint(scrape, METRIC_TLS_HANDSHAKES, labels, "result", "failed", counters->failed);
	for (uint32_t i = 0; i < TLS_VERSION_COUNT; i++) {
		snprintf(version, sizeof(version), "1.%u", i);
		scrape_uint(scrape, METRIC_TLS_VERSIONS, labels, "version", version,
			    counters->versions[i]);
	}
	for (size_t i = 0; i < TLS_FAILURE_COUNT; i++)
		scrape_uint(scrape, METRIC_TLS_FAILED, labels, "reason", tls_failure_words[i],
			    counters->failures[i]);
	scrape_uint(scrape, METRIC_TLS_SERVER_ERRORS, labels, NULL, NULL, counters->server_errors);
	put_expiry(scrape, view, (const struct listener *)object, labels);
}

int scrape_tls(void *arg, struct view *view, const struct object *object)
{
	const struct model *model = engine_model(view->engine);
	struct scrape *scrape = arg;
	struct haproxy_state state;
	const struct object *lb;

	haproxy_state(engine_haproxy(view->engine), &state);
	if (state.wanted) {
		scrape_uint(scrape, METRIC_TLS_UP, "", NULL, NULL, state.running);
		scrape_uint(scrape, METRIC_TLS_MAX, "", NULL, NULL, state.max_connections);
		scrape_uint(scrape, METRIC_TLS_RELOADS, "", NULL, NULL, state.reloads);
	}
	TAILQ_FOREACH(lb, &model->load_balancers, link)
		TAILQ_FOREACH(object, &((const struct load_balancer *)lb)->listeners, link)
			if (listener_is_tls((const struct listener *)object))
				put_listener(scrape, view, object);
	return scrape->failed ? -ENOMEM : 0;
}
