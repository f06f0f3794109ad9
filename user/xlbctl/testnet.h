/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A client of our own: a process in a network namespace that a veth pair joins to the host. Namespace and
 * veth vanish with the process, however it ends.
 *
 *     client process                          host
 *     xlbp  169.254.x.y+1/30  ------------  xlbt<pid>  169.254.x.y/30
 *           fd78:6c62:p:q::2/64                        fd78:6c62:p:q::1/64
 */
#ifndef XLB_XLBCTL_TESTNET_H
#define XLB_XLBCTL_TESTNET_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "xlb/abi.h"

struct testnet {
	char ifname[IFNAMSIZ]; /* the host's end, to be attached */
	pid_t child;
	int control;
	bool has_ipv6;
};

/* What to send. */
struct probe_plan {
	struct xlb_addr addr;
	uint16_t port_h;
	bool udp, http;
	uint32_t count;
	char path[512], host[256]; /* of the HTTP request */
};
struct probe_result {
	uint32_t sent, answered;
	uint32_t refused, timed_out; /* of those not answered */
	uint32_t http_status;	     /* of the last answer, 0: none */
};

/* Makes process, namespace and veth; up, with addresses and routes. */
int testnet_open(struct testnet *net, struct xlb_err *err);
/* Sends a plan's connections or datagrams one after another, each from a source port of its own. */
int testnet_probe(struct testnet *net, const struct probe_plan *plan, struct probe_result *ret,
		  struct xlb_err *err);
/* Ends the process and waits for it; net may be {.child = 0}. */
void testnet_close(struct testnet *net);

/* In the client process: runs one plan. */
void probe_run(const struct probe_plan *plan, struct probe_result *ret);

#endif
