// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Changing objects of every type; api_list.c shows them. */
#include "xlbd/api_private.h"

void api_add(struct call *call)
{
	call_change_body(call, EDIT_ADD, call->path);
}

void api_set(struct call *call)
{
	call_change_body(call, EDIT_SET, call->path);
}

/* The configuration stays; files that it names are read anew, as by every change. */
void api_reload(struct call *call)
{
	call_change(call, EDIT_RELOAD, call->path, NULL, NULL);
}

void api_remove(struct call *call)
{
	call_change(call, EDIT_REMOVE, call->path, NULL, NULL);
}
