// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The socket, the dispatch table, and the life of a call. */
#include "xlbd/api.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "core/json.h"
#include "xlbd/api_capture.h"
#include "xlbd/api_config.h"
#include "xlbd/api_query.h"
#include "xlbd/api_tls.h"
#include "xlbd/api_trace.h"
#include "xlbd/api_worker.h"
#include "xlbd/authority.h"
#include "xlbd/traffic.h"

#define HEADERS_MAX	(64 << 10)
#define BODY_MAX	(1 << 20) /* except for texts: TREE_MAX_BYTES */
#define TIMEOUT_SECONDS 60
#define METRICS_PATH	"/metrics"

enum route_flags { ROUTE_WRITE = 1, ROUTE_TEXT = 2 };

static const char *const attach_options[] = { "fix", NULL };
#define FLOW_FILTERS \
	"listener", "load_balancer", "server", "group", "client", "vip", "protocol", "state"

static const char *const flow_list_options[] = { FLOW_FILTERS, "by", "order", "limit", "for", NULL };
static const char *const flow_kill_options[] = { FLOW_FILTERS, "all", NULL };

/* First match of method and pattern wins; `*` is one segment, `**` everything. */
static const struct route {
	enum evhttp_cmd_type method;
	const char *pattern;
	void (*handler)(struct call *call);
	int flags;		    /* enum route_flags */
	const char *const *options; /* names of its own query options, NULL: none; see query_text() */
} routes[] = {
	{ EVHTTP_REQ_GET, "status", api_status, 0, (const char *const[]){ "summary", NULL } },
	{ EVHTTP_REQ_GET, "counters/*", api_counters, 0, NULL },
	{ EVHTTP_REQ_GET, "drops", api_drops, 0,
	  (const char *const[]){ "interface", "reason", "all", NULL } },
	{ EVHTTP_REQ_GET, "events", api_events, 0,
	  (const char *const[]){ "since", "last", "kind", "follow", NULL } },
	{ EVHTTP_REQ_GET, "export", api_export, 0, NULL },
	{ EVHTTP_REQ_GET, "certificates", api_certificates, 0, NULL },
	{ EVHTTP_REQ_POST, "reload", api_reload, ROUTE_WRITE, NULL },
	{ EVHTTP_REQ_POST, "apply", api_apply, ROUTE_WRITE | ROUTE_TEXT, NULL },
	{ EVHTTP_REQ_POST, "check", api_check, ROUTE_TEXT, NULL },
	{ EVHTTP_REQ_POST, "diff", api_diff, ROUTE_TEXT, NULL },
	{ EVHTTP_REQ_GET, "trace", api_trace, 0, trace_options },
	{ EVHTTP_REQ_POST, "trace/live", api_trace_live, ROUTE_WRITE, trace_live_options },
	{ EVHTTP_REQ_POST, "confirm", api_confirm, ROUTE_WRITE, NULL },
	{ EVHTTP_REQ_GET, "interfaces/*/check", api_interface_check, 0, NULL },
	{ EVHTTP_REQ_POST, "interfaces/*/attach", api_attach, ROUTE_WRITE, attach_options },
	{ EVHTTP_REQ_POST, "interfaces/*/detach", api_detach, ROUTE_WRITE, NULL },
	{ EVHTTP_REQ_POST, "server_groups/*/servers/*/drain", api_drain, ROUTE_WRITE, NULL },
	{ EVHTTP_REQ_GET, "flows", api_flows, 0, flow_list_options },
	{ EVHTTP_REQ_POST, "flows/kill", api_flows_kill, ROUTE_WRITE, flow_kill_options },
	{ EVHTTP_REQ_POST, "capture", api_capture, ROUTE_WRITE, capture_options },
	{ EVHTTP_REQ_POST, "capture/*/stop", api_capture_stop, ROUTE_WRITE, NULL },
	{ EVHTTP_REQ_GET, "metrics", api_metrics, 0, (const char *const[]){ "scope", NULL } },
	{ EVHTTP_REQ_GET, "version", api_version, 0, NULL },
	{ EVHTTP_REQ_GET, "**", api_get, 0, (const char *const[]){ "brief", "children", NULL } },
	{ EVHTTP_REQ_POST, "**", api_add, ROUTE_WRITE, NULL },
	{ EVHTTP_REQ_PATCH, "**", api_set, ROUTE_WRITE, NULL },
	{ EVHTTP_REQ_DELETE, "**", api_remove, ROUTE_WRITE, NULL },
};

static const struct {
	enum evhttp_cmd_type method;
	const char *word;
} methods[] = {
	{ EVHTTP_REQ_GET, "GET" },	 { EVHTTP_REQ_POST, "POST" }, { EVHTTP_REQ_PATCH, "PATCH" },
	{ EVHTTP_REQ_DELETE, "DELETE" }, { EVHTTP_REQ_PUT, "PUT" },
};
#define METHOD_COUNT (sizeof(methods) / sizeof(methods[0]))

void call_free(struct call *call)
{
	if (call->api)
		TAILQ_REMOVE(&call->api->calls, call, link);
	if (call->job)
		call->job_free(call->job);
	evhttp_clear_headers(&call->query);
	free(call->path);
	free(call);
}

void call_content_type(struct call *call, const char *content_type)
{
	evhttp_add_header(evhttp_request_get_output_headers(call->request), "Content-Type",
			  content_type);
}

/* Sends and frees. The request belongs to libevent again afterwards. */
static void call_send(struct call *call, int status, const char *content_type,
		      struct evbuffer *buffer)
{
	if (call->api) {
		call_content_type(call, content_type);
		evhttp_send_reply(call->request, status, NULL, buffer);
	}
	call_free(call);
}

static void call_send_json(struct call *call, int status, const char *content_type, json_t *json)
{
	struct evbuffer *buffer = evbuffer_new();
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (!buffer || !text) /* an empty answer is all that is left */
		status = 500;
	else
		evbuffer_add_printf(buffer, "%s\n", text);
	call_send(call, status, content_type, buffer);
	free(text);
	if (buffer)
		evbuffer_free(buffer);
}

void call_reply_json(struct call *call, json_t *json)
{
	call_send_json(call, HTTP_OK, "application/json", json);
}

void call_reply_buffer(struct call *call, const char *content_type, struct evbuffer *buffer)
{
	call_send(call, HTTP_OK, content_type, buffer);
}

static void reply_problem(struct call *call, int status, const struct xlb_err *err)
{
	json_t *json = err_json(err);

	if (json)
		json_object_set_new(json, "status", json_integer(status));
	call_send_json(call, status, "application/problem+json", json);
}

void call_reply_err(struct call *call, const struct xlb_err *err)
{
	reply_problem(call, xlb_err_status(err->class), err);
}

void call_reply_no_memory(struct call *call)
{
	struct xlb_err err;

	xlb_err_set(&err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	call_reply_err(call, &err);
}

static bool pattern_matches(const char *pattern, const char *path)
{
	if (!strcmp(pattern, "**"))
		return true;
	while (*pattern && *path) {
		size_t a = strcspn(pattern, "/"), b = strcspn(path, "/");

		if (strncmp(pattern, "*", a) && (a != b || strncmp(pattern, path, a)))
			return false;
		pattern += a + (pattern[a] == '/');
		path += b + (path[b] == '/');
	}
	return !*pattern && !*path;
}

/* The row for method and path; else NULL and the methods that the path knows. */
static const struct route *route_find(enum evhttp_cmd_type method, const char *path,
				      int *ret_methods)
{
	bool action = false;
	size_t i;

	*ret_methods = 0;
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		bool generic = !strcmp(routes[i].pattern, "**");

		if ((generic && action) || !pattern_matches(routes[i].pattern, path))
			continue; /* an action's path names no object */
		if (routes[i].method == method)
			return &routes[i];
		action |= !generic;
		*ret_methods |= (int)routes[i].method;
	}
	return NULL;
}

static void reply_bad_method(struct call *call, int known)
{
	char allow[64] = "";
	struct xlb_err err;
	size_t i;

	for (i = 0; i < METHOD_COUNT; i++)
		if (known & (int)methods[i].method)
			snprintf(allow + strlen(allow), sizeof(allow) - strlen(allow), "%s%s",
				 allow[0] ? ", " : "", methods[i].word);
	evhttp_add_header(evhttp_request_get_output_headers(call->request), "Allow", allow);
	xlb_err_set(&err, XLB_ERR_USAGE, -EINVAL, "'/v1/%.200s' does not take %s, it takes %s",
		    call->path, call->method, allow);
	reply_problem(call, HTTP_BADMETHOD, &err);
}

/* Fills who asks for a change; -EACCES with err if they may not. */
static int call_authorize(struct call *call, const struct route *route, struct xlb_err *err)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(call->request);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
	struct peer peer;
	bool allowed;
	int r;

	if (!(route->flags & ROUTE_WRITE))
		return 0;
	r = peer_read(fd, &peer);
	if (r)
		return xlb_err_set(err, XLB_ERR_PERMISSION, r, "cannot tell who asks: %s",
				   strerror(-r));
	peer_format(&peer, call->who, sizeof(call->who));
	allowed = peer_may_write(&peer, GROUP_FILE);
	peer_done(&peer);
	if (allowed)
		return 0;
	r = xlb_err_set(err, XLB_ERR_PERMISSION, -EACCES,
			"changes need root or membership of group %s; this is %s",
			AUTHORITY_WRITERS, call->who);
	xlb_err_hint(
		err,
		"use sudo, or: groupadd -f %s; usermod -aG %s USER (counts from the next login)",
		AUTHORITY_WRITERS, AUTHORITY_WRITERS);
	return r;
}

/* GET and DELETE have none: libevent would take it for the next request. */
static int check_body(struct call *call, enum evhttp_cmd_type method, struct xlb_err *err)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(call->request);
	const char *length = evhttp_find_header(headers, "Content-Length");

	if ((method != EVHTTP_REQ_GET && method != EVHTTP_REQ_DELETE) ||
	    ((!length || !strcmp(length, "0")) &&
	     !evhttp_find_header(headers, "Transfer-Encoding")))
		return 0;
	evhttp_add_header(evhttp_request_get_output_headers(call->request), "Connection", "close");
	return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL, "%s takes no body", call->method);
}

static void call_run(struct call *call, const struct route *route, enum evhttp_cmd_type method)
{
	struct evbuffer *input = evhttp_request_get_input_buffer(call->request);
	struct xlb_err err = {};
	int r;

	r = call_authorize(call, route, &err);
	if (!r)
		r = check_body(call, method, &err);
	if (!r)
		r = query_parse(call, route->options, &err);
	if (r) {
		call_reply_err(call, &err);
		return;
	}
	call->body_length = evbuffer_get_length(input);
	if (call->body_length > BODY_MAX && !(route->flags & ROUTE_TEXT)) {
		xlb_err_set(&err, XLB_ERR_USAGE, -EFBIG,
			    "a body of %zu bytes is too large: 1 MiB is the limit here",
			    call->body_length);
		reply_problem(call, HTTP_ENTITYTOOLARGE, &err);
		return;
	}
	call->body = call->body_length ? (const char *)evbuffer_pullup(input, -1) : "";
	if (!call->body) {
		call_reply_no_memory(call);
		return;
	}
	route->handler(call);
}

static void reply_no_path(struct call *call, const char *uri_path, const char *hint)
{
	struct xlb_err err;

	xlb_err_set(&err, XLB_ERR_NOT_FOUND, -ENOENT, "no such path '%.200s': %s", uri_path, hint);
	call_reply_err(call, &err);
}

/*
 * Percent-decodes what stands behind "/v1/"; NULL if that is not the beginning, or on a NUL inside. /metrics is
 * where everybody looks for it.
 */
static char *decode_path(const char *uri_path)
{
	size_t length;
	char *path;

	if (!strcmp(uri_path, METRICS_PATH))
		return strdup("metrics");
	if (strncmp(uri_path, "/v1/", 4))
		return NULL;
	path = evhttp_uridecode(uri_path + 4, 0, &length);
	if (path && strlen(path) != length) {
		free(path);
		return NULL;
	}
	return path;
}

/*
 * For every well-formed request; NULL if it has been answered already. Reading from the connection stops
 * here: while the answer waits for its change, libevent would free the request of a client that goes away,
 * and abort on one that sends on. It reads again by itself once the answer is sent.
 */
static struct call *call_new(struct api *api, struct evhttp_request *request)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	enum evhttp_cmd_type method = evhttp_request_get_command(request);
	struct call *call = calloc(1, sizeof(*call));
	size_t i;

	bufferevent_disable(evhttp_connection_get_bufferevent(connection), EV_READ);
	if (!call) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
		return NULL;
	}
	TAILQ_INIT(&call->query);
	call->api = api;
	call->request = request;
	TAILQ_INSERT_TAIL(&api->calls, call, link);
	for (i = 0; i < METHOD_COUNT; i++)
		if (methods[i].method == method)
			call->method = methods[i].word;
	return call;
}

static const char *path_of(const struct evhttp_request *request)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));

	return path ? path : "";
}

static void call_dispatch(struct call *call)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(call->request);
	const struct route *route;
	int known;

	call->path = decode_path(path_of(call->request));
	if (!call->path) {
		reply_no_path(call, path_of(call->request), "all paths begin with /v1/");
		return;
	}
	route = route_find(method, call->path, &known);
	if (route)
		call_run(call, route, method);
	else
		reply_bad_method(call, known);
}

static void api_request(struct evhttp_request *request, void *arg)
{
	struct call *call = call_new(arg, request);

	if (call)
		call_dispatch(call);
}

/* On an address, where nobody is known: one thing to read, nothing to change. */
static void metrics_request(struct evhttp_request *request, void *arg)
{
	struct call *call = call_new(arg, request);

	if (call && strcmp(path_of(request), METRICS_PATH))
		reply_no_path(call, path_of(request), "here is " METRICS_PATH " only");
	else if (call)
		call_dispatch(call);
}

/* Serves the socket, which is the server's from then on. -ENOMEM. */
static int start_http(struct api *api, int fd, int allowed,
		      void (*callback)(struct evhttp_request *request, void *arg),
		      struct evhttp **ret)
{
	struct evconnlistener *listener;

	*ret = evhttp_new(api->base);
	listener = evconnlistener_new(api->base, NULL, NULL,
				      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!listener)
		close(fd);
	if (!*ret || !listener || !evhttp_bind_listener(*ret, listener)) {
		if (listener)
			evconnlistener_free(listener);
		return -ENOMEM;
	}
	evhttp_set_allowed_methods(*ret, (ev_uint16_t)allowed);
	evhttp_set_max_headers_size(*ret, HEADERS_MAX);
	evhttp_set_max_body_size(*ret, TREE_MAX_BYTES);
	evhttp_set_timeout(*ret, TIMEOUT_SECONDS);
	evhttp_set_flags(*ret, EVHTTP_SERVER_LINGERING_CLOSE);
	evhttp_set_gencb(*ret, callback, api);
	return 0;
}

/* All methods that some path takes. */
static int all_methods(void)
{
	int all = 0;
	size_t i;

	for (i = 0; i < METHOD_COUNT; i++)
		all |= (int)methods[i].method;
	return all;
}

int api_listen_metrics(struct api *api, const char *address, struct xlb_err *err)
{
	int fd, r = api_socket_tcp(address, &fd, err);

	if (!r && start_http(api, fd, EVHTTP_REQ_GET, metrics_request, &api->metrics_http))
		r = xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "cannot start the HTTP server");
	return r;
}

int api_open(struct event_base *base, const struct paths *paths, struct engine *engine,
	     struct api **ret, struct xlb_err *err)
{
	struct api *api = calloc(1, sizeof(*api));
	struct timespec now;
	int fd, r = 0;

	if (!api)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	api->base = base;
	api->paths = *paths;
	api->engine = engine;
	api->stream_patience = TIMEOUT_SECONDS;
	TAILQ_INIT(&api->calls);
	clock_gettime(CLOCK_MONOTONIC, &now);
	api->started = now.tv_sec;
	api->started_at = time(NULL);
	api->watcher = watcher_new(base, engine_datapath(engine));
	api->traffic = traffic_new(base, engine);
	api->config = config_watch_new();
	if (!api->watcher || !api->traffic || !api->config)
		r = xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	if (!r)
		r = api_socket_unix(paths->socket, &fd, err);
	if (!r && start_http(api, fd, all_methods(), api_request, &api->http))
		r = xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "cannot start the HTTP server");
	if (!r && worker_open(base, &api->worker))
		r = xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "cannot start a thread");
	if (r) {
		api_close(api);
		return r;
	}
	*ret = api;
	return 0;
}

void api_warm_up(struct api *api)
{
	watcher_prepare(api->watcher);
}

struct api *api_close(struct api *api)
{
	struct call *call, *next;

	if (!api)
		return NULL;
	api->worker = worker_close(api->worker);
	for (call = TAILQ_FIRST(&api->calls); call; call = next) {
		next = TAILQ_NEXT(call, link);
		if (!call->applying) {
			call_stream_forget(call);
			call_free(call);
			continue;
		}
		TAILQ_REMOVE(&api->calls, call, link);
		call->api = NULL;
	}
	watcher_free(api->watcher); /* its sessions belonged to calls */
	if (api->http) {
		unlink(api->paths.socket);
		evhttp_free(api->http);
	}
	if (api->metrics_http)
		evhttp_free(api->metrics_http);
	traffic_free(api->traffic);
	config_watch_free(api->config);
	free(api);
	return NULL;
}
