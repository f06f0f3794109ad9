/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Duplicate detection and announcement of a VIP on its link, by whole frames over packet sockets: the
 * address is not the host's (yet), so the kernel would not send for it. The XDP program passes ARP and
 * neighbour discovery to the stack, and so to these sockets.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "sys/host_private.h"

#define PROBES	  3
#define HOP_LIMIT 255 /* neighbour discovery takes nothing that was routed */

struct arp_frame {
	struct ether_header ethernet;
	struct ether_arp arp;
};

struct nd_option {
	uint8_t type, units; /* of 8 bytes */
	uint8_t mac[6];
};

/* Solicitation and advertisement have the same layout. */
struct nd_message {
	struct icmp6_hdr icmp;
	struct in6_addr target;
	struct nd_option option;
};

struct nd_frame {
	struct ether_header ethernet;
	struct ip6_hdr ip;
	struct nd_message message;
} __attribute__((packed)); /* an Ethernet header is 14 bytes long */

/* A packet socket on one interface. */
struct port {
	char ifname[IFNAMSIZ];
	uint16_t protocol; /* ETHERTYPE_* */
	int r;		   /* why it could not be opened */
	int fd;
	int ifindex;
	uint8_t mac[6];
	bool ethernet; /* someone else could be there */
};

static void port_close(struct port *port)
{
	if (port->fd >= 0)
		close(port->fd);
}

/* Of all IPv6 frames only neighbour advertisements: the rest may be millions a second. */
static int filter_advertisements(int fd)
{
	static const uint32_t next_header =
		sizeof(struct ether_header) + offsetof(struct ip6_hdr, ip6_nxt);
	static const uint32_t type = sizeof(struct ether_header) + sizeof(struct ip6_hdr);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, next_header),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, type),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ND_NEIGHBOR_ADVERT, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) ? -errno : 0;
}

static int read_interface(struct port *port, const char *ifname)
{
	struct ifreq request = {};

	strncpy(request.ifr_name, ifname, IFNAMSIZ - 1);
	if (ioctl(port->fd, SIOCGIFINDEX, &request))
		return -errno;
	port->ifindex = request.ifr_ifindex;
	if (ioctl(port->fd, SIOCGIFFLAGS, &request))
		return -errno;
	port->ethernet = !(request.ifr_flags & IFF_NOARP);
	if (ioctl(port->fd, SIOCGIFHWADDR, &request))
		return -errno;
	port->ethernet = port->ethernet && request.ifr_hwaddr.sa_family == ARPHRD_ETHER;
	memcpy(port->mac, request.ifr_hwaddr.sa_data, sizeof(port->mac));
	return 0;
}

/* `listen`: take answers of the protocol; bound last, so that nothing comes in before the filter. */
static int port_open(const char *ifname, uint16_t protocol, bool listen, struct port *port)
{
	struct sockaddr_ll self = { .sll_family = AF_PACKET };
	int r;

	*port = (struct port){ .fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
			       .protocol = protocol };
	snprintf(port->ifname, sizeof(port->ifname), "%s", ifname);
	if (port->fd < 0)
		return -errno;
	r = read_interface(port, ifname);
	if (!r && listen && protocol == ETHERTYPE_IPV6)
		r = filter_advertisements(port->fd);
	if (r)
		return r;
	self.sll_ifindex = port->ifindex;
	self.sll_protocol = listen ? htons(protocol) : 0;
	return bind(port->fd, (struct sockaddr *)&self, sizeof(self)) ? -errno : 0;
}

static int port_send(const struct port *port, const void *frame, size_t size)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = port->ifindex };

	return sendto(port->fd, frame, size, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno :
											  0;
}

/* Asks for `addr`; the sender's address is zero in a probe, `addr` itself in an announcement. */
static struct arp_frame arp_request(const struct port *port, const struct xlb_addr *addr,
				    bool announce)
{
	struct arp_frame frame = {
		.ethernet = {.ether_type = htons(ETHERTYPE_ARP)},
		.arp.ea_hdr = {
			.ar_hrd = htons(ARPHRD_ETHER),
			.ar_pro = htons(ETHERTYPE_IP),
			.ar_hln = 6,
			.ar_pln = 4,
			.ar_op = htons(ARPOP_REQUEST),
		},
	};

	memset(frame.ethernet.ether_dhost, 0xff, sizeof(frame.ethernet.ether_dhost));
	memcpy(frame.ethernet.ether_shost, port->mac, sizeof(port->mac));
	memcpy(frame.arp.arp_sha, port->mac, sizeof(port->mac));
	memcpy(frame.arp.arp_tpa, addr->bytes + 12, 4);
	if (announce)
		memcpy(frame.arp.arp_spa, addr->bytes + 12, 4);
	return frame;
}

uint32_t host_sum(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

uint16_t host_sum_finish(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The checksum of ICMPv6 covers source, destination, length and next header as well (RFC 8200 8.1). */
static uint16_t icmp6_checksum(const struct ip6_hdr *ip, const void *message, size_t size)
{
	uint32_t sum = (uint32_t)size + IPPROTO_ICMPV6;

	sum = host_sum(sum, &ip->ip6_src, sizeof(ip->ip6_src));
	sum = host_sum(sum, &ip->ip6_dst, sizeof(ip->ip6_dst));
	sum = host_sum(sum, message, size);
	return host_sum_finish(sum);
}

/* Fills Ethernet and IPv6 header and the checksum of a frame whose message and addresses stand. */
static size_t nd_finish(const struct port *port, struct nd_frame *frame, size_t message_size)
{
	const uint8_t *group = frame->ip.ip6_dst.s6_addr;
	struct nd_message message = frame->message;
	struct ip6_hdr ip = frame->ip;

	frame->ethernet.ether_type = htons(ETHERTYPE_IPV6);
	memcpy(frame->ethernet.ether_shost, port->mac, sizeof(port->mac));
	frame->ethernet.ether_dhost[0] = frame->ethernet.ether_dhost[1] = 0x33;
	memcpy(frame->ethernet.ether_dhost + 2, group + 12, 4);
	ip.ip6_flow = htonl(6U << 28);
	ip.ip6_plen = htons((uint16_t)message_size);
	ip.ip6_nxt = IPPROTO_ICMPV6;
	ip.ip6_hlim = HOP_LIMIT;
	message.icmp.icmp6_cksum = icmp6_checksum(&ip, &message, message_size);
	frame->ip = ip;
	frame->message = message;
	return offsetof(struct nd_frame, message) + message_size;
}

/* A solicitation from the unspecified address carries no option. */
static size_t nd_probe(const struct port *port, const struct xlb_addr *addr, struct nd_frame *frame)
{
	static const uint8_t solicited_node[13] = { 0xff, 0x02, [11] = 0x01, [12] = 0xff };

	*frame = (struct nd_frame){ .message.icmp.icmp6_type = ND_NEIGHBOR_SOLICIT };
	memcpy(&frame->message.target, addr->bytes, 16);
	memcpy(frame->ip.ip6_dst.s6_addr, solicited_node, sizeof(solicited_node));
	memcpy(frame->ip.ip6_dst.s6_addr + 13, addr->bytes + 13, 3);
	return nd_finish(port, frame, offsetof(struct nd_message, option));
}

static size_t nd_announcement(const struct port *port, const struct xlb_addr *addr,
			      struct nd_frame *frame)
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 0x01 };

	*frame = (struct nd_frame){ .message.icmp.icmp6_type = ND_NEIGHBOR_ADVERT };
	frame->message.icmp.icmp6_data32[0] = ND_NA_FLAG_OVERRIDE;
	frame->message.option = (struct nd_option){ .type = ND_OPT_TARGET_LINKADDR, .units = 1 };
	memcpy(frame->message.option.mac, port->mac, sizeof(port->mac));
	memcpy(&frame->message.target, addr->bytes, 16);
	memcpy(&frame->ip.ip6_src, addr->bytes, 16);
	memcpy(&frame->ip.ip6_dst, all_nodes, sizeof(all_nodes));
	return nd_finish(port, frame, sizeof(struct nd_message));
}

/* Who says to have which address: true for an ARP packet or a neighbour advertisement. */
static bool arp_read(const void *data, size_t size, struct xlb_addr *ret_addr, uint8_t ret_mac[6])
{
	struct xlb_addr addr = { .bytes = { [10] = 0xff, [11] = 0xff } };
	struct arp_frame frame;

	if (size < sizeof(frame))
		return false;
	memcpy(&frame, data, sizeof(frame));
	if (frame.arp.ea_hdr.ar_pro != htons(ETHERTYPE_IP) || frame.arp.ea_hdr.ar_hln != 6)
		return false;
	memcpy(addr.bytes + 12, frame.arp.arp_spa, 4);
	*ret_addr = addr;
	memcpy(ret_mac, frame.arp.arp_sha, 6);
	return true;
}

static bool advert_read(const void *data, size_t size, struct xlb_addr *ret_addr,
			uint8_t ret_mac[6])
{
	struct nd_frame frame = {};

	if (size < offsetof(struct nd_frame, message.option))
		return false;
	memcpy(&frame, data, size < sizeof(frame) ? size : sizeof(frame));
	if (frame.ip.ip6_nxt != IPPROTO_ICMPV6 || frame.ip.ip6_hlim != HOP_LIMIT ||
	    frame.message.icmp.icmp6_type != ND_NEIGHBOR_ADVERT)
		return false;
	memcpy(ret_addr->bytes, &frame.message.target, 16);
	if (size >= sizeof(frame) && frame.message.option.type == ND_OPT_TARGET_LINKADDR)
		memcpy(ret_mac, frame.message.option.mac, 6);
	else
		memcpy(ret_mac, frame.ethernet.ether_shost, 6);
	return true;
}

/* The probes of one call and the sockets they share: one for each interface and family. */
struct probing {
	struct host_probe *probes;
	struct port **port; /* by probe */
	size_t count;
	struct port *ports;
	struct pollfd *polled; /* by port */
	size_t port_count;
	size_t hits;
};

static void note_owner(struct probing *probing, const struct port *port,
		       const struct xlb_addr *addr, const uint8_t mac[6])
{
	size_t i;

	for (i = 0; i < probing->count; i++) {
		struct host_probe *probe = &probing->probes[i];

		if (probing->port[i] != port || probe->r || !addr_equal(&probe->addr, addr))
			continue;
		probe->r = -EADDRINUSE;
		memcpy(probe->mac, mac, sizeof(probe->mac));
		probing->hits++;
	}
}

/* Takes the frames that wait at a socket. */
static void read_answers(struct probing *probing, const struct port *port)
{
	struct sockaddr_ll from;
	socklen_t from_size = sizeof(from);
	uint8_t frame[1514], mac[6];
	struct xlb_addr addr;
	ssize_t size;
	bool told;

	while ((size = recvfrom(port->fd, frame, sizeof(frame), 0, (struct sockaddr *)&from,
				&from_size)) >= 0) {
		from_size = sizeof(from);
		if (from.sll_pkttype == PACKET_OUTGOING)
			continue;
		told = port->protocol == ETHERTYPE_ARP ?
			       arp_read(frame, (size_t)size, &addr, mac) :
			       advert_read(frame, (size_t)size, &addr, mac);
		if (told && memcmp(mac, port->mac, sizeof(mac)))
			note_owner(probing, port, &addr, mac);
	}
}

/* Until a point in time, or until somebody has answered. */
static void wait_for_answers(struct probing *probing, int64_t until)
{
	int64_t left;
	size_t i;

	do {
		left = until - (int64_t)clock_ms(CLOCK_MONOTONIC);
		poll(probing->polled, probing->port_count, left > 0 ? (int)left : 0);
		for (i = 0; i < probing->port_count; i++)
			if (probing->polled[i].fd >= 0)
				read_answers(probing, &probing->ports[i]);
	} while (left > 0 && !probing->hits);
}

static int send_probe(const struct port *port, const struct xlb_addr *addr)
{
	struct arp_frame request;
	struct nd_frame solicitation;
	size_t size;

	if (addr_family(addr) == XLB_IPV4) {
		request = arp_request(port, addr, false);
		return port_send(port, &request, sizeof(request));
	}
	size = nd_probe(port, addr, &solicitation);
	return port_send(port, &solicitation, size);
}

static uint16_t probe_protocol(const struct xlb_addr *addr)
{
	return addr_family(addr) == XLB_IPV4 ? ETHERTYPE_ARP : ETHERTYPE_IPV6;
}

static int announce_failed(int r, const struct xlb_addr *addr, const char *ifname,
			   struct xlb_err *err)
{
	char text[ADDR_TEXT_MAX];

	format_addr(addr, text);
	xlb_err_set(err, XLB_ERR_FAILED, r, "cannot announce %s on %s: %s", text, ifname,
		    strerror(-r));
	if (r == -ENETDOWN)
		xlb_err_hint(err, "bring the interface up: ip link set %s up", ifname);
	return r;
}

/* The socket for a probe, opened by the first that wants it. */
static struct port *probing_port(struct probing *probing, const struct host_probe *probe)
{
	uint16_t protocol = probe_protocol(&probe->addr);
	struct port *port;
	size_t i;

	for (i = 0; i < probing->port_count; i++)
		if (probing->ports[i].protocol == protocol &&
		    !strcmp(probing->ports[i].ifname, probe->ifname))
			return &probing->ports[i];
	port = &probing->ports[probing->port_count];
	port->r = port_open(probe->ifname, protocol, true, port);
	/* where nobody else can be, nobody is waited for */
	probing->polled[probing->port_count++] = (struct pollfd){
		.fd = port->r || !port->ethernet ? -1 : port->fd,
		.events = POLLIN,
	};
	return port;
}

static void probe_all(struct probing *probing, int timeout_ms)
{
	int64_t start = (int64_t)clock_ms(CLOCK_MONOTONIC);
	size_t asked;
	int i;

	for (i = 1; i <= PROBES && !probing->hits; i++) {
		asked = 0;
		for (size_t j = 0; j < probing->count; j++) {
			struct host_probe *probe = &probing->probes[j];

			if (probe->r || !probing->port[j]->ethernet)
				continue;
			probe->r = send_probe(probing->port[j], &probe->addr);
			asked += !probe->r;
		}
		if (asked)
			wait_for_answers(probing, start + (int64_t)timeout_ms * i / PROBES);
	}
}

int host_probe_addresses(struct host_probe *probes, size_t count, int timeout_ms)
{
	struct probing probing = { .probes = probes, .count = count };
	AUTO_FREE struct port *ports = probing.ports = calloc(count + 1, sizeof(*ports));
	AUTO_FREE struct port **port = probing.port = calloc(count + 1, sizeof(struct port *));
	AUTO_FREE struct pollfd *polled = probing.polled = calloc(count + 1, sizeof(*polled));
	size_t i;

	if (!ports || !port || !polled)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		port[i] = probing_port(&probing, &probes[i]);
		probes[i].r = port[i]->r;
	}
	probe_all(&probing, timeout_ms);
	for (i = 0; i < probing.port_count; i++)
		port_close(&ports[i]);
	return 0;
}

int host_announce_address(const char *ifname, const struct xlb_addr *addr, struct xlb_err *err)
{
	__attribute__((cleanup(port_close))) struct port port;
	int r = port_open(ifname, probe_protocol(addr), false, &port);
	struct nd_frame advertisement;
	struct arp_frame request;
	size_t size;

	if (!r && port.ethernet && addr_family(addr) == XLB_IPV4) {
		request = arp_request(&port, addr, true);
		r = port_send(&port, &request, sizeof(request));
	} else if (!r && port.ethernet) {
		size = nd_announcement(&port, addr, &advertisement);
		r = port_send(&port, &advertisement, size);
	}
	return r ? announce_failed(r, addr, ifname, err) : 0;
}
