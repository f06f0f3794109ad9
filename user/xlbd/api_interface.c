// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* attach and detach: edits of `interfaces`, nothing else. */
#include "xlbd/api_query.h"

void api_attach(struct call *call)
{
	AUTO_FREE char *path = path_parent(call->path);
	struct xlb_err err;

	if (query_flag(call, "fix", &call->fix, &err))
		call_reply_err(call, &err);
	else if (path)
		call_change_body(call, EDIT_PUT, path);
	else
		call_reply_no_memory(call);
}

void api_detach(struct call *call)
{
	AUTO_FREE char *path = path_parent(call->path);

	if (path)
		call_change(call, EDIT_REMOVE, path, NULL, NULL);
	else
		call_reply_no_memory(call);
}
