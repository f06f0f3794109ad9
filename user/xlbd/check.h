/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One periodic check of one address, and what a kind of check (check_<kind>.c) brings. check.c owns timer,
 * deadline and socket; a kind says what to do when the socket is ready. Adding a kind: one file, its
 * declaration here and its row in check.c.
 */
#ifndef XLB_XLBD_CHECK_H
#define XLB_XLBD_CHECK_H

#include <event2/event.h>

#include "core/model.h"

enum probe_step {
	PROBE_WAIT_READ,
	PROBE_WAIT_WRITE,
	PROBE_PASSED,
	PROBE_FAILED,
	PROBE_REFUSED, /* failed beyond doubt: down without being asked again */
	PROBE_LATER,   /* too much of its kind is under way: start again soon */
	PROBE_SKIPPED, /* xlbd itself could not check: says nothing about the server */
};

struct probe;

struct check_kind {
	size_t state_size; /* of probe->state, zeroed before each start */
	/* What the probe keeps from check to check, in probe->kept; close is called even if open failed. May be NULL. */
	int (*open)(struct probe *probe);
	void (*close)(struct probe *probe);
	/* Opens probe->fd; every step may also end the check at once. */
	enum probe_step (*start)(struct probe *probe);
	/* The socket is ready for what the last step waited for: goes on without blocking. */
	enum probe_step (*ready)(struct probe *probe);
	/* The deadline is there: PROBE_PASSED, or why it failed; NULL: it has timed out. */
	enum probe_step (*late)(struct probe *probe);
	/* Releases what state owns; may be NULL. The socket is check.c's to close. */
	void (*stop)(struct probe *probe);
};

extern const struct check_kind check_tcp, check_http, check_https, check_udp, check_icmp,
	check_exec;

/* Who is told of sockets that go through the datapath (sys/datapath.h). */
struct probe_wire {
	int (*begin)(void *arg, const struct xlb_probe_key *key, const struct xlb_probe *probe);
	void (*end)(void *arg, const struct xlb_probe_key *key);
	void *arg;
};

struct probe {
	/* the owner's, fixed while the probe is open */
	const struct health_check *config;
	const char *group, *server; /* their names */
	struct xlb_addr addr;
	uint16_t port_h;
	const struct probe_wire *wire; /* NULL: straight to the address */
	struct xlb_addr vip;	       /* with a wire */
	uint8_t encapsulation;
	void (*verdict)(struct probe *probe,
			enum probe_step step); /* not one that waits; must not close it */

	/* the kind's */
	int fd;
	char reason[128]; /* of FAILED, REFUSED and SKIPPED */
	uint64_t refused; /* when the last answer said so, monotonic ns; kept from check to check */
	void *state;
	void *kept;

	/* check.c's */
	const struct check_kind *kind;
	struct xlb_probe_key key; /* told to the wire if its port is not 0 */
	struct event_base *base;
	struct event *event;
	short waiting;	   /* EV_READ or EV_WRITE while a check runs */
	uint64_t deadline; /* of the running check, monotonic ns */
	uint64_t began;	   /* the running check, or the last one, monotonic ns */
	uint64_t next;	   /* planned start of the next check, monotonic ns */
	uint64_t phase; /* ns from the first check to the second, spreads checks over the interval; then 0 */
};

/* Checks first after `delay_ms`, then after `phase_ms` more, then every interval. 0 or -ENOMEM. */
int probe_open(struct probe *probe, struct event_base *base, uint64_t delay_ms, uint64_t phase_ms);
/* Stops, also in the middle of a check; a probe that was never opened or is zero is left alone. */
void probe_close(struct probe *probe);

/* For verdicts: how long the check took, ns. */
uint64_t probe_took(const struct probe *probe);

/*
 * For kinds. Opens a socket of that type that speaks to the probe's address: PROBE_WAIT_WRITE, or the end of
 * the check.
 */
enum probe_step probe_socket(struct probe *probe, int type, int protocol);
/* Errors of routers, too, of which a socket that is not TCP's hears only if it asks to. */
void probe_hear_errors(const struct probe *probe);
/* Starts a TCP connection to the probe's address. */
enum probe_step probe_connect(struct probe *probe);
/* After the socket became writable: PROBE_PASSED if it is connected. */
enum probe_step probe_connected(struct probe *probe);
/* Sets the reason. */
enum probe_step probe_fail(struct probe *probe, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The check has failed since its time is over. */
enum probe_step probe_timed_out(struct probe *probe);
/* The reason for an errno; a lack of xlbd's own resources is PROBE_SKIPPED. */
enum probe_step probe_error(struct probe *probe, int error);

#endif
