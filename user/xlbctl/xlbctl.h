/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the command line said, and the table of commands. */
#ifndef XLB_XLBCTL_XLBCTL_H
#define XLB_XLBCTL_XLBCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/types.h"

#define WORDS_MAX      32
#define FIELD_ARGS_MAX 64
#define LIST_MAX       8
#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))

/* `--health-check.interval 2s`: a field of the type spoken of */
struct field_arg {
	char name[64]; /* as the field tables write it: '_' for '-' */
	const char *value;
};

/* values of an option that may be given several times */
struct text_list {
	const char *values[LIST_MAX];
	size_t count;
};

struct ctl {
	const struct command *command;
	bool implied;		      /* the line named no command */
	const struct type *noun;      /* of "server add web ...", NULL for "add server web ..." */
	const char *topic;	      /* a noun that is no type: "flow" of "flow list"; else NULL */
	const char *words[WORDS_MAX]; /* what follows command and noun */
	size_t word_count;
	struct field_arg fields[FIELD_ARGS_MAX];
	size_t field_count;

	/* options; see option_rows */
	const char *instance;
	bool json, help;
	bool dry_run, yes, force, now;
	uint64_t if_revision; /* 0: any */
	uint64_t watch_ms;    /* 0: once */
	const char *mode;
	bool no_confirm;
	bool fix;
	bool wait;
	uint64_t timeout_ms; /* 0: none */
	uint64_t count;
	/* of capture, trace, drops */
	struct text_list addresses;
	const char *port, *protocol, *interface, *listener, *server, *verdict, *reason, *output;
	const char *flags;
	bool before, after, text, live;
	uint64_t for_ms, snap; /* 0: no limit; all that xlbd gives */
	bool all;  /* status: also what does not fit on the screen; drops: reasons never seen */
	bool once; /* top: one picture */
	const char *sort;   /* top: a column */
	const char *filter; /* top: part of a name */
	bool follow;
	const char *kinds; /* of events: "health,config", NULL: all */
	uint64_t last;	   /* 0: not given */
	const char *scope; /* metrics */
	/* of flow list and flow kill, beside listener, server, protocol, for_ms and all */
	const char *flow_lb, *flow_group, *flow_client, *flow_vip, *flow_state, *flow_by,
		*flow_order;
	uint64_t flow_top;

	char run_dir[64];
	char socket[96];
	char origin[256];   /* what the daemon notes as the author of a change */
	bool not_running;   /* the last call found no daemon */
	bool quiet;	    /* an error that what is printed has told already */
	const char *footer; /* printed after an error, NULL: nothing */
	struct xlb_err err;
};

/* Which commands take an option. */
enum option_scope {
	OPTION_GLOBAL = 1,
	OPTION_CHANGE = 2,
	OPTION_WATCH = 4,
	OPTION_ATTACH = 8,
	OPTION_DRAIN = 16,
	OPTION_TEST = 32,
	OPTION_TRACE = 64,
	OPTION_CAPTURE = 128,
	OPTION_STATUS = 256,
	OPTION_TOP = 512,
	OPTION_DROPS = 1024,
	OPTION_EVENTS = 2048,
	OPTION_SCOPE = 4096,
	OPTION_FLOW = 8192, /* which flows */
	OPTION_FLOW_LIST = 0x4000,
	OPTION_FLOW_KILL = 0x8000,
};

enum option_kind {
	OPTION_FLAG,
	OPTION_TEXT,
	OPTION_TEXTS,
	OPTION_UINT,
	OPTION_TIME,
	OPTION_INTERVAL
};

struct option_row {
	const char *name;
	char letter;	       /* 0: none */
	const char *value;     /* word for the value in help, NULL: takes none */
	enum option_kind kind; /* INTERVAL: seconds, only as --name=value or -Lvalue */
	size_t offset;	       /* in struct ctl */
	uint32_t scope;	       /* enum option_scope, any of them */
	const char *help;
};
extern const struct option_row option_rows[];
extern const size_t option_row_count;

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
int verb_export(struct ctl *ctl);
int verb_list(struct ctl *ctl);
int verb_show(struct ctl *ctl);
int verb_add(struct ctl *ctl);
int verb_set(struct ctl *ctl);
int verb_rm(struct ctl *ctl);
int verb_enable(struct ctl *ctl);
int verb_drain(struct ctl *ctl);
int verb_test(struct ctl *ctl);
int verb_drops(struct ctl *ctl);
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

/*
 * Draws again and again while --watch is given; once otherwise. `draw` prints one picture. A daemon that goes
 * away later than the first picture is waited for.
 */
int watch_run(struct ctl *ctl, int (*draw)(struct ctl *ctl, FILE *out));
/* Starts xlbd and waits until it serves: by systemd where that runs the host, else in the background. */
int daemon_start(struct ctl *ctl);
/* xlbd beside this program, in PATH or where system programs live (PATH_MAX bytes); false if nowhere. */
bool xlbd_find(char *ret);
/* Usage of one command, as `help COMMAND` prints it. */
void command_help(FILE *out, const struct command *command);

#endif
