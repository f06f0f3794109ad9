// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbctl/print.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/format.h"

/* The columns of each type's list; the first is shown only where objects of several parents meet. */
static const struct column interface_columns[] = {
	{ "NAME", CELL_VALUE, "name", false },
	{ "MODE", CELL_STATE, "state.mode", false },
	{ "STATE", CELL_ATTACHED, "state.attached", false },
	{ "PROG", CELL_VALUE, "state.program_tag", true },
	{ "MTU", CELL_NUMBER, "state.mtu", false },
	{ "PACKETS", CELL_COUNT, "state.counters.packets", false },
	{ "DROPS", CELL_SUM, "state.drops", false },
	{ 0 },
};
static const struct column load_balancer_columns[] = {
	{ "NAME", CELL_VALUE, "name", false },
	{ "ADDRESSES", CELL_VALUE, "addresses", true },
	{ "LISTENERS", CELL_SIZE, "listeners", false },
	{ "FLOWS", CELL_COUNT, "state.flows", false },
	{ 0 },
};
static const struct column listener_columns[] = {
	{ "LB", CELL_PARENT, NULL, false },
	{ "NAME", CELL_VALUE, "name", false },
	{ "PROTO", CELL_VALUE, "protocol", false },
	{ "PORT", CELL_VALUE, "ports", true },
	{ "GROUP", CELL_VALUE, "server_groups", true },
	{ "FLOWS", CELL_COUNT, "state.flows", false },
	{ "NEW", CELL_COUNT, "state.counters.flows_created", false },
	{ "IN", CELL_BYTES, "state.counters.bytes_in", false },
	{ "OUT", CELL_BYTES, "state.counters.bytes_out", false },
	{ 0 },
};
static const struct column server_group_columns[] = {
	{ "NAME", CELL_VALUE, "name", false },
	{ "FORWARD", CELL_VALUE, "forward", false },
	{ "SCHEDULER", CELL_VALUE, "scheduler", false },
	{ "UP", CELL_UP, NULL, false },
	{ "FLOWS", CELL_COUNT, "state.flows", false },
	{ 0 },
};
static const struct column server_columns[] = {
	{ "GROUP", CELL_PARENT, NULL, false },
	{ "NAME", CELL_VALUE, "name", false },
	{ "ADDRESS", CELL_VALUE, "address", true },
	{ "WEIGHT", CELL_WEIGHT, "weight", false },
	{ "SHARE", CELL_PERCENT, "state.weight_percent", false },
	{ "STATE", CELL_STATE, "state.state", false },
	{ "FLOWS", CELL_COUNT, "state.flows", false },
	{ "SINCE", CELL_SINCE, "state.since", false },
	{ "REASON", CELL_VALUE, "state.reason", true },
	{ 0 },
};

static const struct column security_group_columns[] = {
	{ "NAME", CELL_VALUE, "name", false },
	{ "DEFAULT", CELL_VALUE, "default", false },
	{ "RULES", CELL_SIZE, "rules", false },
	{ "USED BY", CELL_VALUE, "state.used_by", true },
	{ 0 },
};
static const struct column rule_columns[] = {
	{ "GROUP", CELL_PARENT, NULL, false },
	{ "RULE", CELL_VALUE, "name", false },
	{ "ACTION", CELL_VALUE, "action", false },
	{ "PROTO", CELL_VALUE, "protocol", false },
	{ "PORT", CELL_VALUE, "port", false },
	{ "HITS", CELL_COUNT, "state.hits", false },
	{ "SOURCE", CELL_VALUE, "source", true },
	{ "FILE", CELL_VALUE, "file", true },
	{ 0 },
};

static const struct column *columns_of(const struct type *type)
{
	const struct {
		const struct type *type;
		const struct column *columns;
	} lists[] = {
		{ &type_interface, interface_columns },
		{ &type_load_balancer, load_balancer_columns },
		{ &type_listener, listener_columns },
		{ &type_server_group, server_group_columns },
		{ &type_server, server_columns },
		{ &type_security_group, security_group_columns },
		{ &type_rule, rule_columns },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (lists[i].type == type)
			return lists[i].columns;
	return NULL;
}

void print_body(FILE *out, const struct answer *answer)
{
	fwrite(answer->body, 1, answer->size, out);
	if (answer->size && answer->body[answer->size - 1] != '\n')
		fputc('\n', out);
}

/* Rows of a table being gathered. */
struct rows {
	struct table_row *rows;
	size_t count;
};

/* Rows of `keys`; the first value of a row is its parent's name if `parent` is NULL. */
static void rows_add_arrays(struct rows *rows, const json_t *list, const char *parent)
{
	const json_t *row;
	size_t i;

	rows->rows = calloc(json_array_size(list) + 1, sizeof(*rows->rows));
	json_array_foreach(list, i, row)
		if (rows->rows)
			rows->rows[rows->count++] = (struct table_row){
				row, parent ? parent : value_string(json_array_get(row, 0))
			};
}

/* `list` is an array, or children by their names. */
static void rows_add(struct rows *rows, const json_t *list, const char *parent)
{
	size_t i, more = json_array_size(list) + json_object_size(list);
	struct table_row *longer =
		reallocarray(rows->rows, rows->count + more + 1, sizeof(*longer));
	const char *name;
	json_t *object;

	if (!longer)
		return;
	rows->rows = longer;
	json_array_foreach(list, i, object)
		rows->rows[rows->count++] = (struct table_row){ object, parent };
	json_object_foreach((json_t *)list, name, object)
		rows->rows[rows->count++] = (struct table_row){ object, parent };
}

void print_list(FILE *out, const struct type *type, const json_t *json, const char *parent)
{
	const struct column *columns = columns_of(type);
	bool nested = type->parent && !*parent;
	const json_t *list = json_object_get(json, type->plural);
	const json_t *keys = json_object_get(list, "columns");
	struct rows rows = { 0 };

	if (json_is_array(keys))
		rows_add_arrays(&rows, json_object_get(list, "rows"), nested ? NULL : parent);
	else
		rows_add(&rows, list, parent);
	/* server tables name the group always: drain and friends want group/server */
	if (columns[0].kind == CELL_PARENT && !nested && type != &type_server)
		columns++;
	if (rows.count)
		print_table(out, columns, rows.rows, rows.count, json_is_array(keys) ? keys : NULL);
	else if (*parent)
		fprintf(out, "no %s in %s\n", type->plural, parent);
	else
		fprintf(out, "no %s\n", type->plural);
	free(rows.rows);
}

/* True if put_value prints all of it: scalars, lists of such, port ranges. */
static bool is_flat(const json_t *value)
{
	const json_t *first = json_is_array(value) ? json_array_get(value, 0) : value;

	return !json_is_object(first) || !json_object_size(first) ||
	       json_object_get(first, "from") || json_object_get(first, "group");
}

/* The value behind "key:", and the end of the line. */
static void put_flat(FILE *out, const json_t *value)
{
	bool list = json_is_array(value);

	if (json_is_object(value) && !json_object_size(value)) {
		fputs(" {}\n", out);
		return;
	}
	if (!json_is_null(value) && !(json_is_string(value) && !json_string_length(value)))
		fputc(' ', out);
	fputs(list ? "[" : "", out);
	put_value(out, value, ", ");
	fputs(list ? "]\n" : "\n", out);
}

static void put_map(FILE *out, const json_t *map, int indent, bool goes_on);

/* "key: value" with YAML's shape; the line is already indented. */
static void put_member(FILE *out, const char *key, const json_t *value, int indent)
{
	bool list = json_is_array(value);
	json_t *item;
	size_t i;

	fprintf(out, "%s:", key);
	if (is_flat(value)) {
		put_flat(out, value);
		return;
	}
	fputc('\n', out);
	if (!list) {
		put_map(out, value, indent + 2, false);
		return;
	}
	json_array_foreach(value, i, item) {
		fprintf(out, "%*s- ", indent + 2, "");
		put_map(out, item, indent + 4, true);
	}
}

/* goes_on: the first member continues a line. */
static void put_map(FILE *out, const json_t *map, int indent, bool goes_on)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)map, key, value) {
		fprintf(out, "%*s", goes_on ? 0 : indent, "");
		put_member(out, key, value, indent);
		goes_on = false;
	}
}

static const struct type *child_type(const struct type *parent, const char *plural)
{
	for (size_t i = 0; types[i]; i++)
		if (types[i]->parent == parent && !strcmp(types[i]->plural, plural))
			return types[i];
	return NULL;
}

void print_object(FILE *out, const struct type *type, const json_t *json)
{
	const struct type *child;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)json, key, value) {
		if (!child_type(type, key))
			put_member(out, key, value, 0);
	}
	json_object_foreach((json_t *)json, key, value) {
		child = child_type(type, key);
		if (!child)
			continue;
		fputc('\n', out);
		print_list(out, child, json, json_text_at(json, "name"));
	}
}

void print_warnings(const json_t *warnings)
{
	json_t *warning;
	size_t i;

	json_array_foreach(warnings, i, warning) {
		fputs("warning: ", stderr);
		put_value(stderr, warning, " ");
		fputc('\n', stderr);
	}
}

void print_change_lines(const json_t *lines)
{
	bool colour = colour_wanted(stdout);
	json_t *line;
	size_t i;

	json_array_foreach(lines, i, line) {
		const char *text = json_string_value(line);
		const char *start = "";

		if (!text)
			continue;
		if (colour)
			start = *text == '+' ? COLOUR_GREEN :
				*text == '-' ? COLOUR_RED :
					       COLOUR_YELLOW;
		fputs(start, stdout);
		put_text(stdout, text, strlen(text));
		printf("%s\n", *start ? COLOUR_OFF : "");
	}
}

void print_change(const struct ctl *ctl, const struct answer *answer)
{
	const json_t *json = answer->json;
	uint64_t added = json_count_at(json, "added"), changed = json_count_at(json, "changed");
	uint64_t removed = json_count_at(json, "removed"),
		 flows = json_count_at(json, "flows_affected");

	if (ctl->json) {
		print_body(stdout, answer);
		return;
	}
	print_change_lines(json_object_get(json, "changes"));
	if (ctl->dry_run)
		printf("dry run: valid, ");
	else
		printf("r%" PRIu64 ": ", json_count_at(json, "revision"));
	if (added + changed + removed)
		printf("%" PRIu64 " added, %" PRIu64 " changed, %" PRIu64 " removed", added,
		       changed, removed);
	else
		printf("no change");
	if (flows)
		printf("; %" PRIu64 " flow%s %s", flows, flows == 1 ? "" : "s",
		       ctl->now	  ? "cut" :
		       flows == 1 ? "drains" :
				    "drain");
	printf("%s\n", ctl->dry_run ? "; nothing applied" : "");
	fflush(stdout);
	print_warnings(json_object_get(json, "warnings"));
}
