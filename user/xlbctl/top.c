// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Views, and rates by the difference of two answers. */
#include "xlbctl/top.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlb/lists.h"
#include "xlbctl/format.h"

static const struct top_column listener_columns[] = {
	{ "LISTENER", TOP_NAME, "name", 20 },	 { "STATE", TOP_TEXT, "state", 8 },
	{ "FLOWS", TOP_COUNT, "flows", 6 },	 { "NEW/S", TOP_RATE, "flows_created", 6 },
	{ "PKT-IN", TOP_RATE, "packets_in", 6 }, { "PKT-OUT", TOP_RATE, "packets_out", 7 },
	{ "BIT-IN", TOP_BITS, "bytes_in", 6 },	 { "BIT-OUT", TOP_BITS, "bytes_out", 7 },
	{ "DROPS", TOP_RATE, "drops", 5 },
};
static const struct top_column server_columns[] = {
	{ "SERVER", TOP_NAME, "name", 20 },	 { "STATE", TOP_TEXT, "state", 8 },
	{ "FLOWS", TOP_COUNT, "flows", 6 },	 { "NEW/S", TOP_RATE, "flows_created", 6 },
	{ "PKT-IN", TOP_RATE, "packets_in", 6 }, { "PKT-OUT", TOP_RATE, "packets_out", 7 },
	{ "BIT-IN", TOP_BITS, "bytes_in", 6 },	 { "BIT-OUT", TOP_BITS, "bytes_out", 7 },
	{ "DROPS", TOP_RATE, "drops", 5 },
};
static const struct top_column drop_columns[] = {
	{ "INTERFACE", TOP_TEXT, "interface", 15 }, { "REASON", TOP_TEXT, "reason", 16 },
	{ "DROPS/S", TOP_RATE, "drops", 7 },	    { "TOTAL", TOP_COUNT, "drops", 6 },
	{ "MEANING", TOP_MEANING, "reason", 0 },
};
static const struct top_column interface_columns[] = {
	{ "INTERFACE", TOP_NAME, "name", 15 }, { "STATE", TOP_TEXT, "state", 8 },
	{ "MTU", TOP_COUNT, "mtu", 5 },	       { "PACKETS", TOP_RATE, "packets", 7 },
	{ "BITS", TOP_BITS, "bytes", 6 },      { "OUT", TOP_RATE, "redirect", 6 },
	{ "BACK", TOP_RATE, "tx", 6 },	       { "TO-HOST", TOP_RATE, "pass", 7 },
	{ "DROPS", TOP_RATE, "drop", 6 },
};

#define COLUMNS(list) list, ARRAY_SIZE(list)
const struct top_view top_views[] = {
	{ "listeners", { "name", NULL }, COLUMNS(listener_columns), 3 },
	{ "servers", { "name", NULL }, COLUMNS(server_columns), 3 },
	{ "drops", { "interface", "reason" }, COLUMNS(drop_columns), 2 },
	{ "interfaces", { "name", NULL }, COLUMNS(interface_columns), 3 },
};
const size_t top_view_count = ARRAY_SIZE(top_views);

void top_clear(struct top *top)
{
	answer_clear(&top->now);
	answer_clear(&top->before);
	answer_clear(&top->status);
	free(TAKE(top->rows));
	top->count = 0;
}

void top_show(struct top *top, const struct top_view *view)
{
	answer_clear(&top->now);
	answer_clear(&top->before);
	top->view = view;
	top->sort = view->sort;
	top->ascending = false;
	top->filter[0] = '\0';
	top->count = 0;
}

/* Place of a column in the answer, its number of columns if it has no such. */
static size_t answer_column(const json_t *json, const char *name)
{
	const json_t *columns = json_object_get(json, "columns");
	const char *text;
	json_t *column;
	size_t i;

	json_array_foreach(columns, i, column) {
		text = json_string_value(column);
		if (text && !strcmp(text, name))
			break;
	}
	return i;
}

static const char *text_in(const json_t *row, size_t column)
{
	const char *text = json_string_value(json_array_get(row, column));

	return text ? text : "";
}

static bool same_row(const json_t *a, const json_t *b, const size_t keys[2])
{
	return !strcmp(text_in(a, keys[0]), text_in(b, keys[0])) &&
	       !strcmp(text_in(a, keys[1]), text_in(b, keys[1]));
}

/* The row's like in an earlier answer. They come in the same order: it is at *next or soon behind. */
static const json_t *row_before(const json_t *rows, const json_t *row, const size_t keys[2],
				size_t *next)
{
	size_t size = json_array_size(rows);

	for (size_t i = 0; i < size; i++) {
		const json_t *candidate = json_array_get(rows, (*next + i) % size);

		if (!same_row(candidate, row, keys))
			continue;
		*next = (*next + i + 1) % size;
		return candidate;
	}
	return NULL;
}

static const char *reason_meaning(const char *word)
{
	static const struct {
		const char *word, *meaning;
	} reasons[] = {
#define X(name, text, means) { #text, means },
		XLB_REASONS(X)
#undef X
	};

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (!strcmp(reasons[i].word, word))
			return reasons[i].meaning;
	return "";
}

static double rate_of(const json_t *now, const json_t *before, size_t column, double seconds)
{
	double difference;

	if (!before || seconds <= 0)
		return -1;
	difference = (double)json_integer_value(json_array_get(now, column)) -
		     (double)json_integer_value(json_array_get(before, column));
	return difference > 0 ? difference / seconds : 0;
}

static void fill_row(struct top_row *ret, const struct top_view *view, const json_t *row,
		     const json_t *before, const size_t *sources, double seconds)
{
	*ret = (struct top_row){ 0 };
	for (size_t i = 0; i < view->count; i++) {
		switch (view->columns[i].cell) {
		case TOP_NAME:
		case TOP_TEXT:
			ret->texts[i] = text_in(row, sources[i]);
			break;
		case TOP_MEANING:
			ret->texts[i] = reason_meaning(text_in(row, sources[i]));
			break;
		case TOP_COUNT:
			ret->numbers[i] =
				(double)json_integer_value(json_array_get(row, sources[i]));
			break;
		case TOP_RATE:
		case TOP_BITS:
			ret->numbers[i] = rate_of(row, before, sources[i], seconds);
			break;
		}
		if (view->columns[i].cell == TOP_BITS && ret->numbers[i] > 0)
			ret->numbers[i] *= 8;
		if (!strcmp(view->columns[i].head, "STATE"))
			ret->faulty = !strcmp(ret->texts[i], "down") ||
				      !strcmp(ret->texts[i], "missing") ||
				      !strcmp(ret->texts[i], "detached");
	}
}

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct top *top = arg;
	const struct top_row *left = a, *right = b;
	int order;

	if (left->texts[top->sort])
		order = -strcmp(left->texts[top->sort], right->texts[top->sort]);
	else
		order = left->numbers[top->sort] < right->numbers[top->sort] ?
				-1 :
				left->numbers[top->sort] > right->numbers[top->sort];
	if (order)
		return top->ascending ? order : -order;
	/* equal ones must not change places from picture to picture */
	order = strcmp(left->texts[0], right->texts[0]);
	return order || !left->texts[1] ? order : strcmp(left->texts[1], right->texts[1]);
}

void top_arrange(struct top *top)
{
	const json_t *rows = json_object_get(top->now.json, "rows"),
		     *old = json_object_get(top->before.json, "rows");
	double seconds = ((double)json_count_at(top->now.json, "time_ns") -
			  (double)json_count_at(top->before.json, "time_ns")) /
			 1e9;
	size_t sources[TOP_COLUMNS_MAX], keys[2], i, next = 0;
	const struct top_view *view = top->view;
	struct top_row *longer =
		reallocarray(top->rows, json_array_size(rows) + 1, sizeof(*longer));
	json_t *row;

	top->count = 0;
	if (!longer)
		return;
	top->rows = longer;
	for (i = 0; i < view->count; i++)
		sources[i] = answer_column(top->now.json, view->columns[i].source);
	for (i = 0; i < 2; i++)
		keys[i] = answer_column(top->now.json, view->keys[i] ? view->keys[i] : "");
	json_array_foreach(rows, i, row) {
		const json_t *before = row_before(old, row, keys, &next);

		if (!strstr(text_in(row, keys[0]), top->filter) &&
		    !strstr(text_in(row, keys[1]), top->filter))
			continue;
		fill_row(&top->rows[top->count++], view, row, before, sources, seconds);
	}
	qsort_r(top->rows, top->count, sizeof(*top->rows), compare_rows, top);
}

/* GET of JSON that does not wait long. */
static int fetch(struct ctl *ctl, const char *path, const char *query, struct answer *ret)
{
	const struct request request = {
		.method = "GET", .path = path, .query = query, .timeout = TOP_TIMEOUT_SECS
	};
	struct answer answer AUTO_ANSWER = { 0 };
	int r = client_call(ctl, &request, &answer);

	if (r)
		return r;
	if (!answer.json)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -EPROTO,
				   "xlbd's answer to GET %s is not JSON", path);
	*ret = answer;
	answer = (struct answer){ 0 };
	return 0;
}

int top_fetch(struct ctl *ctl, struct top *top)
{
	struct answer counters AUTO_ANSWER = { 0 }, status AUTO_ANSWER = { 0 };
	AUTO_FREE char *path = path_fill("/v1/counters/{}", &top->view->word);
	int r;

	if (!path)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	r = fetch(ctl, path, NULL, &counters);
	if (!r)
		r = fetch(ctl, "/v1/status", "summary=1", &status);
	if (r)
		return r;
	answer_clear(&top->before);
	answer_clear(&top->status);
	top->before = top->now;
	top->now = counters;
	top->status = status;
	counters = status = (struct answer){ 0 };
	top->note[0] = '\0';
	top_arrange(top);
	return 0;
}

bool top_is_measured(const struct top *top)
{
	return top->before.json;
}
