/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The health state machine of one address of one server. Pure: results go in, transitions come out. */
#ifndef XLB_CORE_HEALTH_H
#define XLB_CORE_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum health {
	HEALTH_INITIAL, /* never checked to an end: no new flows unless its group never had one up */
	HEALTH_UP,
	HEALTH_DOWN,
};

struct health_machine {
	enum health state;
	bool ever_up;
	uint32_t streak; /* equal results in a row that speak against the state */
};

/*
 * Feeds one result. The first success makes an initial server up at once; a down one needs
 * healthy_threshold successes, an up (or initial) one unhealthy_threshold failures. True if the state
 * changed.
 */
bool health_feed(struct health_machine *machine, bool passed, uint32_t healthy_threshold,
		 uint32_t unhealthy_threshold);
/* Puts it down, whatever its results were. */
void health_eject(struct health_machine *machine);
const char *health_word(enum health state);

#endif
