/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What answers tell of tls listeners, their certificates, and HAProxy. */
#ifndef XLB_XLBD_API_TLS_H
#define XLB_XLBD_API_TLS_H

#include "xlbd/api_view.h"

/* Member `tls` of a listener's state: null of one that does not end TLS. */
void view_tls(struct view *view, const struct listener *listener, uint32_t id);
/* Member `tls` of the status: null while there is no tls listener. */
void view_tls_engine(struct view *view);
/* Adds what is wrong with HAProxy, with listeners, and with certificates, or will be soon. */
void problems_tls(struct view *view);
/* GET certificates */
void api_certificates(struct call *call);

#endif
