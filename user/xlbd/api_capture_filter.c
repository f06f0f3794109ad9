// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which packets a capture wants: query options to a watch of the datapath. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/words.h"
#include "xlbd/api_capture.h"
#include "xlbd/api_query.h"

#define ADDRESSES_MAX (XLB_WATCH_ENDS_MAX - 1)
#define SECONDS_MAX   604800

const char *const capture_options[] = { "address", "port",    "protocol", "interface", "listener",
					"server",  "verdict", "reason",	  "side",      "snap",
					"count",   "seconds", "name",	  "format",    NULL };

/* Which of `words` option `name` is, from 1; *ret stays as it is if it was not given. */
static int take_word(const struct call *call, const char *name, const char *const *words,
		     size_t count, uint8_t *ret, struct xlb_err *err)
{
	const char *text = query_text(call, name), *nearest;
	char list[400] = "", quoted[QUOTE_MAX];

	if (!text)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(words[i], text)) {
			*ret = (uint8_t)(i + 1);
			return 0;
		}
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "",
			 words[i]);
	}
	xlb_err_set(err, XLB_ERR_USAGE, -EINVAL, "query option %s is '%s', which is not one of %s",
		    name, quote_text(text, quoted), list);
	nearest = nearest_word(text, words, count);
	if (nearest)
		xlb_err_hint(err, "did you mean %s?", nearest);
	return -EINVAL;
}

/* The same for what lists.h numbers. */
static int take_listed(const struct call *call, const char *name,
		       const char *(*word)(uint32_t number), uint8_t *ret, struct xlb_err *err)
{
	const char *words[XLB_DROP_COUNT];
	uint32_t count = 0;

	while ((words[count] = word(count + 1)))
		count++;
	return take_word(call, name, words, count, ret, err);
}

/* Both addresses, then the port: each is an end to be found among those of the packet. */
static int take_ends(const struct call *call, struct xlb_watch *watch, struct xlb_err *err)
{
	const struct evkeyval *pair;
	char quoted[QUOTE_MAX];
	uint32_t count = 0;
	uint64_t port;
	int r;

	TAILQ_FOREACH(pair, &call->query, next) {
		if (strcmp(pair->key, "address"))
			continue;
		if (count == ADDRESSES_MAX)
			return xlb_err_set(
				err, XLB_ERR_USAGE, -EINVAL,
				"query option address: at most %d are accepted, one for each end",
				ADDRESSES_MAX);
		if (parse_prefix(pair->value, &watch->ends[count].addr, &watch->ends[count].mask))
			return xlb_err_set(
				err, XLB_ERR_USAGE, -EINVAL,
				"query option address is '%s': an address or a prefix is accepted, such as 192.0.2.1 or 2001:db8::/32",
				quote_text(pair->value, quoted));
		count++;
	}
	r = query_uint(call, "port", 1, UINT16_MAX, 0, &port, err);
	if (r)
		return r;
	watch->ends[count].port = htons((uint16_t)port);
	if (count || port)
		watch->set |= XLB_WATCH_ENDS;
	return 0;
}

/* The object of type `type` that `path` names; errors are those of GET. */
static int find_object(const struct call *call, const char *path, struct object **ret,
		       struct xlb_err *err)
{
	struct object *parent;
	const struct type *type;

	return model_walk(engine_model(call->api->engine), path, &type, &parent, ret, err);
}

/* "edge/http" (`form` says so in words) into a path below two plurals; -EINVAL with err if it is no pair of names. */
static int pair_path(const char *name, const char *text, const char *form, const char *plural,
		     const char *child, char ret[256], struct xlb_err *err)
{
	const char *slash = strchr(text, '/');
	char quoted[QUOTE_MAX];
	int n = -1;

	if (slash && slash != text && slash[1] && !strchr(slash + 1, '/'))
		n = snprintf(ret, 256, "%s/%.*s/%s/%s", plural, (int)(slash - text), text, child,
			     slash + 1);
	if (n > 0 && n < 256)
		return 0;
	return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL, "query option %s is '%s': %s is accepted",
			   name, quote_text(text, quoted), form);
}

/* It is configured, but the datapath knows nothing of it. */
static int no_packets(const char *what, const char *name, struct xlb_err *err)
{
	return xlb_err_set(err, XLB_ERR_NOT_FOUND, -ENOENT,
			   "no packets of %s %s can be seen: it is not in use", what, name);
}

static int take_interface(const struct call *call, struct xlb_watch *watch, struct xlb_err *err)
{
	const char *text = query_text(call, "interface");
	const struct id_entry *entry;
	struct object *object = NULL;
	char path[256];
	int r;

	if (!text)
		return 0;
	snprintf(path, sizeof(path), "interfaces/%s", text);
	r = find_object(call, path, &object, err);
	if (r)
		return r;
	entry = object ? ids_find(engine_ids(call->api->engine), ID_INTERFACE, object->name) : NULL;
	if (!entry)
		return no_packets("interface", text, err);
	watch->slot = entry->id;
	watch->set |= XLB_WATCH_SLOT;
	return 0;
}

static int take_listener(const struct call *call, struct xlb_watch *watch, struct xlb_err *err)
{
	const char *text = query_text(call, "listener");
	struct object *object = NULL;
	char path[256];
	int r;

	if (!text)
		return 0;
	r = pair_path("listener", text, "LB/LISTENER", "load_balancers", "listeners", path, err);
	if (!r)
		r = find_object(call, path, &object, err);
	if (r)
		return r;
	watch->listener = engine_live_id(call->api->engine, ID_LISTENER, text);
	if (!watch->listener)
		return no_packets("listener", text, err);
	watch->set |= XLB_WATCH_LISTENER;
	return 0;
}

/* A server has an id for each of its addresses. */
static int take_server(const struct call *call, struct xlb_watch *watch, struct xlb_err *err)
{
	const char *text = query_text(call, "server");
	char path[256], key[ID_KEY_MAX], addr[ADDR_TEXT_MAX];
	struct object *object = NULL;
	const struct server *server;
	uint32_t ids[2] = {}, count = 0;
	int r;

	if (!text)
		return 0;
	r = pair_path("server", text, "GROUP/SERVER", "server_groups", "servers", path, err);
	if (!r)
		r = find_object(call, path, &object, err);
	if (r)
		return r;
	server = (const struct server *)object;
	for (uint32_t i = 0; i < server->address.count && count < 2; i++) {
		format_addr(&server->address.addrs[i], addr);
		snprintf(key, sizeof(key), "%s@%s", text, addr);
		ids[count] = engine_live_id(call->api->engine, ID_SERVER, key);
		count += ids[count] != 0;
	}
	if (!count)
		return no_packets("server", text, err);
	watch->server = ids[0];
	watch->other_server = ids[1];
	watch->set |= XLB_WATCH_SERVER;
	return 0;
}

static int take_words(const struct call *call, struct xlb_watch *watch, struct xlb_err *err)
{
	static const char *const protocols[] = { "tcp", "udp" }, *const sides[] = { "both",
										    "before",
										    "after" };
	static const uint8_t numbers[] = { 0, IPPROTO_TCP, IPPROTO_UDP };
	static const uint8_t without[] = { 0, 0, 1U << XLB_EVENT_AFTER, 1U << XLB_EVENT_BEFORE };
	uint8_t protocol = 0, side = 0;
	int r;

	r = take_word(call, "protocol", protocols, 2, &protocol, err);
	if (!r)
		r = take_word(call, "side", sides, 3, &side, err);
	if (!r)
		r = take_listed(call, "verdict", verdict_word, &watch->verdict, err);
	if (!r)
		r = take_listed(call, "reason", reason_word, &watch->reason, err);
	watch->protocol = numbers[protocol];
	watch->without = without[side];
	watch->set |= (protocol ? XLB_WATCH_PROTOCOL : 0) |
		      (watch->verdict ? XLB_WATCH_VERDICT : 0) |
		      (watch->reason ? XLB_WATCH_REASON : 0);
	return r;
}

/* How much of it, and in which form. */
static int take_shape(const struct call *call, struct capture *ret, struct xlb_err *err)
{
	static const char *const words[] = { "pcapng", "json" };
	const char *name = query_text(call, "name");
	uint64_t snap = 0;
	uint8_t form = 0;
	int r;

	r = take_word(call, "format", words, 2, &form, err);
	if (!r)
		r = query_uint(call, "snap", 1, XLB_EVENT_BYTES_MAX, XLB_EVENT_BYTES_MAX, &snap,
			       err);
	if (!r)
		r = query_uint(call, "count", 0, UINT64_MAX, 0, &ret->count, err);
	if (!r)
		r = query_uint(call, "seconds", 0, SECONDS_MAX, 0, &ret->seconds, err);
	if (r)
		return r;
	if (name && strlen(name) >= sizeof(ret->name))
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "query option name has more than %zu characters",
				   sizeof(ret->name) - 1);
	snprintf(ret->name, sizeof(ret->name), "%s", name ? name : "");
	ret->form = form == 2 ? &capture_form_json : &capture_form_pcapng;
	ret->watch.snap = ret->form->bytes ? (uint32_t)snap : 0;
	return 0;
}

int capture_filter(struct call *call, struct capture *ret, struct xlb_err *err)
{
	int r = take_shape(call, ret, err);

	if (!r)
		r = take_words(call, &ret->watch, err);
	if (!r)
		r = take_ends(call, &ret->watch, err);
	if (!r)
		r = take_interface(call, &ret->watch, err);
	if (!r)
		r = take_listener(call, &ret->watch, err);
	return r ? r : take_server(call, &ret->watch, err);
}
