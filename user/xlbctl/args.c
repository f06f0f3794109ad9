// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The command line: options anywhere, commands verb-first or noun-first. */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "xlbctl/xlbctl.h"

#define WATCH_DEFAULT_MS 2000
#define TIME_MAX_MS	 (7 * 86400000ULL)
#define COUNT_MAX	 100000

#define AT(member) offsetof(struct ctl, member)

const struct option_row option_rows[] = {
	{ "instance", 0, "NAME", OPTION_TEXT, AT(instance), OPTION_GLOBAL,
	  "talk to this instance of xlbd (default: XLB_INSTANCE)" },
	{ "json", 'j', NULL, OPTION_FLAG, AT(json), OPTION_GLOBAL,
	  "print the daemon's answer unchanged" },
	{ "help", 'h', NULL, OPTION_FLAG, AT(help), OPTION_GLOBAL, "describe the command" },
	{ "watch", 'w', "SECONDS", OPTION_INTERVAL, AT(watch_ms), OPTION_WATCH,
	  "draw again every 2 s (-w5, --watch=5: every 5 s)" },
	{ "dry-run", 'n', NULL, OPTION_FLAG, AT(dry_run), OPTION_CHANGE | OPTION_FLOW_KILL,
	  "check and show the change, do not make it" },
	{ "yes", 'y', NULL, OPTION_FLAG, AT(yes), OPTION_CHANGE | OPTION_FLOW_KILL,
	  "agree to cutting flows without being asked" },
	{ "force", 0, NULL, OPTION_FLAG, AT(force), OPTION_CHANGE,
	  "take ports the host itself uses and VIPs another host answers for" },
	{ "now", 0, NULL, OPTION_FLAG, AT(now), OPTION_CHANGE, "do not wait for flows to end" },
	{ "if-revision", 0, "N", OPTION_UINT, AT(if_revision), OPTION_CHANGE,
	  "refuse if the configuration has moved on from revision N" },
	{ "mode", 0, "MODE", OPTION_TEXT, AT(mode), OPTION_ATTACH,
	  "native (the default) or generic" },
	{ "no-confirm", 0, NULL, OPTION_FLAG, AT(no_confirm), OPTION_ATTACH,
	  "do not guard an attach on the interface of the default route or of this SSH session" },
	{ "fix", 0, NULL, OPTION_FLAG, AT(fix), OPTION_ATTACH,
	  "change the settings that iface check complains of; detach restores them" },
	{ "wait", 0, NULL, OPTION_FLAG, AT(wait), OPTION_DRAIN,
	  "wait until the last flow has ended" },
	{ "timeout", 0, "TIME", OPTION_TIME, AT(timeout_ms), OPTION_DRAIN,
	  "wait no longer than this (5m)" },
	{ "all", 'a', NULL, OPTION_FLAG, AT(all), OPTION_STATUS,
	  "also what does not fit on the screen" },
	{ "all", 'a', NULL, OPTION_FLAG, AT(all), OPTION_DROPS,
	  "also reasons for which nothing was dropped" },
	{ "interface", 0, "IFACE", OPTION_TEXT, AT(interface), OPTION_DROPS,
	  "only what came in by this NIC" },
	{ "reason", 0, "REASON", OPTION_TEXT, AT(reason), OPTION_DROPS, "only this reason" },
	{ "all", 'a', NULL, OPTION_FLAG, AT(all), OPTION_FLOW_KILL, "every flow" },
	{ "once", 0, NULL, OPTION_FLAG, AT(once), OPTION_TOP,
	  "measure for a second, print one picture and end" },
	{ "sort", 0, "COLUMN", OPTION_TEXT, AT(sort), OPTION_TOP,
	  "order by this column, largest numbers or A first; -COLUMN: the other way round" },
	{ "filter", 0, "TEXT", OPTION_TEXT, AT(filter), OPTION_TOP,
	  "only rows whose name has this in it" },
	{ "count", 'n', "N", OPTION_UINT, AT(count), OPTION_TEST,
	  "connections or datagrams to send (default 20)" },
	{ "every", 0, "TIME", OPTION_TIME, AT(every_ms), OPTION_SHIFT,
	  "from one step to the next (default 10m)" },
	{ "abort-if", 0, "CONDITIONS", OPTION_TEXT, AT(abort_if), OPTION_SHIFT,
	  "restore the weights and end if: down (a server of the group is), reset_ratio>N% (of its new flows); joined by or" },
	{ "flags", 0, "FLAGS", OPTION_TEXT, AT(flags), OPTION_TRACE,
	  "of a TCP segment: SYN (the default), ACK, FIN, RST, PSH, or a list of them" },
	{ "live", 0, NULL, OPTION_FLAG, AT(live), OPTION_TRACE,
	  "make up no packet, follow those that come; ports may be left out" },
	{ "address", 0, "ADDRESS", OPTION_TEXTS, AT(addresses), OPTION_CAPTURE,
	  "an address or prefix of either end, before or after rewriting; twice: one for each end" },
	{ "port", 0, "PORT", OPTION_TEXT, AT(port), OPTION_CAPTURE, "the same for a port" },
	{ "protocol", 0, "PROTOCOL", OPTION_TEXT, AT(protocol), OPTION_CAPTURE | OPTION_FLOW,
	  "tcp or udp" },
	{ "interface", 0, "IFACE", OPTION_TEXT, AT(interface), OPTION_CAPTURE | OPTION_TRACE,
	  "what comes in or leaves by this NIC; trace: it comes in by it (default: the route to CLIENT)" },
	{ "listener", 0, "LB/LISTENER", OPTION_TEXT, AT(listener), OPTION_CAPTURE | OPTION_FLOW,
	  "packets, flows of this listener" },
	{ "server", 0, "GROUP/SERVER", OPTION_TEXT, AT(server), OPTION_CAPTURE | OPTION_FLOW,
	  "packets to and from, flows on this server" },
	{ "verdict", 0, "VERDICT", OPTION_TEXT, AT(verdict), OPTION_CAPTURE,
	  "pass, drop, reset, tx or redirect" },
	{ "reason", 0, "REASON", OPTION_TEXT, AT(reason), OPTION_CAPTURE,
	  "packets dropped or reset for this reason, such as no_listener" },
	{ "before", 0, NULL, OPTION_FLAG, AT(before), OPTION_CAPTURE,
	  "packets as they came (default: these and those that leave)" },
	{ "after", 0, NULL, OPTION_FLAG, AT(after), OPTION_CAPTURE, "packets as they leave" },
	{ "count", 'c', "N", OPTION_UINT, AT(count), OPTION_CAPTURE | OPTION_TRACE,
	  "end after N packets" },
	{ "for", 0, "TIME", OPTION_TIME, AT(for_ms), OPTION_CAPTURE | OPTION_FLOW_LIST,
	  "end after this time (30s); packets and bytes of flows are counted for so long (1s)" },
	{ "snap", 0, "BYTES", OPTION_UINT, AT(snap), OPTION_CAPTURE,
	  "keep so many bytes of each packet, at most (and by default) 4096" },
	{ "output", 'o', "FILE", OPTION_TEXT, AT(output), OPTION_CAPTURE,
	  "write pcapng to FILE; - is standard output, the default if that is no terminal" },
	{ "text", 0, NULL, OPTION_FLAG, AT(text), OPTION_CAPTURE,
	  "print a line for each packet, the default on a terminal" },
	{ "follow", 'f', NULL, OPTION_FLAG, AT(follow), OPTION_EVENTS,
	  "go on with what happens, also when xlbd restarts" },
	{ "last", 'n', "N", OPTION_UINT, AT(last), OPTION_EVENTS,
	  "begin with the last N events (default: all that are kept, with -f 10)" },
	{ "kind", 0, "KIND,...", OPTION_TEXT, AT(kinds), OPTION_EVENTS,
	  "only these: start, health, fallback, config, interface, neighbour, eviction, drop, flow_table, problem" },
	{ "scope", 0, "SCOPES", OPTION_TEXT, AT(scope), OPTION_SCOPE,
	  "only these, separated by commas, such as listener,drops (default: all)" },
	{ "lb", 0, "LB", OPTION_TEXT, AT(flow_lb), OPTION_FLOW, "flows of this load balancer" },
	{ "group", 0, "GROUP", OPTION_TEXT, AT(flow_group), OPTION_FLOW,
	  "flows on servers of this group" },
	{ "client", 0, "ADDRESS[:PORT]", OPTION_TEXT, AT(flow_client), OPTION_FLOW,
	  "flows from this address, or from a prefix (203.0.113.0/24)" },
	{ "vip", 0, "ADDRESS[:PORT]", OPTION_TEXT, AT(flow_vip), OPTION_FLOW, "flows to this VIP" },
	{ "state", 0, "STATE", OPTION_TEXT, AT(flow_state), OPTION_FLOW,
	  "new, established, closing, closed or tombstone" },
	{ "top", 0, "N", OPTION_UINT, AT(flow_top), OPTION_FLOW_LIST,
	  "show so many flows (default 100)" },
	{ "by", 0, "WHAT", OPTION_TEXT, AT(flow_by), OPTION_FLOW_LIST,
	  "age (the default), idle, packets or bytes; the last two are measured while you wait" },
	{ "order", 0, "ORDER", OPTION_TEXT, AT(flow_order), OPTION_FLOW_LIST,
	  "desc (the default) or asc: the lowest first" },
};
const size_t option_row_count = ARRAY_SIZE(option_rows);

/* The command line while it is read. */
struct reader {
	struct ctl *ctl;
	int argc, next;
	char **argv;
	bool only_words;		     /* after "--" */
	bool given[ARRAY_SIZE(option_rows)]; /* option rows seen */
};

static uint32_t scopes_open(const struct ctl *ctl)
{
	return ctl->command ? ctl->command->flags | OPTION_GLOBAL : ~0U;
}

static const struct option_row *option_by_name(const struct ctl *ctl, const char *name,
					       size_t length)
{
	for (size_t i = 0; i < option_row_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->scope & scopes_open(ctl) && strlen(row->name) == length &&
		    !strncmp(row->name, name, length))
			return row;
	}
	return NULL;
}

static const struct option_row *option_by_letter(const struct ctl *ctl, char letter)
{
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].letter == letter && option_rows[i].scope & scopes_open(ctl))
			return &option_rows[i];
	return NULL;
}

static int option_store(struct reader *reader, const struct option_row *row, const char *value)
{
	struct ctl *ctl = reader->ctl;
	void *member = (char *)ctl + row->offset;
	struct text_list *list;
	uint64_t number;

	reader->given[row - option_rows] = true;
	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)member = true;
		return 0;
	case OPTION_TEXT:
		*(const char **)member = value;
		return 0;
	case OPTION_TEXTS:
		list = member;
		if (list->count == LIST_MAX)
			return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
					   "--%s \"%s\": at most %d times", row->name, value,
					   LIST_MAX);
		list->values[list->count++] = value;
		return 0;
	case OPTION_UINT:
		if (!parse_uint(value, 1, row->letter == 'n' ? COUNT_MAX : UINT64_MAX, member))
			return 0;
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
				   "--%s \"%s\": a number from 1 is wanted", row->name, value);
	case OPTION_TIME:
		if (!parse_duration(value, 1, TIME_MAX_MS, member))
			return 0;
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
				   "--%s \"%s\": a time with its unit is wanted, such as 60s or 5m",
				   row->name, value);
	case OPTION_INTERVAL:
		number = WATCH_DEFAULT_MS / 1000;
		if (value && parse_uint(value, 1, 3600, &number))
			return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
					   "--%s \"%s\": seconds, 1-3600", row->name, value);
		*(uint64_t *)member = number * 1000;
		return 0;
	}
	return -EINVAL;
}

/* The value after an option that wants one; NULL with err filled if there is none. */
static const char *next_value(struct reader *reader, const char *option)
{
	const char *value = reader->next < reader->argc ? reader->argv[reader->next] : NULL;

	if (!value || !strncmp(value, "--", 2)) {
		xlb_err_set(&reader->ctl->err, XLB_ERR_USAGE, -EINVAL, "%s needs a value", option);
		return NULL;
	}
	reader->next++;
	return value;
}

static int field_store(struct ctl *ctl, const char *name, size_t length, const char *value)
{
	struct field_arg *arg = &ctl->fields[ctl->field_count];

	if (ctl->field_count == FIELD_ARGS_MAX || length >= sizeof(arg->name))
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL,
				   "--%.60s: too many or too long options", name);
	for (size_t i = 0; i < length; i++)
		arg->name[i] = name[i] == '-' ? '_' : name[i];
	arg->name[length] = '\0';
	arg->value = value;
	ctl->field_count++;
	return 0;
}

static int option_unknown(struct ctl *ctl, const char *text, size_t length)
{
	const char *names[32];
	const char *nearest;
	char word[64];
	size_t n = 0;

	for (size_t i = 0; i < option_row_count && n < ARRAY_SIZE(names); i++)
		if (option_rows[i].scope & scopes_open(ctl))
			names[n++] = option_rows[i].name;
	snprintf(word, sizeof(word), "%.*s", (int)length, text);
	nearest = nearest_word(word + strspn(word, "-"), names, n);
	xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "unknown option \"%s\"", word);
	if (nearest)
		xlb_err_hint(&ctl->err, "did you mean --%s?", nearest);
	return -EINVAL;
}

/* --name, --name=value, --name value */
static int read_long(struct reader *reader, const char *text)
{
	struct ctl *ctl = reader->ctl;
	const char *equals = strchr(text, '=');
	size_t length = equals ? (size_t)(equals - text) : strlen(text);
	const char *value = equals ? equals + 1 : NULL;
	const struct option_row *row = option_by_name(ctl, text + 2, length - 2);

	if (!row && !(ctl->command && ctl->command->flags & COMMAND_FIELDS))
		return option_unknown(ctl, text, length);
	if (row && !row->value && value)
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "--%s takes no value",
				   row->name);
	if (!value && (!row || (row->value && row->kind != OPTION_INTERVAL))) {
		value = next_value(reader, text);
		if (!value)
			return -EINVAL;
	}
	return row ? option_store(reader, row, value) :
		     field_store(ctl, text + 2, length - 2, value);
}

/* -nj, -w, -w5, -n 5 */
static int read_letters(struct reader *reader, const char *text)
{
	for (const char *p = text + 1; *p; p++) {
		const struct option_row *row = option_by_letter(reader->ctl, *p);
		const char *value = NULL;
		int r;

		if (!row)
			return option_unknown(reader->ctl, text, strlen(text));
		if (row->value && p[1]) {
			value = p + 1 + (p[1] == '=');
		} else if (row->value && row->kind != OPTION_INTERVAL) {
			value = next_value(reader, text);
			if (!value)
				return -EINVAL;
		}
		r = option_store(reader, row, value);
		if (r || row->value)
			return r;
	}
	return 0;
}

static int command_unknown(struct ctl *ctl, const char *word)
{
	const char *noun = ctl->noun ? ctl->noun->cli : ctl->topic;
	const char *names[64];
	const char *nearest;
	size_t n = 0;

	for (size_t i = 0; i < command_count && n < ARRAY_SIZE(names); i++)
		if (!(commands[i].flags & COMMAND_HIDDEN) &&
		    (noun ? command_find_for(ctl->noun, ctl->topic, commands[i].word) != NULL :
			    !(commands[i].flags & COMMAND_NOUN)))
			names[n++] = commands[i].word;
	for (size_t i = 0; types[i] && !noun && n < ARRAY_SIZE(names); i++)
		names[n++] = types[i]->cli;
	nearest = nearest_word(word, names, n);
	if (noun)
		xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "%s: unknown command \"%s\"", noun,
			    word);
	else
		xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "unknown command \"%s\"", word);
	if (nearest)
		xlb_err_hint(&ctl->err, "did you mean %s? Else try xlbctl help", nearest);
	else
		xlb_err_hint(&ctl->err, "try xlbctl help");
	return -EINVAL;
}

/* A word is the command, the noun before it, or what the command is about. */
static int read_word(struct reader *reader, const char *word)
{
	struct ctl *ctl = reader->ctl;

	if (!ctl->command) {
		bool has_noun = ctl->noun || ctl->topic;

		ctl->command = has_noun ? command_find_for(ctl->noun, ctl->topic, word) :
					  command_find(word);
		if (ctl->command) {
			reader->only_words |= (ctl->command->flags & COMMAND_HIDDEN) != 0;
			return 0;
		}
		if (has_noun)
			return command_unknown(ctl, word);
		ctl->topic = topic_by_word(word);
		if (!ctl->topic)
			ctl->noun = type_by_word(word);
		return ctl->topic || ctl->noun ? 0 : command_unknown(ctl, word);
	}
	if (ctl->word_count == WORDS_MAX)
		return xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "too many words, at \"%s\"",
				   word);
	ctl->words[ctl->word_count++] = word;
	return 0;
}

/*
 * Whether the command takes the option: by this row, or, as an option may stand before its command, by another
 * of the same name and member.
 */
static bool option_is_open(const struct ctl *ctl, const struct option_row *row)
{
	for (size_t i = 0; i < option_row_count; i++)
		if (option_rows[i].scope & scopes_open(ctl) &&
		    option_rows[i].offset == row->offset && option_rows[i].kind == row->kind &&
		    !strcmp(option_rows[i].name, row->name))
			return true;
	return false;
}

/* An option that was given and that the command does not take, NULL if there is none. */
static const struct option_row *option_misplaced(const struct reader *reader)
{
	for (size_t i = 0; i < option_row_count; i++)
		if (reader->given[i] && !option_is_open(reader->ctl, &option_rows[i]))
			return &option_rows[i];
	return NULL;
}

/* What can be said only once the whole line is known. */
static int check_line(struct reader *reader)
{
	struct ctl *ctl = reader->ctl;
	const struct option_row *misplaced;
	const struct command *command;
	char name[64];

	ctl->implied = !ctl->command && !ctl->noun && !ctl->topic;
	if (!ctl->command)
		ctl->command = ctl->topic ? command_find_for(NULL, ctl->topic, "list") :
			       !ctl->noun ? command_find("status") :
					    command_find(ctl->noun->single ? "show" : "list");
	command = ctl->command;
	if (!command)
		return command_unknown(ctl, "");
	if (ctl->help)
		return 0;
	command_name(command, name);
	misplaced = option_misplaced(reader);
	if (misplaced) {
		xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "%s does not take --%s", name,
			    misplaced->name);
	} else if (ctl->word_count < command->min_words || ctl->word_count > command->max_words) {
		xlb_err_set(&ctl->err, XLB_ERR_USAGE, -EINVAL, "too %s words: xlbctl %s %s",
			    ctl->word_count < command->min_words ? "few" : "many", name,
			    command->args);
	} else {
		return 0;
	}
	xlb_err_hint(&ctl->err, "try xlbctl help %s", name);
	return -EINVAL;
}

int args_parse(struct ctl *ctl, int argc, char **argv)
{
	struct reader reader = { .ctl = ctl, .argc = argc, .argv = argv, .next = 1 };

	while (reader.next < argc) {
		const char *text = argv[reader.next++];
		int r;

		if (reader.only_words || text[0] != '-' || !text[1])
			r = read_word(&reader, text);
		else if (!strcmp(text, "--"))
			r = 0, reader.only_words = true;
		else if (!ctl->command && !ctl->noun &&
			 command_find(text)) /* the hidden ones look like options */
			r = read_word(&reader, text);
		else if (text[1] == '-')
			r = read_long(&reader, text);
		else
			r = read_letters(&reader, text);
		if (r)
			return r;
	}
	return check_line(&reader);
}
