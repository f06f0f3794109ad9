// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* trace: what becomes of a packet, step by step; with --live, of those that come. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/lines.h"
#include "xlbctl/print.h"

static void put_colon(FILE *out, const char *text)
{
	put_text(out, text, strlen(text));
}

static void print_trace(const json_t *json)
{
	json_t *step;
	size_t i;

	put_colon(stdout, json_text_at(json, "packet"));
	fputc('\n', stdout);
	json_array_foreach(json_object_get(json, "steps"), i, step) {
		printf("  %-10s ", json_text_at(step, "step"));
		put_colon(stdout, json_text_at(step, "text"));
		fputc('\n', stdout);
	}
}

/* "&name=value" */
static void put_option(FILE *query, const char *name, const char *value)
{
	if (!value)
		return;
	fprintf(query, "&%s=", name);
	put_encoded(query, value);
}

static char *trace_path(const struct ctl *ctl)
{
	char *path = NULL;
	size_t size;
	FILE *out = open_memstream(&path, &size);

	if (!out)
		return NULL;
	fprintf(out, "%s%s?client=", ctl->command->path, ctl->live ? "/live" : "");
	put_encoded(out, ctl->words[0]);
	put_option(out, "vip", ctl->words[1]);
	put_option(out, "protocol", ctl->word_count > 2 ? ctl->words[2] : NULL);
	put_option(out, "interface", ctl->interface);
	put_option(out, "flags", ctl->flags);
	if (ctl->live && ctl->count)
		fprintf(out, "&count=%llu", (unsigned long long)ctl->count);
	return fclose(out) ? NULL : path;
}

static bool take_line(void *arg, const char *line, size_t length)
{
	const struct ctl *ctl = arg;
	json_t *json;

	if (ctl->json) {
		fwrite(line, 1, length, stdout);
		fputc('\n', stdout);
		return !fflush(stdout);
	}
	json = json_loadb(line, length, 0, NULL);
	if (json_object_get(json, "packet"))
		print_trace(json);
	else if (json_count_at(json, "skipped"))
		fprintf(stderr, "warning: %llu packets more were not told: too many at once\n",
			(unsigned long long)json_count_at(json, "skipped"));
	json_decref(json);
	return !fflush(stdout);
}

static int trace_live(struct ctl *ctl, const char *path)
{
	const struct request request = { .method = "POST", .path = path };
	struct lines lines = { .take = take_line, .arg = ctl };
	int r;

	if (ctl->interface || ctl->flags)
		return xlb_err_set(
			&ctl->err, XLB_ERR_USAGE, -EINVAL,
			"--interface and --flags are of a packet made up, not of --live");
	r = client_stream(ctl, &request, lines_take, &lines);
	lines_done(&lines);
	return r;
}

int verb_trace(struct ctl *ctl)
{
	AUTO_FREE char *path = trace_path(ctl);
	struct answer answer AUTO_ANSWER = { 0 };
	int r;

	if (!path)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	if (ctl->live)
		return trace_live(ctl, path);
	r = client_get(ctl, path, &answer);
	if (r)
		return r;
	if (ctl->json)
		print_body(stdout, &answer);
	else
		print_trace(answer.json);
	return 0;
}
