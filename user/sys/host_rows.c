/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The host's sink: VIP addresses, managed neighbours and settings of NICs as rows. The kernel drops both by itself (IPv6
 * addresses and neighbours when a link goes down), so `list` tells what is there now and the next
 * comparison puts the rest again.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "sys/host_private.h"

#define FOREVER 0xffffffffU

typedef void (*row_add)(void *arg, const struct row *row);

static void add_row(row_add add, void *arg, enum table_id table, const void *key)
{
	struct row row = { .table = table };

	memcpy(row.key, key, tables[table].key_size);
	add(arg, &row);
}

static struct address *vip_address(const struct host *host, const struct row_vip_addr_key *key)
{
	struct address_key wanted = { .addr = key->addr, .prefix_length = ADDR_BITS };
	struct address *address;

	wanted.ifindex = if_nametoindex(key->ifname);
	HASH_FIND(hh, host->addresses, &wanted, sizeof(wanted), address);
	return address;
}

static void list_vip_addrs(struct host *host, row_add add, void *arg)
{
	const struct mark *mark, *next;
	const struct address *address;

	HASH_ITER(hh, host->marks, mark, next) {
		address = vip_address(host, &mark->key);
		if (address && address_is_ours(host, address))
			add_row(add, arg, TABLE_VIP_ADDR, &mark->key);
	}
}

/* True if this instance puts neighbours on the interface. */
static bool interface_is_marked(const struct host *host, uint32_t ifindex)
{
	struct row_vip_addr_key key;
	char ifname[IFNAMSIZ];

	if (!if_indextoname(ifindex, ifname))
		return false;
	key = owner_neighbour_key(ifname);
	return owner_has(host, &key);
}

static void list_neighbours(struct host *host, row_add add, void *arg)
{
	const struct neighbour *neighbour, *next;
	uint32_t last = 0;
	bool marked = false;

	HASH_ITER(hh, host->neighbours, neighbour, next) {
		/* They come in runs of one interface: the name is asked for once a run. */
		if (neighbour->key.ifindex != last) {
			last = neighbour->key.ifindex;
			marked = interface_is_marked(host, last);
		}
		if (neighbour_is_foreign(neighbour) ? neighbour->accepted :
						      marked && neighbour_is_ours(neighbour))
			add_row(add, arg, TABLE_NEIGHBOUR, &neighbour->key);
	}
}

static struct nl_msg *neighbour_request(int type, int flags, uint8_t entry_flags,
					const struct row_neighbour_key *key)
{
	struct ndmsg header = {
		.ndm_family = (uint8_t)addr_af(&key->addr),
		.ndm_ifindex = (int)key->ifindex,
		.ndm_flags = entry_flags,
	};
	struct nl_msg *message = host_request(type, flags, &header, sizeof(header));

	if (!message || !addr_put(message, NDA_DST, &key->addr))
		return message;
	nlmsg_free(message);
	return NULL;
}

/*
 * State 0 keeps what is known of an entry that the kernel learned already. NTF_EXT_LEARNED exempts it from
 * garbage collection, which else allows 1024 entries (net.ipv4.neigh.default.gc_thresh3).
 */
static int neighbour_create(struct host *host, const struct row_neighbour_key *key)
{
	struct nl_msg *message =
		neighbour_request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, NTF_EXT_LEARNED, key);

	if (message && (nla_put_u32(message, NDA_FLAGS_EXT, NTF_EXT_MANAGED) ||
			nla_put_u8(message, NDA_PROTOCOL, HOST_PROTOCOL))) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return host_ask(host, message, NULL, NULL);
}

/* The kernel does not tell of a new entry before its state changes: asked for this one. */
static struct neighbour *neighbour_read(struct host *host, const struct row_neighbour_key *key)
{
	host_ask(host, neighbour_request(RTM_GETNEIGH, 0, 0, key), host_take, host);
	return cache_neighbour(host, key);
}

static int put_neighbour(struct host *host, const struct row_neighbour_key *key,
			 struct xlb_err *err)
{
	struct neighbour *known = cache_neighbour(host, key);
	char ifname[IFNAMSIZ], text[ADDR_TEXT_MAX];
	struct row_vip_addr_key mark;
	int r;

	if (!known)
		known = neighbour_read(host, key);
	if (known && neighbour_is_foreign(known)) {
		known->accepted = true;
		return 0;
	}
	format_addr(&key->addr, text);
	if (!if_indextoname(key->ifindex, ifname))
		return xlb_err_set(err, XLB_ERR_FAILED, -ENODEV,
				   "cannot keep neighbour %s: interface number %u does not exist",
				   text, key->ifindex);
	mark = owner_neighbour_key(ifname);
	r = owner_add(host, &mark, err);
	if (r)
		return r;
	r = neighbour_create(host, key);
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "cannot keep neighbour %s on %s: %s",
				   text, ifname, strerror(-r));
	neighbour_read(host, key);
	return 0;
}

/* Another instance may use the interface next: what it puts there is not ours. */
static void unmark_unused(struct host *host, uint32_t ifindex)
{
	struct row_vip_addr_key mark;
	char ifname[IFNAMSIZ];
	struct xlb_err ignored;

	host_sync(host);
	if (cache_has_own_neighbour(host, ifindex) || !if_indextoname(ifindex, ifname))
		return;
	mark = owner_neighbour_key(ifname);
	owner_remove(host, &mark, &ignored);
}

static int del_neighbour(struct host *host, const struct row_neighbour_key *key,
			 struct xlb_err *err)
{
	struct neighbour *known = cache_neighbour(host, key);
	char text[ADDR_TEXT_MAX];
	int r;

	if (known)
		known->accepted = false;
	if (!known || !neighbour_is_ours(known) || !interface_is_marked(host, key->ifindex))
		return 0;
	r = host_ask(host, neighbour_request(RTM_DELNEIGH, 0, 0, key), NULL, NULL);
	if (!r || r == -ENOENT || r == -ENODEV) {
		unmark_unused(host, key->ifindex);
		return 0;
	}
	format_addr(&key->addr, text);
	return xlb_err_set(err, XLB_ERR_FAILED, r, "cannot remove neighbour %s: %s", text,
			   strerror(-r));
}

/* A request about a VIP: the whole address as prefix, never the host's own choice as a source. */
static struct nl_msg *vip_request(int type, int flags, const struct address_key *key)
{
	struct ifa_cacheinfo lifetime = { .ifa_prefered = 0, .ifa_valid = FOREVER };
	int family = addr_af(&key->addr);
	struct ifaddrmsg header = {
		.ifa_family = (uint8_t)family,
		.ifa_prefixlen = family == AF_INET ? 32 : 128,
		.ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
		.ifa_scope = RT_SCOPE_UNIVERSE,
		.ifa_index = key->ifindex,
	};
	struct nl_msg *message = host_request(type, flags, &header, sizeof(header));

	if (message && !addr_put(message, IFA_LOCAL, &key->addr) &&
	    !addr_put(message, IFA_ADDRESS, &key->addr) &&
	    !nla_put(message, IFA_CACHEINFO, sizeof(lifetime), &lifetime) &&
	    !nla_put_u8(message, IFA_PROTO, HOST_PROTOCOL))
		return message;
	nlmsg_free(message);
	return NULL;
}

/* The address, on any interface, as somebody else put it there; NULL if nobody did. */
static const struct address *foreign_address(struct host *host, const struct xlb_addr *addr)
{
	const struct address *address, *next;

	HASH_ITER(hh, host->addresses, address, next)
		if (addr_equal(&address->key.addr, addr) && !address_is_ours(host, address))
			return address;
	return NULL;
}

static int refuse_foreign(const struct address *address, const char *text, struct xlb_err *err)
{
	char ifname[IFNAMSIZ] = "?";

	if_indextoname(address->key.ifindex, ifname);
	xlb_err_set(err, XLB_ERR_FAILED, -EEXIST,
		    "%s is already an address of %s that xlb did not put there", text, ifname);
	xlb_err_hint(err, "remove it there (ip addr del %s dev %s) or choose another VIP", text,
		     ifname);
	return -EEXIST;
}

static void explain_vip(int r, const struct row_vip_addr_key *key, const char *text,
			struct xlb_err *err)
{
	xlb_err_set(err, XLB_ERR_FAILED, r, "cannot add %s to %s: %s", text, key->ifname,
		    strerror(-r));
	if (r == -EACCES && addr_family(&key->addr) == XLB_IPV6)
		xlb_err_hint(err, "IPv6 is off there: sysctl net.ipv6.conf.%s.disable_ipv6=0",
			     key->ifname);
}

static int vip_create(struct host *host, const struct row_vip_addr_key *key, uint32_t ifindex)
{
	struct address address = {
		.key = { .addr = key->addr, .ifindex = ifindex, .prefix_length = ADDR_BITS },
		.network = key->addr,
		.flags = IFA_F_PERMANENT | IFA_F_DEPRECATED,
		.protocol = HOST_PROTOCOL,
	};
	int r = host_ask(host, vip_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &address.key),
			 NULL, NULL);

	if (r)
		return r;
	if (addr_family(&key->addr) == XLB_IPV6)
		address.flags |= IFA_F_NODAD;
	/* The kernel tells of a new IPv6 address only later. */
	if (!cache_put_address(host, &address))
		host->lost = true;
	return 0;
}

static int put_vip_addr(struct host *host, const struct row_vip_addr_key *key, struct xlb_err *err)
{
	uint32_t ifindex = if_nametoindex(key->ifname);
	const struct address *foreign = foreign_address(host, &key->addr);
	bool was_marked = owner_has(host, key);
	char text[ADDR_TEXT_MAX];
	struct xlb_err ignored;
	int r;

	format_addr(&key->addr, text);
	if (foreign)
		return refuse_foreign(foreign, text, err);
	if (!ifindex)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENODEV,
				   "cannot add %s: interface '%s' does not exist", text,
				   key->ifname);
	if (vip_address(host, key))
		return 0;
	r = owner_add(host, key, err);
	if (r)
		return r;
	r = vip_create(host, key, ifindex);
	if (r) {
		explain_vip(r, key, text, err);
		if (!was_marked)
			owner_remove(host, key, &ignored);
	}
	return r;
}

static int del_vip_addr(struct host *host, const struct row_vip_addr_key *key, struct xlb_err *err)
{
	const struct address *address = vip_address(host, key);
	char text[ADDR_TEXT_MAX];
	struct xlb_err ignored;
	struct address_key found;
	int r;

	if (address && address_is_ours(host, address)) {
		found = address->key;
		r = host_ask(host, vip_request(RTM_DELADDR, 0, &found), NULL, NULL);
		if (r && r != -EADDRNOTAVAIL && r != -ENODEV) {
			format_addr(&key->addr, text);
			return xlb_err_set(err, XLB_ERR_FAILED, r, "cannot remove %s from %s: %s",
					   text, key->ifname, strerror(-r));
		}
		cache_del_address(host, &found);
	}
	/* The address is gone; a mark left in the file is dropped when it is read next. */
	owner_remove(host, key, &ignored);
	return 0;
}

static int check_tables(struct host *host, struct xlb_err *err)
{
	host_sync(host);
	if (host->lost)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOBUFS,
				   "cannot read the host's addresses and neighbours by netlink");
	return 0;
}

static int wrong_table(enum table_id table, struct xlb_err *err)
{
	return xlb_err_set(err, XLB_ERR_FAILED, -EINVAL, "table %u is not the host's", table);
}

static int sink_list(struct sink *sink, const struct table *table, row_add add, void *arg,
		     struct xlb_err *err)
{
	struct host *host = (struct host *)sink;
	HOST_LOCK(host);
	int r = check_tables(host, err);

	if (r)
		return r;
	switch (table->id) {
	case TABLE_NEIGHBOUR:
		list_neighbours(host, add, arg);
		return 0;
	case TABLE_VIP_ADDR:
		list_vip_addrs(host, add, arg);
		return 0;
	case TABLE_SETTING:
		setting_list(host, add, arg);
		return 0;
	default:
		return wrong_table(table->id, err);
	}
}

static int sink_put(struct sink *sink, const struct row *row, const void *content,
		    size_t content_size, struct xlb_err *err)
{
	struct host *host = (struct host *)sink;
	HOST_LOCK(host);
	int r = check_tables(host, err);

	(void)content;
	(void)content_size;
	if (r)
		return r;
	switch (row->table) {
	case TABLE_NEIGHBOUR:
		return put_neighbour(host, (const struct row_neighbour_key *)row->key, err);
	case TABLE_VIP_ADDR:
		return put_vip_addr(host, (const struct row_vip_addr_key *)row->key, err);
	case TABLE_SETTING:
		return setting_put(host, row, err);
	default:
		return wrong_table(row->table, err);
	}
}

static int sink_del(struct sink *sink, const struct row *row, struct xlb_err *err)
{
	struct host *host = (struct host *)sink;
	HOST_LOCK(host);
	int r = check_tables(host, err);

	if (r)
		return r;
	switch (row->table) {
	case TABLE_NEIGHBOUR:
		return del_neighbour(host, (const struct row_neighbour_key *)row->key, err);
	case TABLE_VIP_ADDR:
		return del_vip_addr(host, (const struct row_vip_addr_key *)row->key, err);
	case TABLE_SETTING:
		return setting_del(host, row, err);
	default:
		return wrong_table(row->table, err);
	}
}

void host_sink_init(struct sink *sink)
{
	*sink = (struct sink){ .list = sink_list, .put = sink_put, .del = sink_del };
}
