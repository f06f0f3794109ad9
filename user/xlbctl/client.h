/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HTTP/1.1 to xlbd's Unix socket. The only user of libcurl. */
#ifndef XLB_XLBCTL_CLIENT_H
#define XLB_XLBCTL_CLIENT_H

#include <jansson.h>

#include "xlbctl/xlbctl.h"

struct request {
	const char *method;
	const char *path;  /* "/v1/...", names already encoded */
	const char *query; /* "a=b&c=d", NULL: none */
	const void *body;  /* NULL: none */
	size_t body_size;
	const char *body_type;	   /* content type */
	long timeout;		   /* seconds to wait for the answer, 0: as usual */
	const char *last_event_id; /* of a stream that broke off, NULL: none */
	bool raw;		   /* a good answer is not parsed, its text is enough */
};

struct answer {
	char *body; /* NUL-terminated */
	size_t size;
	json_t *json; /* of the body, NULL if it is not JSON */
};
void answer_clear(struct answer *answer);
#define AUTO_ANSWER __attribute__((cleanup(answer_clear)))

/* "xlb" or "xlb-NAME" to run_dir and socket; -EINVAL (USAGE) for a malformed instance name. */
int client_init(struct ctl *ctl);
/* The command's request. `query` stays the caller's: "" is none, NULL is reported as lack of memory. */
int client_request(struct ctl *ctl, const char *query, long timeout, struct request *ret);
/*
 * One exchange. 0 for a 2xx answer; else < 0 with ctl->err filled from the problem document, or of class
 * UNREACHABLE (ctl->not_running tells whether there is no daemon at all).
 */
int client_call(struct ctl *ctl, const struct request *request, struct answer *ret);
/*
 * The same for a change: adds the options of changes to the query, and asks the person at the terminal
 * when the daemon wants agreement.
 */
int client_change(struct ctl *ctl, const struct request *request, struct answer *ret);
/* client_call for an answer that must be JSON. */
int client_json(struct ctl *ctl, const struct request *request, struct answer *ret);
/* The same for GET path. */
int client_get(struct ctl *ctl, const char *path, struct answer *ret);

/*
 * An answer that comes in pieces, for as long as it lasts: each piece of a 2xx answer goes to `take`, which
 * returns false to end it. Errors are those of client_call.
 */
typedef bool (*client_take)(void *arg, const char *data, size_t size);
int client_stream(struct ctl *ctl, const struct request *request, client_take take, void *arg);

/* Percent-encodes a word of a path into `out`. */
void put_encoded(FILE *out, const char *word);
/* An action's path: each "{}" of the template is the next of `words`; malloc'd, NULL on lack of memory. */
char *path_fill(const char *template, const char *const *words);

#endif
