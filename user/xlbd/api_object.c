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

void api_remove(struct call *call)
{
	call_change(call, EDIT_REMOVE, call->path, NULL, NULL);
}
