/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of the compiler share. */
#ifndef XLB_CORE_COMPILE_PRIVATE_H
#define XLB_CORE_COMPILE_PRIVATE_H

#include <stdio.h>
#include <uthash.h>

#include "core/compile.h"
#include "core/content.h"
#include "xlb/lists.h"

/* A row that several objects ask for (a next hop, a SNAT address) is emitted once. */
struct emitted {
	uint8_t key[sizeof(uint32_t) + ROW_KEY_MAX];
	UT_hash_handle hh;
};

/* An address may be a VIP and a SNAT address at once; both roles share one row. */
struct role {
	struct xlb_addr addr;
	struct xlb_address value;
	UT_hash_handle hh;
};

/* An interface that is attached and present, or a VLAN device on one. */
struct attached {
	char ifname[IFNAMSIZ];
	uint32_t slot;
};

/* Groups that are compiled alone, which the model may have otherwise. */
struct part {
	const struct server_group *const *groups;
	size_t count;
};

struct compiler {
	const struct model *model;
	const struct part *part; /* NULL: all of the model */
	struct ids *ids;
	const struct world *world;
	struct compiled *compiled; /* what is being made */
	struct rows *rows;	   /* its rows */
	struct xlb_err *err;
	FILE *warnings, *warned;
	struct emitted *emitted;
	struct role *roles;
	struct attached attached[XLB_MAX_INTERFACES];
	uint32_t attached_count;
	uint32_t fail_open_groups;
	bool tls;     /* there are tls listeners */
	bool metered; /* there are limits for every packet of some listener */
	bool probes;  /* there are health checks through the datapath */
	bool returns; /* some flows' replies come back to addresses that are not xlb's */
};

/* How much a range of a listener's ports counts against those of others. */
static inline enum port_class listener_port_class(const struct listener *listener,
						  const struct port_range *range)
{
	return listener->port.any ? PORT_ANY : range->from == range->to ? PORT_EXACT : PORT_RANGE;
}

/* compile_tls_ports.c: where the listener takes connections, on all VIPs and attached interfaces. */
struct tls_binds {
	struct tls_bind *binds; /* owned */
	uint32_t count;
};
/* 0 or -ENOMEM; *ret is the caller's in any case */
int compile_tls_binds(const struct compiler *c, const struct load_balancer *lb,
		      const struct listener *listener, struct tls_binds *ret);

/* What a SNAT address's id freezes: a named one is the host's only as long as xlb keeps it there. */
struct frozen_snat {
	struct xlb_snat value;
	uint64_t named; /* without padding: it is written to the state file */
};
_Static_assert(sizeof(struct frozen_snat) <= ROW_VALUE_MAX, "frozen in an id");

/* One address of one server while its group is compiled. */
struct endpoint {
	const struct server *server;
	const struct xlb_addr *addr;
	struct id_entry *entry;
	struct xlb_server value;
	enum health health;
	bool takes_flows; /* enabled and of a weight above 0 */
	bool strict;	  /* what cannot be reached is an error, not waited for */
	uint8_t part; /* percent of its weight that counts; 0: it takes no flows as one that is up */
};

/* When the flows of an id that retires now have had their time; wall clock seconds. */
uint64_t retirement_deadline(const struct world *world, const struct id_entry *entry);

/* All return 0 or -errno with c->err filled. */
int compile_groups(struct compiler *c);
int compile_group(struct compiler *c, const struct server_group *group);
/* The group of the name as it is to be, NULL: there is none. */
const struct server_group *part_group(const struct model *model, const struct part *part,
				      const char *name);
/* As compile_takers, with the groups of a part as they are to be. */
void compile_part_takers(const struct model *model, const struct part *part,
			 const struct server_group *group, const struct world *world,
			 struct takers *ret);
/* Fills who is in the group's place; all zero of a group without fallback. */
int compile_instead(struct compiler *c, const struct server_group *group,
		    const struct takers *takers, struct xlb_instead *ret);
/*
 * Who gets new flows: those that are up; before any server of the group ever was up, those not checked yet;
 * if that is nobody, everybody (fail open) or nobody.
 */
bool is_fit(enum health health, bool ever_up);
static inline bool takes_flows(const struct server *server)
{
	return server->enabled && server->weight > 0;
}
/*
 * Sets the parts of weights that count for clients of the family. Addresses of one server, which follow each other, have
 * the same. True if somebody starts slowly: then not all have all of it.
 */
bool compile_parts(const struct compiler *c, const struct server_group *group,
		   struct endpoint *endpoints, uint32_t count, uint8_t family, bool ever_up);
/* Tells the parts of a group's servers with what was compiled. */
int compile_note_parts(struct compiler *c, uint32_t group_id, const struct endpoint *endpoints,
		       uint32_t count);
/* Whether clients of the family may be served at the address. */
bool serves_family(const struct server_group *group, const struct xlb_addr *addr, uint8_t family);
/*
 * What of connection ids chooses among the group's endpoints, of which those of one server follow each other: fills
 * what of *choice is about ids.
 */
int compile_quic(struct compiler *c, const struct server_group *group, uint32_t group_id,
		 const struct endpoint *endpoints, uint32_t count, struct xlb_choice *choice);
/* Fills the group of a listener, or what tells that there are several, with their row. */
int compile_split(struct compiler *c, const struct listener *listener, uint32_t id,
		  struct xlb_listener *value);
/* The id of a server's address, NULL: it has none. */
struct id_entry *find_server_id(const struct compiler *c, const struct server_group *group,
				const struct server *server, const struct xlb_addr *addr);
/* compile_tls.c: whether tls listeners take flows; before anything is compiled */
void note_tls(struct compiler *c);
/* What stands for all tls listeners in the datapath, if there are any. */
int compile_tls_host(struct compiler *c);
/* The rest of a tls listener that has an id: what ends TLS, and in the datapath the group of the host. */
int compile_tls_listener(struct compiler *c, const struct load_balancer *lb,
			 const struct listener *listener, uint32_t id, struct xlb_listener *value);
/* How a group's endpoints, whose flags say what becomes of those that are down, share tls listeners' connections. */
int compile_tls_group(struct compiler *c, const struct server_group *group, uint32_t group_id,
		      const struct endpoint *endpoints, uint32_t count,
		      const struct takers *takers);
/* True if a client finds its group again by its address alone, as it does its server in each of them. */
bool shares_by_source(const struct model *model, const struct share_list *list);
/* The rule set of a listener, or of a load balancer's VIPs (listener NULL), 0: none; emitted once. */
int compile_rules(struct compiler *c, const struct load_balancer *lb,
		  const struct listener *listener, uint32_t *ret);
/* Whether the model has limits for packets of flows that go on; for group_is_metered. */
void note_metered(struct compiler *c);
/* Whether the group serves a listener that has some. */
bool group_is_metered(const struct compiler *c, const struct server_group *group);
/* XLB_LIMITED_* of what the two, either of which may be NULL, have. */
uint32_t limited_by(const struct load_balancer *lb, const struct listener *listener);
/* The row of limits, if there are any. */
int compile_limits(struct compiler *c, const struct limits *limits, uint32_t number);
/* Keeps the ids of load balancers whose listeners retire; runs before ids_retire. */
int compile_retired_lbs(struct compiler *c);
/* What flows of a retired listener are held to, and counted for. */
struct xlb_limited retired_limited(const struct compiler *c, const struct id_entry *listener,
				   struct xlb_limited limited);
/* A line about a group. */
void compile_warn(struct compiler *c, const struct server_group *group, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Fills the rest of an endpoint that has its server and address, and emits what its row refers to. */
int compile_endpoint(struct compiler *c, const struct server_group *group,
		     struct endpoint *endpoint);
/* The row of an endpoint that is complete. */
int emit_server(struct compiler *c, struct id_entry *entry, const struct xlb_server *value);
/* Rows of servers that retired but still have flows; runs before ids_retire, so that what they use stays live. */
int compile_retired_servers(struct compiler *c);

int emit(struct compiler *c, enum table_id table, const void *key, const void *value);
int emit_once(struct compiler *c, enum table_id table, const void *key, const void *value);
int emit_recipe(struct compiler *c, enum table_id table, const void *key, void *recipe,
		size_t size);
/* The id of key, -ENOSPC when the space is used up. */
int take_id(struct compiler *c, enum id_kind kind, const char *key, struct id_entry **ret);
/* The role of an address, to be filled by the caller; NULL on lack of memory (err filled). */
struct xlb_address *role_of(struct compiler *c, const struct xlb_addr *addr);
/* Slot of an interface that is attached and present, or of a VLAN device on one; 0: neither. */
uint32_t interface_slot(const struct compiler *c, const char *ifname);
/* Lets the host answer for `addr` on the NIC, unless it is the host's own. */
int emit_owned_address(struct compiler *c, const struct xlb_addr *addr, const char *ifname);
/* Fills err as a configuration error at the JSON pointer. */
int compile_error(struct compiler *c, const char *pointer, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static inline int no_memory(struct compiler *c)
{
	return xlb_err_set(c->err, XLB_ERR_FAILED, -12, "out of memory");
}

#endif
