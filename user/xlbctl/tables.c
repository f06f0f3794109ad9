// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Tables of the documentation: in roff for docs/man/update, in Markdown for docs. */
#include <errno.h>
#include <string.h>

#include "base/words.h"
#include "core/field.h"
#include "core/metrics.h"
#include "core/tls.h"
#include "xlbctl/xlbctl.h"

/* Roff's own characters in texts: '-' is a hyphen otherwise, a leading '.' a request. */
static void put_roff(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '-')
			fputs("\\-", out);
		else if (*text == '\\')
			fputs("\\e", out);
		else
			fputc(*text, out);
	}
}

static void roff_commands(FILE *out)
{
	for (size_t i = 0; i < command_count; i++) {
		char name[64];

		if (commands[i].flags & COMMAND_HIDDEN)
			continue;
		fputs(".TP\n\\fB", out);
		put_roff(out, command_name(&commands[i], name));
		fputs("\\fR ", out);
		put_roff(out, commands[i].args);
		fputc('\n', out);
		put_roff(out, commands[i].help);
		fputs("\n", out);
	}
}

static void roff_options(FILE *out)
{
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];
		const char *separator = "; option of ";

		fputs(".TP\n", out);
		if (row->letter)
			fprintf(out, "\\fB\\-%c\\fR, ", row->letter);
		fputs("\\fB\\-\\-", out);
		put_roff(out, row->name);
		fprintf(out, "\\fR%s\\fI%s\\fR\n",
			!row->value		     ? "" :
			row->kind == OPTION_INTERVAL ? "=" :
						       " ",
			row->value ? row->value : "");
		put_roff(out, row->help);
		for (size_t j = 0;
		     j < command_count && !(row->scope & (OPTION_GLOBAL | OPTION_CHANGE)); j++) {
			char name[64];

			if (!(commands[j].flags & row->scope))
				continue;
			fprintf(out, "%s\\fB%s\\fR", separator, command_name(&commands[j], name));
			separator = ", ";
		}
		fputc('\n', out);
	}
}

static void roff_fields(FILE *out)
{
	for (size_t i = 0; types[i]; i++) {
		const struct type *type = types[i];

		fprintf(out, ".SS %s%s%s\n", type->parent ? type->parent->plural : "",
			type->parent ? ".NAME." : "", type->plural);
		put_roff(out, type->help);
		fputs(".\n", out);
		for (size_t j = 0; j < type->field_count; j++) {
			const struct field *field = &type->fields[j];
			char accepted[200];

			if (field->flags & FIELD_READ_ONLY)
				continue;
			field_accepted(field, accepted, sizeof(accepted));
			fprintf(out, ".TP\n\\fB%s\\fR: ", field->name);
			put_roff(out, accepted);
			if (field->flags & FIELD_REQUIRED)
				fputs(" (required)", out);
			else if (field->preset)
				fprintf(out, " (default %s)", field->preset);
			fputc('\n', out);
			put_roff(out, field->help);
			fputc('\n', out);
		}
	}
}

/* The reasons of drops, in Markdown. */
static void markdown_reasons(FILE *out)
{
	fputs("| reason | means | what helps |\n|---|---|---|\n", out);
	for (uint32_t reason = 1; reason_word(reason); reason++)
		fprintf(out, "| `%s` | %s | %s |\n", reason_word(reason), reason_meaning(reason),
			reason_advice(reason));
}

int verb_tables(struct ctl *ctl)
{
	static const struct {
		const char *word;
		void (*print)(FILE *out);
	} rows[] = { { "commands", roff_commands },   { "options", roff_options },
		     { "fields", roff_fields },	      { "markdown", types_markdown },
		     { "metrics", metrics_markdown }, { "policies", tls_policies_markdown },
		     { "reasons", markdown_reasons } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].word, ctl->words[0]))
			continue;
		rows[i].print(stdout);
		return 0;
	}
	return xlb_err_set(
		&ctl->err, XLB_ERR_USAGE, -EINVAL,
		"no table \"%s\": commands, options, fields, markdown, metrics, policies, "
		"reasons",
		ctl->words[0]);
}
