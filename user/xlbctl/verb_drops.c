// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* drops: why packets were dropped, how often, and what the last one was. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"
#include "xlbctl/screen.h"

#define MEANING_COLUMN 33
#define END_TEXT_MAX   64

static char *drops_path(const struct ctl *ctl)
{
	const struct {
		const char *name, *value;
	} options[] = { { "all", ctl->all ? "1" : NULL },
			{ "interface", ctl->interface },
			{ "reason", ctl->reason } };
	char *path = NULL, separator = '?';
	size_t size;
	FILE *out = open_memstream(&path, &size);

	if (!out)
		return NULL;
	fputs(ctl->command->path, out);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (!options[i].value)
			continue;
		fprintf(out, "%c%s=", separator, options[i].name);
		put_encoded(out, options[i].value);
		separator = '&';
	}
	return fclose(out) ? NULL : path;
}

/* By rate, then total, largest first. */
static int compare(const void *a, const void *b)
{
	const json_t *left = *(json_t *const *)a, *right = *(json_t *const *)b;
	double rates[2] = { json_number_value(json_at(left, "rate")),
			    json_number_value(json_at(right, "rate")) };
	uint64_t totals[2] = { json_count_at(left, "total"), json_count_at(right, "total") };

	if (rates[0] != rates[1])
		return rates[0] < rates[1] ? 1 : -1;
	return totals[0] < totals[1] ? 1 : totals[0] > totals[1] ? -1 : 0;
}

/* "  3s ago on front: 203.0.113.9:51000 > 198.51.100.10:81 tcp SYN" */
static void print_last(FILE *out, const json_t *last, uint32_t width)
{
	AUTO_FREE char *text = NULL;
	char age[NUMBER_TEXT_MAX];
	size_t size;
	FILE *line;

	if (!json_is_object(last))
		return;
	line = open_memstream(&text, &size);
	if (!line)
		return;
	format_age((uint64_t)json_number_value(json_at(last, "age")), age);
	fprintf(line, "last %s ago on %s", age, json_text_at(last, "interface"));
	if (*json_text_at(last, "packet"))
		fprintf(line, ": %s, %" PRIu64 " bytes", json_text_at(last, "packet"),
			json_count_at(last, "length"));
	if (*json_text_at(last, "listener"))
		fprintf(line, ", listener %s", json_text_at(last, "listener"));
	if (*json_text_at(last, "server"))
		fprintf(line, ", server %s", json_text_at(last, "server"));
	if (fclose(line))
		return;
	fputs("  ", out);
	put_wrapped(out, text, 2, width);
	fputc('\n', out);
}

static void print_drop(FILE *out, const json_t *drop, uint32_t width)
{
	const json_t *rate = json_at(drop, "rate");
	char rate_text[NUMBER_TEXT_MAX] = "-", total[NUMBER_TEXT_MAX];

	if (json_is_number(rate))
		format_count((uint64_t)(json_number_value(rate) + 0.5), rate_text);
	format_count(json_count_at(drop, "total"), total);
	fprintf(out, "%-16s %7s %7s ", json_text_at(drop, "reason"), rate_text, total);
	put_wrapped(out, json_text_at(drop, "meaning"), MEANING_COLUMN, width);
	fputc('\n', out);
	print_last(out, json_at(drop, "last"), width);
}

/* "203.0.113.9:51000": an address with its port */
static bool has_port(const char *end)
{
	const char *colon = strrchr(end, ':');

	return colon && colon != end && (colon[-1] == ']' || strchr(end, ':') == colon);
}

/* What goes on from the reason at the top: its advice, and the commands that look at such packets. */
static void print_next(FILE *out, const json_t *drop, uint32_t width)
{
	char ends[2][END_TEXT_MAX] = { "", "" }, protocol[8] = "";
	const char *reason = json_text_at(drop, "reason");

	if (!json_count_at(drop, "total"))
		return;
	fprintf(out, "\n%s:", reason);
	put_wrapped(out, json_text_at(drop, "advice"), (uint32_t)strlen(reason) + 1, width);
	fprintf(out, "\n-> xlbctl capture --reason %s\n", reason);
	if (sscanf(json_text_at(drop, "last.packet"), "%63s > %63s %7s", ends[0], ends[1],
		   protocol) == 3 &&
	    has_port(ends[0]) && has_port(ends[1]))
		fprintf(out, "-> xlbctl trace %s %s %s\n", ends[0], ends[1], protocol);
}

static int print_drops(FILE *out, const json_t *json)
{
	const json_t *list = json_object_get(json, "drops");
	const char *uncounted = json_text_at(json, "uncounted");
	size_t count = json_array_size(list), i;
	AUTO_FREE json_t **drops = calloc(count + 1, sizeof(json_t *));
	uint32_t width, height;

	if (!drops)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		drops[i] = json_array_get(list, i);
	qsort(drops, count, sizeof(json_t *), compare);
	screen_size(&width, &height);
	if (count)
		fprintf(out, "%-16s %7s %7s  %s\n", "REASON", "RATE", "TOTAL",
			"MEANING, LAST SAMPLE");
	else
		fputs("no packet was dropped\n", out);
	for (i = 0; i < count; i++)
		print_drop(out, drops[i], width);
	if (*uncounted)
		fprintf(out, "redirect_failed and tx_failed are not counted: %s\n", uncounted);
	if (count)
		print_next(out, drops[0], width);
	return 0;
}

static int draw(struct ctl *ctl, FILE *out)
{
	AUTO_FREE char *path = drops_path(ctl);
	struct answer answer AUTO_ANSWER = { 0 };
	int r;

	if (!path)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	r = client_get(ctl, path, &answer);
	if (r)
		return r;
	if (ctl->json)
		print_body(out, &answer);
	else if (print_drops(out, answer.json))
		r = xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	return r;
}

int verb_drops(struct ctl *ctl)
{
	return watch_run(ctl, draw);
}
