// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An event of the datapath in words: one row a step, in the order in which the datapath takes them. */
#include <netinet/in.h>
#include <string.h>

#include "base/words.h"
#include "xlb/lifetime.h"
#include "xlbd/api_security.h"
#include "xlbd/api_trace.h"

#define TEXT_MAX 512

static const char *name_of(const struct trace *trace, enum id_kind kind, uint32_t id,
			   char ret[ID_KEY_MAX])
{
	return ids_name(engine_ids(trace->engine), kind, id, ret);
}

static bool is_forwarded(const struct trace *trace)
{
	return trace->event->verdict == XLB_VERDICT_TX ||
	       trace->event->verdict == XLB_VERDICT_REDIRECT;
}

/* True of what is asked for by address and port: TCP and UDP, but not a ping. */
static bool has_listener(const struct trace *trace)
{
	return trace->came.protocol == IPPROTO_TCP || trace->came.protocol == IPPROTO_UDP;
}

static const struct load_balancer *owner_of(const struct trace *trace, const struct xlb_addr *vip)
{
	const struct object *object;
	uint32_t i;

	TAILQ_FOREACH(object, &engine_model(trace->engine)->load_balancers, link) {
		const struct load_balancer *lb = (const struct load_balancer *)object;

		for (i = 0; i < lb->addresses.count; i++)
			if (addr_equal(&lb->addresses.addrs[i], vip))
				return lb;
	}
	return NULL;
}

/* Every step: fills text, "" if the packet did not get there. */
static void step_interface(const struct trace *trace, char text[TEXT_MAX])
{
	char name[ID_KEY_MAX];

	snprintf(text, TEXT_MAX, "in by %s",
		 name_of(trace, ID_INTERFACE, trace->event->link, name));
}

static void step_role(const struct trace *trace, char text[TEXT_MAX])
{
	char address[ADDR_TEXT_MAX];
	const struct load_balancer *lb;

	format_addr(&trace->came.destination, address);
	if (trace->event->snat && !trace->event->vip) {
		snprintf(text, TEXT_MAX, "%s is a SNAT address%s", address,
			 has_listener(trace) ? ": a reply of a server" : "");
	} else if (!trace->event->vip && trace->event->found & XLB_FOUND_REPLY) {
		snprintf(text, TEXT_MAX, "%s is a client's address: a reply of a server to it",
			 address);
	} else if (trace->event->vip) {
		lb = owner_of(trace, &trace->came.destination);
		snprintf(text, TEXT_MAX, "%s is a VIP of load balancer %s", address,
			 lb ? lb->object.name : "that was removed");
	} else {
		snprintf(text, TEXT_MAX, "%s is no address of xlb's", address);
	}
}

static void step_flow(const struct trace *trace, char text[TEXT_MAX])
{
	uint64_t live = trace->event->flow;
	uint32_t age = xlb_flow_age(datapath_stamp(), (uint32_t)xlb_get(live, XLB_LIVE_STAMP));

	if (!(trace->event->found & XLB_FOUND_FLOW) &&
	    (!has_listener(trace) || (!trace->event->vip && !trace->event->snat)))
		return;
	if (!(trace->event->found & XLB_FOUND_FLOW))
		snprintf(text, TEXT_MAX, "none");
	else
		snprintf(text, TEXT_MAX, "%s, last packet about %u s ago%s",
			 flow_state_word((uint32_t)xlb_get(live, XLB_LIVE_STATE)),
			 (uint32_t)(((uint64_t)age << XLB_STAMP_SHIFT) / 1000000000),
			 trace->event->found & XLB_FOUND_NEW ? "; over, a new one begins" : "");
}

/* "tcp 80, udp 10000-20000": what the load balancer does listen on. */
static void put_ports(const struct load_balancer *lb, FILE *out)
{
	const struct object *object;
	const char *separator = "";
	uint32_t i;

	TAILQ_FOREACH(object, &lb->listeners, link) {
		const struct listener *listener = (const struct listener *)object;

		fprintf(out, "%s%s ", separator,
			listener_is_tls(listener)	  ? "tls" :
			listener->protocol == IPPROTO_TCP ? "tcp" :
							    "udp");
		for (i = 0; i < listener->port.count; i++) {
			const struct port_range *range = &listener->port.ranges[i];

			if (range->from == range->to)
				fprintf(out, "%s%u", i ? "," : "", range->from);
			else
				fprintf(out, "%s%u-%u", i ? "," : "", range->from, range->to);
		}
		if (!listener->enabled)
			fputs(" (disabled)", out);
		separator = ", ";
	}
}

static void step_listener(const struct trace *trace, char text[TEXT_MAX])
{
	const struct load_balancer *lb = owner_of(trace, &trace->came.destination);
	AUTO_FREE char *ports = NULL;
	char name[ID_KEY_MAX];
	size_t size;
	FILE *out;

	if (trace->event->listener) {
		snprintf(text, TEXT_MAX, "%s",
			 name_of(trace, ID_LISTENER, trace->event->listener, name));
		return;
	}
	if (!trace->event->vip || !has_listener(trace))
		return;
	out = open_memstream(&ports, &size);
	if (out && lb)
		put_ports(lb, out);
	if (out)
		fclose(out);
	snprintf(text, TEXT_MAX, "none has %s port %u%s%s",
		 trace->came.protocol == IPPROTO_TCP ? "tcp" : "udp",
		 trace->came.destination_port_h, ports && *ports ? "; there are " : "",
		 ports ? ports : "");
}

/* Rules judge packets that start a flow. */
static void step_rule(const struct trace *trace, char text[TEXT_MAX])
{
	const struct packet_info *came = &trace->came;
	struct xlb_flow_key key = {
		.client = came->source,
		.port = htons(came->destination_port_h),
		.protocol = came->protocol,
		.family = came->family,
	};
	char listener[ID_KEY_MAX];

	if (!trace->event->listener || trace->event->found & XLB_FOUND_FLOW)
		return;
	name_of(trace, ID_LISTENER, trace->event->listener, listener);
	security_text(trace->engine, listener, &key, text, TEXT_MAX);
}

/* True if the packet's listener does not name the group itself. */
static bool is_fallback(const struct trace *trace, const char *group)
{
	char name[ID_KEY_MAX], *slash;
	const struct load_balancer *lb;
	const struct object *listener;

	name_of(trace, ID_LISTENER, trace->event->listener, name);
	slash = strchr(name, '/');
	if (!slash)
		return false;
	*slash = '\0';
	lb = model_lb(engine_model(trace->engine), name);
	listener = lb ? object_find(&lb->listeners, slash + 1) : NULL;
	return listener && !listener_names((const struct listener *)listener, group);
}

/* How a slot, or a row of servers, of the group's table was come by. */
static void say_slot(const struct trace *trace, char text[TEXT_MAX])
{
	const struct xlb_event *event = trace->event;
	char name[ID_KEY_MAX];
	const struct server_group *group = model_group(
		engine_model(trace->engine), name_of(trace, ID_GROUP, event->group, name));
	const char *fallback = is_fallback(trace, name) ? ", a fallback" : "";

	/* no name of a group begins so */
	if (*name == '(') {
		snprintf(text, TEXT_MAX, "HAProxy, which ends TLS on this host");
		return;
	}
	if (group && group->scheduler == SCHEDULER_WLC)
		snprintf(text, TEXT_MAX,
			 "wlc, the fewest flows for its weight in row %u of %u of group %s%s",
			 event->maglev_slot / XLB_ROW_SERVERS, XLB_ROWS, name, fallback);
	else
		snprintf(text, TEXT_MAX, "%s, slot %u of %u of group %s%s%s",
			 !group || group->scheduler == SCHEDULER_MAGLEV ? "maglev" :
			 group->scheduler == SCHEDULER_WRR		? "wrr" :
									  "rr",
			 event->maglev_slot, XLB_MAGLEV_SLOTS, name, fallback,
			 event->found & XLB_FOUND_ID ? ", by the connection id" :
			 group && group->scheduler == SCHEDULER_MAGLEV &&
					 group->hash == HASH_SOURCE ?
						       ", by the source address" :
						       "");
}

static void step_scheduler(const struct trace *trace, char text[TEXT_MAX])
{
	char name[ID_KEY_MAX];

	if (trace->event->found & XLB_FOUND_NAMED)
		snprintf(text, TEXT_MAX, "the connection id names the server");
	else if (trace->event->found & XLB_FOUND_OWNER)
		snprintf(text, TEXT_MAX, "the server was seen to choose the connection id");
	else if (trace->event->found & XLB_FOUND_KEPT)
		snprintf(text, TEXT_MAX,
			 "affinity: the source address is with the server in group %s",
			 name_of(trace, ID_GROUP, trace->event->group, name));
	else if (trace->event->found & XLB_FOUND_SLOT)
		say_slot(trace, text);
	else if (trace->event->group)
		snprintf(text, TEXT_MAX, "group %s has no table for IPv%u: no server can be chosen",
			 name_of(trace, ID_GROUP, trace->event->group, name), trace->came.family);
}

static void step_server(const struct trace *trace, char text[TEXT_MAX])
{
	char name[ID_KEY_MAX], *slash, *at;
	struct check_status status;
	struct xlb_addr addr;
	uint32_t used;

	if (!trace->event->server)
		return;
	name_of(trace, ID_SERVER, trace->event->server, name);
	used = (uint32_t)snprintf(text, TEXT_MAX, "%s", name);
	slash = strchr(name, '/');
	at = slash ? strchr(slash, '@') : NULL;
	if (!at || parse_addr(at + 1, &addr))
		return;
	*slash = *at = '\0';
	if (!checker_status(engine_checker(trace->engine), name, slash + 1, &addr, &status))
		snprintf(text + used, TEXT_MAX - used, ", %s%s%s", health_word(status.health),
			 status.reason[0] ? ": " : "", status.reason);
}

/* The server's row, all zero if it is gone. */
static struct xlb_server server_row(const struct trace *trace)
{
	const struct id_entry *entry =
		ids_by_id(engine_ids(trace->engine), ID_SERVER, trace->event->server);
	struct xlb_server row = {};

	if (entry)
		memcpy(&row, entry->frozen, sizeof(row));
	return row;
}

static void step_rewrite(const struct trace *trace, char text[TEXT_MAX])
{
	bool begins = trace->dry_run && trace->event->found & XLB_FOUND_NEW;
	bool snat = !addr_equal(&trace->leaves.source, &trace->came.source);
	char packet[PACKET_TEXT_MAX], server[ADDR_TEXT_MAX];
	struct xlb_server row = server_row(trace);

	if (!is_forwarded(trace))
		return;
	packet_format(&trace->leaves, packet);
	format_addr(&row.addr, server);
	if (xlb_mode_has(row.mode, XLB_MODE_ENCAP))
		snprintf(text, TEXT_MAX, "%s, in an outer header (%s) to %s", packet,
			 encapsulation_word(row.encapsulation), server);
	else if (xlb_mode_has(row.mode, XLB_MODE_DIRECT))
		snprintf(text, TEXT_MAX, "%s, as it came, to the MAC address of %s", packet,
			 server);
	else
		snprintf(text, TEXT_MAX, "%s%s", packet,
			 begins && snat ? " (the SNAT port: any free one of the pool)" : "");
}

static void step_next_hop(const struct trace *trace, char text[TEXT_MAX])
{
	char name[ID_KEY_MAX], ifname[IFNAMSIZ] = "", *slash;
	const struct xlb_event *event = trace->event;
	struct xlb_err ignored;
	struct host_link link;
	struct xlb_addr addr;
	uint8_t mac[6];

	if (event->found & XLB_FOUND_REPLY && is_forwarded(trace)) {
		snprintf(text, TEXT_MAX, "back where the client's packets come from, out by %s",
			 name_of(trace, ID_INTERFACE, event->egress_link, name));
		return;
	}
	if (!event->nexthop) {
		if (event->server && event->reason == XLB_DROP_NO_NEIGHBOUR)
			snprintf(text, TEXT_MAX, "there is no route to the server");
		return;
	}
	name_of(trace, ID_NEXTHOP, event->nexthop, name);
	slash = strchr(name, '/');
	if (!slash || slash - name >= IFNAMSIZ || parse_addr(slash + 1, &addr))
		return;
	memcpy(ifname, name, (size_t)(slash - name));
	if (host_link(engine_host(trace->engine), ifname, &link, &ignored) ||
	    host_neighbour(engine_host(trace->engine), link.ifindex, &addr, mac))
		snprintf(text, TEXT_MAX, "%s on %s: its MAC address is not known", slash + 1,
			 ifname);
	else
		snprintf(text, TEXT_MAX, "%s on %s, %02x:%02x:%02x:%02x:%02x:%02x, MTU %u",
			 slash + 1, ifname, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
			 link.mtu);
}

static void step_verdict(const struct trace *trace, char text[TEXT_MAX])
{
	const struct xlb_event *event = trace->event;
	char name[ID_KEY_MAX];

	if (event->reason)
		snprintf(text, TEXT_MAX, "%s, %s: %s", verdict_word(event->verdict),
			 reason_word(event->reason), reason_meaning(event->reason));
	else if (is_forwarded(trace))
		snprintf(text, TEXT_MAX, "%s, out by %s", verdict_word(event->verdict),
			 name_of(trace, ID_INTERFACE, event->egress_link, name));
	else if (event->verdict == XLB_VERDICT_ICMP)
		snprintf(text, TEXT_MAX, "%s, the answer to a ping", verdict_word(event->verdict));
	else if (xlb_mode_has(server_row(trace).mode, XLB_MODE_HOST))
		snprintf(text, TEXT_MAX, "%s, given to the host, which is the server",
			 verdict_word(event->verdict));
	else
		snprintf(text, TEXT_MAX, "%s to the host", verdict_word(event->verdict));
}

static const struct {
	const char *word;
	void (*step)(const struct trace *trace, char text[TEXT_MAX]);
} steps[] = {
	{ "interface", step_interface }, { "role", step_role },
	{ "flow", step_flow },		 { "listener", step_listener },
	{ "rule", step_rule },		 { "scheduler", step_scheduler },
	{ "server", step_server },	 { "rewrite", step_rewrite },
	{ "next_hop", step_next_hop },	 { "verdict", step_verdict },
};

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

void trace_read(struct trace *trace, struct engine *engine, const struct xlb_event *event,
		const uint8_t *data)
{
	trace->engine = engine;
	trace->event = event;
	packet_read(data, event->captured, &trace->came);
	trace->leaves = trace->came;
	if (!is_forwarded(trace)) {
		trace->leaves.family = 0;
		return;
	}
	trace->leaves.source = event->new_source;
	trace->leaves.destination = event->new_destination;
	trace->leaves.family = addr_family(&event->new_destination);
	trace->leaves.source_port_h = ntohs(event->new_source_port);
	trace->leaves.destination_port_h = ntohs(event->new_destination_port);
}

json_t *trace_json(const struct trace *trace)
{
	char packet[PACKET_TEXT_MAX], leaves[PACKET_TEXT_MAX] = "", listener[ID_KEY_MAX],
				      server[ID_KEY_MAX];
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		char text[TEXT_MAX] = "";

		steps[i].step(trace, text);
		if (text[0])
			json_array_append_new(list, json_pack("{s:s, s:s}", "step", steps[i].word,
							      "text", text));
	}
	packet_format(&trace->came, packet);
	if (trace->leaves.family)
		packet_format(&trace->leaves, leaves);
	name_of(trace, ID_LISTENER, trace->event->listener, listener);
	name_of(trace, ID_SERVER, trace->event->server, server);
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:s?, s:s?}", "packet", packet, "rewritten",
			 text_or_null(leaves), "listener", text_or_null(listener), "server",
			 text_or_null(server), "steps", list, "verdict",
			 verdict_word(trace->event->verdict), "reason",
			 reason_word(trace->event->reason));
}
