// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/field.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"

#define ACCEPTED_TEXT_MAX 200

static void put_option(FILE *out, const struct option_row *row)
{
	char left[64], letter[8] = "    ";

	if (row->letter)
		snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	snprintf(left, sizeof(left), "%s--%s%s%s", letter, row->name,
		 !row->value		      ? "" :
		 row->kind == OPTION_INTERVAL ? "=" :
						" ",
		 row->value ? row->value : "");
	fprintf(out, "  %-24s %s\n", left, row->help);
}

static void put_options(FILE *out, const char *title, uint32_t scopes)
{
	bool any = false;

	for (size_t i = 0; i < option_row_count; i++) {
		if (!(option_rows[i].scope & scopes))
			continue;
		fprintf(out, "%s", any ? "" : title);
		put_option(out, &option_rows[i]);
		any = true;
	}
}

void command_help(FILE *out, const struct command *command)
{
	char name[64];

	fprintf(out, "usage: xlbctl %s%s%s\n%s\n", command_name(command, name),
		*command->args ? " " : "", command->args, command->help);
	if (command->flags & COMMAND_TYPED) {
		fprintf(out, "\nTYPE is");
		for (size_t i = 0; types[i]; i++)
			fprintf(out, "%s %s", i ? "," : "", types[i]->cli);
		fprintf(out,
			"; it may also come first: xlbctl TYPE %s ...\nPARENT NAME may be written PARENT/NAME\n",
			command->word);
	}
	if (command->flags & COMMAND_FIELDS)
		fputs("fields: xlbctl help TYPE\n", out);
	put_options(out, "\noptions:\n", command->flags & ~(uint32_t)OPTION_GLOBAL);
}

static void type_help(FILE *out, const struct type *type)
{
	const char *parent = type->parent ? type->parent->cli : "";

	fprintf(out, "%s (%s in YAML): %s\n\n", type->cli, type->plural, type->help);
	fprintf(out, "usage: xlbctl %s %s ", type->single ? "set" : "add", type->cli);
	if (!type->single)
		fprintf(out, "%s%sNAME ", parent, *parent ? "/" : "");
	for (size_t i = 0; i < type->field_count; i++)
		if (type->fields[i].flags & FIELD_POSITIONAL)
			fprintf(out, "%s%s ", type->fields[i].name,
				type->fields[i].flags & FIELD_SERVER_PORT ? "[:port]" : "");
	fputs("[--field value...]\n\nfields:\n", out);
	for (size_t i = 0; i < type->field_count; i++) {
		const struct field *field = &type->fields[i];
		char accepted[ACCEPTED_TEXT_MAX];

		if (field->flags & FIELD_READ_ONLY)
			continue;
		field_accepted(field, accepted, sizeof(accepted));
		fprintf(out, "  --%s: %s", field->name, accepted);
		if (field->flags & FIELD_REQUIRED)
			fputs(" (required)", out);
		else if (field->preset)
			fprintf(out, " (default %s)", field->preset);
		fprintf(out, "\n        %s\n", field->help);
	}
}

/* The commands of a noun that is no type. */
static bool topic_help(FILE *out, const char *word)
{
	const char *topic = topic_by_word(word);
	bool any = false;

	for (size_t i = 0; topic && i < command_count; i++) {
		if (!commands[i].noun || strcmp(commands[i].noun, topic))
			continue;
		fputs(any ? "\n" : "", out);
		command_help(out, &commands[i]);
		any = true;
	}
	return any;
}

static void put_command(FILE *out, const struct command *command)
{
	char left[128], name[64];

	snprintf(left, sizeof(left), "%s %s", command_name(command, name), command->args);
	if (strlen(left) <= 24)
		fprintf(out, "  %-24s %s\n", left, command->help);
	else
		fprintf(out, "  %s\n  %-24s %s\n", left, "", command->help);
}

static void general_help(FILE *out)
{
	static const struct {
		uint32_t section;
		const char *title;
	} sections[] = {
		{ SECTION_SEE, "see what is going on, and what is wrong" },
		{ SECTION_CHANGE, "change" },
		{ SECTION_FILE, "whole configurations" },
		{ SECTION_TEST, "try" },
		{ SECTION_SELF, "about xlb" },
	};

	fputs("usage: xlbctl [OPTION...] COMMAND [WORD...]\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		fprintf(out, "\n%s:\n", sections[i].title);
		for (size_t j = 0; j < command_count; j++)
			if (!(commands[j].flags & COMMAND_HIDDEN) &&
			    command_section(&commands[j]) == sections[i].section)
				put_command(out, &commands[j]);
	}
	fputs("\ntypes (the noun may come first, \"xlbctl server list web\"; its fields: xlbctl help TYPE):\n",
	      out);
	for (size_t i = 0; types[i]; i++)
		fprintf(out, "  %-24s %s\n", types[i]->cli, types[i]->help);
	put_options(out, "\noptions of all, or of all that change something or show a list:\n",
		    OPTION_GLOBAL | OPTION_CHANGE | OPTION_WATCH);
}

int verb_help(struct ctl *ctl)
{
	const char *word = ctl->word_count ? ctl->words[ctl->word_count - 1] : NULL;
	const struct command *command;
	const struct type *type;
	const char *topic;

	if (!word) {
		general_help(stdout);
		return 0;
	}
	if (ctl->word_count == 2) {
		topic = topic_by_word(ctl->words[0]);
		type = topic ? NULL : type_by_word(ctl->words[0]);
		command = topic || type ? command_find_for(type, topic, word) : NULL;
		type = NULL;
	} else {
		command = command_find(word);
		type = type_by_word(word);
	}
	/* "flow" is a topic of its own, though a type's name begins so */
	if (!command && ctl->word_count == 1 && topic_help(stdout, word))
		return 0;
	if (command && !(command->flags & COMMAND_HIDDEN)) {
		command_help(stdout, command);
	} else if (type) {
		type_help(stdout, type);
	} else {
		xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "no command or type \"%s\"", word);
		xlb_err_hint(&ctl->err, "try xlbctl help");
		return -EINVAL;
	}
	return 0;
}

int verb_version(struct ctl *ctl)
{
	struct answer answer AUTO_ANSWER = { 0 };
	int r = client_get(ctl, ctl->command->path, &answer);
	const char *version = r ? "not reachable" : json_text_at(answer.json, "version");

	/* the tool's own version is an answer even without a daemon */
	if (ctl->json)
		printf("{\"xlbctl\": \"%s\", \"xlbd\": %s%s%s}\n", XLB_VERSION, r ? "" : "\"",
		       r ? "null" : version, r ? "" : "\"");
	else
		printf("xlbctl %s\nxlbd %s\n", XLB_VERSION, version);
	return 0;
}
