/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of the API share: the call (one request until its answer) and its answers. */
#ifndef XLB_XLBD_API_PRIVATE_H
#define XLB_XLBD_API_PRIVATE_H

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <jansson.h>
#include <sys/queue.h>
#include <time.h>

#include "core/tree.h"
#include "core/types.h"
#include "xlbd/api.h"
#include "xlbd/preflight.h"
#include "xlbd/watcher.h"

#define GROUP_FILE "/etc/group"

TAILQ_HEAD(call_list, call);

struct api {
	struct event_base *base;
	struct paths paths;
	struct engine *engine;
	struct watcher *watcher;
	struct evhttp *http, *metrics_http; /* the second NULL unless there is an address for it */
	struct call_list calls;		    /* not answered yet */
	struct worker *worker;
	struct config_watch *config;
	uint32_t flow_works; /* of api_flows.h */
	struct traffic *traffic;
	time_t stream_patience; /* seconds that the client of a stream may take nothing of what waits for it */
	time_t started;	   /* CLOCK_MONOTONIC */
	time_t started_at; /* wall clock */
};

/* One request. Every handler ends it, now or later, with one call_reply_...(), which frees it. */
struct call {
	TAILQ_ENTRY(call) link;
	struct api *api; /* NULL once the API has closed: the answer has nowhere to go */
	struct evhttp_request *request; /* lives until the answer: see api_request() */
	const char *method;
	char *path; /* behind "/v1/", owned */
	char who[96];
	struct apply_options options; /* of the query and X-XLB-Origin */
	struct evkeyvalq query;	      /* the route's own options: query_text() */
	const char *origin_file;      /* names a configuration text in errors */
	const char *body;	      /* part of the request */
	size_t body_length;
	bool streaming;			    /* between call_stream() and its end */
	void (*drained)(struct call *call); /* the client has taken every piece; may be NULL */
	bool fix;      /* an attach that takes what would help into its interface's `fix` */
	bool applying; /* handed to the engine, which ends it even after the API has closed */
	void *job;     /* work spread over several turns of the loop, freed with the call */
	void (*job_free)(void *job);
};

/* All take over the call; json is stolen. */
void call_reply_json(struct call *call, json_t *json);
void call_reply_err(struct call *call, const struct xlb_err *err);
void call_reply_buffer(struct call *call, const char *content_type, struct evbuffer *buffer);
void call_reply_no_memory(struct call *call);

void call_content_type(struct call *call, const char *content_type);
/* Sockets that listen. `text` is ADDRESS:PORT; -EINVAL (USAGE) if it is not. */
int api_socket_unix(const char *path, int *ret, struct xlb_err *err);
int api_socket_tcp(const char *text, int *ret, struct xlb_err *err);

/* Takes the call from the list of those not answered and frees it, with its job. */
void call_free(struct call *call);

/*
 * An answer in pieces: call_stream() sends its head, call_stream_add() a piece (the buffer is emptied; false:
 * the client is more than 1 MiB behind and the piece was left out), call_stream_end() ends it and frees the
 * call. Who sets call->drained is called from the loop each time the client has taken all there was, and can
 * go by that instead of filling memory. A client that goes away, or takes nothing for a minute, ends the
 * answer as well: what belongs to it is call->job.
 */
void call_stream(struct call *call, const char *content_type);
bool call_stream_add(struct call *call, struct evbuffer *piece);
void call_stream_end(struct call *call);
/* True once the client has closed a connection that it waits on for an answer. */
bool call_is_abandoned(const struct call *call);
/* The HTTP server is about to close: nobody is told. */
void call_stream_forget(struct call *call);

/* What a change does to the model once its turn has come. */
enum edit_kind {
	EDIT_REPLACE, /* by `model` */
	EDIT_RELOAD,  /* nothing: files that it names are read anew */
	EDIT_ADD,     /* the object at `path`, with the fields of `tree`; an error if it exists */
	EDIT_SET,     /* merges `tree` into the object at `path` */
	EDIT_PUT,     /* adds it or merges */
	EDIT_REMOVE,
};
/* Answers the call. Takes over model (EDIT_REPLACE, else NULL) and tree (NULL: no fields). */
void call_change(struct call *call, enum edit_kind kind, const char *path, struct model *model,
		 struct tree *tree);
/* The same with the body as the fields. */
void call_change_body(struct call *call, enum edit_kind kind, const char *path);
/* Newline-separated text as an array. */
json_t *lines_json(const char *lines);
/* The answer of the checks of an interface; NULL on lack of memory. */
json_t *preflight_json(const struct preflight_facts *facts);
/* The path without its last segment; malloc'd, NULL on lack of memory. */
char *path_parent(const char *path);

/* Handlers of the dispatch table. */
void api_status(struct call *call);
void api_counters(struct call *call);
void api_drops(struct call *call);
void api_events(struct call *call);
void api_metrics(struct call *call);
void api_version(struct call *call);
void api_get(struct call *call);
void api_add(struct call *call);
void api_set(struct call *call);
void api_remove(struct call *call);
void api_reload(struct call *call);
void api_apply(struct call *call);
void api_check(struct call *call);
void api_diff(struct call *call);
void api_export(struct call *call);
void api_confirm(struct call *call);
void api_interface_check(struct call *call);
void api_attach(struct call *call);
void api_detach(struct call *call);
void api_drain(struct call *call);
void api_flows(struct call *call);
void api_flows_kill(struct call *call);
void api_trace(struct call *call);
void api_trace_live(struct call *call);
void api_capture(struct call *call);
void api_capture_stop(struct call *call);

#endif
