// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ranges of ports: HAProxy listens on one of them, and a program of the kernel brings connections to the others to that
 * socket. HAProxy hands out its sockets as it does to its own successor; one that is closed is forgotten by the kernel, so
 * they are looked for every turn.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/parse.h"
#include "base/port_prefix.h"
#include "sys/haproxy_private.h"
#include "xlb/addr.h"

/* Places that were put. */
struct tls_places {
	struct xlb_places places;
	__be16 port;	/* whose socket they share */
	uint64_t round; /* in which they were wanted last */
	UT_hash_handle hh;
};

/* --- binds -------------------------------------------------------------------------------------- */

/* A place among the binds of all listeners. */
struct cursor {
	const struct tls_row *row;
	uint32_t i;
};

/* The next bind whose ports share a socket, of a listener that is served; NULL: none is left. */
static const struct tls_bind *next_shared(const struct haproxy *h, const struct tls_wanted *wanted,
					  struct cursor *at)
{
	for (; at->row; at->row = wanted_next(wanted, TABLE_TLS_LISTENER, at->row), at->i = 0) {
		const struct content_tls_listener *content = (const void *)at->row->content->data;

		if (config_leaves_out(h, row_number(at->row)))
			continue;
		while (at->i < content->bind_count)
			if (tls_bind_is_shared(&content->binds[at->i++]))
				return &content->binds[at->i - 1];
	}
	return NULL;
}

#define FOR_EACH_SHARED(h, wanted, bind) \
	for (struct cursor at_ = { wanted_next(wanted, TABLE_TLS_LISTENER, NULL), 0 }; \
	     ((bind) = next_shared(h, wanted, &at_));)

/* Where its socket is. False: there is no such interface now. */
static bool place_of(const struct tls_bind *bind, struct xlb_place *ret)
{
	*ret = (struct xlb_place){
		.ifindex = if_nametoindex(bind->ifname),
		.addr = bind->addr,
		.port = htons(bind->port),
	};
	return ret->ifindex != 0;
}

/* --- which ports -------------------------------------------------------------------------------- */

static int put_places(struct haproxy *h, const struct xlb_places *places, __be16 port)
{
	struct tls_places *known;
	int r;

	HASH_FIND(hh, h->places, places, sizeof(*places), known);
	if (!known) {
		known = calloc(1, sizeof(*known));
		if (!known)
			return -ENOMEM;
		known->places = *places;
		HASH_ADD(hh, h->places, places, sizeof(known->places), known);
	}
	known->round = h->places_round;
	if (known->port == port)
		return 0;
	r = datapath_sockets_put(h->sockets, places, port);
	if (!r)
		known->port = port;
	return r;
}

static int put_bind(struct haproxy *h, const struct tls_bind *bind)
{
	struct port_prefix prefixes[PORT_PREFIXES_MAX];
	uint32_t count = port_prefixes(bind->from, bind->to, prefixes);
	struct xlb_places places = {};
	int r = 0;

	if (!place_of(bind, &places.place))
		return 0;
	for (uint32_t i = 0; !r && i < count; i++) {
		places.place.port = htons(prefixes[i].port);
		places.bits = XLB_PLACE_BITS + prefixes[i].length;
		r = put_places(h, &places, htons(bind->port));
	}
	return r;
}

/* Those that are wanted, and no others. */
static int put_all(struct haproxy *h, const struct tls_wanted *wanted)
{
	struct tls_places *known, *next;
	const struct tls_bind *bind;
	int r = 0;

	h->places_round++;
	FOR_EACH_SHARED(h, wanted, bind)
	r = r ? r : put_bind(h, bind);
	HASH_ITER(hh, h->places, known, next) {
		if (known->round == h->places_round)
			continue;
		datapath_sockets_del(h->sockets, &known->places);
		HASH_DEL(h->places, known);
		free(known);
	}
	return r;
}

/* --- which sockets ------------------------------------------------------------------------------ */

/* The first bind whose socket the kernel does not know, NULL: it knows all. */
static const struct tls_bind *first_missing(const struct haproxy *h,
					    const struct tls_wanted *wanted)
{
	const struct tls_bind *bind;
	struct xlb_place place;

	FOR_EACH_SHARED(h, wanted, bind)
	if (place_of(bind, &place) && !datapath_sockets_has(h->sockets, &place))
		return bind;
	return NULL;
}

/* Where a socket listens. False: it is none of TCP on an interface. */
static bool place_of_socket(int fd, struct xlb_place *ret)
{
	struct sockaddr_storage at = {};
	const struct sockaddr_in *at4 = (const struct sockaddr_in *)&at;
	const struct sockaddr_in6 *at6 = (const struct sockaddr_in6 *)&at;
	socklen_t size = sizeof(at), size_index = sizeof(ret->ifindex);

	*ret = (struct xlb_place){};
	if (getsockname(fd, (struct sockaddr *)&at, &size) ||
	    getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &ret->ifindex, &size_index))
		return false;
	if (at.ss_family == AF_INET) {
		xlb_addr_set_ipv4(&ret->addr, at4->sin_addr.s_addr);
		ret->port = at4->sin_port;
	} else if (at.ss_family == AF_INET6) {
		memcpy(ret->addr.bytes, &at6->sin6_addr, sizeof(ret->addr.bytes));
		ret->port = at6->sin6_port;
	}
	return ret->ifindex && ret->port;
}

struct giving {
	struct haproxy *h;
	const struct tls_wanted *wanted;
	int r;
};

/* A socket of HAProxy: the kernel is told if it is one that others' connections are brought to. */
static void give(void *arg, int fd)
{
	struct giving *giving = arg;
	const struct tls_bind *bind;
	struct xlb_place is, wanted;

	if (giving->r || !place_of_socket(fd, &is))
		return;
	FOR_EACH_SHARED(giving->h, giving->wanted, bind)
	if (place_of(bind, &wanted) && !memcmp(&wanted, &is, sizeof(is))) {
		giving->r = datapath_sockets_give(giving->h->sockets, &is, fd);
		return;
	}
}

/* --- together ----------------------------------------------------------------------------------- */

void ports_close(struct haproxy *h)
{
	struct tls_places *known, *next;

	HASH_ITER(hh, h->places, known, next) {
		HASH_DEL(h->places, known);
		free(known);
	}
	h->sockets = datapath_sockets_close(h->sockets);
}

static int bring_ports(struct haproxy *h, const struct tls_wanted *wanted, struct xlb_err *err)
{
	struct giving giving = { .h = h, .wanted = wanted };
	const struct tls_bind *missing;
	char addr[ADDR_TEXT_MAX];
	int r = h->sockets ? 0 : datapath_sockets_open(h->paths.ports, &h->sockets, err);

	if (r)
		return r;
	r = put_all(h, wanted);
	if (r)
		return xlb_err_set(err, XLB_ERR_FAILED, r, "the kernel does not take the ports: %s",
				   strerror(-r));
	if (first_missing(h, wanted)) {
		r = cli_sockets(h->paths.worker, give, &giving);
		r = r ? r : giving.r;
		if (r)
			return xlb_err_set(err, XLB_ERR_FAILED, r,
					   "HAProxy's sockets cannot be had: %s", strerror(-r));
	}
	r = datapath_sockets_attach(h->sockets, err);
	missing = r ? NULL : first_missing(h, wanted);
	if (!missing)
		return r;
	format_addr(&missing->addr, addr);
	return xlb_err_set(err, XLB_ERR_FAILED, -ENOENT,
			   "HAProxy has no socket on port %u of %s (%s)", missing->port, addr,
			   missing->ifname);
}

int ports_follow(struct haproxy *h, const struct tls_wanted *wanted, struct xlb_err *err)
{
	const struct tls_bind *bind;
	struct xlb_err why = {};
	int r;

	FOR_EACH_SHARED(h, wanted, bind)
	{
		r = bring_ports(h, wanted, &why);
		return r ? xlb_err_set(err, XLB_ERR_FAILED, r,
				       "of ranges of tls listeners one port alone takes "
				       "connections: %.300s; xlbd tries again, list single ports "
				       "to do without",
				       why.text) :
			   0;
	}
	ports_close(h);
	datapath_sockets_remove(h->paths.ports);
	return 0;
}
