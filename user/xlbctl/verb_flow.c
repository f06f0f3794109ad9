// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Flows: which there are, and ending them. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"

#define LIST_SECONDS 600
#define KILL_SECONDS 3600 /* ends are told some 10 000 flows a second */

/* Query options of the API; those that are not given are NULL in ctl. */
static const struct {
	const char *name;
	size_t offset; /* of a text in struct ctl */
} query_rows[] = {
	{ "listener", offsetof(struct ctl, listener) },
	{ "load_balancer", offsetof(struct ctl, flow_lb) },
	{ "server", offsetof(struct ctl, server) },
	{ "group", offsetof(struct ctl, flow_group) },
	{ "client", offsetof(struct ctl, flow_client) },
	{ "vip", offsetof(struct ctl, flow_vip) },
	{ "protocol", offsetof(struct ctl, protocol) },
	{ "state", offsetof(struct ctl, flow_state) },
	{ "by", offsetof(struct ctl, flow_by) },
	{ "order", offsetof(struct ctl, flow_order) },
};

/* the last two only if they were measured */
static const struct column columns[] = {
	{ "CLIENT", CELL_VALUE, "client", false },
	{ "VIP", CELL_VALUE, "vip", false },
	{ "SERVER", CELL_PARENT, NULL, true },
	{ "SNAT", CELL_VALUE, "snat", false },
	{ "STATE", CELL_STATE, "state", false },
	{ "AGE", CELL_AGE, "age", false },
	{ "IDLE", CELL_AGE, "idle", false },
	{ "PACKETS/S", CELL_RATE, "packets_rate", false },
	{ "BITS/S", CELL_BITS, "bytes_rate", false },
	{ 0 },
};
#define MEASURED_COLUMNS 2

static void put_number(FILE *out, const char **separator, const char *name, uint64_t number)
{
	fprintf(out, "%s%s=%" PRIu64, *separator, name, number);
	*separator = "&";
}

/* The options as a query; malloc'd, NULL on lack of memory. */
static char *flow_query(const struct ctl *ctl)
{
	const char *separator = "";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(query_rows); i++) {
		const char *value =
			*(const char *const *)((const char *)ctl + query_rows[i].offset);

		if (!value)
			continue;
		fprintf(out, "%s%s=", separator, query_rows[i].name);
		put_encoded(out, value);
		separator = "&";
	}
	if (ctl->for_ms) /* whole seconds only */
		put_number(out, &separator, "for", (ctl->for_ms + 999) / 1000);
	if (ctl->flow_top)
		put_number(out, &separator, "limit", ctl->flow_top);
	if (ctl->all)
		put_number(out, &separator, "all", 1);
	return fclose(out) ? NULL : text;
}

/* "1 234 567" */
static const char *format_grouped(uint64_t number, char ret[NUMBER_TEXT_MAX])
{
	char digits[NUMBER_TEXT_MAX];
	size_t used = 0, length;

	length = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, number);
	for (size_t i = 0; i <= length; i++) {
		if (i && i < length && (length - i) % 3 == 0)
			ret[used++] = ' ';
		ret[used++] = digits[i];
	}
	return ret;
}

/* What columns show and the answer has in parts. */
static void complete_flow(json_t *flow, uint64_t seconds, struct table_row *ret)
{
	const char *group = json_text_at(flow, "server_group");
	json_t *path = *group ? json_sprintf("%s/%s", group, json_text_at(flow, "server")) :
				json_string("-");
	uint64_t packets = json_count_at(flow, "packets"), bytes = json_count_at(flow, "bytes");

	json_object_set_new(flow, "server_path", path);
	if (seconds) {
		json_object_set_new(flow, "packets_rate",
				    json_real((double)packets / (double)seconds));
		json_object_set_new(flow, "bytes_rate", json_real((double)bytes / (double)seconds));
	}
	*ret = (struct table_row){ flow, json_text_at(flow, "server_path") };
}

static int print_flows(struct ctl *ctl, FILE *out, const json_t *json)
{
	json_t *flows = json_object_get(json, "flows"), *flow;
	size_t i, count = json_array_size(flows);
	AUTO_FREE struct table_row *rows = calloc(count + 1, sizeof(*rows));
	uint64_t matched = json_count_at(json, "matched"), seconds = json_count_at(json, "seconds");
	struct column shown_columns[ARRAY_SIZE(columns)];
	char shown[NUMBER_TEXT_MAX], all[NUMBER_TEXT_MAX];

	if (!rows)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	json_array_foreach(flows, i, flow)
		complete_flow(flow, seconds, &rows[i]);
	memcpy(shown_columns, columns, sizeof(columns));
	if (!seconds)
		shown_columns[ARRAY_SIZE(columns) - 1 - MEASURED_COLUMNS] = (struct column){ 0 };
	if (count)
		print_table(out, shown_columns, rows, count, NULL);
	if (!matched)
		fputs("no flow matches\n", out);
	else if (matched > count)
		fprintf(out, "%s of %s flows that match\n", format_grouped(count, shown),
			format_grouped(matched, all));
	return 0;
}

static int draw_flows(struct ctl *ctl, FILE *out)
{
	AUTO_FREE char *query = flow_query(ctl);
	struct answer answer AUTO_ANSWER = { 0 };
	struct request request;
	int r = client_request(ctl, query, LIST_SECONDS, &request);

	if (!r)
		r = client_call(ctl, &request, &answer);
	if (r)
		return r;
	if (!ctl->json)
		return print_flows(ctl, out, answer.json);
	print_body(out, &answer);
	return 0;
}

int verb_flow_list(struct ctl *ctl)
{
	return watch_run(ctl, draw_flows);
}

static void print_killed(const struct ctl *ctl, const json_t *json)
{
	uint64_t matched = json_count_at(json, "matched"), killed = json_count_at(json, "killed");
	uint64_t ended = json_count_at(json, "already_ended"),
		 untold = json_count_at(json, "not_told");
	char number[NUMBER_TEXT_MAX];

	if (!matched) {
		puts("no flow matches");
	} else if (ctl->dry_run) {
		printf("dry run: %s flow%s would be killed\n", format_grouped(matched, number),
		       matched == 1 ? "" : "s");
	} else {
		printf("%s flow%s killed", format_grouped(killed, number), killed == 1 ? "" : "s");
		if (ended)
			printf(", %s had ended already", format_grouped(ended, number));
		if (untold)
			printf(", an end of %s learns of it at its next segment only",
			       format_grouped(untold, number));
		putchar('\n');
	}
}

int verb_flow_kill(struct ctl *ctl)
{
	AUTO_FREE char *query = flow_query(ctl);
	struct answer answer AUTO_ANSWER = { 0 };
	struct request request;
	int r = client_request(ctl, query, KILL_SECONDS, &request);

	if (!r)
		r = client_change(ctl, &request, &answer);
	if (r)
		return r;
	if (ctl->json)
		print_body(stdout, &answer);
	else
		print_killed(ctl, answer.json);
	return 0;
}
