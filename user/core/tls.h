/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Listeners of protocol: tls as they are configured: their files, their policies, what HAProxy calls these. */
#ifndef XLB_CORE_TLS_H
#define XLB_CORE_TLS_H

#include "core/model.h"

#define TLS_CERTIFICATES_MAX 256 /* of a listener */
#define TLS_SOCKETS_MAX \
	256 /* of a listener for each VIP and interface: a port or a range takes one */
#define TLS_CIPHERS_MAX	   32 /* of a policy */
#define TLS_POLICY_DEFAULT "tls_cipher_policy_1_2_strict_with_1_3"

/* The two files of a certificate. */
struct certificate_paths {
	char chain[256], key[256];
};
/* Of "chain:key", which certificate_paths_fault has nothing to say against. */
struct certificate_paths certificate_paths(const char *text);
/* Why the text is none, NULL: it is. */
const char *certificate_paths_fault(const char *text);

/* Versions and suites that clients may choose from, in HAProxy's words. */
struct tls_suites {
	const char *min, *max;	/* "TLSv1.2" */
	char ciphers[1536];	/* up to TLS 1.2, separated by colons; "": the policy has none */
	char ciphersuites[256]; /* of TLS 1.3 */
};
/* Those of a policy of the system, or of the model. -ENOENT: there is none of that name. */
int tls_policy_suites(const struct model *model, const char *name, struct tls_suites *ret);
/* "http/1.1,http/1.0": the protocols by the server's preference, NULL: none. */
const char *tls_alpn(uint32_t alpn);
/* Whether servers of the listener are spoken to in TLS. */
bool tls_encrypts_to_servers(const struct listener *listener);

/* The part of `finish` of a listener that is about TLS. */
int tls_finish_listener(struct object *object, struct xlb_err *err);
/* `finish` of a policy. */
int tls_finish_policy(struct object *object, struct xlb_err *err);
/* Policies that listeners name exist. err carries a JSON pointer. */
int check_tls(const struct model *model, struct xlb_err *err);
/* Policies of the system, for docs: a row each with versions and suites. */
void tls_policies_markdown(FILE *out);

#endif
