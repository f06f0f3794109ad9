// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* GET /v1/flows: the oldest, the most idle, the busiest flows of those that a filter means. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/words.h"
#include "core/flow_top.h"
#include "xlb/lifetime.h"
#include "xlbd/api_flows.h"
#include "xlbd/api_query.h"
#include "xlbd/slice.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     100000
#define SECONDS_MAX   60
#define STEP_VISITS   256	  /* between looks at the clock */
#define PIECE_BYTES   (256 << 10) /* a longer answer goes out in pieces */
#define END_TEXT_MAX  (ADDR_TEXT_MAX + sizeof("[]:65535"))
#define UNIT_SECONDS  ((double)(1U << XLB_STAMP_SHIFT) / 1e9)

struct flow_list {
	struct flow_work work;
	const struct order *by;
	bool lowest;
	uint32_t limit, seconds;
	uint32_t start; /* stamp that all ages are compared at */
	struct flow_top *top;
	/* of a measurement */
	struct watch_session *session;
	struct flow_traffic *rows;
	size_t row_count, row_next;
	/* what is done next, until it has nothing left to do */
	int (*step)(struct flow_list *list, bool *ret_done, struct xlb_err *err);
	struct evbuffer *out;
	bool opened; /* the head of the answer is in out */
	uint32_t printed;
};

static uint64_t rank_age(const struct flow_found *found, uint32_t now)
{
	return xlb_flow_age(now, found->flow.created);
}

static uint64_t rank_idle(const struct flow_found *found, uint32_t now)
{
	return xlb_flow_age(now, found->flow.stamp);
}

static uint64_t rank_packets(const struct flow_found *found, uint32_t now)
{
	(void)now;
	return found->packets;
}

static uint64_t rank_bytes(const struct flow_found *found, uint32_t now)
{
	(void)now;
	return found->bytes;
}

static const struct order {
	const char *word;
	uint64_t (*rank)(const struct flow_found *found, uint32_t now);
	bool measured;
} orders[] = {
	{ "age", rank_age, false },
	{ "idle", rank_idle, false },
	{ "packets", rank_packets, true },
	{ "bytes", rank_bytes, true },
};

static void list_free(void *job)
{
	struct flow_list *list = job;

	watcher_leave(list->session);
	flow_work_close(&list->work);
	flow_top_free(list->top);
	if (list->out)
		evbuffer_free(list->out);
	free(list->rows);
	free(list);
}

static void list_offer(struct flow_list *list, struct flow_found *found)
{
	if (!flow_work_meets(&list->work, &found->key, &found->flow))
		return;
	found->rank = list->by->rank(found, list->start);
	flow_top_offer(list->top, found);
}

/* --- gathering ----------------------------------------------------------------------------------- */

static enum flow_action visit(void *arg, const struct xlb_flow_key *key,
			      const struct xlb_flow *flow)
{
	struct flow_found found = { .key = *key, .flow = *flow };

	list_offer(arg, &found);
	return FLOW_KEEP;
}

static int step_walk(struct flow_list *list, bool *ret_done, struct xlb_err *err)
{
	return flow_walk_next(list->work.walk, STEP_VISITS, visit, list, ret_done, err);
}

/* Joins what was measured with the records; a flow that is gone by now is left out. */
static int step_join(struct flow_list *list, bool *ret_done, struct xlb_err *err)
{
	struct datapath *dp = engine_datapath(list->work.api->engine);

	(void)err;
	for (uint32_t i = 0; i < STEP_VISITS && list->row_next < list->row_count; i++) {
		const struct flow_traffic *row = &list->rows[list->row_next++];
		struct flow_found found = { .key = row->key,
					    .packets = row->traffic.packets,
					    .bytes = row->traffic.bytes };

		if (!datapath_flow_get(dp, &row->key, &found.flow))
			list_offer(list, &found);
	}
	*ret_done = list->row_next == list->row_count;
	return 0;
}

static int step_sort(struct flow_list *list, bool *ret_done, struct xlb_err *err)
{
	(void)err;
	*ret_done = flow_top_sort(list->top, STEP_VISITS);
	return 0;
}

/* --- printing ------------------------------------------------------------------------------------ */

static const char *format_end(const struct xlb_addr *addr, __be16 port, char ret[END_TEXT_MAX])
{
	char text[ADDR_TEXT_MAX];

	format_addr(addr, text);
	snprintf(ret, END_TEXT_MAX, addr_family(addr) == XLB_IPV4 ? "%s:%u" : "[%s]:%u", text,
		 ntohs(port));
	return ret;
}

/* Cuts a key in its parts, "edge/http", "web/web1@10.0.1.11 ..."; NULL for an id that is gone. */
static void add_names(json_t *json, const struct id_entry *entry, const char *parent,
		      const char *child)
{
	const char *key = entry ? entry->key : "";
	size_t length = strcspn(key, "/");
	const char *rest = key + length + (key[length] == '/');

	json_object_set_new(json, parent, entry ? json_stringn(key, length) : json_null());
	json_object_set_new(json, child,
			    entry ? json_stringn(rest, strcspn(rest, "@")) : json_null());
}

static void add_server_side(json_t *json, const struct ids *ids, const struct xlb_flow *flow)
{
	const struct id_entry *server = ids_by_id(ids, ID_SERVER, flow->server);
	const struct id_entry *snat = ids_by_id(ids, ID_SNAT, flow->snat);
	char text[END_TEXT_MAX];
	struct xlb_server row;
	struct xlb_addr addr;

	json_object_set_new(json, "forward", json_string(mode_word(flow->mode)));
	if (server) {
		memcpy(&row, server->frozen, sizeof(row));
		json_object_set_new(json, "server_address",
				    json_string(format_end(&row.addr, flow->server_port, text)));
	}
	if (snat && !parse_addr(snat->key, &addr))
		json_object_set_new(json, "snat",
				    json_string(format_end(&addr, flow->snat_port, text)));
}

/* Where replies to the client go. */
static void add_hop(json_t *json, const struct ids *ids, const struct xlb_nexthop *hop)
{
	const struct id_entry *entry = ids_by_id(ids, ID_INTERFACE, hop->interface);
	char mac[18];

	if (!entry)
		return;
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", hop->mac[0], hop->mac[1],
		 hop->mac[2], hop->mac[3], hop->mac[4], hop->mac[5]);
	json_object_set_new(json, "interface", json_string(entry->key));
	json_object_set_new(json, "mac", json_string(mac));
}

static json_t *flow_json(const struct flow_list *list, const struct flow_found *found)
{
	struct engine *engine = list->work.api->engine;
	const struct ids *ids = engine_ids(engine);
	const struct xlb_flow *flow = &found->flow;
	const struct id_entry *listener = ids_by_id(ids, ID_LISTENER, flow->listener);
	const struct id_entry *server = ids_by_id(ids, ID_SERVER, flow->server);
	uint32_t now = list->work.now;
	uint8_t state =
		flow_state(&found->key, flow, now, engine_idle_timeout(engine, flow->listener));
	char client[END_TEXT_MAX], vip[END_TEXT_MAX];
	json_t *json = json_pack("{s:s, s:s, s:s}", "client",
				 format_end(&found->key.client, found->key.client_port, client),
				 "vip", format_end(&flow->vip, found->key.port, vip), "protocol",
				 found->key.protocol == IPPROTO_TCP ? "tcp" : "udp");

	if (!json)
		return NULL;
	add_names(json, listener, "load_balancer", "listener");
	add_names(json, server, "server_group", "server");
	add_server_side(json, ids, flow);
	/* it may have come to its end since it was found */
	json_object_set_new(json, "state",
			    json_string(flow_state_word(state ? state : flow->state)));
	json_object_set_new(json, "age",
			    json_real(xlb_flow_age(now, flow->created) * UNIT_SECONDS));
	json_object_set_new(json, "idle", json_real(xlb_flow_age(now, flow->stamp) * UNIT_SECONDS));
	if (list->by->measured) {
		json_object_set_new(json, "packets", json_integer((json_int_t)found->packets));
		json_object_set_new(json, "bytes", json_integer((json_int_t)found->bytes));
	}
	add_hop(json, ids, &flow->reply);
	json_object_set_new(json, "retired",
			    json_boolean(!listener || !server || !listener->live || !server->live));
	return json;
}

static int print_flow(struct flow_list *list)
{
	json_t *json = flow_json(list, flow_top_at(list->top, list->printed));
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
	int r = text ? 0 : -ENOMEM;

	if (!r && evbuffer_add_printf(list->out, "%s%s", list->printed ? "," : "", text) < 0)
		r = -ENOMEM;
	list->printed++;
	free(text);
	json_decref(json);
	return r;
}

static int print_head(struct flow_list *list)
{
	int r = evbuffer_add_printf(list->out, "{\"matched\":%llu,\"scanned\":%llu,",
				    (unsigned long long)list->work.matched,
				    (unsigned long long)list->work.scanned);

	if (r >= 0 && list->by->measured)
		r = evbuffer_add_printf(list->out, "\"seconds\":%u,", list->seconds);
	if (r >= 0)
		r = evbuffer_add_printf(list->out, "\"flows\":[");
	list->opened = true;
	return r < 0 ? -ENOMEM : 0;
}

static void list_drained(struct call *call)
{
	if (flow_work_pause(&((struct flow_list *)call->job)->work, 0))
		call_stream_end(call);
}

/* Sends what is printed; it goes on once the client has taken it. */
static void send_piece(struct flow_list *list)
{
	struct call *call = list->work.call;

	if (!call->streaming) {
		call->drained = list_drained;
		call_stream(call, "application/json");
	}
	call_stream_add(call, list->out);
}

static int step_print(struct flow_list *list, bool *ret_done, struct xlb_err *err)
{
	uint32_t count = flow_top_count(list->top);
	int r = list->opened ? 0 : print_head(list);

	for (int i = 0; !r && i < 16 && list->printed < count; i++)
		r = print_flow(list);
	if (!r && list->printed == count)
		r = evbuffer_add(list->out, "]}\n", 3);
	*ret_done = list->printed == count;
	return r ? xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory") : 0;
}

/* --- the course of a list ------------------------------------------------------------------------ */

static void list_end(struct flow_list *list, int r, const struct xlb_err *err)
{
	struct call *call = list->work.call;

	if (call->streaming && !r)
		call_stream_add(call, list->out);
	if (call->streaming)
		call_stream_end(call);
	else if (r)
		call_reply_err(call, err);
	else
		call_reply_buffer(call, "application/json", list->out);
}

/* The step behind one that is done; NULL: none. */
static int (*step_after(const struct flow_list *list))(struct flow_list *, bool *, struct xlb_err *)
{
	return list->step == step_print ? NULL : list->step == step_sort ? step_print : step_sort;
}

static void run_slice(evutil_socket_t fd, short what, void *arg)
{
	struct flow_list *list = arg;
	struct xlb_err err = {};
	uint64_t end = slice_begin();
	bool done;
	int r = flow_work_begin(&list->work, &err);

	(void)fd;
	(void)what;
	while (!r && list->step && !slice_is_over(end) &&
	       evbuffer_get_length(list->out) < PIECE_BYTES) {
		r = list->step(list, &done, &err);
		if (!r && done)
			list->step = step_after(list);
	}
	if (!r && list->step && evbuffer_get_length(list->out) >= PIECE_BYTES)
		send_piece(list);
	else if (!r && list->step)
		r = flow_work_pause(&list->work, 0);
	if (r || !list->step)
		list_end(list, r, &err);
}

static void measured(void *arg, int r, struct flow_traffic *rows, size_t count,
		     const struct xlb_err *err)
{
	struct flow_list *list = arg;

	list->rows = rows;
	list->row_count = count;
	watcher_leave(TAKE(list->session));
	if (r)
		call_reply_err(list->work.call, err);
	else if (flow_work_pause(&list->work, 0))
		call_reply_no_memory(list->work.call);
}

static int read_order(struct flow_list *list, struct xlb_err *err)
{
	const char *by = query_text(list->work.call, "by");
	const char *order = query_text(list->work.call, "order");
	uint64_t limit, seconds;
	int r;

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (!strcmp(orders[i].word, by ? by : orders[0].word))
			list->by = &orders[i];
	if (!list->by)
		return xlb_err_set(
			err, XLB_ERR_USAGE, -EINVAL,
			"query option by is '%.32s': age, idle, packets or bytes is accepted", by);
	if (order && strcmp(order, "asc") && strcmp(order, "desc"))
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "query option order is '%.32s': desc or asc is accepted", order);
	list->lowest = order && order[0] == 'a';
	if (!list->by->measured && query_text(list->work.call, "for"))
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "query option for belongs to by=packets and by=bytes");
	r = query_uint(list->work.call, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, err);
	if (!r)
		r = query_uint(list->work.call, "for", 1, SECONDS_MAX, 1, &seconds, err);
	if (r)
		return r;
	list->limit = (uint32_t)limit;
	list->seconds = (uint32_t)seconds;
	return 0;
}

static int list_open(struct flow_list *list, struct call *call, struct xlb_err *err)
{
	int r = flow_work_open(&list->work, call, run_slice, list, err);

	if (!r)
		r = read_order(list, err);
	if (r)
		return r;
	list->start = datapath_stamp();
	list->top = flow_top_new(list->limit, list->lowest);
	list->out = evbuffer_new();
	if (!list->top || !list->out)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	list->step = list->by->measured ? step_join : step_walk;
	return 0;
}

void api_flows(struct call *call)
{
	struct flow_list *list = calloc(1, sizeof(*list));
	struct xlb_err err = {};
	int r;

	if (!list) {
		call_reply_no_memory(call);
		return;
	}
	call->job = list;
	call->job_free = list_free;
	r = list_open(list, call, &err);
	if (!r && list->by->measured)
		r = watcher_measure(call->api->watcher, list->seconds * 1000, measured, list,
				    &list->session, &err);
	if (r)
		call_reply_err(call, &err);
	else if (!list->by->measured)
		run_slice(-1, 0, list);
}
