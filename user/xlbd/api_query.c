// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_query.h"

#include <errno.h>
#include <event2/keyvalq_struct.h>
#include <string.h>

#define ORIGIN_MAX  200
#define CONFIRM_MAX 3600
#define OWN_MAX	    16 /* options of a route */

enum query_kind { QUERY_FLAG, QUERY_REVISION, QUERY_SECONDS };

static const struct query {
	const char *name;
	enum query_kind kind;
	size_t offset; /* in struct apply_options */
} queries[] = {
	{ "dry_run", QUERY_FLAG, offsetof(struct apply_options, dry_run) },
	{ "yes", QUERY_FLAG, offsetof(struct apply_options, yes) },
	{ "force", QUERY_FLAG, offsetof(struct apply_options, force) },
	{ "now", QUERY_FLAG, offsetof(struct apply_options, now) },
	{ "if_revision", QUERY_REVISION, offsetof(struct apply_options, if_revision) },
	{ "confirm", QUERY_SECONDS, offsetof(struct apply_options, confirm) },
};
#define QUERY_COUNT (sizeof(queries) / sizeof(queries[0]))

static int set_flag(const char *name, const char *text, bool *ret, struct xlb_err *err)
{
	if (strcmp(text, "1") && strcmp(text, "true") && strcmp(text, "0") && strcmp(text, "false"))
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "query option %s is '%.32s': 1, true, 0 or false is accepted",
				   name, text);
	*ret = text[0] == '1' || text[0] == 't';
	return 0;
}

static int set_option(const struct query *query, const char *text, struct apply_options *options,
		      struct xlb_err *err)
{
	char *field = (char *)options + query->offset;
	uint64_t seconds;

	switch (query->kind) {
	case QUERY_FLAG:
		return set_flag(query->name, text, (bool *)field, err);
	case QUERY_REVISION:
		if (!parse_uint(text, 1, UINT64_MAX, (uint64_t *)field))
			return 0;
		return xlb_err_set(
			err, XLB_ERR_USAGE, -EINVAL,
			"query option %s is '%.32s': a revision of 1 or more is accepted",
			query->name, text);
	case QUERY_SECONDS:
		if (!parse_uint(text, 1, CONFIRM_MAX, &seconds)) {
			*(uint32_t *)field = (uint32_t)seconds;
			return 0;
		}
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "query option %s is '%.32s': 1-%d seconds are accepted",
				   query->name, text, CONFIRM_MAX);
	}
	return -EINVAL;
}

static int unknown_option(const char *key, const char *const *own, struct xlb_err *err)
{
	const char *names[QUERY_COUNT + OWN_MAX], *nearest;
	char list[400] = "";
	size_t i, count = 0;
	int r;

	for (i = 0; own && own[i] && count < OWN_MAX; i++)
		names[count++] = own[i];
	for (i = 0; i < QUERY_COUNT; i++)
		names[count++] = queries[i].name;
	for (i = 0; i < count; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "",
			 names[i]);
	r = xlb_err_set(err, XLB_ERR_USAGE, -EINVAL, "query option '%.32s' is not one of %s", key,
			list);
	nearest = nearest_word(key, names, count);
	if (nearest)
		xlb_err_hint(err, "did you mean %s?", nearest);
	return r;
}

static int parse_pair(struct call *call, const struct evkeyval *pair, const char *const *own,
		      struct xlb_err *err)
{
	size_t i;

	for (i = 0; own && own[i]; i++)
		if (!strcmp(own[i], pair->key))
			return evhttp_add_header(&call->query, pair->key, pair->value) ? -ENOMEM :
											 0;
	for (i = 0; i < QUERY_COUNT; i++)
		if (!strcmp(queries[i].name, pair->key))
			return set_option(&queries[i], pair->value, &call->options, err);
	return unknown_option(pair->key, own, err);
}

const char *query_text(const struct call *call, const char *name)
{
	return evhttp_find_header(&call->query, name);
}

int query_uint(const struct call *call, const char *name, uint64_t min, uint64_t max,
	       uint64_t preset, uint64_t *ret, struct xlb_err *err)
{
	const char *text = query_text(call, name);

	*ret = preset;
	if (!text || !parse_uint(text, min, max, ret))
		return 0;
	return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
			   "query option %s is '%.32s': a number of %llu-%llu is accepted", name,
			   text, (unsigned long long)min, (unsigned long long)max);
}

int query_flag(const struct call *call, const char *name, bool *ret, struct xlb_err *err)
{
	const char *text = query_text(call, name);

	*ret = false;
	return text ? set_flag(name, text, ret, err) : 0;
}

/* Printable ASCII only: the origin goes to the log, the state file and terminals. */
static void take_origin(struct call *call)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(call->request);
	const char *text = evhttp_find_header(headers, "X-XLB-Origin");
	char *origin = call->options.origin;
	size_t i;

	if (!text || !text[0]) {
		snprintf(origin, sizeof(call->options.origin), "%s %s", call->method, call->path);
		call->origin_file = "configuration";
		return;
	}
	for (i = 0; text[i] && i < ORIGIN_MAX; i++)
		origin[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	origin[i] = '\0';
	call->origin_file = origin;
}

int query_parse(struct call *call, const char *const *own, struct xlb_err *err)
{
	const char *text = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(call->request));
	const struct evkeyval *pair;
	struct evkeyvalq pairs;
	int r = 0;

	take_origin(call);
	if (!text)
		return 0;
	if (evhttp_parse_query_str(text, &pairs))
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "query '%.100s' is not of the form NAME=VALUE&NAME=VALUE", text);
	TAILQ_FOREACH(pair, &pairs, next) {
		r = parse_pair(call, pair, own, err);
		if (r)
			break;
	}
	evhttp_clear_headers(&pairs);
	return r;
}
