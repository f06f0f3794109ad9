// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The world as compile sees it. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/types.h"
#include "sys/host_nic.h"
#include "xlbd/engine_private.h"

/* Those of the settings that hide VLAN tags which the NIC, and all ports of a bond, have and let change. */
static uint32_t vlan_settings(const char *ifname, const struct bond_port *ports, uint32_t count)
{
	static const enum xlb_setting wanted[] = { XLB_SETTING_RX_VLAN, XLB_SETTING_RX_VLAN_STAG };
	uint32_t settings = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		bool changes = host_setting_changes(ifname, wanted[i]);

		for (uint32_t n = 0; changes && n < count; n++)
			changes = host_setting_changes(ports[n].name, wanted[i]);
		if (changes)
			settings |= 1U << wanted[i];
	}
	return settings;
}

static int world_link(void *arg, const char *ifname, struct world_link *ret)
{
	struct engine *engine = arg;
	struct world_link answer = {};
	struct host_link link;
	struct xlb_err ignored;
	int r;

	free(TAKE(engine->vlans));
	free(TAKE(engine->ports));
	r = host_link(engine->host, ifname, &link, &ignored);
	if (!r)
		r = host_vlans(engine->host, link.ifindex, &engine->vlans, &answer.vlan_count);
	if (!r && !strcmp(link.kind, "bond"))
		r = host_ports(engine->host, link.ifindex, &engine->ports, &answer.port_count);
	if (r)
		return r;
	answer.ifindex = link.ifindex;
	answer.mtu = link.mtu;
	memcpy(answer.mac, link.mac, sizeof(answer.mac));
	answer.vlans = engine->vlans;
	answer.ports = engine->ports;
	if (answer.vlan_count)
		answer.vlan_settings = vlan_settings(ifname, answer.ports, answer.port_count);
	*ret = answer;
	return 0;
}

static void world_below_vlans(void *arg, const char *ifname, char ret[IFNAMSIZ])
{
	struct engine *engine = arg;

	host_below_vlans(engine->host, ifname, ret);
}

static bool addr_is_set(const struct xlb_addr *addr)
{
	return addr->words[0] || addr->words[1] || addr->words[3];
}

static int world_route(void *arg, const struct xlb_addr *addr, struct world_route *ret)
{
	struct engine *engine = arg;
	struct host_route route;
	struct xlb_err ignored;
	int r;

	r = host_route(engine->host, addr, &route, &ignored);
	if (r)
		return r;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->ifname, route.ifname, sizeof(ret->ifname));
	ret->ifindex = route.ifindex;
	ret->next = addr_is_set(&route.gateway) ? route.gateway : *addr;
	ret->source = route.source;
	ret->local = route.local;
	return 0;
}

static int world_neighbour(void *arg, uint32_t ifindex, const struct xlb_addr *addr,
			   uint8_t ret_mac[6])
{
	struct engine *engine = arg;

	return host_neighbour(engine->host, ifindex, addr, ret_mac);
}

static bool world_owns_address(void *arg, const struct xlb_addr *addr)
{
	struct engine *engine = arg;

	return host_owns_address(engine->host, addr);
}

static uint8_t world_on_link(void *arg, const char *ifname, const struct xlb_addr *addr)
{
	struct engine *engine = arg;

	return host_on_link(engine->host, ifname, addr);
}

static int world_networks_anew(void *arg, const char *path, const struct prefix_list **ret,
			       struct xlb_err *err)
{
	return engine_networks(arg, path, true, ret, err);
}

static int world_networks(void *arg, const char *path, const struct prefix_list **ret,
			  struct xlb_err *err)
{
	return engine_networks(arg, path, false, ret, err);
}

static int world_tls_file_anew(void *arg, const struct tls_file_name *name, struct tls_file *ret,
			       struct xlb_err *err)
{
	return engine_tls_file(arg, name, true, ret, err);
}

static int world_tls_file(void *arg, const struct tls_file_name *name, struct tls_file *ret,
			  struct xlb_err *err)
{
	return engine_tls_file(arg, name, false, ret, err);
}

static int world_tls_engine(void *arg, struct xlb_err *err)
{
	(void)arg;
	return haproxy_find(err);
}

static enum health world_health(void *arg, const char *group, const char *server,
				const struct xlb_addr *addr)
{
	struct engine *engine = arg;
	const struct server_group *configured = model_group(engine->model, group);
	enum health health;

	if (!checker_health(engine->checker, group, server, addr, &health))
		return health;
	/* not checked: because the group wants none, or because the checker has not heard of it yet */
	return configured && configured->health_check.type == CHECK_NONE ? HEALTH_UP :
									   HEALTH_INITIAL;
}

static bool world_group_ever_up(void *arg, const char *group)
{
	struct engine *engine = arg;

	return checker_group_ever_up(engine->checker, group);
}

static uint64_t world_served(void *arg, uint32_t server)
{
	return engine_served(arg, server);
}

/* True if a socket bound like this would take packets to `addr`. */
static bool socket_covers(const struct host_socket *socket, const struct xlb_addr *addr)
{
	return !addr_is_set(&socket->addr) || addr_equal(&socket->addr, addr);
}

/* Those of what ends TLS for xlb are not others'. */
static void drop_own_sockets(struct engine *engine)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < engine->socket_count; i++) {
		const struct host_socket *socket = &engine->sockets[i];

		if (strcmp(socket->process, "haproxy") != 0 ||
		    !haproxy_owns(engine->haproxy, (pid_t)socket->pid))
			engine->sockets[kept++] = *socket;
	}
	engine->socket_count = kept;
}

/* Reading them walks /proc: once per change is enough. */
static void read_sockets(struct engine *engine)
{
	struct xlb_err err;

	if (engine->sockets_read)
		return;
	free(TAKE(engine->sockets));
	engine->socket_count = 0;
	if (host_sockets(&engine->sockets, &engine->socket_count, &err))
		log_warning("cannot see which ports the host uses: %s", err.text);
	drop_own_sockets(engine);
	engine->sockets_read = true;
}

static const struct port_list *world_host_ports(void *arg, const struct xlb_addr *addr,
						uint32_t protocol)
{
	struct engine *engine = arg;
	struct port_list *list = &engine->host_ports;
	struct port_range *ranges;
	uint32_t i;

	read_sockets(engine);
	ranges = realloc(list->ranges, (engine->socket_count + 1) * sizeof(*ranges));
	if (!ranges)
		return NULL;
	list->ranges = ranges;
	list->count = 0;
	ranges[list->count++] = host_ephemeral_ports();
	for (i = 0; i < engine->socket_count; i++) {
		const struct host_socket *socket = &engine->sockets[i];

		if (socket->protocol == protocol && socket_covers(socket, addr))
			ranges[list->count++] =
				(struct port_range){ socket->port_h, socket->port_h };
	}
	return list;
}

struct world engine_world(struct engine *engine, bool strict, bool cut_now)
{
	return (struct world){
		.arg = engine,
		.link = world_link,
		.below_vlans = world_below_vlans,
		.route = world_route,
		.neighbour = world_neighbour,
		.owns_address = world_owns_address,
		.on_link = world_on_link,
		.host_ports = world_host_ports,
		.networks = strict ? world_networks_anew : world_networks,
		.tls_file = strict ? world_tls_file_anew : world_tls_file,
		.tls_engine = world_tls_engine,
		.health = world_health,
		.group_ever_up = world_group_ever_up,
		.served = world_served,
		.now = engine_now(),
		.strict = strict,
		.cut_now = cut_now,
	};
}

/* Ranges and `any` go around what the host uses. */
static bool wants_port(const struct listener *listener, uint16_t port_h)
{
	const struct port_list *list = &listener->port;

	for (uint32_t i = 0; i < list->count; i++)
		if (list->ranges[i].from == port_h && list->ranges[i].to == port_h)
			return true;
	return false;
}

/* One listener of one VIP against every socket. */
static int check_listener(const struct engine *engine, const struct load_balancer *lb,
			  const struct listener *listener, const struct xlb_addr *addr,
			  struct xlb_err *err)
{
	char text[ADDR_TEXT_MAX];
	uint32_t i;

	for (i = 0; i < engine->socket_count; i++) {
		const struct host_socket *socket = &engine->sockets[i];

		if (socket->protocol != listener_transport(listener) ||
		    !socket_covers(socket, addr) || !wants_port(listener, socket->port_h))
			continue;
		format_addr(addr, text);
		xlb_err_set(err, XLB_ERR_CONFIG, -EADDRINUSE,
			    "listener %s/%s: %s%s and %s%s%s listens on its %s port %u",
			    lb->object.name, listener->object.name, text,
			    host_owns_address(engine->host, addr) ?
				    " is this host's own address" :
				    " is where HAProxy is to listen",
			    socket->process[0] ? "\"" : "",
			    socket->process[0] ? socket->process : "a process",
			    socket->process[0] ? "\"" : "",
			    listener->protocol == IPPROTO_UDP ? "UDP" : "TCP", socket->port_h);
		snprintf(err->pointer, sizeof(err->pointer), "/load_balancers/%s/listeners/%s/port",
			 lb->object.name, listener->object.name);
		xlb_err_hint(err,
			     "use another port or address, or --force to take it from the host");
		return -EADDRINUSE;
	}
	return 0;
}

static int check_lb(struct engine *engine, const struct load_balancer *lb, struct xlb_err *err)
{
	const struct object *object;
	int r = 0;

	for (uint32_t i = 0; i < lb->addresses.count; i++) {
		const struct xlb_addr *addr = &lb->addresses.addrs[i];
		bool own = host_owns_address(engine->host, addr);

		TAILQ_FOREACH(object, &lb->listeners, link) {
			const struct listener *listener = (const struct listener *)object;

			if (r || !listener->enabled || (!own && !listener_is_tls(listener)))
				continue;
			read_sockets(engine);
			r = check_listener(engine, lb, listener, addr, err);
		}
	}
	return r;
}

int engine_check_host_ports(struct engine *engine, const struct model *model, struct xlb_err *err)
{
	const struct object *object;
	int r = 0;

	TAILQ_FOREACH(object, &model->load_balancers, link) {
		const struct load_balancer *lb = (const struct load_balancer *)object;

		if (!r && lb->enabled)
			r = check_lb(engine, lb, err);
	}
	return r;
}
