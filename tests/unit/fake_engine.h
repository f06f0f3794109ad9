/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An engine, datapath, host and checker in memory; tests include fake_engine.c itself. */
#ifndef XLB_TESTS_FAKE_ENGINE_H
#define XLB_TESTS_FAKE_ENGINE_H

#include "xlbd/engine.h"

/* Starts with the configuration text; NULL: empty. */
struct engine *fake_engine_new(const char *text);
/* Ends queued changes with an error, as a closing engine does. */
void fake_engine_free(struct engine *engine);
/* While held, changes queue up. */
void fake_engine_hold(struct engine *engine, bool hold);
/* What engine_events answers; stays the caller's. */
void fake_engine_events(struct engine *engine, struct events *events);
size_t fake_engine_queued(const struct engine *engine);
/* Health of all servers, flows of every id, seconds that a guarded attach waits. */
void fake_engine_set(struct engine *engine, enum health health, uint64_t flows, uint32_t confirm);
/* Server 2 starts slowly; part 0: it does not. */
void fake_engine_starts(struct engine *engine, uint32_t part, uint64_t left_ms);
/* The last packet dropped as no_listener, NULL: none; whether losses after the verdict go uncounted. */
void fake_engine_sample(struct engine *engine, const struct xlb_drop_sample *sample);
void fake_engine_uncounted(struct engine *engine, bool uncounted);

/* The flow table: flow n is from 203.0.113.x, n units old, to 198.51.100.10:80 on listener 1, server 1. */
#define FAKE_NOW 1000000 /* stamp */
struct fake_flow {
	struct xlb_flow_key key;
	struct xlb_flow flow;
	uint32_t changes; /* this many attempts to end it come after a packet */
};
/* Valid until the next one is added. */
struct fake_flow *fake_engine_add_flow(struct engine *engine, uint32_t n);
struct fake_flow *fake_engine_flow(struct engine *engine, size_t at);

/* The pokes made so far; what does not fit fails. */
#define FAKE_POKES 64
struct poke {
	struct xlb_addr from, to;
	__be16 from_port, to_port;
};
extern struct poke fake_pokes[FAKE_POKES];
extern size_t fake_poke_count;

const struct apply_options *fake_engine_last_options(const struct engine *engine);

#endif
