// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/cleanup.h"
#include "xlbctl/client.h"
#include "xlbctl/print.h"

int verb_metrics(struct ctl *ctl)
{
	AUTO_FREE char *query =
		ctl->scope ? path_fill("scope={}", (const char *const[]){ ctl->scope }) : NULL;
	const struct request request = {
		.method = ctl->command->method,
		.path = ctl->command->path,
		.query = query,
		.raw = true,
	};
	struct answer answer AUTO_ANSWER = { 0 };
	int r = client_call(ctl, &request, &answer);

	if (!r)
		print_body(stdout, &answer);
	return r;
}
