/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is wrong, gathered for one answer: equal causes within one group or interface become one problem, the
 * most serious come first, and each names the command that helps. A kind is a row in problems.c.
 */
#ifndef XLB_XLBD_PROBLEMS_H
#define XLB_XLBD_PROBLEMS_H

#include <stdbool.h>
#include <stdint.h>

enum problem_level { PROBLEM_ERROR, PROBLEM_WARNING, PROBLEM_INFO, PROBLEM_LEVEL_COUNT };

/* Within a level the order in which they are told. */
enum problem_kind {
	PROBLEM_FAIL_OPEN,
	PROBLEM_NO_SERVER,
	PROBLEM_MTU_LARGE,
	PROBLEM_TROUBLE,
	PROBLEM_TLS,
	PROBLEM_TLS_LISTENER,
	PROBLEM_EXPIRED,
	PROBLEM_NOTHING_ATTACHED,
	PROBLEM_INTERFACE_MISSING,
	PROBLEM_INTERFACE_DETACHED,
	PROBLEM_INTERFACE_DOWN,
	PROBLEM_SERVER_UNATTACHED,
	PROBLEM_NO_ROUTE,
	PROBLEM_GATEWAY,
	PROBLEM_NEIGHBOUR,
	PROBLEM_SERVER_DOWN,
	PROBLEM_SNAT_EXHAUSTED,
	PROBLEM_FLOWS_FULL,
	PROBLEM_MTU,
	PROBLEM_CERTIFICATE,
	PROBLEM_EXPIRES,
	PROBLEM_FALLBACK,
	PROBLEM_CONFIRM,
	PROBLEM_SNAT_FULL,
	PROBLEM_FLOWS_HIGH,
	PROBLEM_GENERIC,
	PROBLEM_MTU_DIFFERS,
	PROBLEM_DROPS,
	PROBLEM_UNCOUNTED,
	PROBLEM_UNWANTED,
	PROBLEM_WARNINGS,
	PROBLEM_SLOW_START,
	PROBLEM_DRIFT,
	PROBLEM_KIND_COUNT,
};

/* One thing seen; members that do not matter to its kind are NULL. */
struct finding {
	enum problem_kind kind;
	const char *scope;  /* where: a group, an interface, a file */
	const char *object; /* which server */
	const char *cause;  /* findings of one kind, scope and cause fold into one problem */
	const char *where;  /* what the command needs beside scope and object */
	uint32_t of;	    /* how many objects the scope has */
};

/* One problem as it is told. `command` is what to type next, "" for nothing. */
struct problem {
	enum problem_kind kind;
	enum problem_level level;
	const char *word;
	uint32_t count; /* findings in it */
	char text[512];
	char command[256];
};

struct problems;

struct problems *problems_new(void);
struct problems *problems_free(struct problems *problems);
/* `format` describes the finding alone, as it reads if nothing folds with it. */
void problems_add(struct problems *problems, const struct finding *finding, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* True if there is one of the kind. */
bool problems_has(const struct problems *problems, enum problem_kind kind);

/* Sorts, then calls `tell` for the first `limit`; returns how many were left out. */
uint32_t problems_each(struct problems *problems, uint32_t limit,
		       void (*tell)(void *arg, const struct problem *problem), void *arg);
/* Problems of each level; ret has PROBLEM_LEVEL_COUNT entries. */
void problems_count(const struct problems *problems, uint32_t *ret);
/* "error", "warning", "info" */
const char *problem_level_word(enum problem_level level);

#endif
