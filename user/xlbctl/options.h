/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The options: which there are, and which commands take them. */
#ifndef XLB_XLBCTL_OPTIONS_H
#define XLB_XLBCTL_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

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
	OPTION_SHIFT = 0x100000, /* the bits between are COMMAND_... */
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

#endif
