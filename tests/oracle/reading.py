# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A frame as its RFCs read it: Ethernet, IPv4 (791), IPv6 (8200), TCP (9293), UDP (768)."""

from dataclasses import dataclass

ETHERNET = 14
IPV4, IPV6 = 4, 6
ETHERTYPES = {0x0800: IPV4, 0x86DD: IPV6}
TCP, UDP = 6, 17

MAPPED = bytes(10) + b"\xff\xff"  # IPv4 addresses inside of programs (RFC 4291 section 2.5.5.2)

FIN, SYN, RST, ACK = 1, 2, 4, 16

HOP_BY_HOP, ROUTING, FRAGMENT_HEADER, DESTINATION = 0, 43, 44, 60
EXTENSIONS = (HOP_BY_HOP, ROUTING, FRAGMENT_HEADER, DESTINATION)
CHAIN_MAX = 7  # extension headers that xlb follows

# what a packet is as a whole
NOT_IP = "not IP"  # or not by addresses that may be on the wire
WHOLE = "whole"
BROKEN = "broken"  # a length or a field that no sender may write
FRAGMENT = "fragment"  # of a TCP or UDP packet
OTHER = "other"  # another protocol, or for another node to read on


@dataclass
class Packet:
    """What is known of a packet; from `sort` on only of IP, from `source_port` on only of whole TCP and UDP."""

    frame: bytes  # without tags
    came: bytes = b""  # as it came
    tags: list = ()
    link: int = 0  # that it came by
    kind: str = NOT_IP
    family: int = 0
    source: bytes = b""
    destination: bytes = b""
    traffic_class: int = 0
    ttl: int = 0
    protocol: int = 0
    l3_end: int = 0  # offsets into the frame
    l4: int = 0
    source_port: int = 0
    destination_port: int = 0
    flags: int = 0
    fragment: int = None  # of a fragment: offset, and in the last bit whether more follow
    fragment_id: int = 0
    sent_id: int = None  # of a fragment: the identification that it leaves with
    payload: int = 0  # offset of what follows the transport header

    @property
    def l3_length(self):
        return self.l3_end - ETHERNET

    @property
    def l4_length(self):
        return self.l3_end - self.l4

    @property
    def opens(self):
        """Whether it is a segment that asks for a connection."""
        return self.protocol == TCP and self.flags & (SYN | ACK | RST) == SYN

    @property
    def midway(self):
        return self.protocol == TCP and not self.opens


def number(frame, offset, size=2):
    return int.from_bytes(frame[offset : offset + size], "big")


def read_tcp(packet):
    frame, at = packet.frame, packet.l4
    if packet.l4_length < 20:
        return BROKEN
    header = (frame[at + 12] >> 4) * 4
    if header < 20 or header > packet.l4_length:
        return BROKEN
    packet.flags = frame[at + 13]
    packet.payload = at + header
    return WHOLE


def read_udp(packet):
    if packet.l4_length < 8:
        return BROKEN
    length = number(packet.frame, packet.l4 + 4)
    if length < 8 or (packet.fragment is None and length > packet.l4_length):
        return BROKEN
    if packet.fragment is not None and length < packet.l4_length:
        return BROKEN  # less than its first fragment
    packet.payload = packet.l4 + 8
    return WHOLE


def read_transport(packet):
    kind = read_tcp(packet) if packet.protocol == TCP else read_udp(packet)
    if kind == WHOLE:
        packet.source_port = number(packet.frame, packet.l4)
        packet.destination_port = number(packet.frame, packet.l4 + 2)
    return kind


def read_ipv4(packet):
    frame, at = packet.frame, ETHERNET
    header, length = (frame[at] & 15) * 4, number(frame, at + 2)
    packet.traffic_class, packet.ttl, packet.protocol = frame[at + 1], frame[at + 8], frame[at + 9]
    if header < 20 or length < header or length > len(frame) - at:
        return BROKEN
    packet.l3_end = at + length
    packet.l4 = at + header
    if packet.protocol not in (TCP, UDP):
        return OTHER
    if number(frame, at + 6) & 0x3FFF:  # more fragments, or an offset
        packet.fragment = (number(frame, at + 6) & 0x1FFF) << 3 | bool(number(frame, at + 6) & 0x2000)
        packet.fragment_id = number(frame, at + 4)
        return FRAGMENT
    return read_transport(packet)


def read_extensions(packet, upper):
    """Follows the chain of headers from the first, `upper`, to what it carries."""
    frame, at = packet.frame, ETHERNET + 40
    for _ in range(CHAIN_MAX + 1):
        packet.protocol, packet.l4 = upper, at
        if upper in (TCP, UDP):
            return read_transport(packet)
        if upper not in EXTENSIONS:
            return OTHER
        if at + 8 > packet.l3_end:
            return BROKEN
        size = 8 if upper == FRAGMENT_HEADER else 8 + frame[at + 1] * 8
        if upper == FRAGMENT_HEADER and number(frame, at + 2) & 0xFFF9:
            if frame[at] not in (TCP, UDP):
                return OTHER
            packet.fragment, packet.fragment_id = number(frame, at + 2) & 0xFFF9, number(frame, at + 4, 4)
            packet.protocol, packet.l4 = frame[at], at + 8
            return FRAGMENT
        if upper == ROUTING and frame[at + 3]:  # segments left: another node is its destination
            return OTHER
        if at + size > packet.l3_end:
            return BROKEN
        upper, at = frame[at], at + size
    return BROKEN


def read_ipv6(packet):
    frame, at = packet.frame, ETHERNET
    length = number(frame, at + 4)
    packet.traffic_class, packet.ttl = number(frame, at) >> 4 & 0xFF, frame[at + 7]
    if length > len(frame) - at - 40:
        return BROKEN
    packet.l3_end = at + 40 + length
    return read_extensions(packet, frame[at + 6])


def read(frame):
    packet = Packet(frame)
    family = ETHERTYPES.get(number(frame, 12))
    header, ends = (20, 12) if family == IPV4 else (40, 8)
    if not family or len(frame) < ETHERNET + header or frame[ETHERNET] >> 4 != family:
        return packet
    size = 4 if family == IPV4 else 16
    packet.family = family
    packet.source = frame[ETHERNET + ends :][:size]
    packet.destination = frame[ETHERNET + ends + size :][:size]
    if family == IPV6 and MAPPED in (packet.source[:12], packet.destination[:12]):
        return packet  # no address on the wire: hosts drop it
    packet.kind = read_ipv4(packet) if family == IPV4 else read_ipv6(packet)
    return packet
