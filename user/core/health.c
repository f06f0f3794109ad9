// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/health.h"

static void health_enter(struct health_machine *machine, enum health state)
{
	machine->state = state;
	machine->ever_up |= state == HEALTH_UP;
	machine->streak = 0;
}

bool health_feed(struct health_machine *machine, bool passed, uint32_t healthy_threshold,
		 uint32_t unhealthy_threshold)
{
	enum health towards = passed ? HEALTH_UP : HEALTH_DOWN;
	uint32_t needed = passed ? healthy_threshold : unhealthy_threshold;

	if (machine->state == towards) {
		machine->streak = 0;
		return false;
	}
	if (passed && machine->state == HEALTH_INITIAL)
		needed = 1;
	if (++machine->streak < needed)
		return false;
	health_enter(machine, towards);
	return true;
}

void health_eject(struct health_machine *machine)
{
	health_enter(machine, HEALTH_DOWN);
}

const char *health_word(enum health state)
{
	static const char *const words[] = {
		[HEALTH_INITIAL] = "initial",
		[HEALTH_UP] = "up",
		[HEALTH_DOWN] = "down",
	};

	return words[state];
}
