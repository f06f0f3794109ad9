// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "xlbctl/client.h"
#include "xlbctl/format.h"
#include "xlbctl/print.h"
#include "xlbctl/target.h"

/* Looks once a second until the server has no flow left. */
static int wait_drained(struct ctl *ctl, const struct target *target)
{
	uint64_t start = clock_ms(CLOCK_MONOTONIC), shown = UINT64_MAX;

	for (;;) {
		struct answer answer AUTO_ANSWER = { 0 };
		uint64_t flows, passed = clock_ms(CLOCK_MONOTONIC) - start;
		char age[NUMBER_TEXT_MAX];
		int r = client_get(ctl, target->path, &answer);

		if (r)
			return r;
		flows = json_count_at(answer.json, "state.flows");
		format_age(passed / 1000, age);
		if (flows != shown && !ctl->json)
			printf("%s/%s: %" PRIu64 " flows left after %s\n", target->parent,
			       target->name, flows, age);
		fflush(stdout);
		shown = flows;
		if (!flows)
			return 0;
		if (ctl->timeout_ms && passed >= ctl->timeout_ms)
			return xlb_err_set(&ctl->err, XLB_ERR_TIMEOUT, -ETIMEDOUT,
					   "%s/%s still has %" PRIu64
					   " flows after %s; it goes on draining",
					   target->parent, target->name, flows, age);
		usleep(1000000);
	}
}

int verb_drain(struct ctl *ctl)
{
	struct answer answer AUTO_ANSWER = { 0 };
	struct target target;
	AUTO_FREE char *path = NULL;
	struct request request = { .method = ctl->command->method };
	int r;

	r = target_object(ctl, &type_server, &target);
	if (!r)
		r = target_no_rest(ctl, &target);
	if (r)
		return r;
	path = path_fill(ctl->command->path, (const char *const[]){ target.parent, target.name });
	if (!path)
		return xlb_err_set(&ctl->err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	request.path = path;
	r = client_change(ctl, &request, &answer);
	if (r)
		return r;
	print_change(ctl, &answer);
	return ctl->wait && !ctl->dry_run ? wait_drained(ctl, &target) : 0;
}
