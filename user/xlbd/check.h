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
	PROBE_SKIPPED, /* xlbd itself could not check: says nothing about the server */
};

struct probe;

struct check_kind {
	size_t state_size; /* of probe->state, zeroed before each start */
	/* Opens probe->fd; every step may also end the check at once. */
	enum probe_step (*start)(struct probe *probe);
	/* The socket is ready for what the last step waited for: goes on without blocking. */
	enum probe_step (*ready)(struct probe *probe);
	/* Releases what state owns; may be NULL. The socket is check.c's to close. */
	void (*stop)(struct probe *probe);
};

extern const struct check_kind check_tcp, check_http;

/* Who is told of sockets that go through the datapath (sys/datapath.h). */
struct probe_wire {
	int (*begin)(void *arg, const struct xlb_probe_key *key, const struct xlb_probe *probe);
	void (*end)(void *arg, const struct xlb_probe_key *key);
	void *arg;
};

struct probe {
	/* the owner's, fixed while the probe is open */
	const struct health_check *config;
	struct xlb_addr addr;
	uint16_t port_h;
	const struct probe_wire *wire; /* NULL: straight to the address */
	struct xlb_addr vip;	       /* with a wire */
	uint8_t encapsulation;
	void (*verdict)(struct probe *probe,
			enum probe_step step); /* PASSED, FAILED or SKIPPED; must not close it */

	/* the kind's */
	int fd;
	char reason[128]; /* of FAILED and SKIPPED */
	void *state;

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

/* For kinds. Starts a TCP connection to the probe's address. */
enum probe_step probe_connect(struct probe *probe);
/* After the socket became writable: PROBE_PASSED if it is connected. */
enum probe_step probe_connected(struct probe *probe);
/* Sets the reason. */
enum probe_step probe_fail(struct probe *probe, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The reason for an errno; a lack of xlbd's own resources is PROBE_SKIPPED. */
enum probe_step probe_error(struct probe *probe, int error);

#endif
