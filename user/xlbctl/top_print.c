// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The picture of `top`, as text. */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/format.h"
#include "xlbctl/top.h"

#define NAME_WIDEST 60

/* Sum of a rate over all interfaces, as text. */
static void format_total(const json_t *status, const char *path, double factor,
			 char ret[NUMBER_TEXT_MAX])
{
	double sum = 0;
	json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(status, "interfaces"), i, interface)
		sum += json_number_value(json_at(interface, path));
	format_count((uint64_t)(sum * factor + 0.5), ret);
}

static void put_problems(FILE *out, const json_t *status)
{
	static const char *const levels[] = { "error", "warning", "info" };
	const json_t *counts = json_object_get(status, "problem_counts");
	const char *separator = "problems: ";

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		uint64_t count = json_count_at(counts, levels[i]);

		if (!count)
			continue;
		fprintf(out, "%s%" PRIu64 " %s%s", separator, count, levels[i],
			i < 2 && count > 1 ? "s" : "");
		separator = ", ";
	}
	if (*separator == 'p')
		fputs("no problems", out);
}

static void put_totals(FILE *out, const struct top *top)
{
	const json_t *status = top->status.json;
	char age[NUMBER_TEXT_MAX], flows[NUMBER_TEXT_MAX], max[NUMBER_TEXT_MAX];
	char packets[NUMBER_TEXT_MAX], bits[NUMBER_TEXT_MAX], drops[NUMBER_TEXT_MAX];
	const char *instance = json_text_at(status, "instance");

	format_age(json_count_at(status, "uptime"), age);
	format_count(json_count_at(status, "flows"), flows);
	format_count(json_count_at(status, "max_flows"), max);
	format_total(status, "state.rates.packets", 1, packets);
	format_total(status, "state.rates.bytes", 8, bits);
	format_total(status, "state.rates.drops", 1, drops);
	fprintf(out, "xlbd %s%s%s  up %s  config r%" PRIu64 "  ", json_text_at(status, "version"),
		*instance ? "  instance " : "", instance, age, json_count_at(status, "revision"));
	put_problems(out, status);
	fprintf(out, "\nflows %s of %s  %s packets/s  %s bits/s  %s drops/s%s", flows, max, packets,
		bits, drops, top->paused ? "  paused" : "");
	if (*top->filter)
		fprintf(out, "  filter \"%s\"", top->filter);
	fputc('\n', out);
}

static void put_views(FILE *out, const struct top *top)
{
	for (size_t i = 0; i < top_view_count; i++)
		fprintf(out, "%s%s%zu %s%s", i ? "  " : "", &top_views[i] == top->view ? "[" : "",
			i + 1, top_views[i].word, &top_views[i] == top->view ? "]" : "");
	fprintf(out, "  by %s%s\n", top->view->columns[top->sort].head,
		top->ascending ? ", reversed" : "");
}

static bool is_text(enum top_cell cell)
{
	return cell == TOP_NAME || cell == TOP_TEXT || cell == TOP_MEANING;
}

/* The name's column takes what the others leave, as far as names need it. */
static int name_width(const struct top *top, uint32_t width)
{
	int others = 0, least = 0, longest = 0, room;

	for (size_t i = 0; i < top->view->count; i++) {
		const struct top_column *column = &top->view->columns[i];

		if (column->cell == TOP_NAME)
			least = column->width;
		else
			others += column->width + 1;
		for (size_t j = 0; column->cell == TOP_NAME && j < top->count; j++)
			if ((int)strlen(top->rows[j].texts[i]) > longest)
				longest = (int)strlen(top->rows[j].texts[i]);
	}
	room = width ? (int)width - others : NAME_WIDEST;
	if (longest > room)
		longest = room;
	return longest > least ? longest : least;
}

static void put_cell(FILE *out, const struct top_column *column, const char *text, int name,
		     bool last)
{
	int width = column->cell == TOP_NAME ? name : column->width;

	if (!is_text(column->cell))
		fprintf(out, "%*s", width, text);
	else if (last)
		fputs(text, out);
	else
		fprintf(out, "%-*.*s", width, width, text);
	fputc(last ? '\n' : ' ', out);
}

static void put_row(FILE *out, const struct top_view *view, const struct top_row *row, int name)
{
	for (size_t i = 0; i < view->count; i++) {
		char number[NUMBER_TEXT_MAX] = "-";

		if (!row->texts[i] && row->numbers[i] >= 0)
			format_count((uint64_t)(row->numbers[i] + 0.5), number);
		put_cell(out, &view->columns[i], row->texts[i] ? row->texts[i] : number, name,
			 i + 1 == view->count);
	}
}

static void put_all(FILE *out, const struct top *top, uint32_t width)
{
	const struct top_view *view = top->view;
	int name = name_width(top, width);

	put_totals(out, top);
	put_views(out, top);
	for (size_t i = 0; i < view->count; i++)
		put_cell(out, &view->columns[i], view->columns[i].head, name, i + 1 == view->count);
	for (size_t i = 0; i < top->count; i++)
		put_row(out, view, &top->rows[i], name);
}

void top_print(FILE *out, const struct top *top, uint32_t width)
{
	AUTO_FREE char *text = NULL;
	size_t size;
	FILE *whole = open_memstream(&text, &size);

	if (!whole)
		return;
	put_all(whole, top, width);
	if (fclose(whole))
		return;
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		size_t length = strcspn(line, "\n");

		put_text(out, line, width && length > width ? width : length);
		fputc('\n', out);
	}
}
