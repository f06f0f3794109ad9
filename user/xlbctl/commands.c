// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The commands: one row each. */
#include <string.h>

#include "xlbctl/xlbctl.h"

#define CHANGE OPTION_CHANGE

const struct command commands[] = {
	{ NULL, "status", "GET", "/v1/status", "", OPTION_WATCH | OPTION_STATUS, 0, 0, verb_status,
	  "show what is wrong and what is going on, on one screen (the default)" },
	{ NULL, "top", "GET", "/v1/counters/{}", "[listeners|servers|drops|interfaces]",
	  OPTION_WATCH | OPTION_TOP, 0, 1, verb_top,
	  "watch rates of listeners, servers, drops or interfaces" },
	{ NULL, "drops", "GET", "/v1/drops", "", OPTION_WATCH | OPTION_DROPS, 0, 0, verb_drops,
	  "show why packets were dropped, how often, and the last one of each reason" },
	{ "interface", "attach", "POST", "/v1/interfaces/{}/attach", "IFACE",
	  CHANGE | OPTION_ATTACH, 1, 1, verb_attach,
	  "attach a NIC: the host becomes a load balancer; starts xlbd if needed" },
	{ "interface", "detach", "POST", "/v1/interfaces/{}/detach", "IFACE", CHANGE, 1, 1,
	  verb_detach, "detach a NIC; ends the flows that go through it" },
	{ "interface", "check", "GET", "/v1/interfaces/{}/check", "IFACE", COMMAND_NOUN, 1, 1,
	  verb_iface_check,
	  "show what keeps xlb from working on a NIC, with the commands that help; exit 8 if something does" },
	{ NULL, "confirm", "POST", "/v1/confirm", "", SECTION_CHANGE, 0, 0, verb_confirm,
	  "keep an attach that would undo itself" },
	{ NULL, "check", "POST", "/v1/check", "FILE", SECTION_FILE, 1, 1, verb_check,
	  "check a configuration file (- is standard input), change nothing" },
	{ NULL, "diff", "POST", "/v1/diff", "FILE", SECTION_FILE, 1, 1, verb_diff,
	  "show what applying a file would change" },
	{ NULL, "apply", "POST", "/v1/apply", "FILE", CHANGE | SECTION_FILE, 1, 1, verb_apply,
	  "make a file the configuration" },
	{ NULL, "export", "GET", "/v1/export", "", SECTION_FILE, 0, 0, verb_export,
	  "print the configuration as YAML" },
	{ NULL, "list", "GET", NULL, "TYPE [PARENT]", OPTION_WATCH | COMMAND_TYPED, 0, 2, verb_list,
	  "list objects of a type as a table" },
	{ NULL, "show", "GET", NULL, "TYPE [PARENT] NAME", OPTION_WATCH | COMMAND_TYPED, 0, 3,
	  verb_show, "show one object: configuration and state" },
	{ NULL, "add", "POST", NULL, "TYPE [PARENT] NAME [VALUE...] [--FIELD VALUE...]",
	  CHANGE | COMMAND_TYPED | COMMAND_FIELDS, 1, WORDS_MAX, verb_add, "add an object" },
	{ NULL, "set", "PATCH", NULL, "TYPE [PARENT] NAME --FIELD VALUE...",
	  CHANGE | COMMAND_TYPED | COMMAND_FIELDS, 0, 3, verb_set,
	  "change fields of an object; an empty VALUE resets to the default" },
	{ NULL, "rm", "DELETE", NULL, "TYPE [PARENT] NAME", CHANGE | COMMAND_TYPED, 1, 3, verb_rm,
	  "remove an object" },
	{ NULL, "enable", "PATCH", NULL, "[TYPE] [PARENT] NAME", CHANGE | COMMAND_TYPED, 1, 3,
	  verb_enable, "set enabled: true (a server if no TYPE is given)" },
	{ NULL, "disable", "PATCH", NULL, "[TYPE] [PARENT] NAME", CHANGE | COMMAND_TYPED, 1, 3,
	  verb_enable, "set enabled: false (a server if no TYPE is given)" },
	{ "server", "drain", "POST", "/v1/server_groups/{}/servers/{}/drain", "GROUP/SERVER",
	  CHANGE | OPTION_DRAIN, 1, 3, verb_drain, "disable a server and let its flows finish" },
	{ "security_group", "reload", "POST", "/v1/reload", "", CHANGE | COMMAND_NOUN, 0, 0,
	  verb_reload, "read the files that rules name, and all others, anew" },
	{ "cert", "list", "GET", "/v1/certificates", "", OPTION_WATCH | COMMAND_NOUN, 0, 0,
	  verb_cert_list, "list the certificates that tls listeners show, and when they expire" },
	{ "cert", "reload", "POST", "/v1/reload", "", CHANGE | COMMAND_NOUN, 0, 0, verb_cert_reload,
	  "read certificates, and all other files that the configuration names, anew" },
	{ NULL, "trace", "GET", "/v1/trace", "CLIENT VIP [PROTOCOL]", OPTION_TRACE, 2, 3,
	  verb_trace,
	  "send a made-up packet through a dry run and print each decision: ADDRESS:PORT to ADDRESS:PORT (tcp, udp), ADDRESS to ADDRESS (icmp: a ping)" },
	{ NULL, "capture", "POST", "/v1/capture", "", OPTION_CAPTURE, 0, 0, verb_capture,
	  "show or record packets with what became of them" },
	{ "listener", "test", "GET", NULL, "LB/LISTENER", OPTION_TEST | SECTION_TEST, 1, 3,
	  verb_test,
	  "connect from a namespace of its own and show which server answered (needs root)" },
	{ "listener", "shift", "PATCH", NULL, "LB/LISTENER GROUP=PART%,PART%...",
	  OPTION_SHIFT | COMMAND_NOUN | SECTION_CHANGE, 2, 3, verb_shift,
	  "give a group a part of the listener's new flows, step by step; take it back if its servers do badly" },
	{ "flow", "list", "GET", "/v1/flows", "",
	  OPTION_WATCH | OPTION_FLOW | OPTION_FLOW_LIST | COMMAND_NOUN, 0, 0, verb_flow_list,
	  "list flows: the oldest, the most idle or the busiest first" },
	{ "flow", "kill", "POST", "/v1/flows/kill", "",
	  OPTION_FLOW | OPTION_FLOW_KILL | COMMAND_NOUN | SECTION_CHANGE, 0, 0, verb_flow_kill,
	  "end flows: both sides of a TCP flow get RST at once, a UDP flow is forgotten" },
	{ NULL, "events", "GET", "/v1/events", "", OPTION_EVENTS, 0, 0, verb_events,
	  "show what has happened, or with -f what happens" },
	{ NULL, "metrics", "GET", "/metrics", "", OPTION_SCOPE, 0, 0, verb_metrics,
	  "print what Prometheus would scrape" },
	{ NULL, "version", "GET", "/v1/version", "", SECTION_SELF, 0, 0, verb_version,
	  "print the versions of xlbctl and xlbd" },
	{ NULL, "help", NULL, NULL, "[COMMAND|TYPE]", SECTION_SELF, 0, 2, verb_help,
	  "describe a command, or the fields of a type" },
	{ NULL, "--complete", NULL, NULL, "[WORD...]", COMMAND_HIDDEN, 0, WORDS_MAX, verb_complete,
	  "print what may follow the words" },
	{ NULL, "--tables", NULL, NULL, "commands|options|fields|markdown|metrics|reasons",
	  COMMAND_HIDDEN, 1, 1, verb_tables, "print a table of the documentation" },
};
const size_t command_count = ARRAY_SIZE(commands);

const struct command *command_find(const char *word)
{
	for (size_t i = 0; i < command_count; i++)
		if (!(commands[i].flags & COMMAND_NOUN) && !strcmp(commands[i].word, word))
			return &commands[i];
	return NULL;
}

const struct command *command_find_for(const struct type *noun, const char *topic, const char *word)
{
	const struct command *typed = NULL;

	for (size_t i = 0; i < command_count; i++) {
		const struct command *command = &commands[i];

		if (strcmp(command->word, word))
			continue;
		if (command->flags & COMMAND_TYPED && noun)
			typed = command;
		else if (command->noun &&
			 (noun ? type_find(command->noun) == noun : !strcmp(command->noun, topic)))
			return command;
	}
	return typed;
}

const char *topic_by_word(const char *word)
{
	for (size_t i = 0; i < command_count; i++)
		if (commands[i].flags & COMMAND_NOUN && !type_find(commands[i].noun) &&
		    !strcmp(commands[i].noun, word))
			return commands[i].noun;
	return NULL;
}

uint32_t command_section(const struct command *command)
{
	uint32_t section = command->flags & SECTION_MASK;

	return section || !(command->flags & OPTION_CHANGE) ? section : SECTION_CHANGE;
}

const char *command_name(const struct command *command, char ret[64])
{
	const struct type *type = command->noun ? type_find(command->noun) : NULL;
	bool whole = command->flags & COMMAND_NOUN;

	snprintf(ret, 64, "%s%s%s",
		 !whole ? "" :
		 type	? type->cli :
			  command->noun,
		 whole ? " " : "", command->word);
	return ret;
}

/* True if `word`, read with '-' as '_', starts `name`; *ret_whole: is all of it, or its plural. */
static bool word_starts(const char *word, const char *name, bool *ret_whole)
{
	size_t i;

	for (i = 0; word[i] && name[i]; i++)
		if ((word[i] == '-' ? '_' : word[i]) != name[i])
			break;
	*ret_whole = !name[i] && (!word[i] || !strcmp(word + i, "s"));
	return *ret_whole || !word[i];
}

const struct type *type_by_word(const char *word)
{
	const struct type *found = NULL;
	bool several = false;

	if (!*word)
		return NULL;
	for (size_t i = 0; types[i]; i++) {
		const char *const names[] = { types[i]->singular, types[i]->plural, types[i]->cli };
		bool starts = false;

		for (size_t j = 0; j < ARRAY_SIZE(names); j++) {
			bool whole;

			starts |= word_starts(word, names[j], &whole);
			if (whole)
				return types[i];
		}
		if (starts && found)
			several = true;
		if (starts)
			found = types[i];
	}
	return several ? NULL : found;
}
