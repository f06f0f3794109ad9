// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * POST /v1/flows/kill: ends the flows that a filter means. A TCP flow becomes a tombstone, which answers with
 * RST whatever its ends send; so that they need not wait for their next segment, both are poked.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/log.h"
#include "sys/host_poke.h"
#include "xlbd/api_flows.h"
#include "xlbd/api_query.h"
#include "xlbd/slice.h"

#define STEP_VISITS	16 /* between looks at the clock */
#define TRIES		8  /* for a flow that packets change at the same time */
/* at most some 10 000 flows are told in a second: the answers come back all at once */
#define POKED_PER_SLICE 50
#define POKED_PAUSE_US	5000

struct flow_kill {
	struct flow_work work;
	struct poker *poker;
	bool counting;		 /* the first pass, until it is known how many there are */
	struct xlb_flow_key one; /* the first of those counted */
	uint64_t killed, already_ended, not_told;
	uint32_t poked; /* in this slice */
	struct xlb_err err;
	int r; /* of a visit that failed */
};

static void kill_free(void *job)
{
	struct flow_kill *kill = job;

	flow_work_close(&kill->work);
	poker_close(kill->poker);
	free(kill);
}

/* Makes both ends speak, which meet the tombstone. */
static void poke_both(struct flow_kill *kill, const struct xlb_flow_key *key,
		      const struct xlb_flow *flow)
{
	const struct ids *ids = engine_ids(kill->work.api->engine);
	const struct id_entry *server = ids_by_id(ids, ID_SERVER, flow->server);
	const struct id_entry *snat = ids_by_id(ids, ID_SNAT, flow->snat);
	struct xlb_addr source = key->client;
	int r, r_server = -ENOENT;
	struct xlb_server row;

	kill->poked++;
	r = poker_poke(kill->poker, &flow->vip, key->port, &key->client, key->client_port);
	if (xlb_mode_has(flow->mode, XLB_MODE_DIRECT)) {
		/* its answers do not come by here; the client will tell it when it speaks next */
		r_server = 0;
	} else if (server && (!flow->snat || (snat && !parse_addr(snat->key, &source)))) {
		memcpy(&row, server->frozen, sizeof(row));
		r_server = poker_poke(kill->poker, &source, flow->snat_port, &row.addr,
				      flow->server_port);
	}
	kill->not_told += r || r_server;
}

/* The record may change under our hands: what is ended is what was looked at. */
static int end_flow(struct flow_kill *kill, const struct xlb_flow_key *key, struct xlb_flow *flow)
{
	struct datapath *dp = engine_datapath(kill->work.api->engine);
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		bool stays = key->protocol == IPPROTO_TCP && flow->state != XLB_FLOW_NEW;

		if (i)
			r = datapath_flow_get(dp, key, flow);
		if (i && r)
			break;
		if (!flow_is_alive(flow->state))
			return -ENOENT;
		r = datapath_flow_end(dp, flow, stays ? FLOW_TO_TOMBSTONE : FLOW_DELETE);
		if (!r && stays)
			poke_both(kill, key, flow);
	}
	return r;
}

static enum flow_action visit(void *arg, const struct xlb_flow_key *key,
			      const struct xlb_flow *flow)
{
	struct flow_kill *kill = arg;
	struct xlb_flow copy = *flow;
	int r;

	if (kill->r || !flow_work_meets(&kill->work, key, flow))
		return FLOW_KEEP;
	if (kill->counting) {
		if (kill->work.matched == 1)
			kill->one = *key;
		return FLOW_KEEP;
	}
	r = end_flow(kill, key, &copy);
	if (!r)
		kill->killed++;
	else if (r == -ENOENT)
		kill->already_ended++;
	else
		kill->r = xlb_err_set(&kill->err, XLB_ERR_FAILED, r, "cannot end a flow: %s",
				      strerror(-r));
	return FLOW_KEEP;
}

static void log_kill(const struct flow_kill *kill)
{
	const struct call *call = kill->work.call;

	if (kill->killed)
		log_notice("%s: %s: %llu flows killed", call->who, call->options.origin,
			   (unsigned long long)kill->killed);
}

static void kill_reply(struct flow_kill *kill)
{
	struct call *call = kill->work.call;

	log_kill(kill);
	call_reply_json(
		call, json_pack("{s:I, s:I, s:I, s:I, s:b}", "matched",
				(json_int_t)kill->work.matched, "killed", (json_int_t)kill->killed,
				"already_ended", (json_int_t)kill->already_ended, "not_told",
				(json_int_t)kill->not_told, "dry_run", call->options.dry_run));
}

/* All are counted: one alone is killed without more words, more want agreement. */
static int counted(struct flow_kill *kill, struct xlb_err *err)
{
	const struct call *call = kill->work.call;
	struct xlb_flow flow;

	kill->counting = false;
	if (call->options.dry_run || !kill->work.matched)
		return 0;
	if (kill->work.matched > 1) {
		int r = xlb_err_set(err, XLB_ERR_CONFIRM, -ECANCELED, "this would cut %llu flows",
				    (unsigned long long)kill->work.matched);

		xlb_err_hint(err, "repeat with yes=1 to agree");
		return r;
	}
	kill->work.matched = 0;
	if (datapath_flow_get(engine_datapath(kill->work.api->engine), &kill->one, &flow))
		return 0;
	visit(kill, &kill->one, &flow);
	if (kill->r)
		*err = kill->err;
	return kill->r;
}

static void run_slice(evutil_socket_t fd, short what, void *arg)
{
	struct flow_kill *kill = arg;
	struct xlb_err err = {};
	uint64_t end = slice_begin();
	bool done = false;
	int r = flow_work_begin(&kill->work, &err);

	(void)fd;
	(void)what;
	kill->poked = 0;
	while (!r && !done && kill->poked < POKED_PER_SLICE && !slice_is_over(end)) {
		r = flow_walk_next(kill->work.walk, STEP_VISITS, visit, kill, &done, &err);
		if (!r && kill->r) {
			err = kill->err;
			r = kill->r;
		}
	}
	if (!r && done && kill->counting)
		r = counted(kill, &err);
	if (!r && !done)
		r = flow_work_pause(&kill->work, kill->poked ? POKED_PAUSE_US : 0);
	else if (!r)
		kill_reply(kill);
	if (r) {
		log_kill(kill);
		call_reply_err(kill->work.call, &err);
	}
}

static int kill_open(struct flow_kill *kill, struct call *call, struct xlb_err *err)
{
	bool all;
	int r = flow_work_open(&kill->work, call, run_slice, kill, err);

	if (!r)
		r = query_flag(call, "all", &all, err);
	if (r)
		return r;
	if (!flow_filter_is_set(&kill->work.filter) && !all) {
		r = xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				"no filter says which flows are to be killed");
		xlb_err_hint(err, "name a client, VIP, listener or server; all=1 means every flow");
		return r;
	}
	kill->work.filter.alive = true;
	kill->counting = call->options.dry_run || !call->options.yes;
	return poker_open(&kill->poker, err);
}

void api_flows_kill(struct call *call)
{
	struct flow_kill *kill = calloc(1, sizeof(*kill));
	struct xlb_err err = {};
	int r;

	if (!kill) {
		call_reply_no_memory(call);
		return;
	}
	call->job = kill;
	call->job_free = kill_free;
	r = kill_open(kill, call, &err);
	if (r)
		call_reply_err(call, &err);
	else
		run_slice(-1, 0, kill);
}
