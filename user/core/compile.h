/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* model + health + ids + network -> the rows wanted. Pure: what it asks of the world comes by callbacks. */
#ifndef XLB_CORE_COMPILE_H
#define XLB_CORE_COMPILE_H

#include "base/err.h"
#include "base/link.h"
#include "core/health.h"
#include "core/ids.h"
#include "core/model.h"
#include "core/plan.h"

/* One network interface as compile needs it. */
struct world_link {
	uint32_t ifindex, mtu;
	uint8_t mac[6];
	/* owned by the world, until its next answer */
	const struct vlan_device *vlans;
	const struct bond_port *ports; /* of a bond */
	uint32_t vlan_count, port_count;
	uint32_t vlan_settings; /* bits of those by which it hides VLAN tags */
};
struct world_route {
	char ifname[IFNAMSIZ];
	uint32_t ifindex;
	struct xlb_addr next; /* gateway, or the address itself if on-link */
	struct xlb_addr source;
	bool local;
};

/* What of a tls listener's files is asked for. */
enum tls_file_kind { TLS_FILE_CERTIFICATE, TLS_FILE_AUTHORITIES, TLS_FILE_REVOCATIONS };
struct tls_file_name {
	enum tls_file_kind kind;
	const char *path; /* of the chain, of authorities, of their revocations */
	const char *
		other; /* the certificate's key; the authorities that a list of revocations is of */
};
struct tls_file {
	const char *pem;
	size_t size;
	bool in_other; /* what is wrong, if anything, is the other file */
};

/* Answers about the world. All return 0 or -errno. */
struct world {
	void *arg;
	int (*link)(void *arg, const char *ifname, struct world_link *ret);
	/* what a VLAN device lies on in the end; the name of any other interface */
	void (*below_vlans)(void *arg, const char *ifname, char ret[IFNAMSIZ]);
	int (*route)(void *arg, const struct xlb_addr *addr, struct world_route *ret);
	int (*neighbour)(void *arg, uint32_t ifindex, const struct xlb_addr *addr,
			 uint8_t ret_mac[6]);
	bool (*owns_address)(void *arg, const struct xlb_addr *addr);
	/* bits of the interface's longest prefix that contains addr, of struct xlb_addr's 128; 0: none does */
	uint8_t (*on_link)(void *arg, const char *ifname, const struct xlb_addr *addr);
	/* ports the host itself uses on `addr` for `protocol`, as ranges; owned by the world */
	const struct port_list *(*host_ports)(void *arg, const struct xlb_addr *addr,
					      uint32_t protocol);
	/* the networks in a file of rules, owned by the world for as long as this compile goes on; else err has why */
	int (*networks)(void *arg, const char *path, const struct prefix_list **ret,
			struct xlb_err *err);
	/*
	 * a file that a tls listener names, read and found good, and owned by the world for as long as this compile goes on; else
	 * err has why, and *ret->fault what of it it lies in
	 */
	int (*tls_file)(void *arg, const struct tls_file_name *name, struct tls_file *ret,
			struct xlb_err *err);
	/* whether there is what ends TLS, else err says what to install */
	int (*tls_engine)(void *arg, struct xlb_err *err);
	/* health of one address of a server */
	enum health (*health)(void *arg, const char *group, const char *server,
			      const struct xlb_addr *addr);
	bool (*group_ever_up)(void *arg, const char *group);
	/* for how many ms the server of this id has taken new flows; 0: it begins now, if it does */
	uint64_t (*served)(void *arg, uint32_t server);
	uint64_t now; /* wall clock, seconds */
	bool strict; /* an apply by a user: new servers that cannot be reached are errors, not waited for */
	bool cut_now; /* what retires in this compile does not wait for its flows */
};

/* How much of its weight an address of a server has in its group's tables. */
struct server_part {
	uint32_t server, group; /* ids */
	uint8_t part; /* percent; less than 100 of one that starts slowly; 0: it takes no new flows */
	bool up;      /* it is known to be, rather than not checked yet */
};

/* What compile made; released by compiled_done. */
struct compiled {
	struct rows rows;	   /* wanted, sorted */
	char *warnings;		   /* what works but may surprise, a line each; never NULL */
	char *warned;		   /* groups that warnings are about: "\nweb\napi\n"; never NULL */
	uint32_t fail_open_groups; /* groups that send to servers known to be down */
	struct server_part *parts; /* of all servers compiled */
	uint32_t part_count;
};
void compiled_done(struct compiled *compiled);

/*
 * Compiles. Ids are taken from and retired in `ids` (give a copy and keep it only if the apply succeeds).
 * With world.strict, errors point at the object by JSON pointer; without it what cannot be resolved yet
 * becomes a row that drops with a reason (no_neighbour, no_interface).
 */
int compile(const struct model *model, struct ids *ids, const struct world *world,
	    struct compiled *ret, struct xlb_err *err);

/*
 * The rows of these groups alone, which `model` may have otherwise: what follows when nothing but the weights, the
 * health or the like of their servers has changed. `ids` is a part (ids_part) of those of the last compile. Fails,
 * with any error, where a server comes or goes or somebody is to be warned: then everything is to be compiled.
 */
int compile_part(const struct model *model, const struct server_group *const *groups, size_t count,
		 struct ids *ids, const struct world *world, struct compiled *ret,
		 struct xlb_err *err);

/* Who takes the new flows of a group from clients of each family: the group itself, or one of its fallbacks. */
struct takers {
	const struct server_group *ipv4, *ipv6;
};
void compile_takers(const struct model *model, const struct server_group *group,
		    const struct world *world, struct takers *ret);
/* True while some family of the group has no server that is up and is sent to all the same. */
bool compile_fails_open(const struct server_group *group, const struct takers *takers,
			const struct world *world);

#endif
