// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "core/packet.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "xlb/addr.h"

#define ETHERNET	14
#define IPV4		20
#define IPV6		40
#define TCP		20
#define UDP		8
#define ICMP		8 /* of an echo request or reply */
#define TYPE_IPV4	0x0800
#define TYPE_IPV6	0x86dd
#define TYPE_VLAN	0x8100
#define TYPE_VLAN_OUTER 0x88a8
#define VLAN_TAG	4
#define EXTENSION_MAX	8
#define WINDOW		64240
#define TTL		64

#define ICMP4_ECHO 8   /* type (RFC 792) */
#define ICMP6_ECHO 128 /* RFC 4443 */

static const struct {
	const char *word;
	uint8_t bit;
} flag_words[] = {
	{ "SYN", PACKET_SYN }, { "ACK", PACKET_ACK }, { "FIN", PACKET_FIN },
	{ "RST", PACKET_RST }, { "PSH", PACKET_PSH },
};
#define FLAG_COUNT (sizeof(flag_words) / sizeof(flag_words[0]))

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* --- reading ------------------------------------------------------------------------------------- */

static void read_ports(const uint8_t *data, size_t size, size_t at, struct packet_info *ret)
{
	if ((ret->protocol != IPPROTO_TCP && ret->protocol != IPPROTO_UDP) || at + 4 > size)
		return;
	ret->has_ports = true;
	ret->source_port_h = get16(data + at);
	ret->destination_port_h = get16(data + at + 2);
	if (ret->protocol == IPPROTO_TCP && at + 14 <= size)
		ret->tcp_flags = data[at + 13];
}

static void read_ipv4(const uint8_t *data, size_t size, struct packet_info *ret)
{
	const uint8_t *ip = data + ETHERNET;
	uint32_t source, destination;

	if (size < ETHERNET + IPV4 || ip[0] >> 4 != 4)
		return;
	ret->family = XLB_IPV4;
	ret->protocol = ip[9];
	memcpy(&source, ip + 12, sizeof(source));
	memcpy(&destination, ip + 16, sizeof(destination));
	xlb_addr_set_ipv4(&ret->source, source);
	xlb_addr_set_ipv4(&ret->destination, destination);
	ret->fragment = get16(ip + 6) & 0x3fff;
	if (!(get16(ip + 6) & 0x1fff))
		read_ports(data, size, ETHERNET + (ip[0] & 15) * 4U, ret);
}

/* Past the extension headers (RFC 8200 section 4), which nobody would name. */
static void read_ipv6_rest(const uint8_t *data, size_t size, struct packet_info *ret)
{
	size_t at = ETHERNET + IPV6;

	for (int i = 0; i < EXTENSION_MAX && at + 8 <= size; i++) {
		const uint8_t *header = data + at;
		bool fragment = ret->protocol == IPPROTO_FRAGMENT;

		if (!fragment && ret->protocol != IPPROTO_HOPOPTS &&
		    ret->protocol != IPPROTO_ROUTING && ret->protocol != IPPROTO_DSTOPTS)
			break;
		ret->protocol = header[0];
		if (fragment)
			ret->fragment = get16(header + 2) & 0xfff9;
		if (fragment && get16(header + 2) & 0xfff8)
			return;
		at += fragment ? 8 : (header[1] + 1U) * 8;
	}
	read_ports(data, size, at, ret);
}

static void read_ipv6(const uint8_t *data, size_t size, struct packet_info *ret)
{
	const uint8_t *ip = data + ETHERNET;

	if (size < ETHERNET + IPV6 || ip[0] >> 4 != 6)
		return;
	ret->family = XLB_IPV6;
	ret->protocol = ip[6];
	memcpy(&ret->source, ip + 8, sizeof(ret->source));
	memcpy(&ret->destination, ip + 24, sizeof(ret->destination));
	read_ipv6_rest(data, size, ret);
}

void packet_read(const uint8_t *data, size_t size, struct packet_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (size < ETHERNET)
		return;
	ret->ether_type = get16(data + 12);
	while ((ret->ether_type == TYPE_VLAN || ret->ether_type == TYPE_VLAN_OUTER) &&
	       ret->vlan_count < 2 && size >= ETHERNET + VLAN_TAG) {
		ret->vlans[ret->vlan_count++] = get16(data + 14) & 0x0fff;
		data += VLAN_TAG;
		size -= VLAN_TAG;
		ret->ether_type = get16(data + 12);
	}
	if (ret->ether_type == TYPE_IPV4)
		read_ipv4(data, size, ret);
	else if (ret->ether_type == TYPE_IPV6)
		read_ipv6(data, size, ret);
}

/* --- text ---------------------------------------------------------------------------------------- */

const char *packet_protocol_word(uint8_t protocol)
{
	static const struct {
		uint8_t protocol;
		const char *word;
	} words[] = { { IPPROTO_TCP, "tcp" },	{ IPPROTO_UDP, "udp" },
		      { IPPROTO_ICMP, "icmp" }, { IPPROTO_ICMPV6, "icmp6" },
		      { IPPROTO_IPIP, "ipip" }, { IPPROTO_IPV6, "ipv6-in-ip" } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].protocol == protocol)
			return words[i].word;
	return NULL;
}

static void format_end(const struct xlb_addr *addr, uint16_t port_h, bool has_port, char *ret,
		       size_t size)
{
	char text[ADDR_TEXT_MAX];

	format_addr(addr, text);
	if (!has_port)
		snprintf(ret, size, "%s", text);
	else
		snprintf(ret, size, strchr(text, ':') ? "[%s]:%u" : "%s:%u", text, port_h);
}

void packet_format(const struct packet_info *info, char ret[PACKET_TEXT_MAX])
{
	const char *word = packet_protocol_word(info->protocol);
	char source[ADDR_TEXT_MAX + 8], destination[ADDR_TEXT_MAX + 8], number[16];
	int used;

	if (!info->family) {
		snprintf(ret, PACKET_TEXT_MAX, "Ethernet type 0x%04x", info->ether_type);
		return;
	}
	format_end(&info->source, info->source_port_h, info->has_ports, source, sizeof(source));
	format_end(&info->destination, info->destination_port_h, info->has_ports, destination,
		   sizeof(destination));
	snprintf(number, sizeof(number), "protocol %u", info->protocol);
	used = snprintf(ret, PACKET_TEXT_MAX, "%s > %s %s%s", source, destination,
			word ? word : number, info->fragment ? " fragment" : "");
	for (size_t i = 0, found = 0; i < FLAG_COUNT; i++)
		if (info->tcp_flags & flag_words[i].bit)
			used += snprintf(ret + used, (size_t)(PACKET_TEXT_MAX - used), "%s%s",
					 found++ ? "," : " ", flag_words[i].word);
	for (int i = 0; i < info->vlan_count; i++)
		used += snprintf(ret + used, (size_t)(PACKET_TEXT_MAX - used), "%s%u",
				 i ? "." : " vlan ", info->vlans[i]);
}

int packet_flags_parse(const char *text, uint8_t *ret)
{
	uint8_t flags = 0;

	while (*text) {
		size_t length = strcspn(text, ","), i = 0;

		while (i < FLAG_COUNT && (strlen(flag_words[i].word) != length ||
					  strncasecmp(flag_words[i].word, text, length)))
			i++;
		if (i == FLAG_COUNT)
			return -EINVAL;
		flags |= flag_words[i].bit;
		text += length + (text[length] == ',');
	}
	*ret = flags;
	return 0;
}

/* --- making -------------------------------------------------------------------------------------- */

static uint32_t sum_add(uint32_t sum, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i += 2)
		sum += get16(data + i);
	return sum;
}

/* RFC 1071 */
static uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Of the pseudo header; both forms of an address add up to the same. */
static uint32_t sum_pseudo(const struct packet_info *info, size_t length)
{
	uint32_t sum = info->protocol + (uint32_t)length;

	sum = sum_add(sum, info->source.bytes, sizeof(info->source.bytes));
	return sum_add(sum, info->destination.bytes, sizeof(info->destination.bytes));
}

static size_t build_echo(const struct packet_info *info, uint8_t *l4)
{
	bool ipv4 = info->family == XLB_IPV4;

	l4[0] = ipv4 ? ICMP4_ECHO : ICMP6_ECHO;
	put16(l4 + 2, sum_fold(sum_add(ipv4 ? 0 : sum_pseudo(info, ICMP), l4, ICMP)));
	return ICMP;
}

static size_t build_l4(const struct packet_info *info, uint8_t *l4)
{
	bool tcp = info->protocol == IPPROTO_TCP;
	size_t length = tcp ? TCP : UDP;
	uint16_t check;

	if (!tcp && info->protocol != IPPROTO_UDP)
		return build_echo(info, l4);
	put16(l4, info->source_port_h);
	put16(l4 + 2, info->destination_port_h);
	if (tcp) {
		l4[12] = TCP / 4 << 4;
		l4[13] = info->tcp_flags;
		put16(l4 + 14, WINDOW);
	} else {
		put16(l4 + 4, UDP);
	}
	check = sum_fold(sum_add(sum_pseudo(info, length), l4, length));
	put16(l4 + (tcp ? 16 : 6), check || tcp ? check : 0xffff);
	return length;
}

size_t packet_build(const struct packet_info *info, const uint8_t destination[6],
		    const uint8_t source[6], uint8_t ret[PACKET_FRAME_MAX])
{
	bool ipv4 = info->family == XLB_IPV4;
	uint8_t *ip = ret + ETHERNET;
	size_t length;

	memset(ret, 0, PACKET_FRAME_MAX);
	memcpy(ret, destination, 6);
	memcpy(ret + 6, source, 6);
	put16(ret + 12, ipv4 ? TYPE_IPV4 : TYPE_IPV6);
	length = build_l4(info, ip + (ipv4 ? IPV4 : IPV6));
	if (ipv4) {
		ip[0] = 4 << 4 | IPV4 / 4;
		put16(ip + 2, (uint32_t)(IPV4 + length));
		ip[6] = 0x40; /* do not fragment */
		ip[8] = TTL;
		ip[9] = info->protocol;
		memcpy(ip + 12, info->source.bytes + 12, 4);
		memcpy(ip + 16, info->destination.bytes + 12, 4);
		put16(ip + 10, sum_fold(sum_add(0, ip, IPV4)));
		return ETHERNET + IPV4 + length;
	}
	ip[0] = 6 << 4;
	put16(ip + 4, (uint32_t)length);
	ip[6] = info->protocol;
	ip[7] = TTL;
	memcpy(ip + 8, info->source.bytes, 16);
	memcpy(ip + 24, info->destination.bytes, 16);
	return ETHERNET + IPV6 + length;
}
