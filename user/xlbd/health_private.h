/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What health.c (the set of checks) and health_file.c (what is known across restarts) share. */
#ifndef XLB_XLBD_HEALTH_PRIVATE_H
#define XLB_XLBD_HEALTH_PRIVATE_H

#include <sys/queue.h>
#include <uthash.h>

#include "xlbd/check.h"
#include "xlbd/health.h"

/* Compared as bytes: zero the tails. */
struct check_key {
	char group[NAME_TEXT_MAX];
	char server[NAME_TEXT_MAX];
	struct xlb_addr addr;
};

/* Health read from the file, until the first model says what is still checked. */
struct known {
	struct check_key key;
	enum health state;
	bool ever_up;
	uint64_t since;
	UT_hash_handle hh;
};

struct check {
	struct probe probe; /* first: verdicts come with it */
	struct checker *checker;
	struct check_key key;
	struct health_check config; /* owned copy */
	uint32_t port;		    /* that it is checked on, host order */
	bool several;		    /* addresses of the server */
	struct health_machine machine;
	char reason[sizeof(((struct check_status *)0)->reason)];
	uint64_t since, passed, failed, ups, downs;
	struct check_group *group;
	uint32_t generation; /* of the configure that named it last */
	UT_hash_handle hh;
	LIST_ENTRY(check) member;
};

struct check_group {
	char name[NAME_TEXT_MAX];
	LIST_HEAD(, check) checks;
	struct check_durations durations;
	bool news; /* of its health, not told yet */
	UT_hash_handle hh;
};

struct checker {
	struct event_base *base;
	struct event *notify;
	checker_changed changed;
	void *arg;
	checker_transition transition;
	void *transition_arg;
	checker_group_changed group_changed;
	void *group_arg;
	struct probe_wire wire; /* `begin` is NULL where there is no datapath */
	struct check *checks;
	struct check_group *groups;
	struct known *known;
	uint32_t generation;
	uint32_t started; /* by the configure that runs */
};

void check_key_fill(struct check_key *key, const char *group, const char *server,
		    const struct xlb_addr *addr);
void checker_forget_known(struct checker *checker);

#endif
