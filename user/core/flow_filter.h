/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which flows somebody means: by their ends, protocol, state, and by names, which are ids in the flows. */
#ifndef XLB_CORE_FLOW_FILTER_H
#define XLB_CORE_FLOW_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/flow.h"
#include "core/ids.h"

/* One end of a flow: an address or a prefix of addresses, a port, or both. */
struct flow_end {
	struct xlb_addr addr, mask; /* mask all zero: any address */
	__be16 port;		    /* 0: any */
};
/*
 * "203.0.113.9", "203.0.113.0/24", "203.0.113.9:51000", "[2001:db8::9]:51000", "2001:db8::/48". -EINVAL;
 * with bits set behind the prefix -ERANGE.
 */
int flow_end_parse(const char *text, struct flow_end *ret);

struct flow_filter {
	struct flow_end client, vip;
	uint8_t protocol; /* 0: any */
	uint8_t state;	  /* XLB_FLOW_*, 0: any */
	bool alive;	  /* only those that have not ended: see flow_is_alive */
	/* names as ids have them, NULL: any; not owned */
	const char *load_balancer, *listener, *group,
		*server; /* "edge", "edge/http", "web", "web/web1" */
	/* by id, what the names stand for: of flow_filter_resolve, NULL: any; owned */
	bool *listeners, *servers;
};
void flow_filter_done(struct flow_filter *filter);
/*
 * Finds the ids of the names, live and retired; again whenever ids have come or gone. 0 or -ENOMEM;
 * `*ret_found`: no name is without any id.
 */
int flow_filter_resolve(struct flow_filter *filter, struct ids *ids, bool *ret_found);
/* False if it lets every flow through, but for `alive`. */
bool flow_filter_is_set(const struct flow_filter *filter);
/* `state`: what flow_state says. */
bool flow_filter_matches(const struct flow_filter *filter, const struct xlb_flow_key *key,
			 const struct xlb_flow *flow, uint8_t state);

/*
 * The state that the datapath would give the flow now: one that is past its timeout answers with RST for
 * a while, whatever its state word says. 0: nobody has this flow (any more). `now` is a stamp, `idle_timeout`
 * the listener's, in seconds.
 */
uint8_t flow_state(const struct xlb_flow_key *key, const struct xlb_flow *flow, uint32_t now,
		   uint32_t idle_timeout);
/* True if the ends believe in the flow: new, established or closing. */
bool flow_is_alive(uint8_t state);
/* 0 if it is no such word. */
uint8_t flow_state_by_word(const char *word);
/* "new, established, ..." */
void flow_state_list(char *ret, size_t size);

#endif
