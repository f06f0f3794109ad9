// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/host_poke.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/parse.h"
#include "sys/host_private.h"

#define POKE_TTL 64
/* Windows are at most 2^30 wide: of two numbers so far apart one is outside of any. */
#define APART	 (1U << 31)

struct poker {
	int fd4, fd6;
};

struct poke4 {
	struct iphdr ip;
	struct tcphdr tcp;
};

struct poke6 {
	struct ip6_hdr ip;
	struct tcphdr tcp;
};

static int raw_socket(int family, int level, int option)
{
	AUTO_CLOSE int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	int one = 1, ret = fd;

	if (fd < 0 || setsockopt(fd, level, option, &one, sizeof(one)) < 0)
		return -errno;
	fd = -1;
	return ret;
}

int poker_open(struct poker **ret, struct xlb_err *err)
{
	AUTO(poker_close) struct poker *poker = malloc(sizeof(*poker));

	if (!poker)
		return xlb_err_set(err, XLB_ERR_FAILED, -ENOMEM, "out of memory");
	poker->fd4 = raw_socket(AF_INET, IPPROTO_IP, IP_HDRINCL);
	poker->fd6 = raw_socket(AF_INET6, IPPROTO_IPV6, IPV6_HDRINCL);
	/* a host without IPv6 has no IPv6 flows either */
	if (poker->fd4 < 0)
		return xlb_err_set(err, XLB_ERR_FAILED, poker->fd4, "cannot open a raw socket: %s",
				   strerror(-poker->fd4));
	*ret = TAKE(poker);
	return 0;
}

struct poker *poker_close(struct poker *poker)
{
	if (!poker)
		return NULL;
	cleanup_close(&poker->fd4);
	cleanup_close(&poker->fd6);
	free(poker);
	return NULL;
}

/* The prefix of an IPv4-mapped address adds 0xffff to the sum, which is nothing. */
static void tcp_fill(struct tcphdr *tcp, uint32_t sequence, const struct xlb_addr *from,
		     __be16 from_port, const struct xlb_addr *to, __be16 to_port)
{
	uint32_t sum = sizeof(*tcp) + IPPROTO_TCP;

	tcp->source = from_port;
	tcp->dest = to_port;
	tcp->seq = htonl(sequence);
	tcp->ack_seq = htonl(sequence);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->ack = 1;
	sum = host_sum(sum, from, sizeof(*from));
	sum = host_sum(sum, to, sizeof(*to));
	tcp->check = host_sum_finish(host_sum(sum, tcp, sizeof(*tcp)));
}

static int send_packet(int fd, const void *packet, size_t size, const void *address,
		       socklen_t address_size)
{
	return sendto(fd, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL, address, address_size) < 0 ?
		       -errno :
		       0;
}

/* The kernel fills in identification, length and checksum of the header. */
static int send_ipv4(int fd, const struct tcphdr *tcp, const struct xlb_addr *from,
		     const struct xlb_addr *to)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct poke4 packet = {
		.ip = { .version = 4, .ihl = 5, .ttl = POKE_TTL, .protocol = IPPROTO_TCP },
		.tcp = *tcp,
	};

	memcpy(&packet.ip.saddr, from->bytes + 12, 4);
	memcpy(&packet.ip.daddr, to->bytes + 12, 4);
	memcpy(&address.sin_addr, to->bytes + 12, 4);
	return send_packet(fd, &packet, sizeof(packet), &address, sizeof(address));
}

static int send_ipv6(int fd, const struct tcphdr *tcp, const struct xlb_addr *from,
		     const struct xlb_addr *to)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
	struct poke6 packet = { .tcp = *tcp };

	packet.ip.ip6_flow = htonl(6U << 28);
	packet.ip.ip6_plen = htons(sizeof(*tcp));
	packet.ip.ip6_nxt = IPPROTO_TCP;
	packet.ip.ip6_hlim = POKE_TTL;
	memcpy(&packet.ip.ip6_src, from, sizeof(*from));
	memcpy(&packet.ip.ip6_dst, to, sizeof(*to));
	memcpy(&address.sin6_addr, to, sizeof(*to));
	return send_packet(fd, &packet, sizeof(packet), &address, sizeof(address));
}

int poker_poke(const struct poker *poker, const struct xlb_addr *from, __be16 from_port,
	       const struct xlb_addr *to, __be16 to_port)
{
	bool is_ipv4 = addr_family(to) == XLB_IPV4;
	uint32_t sequence;
	int r = 0;

	if (getrandom(&sequence, sizeof(sequence), 0) != sizeof(sequence))
		return -errno;
	for (int i = 0; !r && i < 2; i++, sequence += APART) {
		struct tcphdr tcp = {};

		tcp_fill(&tcp, sequence, from, from_port, to, to_port);
		r = is_ipv4 ? send_ipv4(poker->fd4, &tcp, from, to) :
			      send_ipv6(poker->fd6, &tcp, from, to);
	}
	return r;
}
