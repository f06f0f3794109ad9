// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_tls.h"

#include <string.h>
#include <time.h>

#include "core/tls.h"
#include "sys/certificate.h"
#include "xlbd/api_problems.h"
#include "xlbd/engine_tls.h"

#define DAY 86400

static const char *const state_words[] = {
	[TLS_ABSENT] = "absent",
	[TLS_STARTS] = "starts",
	[TLS_SERVES] = "serves",
	[TLS_FAILED] = "failed",
};

static void put_time(struct json_out *out, const char *key, int64_t seconds)
{
	if (seconds)
		out_uint(out, key, seconds > 0 ? (uint64_t)seconds : 0);
	else
		out_null(out, key);
}

/* What is known of a certificate, as members. */
static void put_facts(struct json_out *out, const struct tls_file_facts *facts)
{
	out_text(out, "names", facts->names);
	out_text(out, "subject", facts->subject);
	out_text(out, "issuer", facts->issuer);
	out_text(out, "serial", facts->serial);
	out_text(out, "type", facts->key);
	put_time(out, "not_before", facts->not_before);
	put_time(out, "expires", facts->expires);
	out_text(out, "trouble", facts->trouble[0] ? facts->trouble : NULL);
}

static void put_certificates(struct view *view, const struct listener *listener)
{
	const struct texts *list = &listener->tls.certificates;
	struct json_out *out = &view->out;

	out_open(out, "certificates", '[');
	for (uint32_t i = 0; i < list->count; i++) {
		struct certificate_paths paths = certificate_paths(list->texts[i]);
		struct tls_file_facts facts;

		engine_tls_facts(view->engine,
				 &(struct tls_file_name){ TLS_FILE_CERTIFICATE, paths.chain,
							  paths.key },
				 &facts);
		out_open(out, NULL, '{');
		out_text(out, "chain", paths.chain);
		put_facts(out, &facts);
		out_close(out, '}');
	}
	out_close(out, ']');
}

static void put_tls_counters(struct json_out *out, const struct tls_counters *counters)
{
	char version[8];

	out_uint(out, "open", counters->open);
	out_open(out, "handshakes", '{');
	out_uint(out, "full", counters->handshakes - counters->resumed);
	out_uint(out, "resumed", counters->resumed);
	out_uint(out, "failed", counters->failed);
	out_close(out, '}');
	out_open(out, "versions", '{');
	for (uint32_t i = 0; i < TLS_VERSION_COUNT; i++) {
		snprintf(version, sizeof(version), "1.%u", i);
		if (counters->versions[i])
			out_uint(out, version, counters->versions[i]);
	}
	out_close(out, '}');
	out_open(out, "failures", '{');
	for (size_t i = 0; i < TLS_FAILURE_COUNT; i++)
		if (counters->failures[i])
			out_uint(out, tls_failure_words[i], counters->failures[i]);
	out_close(out, '}');
	out_uint(out, "server_errors", counters->server_errors);
}

void view_tls(struct view *view, const struct listener *listener, uint32_t id)
{
	struct json_out *out = &view->out;
	struct tls_look look = {};

	if (view->brief)
		return;
	if (!listener_is_tls(listener)) {
		out_null(out, "tls");
		return;
	}
	if (id)
		haproxy_look(engine_haproxy(view->engine), id, &look);
	out_open(out, "tls", '{');
	out_text(out, "state", state_words[look.state]);
	out_text(out, "trouble", look.state == TLS_FAILED ? look.trouble : NULL);
	put_tls_counters(out, &look.counters);
	put_certificates(view, listener);
	out_close(out, '}');
}

void view_tls_engine(struct view *view)
{
	struct json_out *out = &view->out;
	struct haproxy_state state;

	haproxy_state(engine_haproxy(view->engine), &state);
	if (!state.wanted) {
		out_null(out, "tls");
		return;
	}
	out_open(out, "tls", '{');
	out_bool(out, "running", state.running);
	out_uint(out, "pid", state.pid > 0 ? (uint64_t)state.pid : 0);
	out_text(out, "version", state.version);
	out_text(out, "trouble", state.trouble[0] ? state.trouble : NULL);
	out_uint(out, "max_connections", state.max_connections);
	out_uint(out, "files", state.files);
	out_uint(out, "files_max", state.files_max);
	out_uint(out, "memory", state.memory);
	out_uint(out, "old_workers", state.old_workers);
	out_uint(out, "starts", state.starts);
	out_uint(out, "reloads", state.reloads);
	out_close(out, '}');
}

/* --- problems ----------------------------------------------------------------------------------- */

static void listener_problem(struct view *view, const struct object *lb,
			     const struct listener *listener)
{
	char name[2 * NAME_TEXT_MAX];
	struct tls_look look;
	uint32_t id;

	snprintf(name, sizeof(name), "%s/%s", lb->name, listener->object.name);
	id = engine_live_id(view->engine, ID_LISTENER, name);
	if (!id)
		return;
	haproxy_look(engine_haproxy(view->engine), id, &look);
	if (look.state == TLS_FAILED)
		problems_add(view->problems,
			     &(struct finding){ .kind = PROBLEM_TLS_LISTENER,
						.scope = lb->name,
						.object = listener->object.name },
			     "listener %s takes no connections: %s", name, look.trouble);
}

/* What is wrong with a file now, and what its dates say. */
static void file_problem(void *arg, const struct tls_file_name *name,
			 const struct tls_file_facts *facts)
{
	int64_t left = facts->expires - (int64_t)time(NULL);
	struct finding finding = { .kind = PROBLEM_CERTIFICATE, .scope = name->path };
	struct view *view = arg;
	char when[32];

	if (facts->trouble[0] && facts->known)
		problems_add(view->problems, &finding, "%s; what it was before is still in use",
			     facts->trouble);
	if (!facts->expires)
		return;
	certificate_days(facts->expires, (int64_t)time(NULL), when);
	finding.kind = left < 0 ? PROBLEM_EXPIRED : PROBLEM_EXPIRES;
	if (name->kind == TLS_FILE_REVOCATIONS && left < 0)
		problems_add(
			view->problems, &finding,
			"%s: its next update was due (%s): clients with certificates are refused",
			name->path, when);
	else if (name->kind != TLS_FILE_REVOCATIONS && left < 30 * DAY)
		problems_add(view->problems, &finding, "%s %s%s", name->path,
			     left < 0 ? "" : "expires ", when);
}

void problems_tls(struct view *view)
{
	const struct model *model = engine_model(view->engine);
	const struct object *lb, *object;
	struct haproxy_state state;

	haproxy_state(engine_haproxy(view->engine), &state);
	if (state.trouble[0])
		problems_add(view->problems, &(struct finding){ .kind = PROBLEM_TLS }, "%s",
			     state.trouble);
	TAILQ_FOREACH(lb, &model->load_balancers, link)
		TAILQ_FOREACH(object, &((const struct load_balancer *)lb)->listeners, link)
			if (listener_is_tls((const struct listener *)object))
				listener_problem(view, lb, (const struct listener *)object);
	engine_tls_each(view->engine, file_problem, view);
}

/* --- certificates ------------------------------------------------------------------------------- */

struct certificates {
	struct engine *engine;
	json_t *list;
};

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

/* Names of the listeners that have the certificate. */
static json_t *listeners_with(const struct engine *engine, const struct tls_file_name *name)
{
	const struct object *lb, *object;
	json_t *list = json_array();
	char text[512], path[2 * NAME_TEXT_MAX];

	snprintf(text, sizeof(text), "%s:%s", name->path, name->other ? name->other : "");
	TAILQ_FOREACH(lb, &engine_model(engine)->load_balancers, link)
		TAILQ_FOREACH(object, &((const struct load_balancer *)lb)->listeners, link) {
			const struct texts *of =
				&((const struct listener *)object)->tls.certificates;

			snprintf(path, sizeof(path), "%s/%s", lb->name, object->name);
			for (uint32_t i = 0; i < of->count; i++)
				if (!strcmp(of->texts[i], text))
					json_array_append_new(list, json_string(path));
		}
	return list;
}

static void add_certificate(void *arg, const struct tls_file_name *name,
			    const struct tls_file_facts *facts)
{
	struct certificates *certificates = arg;
	char when[32] = "";

	if (name->kind != TLS_FILE_CERTIFICATE)
		return;
	if (facts->expires)
		certificate_days(facts->expires, (int64_t)time(NULL), when);
	json_array_append_new(
		certificates->list,
		json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:s, s:o, s:o}", "chain", name->path,
			  "key", name->other, "names", text_or_null(facts->names), "issuer",
			  text_or_null(facts->issuer), "serial", text_or_null(facts->serial),
			  "type", text_or_null(facts->key), "expires", (json_int_t)facts->expires,
			  "expires_in", when, "trouble", text_or_null(facts->trouble), "listeners",
			  listeners_with(certificates->engine, name)));
}

void api_certificates(struct call *call)
{
	struct certificates certificates = { call->api->engine, json_array() };

	engine_tls_each(call->api->engine, add_certificate, &certificates);
	call_reply_json(call, json_pack("{s:o}", "certificates", certificates.list));
}
