/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HAProxy as it is when it runs, and any certificate: for programs that fake the engine. */
#ifndef XLB_TESTS_FAKE_TLS_H
#define XLB_TESTS_FAKE_TLS_H

#include "xlbd/engine_tls.h"

struct haproxy *engine_haproxy(const struct engine *engine)
{
	(void)engine;
	return NULL;
}

void engine_tls_facts(struct engine *engine, const struct tls_file_name *name,
		      struct tls_file_facts *ret)
{
	(void)engine, (void)name;
	*ret = (struct tls_file_facts){ .known = true,
					.expires = 4000000000,
					.names = "a.example" };
}

void engine_tls_each(struct engine *engine,
		     void (*visit)(void *arg, const struct tls_file_name *name,
				   const struct tls_file_facts *facts),
		     void *arg)
{
	(void)engine, (void)visit, (void)arg;
}

void haproxy_look(struct haproxy *haproxy, uint32_t listener, struct tls_look *ret)
{
	(void)haproxy, (void)listener;
	*ret = (struct tls_look){ .state = TLS_SERVES };
}

void haproxy_state(struct haproxy *haproxy, struct haproxy_state *ret)
{
	(void)haproxy;
	*ret = (struct haproxy_state){ .wanted = true, .running = true, .max_connections = 1000 };
}

#endif
