/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of commands, how they are found, and their verbs. */
#ifndef XLB_XLBCTL_COMMANDS_H
#define XLB_XLBCTL_COMMANDS_H

#include <stddef.h>
#include <stdint.h>

struct ctl;
struct type;

/* flags of a command beside its option scopes */
#define COMMAND_TYPED  0x10000U /* its first word is a type, unless the noun came first */
#define COMMAND_FIELDS 0x20000U /* takes `--field value` of that type */
#define COMMAND_HIDDEN 0x40000U
#define COMMAND_NOUN \
	0x80000U /* its noun must come first: "flow list"; the noun need not be a type */
/* where `xlbctl help` lists it; without one a command of OPTION_CHANGE is under SECTION_CHANGE, else SECTION_SEE */
#define SECTION_SEE    0U
#define SECTION_CHANGE 0x1000000U
#define SECTION_FILE   0x2000000U
#define SECTION_TEST   0x3000000U
#define SECTION_SELF   0x4000000U
#define SECTION_MASK   0xf000000U

struct command {
	const char *
		noun; /* type word that may also come first ("server drain"), NULL: see COMMAND_TYPED */
	const char *word;
	const char *method,
		*path; /* of an action; "{}" is the next word, path NULL: derived from the type */
	const char *args;
	uint32_t flags;
	size_t min_words, max_words;
	int (*run)(struct ctl *ctl);
	const char *help;
};
extern const struct command commands[];
extern const size_t command_count;

/* By word, NULL if none or if its noun must come first. */
const struct command *command_find(const char *word);
/* The command WORD of `xlbctl NOUN WORD`; NULL if that noun (a type, or else a topic) has none. */
const struct command *command_find_for(const struct type *noun, const char *topic,
				       const char *word);
/* A noun that some command needs and that is no type, as the table has it; NULL if `word` is none. */
const char *topic_by_word(const char *word);
/* SECTION_... of a command. */
uint32_t command_section(const struct command *command);
/* "flow list", or just "status". */
const char *command_name(const struct command *command, char ret[64]);
/* A type by any of its words, with '-' for '_', or by a prefix that only one type has. NULL: none or several. */
const struct type *type_by_word(const char *word);

/*
 * Reads the command line into ctl: options, command, noun, words, fields. 0, or -EINVAL with ctl->err of
 * class USAGE.
 */
int args_parse(struct ctl *ctl, int argc, char **argv);

/* The verbs: 0, or < 0 with ctl->err filled. */
int verb_status(struct ctl *ctl);
int verb_top(struct ctl *ctl);
int verb_attach(struct ctl *ctl);
int verb_iface_check(struct ctl *ctl);
int verb_detach(struct ctl *ctl);
int verb_confirm(struct ctl *ctl);
int verb_check(struct ctl *ctl);
int verb_diff(struct ctl *ctl);
int verb_apply(struct ctl *ctl);
int verb_reload(struct ctl *ctl);
int verb_export(struct ctl *ctl);
int verb_list(struct ctl *ctl);
int verb_show(struct ctl *ctl);
int verb_add(struct ctl *ctl);
int verb_set(struct ctl *ctl);
int verb_rm(struct ctl *ctl);
int verb_enable(struct ctl *ctl);
int verb_drain(struct ctl *ctl);
int verb_test(struct ctl *ctl);
int verb_shift(struct ctl *ctl);
int verb_drops(struct ctl *ctl);
int verb_cert_list(struct ctl *ctl);
int verb_cert_reload(struct ctl *ctl);
int verb_flow_list(struct ctl *ctl);
int verb_flow_kill(struct ctl *ctl);
int verb_trace(struct ctl *ctl);
int verb_capture(struct ctl *ctl);
int verb_events(struct ctl *ctl);
int verb_metrics(struct ctl *ctl);
int verb_version(struct ctl *ctl);
int verb_help(struct ctl *ctl);
int verb_complete(struct ctl *ctl);
int verb_tables(struct ctl *ctl);

#endif
