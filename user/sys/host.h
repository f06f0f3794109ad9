/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The host's network: links, addresses, routes, neighbours, sockets. The only user of libnl (plus raw
 * sockets for the ARP/ND probe and announcements, and /proc for sockets).
 */
#ifndef XLB_SYS_HOST_H
#define XLB_SYS_HOST_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/link.h"
#include "base/parse.h"
#include "base/sink.h"

struct host; /* any thread may ask; closing and dispatching are the loop's */

/*
 * Called from host_dispatch, at most once each, when links, addresses or routes changed, or a neighbour
 * that somebody keeps (xlb, or permanent by hand) was resolved, lost or moved to another MAC address.
 */
typedef void (*host_changed)(void *arg);

/*
 * `owner_file`: where the owner marks of what xlb put are kept across restarts, a line for each VIP address
 * ("vip_addr ADDRESS INTERFACE"), each interface with neighbours ("neighbour INTERFACE") and each changed
 * setting of a NIC, with what it was; written atomically before anything is put; NULL: in memory only.
 */
int host_open(const char *owner_file, host_changed changed, void *arg, struct host **ret,
	      struct xlb_err *err);
struct host *host_close(struct host *host);
DEFINE_CLEANUP(struct host, host_close)
/* Readable when host_dispatch should be called. */
int host_fd(const struct host *host);
/* Reads pending notifications; on any loss (ENOBUFS) everything is read anew. */
void host_dispatch(struct host *host);

/*
 * Sink of every table with SINK_HOST. `list` tells what is there now. Deletes only what it put: an address
 * of the host is refused (-EEXIST), a neighbour made to stay by hand satisfies its row and is left alone.
 */
struct sink *host_sink(struct host *host);

/* Bytes of the machine's memory, and of it what can be had without swapping. -errno. */
int host_memory(uint64_t *ret_total, uint64_t *ret_available);

struct host_link {
	char name[IFNAMSIZ];
	uint32_t ifindex;
	uint32_t mtu;
	uint8_t mac[6];
	bool up;	       /* IFF_UP and running */
	char kind[16];	       /* "veth", "vlan", "bond", "" ... */
	char parent[IFNAMSIZ]; /* of a VLAN device, else "" */
	uint32_t tag;	       /* of a VLAN device, as it lies in frames (struct xlb_vlan_tags) */
	uint32_t foreign_program; /* id of an XDP program attached to it, 0: none */
	uint32_t master;	  /* ifindex of the bond, team or bridge it is a port of, 0: none */
	uint32_t lower; /* ifindex of what a VLAN device lies on, or of a veth's other end; 0: none */
	int32_t lower_netns; /* id of the network namespace of `lower`, -1: this one */
	int32_t bond_mode;   /* BOND_MODE_*, -1: no bond */
};
/* -ENODEV with err naming the interfaces present. */
int host_link(struct host *host, const char *name, struct host_link *ret, struct xlb_err *err);

/* malloc'd array of the VLAN devices that lie on a NIC, or on another one that does. 0 or -errno. */
int host_vlans(struct host *host, uint32_t ifindex, struct vlan_device **ret, uint32_t *ret_count);
/* malloc'd array of the ports of a bond. 0 or -errno. */
int host_ports(struct host *host, uint32_t bond, struct bond_port **ret, uint32_t *ret_count);
/* What a VLAN device lies on in the end; the name of any other interface. */
void host_below_vlans(struct host *host, const char *ifname, char ret[IFNAMSIZ]);

struct host_route {
	uint32_t ifindex;
	char ifname[IFNAMSIZ];
	struct xlb_addr gateway; /* all zero: on-link */
	struct xlb_addr
		source; /* what the host sends from, never a VIP; all zero: it has nothing else */
	bool local;	/* the address is the host's own */
};
/* Asks the kernel's FIB. -ENETUNREACH if there is no route. */
int host_route(struct host *host, const struct xlb_addr *addr, struct host_route *ret,
	       struct xlb_err *err);
/* MAC of a resolved neighbour; -ENOENT while unresolved. */
int host_neighbour(struct host *host, uint32_t ifindex, const struct xlb_addr *addr,
		   uint8_t ret_mac[6]);

/* True if the address is on some interface of the host and xlb did not put it there. */
bool host_owns_address(struct host *host, const struct xlb_addr *addr);
/* Bits of the interface's longest prefix that contains the address, of struct xlb_addr's 128; 0: none does. */
uint8_t host_on_link(struct host *host, const char *ifname, const struct xlb_addr *addr);

/* True if there are tc filters on the clsact qdisc of the interface, or that cannot be seen. */
bool host_has_filters(uint32_t ifindex);

/* Does somebody on the interface's link have the address? */
struct host_probe {
	char ifname[IFNAMSIZ];
	struct xlb_addr addr;
	int r; /* the answer. 0: nobody; -EADDRINUSE: `mac` has it; else why it could not be asked */
	uint8_t mac[6];
};
/*
 * Asks for all of them at once (ARP probe, RFC 5227; NS with unspecified source, RFC 4861), `timeout_ms` at
 * most; with the first answer that an address is in use it ends. 0 or -ENOMEM. Blocks: for the worker.
 */
int host_probe_addresses(struct host_probe *probes, size_t count, int timeout_ms);
/* One gratuitous ARP / unsolicited NA. */
int host_announce_address(const char *ifname, const struct xlb_addr *addr, struct xlb_err *err);

/* A socket that listens on the host. */
struct host_socket {
	struct xlb_addr addr; /* all zero: any address */
	uint16_t port_h;
	uint8_t protocol;
	uint32_t pid;	  /* 0: unknown */
	char process[32]; /* "sshd", "" if unknown */
};
/* malloc'd array of TCP listeners and unconnected UDP sockets. Looks through /proc: some 10 ms. */
int host_sockets(struct host_socket **ret, uint32_t *ret_count, struct xlb_err *err);
/* net.ipv4.ip_local_port_range, shared by both families. */
struct port_range host_ephemeral_ports(void);

#endif
