/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ports of the host that share a socket (bpf/sockets.bpf.c). The link of the program is pinned and outlives the daemon; the
 * next one fills maps of its own, and then takes the link over: whatever version the one before was.
 */
#ifndef XLB_SYS_DATAPATH_SOCKETS_H
#define XLB_SYS_DATAPATH_SOCKETS_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "xlb/sockets.h"

struct datapath_sockets;

/* Loads the program, which does nothing yet. `pin`: where its link is to be pinned. */
int datapath_sockets_open(const char *pin, struct datapath_sockets **ret, struct xlb_err *err);
/* A link that is pinned goes on. */
struct datapath_sockets *datapath_sockets_close(struct datapath_sockets *sockets);
DEFINE_CLEANUP(struct datapath_sockets, datapath_sockets_close)
/* Ends what is pinned, which may be a predecessor's: ports have the sockets that are bound to them. */
void datapath_sockets_remove(const char *pin);

/* Connections to these places belong to the socket of `port` of the same address and interface. 0 or -errno. */
int datapath_sockets_put(struct datapath_sockets *sockets, const struct xlb_places *places,
			 __be16 port);
int datapath_sockets_del(struct datapath_sockets *sockets, const struct xlb_places *places);
/* The socket of that place, which listens; it is forgotten when it is closed. 0 or -errno. */
int datapath_sockets_give(struct datapath_sockets *sockets, const struct xlb_place *place, int fd);
bool datapath_sockets_has(const struct datapath_sockets *sockets, const struct xlb_place *place);
/* From now on what was put holds in the network namespace of the caller. Again: nothing is done. */
int datapath_sockets_attach(struct datapath_sockets *sockets, struct xlb_err *err);

#endif
