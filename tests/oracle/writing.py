# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Frames from descriptions that may lie: every length, version and checksum can be another than is right."""

from dataclasses import dataclass, field

from reading import IPV4, IPV6, TCP, UDP
from scapy.utils import checksum

ICMP = {IPV4: 1, IPV6: 58}


@dataclass
class Draft:
    """A packet to be; what is None becomes what is right."""

    source: bytes
    destination: bytes
    protocol: int
    source_port: int = 0
    destination_port: int = 0
    source_mac: bytes = b"\x02\0\0\0\0\x0c"
    destination_mac: bytes = b"\x02\0\0\0\x01\x01"
    tags: bytes = b""  # VLAN, between the addresses and the EtherType
    ethertype: int = None
    version: int = None
    header_words: int = None  # IPv4
    length: int = None  # total (IPv4) or payload (IPv6) length
    traffic_class: int = 0
    label: int = 0
    ip_id: int = 0
    fragment: int = 0x4000  # IPv4: flags and offset
    ttl: int = 64
    options: bytes = b""  # IPv4
    extensions: list = field(default_factory=list)  # IPv6: (type, content behind the type)
    next_header: int = None  # that the last header before the transport names
    flags: int = 0
    seq: int = 0
    ack: int = 0
    window: int = 512
    urgent: int = 0
    reserved: int = 0  # four bits
    tcp_options: bytes = b""
    data_offset: int = None
    udp_length: int = None
    l4_checksum: int = None
    ip_checksum: int = None
    payload: bytes = b""
    padding: bytes = b""  # behind the packet

    @property
    def family(self):
        return IPV4 if len(self.source) == 4 else IPV6


def two(value):
    return (value & 0xFFFF).to_bytes(2, "big")


def given(value, right):
    return right if value is None else value


def transport(draft):
    if draft.protocol == TCP:
        offset = given(draft.data_offset, 5 + len(draft.tcp_options) // 4)
        body = (
            two(draft.source_port)
            + two(draft.destination_port)
            + draft.seq.to_bytes(4, "big")
            + draft.ack.to_bytes(4, "big")
            + bytes((offset << 4 | draft.reserved, draft.flags))
            + two(draft.window)
            + bytes(2)
            + two(draft.urgent)
            + draft.tcp_options
            + draft.payload
        )
        place = 16
    elif draft.protocol == UDP:
        length = given(draft.udp_length, 8 + len(draft.payload))
        body = two(draft.source_port) + two(draft.destination_port) + two(length) + bytes(2) + draft.payload
        place = 6
    elif draft.protocol == ICMP[draft.family] and len(draft.payload) >= 4:
        body = draft.payload[:2] + bytes(2) + draft.payload[4:]
        place = 2
    else:
        return draft.payload
    covered = body[: max(given(draft.udp_length, len(body)), 8)] if draft.protocol == UDP else body
    pseudo = draft.source + draft.destination + len(covered).to_bytes(4, "big") + bytes((0, 0, 0, draft.protocol))
    right = checksum(covered if draft.protocol == ICMP[IPV4] else pseudo + covered)
    if draft.protocol == UDP and not right:
        right = 0xFFFF
    return body[:place] + two(given(draft.l4_checksum, right)) + body[place + 2 :]


def ipv4(draft, body):
    header = (
        bytes((given(draft.version, 4) << 4 | given(draft.header_words, 5 + len(draft.options) // 4), draft.traffic_class))
        + two(given(draft.length, 20 + len(draft.options) + len(body)))
        + two(draft.ip_id)
        + two(draft.fragment)
        + bytes((draft.ttl, given(draft.next_header, draft.protocol), 0, 0))
        + draft.source
        + draft.destination
        + draft.options
    )
    return header[:10] + two(given(draft.ip_checksum, checksum(header))) + header[12:]


def ipv6(draft, body):
    upper = given(draft.next_header, draft.protocol)
    kinds = [kind for kind, _ in draft.extensions] + [upper]
    chain = b"".join(bytes((kinds[i + 1],)) + content for i, (_, content) in enumerate(draft.extensions))
    first = given(draft.version, 6) << 28 | draft.traffic_class << 20 | draft.label
    return (
        first.to_bytes(4, "big")
        + two(given(draft.length, len(chain) + len(body)))
        + bytes((kinds[0], draft.ttl))
        + draft.source
        + draft.destination
        + chain
    )


def write(draft):
    body = transport(draft)
    header = ipv4(draft, body) if draft.family == IPV4 else ipv6(draft, body)
    ethertype = given(draft.ethertype, 0x0800 if draft.family == IPV4 else 0x86DD)
    return draft.destination_mac + draft.source_mac + draft.tags + two(ethertype) + header + body + draft.padding
