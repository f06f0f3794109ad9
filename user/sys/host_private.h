/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of the host's network share: the handle, its two netlink sockets, its tables. */
#ifndef XLB_SYS_HOST_PRIVATE_H
#define XLB_SYS_HOST_PRIVATE_H

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <pthread.h>
#include <uthash.h>

#include "sys/host.h"

/*
 * Originator written into neighbours (NDA_PROTOCOL) and addresses (IFA_PROTO) that xlb puts: `ip neigh`
 * and `ip addr` show it, and an entry without it is never deleted.
 */
#define HOST_PROTOCOL 0x58
#define ADDR_BITS     128

/* An address of an interface; prefix lengths count from 0 to 128 for both families. */
struct address_key {
	struct xlb_addr addr;
	uint32_t ifindex;
	uint32_t prefix_length;
};
struct address {
	struct address_key key;
	struct xlb_addr
		network; /* any address inside the prefix: the peer's on a point-to-point link */
	uint32_t flags;	 /* IFA_F_* */
	uint8_t protocol;
	UT_hash_handle hh;
};

struct neighbour {
	struct row_neighbour_key key;
	uint16_t state; /* NUD_* */
	bool managed;	/* NTF_EXT_MANAGED: the kernel keeps it resolved */
	bool learned;	/* NTF_EXT_LEARNED: put by a program, not collected as garbage */
	bool accepted;	/* somebody else's entry that satisfies a row of ours */
	uint8_t protocol;
	uint8_t mac[6];
	UT_hash_handle hh;
};

/*
 * An owner mark: a VIP address put on an interface or, with an all-zero address, an interface on which
 * this instance puts neighbours.
 */
struct mark {
	struct row_vip_addr_key key;
	UT_hash_handle hh;
};

/* What a setting was before xlb changed it. Counts only as long as the NIC is the same one, in the same boot. */
struct setting_mark {
	struct row_setting_key key;
	uint32_t was, given;
	uint32_t ifindex;
	char boot[40]; /* boot id of the kernel */
	UT_hash_handle hh;
};

/* An answer about a route, good until the network changes. */
struct known_route {
	struct xlb_addr addr;
	bool found;
	int error; /* what the kernel said if not */
	struct host_route route;
	UT_hash_handle hh;
};

struct host {
	struct sink sink; /* first: the sink's functions get back to the host by a cast */
	struct nl_sock *requests;
	struct nl_sock *events;
	int poll_fd; /* epoll of `events` and `wake_fd`: stays the same when `events` is opened anew */
	int wake_fd; /* readable while `dirty`: questions find changes too */
	host_changed changed;
	void *arg;
	bool dirty; /* something changed since the last call of `changed` */
	bool lost;  /* the tables miss something and must be read anew */
	char *owner_file;
	struct mark *marks;
	struct setting_mark *settings;
	struct address *addresses;
	struct neighbour *neighbours;
	struct known_route *routes;
	pthread_mutex_t lock; /* recursive: of all above, held by each question and operation */
};

static inline void host_unlock(struct host **host)
{
	pthread_mutex_unlock(&(*host)->lock);
}
/* To the end of the block. */
#define HOST_LOCK(host) \
	__attribute__((cleanup(host_unlock))) struct host *locked_host = (host); \
	pthread_mutex_lock(&locked_host->lock)

/* host_netlink.c */

typedef void (*host_message)(void *arg, const struct nlmsghdr *message);

/* A request of one header struct; NULL if out of memory. */
struct nl_msg *host_request(int type, int flags, const void *header, size_t size);
/*
 * Sends a request, frees it, calls `each` (may be NULL) for every message of the answer. `message` may be
 * NULL or half made: -ENOMEM. Else 0 or the kernel's -errno.
 */
int host_ask(struct host *host, struct nl_msg *message, host_message each, void *arg);
/* A socket of another netlink family, and a request on it as above. */
int netlink_open(int family, struct nl_sock **ret);
int netlink_ask(struct nl_sock *sock, struct nl_msg *message, host_message each, void *arg);
/* A socket for host_ask. */
int host_requests_open(struct nl_sock **ret);
/* A non-blocking socket subscribed to all that the host watches; host_events_read hands messages to `take`. */
int host_events_open(nl_recvmsg_msg_cb_t take, void *arg, struct nl_sock **ret);
/* Reads notifications until there are no more; -ENOBUFS if some may be lost. */
int host_events_read(struct nl_sock *events);

struct host_system;
/* The part of host_system that is about nftables and iptables. */
void host_firewall(struct host_system *ret);

int addr_af(const struct xlb_addr *addr);
int addr_put(struct nl_msg *message, int type, const struct xlb_addr *addr);
bool addr_get(int family, const struct nlattr *attribute, struct xlb_addr *ret);

/* host.c */

/* Brings the tables up to date with all notifications sent so far. */
void host_sync(struct host *host);
/* A host_message: puts into the tables what the kernel says and remembers to tell of a change. */
void host_take(void *arg, const struct nlmsghdr *message);

/* host_cache.c */

/* Takes one message of a dump or notification; true if it is a change that xlb should look at. */
bool cache_take(struct host *host, const struct nlmsghdr *message);
void cache_clear(struct host *host);
/* Adds or changes an address; false if out of memory. */
bool cache_put_address(struct host *host, const struct address *address);
void cache_del_address(struct host *host, const struct address_key *key);
struct neighbour *cache_neighbour(struct host *host, const struct row_neighbour_key *key);
/* True if xlb put the address there: marked in the owner file and in the kernel. */
bool address_is_ours(struct host *host, const struct address *address);
/* True for an entry that somebody else made to stay. */
bool neighbour_is_foreign(const struct neighbour *neighbour);
/* True for an entry that xlb put, this instance or another. */
bool neighbour_is_ours(const struct neighbour *neighbour);
bool cache_has_own_neighbour(const struct host *host, uint32_t ifindex);

/* host_owner.c */

int owner_load(struct host *host, struct xlb_err *err);
/* Both write the owner file; a failure changes nothing. */
int owner_add(struct host *host, const struct row_vip_addr_key *key, struct xlb_err *err);
int owner_remove(struct host *host, const struct row_vip_addr_key *key, struct xlb_err *err);
/* Drops the marks of what does not exist any more. */
int owner_prune(struct host *host, struct xlb_err *err);
bool owner_has(const struct host *host, const struct row_vip_addr_key *key);
/* True if a mark of any interface names this VIP. */
bool owner_has_addr(const struct host *host, const struct xlb_addr *addr);
struct row_vip_addr_key owner_key(const struct xlb_addr *addr, const char *ifname);
/* The mark of an interface on which neighbours were put. */
struct row_vip_addr_key owner_neighbour_key(const char *ifname);
void owner_done(struct host *host);

/* Writes the owner file. */
int owner_save(const struct host *host, struct xlb_err *err);

/* host_setting.c */

int setting_put(struct host *host, const struct row *row, struct xlb_err *err);
int setting_del(struct host *host, const struct row *row, struct xlb_err *err);
void setting_list(struct host *host, void (*add)(void *arg, const struct row *row), void *arg);
/* A mark as a line of the owner file, and back: the words behind "setting"; false if it is none. */
void setting_print(const struct setting_mark *mark, FILE *file);
bool setting_parse(char **saved, struct setting_mark *ret);
/* Adds a copy, in place of one with the same key; false if out of memory. */
bool setting_mark_put(struct host *host, const struct setting_mark *mark);
/* Drops marks that do not count any more; true if there were some. */
bool settings_prune(struct host *host);
void settings_done(struct host *host);

/* host_link.c */

/* Takes an RTM_NEWLINK into a zeroed link; false if it is none. */
bool link_take(const struct nlmsghdr *message, struct host_link *ret);
/* Asks for one link by a request that names it (taken over); -ENODEV. */
int link_ask(struct host *host, struct nl_msg *message, struct host_link *ret);
/* A dump of links. The kernel leaves out what is of another kind or has another master. */
struct nl_msg *links_request(const char *kind, uint32_t master);

/* host_route.c */

/* What was known of routes does not hold any more. */
void routes_forget(struct host *host);

/* host_probe.c */

/* Adds big-endian 16-bit words to an Internet checksum (RFC 1071); a last odd byte is left out. */
uint32_t host_sum(uint32_t sum, const void *data, size_t size);
/* The checksum as it stands in a header. */
uint16_t host_sum_finish(uint32_t sum);

/* host_rows.c */

void host_sink_init(struct sink *sink);

#endif
