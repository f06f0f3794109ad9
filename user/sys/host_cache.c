/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses and neighbours of the host, fed by dumps and notifications: thousands of questions a
 * compile are answered by a hash lookup. Messages are read by hand because libnl 3.7 knows neither
 * extended neighbour flags nor originators.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "sys/host_private.h"

#define NUD_RESOLVED (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)

static uint32_t attribute_u32(const struct nlattr *attribute, uint32_t missing)
{
	return attribute && nla_len(attribute) >= 4 ? nla_get_u32(attribute) : missing;
}

static uint8_t attribute_u8(const struct nlattr *attribute)
{
	return attribute && nla_len(attribute) >= 1 ? nla_get_u8(attribute) : 0;
}

bool cache_put_address(struct host *host, const struct address *address)
{
	struct address *known;

	routes_forget(host); /* the kernel tells of our own addresses later, or as nothing new */
	HASH_FIND(hh, host->addresses, &address->key, sizeof(address->key), known);
	if (!known) {
		known = calloc(1, sizeof(*known));
		if (!known)
			return false;
		known->key = address->key;
		HASH_ADD(hh, host->addresses, key, sizeof(known->key), known);
	}
	known->network = address->network;
	known->flags = address->flags;
	known->protocol = address->protocol;
	return true;
}

void cache_del_address(struct host *host, const struct address_key *key)
{
	struct address *known;

	HASH_FIND(hh, host->addresses, key, sizeof(*key), known);
	if (!known)
		return;
	routes_forget(host);
	HASH_DEL(host->addresses, known);
	free(known);
}

static bool take_address(struct host *host, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *header = nlmsg_data(message);
	struct nlattr *attributes[IFA_MAX + 1];
	struct address address = {}, *known;
	bool was_there;

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, IFA_MAX, NULL) < 0)
		return false;
	if (!addr_get(header->ifa_family, attributes[IFA_ADDRESS], &address.network))
		return false;
	/* Only a point-to-point address has a local side that differs. */
	if (!addr_get(header->ifa_family, attributes[IFA_LOCAL], &address.key.addr))
		address.key.addr = address.network;
	address.key.ifindex = header->ifa_index;
	address.key.prefix_length =
		header->ifa_prefixlen + (header->ifa_family == AF_INET ? 96U : 0U);
	address.flags = attribute_u32(attributes[IFA_FLAGS], header->ifa_flags);
	address.protocol = attribute_u8(attributes[IFA_PROTO]);

	HASH_FIND(hh, host->addresses, &address.key, sizeof(address.key), known);
	was_there = known;
	if (message->nlmsg_type == RTM_DELADDR) {
		cache_del_address(host, &address.key);
		return was_there;
	}
	/* IPv6 tells the same again whenever a router advertisement refreshes it. */
	if (known && known->flags == address.flags && known->protocol == address.protocol)
		return false;
	if (!cache_put_address(host, &address))
		host->lost = true;
	return true;
}

static bool resolved(const struct neighbour *neighbour)
{
	return neighbour->state & NUD_RESOLVED;
}

/* Entries that come and go with the host's own talk do not matter to xlb. */
static bool matters(const struct neighbour *neighbour)
{
	return neighbour->managed || neighbour->learned || neighbour->state & NUD_PERMANENT;
}

bool neighbour_is_foreign(const struct neighbour *neighbour)
{
	return neighbour->state & NUD_PERMANENT ||
	       (matters(neighbour) && neighbour->protocol != HOST_PROTOCOL);
}

/* What xlb does depends on MAC addresses; states such as REACHABLE and STALE alternate all the time. */
static bool neighbour_changes(const struct neighbour *from, const struct neighbour *to)
{
	bool was_usable = matters(from) && resolved(from), is_usable = matters(to) && resolved(to);

	if (was_usable != is_usable || (matters(from) && !matters(to)))
		return true;
	return is_usable && memcmp(from->mac, to->mac, sizeof(to->mac));
}

bool neighbour_is_ours(const struct neighbour *neighbour)
{
	return neighbour->managed && !neighbour_is_foreign(neighbour);
}

static bool parse_neighbour(const struct nlmsghdr *message, struct neighbour *ret)
{
	const struct ndmsg *header = nlmsg_data(message);
	struct nlattr *attributes[NDA_MAX + 1];
	struct neighbour neighbour = {};

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, NDA_MAX, NULL) < 0)
		return false;
	/* Bridges announce their forwarding entries in the same group, with a family of their own. */
	if (header->ndm_flags & NTF_PROXY ||
	    !addr_get(header->ndm_family, attributes[NDA_DST], &neighbour.key.addr))
		return false;
	neighbour.key.ifindex = (uint32_t)header->ndm_ifindex;
	neighbour.state = header->ndm_state;
	neighbour.managed = attribute_u32(attributes[NDA_FLAGS_EXT], 0) & NTF_EXT_MANAGED;
	neighbour.learned = header->ndm_flags & NTF_EXT_LEARNED;
	neighbour.protocol = attribute_u8(attributes[NDA_PROTOCOL]);
	if (attributes[NDA_LLADDR] && nla_len(attributes[NDA_LLADDR]) == (int)sizeof(neighbour.mac))
		memcpy(neighbour.mac, nla_data(attributes[NDA_LLADDR]), sizeof(neighbour.mac));
	else
		neighbour.state &= (uint16_t)~NUD_RESOLVED;
	*ret = neighbour;
	return true;
}

static bool take_neighbour(struct host *host, const struct nlmsghdr *message)
{
	struct neighbour now, *known;
	bool change;

	if (!parse_neighbour(message, &now))
		return false;
	known = cache_neighbour(host, &now.key);
	if (message->nlmsg_type == RTM_DELNEIGH) {
		if (!known)
			return false;
		change = matters(known);
		HASH_DEL(host->neighbours, known);
		free(known);
		return change;
	}
	if (!known) {
		known = calloc(1, sizeof(*known));
		if (!known) {
			host->lost = true;
			return true;
		}
		known->key = now.key;
		HASH_ADD(hh, host->neighbours, key, sizeof(known->key), known);
	}
	change = neighbour_changes(known, &now);
	known->state = now.state;
	known->managed = now.managed;
	known->learned = now.learned;
	known->protocol = now.protocol;
	memcpy(known->mac, now.mac, sizeof(now.mac));
	return change;
}

/* The local table follows the addresses, clones are the cache of IPv6. */
static bool take_route(const struct nlmsghdr *message)
{
	const struct rtmsg *header = nlmsg_data(message);

	if (!nlmsg_valid_hdr(message, sizeof(*header)))
		return false;
	return header->rtm_table != RT_TABLE_LOCAL && !(header->rtm_flags & RTM_F_CLONED);
}

bool cache_take(struct host *host, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return take_address(host, message);
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return take_neighbour(host, message);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		routes_forget(host);
		return take_route(message);
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		routes_forget(host);
		return true;
	default:
		return false;
	}
}

void cache_clear(struct host *host)
{
	struct address *address, *next_address;
	struct neighbour *neighbour, *next_neighbour;

	routes_forget(host);
	HASH_ITER(hh, host->addresses, address, next_address) {
		HASH_DEL(host->addresses, address);
		free(address);
	}
	HASH_ITER(hh, host->neighbours, neighbour, next_neighbour) {
		HASH_DEL(host->neighbours, neighbour);
		free(neighbour);
	}
}

struct neighbour *cache_neighbour(struct host *host, const struct row_neighbour_key *key)
{
	struct neighbour *neighbour;

	HASH_FIND(hh, host->neighbours, key, sizeof(*key), neighbour);
	return neighbour;
}

bool cache_has_own_neighbour(const struct host *host, uint32_t ifindex)
{
	const struct neighbour *neighbour, *next;

	HASH_ITER(hh, host->neighbours, neighbour, next)
		if (neighbour->key.ifindex == ifindex && neighbour_is_ours(neighbour))
			return true;
	return false;
}

bool address_is_ours(struct host *host, const struct address *address)
{
	char ifname[IFNAMSIZ];
	struct row_vip_addr_key key;

	if (address->protocol != HOST_PROTOCOL || address->key.prefix_length != ADDR_BITS ||
	    !if_indextoname(address->key.ifindex, ifname))
		return false;
	key = owner_key(&address->key.addr, ifname);
	return owner_has(host, &key);
}

int host_neighbour(struct host *host, uint32_t ifindex, const struct xlb_addr *addr,
		   uint8_t ret_mac[6])
{
	HOST_LOCK(host);
	struct row_neighbour_key key = { .addr = *addr, .ifindex = ifindex };
	const struct neighbour *neighbour = cache_neighbour(host, &key);

	if (!neighbour || !resolved(neighbour))
		return -ENOENT;
	memcpy(ret_mac, neighbour->mac, sizeof(neighbour->mac));
	return 0;
}

bool host_owns_address(struct host *host, const struct xlb_addr *addr)
{
	HOST_LOCK(host);
	const struct address *address, *next;

	host_sync(host);
	HASH_ITER(hh, host->addresses, address, next)
		if (addr_equal(&address->key.addr, addr) && !address_is_ours(host, address))
			return true;
	return false;
}

static bool prefix_contains(const struct address *address, const struct xlb_addr *addr)
{
	uint32_t bytes = address->key.prefix_length / 8, bits = address->key.prefix_length % 8;

	if (addr_family(&address->network) != addr_family(addr) ||
	    memcmp(address->network.bytes, addr->bytes, bytes))
		return false;
	return !bits || !((address->network.bytes[bytes] ^ addr->bytes[bytes]) >> (8 - bits));
}

uint8_t host_on_link(struct host *host, const char *ifname, const struct xlb_addr *addr)
{
	HOST_LOCK(host);
	uint32_t ifindex = if_nametoindex(ifname);
	const struct address *address, *next;
	uint8_t longest = 0;

	host_sync(host);
	/* a VIP would be on-link wherever xlb has put it */
	HASH_ITER(hh, host->addresses, address, next)
		if (address->key.ifindex == ifindex && prefix_contains(address, addr) &&
		    !address_is_ours(host, address) && address->key.prefix_length > longest)
			longest = (uint8_t)address->key.prefix_length;
	return longest;
}
