// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A TCP check passes when the server takes the connection. */
#include "xlbd/check.h"

const struct check_kind check_tcp = {
	.start = probe_connect,
	.ready = probe_connected,
};
