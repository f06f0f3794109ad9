// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tables. Those too wide for the terminal are libsmartcols' to wrap, whose only user this is; it takes as long
 * for ten thousand lines as all the rest of a list, so what fits is printed here, in the same form.
 */
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"

DEFINE_CLEANUP(struct libscols_table, scols_unref_table)

#define GAP 1 /* blanks between columns */

struct cell {
	char *text;	    /* owned */
	const char *colour; /* escape sequence, NULL: none */
};

static const char *state_colour(const char *state)
{
	static const struct {
		const char *word, *colour;
	} colours[] = {
		{ "up", COLOUR_GREEN },	       { "native", COLOUR_GREEN },
		{ "attached", COLOUR_GREEN },  { "down", COLOUR_RED },
		{ "detached", COLOUR_RED },    { "initial", COLOUR_YELLOW },
		{ "draining", COLOUR_YELLOW }, { "disabled", COLOUR_YELLOW },
		{ "generic", COLOUR_YELLOW },  { "established", COLOUR_GREEN },
		{ "tombstone", COLOUR_RED },   { "closing", COLOUR_YELLOW },
	};

	for (size_t i = 0; i < ARRAY_SIZE(colours); i++)
		if (!strcmp(colours[i].word, state))
			return colours[i].colour;
	return NULL;
}

/* Where a row has the value of a key; of an object any place will do. */
static size_t place_of(const json_t *keys, const char *path)
{
	const json_t *key;
	size_t i;

	json_array_foreach(keys, i, key)
		if (!strcmp(json_string_value(key) ? json_string_value(key) : "", path))
			break;
	return i;
}

static const json_t *value_at(const json_t *row, const char *path, size_t place)
{
	return json_is_array(row) ? json_array_get(row, place) : json_at(row, path);
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

/* Members, or how many there are. */
static void size_text(const json_t *value, char *ret, size_t size)
{
	json_int_t count = json_integer_value(value);

	if (!json_is_integer(value))
		count = (json_int_t)(json_is_array(value) ? json_array_size(value) :
							    json_object_size(value));
	snprintf(ret, size, "%" JSON_INTEGER_FORMAT, count);
}

/* "2/3", red for no server up, yellow for some */
static const char *up_text(const json_t *row, const json_t *keys, char *ret, size_t size)
{
	uint64_t up = value_count(value_at(row, "state.up", place_of(keys, "state.up"))),
		 servers = value_count(
			 value_at(row, "state.servers", place_of(keys, "state.servers")));

	snprintf(ret, size, "%" PRIu64 "/%" PRIu64, up, servers);
	return !up && servers ? COLOUR_RED : up < servers ? COLOUR_YELLOW : NULL;
}

/* "100", or "45/100" in yellow of a server that starts slowly */
static const char *weight_text(const json_t *row, const json_t *keys, const json_t *weight,
			       char *ret, size_t size)
{
	const json_t *now =
		value_at(row, "state.effective_weight", place_of(keys, "state.effective_weight"));
	double all = json_number_value(weight);

	if (!json_is_number(now) || json_number_value(now) >= all) {
		snprintf(ret, size, "%g", all);
		return NULL;
	}
	snprintf(ret, size, "%g/%g", json_number_value(now), all);
	return COLOUR_YELLOW;
}

static struct cell make_cell(const struct column *column, const struct table_row *row,
			     const json_t *keys, size_t place)
{
	const json_t *value = value_at(row->object, column->path ? column->path : "", place);
	char text[NUMBER_TEXT_MAX] = "-";
	const char *colour = NULL;

	switch (column->kind) {
	case CELL_COUNT:
		format_count(value_count(value), text);
		break;
	case CELL_BYTES:
		format_bytes(value_count(value), text);
		break;
	case CELL_SUM:
		format_count(sum_members(value), text);
		break;
	case CELL_SIZE:
		size_text(value, text, sizeof(text));
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
		format_since(value_string(value), text);
		break;
	case CELL_AGE:
		format_age((uint64_t)json_number_value(value), text);
		break;
	case CELL_UP:
		colour = up_text(row->object, keys, text, sizeof(text));
		break;
	case CELL_WEIGHT:
		colour = weight_text(row->object, keys, value, text, sizeof(text));
		break;
	case CELL_ATTACHED:
		snprintf(text, sizeof(text), json_is_true(value) ? "attached" : "detached");
		colour = state_colour(text);
		break;
	case CELL_PARENT:
		return (struct cell){ strdup(row->parent), NULL };
	case CELL_STATE:
		colour = state_colour(value_string(value));
		return (struct cell){ value_text(value, " "), colour };
	case CELL_VALUE:
	case CELL_NUMBER:
		return (struct cell){ value_text(value, " "), NULL };
	}
	return (struct cell){ strdup(text), colour };
}

static bool is_right(const struct column *column)
{
	const uint32_t right = 1U << CELL_NUMBER | 1U << CELL_COUNT | 1U << CELL_BYTES |
			       1U << CELL_PERCENT | 1U << CELL_SUM | 1U << CELL_SIZE |
			       1U << CELL_UP | 1U << CELL_WEIGHT | 1U << CELL_AGE |
			       1U << CELL_RATE | 1U << CELL_BITS;

	return right >> column->kind & 1;
}

/* Columns that a text takes; false if it is not plain ASCII, of which that would be a guess. */
static bool measure(const char *text, size_t *widest)
{
	size_t length = 0;

	for (; text[length]; length++)
		if (text[length] < ' ' || text[length] > '~')
			return false;
	if (length > *widest)
		*widest = length;
	return true;
}

/* True if each line fits into one of the terminal's: then widths has what each column takes. */
static bool fits(const struct column *columns, size_t column_count, const struct cell *cells,
		 size_t row_count, size_t *widths)
{
	struct winsize window = { 0 };
	size_t sum = 0;

	for (size_t n = 0; n < column_count; n++) {
		if (!measure(columns[n].head, &widths[n]))
			return false;
		for (size_t i = 0; i < row_count; i++) {
			const char *text = cells[i * column_count + n].text;

			if (text && !measure(text, &widths[n]))
				return false;
		}
		sum += widths[n] + (n ? GAP : 0);
	}
	return !isatty(STDOUT_FILENO) ||
	       (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) && sum <= window.ws_col);
}

static void put_blanks(FILE *out, size_t count)
{
	while (count--)
		putc_unlocked(' ', out);
}

static void put_cell(FILE *out, const struct column *column, size_t width, const char *text,
		     const char *colour)
{
	size_t length = strlen(text);

	if (is_right(column))
		put_blanks(out, width - length);
	if (colour)
		fputs_unlocked(colour, out);
	fwrite_unlocked(text, 1, length, out);
	if (colour)
		fputs_unlocked(COLOUR_OFF, out);
	if (!column[1].head) {
		putc_unlocked('\n', out);
		return;
	}
	put_blanks(out, GAP + (is_right(column) ? 0 : width - length));
}

static void print_plain(FILE *out, const struct column *columns, size_t column_count,
			const struct cell *cells, size_t row_count, const size_t *widths)
{
	bool colours = colour_wanted(stdout);

	for (size_t n = 0; n < column_count; n++)
		put_cell(out, &columns[n], widths[n], columns[n].head, NULL);
	for (size_t i = 0; i < row_count * column_count; i++)
		put_cell(out, &columns[i % column_count], widths[i % column_count],
			 cells[i].text ? cells[i].text : "", colours ? cells[i].colour : NULL);
}

static void print_wrapped(FILE *out, const struct column *columns, size_t column_count,
			  const struct cell *cells, size_t row_count)
{
	AUTO(scols_unref_table) struct libscols_table *table = scols_new_table();

	if (!table)
		return;
	scols_table_set_stream(table, out);
	scols_table_enable_colors(table, colour_wanted(stdout));
	for (size_t n = 0; n < column_count; n++)
		scols_table_new_column(table, columns[n].head, 0,
				       (is_right(&columns[n]) ? SCOLS_FL_RIGHT : 0) |
					       (columns[n].shrinks ? SCOLS_FL_WRAP : 0));
	for (size_t i = 0; i < row_count; i++) {
		struct libscols_line *line = scols_table_new_line(table, NULL);

		for (size_t n = 0; line && n < column_count; n++) {
			const struct cell *cell = &cells[i * column_count + n];

			scols_line_set_data(line, n, cell->text);
			scols_cell_set_color(scols_line_get_cell(line, n), cell->colour);
		}
	}
	scols_print_table(table);
}

void print_table(FILE *out, const struct column *columns, const struct table_row *rows,
		 size_t count, const json_t *keys)
{
	AUTO_FREE struct cell *cells = NULL;
	AUTO_FREE size_t *widths = NULL, *places = NULL;
	size_t column_count = 0;

	while (columns[column_count].head)
		column_count++;
	cells = calloc(count * column_count + 1, sizeof(*cells));
	widths = calloc(column_count, sizeof(*widths));
	places = calloc(column_count, sizeof(*places));
	if (!cells || !widths || !places)
		return;
	for (size_t n = 0; n < column_count; n++)
		places[n] = place_of(keys, columns[n].path ? columns[n].path : "");
	for (size_t i = 0; i < count * column_count; i++)
		cells[i] = make_cell(&columns[i % column_count], &rows[i / column_count], keys,
				     places[i % column_count]);
	if (fits(columns, column_count, cells, count, widths))
		print_plain(out, columns, column_count, cells, count, widths);
	else
		print_wrapped(out, columns, column_count, cells, count);
	for (size_t i = 0; i < count * column_count; i++)
		free(cells[i].text);
}
