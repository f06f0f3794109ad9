/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A tls listener in the language of HAProxy's configuration (2.6). */
#ifndef XLB_CORE_TLS_TEXT_H
#define XLB_CORE_TLS_TEXT_H

#include "core/tls.h"

/* An address of a server of one of the listener's groups. */
struct tls_text_server {
	uint32_t id;
	const struct xlb_addr *addr;
	const struct server *server;
};
/* A group that may take connections of the listener, itself or as a fallback. */
struct tls_text_group {
	uint32_t id;
	const struct server_group *group;
	struct tls_text_server *servers; /* owned */
	uint32_t server_count;
};
/* All that the text is made of: names of files are relative to where the sink keeps them. */
struct tls_text {
	const struct load_balancer *lb;
	const struct listener *listener;
	uint32_t id; /* the listener's */
	struct tls_suites suites;
	const char *const *certificates; /* names of files, the default first */
	uint32_t certificate_count;
	const char *ca, *crl;  /* of clients; NULL: none */
	const char *server_ca; /* of servers; NULL: none, or those that the host trusts */
	const struct tls_text_group *groups;
	uint32_t group_count;
	bool by_source; /* a client finds its group again by its address */
};

void tls_text_write(FILE *out, const struct tls_text *text);

#endif
