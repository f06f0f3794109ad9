// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Terminal tables. The only user of libsmartcols. */
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"

DEFINE_CLEANUP(struct libscols_table, scols_unref_table)

static const char *state_colour(const char *state)
{
	static const struct {
		const char *word, *colour;
	} colours[] = {
		{ "up", "green" },	    { "native", "green" },    { "attached", "green" },
		{ "down", "red" },	    { "detached", "red" },    { "initial", "yellow" },
		{ "draining", "yellow" },   { "disabled", "yellow" }, { "generic", "yellow" },
		{ "established", "green" }, { "tombstone", "red" },   { "closing", "yellow" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(colours); i++)
		if (!strcmp(colours[i].word, state))
			return colours[i].colour;
	return NULL;
}

static uint64_t sum_members(const json_t *json)
{
	uint64_t sum = 0;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)json, key, value)
		sum += (uint64_t)json_integer_value(value);
	return sum;
}

/* "2/3", red for no server up, yellow for some */
static const char *up_text(const json_t *object, char *ret, size_t size)
{
	uint64_t up = json_count_at(object, "state.up"),
		 servers = json_count_at(object, "state.servers");

	snprintf(ret, size, "%" PRIu64 "/%" PRIu64, up, servers);
	return !up && servers ? "red" : up < servers ? "yellow" : NULL;
}

static void fill_cell(struct libscols_line *line, size_t n, const struct column *column,
		      const struct table_row *row)
{
	const json_t *value = json_at(row->object, column->path ? column->path : "");
	char text[NUMBER_TEXT_MAX] = "-";
	const char *colour = NULL;

	switch (column->kind) {
	case CELL_COUNT:
		format_count(json_count_at(row->object, column->path), text);
		break;
	case CELL_BYTES:
		format_bytes(json_count_at(row->object, column->path), text);
		break;
	case CELL_SUM:
		format_count(sum_members(value), text);
		break;
	case CELL_SIZE:
		snprintf(text, sizeof(text), "%zu",
			 json_is_array(value) ? json_array_size(value) : json_object_size(value));
		break;
	case CELL_RATE:
	case CELL_BITS:
		if (json_is_number(value))
			format_count((uint64_t)(json_number_value(value) *
							(column->kind == CELL_BITS ? 8 : 1) +
						0.5),
				     text);
		break;
	case CELL_PERCENT:
		if (json_is_number(value))
			snprintf(text, sizeof(text), "%.1f%%", json_number_value(value));
		break;
	case CELL_SINCE:
		format_since(json_text_at(row->object, column->path), text);
		break;
	case CELL_AGE:
		format_age((uint64_t)json_number_value(value), text);
		break;
	case CELL_UP:
		colour = up_text(row->object, text, sizeof(text));
		break;
	case CELL_ATTACHED:
		snprintf(text, sizeof(text), json_is_true(value) ? "attached" : "detached");
		colour = state_colour(text);
		break;
	case CELL_PARENT:
		scols_line_set_data(line, n, row->parent);
		return;
	case CELL_VALUE:
	case CELL_NUMBER:
	case CELL_STATE:
		scols_line_refer_data(line, n, value_text(value, " "));
		if (column->kind == CELL_STATE)
			colour = state_colour(json_text_at(row->object, column->path));
		scols_cell_set_color(scols_line_get_cell(line, n), colour);
		return;
	}
	scols_line_set_data(line, n, text);
	scols_cell_set_color(scols_line_get_cell(line, n), colour);
}

static int column_flags(const struct column *column)
{
	const uint32_t right = 1U << CELL_NUMBER | 1U << CELL_COUNT | 1U << CELL_BYTES |
			       1U << CELL_PERCENT | 1U << CELL_SUM | 1U << CELL_SIZE |
			       1U << CELL_UP | 1U << CELL_AGE | 1U << CELL_RATE | 1U << CELL_BITS;

	return (right >> column->kind & 1 ? SCOLS_FL_RIGHT : 0) |
	       (column->shrinks ? SCOLS_FL_WRAP : 0);
}

void print_table(FILE *out, const struct column *columns, const struct table_row *rows,
		 size_t count)
{
	AUTO(scols_unref_table) struct libscols_table *table = scols_new_table();

	if (!table)
		return;
	scols_table_set_stream(table, out);
	scols_table_enable_colors(table, colour_wanted(stdout));
	for (const struct column *column = columns; column->head; column++)
		scols_table_new_column(table, column->head, 0, column_flags(column));
	for (size_t i = 0; i < count; i++) {
		struct libscols_line *line = scols_table_new_line(table, NULL);

		for (size_t n = 0; line && columns[n].head; n++)
			fill_cell(line, n, &columns[n], &rows[i]);
	}
	scols_print_table(table);
}
