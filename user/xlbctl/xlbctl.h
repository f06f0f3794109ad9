/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the command line said; with it every file of the tool has the options and the commands. */
#ifndef XLB_XLBCTL_XLBCTL_H
#define XLB_XLBCTL_XLBCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/types.h"
#include "xlbctl/commands.h"
#include "xlbctl/options.h"

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
	/* of listener shift */
	uint64_t every_ms;    /* 0: not given */
	const char *abort_if; /* NULL: never */
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
