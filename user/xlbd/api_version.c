// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "xlbd/api_private.h"
#include "xlbd/version.h"

void api_version(struct call *call)
{
	call_reply_json(call, json_pack("{s:s, s:s}", "version", XLB_VERSION, "instance",
					call->api->paths.instance));
}
