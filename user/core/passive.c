// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/passive.h"

#include <string.h>

#include "core/object.h"
#include "core/types.h"
#include "xlb/lists.h"

#define PLACES (PASSIVE_WINDOW_MAX + 1)

static uint64_t total_before(const struct passive_window *window, uint32_t seconds)
{
	uint32_t back = seconds < window->count ? seconds : window->count - 1;

	return window->totals[(window->next + 2 * PLACES - 1 - back) % PLACES];
}

uint64_t passive_feed(struct passive_window *window, uint64_t total, uint32_t seconds)
{
	if (window->count && total < total_before(window, 0))
		window->count = 0;
	window->totals[window->next] = total;
	window->next = (window->next + 1) % PLACES;
	if (window->count < PLACES)
		window->count++;
	return total - total_before(window, seconds);
}

void passive_forget(struct passive_window *window)
{
	if (window->count)
		window->count = 1;
}

uint32_t passive_out_max(const struct quota *max, uint32_t addresses)
{
	return max->percent ? (uint32_t)((uint64_t)addresses * max->number / 100) : max->number;
}

int passive_finish_group(struct object *object, struct xlb_err *err)
{
	static const char *const more[] = { "passive.window", "passive.max_ejected" };
	const struct server_group *group = (const struct server_group *)object;

	for (size_t i = 0; !group->passive.failures && i < sizeof(more) / sizeof(more[0]); i++)
		if (object_given(object, more[i]))
			return object_fail(
				object, more[i], err,
				"%s has no meaning without passive.failures: add it, or remove this",
				more[i]);
	if (!group->passive.failures)
		return 0;
	if (xlb_mode_has(group->forward, XLB_MODE_DIRECT))
		return object_fail(
			object, "passive.failures", err,
			"passive checks need to see what servers answer, which does not come by xlb "
			"with this forward: use fullnat or nat, or remove passive");
	if (group->health_check.type == CHECK_NONE)
		return object_fail(
			object, "passive.failures", err,
			"only a health check can tell when a server that was ejected may come back: "
			"remove type: none, or passive");
	return 0;
}
