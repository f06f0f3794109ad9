// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "xlbd/api_private.h"

/* No new flows; those it has finish, or until its group's drain.timeout. */
void api_drain(struct call *call)
{
	static const char fields[] = "{enabled: false}";
	AUTO_FREE char *path = path_parent(call->path);
	struct tree *tree = NULL;
	struct xlb_err err = {};

	if (!path)
		call_reply_no_memory(call);
	else if (tree_parse("drain", fields, strlen(fields), &tree, &err))
		call_reply_err(call, &err);
	else
		call_change(call, EDIT_SET, path, NULL, tree);
}
