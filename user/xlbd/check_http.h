/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The HTTP of a check, over whatever carries it: a socket (check_http.c) or TLS (check_https.c). */
#ifndef XLB_XLBD_CHECK_HTTP_H
#define XLB_XLBD_CHECK_HTTP_H

#include "xlbd/check.h"

struct http {
	/* Take or give bytes without blocking: PROBE_PASSED if they did, 0 bytes received: closed; else what is next. */
	enum probe_step (*send)(struct probe *probe, const char *bytes, size_t length,
				size_t *ret_sent);
	enum probe_step (*receive)(struct probe *probe, char *buffer, size_t size,
				   size_t *ret_length);

	char *request; /* owned; NULL until connected */
	size_t length, sent;
	size_t seen; /* bytes of the reply */
	uint32_t code;
	char last; /* byte seen */
};

/* Sends the request and reads the reply, as far as that goes now. */
enum probe_step http_go_on(struct probe *probe, struct http *http);
void http_done(struct http *http);

#endif
