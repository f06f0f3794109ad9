// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The whole state on one page, and redrawing. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"

#define CLEAR_SCREEN "\033[H\033[2J"

static void draw_head(FILE *out, const json_t *json)
{
	const char *instance = json_text_at(json, "instance");
	const char *origin = json_text_at(json, "origin");
	char age[NUMBER_TEXT_MAX];

	format_age(json_count_at(json, "uptime"), age);
	fprintf(out, "xlbd %s%s%s  up %s  config r%" PRIu64, json_text_at(json, "version"),
		*instance ? "  instance " : "", instance, age, json_count_at(json, "revision"));
	if (*origin) {
		fputs(" (", out);
		put_text(out, origin, strlen(origin));
		fputc(')', out);
	}
	fprintf(out, "  kernel %s  flows %" PRIu64 " of %" PRIu64 "\n",
		json_text_at(json, "kernel"), json_count_at(json, "flows"),
		json_count_at(json, "max_flows"));
}

/* "error: what is wrong", and below it the command that helps */
static void draw_problems(FILE *out, const json_t *json)
{
	bool colour = colour_wanted(stdout);
	json_t *problem;
	size_t i;

	json_array_foreach(json_object_get(json, "problems"), i, problem) {
		const char *level = json_text_at(problem, "level"),
			   *text = json_text_at(problem, "text");
		const char *command = json_text_at(problem, "command");
		const char *start = !colour		    ? "" :
				    !strcmp(level, "error") ? COLOUR_RED :
							      COLOUR_YELLOW;

		fprintf(out, "%s%s:%s ", start, level, colour ? COLOUR_OFF : "");
		put_text(out, text, strlen(text));
		if (*command) {
			fputs("\n  ", out);
			put_text(out, command, strlen(command));
		}
		fputc('\n', out);
	}
}

static void draw_tables(FILE *out, const json_t *json)
{
	for (size_t i = 0; types[i]; i++) {
		const struct type *top = types[i]->parent ? types[i]->parent : types[i];

		if (types[i]->parent && !json_array_size(json_object_get(json, top->plural)))
			continue;
		fputc('\n', out);
		print_list(out, types[i], json, "");
	}
}

static void draw_drops(FILE *out, const json_t *json)
{
	const char *separator = "\ndrops: ";
	const char *reason;
	json_t *value;

	json_object_foreach(json_object_get(json, "drops"), reason, value) {
		if (!json_integer_value(value))
			continue;
		fprintf(out, "%s%s %" JSON_INTEGER_FORMAT, separator, reason,
			json_integer_value(value));
		separator = ", ";
	}
	if (*separator == ',')
		fputc('\n', out);
}

/* What is removed but still has flows. */
static void draw_retired(FILE *out, const json_t *json)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(json, "retired"), i, item) {
		uint64_t deadline = json_count_at(item, "deadline");

		fprintf(out, "%sremoved %s %s: %" PRIu64 " flows finish", i ? "" : "\n",
			json_text_at(item, "kind"), json_text_at(item, "key"),
			json_count_at(item, "flows"));
		if (deadline)
			fprintf(out, ", cut in %" PRIu64 " s", deadline);
		fputc('\n', out);
	}
}

static int draw_status(struct ctl *ctl, FILE *out)
{
	struct answer answer AUTO_ANSWER = { 0 };
	int r = client_get(ctl, ctl->command->path, &answer);

	if (r)
		return r;
	if (ctl->json) {
		print_body(out, &answer);
		return 0;
	}
	draw_head(out, answer.json);
	draw_problems(out, answer.json);
	draw_tables(out, answer.json);
	draw_drops(out, answer.json);
	draw_retired(out, answer.json);
	return 0;
}

int verb_status(struct ctl *ctl)
{
	return watch_run(ctl, draw_status);
}

int watch_run(struct ctl *ctl, int (*draw)(struct ctl *ctl, FILE *out))
{
	bool terminal = isatty(STDOUT_FILENO);

	for (bool first = true;; first = false) {
		AUTO_FREE char *picture = NULL;
		size_t size;
		FILE *out = open_memstream(&picture, &size);
		int r;

		if (!out)
			return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
		r = draw(ctl, out);
		if (fclose(out) && !r)
			r = xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
		if (r)
			return r;
		if (ctl->watch_ms && terminal)
			fputs(CLEAR_SCREEN, stdout);
		else if (!first)
			fputc('\n', stdout);
		fwrite(picture, 1, size, stdout);
		/* a reader that went away ends the loop */
		if (fflush(stdout) || !ctl->watch_ms)
			return 0;
		usleep((useconds_t)ctl->watch_ms * 1000);
	}
}
