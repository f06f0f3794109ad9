/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The files of tls listeners as xlbd knows them, and HAProxy, for answers. */
#ifndef XLB_XLBD_ENGINE_TLS_H
#define XLB_XLBD_ENGINE_TLS_H

#include "core/compile.h"
#include "sys/haproxy.h"
#include "xlbd/tls_files.h"

struct engine;

/* All zero of one that was not asked for by the last compile. */
void engine_tls_facts(struct engine *engine, const struct tls_file_name *name,
		      struct tls_file_facts *ret);
/* Calls back with each file in use. */
void engine_tls_each(struct engine *engine,
		     void (*visit)(void *arg, const struct tls_file_name *name,
				   const struct tls_file_facts *facts),
		     void *arg);
struct haproxy *engine_haproxy(const struct engine *engine);

/* --- for the engine ----------------------------------------------------------------------------- */

int engine_tls_open(struct engine *engine, struct xlb_err *err);
void engine_tls_close(struct engine *engine);
/* A compile of everything begins; and is in effect: what it has not asked for is forgotten. */
void engine_tls_begin(struct engine *engine);
void engine_tls_adopt(struct engine *engine);
/*
 * struct world's tls_file. Strict: as it is in the file now, and what is new and not valid now is refused. A file that is
 * bad leaves what was read before.
 */
int engine_tls_file(struct engine *engine, const struct tls_file_name *name, bool strict,
		    struct tls_file *ret, struct xlb_err *err);

#endif
