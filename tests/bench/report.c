// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/parse.h"

#define RESULTS_MAX 512

static struct result results[RESULTS_MAX];
static size_t count;

void report_begin(void)
{
	printf("%-28s %-13s %4s %8s %7s %17s %8s %8s %8s\n", "row", "mode", "IPv", "ns net",
	       "ratio", "min - max", "dropped", "one read", "fill ns");
}

static void print_figure(const struct result *result)
{
	const struct figure *figure = &result->figure;
	char range[32];

	if (result->skipped[0]) {
		printf(" skipped: %s\n", result->skipped);
		return;
	}
	if (result->two > 0) {
		printf(" %7.2f times one CPU, %.2f - %.2f; trivial %.2f\n", result->two,
		       result->two_min, result->two_max, result->two_trivial);
		return;
	}
	snprintf(range, sizeof(range), "%.1f - %.1f", figure->net_min, figure->net_max);
	printf(" %8.1f %7.2f %17s %7.2f%%", figure->net, figure->ratio, range,
	       result->dropped * 100);
	if (result->read_ns > 0)
		printf(" %8.0f", result->read_ns);
	if (result->fill_ns > 0)
		printf(" %8.0f", result->fill_ns);
	putchar('\n');
}

void report_add(const struct result *result)
{
	if (count == RESULTS_MAX)
		die("more than %d results", RESULTS_MAX);
	results[count++] = *result;
	printf("%-28s %-13s %4d", result->row, farm_words[result->farm],
	       result->family == XLB_IPV4 ? 4 : 6);
	print_figure(result);
	fflush(stdout);
}

static json_t *to_json(const struct result *result)
{
	const struct figure *figure = &result->figure;
	json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:i}", "row", result->row, "mode",
				 farm_words[result->farm], "family",
				 result->family == XLB_IPV4 ? 4 : 6, "room", (int)result->room,
				 "servers", (int)result->servers);

	if (result->skipped[0]) {
		json_object_set_new(json, "skipped", json_string(result->skipped));
		return json;
	}
	if (result->two > 0) {
		json_object_update_new(json,
				       json_pack("{s:f, s:f, s:f, s:f}", "two_cpus", result->two,
						 "min", result->two_min, "max", result->two_max,
						 "trivial", result->two_trivial));
		return json;
	}
	json_object_update_new(json, json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "ns", figure->net,
					       "min", figure->net_min, "max", figure->net_max,
					       "trivial_ns", figure->trivial, "ratio",
					       figure->ratio, "dropped", result->dropped));
	if (result->read_ns > 0)
		json_object_set_new(json, "read_ns", json_real(result->read_ns));
	if (result->fill_ns > 0)
		json_object_set_new(json, "fill_ns", json_real(result->fill_ns));
	return json;
}

static void write_json(const char *path, int rounds, uint32_t repeat)
{
	json_t *rows = json_array(), *root;
	char now[TIME_TEXT_MAX];
	struct utsname host;

	uname(&host);
	format_utc(time(NULL), now);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(rows, to_json(&results[i]));
	root = json_pack("{s:s, s:s, s:i, s:i, s:o}", "time", now, "kernel", host.release, "rounds",
			 rounds, "packets", (int)repeat, "rows", rows);
	if (!root || json_dump_file(root, path, JSON_INDENT(1) | JSON_REAL_PRECISION(6)))
		die("%s", path);
	json_decref(root);
}

static const struct result *find(const char *row, enum farm_kind farm, uint8_t family)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(results[i].row, row) && results[i].farm == farm &&
		    results[i].family == family)
			return &results[i];
	return NULL;
}

static void print_cell(const struct result *result)
{
	if (!result)
		printf(" %9s", "");
	else if (result->skipped[0])
		printf(" %9s", "skipped");
	else if (result->two > 0)
		printf(" %8.2fx", result->two);
	else
		printf(" %9.0f", result->figure.net);
}

/* A line per row, a column per mode that all rows are of, and family. */
static void print_table(void)
{
	printf("\nns per packet, net of the trivial program\n%-28s", "");
	for (int column = 0; column < 2 * (FARM_FULLNAT + 1); column++)
		printf(" %7s/%d", farm_words[column / 2], column % 2 ? 6 : 4);
	for (size_t i = 0; i < count; i++) {
		const char *row = results[i].row;
		bool seen = false;

		for (size_t j = 0; j < i; j++)
			seen = seen || !strcmp(results[j].row, row);
		if (seen)
			continue;
		printf("\n%-28s", row);
		for (int column = 0; column < 2 * (FARM_FULLNAT + 1); column++)
			print_cell(find(row, (enum farm_kind)(column / 2),
					column % 2 ? XLB_IPV6 : XLB_IPV4));
	}
	putchar('\n');
}

void report_end(const char *path, int rounds, uint32_t repeat)
{
	print_table();
	write_json(path, rounds, repeat);
	printf("written to %s\n", path);
}
