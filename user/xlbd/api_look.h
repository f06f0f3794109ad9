/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of an object at this moment, before it becomes an answer or a metric. */
#ifndef XLB_XLBD_API_LOOK_H
#define XLB_XLBD_API_LOOK_H

#include <uthash.h>

#include "sys/host.h"
#include "xlbd/engine.h"

#define COUNTER_WINDOW 128 /* ids */

/* Counters of neighbouring ids, read together: ids follow the order of the configuration by and large. */
struct counter_window {
	uint32_t first, count;
	uint64_t counters[COUNTER_WINDOW][XLB_COUNT_MAX];
};

/* Sums over the servers of one group; by name, as the model may be another one in the next slice. */
struct group_look {
	char name[NAME_TEXT_MAX];
	uint32_t servers; /* all that it has */
	uint32_t up;
	uint64_t flows;
	uint64_t weight;	 /* of all servers that are enabled */
	double receiving_weight; /* of the servers that get new flows, as they count now */
	bool fails_open, ever_up;
	/* the groups that take new flows in its place, of clients of each family, "": none; its own fallback, the same */
	char taker4[NAME_TEXT_MAX], taker6[NAME_TEXT_MAX], fallback[NAME_TEXT_MAX];
	struct quota min_healthy;
	uint32_t mark; /* of those who look at groups by their listeners */
	UT_hash_handle hh;
};

/* One address of a server. */
struct address_look {
	char text[ADDR_TEXT_MAX];
	uint32_t id; /* live id in the datapath, 0: none */
	uint64_t flows;
	struct check_status check;
};

/* A server as a whole, with its healthiest and its least healthy address. */
struct server_look {
	const struct server_group *group;
	const struct server *server;
	struct address_look addresses[2];
	uint32_t count, best, worst;
	uint64_t flows;
	struct slow_start start; /* part 100: it does not start slowly */
};

struct next_hop_look {
	char ifname[IFNAMSIZ];
	bool present; /* there is such a NIC */
	struct xlb_addr addr;
	char mac[18]; /* "": nobody answers */
};

enum server_state {
	SERVER_UP,
	SERVER_PARTIAL, /* one address is up, another is not */
	SERVER_DOWN,
	SERVER_INITIAL,
	SERVER_DRAINING, /* takes no new flows, still has some */
	SERVER_DISABLED,
	SERVER_STATES,
};

/* What one answer has seen; lives over several turns of the loop. Zeroed but for the engine to begin with. */
struct look {
	struct engine *engine;
	struct group_look *groups, *group;	    /* owned; the one asked for last */
	struct counter_window *listeners, *servers; /* owned */
	struct host_link link;			    /* asked for last; ifindex 0: there is none */
};
void look_done(struct look *look);

void look_server(struct look *look, const struct server *server, struct server_look *ret);
/* Begins the sums over a group. 0 or -ENOMEM. */
int look_begin(struct look *look, const struct server_group *group);
/* Adds a server to the sums over its group, which have begun. */
void look_count(struct look *look, const struct server_look *server);
/* The sums over a group and the servers counted so far; NULL if they have not begun. */
struct group_look *look_group(struct look *look, const char *name);
/* True if new flows may go there, as the compiler decides it for each family. */
bool look_receives(const struct group_look *group, const struct server_look *server);
/* Its weight as configured, or the part of it that it has while it starts slowly. */
double look_weight(const struct server_look *server);
/* Share of the group's new flows, 0-1. */
double look_share(const struct group_look *group, const struct server_look *server);
enum server_state look_state(const struct server_look *server);
const char *server_state_word(enum server_state state);

/* Over all its VIPs. */
uint64_t look_load_balancer_flows(const struct look *look, const struct load_balancer *lb);
/* The row of an address in the datapath; all zero if it has none. */
void look_row(const struct look *look, const struct address_look *address, struct xlb_server *ret);
/* False if there is no next hop of this id. */
bool look_next_hop(struct look *look, uint32_t id, struct next_hop_look *ret);
/* A SNAT address by its pool, with its taken and usable ports towards the server; NULL if it is gone. */
const char *look_pool(const struct look *look, const struct xlb_snat_pool *pool, uint32_t *ret_used,
		      uint32_t *ret_total);
/* Adds the counters of a live id (0: none) of TABLE_LISTENER or TABLE_SERVER. */
void look_add_counters(struct look *look, enum table_id table, uint32_t id,
		       uint64_t sums[XLB_COUNT_MAX]);
/* Live id of a listener, 0: none. */
uint32_t look_listener_id(const struct look *look, const struct object *listener);

#endif
