/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whom health checks over TLS trust: OpenSSL contexts, one for all checks that trust the same. */
#ifndef XLB_XLBD_CHECK_TLS_H
#define XLB_XLBD_CHECK_TLS_H

#include "base/err.h"

struct tls;
struct ssl_ctx_st;

/* Whether certificates can be read from the file (or CHECK_CA_SYSTEM). 0 or -errno. */
int tls_try(const char *ca, struct xlb_err *err);

/* One more user of what trusts `ca`; NULL: any certificate is taken. NULL on lack of memory. For the loop's thread. */
struct tls *tls_take(const char *ca);
/* One less; NULL is left alone. */
void tls_drop(struct tls *tls);
/*
 * The context (an SSL_CTX *), with what is in the file now: read again when it has changed. Valid until the next call;
 * connections made of it may live longer. NULL with err filled if it cannot be read.
 */
struct ssl_ctx_st *tls_context(struct tls *tls, struct xlb_err *err);

#endif
