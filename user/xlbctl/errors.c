// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbctl/errors.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/json.h"
#include "xlbctl/format.h"

#define SOURCE_WIDTH 96 /* characters of a source line shown */
#define CUT	     "..."

static enum xlb_err_class class_of_status(long status)
{
	for (int i = XLB_ERR_NONE + 1; i < XLB_ERR_CLASS_COUNT; i++)
		if (xlb_err_status(i) == status)
			return i;
	return XLB_ERR_FAILED;
}

static void copy_text(char *ret, size_t size, const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	snprintf(ret, size, "%s", text ? text : "");
}

static uint32_t copy_number(const json_t *json, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(json, key));

	return value > 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

void error_from_answer(long status, const char *body, const json_t *json, struct xlb_err *err)
{
	const char *type = json_string_value(json_object_get(json, "type"));

	if (!json_string_value(json_object_get(json, "title"))) {
		xlb_err_set(err, class_of_status(status), -1, "xlbd answered HTTP %ld: %.*s",
			    status, (int)strcspn(body, "\r\n"), body);
		return;
	}
	*err = (struct xlb_err){ .class = type ? xlb_err_class_of(type) : class_of_status(status) };
	copy_text(err->text, sizeof(err->text), json, "title");
	copy_text(err->hint, sizeof(err->hint), json, "hint");
	copy_text(err->pointer, sizeof(err->pointer), json, "pointer");
	copy_text(err->file, sizeof(err->file), json, "file");
	copy_text(err->source, sizeof(err->source), json, "source");
	err->line = copy_number(json, "line");
	err->column = copy_number(json, "column");
	err->length = copy_number(json, "length");
}

/* Start of the character behind the one at p. */
static const char *next_char(const char *p)
{
	p++;
	while ((*p & 0xc0) == 0x80)
		p++;
	return p;
}

/* Quotes the line with the caret below; of a long line the part around the column. */
static void print_source(FILE *out, const struct xlb_err *err)
{
	size_t column = err->column ? xlb_err_caret(err) - 1 : 0; /* 0-based, in characters */
	size_t total = 0, start = 0, end, i = 0;
	const char *from = err->source;
	const char *p;

	for (p = err->source; *p; p = next_char(p))
		total++;
	if (total > SOURCE_WIDTH && column > SOURCE_WIDTH / 2)
		start = column - SOURCE_WIDTH / 2;
	if (start > total)
		start = total > SOURCE_WIDTH ? total - SOURCE_WIDTH : 0;
	end = start + SOURCE_WIDTH < total ? start + SOURCE_WIDTH : total;
	for (; i < start; i++)
		from = next_char(from);
	fputs(start ? CUT : "", out);
	for (p = from; i < end; i++)
		p = next_char(p);
	put_text(out, from, (size_t)(p - from));
	fprintf(out, "%s\n", end < total ? CUT : "");
	if (!err->column || column > end)
		return;
	fputs(start ? "   " : "", out);
	for (i = start, p = from; i < column; i++, p = next_char(p))
		fputc(*p == '\t' ? '\t' : ' ', out);
	fputc('^', out);
	for (i = column + 1; i < column + err->length && i < end; i++)
		fputc('~', out);
	fputc('\n', out);
}

static void print_json(FILE *out, const struct xlb_err *err)
{
	json_t *problem = err_json(err);

	json_dumpf(problem, out, JSON_PRESERVE_ORDER);
	fputc('\n', out);
	json_decref(problem);
}

void error_print(const struct ctl *ctl, FILE *out)
{
	const struct xlb_err *err = &ctl->err;
	bool colour = colour_wanted(out);

	if (ctl->json) {
		print_json(out, err);
		return;
	}
	if (err->line) {
		fputs(colour ? COLOUR_BOLD : "", out);
		put_text(out, err->file, strlen(err->file));
		fprintf(out, ":%u:%u: %serror:%s ", err->line, err->column,
			colour ? COLOUR_RED : "", colour ? COLOUR_OFF : "");
	} else {
		fputs("xlbctl: ", out);
		if (*err->file) {
			put_text(out, err->file, strlen(err->file));
			fputs(": ", out);
		}
	}
	put_text(out, err->text, strlen(err->text));
	fputc('\n', out);
	if (err->line && *err->source)
		print_source(out, err);
	if (*err->hint) {
		fputs("hint: ", out);
		put_text(out, err->hint, strlen(err->hint));
		fputc('\n', out);
	}
	if (ctl->footer)
		fprintf(out, "%s\n", ctl->footer);
}

bool confirm_ask(struct ctl *ctl)
{
	AUTO_FREE char *line = NULL;
	size_t size = 0;

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		if (!strstr(ctl->err.hint, "--yes"))
			xlb_err_hint(&ctl->err, "to agree, repeat the command with --yes");
		return false;
	}
	put_text(stderr, ctl->err.text, strlen(ctl->err.text));
	fputs("\nContinue? [y/N] ", stderr);
	if (getline(&line, &size, stdin) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		if (!strcasecmp(line, "y") || !strcasecmp(line, "yes"))
			return true;
	} else {
		fputc('\n', stderr);
	}
	xlb_err_set(&ctl->err, XLB_ERR_CONFIRM, -1, "not confirmed, nothing changed");
	return false;
}
