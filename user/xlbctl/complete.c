// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What may follow the words typed so far; packaging/xlbctl.bash asks. Names come from the daemon. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/target.h"

/* Names of all objects of a type, "parent/name" for children; nothing if the daemon does not answer. */
static void complete_names(struct ctl *ctl, const struct type *type)
{
	const struct type *top = type->parent ? type->parent : type;
	struct answer answer AUTO_ANSWER = { 0 };
	char path[128];
	const char *name;
	json_t *object, *child;
	size_t i;

	snprintf(path, sizeof(path), "/v1/%s", top->plural);
	if (client_get(ctl, path, &answer))
		return;
	json_array_foreach(json_object_get(answer.json, top->plural), i, object) {
		if (!type->parent)
			printf("%s\n", json_text_at(object, "name"));
		json_object_foreach(json_object_get(object, type->plural), name, child)
			printf("%s/%s\n", json_text_at(object, "name"), name);
	}
}

static void complete_options(const struct command *command, const struct type *type)
{
	uint32_t scopes = OPTION_GLOBAL | command->flags;

	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].scope & scopes)
			printf("--%s\n", option_rows[i].name);
	for (size_t i = 0; type && command->flags & COMMAND_FIELDS && i < type->field_count; i++)
		if (!(type->fields[i].flags & FIELD_READ_ONLY))
			printf("--%s\n", type->fields[i].name);
}

/* The value of an option: words, true and false, names. */
static void complete_value(struct ctl *ctl, const struct field *field)
{
	if (field->kind == FIELD_BOOL)
		puts("true\nfalse");
	for (const struct word *word = field->words; word && word->word; word++)
		puts(word->word);
	if (field->kind == FIELD_REF || field->kind == FIELD_SHARES)
		complete_names(ctl, field->ref);
}

/* `xlbctl TYPE ...` and `xlbctl COMMAND TYPE ...` */
static void complete_object(struct ctl *ctl, const struct command *command, const struct type *type)
{
	const char *last = ctl->words[ctl->word_count - 1];
	const struct field *field = NULL;

	if (!strncmp(last, "--", 2)) {
		char name[64];

		snprintf(name, sizeof(name), "%s", last + 2);
		for (char *p = name; *p; p++)
			*p = *p == '-' ? '_' : *p;
		field = field_find(type, name);
	}
	if (field) {
		complete_value(ctl, field);
		return;
	}
	/* `list` wants a parent, `add` a new name below one */
	if (!strcmp(command->word, "list") || !strcmp(command->word, "add"))
		type = type->parent;
	if (type)
		complete_names(ctl, type);
}

static void complete_first(void)
{
	for (size_t i = 0; i < command_count; i++)
		if (!(commands[i].flags & (COMMAND_HIDDEN | COMMAND_NOUN)))
			puts(commands[i].word);
	/* a topic once, where its first command stands */
	for (size_t i = 0; i < command_count; i++)
		if (commands[i].flags & COMMAND_NOUN && !type_find(commands[i].noun) &&
		    (!i || !commands[i - 1].noun || strcmp(commands[i - 1].noun, commands[i].noun)))
			puts(commands[i].noun);
	for (size_t i = 0; types[i]; i++)
		puts(types[i]->cli);
}

/* The words of "[listeners|servers|...]"; capitals stand for something else. */
static void complete_alternatives(const struct command *command)
{
	const char *text = strchr(command->args, '|') ? command->args : "";

	while (*text) {
		size_t length = strcspn(text, "[|] ");

		if (length && *text >= 'a' && *text <= 'z')
			printf("%.*s\n", (int)length, text);
		text += length + (text[length] != '\0');
	}
}

static void complete_types(void)
{
	for (size_t i = 0; types[i]; i++)
		puts(types[i]->cli);
}

int verb_complete(struct ctl *ctl)
{
	const struct command *command = ctl->word_count ? command_find(ctl->words[0]) : NULL;
	const struct type *type = NULL;

	if (!ctl->word_count) {
		complete_first();
		return 0;
	}
	if (!command) {
		const char *topic = topic_by_word(ctl->words[0]);

		type = topic ? NULL : type_by_word(ctl->words[0]);
		command = (topic || type) && ctl->word_count > 1 ?
				  command_find_for(type, topic, ctl->words[1]) :
				  NULL;
		for (size_t i = 0; (topic || type) && ctl->word_count == 1 && i < command_count;
		     i++)
			if (!(commands[i].flags & COMMAND_HIDDEN) &&
			    command_find_for(type, topic, commands[i].word) == &commands[i])
				puts(commands[i].word);
		if (!command)
			return 0;
	} else if (command->noun) {
		type = type_by_word(command->noun);
	} else if (command->flags & COMMAND_TYPED) {
		if (ctl->word_count == 1)
			complete_types();
		else
			type = type_by_word(ctl->words[1]);
	}
	if (ctl->word_count == 1)
		complete_alternatives(command);
	if (type && strcmp(command->word, "attach"))
		complete_object(ctl, command, type);
	complete_options(command, type);
	return 0;
}
