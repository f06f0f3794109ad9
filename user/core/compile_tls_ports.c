// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where a tls listener takes connections: a single port has a socket of its own, the ports of a range (and of `any`) share
 * one, but for those that are others': a single port beats a range, a range beats any, and on its own address the host keeps
 * what it uses, as in the datapath.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/compile_private.h"
#include "core/object.h"

#define PORTS 65536U

/* Of each port of a VIP: whose it is. */
enum use {
	USE_EXACT = 1,	/* a listener has it as a single port */
	USE_RANGE = 2,	/* a listener has it in a range */
	USE_HOST = 4,	/* the host keeps it */
	USE_LISTENS = 8 /* something of the host may keep a socket from being bound to it */
};

static void mark(uint8_t *uses, const struct port_range *range, enum use use)
{
	for (uint32_t port = range->from; port <= range->to; port++)
		uses[port] |= (uint8_t)use;
}

/* malloc'd, a byte for each port; NULL on lack of memory */
static uint8_t *uses_of(const struct compiler *c, const struct load_balancer *lb,
			const struct xlb_addr *addr)
{
	enum use host = USE_LISTENS | (c->world->owns_address(c->world->arg, addr) ? USE_HOST : 0);
	const struct port_list *used = c->world->host_ports(c->world->arg, addr, IPPROTO_TCP);
	uint8_t *uses = calloc(PORTS, sizeof(*uses));
	const struct object *object;

	if (!uses)
		return NULL;
	TAILQ_FOREACH(object, &lb->listeners, link) {
		const struct listener *listener = (const struct listener *)object;

		if (!listener->enabled || listener_transport(listener) != IPPROTO_TCP)
			continue;
		for (uint32_t i = 0; i < listener->port.count; i++) {
			const struct port_range *range = &listener->port.ranges[i];
			enum port_class class = listener_port_class(listener, range);

			if (class != PORT_ANY)
				mark(uses, range, class == PORT_EXACT ? USE_EXACT : USE_RANGE);
		}
	}
	for (uint32_t i = 0; used && i < used->count; i++)
		mark(uses, &used->ranges[i], host);
	return uses;
}

static int add_bind(struct tls_binds *binds, const struct compiler *c, const struct tls_bind *bind)
{
	struct tls_bind *more =
		realloc(binds->binds, (binds->count + c->attached_count) * sizeof(*binds->binds));

	if (!more)
		return -ENOMEM;
	binds->binds = more;
	for (uint32_t i = 0; i < c->attached_count; i++) {
		more[binds->count] = *bind;
		memcpy(more[binds->count++].ifname, c->attached[i].ifname, sizeof(bind->ifname));
	}
	return 0;
}

/* The first port of the range that has none of these uses, 0: none. */
static uint16_t first_without(const uint8_t *uses, const struct port_range *range, uint8_t without)
{
	for (uint32_t port = range->from; port <= range->to; port++)
		if (!(uses[port] & without))
			return (uint16_t)port;
	return 0;
}

/* Each run of ports that are the range's. */
static int add_range(struct tls_binds *binds, const struct compiler *c, const struct xlb_addr *addr,
		     const struct port_range *range, const uint8_t *uses, uint8_t others)
{
	struct tls_bind bind = { .addr = *addr };
	uint32_t port = range->from, to;
	int r = 0;

	bind.port = first_without(uses, range, others | USE_LISTENS);
	if (!bind.port)
		bind.port = first_without(uses, range, others);
	for (; !r && port <= range->to; port = to) {
		for (to = port; to <= range->to && !(uses[to] & others); to++)
			;
		if (to == port) {
			to++;
			continue;
		}
		bind.from = (uint16_t)port;
		bind.to = (uint16_t)(to - 1);
		r = add_bind(binds, c, &bind);
	}
	return r;
}

static int add_vip(struct tls_binds *binds, const struct compiler *c,
		   const struct load_balancer *lb, const struct listener *listener,
		   const struct xlb_addr *addr)
{
	static const uint8_t others[] = {
		[PORT_ANY] = USE_RANGE | USE_EXACT | USE_HOST,
		[PORT_RANGE] = USE_EXACT | USE_HOST,
	};
	AUTO_FREE uint8_t *uses = NULL;
	int r = 0;

	for (uint32_t i = 0; !r && i < listener->port.count; i++) {
		const struct port_range *range = &listener->port.ranges[i];
		enum port_class class = listener_port_class(listener, range);

		if (class == PORT_EXACT) {
			r = add_bind(binds, c,
				     &(struct tls_bind){ .addr = *addr,
							 .port = range->from,
							 .from = range->from,
							 .to = range->from });
			continue;
		}
		/* asked for once, and only if it matters: the answer takes a walk through /proc */
		uses = uses ? uses : uses_of(c, lb, addr);
		r = uses ? add_range(binds, c, addr, range, uses, others[class]) : -ENOMEM;
	}
	return r;
}

int compile_tls_binds(const struct compiler *c, const struct load_balancer *lb,
		      const struct listener *listener, struct tls_binds *ret)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < lb->addresses.count; i++)
		r = add_vip(ret, c, lb, listener, &lb->addresses.addrs[i]);
	return r;
}
