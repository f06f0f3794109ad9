/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A server as those see it who show it, sum it up or look for problems. */
#ifndef XLB_XLBD_API_VIEW_SERVER_H
#define XLB_XLBD_API_VIEW_SERVER_H

#include "xlbd/api_view.h"

/* One address of a server. */
struct address_view {
	char text[ADDR_TEXT_MAX];
	uint32_t id; /* live id in the datapath, 0: none */
	uint64_t flows;
	struct check_status check;
};

/* A server as a whole, with its healthiest and its least healthy address. */
struct server_view {
	const struct server_group *group;
	const struct server *server;
	struct address_view addresses[2];
	uint32_t count, best, worst;
	uint64_t flows;
};

void view_look_at_server(struct view *view, const struct server *server, struct server_view *ret);
/* True if new flows may go there, as the compiler decides it for each family. */
bool view_receives(const struct group_view *group, const struct server_view *server);
/* "up", "down", "initial", "partial", "disabled", "draining" */
const char *view_server_state(const struct server_view *server);
/* Splits the id key of a next hop, "ifname/address"; false if it is none. */
bool next_hop_parse(const char *key, char ret_ifname[IFNAMSIZ], struct xlb_addr *ret);

#endif
