// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/plan.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "core/content.h"

/* The row as an operator would name it: "server 12", "vip_addr 198.51.100.10 on eth0". */
static void row_text(const struct row *row, char *ret, size_t size)
{
	const char *word = tables[row->table].word;
	char addr[ADDR_TEXT_MAX] = "";
	union {
		struct row_id id;
		struct xlb_addr addr;
		struct row_neighbour_key neighbour;
		struct row_maglev_key maglev;
		struct xlb_quic_server_key quic_server;
		struct row_port_set_key port_set;
		struct row_attachment_key attachment;
		struct row_vip_addr_key vip_addr;
		struct row_setting_key setting;
	} key;

	memcpy(&key, row->key, sizeof(key));
	switch (row->table) {
	case TABLE_ADDRESS:
		format_addr(&key.addr, addr);
		snprintf(ret, size, "%s %s", word, addr);
		break;
	case TABLE_NEIGHBOUR:
		format_addr(&key.neighbour.addr, addr);
		snprintf(ret, size, "%s %s on interface %u", word, addr, key.neighbour.ifindex);
		break;
	case TABLE_VIP_ADDR:
		format_addr(&key.vip_addr.addr, addr);
		snprintf(ret, size, "%s %s on %.*s", word, addr, IFNAMSIZ, key.vip_addr.ifname);
		break;
	case TABLE_SETTING:
		snprintf(ret, size, "%s %s of %.*s", word,
			 key.setting.setting < XLB_SETTING_COUNT ?
				 setting_words[key.setting.setting] :
				 "?",
			 IFNAMSIZ, key.setting.ifname);
		break;
	case TABLE_ATTACHMENT:
	case TABLE_PROBE_FILTER:
		snprintf(ret, size, "%s %.*s", word, IFNAMSIZ, key.attachment.ifname);
		break;
	case TABLE_MAGLEV:
		snprintf(ret, size, "%s of group %u, IPv%u", word, key.maglev.group,
			 key.maglev.family);
		break;
	case TABLE_QUIC_SERVER:
		snprintf(ret, size, "%s of group %u", word, key.quic_server.group);
		break;
	case TABLE_PORT_SET:
		snprintf(ret, size, "%s of VIP %u, %s", word, key.port_set.vip,
			 key.port_set.protocol == IPPROTO_UDP ? "udp" : "tcp");
		break;
	default:
		snprintf(ret, size, "%s %u", word, key.id.id);
		break;
	}
}

static int out_of_memory(struct xlb_err *err)
{
	return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
}

static int op_compare(const void *a, const void *b)
{
	const struct op *left = a, *right = b;
	int left_rank = tables[left->row.table].rank, right_rank = tables[right->row.table].rank;

	if (left->kind != right->kind)
		return left->kind == OP_PUT ? -1 : 1;
	if (left_rank != right_rank)
		return (left_rank < right_rank ? -1 : 1) * (left->kind == OP_PUT ? 1 : -1);
	return row_compare(&left->row, &right->row);
}

static void plan_add(struct plan *plan, enum op_kind kind, const struct row *row,
		     const struct row *old)
{
	struct op *op = &plan->ops[plan->count++];

	op->kind = kind;
	op->row = *row;
	op->had_old = old != NULL;
	if (old)
		op->old = *old;
}

int plan_make(const struct rows *wanted, const struct rows *present, struct plan *ret,
	      struct xlb_err *err)
{
	struct plan plan = { .ops = calloc(wanted->count + present->count + 1, sizeof(*plan.ops)) };
	size_t w = 0, p = 0;

	if (!plan.ops)
		return out_of_memory(err);
	while (w < wanted->count || p < present->count) {
		const struct row *want = w < wanted->count ? &wanted->rows[w] : NULL;
		const struct row *have = p < present->count ? &present->rows[p] : NULL;
		int order = !want ? 1 : !have ? -1 : row_compare(want, have);

		if (order < 0)
			plan_add(&plan, OP_PUT, want, NULL);
		else if (order > 0)
			plan_add(&plan, OP_DEL, have, have);
		else if (memcmp(want->value, have->value, sizeof(want->value)))
			plan_add(&plan, OP_PUT, want, have);
		w += order <= 0;
		p += order >= 0;
	}
	qsort(plan.ops, plan.count, sizeof(*plan.ops), op_compare);
	*ret = plan;
	return 0;
}

/* Rows that may differ in a plan of a part. */
static bool may_change(enum table_id table)
{
	return table == TABLE_SERVER || table == TABLE_MAGLEV || table == TABLE_QUIC_SERVER ||
	       table == TABLE_GROUP || table == TABLE_TLS_SERVER || table == TABLE_TLS_TAKER;
}

int plan_make_part(const struct rows *wanted, const struct rows *present, struct plan *ret,
		   struct xlb_err *err)
{
	struct plan plan = { .ops = calloc(wanted->count + 1, sizeof(*plan.ops)) };
	size_t i;

	if (!plan.ops)
		return out_of_memory(err);
	for (i = 0; i < wanted->count; i++) {
		const struct row *want = &wanted->rows[i];
		const struct row *have = rows_find(present, want->table, want->key);
		bool same = have && !memcmp(want->value, have->value, sizeof(want->value));

		if (!have || (!same && !may_change(want->table)) ||
		    (content_expected(want->table) && !rows_find_recipe(present, want))) {
			plan_done(&plan);
			return xlb_err_set(err, XLB_ERR_FAILED, -ESTALE, "other rows change");
		}
		if (!same)
			plan_add(&plan, OP_PUT, want, have);
	}
	qsort(plan.ops, plan.count, sizeof(*plan.ops), op_compare);
	*ret = plan;
	return 0;
}

void rows_follow(struct rows *present, struct rows *wanted, const struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->count; i++) {
		const struct row *row = &plan->ops[i].row;
		/* both are the callers' own; the lookups are const for others */
		struct row *have = (struct row *)rows_find(present, row->table, row->key);
		struct recipe *recipe = (struct recipe *)rows_find_recipe(wanted, row);
		struct recipe *old = (struct recipe *)rows_find_recipe(present, row);

		memcpy(have->value, row->value, sizeof(have->value));
		if (!recipe || !old)
			continue;
		free(old->data);
		old->data = TAKE(recipe->data);
		old->size = recipe->size;
	}
}

/* Builds the content of a row by the recipe that `rows` has for it. */
static int row_content(const struct row *row, const struct rows *rows, void **ret, size_t *ret_size,
		       struct xlb_err *err)
{
	const struct recipe *recipe = rows ? rows_find_recipe(rows, row) : NULL;
	char text[128];
	int r;

	row_text(row, text, sizeof(text));
	if (!recipe)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOENT, "no recipe for %s", text);
	r = content_build(row->table, recipe->data, recipe->size, ret, ret_size);
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "cannot build %s: %s", text,
				   strerror(-r));
	return 0;
}

/* A group's tables for clients of both families mostly are the same: true if `op` got the content of `like`. */
static bool content_copy(const struct op *like, struct op *op, const struct rows *wanted)
{
	const struct recipe *theirs, *ours;

	if (!like || like->row.table != op->row.table ||
	    memcmp(like->row.value, op->row.value, sizeof(op->row.value)))
		return false;
	theirs = rows_find_recipe(wanted, &like->row);
	ours = rows_find_recipe(wanted, &op->row);
	if (!theirs || !ours || theirs->size != ours->size ||
	    memcmp(theirs->data, ours->data, ours->size))
		return false;
	op->content = malloc(like->content_size);
	if (!op->content)
		return false;
	memcpy(op->content, like->content, like->content_size);
	op->content_size = like->content_size;
	return true;
}

int plan_build(struct plan *plan, const struct rows *wanted, struct xlb_err *err)
{
	const struct op *last = NULL;
	size_t i;
	int r;

	for (i = 0; i < plan->count; i++) {
		struct op *op = &plan->ops[i];

		if (op->kind != OP_PUT || op->content || !content_expected(op->row.table))
			continue;
		r = content_copy(last, op, wanted) ?
			    0 :
			    row_content(&op->row, wanted, &op->content, &op->content_size, err);
		if (r)
			return r;
		last = op;
	}
	return 0;
}

int plan_reserve(const struct plan *plan, struct sink *const sinks[SINK_COUNT], struct xlb_err *err)
{
	struct reservation reservations[TABLE_COUNT] = {};
	int r = 0;

	for (size_t i = 0; i < plan->count; i++) {
		const struct row *row = &plan->ops[i].row;
		struct reservation *reservation = &reservations[row->table];
		struct row_id id;

		if (plan->ops[i].kind != OP_PUT)
			continue;
		memcpy(&id, row->key, sizeof(id));
		reservation->rows++;
		reservation->bytes += plan->ops[i].content_size;
		if (id.id > reservation->highest)
			reservation->highest = id.id;
	}
	for (int table = 0; !r && table < TABLE_COUNT; table++) {
		struct sink *sink = sinks[tables[table].sink];

		reservations[table].table = table;
		if (reservations[table].rows && sink->reserve)
			r = sink->reserve(sink, &reservations[table], err);
	}
	return r;
}

static struct sink *sink_of(const struct row *row, struct sink *const sinks[SINK_COUNT])
{
	return sinks[tables[row->table].sink];
}

/* What listens behind a NIC has ended before nobody judges its packets any more. */
static int settle_before(const struct op *op, struct sink *const sinks[SINK_COUNT],
			 struct xlb_err *err)
{
	struct sink *sink = sinks[SINK_TLS];

	return op->row.table == TABLE_ATTACHMENT && sink && sink->settle ? sink->settle(sink, err) :
									   0;
}

static int op_run(const struct op *op, struct sink *const sinks[SINK_COUNT], struct xlb_err *err)
{
	struct sink *sink = sink_of(&op->row, sinks);
	char text[128];
	int r;

	if (op->kind == OP_PUT)
		r = sink->put(sink, &op->row, op->content, op->content_size, err);
	else
		r = settle_before(op, sinks, err);
	if (!r && op->kind == OP_DEL)
		r = sink->del(sink, &op->row, err);
	if (r) {
		row_text(&op->row, text, sizeof(text));
		xlb_err_prefix(err, "cannot %s %s", op->kind == OP_PUT ? "write" : "remove", text);
	}
	return r;
}

static int op_undo(const struct op *op, struct sink *const sinks[SINK_COUNT],
		   const struct rows *before, struct xlb_err *err)
{
	struct sink *sink = sink_of(&op->row, sinks);
	AUTO_FREE void *content = NULL;
	size_t size = 0;
	int r;

	if (!op->had_old)
		return sink->del(sink, &op->row, err);
	if (content_expected(op->old.table)) {
		r = row_content(&op->old, before, &content, &size, err);
		if (r)
			return r;
	}
	return sink->put(sink, &op->old, content, size, err);
}

/* Undoes ops[count - 1] .. ops[0]; what cannot be undone is logged and counted, the rest is still undone. */
static size_t plan_undo(const struct plan *plan, size_t count, struct sink *const sinks[SINK_COUNT],
			const struct rows *before)
{
	size_t failed = 0;

	while (count--) {
		struct xlb_err err = {};
		char text[128];

		if (!op_undo(&plan->ops[count], sinks, before, &err))
			continue;
		row_text(&plan->ops[count].row, text, sizeof(text));
		log_error("cannot undo the change of %s: %s", text, err.text);
		failed++;
	}
	return failed;
}

int plan_step(struct plan *plan, size_t at, struct sink *const sinks[SINK_COUNT],
	      const struct rows *before, struct xlb_err *err)
{
	int r = op_run(&plan->ops[at], sinks, err);
	size_t failed;

	if (!r)
		return 0;
	failed = plan_undo(plan, at, sinks, before);
	if (failed)
		xlb_err_hint(
			err,
			"%zu of %zu changes could not be undone (see the log): restart xlbd, it compares everything anew",
			failed, at);
	return r;
}

int plan_apply(struct plan *plan, struct sink *const sinks[SINK_COUNT], const struct rows *before,
	       struct xlb_err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; !r && i < plan->count; i++)
		r = plan_step(plan, i, sinks, before, err);
	return r;
}

void plan_done(struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->count; i++)
		free(plan->ops[i].content);
	free(plan->ops);
	memset(plan, 0, sizeof(*plan));
}
