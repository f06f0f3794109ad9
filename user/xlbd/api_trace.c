// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* GET /v1/trace: a packet made up, sent through a dry run of the program on the live maps. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "xlbd/api_query.h"
#include "xlbd/api_trace.h"

#define CLIENT_PORT 40000 /* where none is given */
#define EVENTS_MAX  4
#define LIVE_SNAP   PACKET_FRAME_MAX

const char *const trace_options[] = { "client", "vip", "protocol", "interface", "flags", NULL };

/* --- what is asked for --------------------------------------------------------------------------- */

static int read_end(const struct call *call, const char *name, struct xlb_addr *ret_addr,
		    uint16_t *ret_port_h, bool *ret_has_port, struct xlb_err *err)
{
	const char *text = query_text(call, name);

	if (text && !parse_addr_port(text, ret_addr, ret_port_h, ret_has_port))
		return 0;
	if (!text)
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "query option %s is missing: ADDRESS or ADDRESS:PORT", name);
	xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
		    "%s is '%.64s': ADDRESS or ADDRESS:PORT is accepted, IPv6 with a port as "
		    "[2001:db8::1]:80",
		    name, text);
	return -EINVAL;
}

static int read_protocol(const struct call *call, struct packet_info *packet, struct xlb_err *err)
{
	const char *protocol = query_text(call, "protocol"), *flags = query_text(call, "flags");

	if (!protocol || !strcmp(protocol, "tcp"))
		packet->protocol = IPPROTO_TCP;
	else if (!strcmp(protocol, "udp"))
		packet->protocol = IPPROTO_UDP;
	else if (!strcmp(protocol, "icmp"))
		packet->protocol = addr_family(&packet->source) == XLB_IPV4 ? IPPROTO_ICMP :
									      IPPROTO_ICMPV6;
	else
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "protocol is '%.32s': tcp, udp or icmp is accepted", protocol);
	packet->has_ports = packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP;
	if (packet->protocol == IPPROTO_TCP)
		packet->tcp_flags = PACKET_SYN;
	if (flags &&
	    (packet->protocol != IPPROTO_TCP || packet_flags_parse(flags, &packet->tcp_flags)))
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "flags are '%.32s': of tcp only, a list of SYN, ACK, FIN, RST, "
				   "PSH like SYN,ACK is accepted",
				   flags);
	return 0;
}

static bool is_attached(struct engine *engine, const char *ifname)
{
	struct attachment_info info;

	return !datapath_attachment(engine_datapath(engine), ifname, &info);
}

/* The NIC that is named, the one that the route to the client leaves by, or the first attached. */
static int choose_interface(const struct call *call, struct trace_request *ret, struct xlb_err *err)
{
	struct engine *engine = call->api->engine;
	const char *name = query_text(call, "interface");
	const struct object *object;
	struct host_route route;
	struct host_link link;
	int r;

	if (!name && !host_route(engine_host(engine), &ret->packet.source, &route, err) &&
	    is_attached(engine, route.ifname))
		name = route.ifname;
	TAILQ_FOREACH(object, &engine_model(engine)->interfaces, link)
		if (!name && is_attached(engine, object->name))
			name = object->name;
	if (!name) {
		xlb_err_set(err, XLB_ERR_CONFLICT, -ENODEV,
			    "no interface is attached: no packet reaches xlb");
		xlb_err_hint(err, "xlbctl attach IFACE");
		return -ENODEV;
	}
	r = host_link(engine_host(engine), name, &link, err);
	if (!r && !is_attached(engine, name)) {
		r = xlb_err_set(err, XLB_ERR_CONFLICT, -ENODEV,
				"%s is not attached: its packets do not reach xlb", name);
		xlb_err_hint(err, "xlbctl attach %s", name);
	}
	if (r)
		return r;
	memcpy(ret->interface, link.name, sizeof(ret->interface));
	ret->ifindex = link.ifindex;
	return 0;
}

/* Of TCP and UDP a packet that is made up needs the port of the VIP; ICMP has none at all. */
static int check_ports(const struct packet_info *packet, bool live, bool client_port, bool port,
		       struct xlb_err *err)
{
	if (!packet->has_ports && (client_port || port))
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "%s has a port, which icmp has not: ADDRESS is accepted",
				   port ? "vip" : "client");
	if (packet->has_ports && !live && !port)
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "vip has no port: ADDRESS:PORT is wanted");
	return 0;
}

static void watch_end(struct xlb_watch_end *end, const struct xlb_addr *addr, bool has_port,
		      uint16_t port_h)
{
	end->addr = *addr;
	memset(&end->mask, 0xff, sizeof(end->mask));
	if (has_port)
		end->port = htons(port_h);
}

int trace_request_read(struct call *call, bool live, struct trace_request *ret, struct xlb_err *err)
{
	struct packet_info *packet = &ret->packet;
	bool client_port, port;
	int r;

	*ret = (struct trace_request){};
	r = read_end(call, "client", &packet->source, &packet->source_port_h, &client_port, err);
	if (!r)
		r = read_end(call, "vip", &packet->destination, &packet->destination_port_h, &port,
			     err);
	if (!r)
		r = read_protocol(call, packet, err);
	if (r)
		return r;
	packet->family = addr_family(&packet->source);
	if (packet->family != addr_family(&packet->destination))
		return xlb_err_set(err, XLB_ERR_USAGE, -EINVAL,
				   "client and vip are of different address families");
	r = check_ports(packet, live, client_port, port, err);
	if (r)
		return r;
	ret->watch.set = XLB_WATCH_ACTIVE | XLB_WATCH_ENDS | XLB_WATCH_PROTOCOL;
	ret->watch.snap = LIVE_SNAP;
	ret->watch.protocol = packet->protocol;
	watch_end(&ret->watch.ends[0], &packet->source, client_port, packet->source_port_h);
	watch_end(&ret->watch.ends[1], &packet->destination, port, packet->destination_port_h);
	if (packet->has_ports && !client_port)
		packet->source_port_h = CLIENT_PORT;
	return live ? 0 : choose_interface(call, ret, err);
}

/* --- the dry run --------------------------------------------------------------------------------- */

/* A call that waits for the variant. */
struct dry_trace {
	struct call *call;
	struct trace_request request;
	json_t *json;
};

static void dry_trace_free(void *job)
{
	struct dry_trace *trace = job;

	watcher_dry_forget(trace->call->api->watcher, trace);
	json_decref(trace->json);
	free(trace);
}

static void take_event(void *arg, const struct xlb_event *event, const uint8_t *data)
{
	struct dry_trace *dry = arg;
	struct trace trace = { .dry_run = true };

	/* a packet that fails after it was decided is told again, as dropped: the last word counts */
	if (event->stage != XLB_EVENT_BEFORE)
		return;
	trace_read(&trace, dry->call->api->engine, event, data);
	json_decref(dry->json);
	dry->json = trace_json(&trace);
}

static void run(void *arg, struct variant *variant, const struct xlb_err *failed)
{
	static const struct xlb_watch all = { .set = XLB_WATCH_ACTIVE, .snap = PACKET_FRAME_MAX };
	static const uint8_t sender[6] = { 2 };
	struct dry_trace *dry = arg;
	struct call *call = dry->call;
	uint8_t frame[PACKET_FRAME_MAX];
	struct host_link link;
	struct xlb_err err = {};
	uint32_t action;
	size_t size;
	int r;

	if (!variant) {
		call_reply_err(call, failed);
		return;
	}
	variant_watch(variant, 0, &all);
	r = host_link(engine_host(call->api->engine), dry->request.interface, &link, &err);
	if (!r) {
		size = packet_build(&dry->request.packet, link.mac, sender, frame);
		r = variant_run(variant, dry->request.ifindex, frame, size, &action, &err);
	}
	if (!r)
		variant_read(variant, EVENTS_MAX, take_event, dry);
	if (!r && !dry->json)
		r = xlb_err_set(
			&err, XLB_ERR_FAILED, -EIO,
			"the datapath does not know %s yet: it passes every packet to the host",
			dry->request.interface);
	if (r)
		call_reply_err(call, &err);
	else
		call_reply_json(call, TAKE(dry->json));
}

void api_trace(struct call *call)
{
	struct dry_trace *dry = calloc(1, sizeof(*dry));
	struct xlb_err err = {};
	int r;

	if (!dry) {
		call_reply_no_memory(call);
		return;
	}
	dry->call = call;
	call->job = dry;
	call->job_free = dry_trace_free;
	r = trace_request_read(call, false, &dry->request, &err);
	if (!r)
		r = watcher_dry_run(call->api->watcher, run, dry, &err);
	if (r)
		call_reply_err(call, &err);
}
