/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Routes, asked of the kernel and remembered until anything of links, addresses, routes, rules or next hops
 * changes. libnl's cache of routes would not do: the kernel does not tell of those that go with a link.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/host_private.h"

#define DISCARD_PORT	 9
#define ROUTES_KNOWN_MAX 65536 /* anybody may ask for any address */

struct route_answer {
	struct host_route route;
	bool has_source, usable;
};

/* The gateway of an IPv4 route may be an IPv6 address (RTA_VIA). */
static void take_gateway(int family, struct nlattr *const *attributes, struct xlb_addr *ret)
{
	const struct rtvia *via;
	struct nlattr *address;

	if (addr_get(family, attributes[RTA_GATEWAY], ret) || !attributes[RTA_VIA])
		return;
	address = attributes[RTA_VIA];
	via = nla_data(address);
	if (via->rtvia_family == AF_INET6 && nla_len(address) == (int)sizeof(*via) + 16)
		memcpy(ret->bytes, via->rtvia_addr, 16);
}

static void take_route(void *arg, const struct nlmsghdr *message)
{
	const struct rtmsg *header = nlmsg_data(message);
	struct nlattr *attributes[RTA_MAX + 1];
	struct route_answer *answer = arg;
	struct host_route *route = &answer->route;

	if (message->nlmsg_type != RTM_NEWROUTE ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, RTA_MAX, NULL) <
		    0 ||
	    !attributes[RTA_OIF])
		return;
	route->ifindex = nla_get_u32(attributes[RTA_OIF]);
	route->local = header->rtm_type == RTN_LOCAL || header->rtm_type == RTN_ANYCAST;
	answer->usable = route->local || header->rtm_type == RTN_UNICAST;
	take_gateway(header->rtm_family, attributes, &route->gateway);
	answer->has_source = addr_get(header->rtm_family, attributes[RTA_PREFSRC], &route->source);
}

/* The source address that a UDP socket would get. */
static bool connected_source(const struct xlb_addr *addr, struct xlb_addr *ret)
{
	AUTO_CLOSE int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 peer = { .sin6_family = AF_INET6, .sin6_port = htons(DISCARD_PORT) },
			    self;
	socklen_t size = sizeof(self);

	memcpy(&peer.sin6_addr, addr->bytes, 16);
	if (fd < 0 || connect(fd, (struct sockaddr *)&peer, sizeof(peer)) ||
	    getsockname(fd, (struct sockaddr *)&self, &size))
		return false;
	memcpy(ret->bytes, &self.sin6_addr, 16);
	return true;
}

static uint32_t common_bits(const struct xlb_addr *a, const struct xlb_addr *b)
{
	uint32_t bits = 0;

	while (bits < ADDR_BITS &&
	       !((a->bytes[bits / 8] ^ b->bytes[bits / 8]) & (0x80 >> bits % 8)))
		bits++;
	return bits;
}

/* The interface's own address nearest to the next hop, VIPs left out; all zero if there is none. */
static struct xlb_addr own_source(struct host *host, uint32_t ifindex, const struct xlb_addr *next)
{
	const struct address *address, *following;
	struct xlb_addr best = {};
	uint32_t bits, best_bits = 0;

	HASH_ITER(hh, host->addresses, address, following) {
		if (address->key.ifindex != ifindex || addr_is_special(&address->key.addr) ||
		    address->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) ||
		    address_is_ours(host, address) ||
		    addr_family(&address->key.addr) != addr_family(next))
			continue;
		bits = common_bits(&address->key.addr, next) + 1;
		if (bits > best_bits) {
			best = address->key.addr;
			best_bits = bits;
		}
	}
	return best;
}

/* A host whose interface had no address before a VIP came would take the VIP for its own. */
static void settle_source(struct host *host, const struct xlb_addr *addr,
			  struct route_answer *answer)
{
	struct host_route *route = &answer->route;
	static const struct xlb_addr none;

	if (!answer->has_source)
		answer->has_source = connected_source(addr, &route->source);
	if (!route->local && owner_has_addr(host, &route->source)) {
		host_sync(host);
		route->source =
			own_source(host, route->ifindex,
				   addr_equal(&route->gateway, &none) ? addr : &route->gateway);
	}
}

void routes_forget(struct host *host)
{
	struct known_route *known, *next;

	HASH_ITER(hh, host->routes, known, next) {
		HASH_DEL(host->routes, known);
		free(known);
	}
}

static void ask_kernel(struct host *host, const struct xlb_addr *addr, struct known_route *ret)
{
	struct rtmsg header = { .rtm_family = (uint8_t)addr_af(addr) };
	struct route_answer answer = {};
	struct nl_msg *message;

	header.rtm_dst_len = header.rtm_family == AF_INET ? 32 : 128;
	message = host_request(RTM_GETROUTE, 0, &header, sizeof(header));
	if (message && addr_put(message, RTA_DST, addr)) {
		nlmsg_free(message);
		message = NULL;
	}
	ret->addr = *addr;
	ret->error = host_ask(host, message, take_route, &answer);
	ret->found = !ret->error && answer.usable &&
		     if_indextoname(answer.route.ifindex, answer.route.ifname);
	if (!ret->found)
		return;
	settle_source(host, addr, &answer);
	ret->route = answer.route;
}

/* Thousands of servers are asked for with every change: the kernel is asked once. */
static struct known_route route_know(struct host *host, const struct xlb_addr *addr)
{
	struct known_route answer = {}, *known;

	host_sync(host);
	HASH_FIND(hh, host->routes, addr, sizeof(*addr), known);
	if (known)
		return *known;
	ask_kernel(host, addr, &answer);
	if (HASH_COUNT(host->routes) >= ROUTES_KNOWN_MAX)
		routes_forget(host);
	known = malloc(sizeof(*known));
	if (!known)
		return answer;
	*known = answer;
	HASH_ADD(hh, host->routes, addr, sizeof(known->addr), known);
	return answer;
}

int host_route(struct host *host, const struct xlb_addr *addr, struct host_route *ret,
	       struct xlb_err *err)
{
	HOST_LOCK(host);
	struct known_route known = route_know(host, addr);
	char text[ADDR_TEXT_MAX];

	if (known.found) {
		*ret = known.route;
		return 0;
	}
	format_addr(addr, text);
	xlb_err_set(err, XLB_ERR_FAILED, -ENETUNREACH, "no route to %s%s%s", text,
		    known.error ? ": " : "", known.error ? strerror(-known.error) : "");
	xlb_err_hint(err, "`ip route get %s` shows what the host would do", text);
	return -ENETUNREACH;
}
