// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Walks the flow table about once a second, in slices: forgets what is over, cuts what a drained server
 * still has, counts flows per id, and frees the ids that retired and are held by no flow any more.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "xlb/lifetime.h"
#include "xlbd/engine_private.h"

#define SLICE_FLOWS    2048 /* half a millisecond if they are in use */
#define SLICE_PAUSE_US 1000
#define PASS_PAUSE_US  1000000
#define IDLE_UNKNOWN   (UINT32_MAX / 2) /* seconds */

static const enum id_kind counted[] = { ID_INTERFACE, ID_VIP,  ID_LISTENER,
					ID_SERVER,    ID_SNAT, ID_BITMAP };
#define COUNTED (sizeof(counted) / sizeof(counted[0]))

/*
 * A retired id is free after two whole passes that began when it was retired already and met no flow with it:
 * a packet that chose it in time may make a flow behind the first.
 */
enum { QUIET_UNKNOWN, QUIET_RETIRED, QUIET_ONCE, QUIET_TWICE };

static const uint32_t id_limits[ID_KIND_COUNT] = {
	[ID_INTERFACE] = XLB_MAX_INTERFACES, [ID_VIP] = XLB_MAX_VIPS,
	[ID_LISTENER] = XLB_MAX_LISTENERS,   [ID_SERVER] = XLB_MAX_SERVERS,
	[ID_SNAT] = XLB_MAX_SNATS,	     [ID_BITMAP] = XLB_SNAT_CHUNKS * XLB_SNAT_PER_CHUNK,
};

static int counts_open(struct flow_counts *counts)
{
	size_t i;

	for (i = 0; i < COUNTED; i++) {
		counts->live[counted[i]] = calloc(id_limits[counted[i]], sizeof(uint32_t));
		counts->held[counted[i]] = calloc(id_limits[counted[i]], sizeof(uint32_t));
		if (!counts->live[counted[i]] || !counts->held[counted[i]])
			return -ENOMEM;
	}
	return 0;
}

static void counts_clear(struct flow_counts *counts)
{
	size_t i;

	for (i = 0; i < COUNTED; i++) {
		memset(counts->live[counted[i]], 0, id_limits[counted[i]] * sizeof(uint32_t));
		memset(counts->held[counted[i]], 0, id_limits[counted[i]] * sizeof(uint32_t));
	}
	counts->total = 0;
	memset(counts->entries, 0, sizeof(counts->entries));
	memset(counts->located, 0, sizeof(counts->located));
}

static void counts_close(struct flow_counts *counts)
{
	size_t i;

	for (i = 0; i < COUNTED; i++) {
		free(counts->live[counted[i]]);
		free(counts->held[counted[i]]);
	}
}

static void count(struct flow_counts *counts, enum id_kind kind, uint32_t id, bool live)
{
	if (id >= id_limits[kind])
		return;
	counts->held[kind][id]++;
	counts->live[kind][id] += live;
}

/* A flood of forged SYNs must not make tables grow. */
static void count_entry(struct flow_counts *counts, const struct xlb_flow_key *key,
			const struct xlb_flow *flow)
{
	bool half_open = flow->state == XLB_FLOW_NEW && key->protocol == IPPROTO_TCP;

	counts->entries[flow->ipv6] += !half_open;
	counts->located[flow->ipv6] += !half_open && flow->snat_port;
}

static bool is_live(const struct xlb_flow *flow)
{
	return flow->state == XLB_FLOW_NEW || flow->state == XLB_FLOW_ESTABLISHED ||
	       (flow->state == XLB_FLOW_CLOSING &&
		!(flow->flags & (XLB_FLOW_RST_CLIENT | XLB_FLOW_RST_SERVER)));
}

/* Where only the client is heard, what it has closed is over, as for limits: see xlb_flow_is_open. */
static bool client_has_closed(const struct xlb_flow *flow)
{
	return flow->state == XLB_FLOW_CLOSING && xlb_mode_has(flow->mode, XLB_MODE_DIRECT);
}

/* Once a flow: a tombstone was counted when it was cut. */
static void count_expired(struct engine_stats *stats, const struct xlb_flow *flow, bool cut,
			  bool denied)
{
	if ((cut || denied) && is_live(flow))
		stats->expired[cut ? EXPIRY_CUT : EXPIRY_DENIED]++;
	else if (flow->state == XLB_FLOW_NEW || flow->state == XLB_FLOW_ESTABLISHED)
		stats->expired[EXPIRY_IDLE]++;
	else if (flow->state == XLB_FLOW_CLOSING || flow->state == XLB_FLOW_CLOSED)
		stats->expired[EXPIRY_CLOSED]++;
}

static enum flow_action visit(void *arg, const struct xlb_flow_key *key,
			      const struct xlb_flow *flow)
{
	struct engine *engine = arg;
	struct sweep *sweep = &engine->sweep;
	struct flow_counts *counts = &sweep->running;
	uint32_t idle = sweep->idle_timeout[flow->listener % XLB_MAX_LISTENERS];
	uint32_t age = xlb_flow_age(sweep->stamp, flow->stamp);
	bool reset = (flow->server < XLB_MAX_SERVERS && sweep->server_reset[flow->server]) ||
		     sweep->listener_cut[flow->listener % XLB_MAX_LISTENERS];
	bool vip_cut = key->vip < XLB_MAX_VIPS && sweep->vip_cut[key->vip];
	enum flow_action action = FLOW_KEEP;
	bool live = is_live(flow);
	bool denied = live && engine_is_denied(engine, key, flow->listener);

	if (age > xlb_flow_lifetime(key->protocol, flow->state, flow->flags, idle) || vip_cut ||
	    (reset && key->protocol == IPPROTO_UDP))
		action = FLOW_DELETE;
	else if (reset && live)
		action = FLOW_TO_TOMBSTONE;
	else if (denied)
		/* a half-open one is nobody's yet */
		action = key->protocol == IPPROTO_TCP && flow->state != XLB_FLOW_NEW ?
				 FLOW_TO_TOMBSTONE :
				 FLOW_DELETE;
	if (action != FLOW_KEEP)
		count_expired(&engine->stats, flow, reset || vip_cut, denied);
	live = live && !client_has_closed(flow) && action == FLOW_KEEP &&
	       age <= xlb_lifetime_units(
			      xlb_flow_timeout(key->protocol, flow->state, flow->flags, idle));
	/* also of what is to be deleted: a packet may come first and keep it */
	counts->total += live;
	count_entry(counts, key, flow);
	count(counts, ID_VIP, key->vip, live);
	count(counts, ID_LISTENER, flow->listener, live);
	count(counts, ID_SERVER, flow->server, live);
	count(counts, ID_SNAT, flow->snat, live);
	count(counts, ID_BITMAP, flow->bitmap, live);
	count(counts, ID_INTERFACE, flow->reply.interface, live);
	sweep->hop_idle[flow->hop % XLB_MAX_HOPS] = 0;
	return action;
}

/* A way back that two passes in a row found unused goes; one that was learned meanwhile is young again. */
static void hops_begin(struct engine *engine)
{
	uint32_t hop;

	for (hop = 1; hop < XLB_MAX_HOPS; hop++)
		if (!datapath_hop_is_known(engine->datapath, hop))
			engine->sweep.hop_idle[hop] = 0;
}

static void hops_end(struct engine *engine)
{
	uint32_t hop;

	for (hop = 1; hop < XLB_MAX_HOPS; hop++)
		if (datapath_hop_is_known(engine->datapath, hop) &&
		    ++engine->sweep.hop_idle[hop] > 2)
			datapath_hop_forget(engine->datapath, hop);
}

static void note_cut(void *arg, struct id_entry *entry)
{
	struct sweep *sweep = arg;
	uint8_t *cut = entry->kind == ID_VIP ? sweep->vip_cut : sweep->listener_cut;

	cut[entry->id] = !entry->live && entry->deadline <= engine_now();
}

/* What the visits need, by id. */
static void note_rows(struct engine *engine)
{
	struct sweep *sweep = &engine->sweep;
	size_t i;

	for (i = 0; i < XLB_MAX_LISTENERS; i++)
		sweep->idle_timeout[i] =
			IDLE_UNKNOWN; /* younger than this pass: not to be judged by it */
	memset(sweep->server_reset, 0, XLB_MAX_SERVERS);
	memset(sweep->vip_cut, 0, XLB_MAX_VIPS);
	memset(sweep->listener_cut, 0, XLB_MAX_LISTENERS);
	ids_each(engine->ids, ID_VIP, note_cut, sweep);
	ids_each(engine->ids, ID_LISTENER, note_cut, sweep);
	for (i = 0; i < engine->present.count; i++) {
		const struct row *row = &engine->present.rows[i];
		struct row_id key;

		memcpy(&key, row->key, sizeof(key));
		if (row->table == TABLE_LISTENER && key.id < XLB_MAX_LISTENERS) {
			struct xlb_listener value;

			memcpy(&value, row->value, sizeof(value));
			sweep->idle_timeout[key.id] = value.idle_timeout;
		} else if (row->table == TABLE_SERVER && key.id < XLB_MAX_SERVERS) {
			struct xlb_server value;

			memcpy(&value, row->value, sizeof(value));
			sweep->server_reset[key.id] = !!(value.flags & XLB_SERVER_RESET);
		}
	}
}

static void note_live(void *arg, struct id_entry *entry)
{
	struct sweep *sweep = arg;

	if (entry->live)
		sweep->quiet[entry->kind][entry->id] = QUIET_UNKNOWN;
}

static void note_retired(void *arg, struct id_entry *entry)
{
	struct sweep *sweep = arg;

	if (!entry->live && sweep->quiet[entry->kind][entry->id] == QUIET_UNKNOWN)
		sweep->quiet[entry->kind][entry->id] = QUIET_RETIRED;
}

static void pass_begin(struct engine *engine)
{
	struct sweep *sweep = &engine->sweep;
	size_t i;

	counts_clear(&sweep->running);
	sweep->torn = false;
	for (i = 0; i < COUNTED; i++)
		ids_each(engine->ids, counted[i], note_retired, sweep);
	note_rows(engine);
	hops_begin(engine);
	engine_recheck_begin(engine);
}

void engine_sweep_adopted(struct engine *engine)
{
	struct sweep *sweep = &engine->sweep;
	size_t i;

	for (i = 0; i < COUNTED; i++)
		ids_each(engine->ids, counted[i], note_live, sweep);
	if (sweep->under_way)
		note_rows(engine);
}

struct release {
	struct engine *engine;
	uint32_t released;
	bool due; /* some server's drain is over, but its row does not say so yet */
};

/* By a flow, or a connection of a tls listener's. */
static bool is_held(const struct engine *engine, const struct id_entry *entry)
{
	return engine->sweep.done.held[entry->kind][entry->id] ||
	       (entry->kind == ID_SERVER && haproxy_connections(engine->haproxy, entry->id));
}

static void release_unheld(void *arg, struct id_entry *entry)
{
	struct release *release = arg;
	struct sweep *sweep = &release->engine->sweep;
	uint8_t *quiet = &sweep->quiet[entry->kind][entry->id];

	if (entry->live || *quiet == QUIET_UNKNOWN)
		return;
	*quiet = is_held(release->engine, entry) ? QUIET_RETIRED : *quiet + 1;
	if (*quiet < QUIET_TWICE)
		return;
	*quiet = QUIET_UNKNOWN;
	ids_release(release->engine->ids, entry->kind, entry->id);
	release->released++;
}

static void note_due(void *arg, struct id_entry *entry)
{
	struct release *release = arg;
	const struct row *row;
	struct xlb_server value;

	if ((entry->live && !entry->draining) || entry->deadline > engine_now())
		return;
	row = rows_find(&release->engine->present, TABLE_SERVER, &(struct row_id){ entry->id });
	if (!row)
		return;
	memcpy(&value, row->value, sizeof(value));
	release->due |= !(value.flags & XLB_SERVER_RESET);
}

/* Whether a table has got so much fuller since the last pass that it may be full before the next. */
static bool is_filling(const struct engine *engine, const struct flow_counts *before)
{
	const struct flow_counts *now = &engine->sweep.done;

	for (int i = 0; i < 2; i++)
		if (now->entries[i] >
		    before->entries[i] + datapath_table_room(engine->datapath, i) / 16)
			return true;
	return false;
}

static void pass_end(struct engine *engine)
{
	struct sweep *sweep = &engine->sweep;
	struct release release = { .engine = engine };
	struct flow_counts counts = sweep->done;
	size_t i;

	sweep->done = sweep->running;
	sweep->running = counts;
	sweep->filling = is_filling(engine, &counts);
	hops_end(engine);
	engine_recheck_end(engine);
	if (!TAILQ_EMPTY(&engine->changes))
		return; /* a change under way works on a copy of the ids: next time */
	for (i = 0; i < COUNTED; i++)
		ids_each(engine->ids, counted[i], release_unheld, &release);
	ids_each(engine->ids, ID_SERVER, note_due, &release);
	if (release.released || release.due)
		engine_schedule(engine, false);
}

static void slice(evutil_socket_t fd, short events, void *arg)
{
	struct engine *engine = arg;
	struct sweep *sweep = &engine->sweep;
	struct timeval pause = { .tv_usec = SLICE_PAUSE_US };
	bool done = false, failed = false;
	struct xlb_err err;

	(void)fd;
	(void)events;
	if (!sweep->under_way)
		pass_begin(engine);
	sweep->under_way = true;
	sweep->stamp = datapath_stamp();
	if (flow_walk_next(sweep->walk, SLICE_FLOWS, visit, engine, &done, &err)) {
		log_error("flow sweep: %s, going on", err.text);
		sweep->torn = failed = true;
	} else if (done && !sweep->torn) {
		pass_end(engine);
	}
	sweep->under_way = !done;
	engine_growth_look(engine);
	if (failed || (done && !sweep->filling && !sweep->rechecks))
		pause = (struct timeval){ .tv_sec = PASS_PAUSE_US / 1000000,
					  .tv_usec = PASS_PAUSE_US % 1000000 };
	evtimer_add(sweep->timer, &pause);
}

int engine_sweep_open(struct engine *engine, struct xlb_err *err)
{
	struct sweep *sweep = &engine->sweep;
	struct timeval soon = { .tv_usec = SLICE_PAUSE_US };
	size_t i;

	sweep->idle_timeout = calloc(XLB_MAX_LISTENERS, sizeof(*sweep->idle_timeout));
	sweep->server_reset = calloc(XLB_MAX_SERVERS, 1);
	sweep->vip_cut = calloc(XLB_MAX_VIPS, 1);
	sweep->listener_cut = calloc(XLB_MAX_LISTENERS, 1);
	sweep->hop_idle = calloc(XLB_MAX_HOPS, 1);
	for (i = 0; i < COUNTED; i++) {
		sweep->quiet[counted[i]] = calloc(id_limits[counted[i]], 1);
		if (!sweep->quiet[counted[i]])
			return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	}
	sweep->timer = evtimer_new(engine->base, slice, engine);
	sweep->walk = flow_walk_new(engine->datapath);
	if (!sweep->walk || !sweep->idle_timeout || !sweep->server_reset || !sweep->vip_cut ||
	    !sweep->listener_cut || !sweep->hop_idle || !sweep->timer ||
	    counts_open(&sweep->done) || counts_open(&sweep->running))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	evtimer_add(sweep->timer, &soon);
	return engine_recheck_open(engine, err);
}

void engine_sweep_close(struct engine *engine)
{
	struct sweep *sweep = &engine->sweep;
	size_t i;

	if (sweep->timer)
		event_free(sweep->timer);
	flow_walk_free(sweep->walk);
	counts_close(&sweep->done);
	counts_close(&sweep->running);
	free(sweep->idle_timeout);
	free(sweep->server_reset);
	free(sweep->vip_cut);
	free(sweep->listener_cut);
	free(sweep->hop_idle);
	engine_recheck_close(engine);
	for (i = 0; i < COUNTED; i++)
		free(sweep->quiet[counted[i]]);
}

uint64_t engine_flows(const struct engine *engine, enum id_kind kind, uint32_t id)
{
	const uint32_t *live = engine->sweep.done.live[kind];

	uint64_t flows = live && id < id_limits[kind] ? live[id] : 0;

	/* what comes to a server by a tls listener is no flow to it */
	if (kind == ID_SERVER && engine->haproxy)
		flows += haproxy_connections(engine->haproxy, id);
	return flows;
}

/* A quarter of a pass tells enough: flows lie at random. */
#define SHARE_ENOUGH 0.25

/* A count of one family, of the pass under way and of the last. */
static uint64_t family_count(const struct engine *engine, enum xlb_flow_table_id family,
			     uint64_t running, uint64_t done)
{
	const struct sweep *sweep = &engine->sweep;
	double share = sweep->under_way ? flow_walk_share(sweep->walk, family) : 0;

	return share < SHARE_ENOUGH ? done : (uint64_t)((double)running / share);
}

uint64_t engine_table_used(const struct engine *engine, enum xlb_flow_table_id id)
{
	const struct flow_counts *running = &engine->sweep.running, *done = &engine->sweep.done;

	if (id != XLB_TABLE_REPLIES)
		return family_count(engine, id, running->entries[id], done->entries[id]);
	return family_count(engine, XLB_TABLE_IPV4, running->located[0], done->located[0]) +
	       family_count(engine, XLB_TABLE_IPV6, running->located[1], done->located[1]);
}

uint64_t engine_flows_total(const struct engine *engine)
{
	return engine->sweep.done.total;
}

uint32_t engine_idle_timeout(const struct engine *engine, uint32_t listener)
{
	uint32_t seconds = listener < XLB_MAX_LISTENERS ? engine->sweep.idle_timeout[listener] : 0;

	return seconds ? seconds : IDLE_UNKNOWN;
}
