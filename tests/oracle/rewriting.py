# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
What a packet becomes, built anew by scapy: no checksum is taken from the one that came. Only where that one was wrong is
the new one wrong by as much (RFC 1624), so that who gets the packet sees that it was damaged.
"""

from dataclasses import dataclass, replace

from scapy.fields import RawVal
from scapy.layers.inet import IP, TCP as Tcp, UDP as Udp, in4_chksum
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, in6_chksum
from scapy.layers.l2 import Ether
from scapy.utils import checksum, inet_ntoa
from scapy.pton_ntop import inet_ntop
from socket import AF_INET6

from links import write_tags
from reading import ACK, ETHERNET, FIN, IPV4, IPV6 as FAMILY6, RST, SYN, TCP, UDP, number

ICMP4, ICMP6 = 1, 58
COMPLAINT_MAX = {IPV4: 576, FAMILY6: 1280}  # RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c)
CONTROL = 0xC0  # RFC 1812 section 4.3.2.5: precedence 6, internetwork control
IPV6_MTU_MIN = 1280  # RFC 8200 section 5
DONT_FRAGMENT = 2  # of the three flags
SMALL = 1260  # an IPv4 packet up to this may be fragmented (RFC 7915 section 5.1)
OUTER_TTL = RESET_TTL = 64
GUE_PORT = 6080


class Incomplete(Exception):
    """A checksum cannot be computed over a fragment."""


@dataclass
class Ends:
    source: bytes
    source_port: int
    destination: bytes
    destination_port: int


def text(address):
    return inet_ntoa(address) if len(address) == 4 else inet_ntop(AF_INET6, address)


def frame_of(family, destination_mac, source_mac, packet, tags=b""):
    kind = 0x0800 if family == IPV4 else 0x86DD
    header = bytes(Ether(dst=destination_mac.hex(":"), src=source_mac.hex(":"), type=kind))
    return header[:12] + tags + header[12:] + packet


def kept_wrong(came, right_before, right_after):
    """A checksum as wrong as the one that came was, in the arithmetic of one's complement."""
    if came == right_before:
        return right_after
    total = (0xFFFF - came + right_before - right_after) % 0xFFFF
    return 0xFFFF - (total or 0xFFFF)


def l4_checksum(family, protocol, source, destination, data):
    if protocol == UDP:
        data = data[: number(data, 4)]
    if protocol == ICMP4:
        return checksum(data)
    if family == IPV4:
        return in4_chksum(protocol, IP(src=text(source), dst=text(destination)), data)
    return in6_chksum(protocol, IPv6(src=text(source), dst=text(destination)), data)


def transport_header(packet, source_port, destination_port):
    """TCP or UDP header with these ports and checksum 0."""
    frame, at = packet.frame, packet.l4
    if packet.protocol == UDP:
        return bytes(Udp(sport=source_port, dport=destination_port, len=number(frame, at + 4), chksum=0))
    offset = frame[at + 12]
    return bytes(
        Tcp(
            sport=source_port,
            dport=destination_port,
            seq=number(frame, at + 4, 4),
            ack=number(frame, at + 8, 4),
            dataofs=offset >> 4,
            reserved=offset >> 1 & 7,
            flags=(offset & 1) << 8 | frame[at + 13],
            window=number(frame, at + 14),
            chksum=0,
            urgptr=number(frame, at + 18),
            options=RawVal(frame[at + 20 : packet.payload]),
        )
    )


def transport(packet, ends, family):
    """Transport header and payload between new ends of a family."""
    place = 16 if packet.protocol == TCP else 6
    body = packet.frame[packet.payload : packet.l3_end]
    # of a fragment's checksum only what changes matters, as it covers more than is here
    before = transport_header(packet, packet.source_port, packet.destination_port) + body
    after = transport_header(packet, ends.source_port, ends.destination_port) + body
    came = number(packet.frame, packet.l4 + place)
    right = l4_checksum(family, packet.protocol, ends.source, ends.destination, after)
    if packet.protocol == UDP and came == 0:
        if packet.fragment is not None and family != packet.family and packet.family == IPV4:
            raise Incomplete
        if packet.family == family or packet.family == FAMILY6:
            return after  # without a checksum as before; IPv6 needs one of what comes from IPv4
        check = right
    else:
        right_before = l4_checksum(packet.family, packet.protocol, packet.source, packet.destination, before)
        check = kept_wrong(came, right_before, right)
    if packet.protocol == UDP and check == 0:
        check = 0xFFFF
    return after[:place] + check.to_bytes(2, "big") + after[place + 2 :]


def ipv4_header(packet, source, destination, ttl):
    """The header that came, options and all, with these addresses and this TTL."""
    frame, at = packet.frame, ETHERNET
    fragment = number(frame, at + 6)
    header = bytes(
        IP(
            ihl=frame[at] & 15,
            tos=packet.traffic_class,
            len=number(frame, at + 2),
            id=number(frame, at + 4),
            flags=fragment >> 13,
            frag=fragment & 0x1FFF,
            ttl=ttl,
            proto=packet.protocol,
            src=text(source),
            dst=text(destination),
            options=RawVal(frame[at + 20 : packet.l4]),
        )
    )
    came = frame[at : packet.l4]
    right_before = checksum(came[:10] + bytes(2) + came[12:])
    check = kept_wrong(number(came, 10), right_before, number(header, 10))
    return header[:10] + check.to_bytes(2, "big") + header[12:]


def ipv6_header(packet, source, destination, hop_limit):
    """The same, with all extension headers."""
    frame, at = packet.frame, ETHERNET
    header = IPv6(
        tc=packet.traffic_class,
        fl=number(frame, at + 1, 3) & 0xFFFFF,
        plen=number(frame, at + 4),
        nh=frame[at + 6],
        hlim=hop_limit,
        src=text(source),
        dst=text(destination),
    )
    return bytes(header) + frame[at + 40 : packet.l4]


def network_header(packet, source, destination):
    header = ipv4_header if packet.family == IPV4 else ipv6_header
    return header(packet, source, destination, packet.ttl - 1)


def trailer(packet):
    """What the frame has behind the IP packet."""
    return packet.frame[packet.l3_end :]


def routed(packet):
    """One hop further, and nothing else."""
    return network_header(packet, packet.source, packet.destination) + packet.frame[packet.l4 :]


def rewritten(packet, ends):
    """Between other ends of its own family."""
    return network_header(packet, ends.source, ends.destination) + transport(packet, ends, packet.family) + trailer(packet)


def translated(packet, ends, ip_id):
    """Between ends of the other family (RFC 7915 sections 4.1 and 5.1); an IP ID of IPv4 is xlb's to choose."""
    family = FAMILY6 if packet.family == IPV4 else IPV4
    body = transport(packet, ends, family)
    return translated_header(packet, ends, len(body), ip_id) + body + trailer(packet)


def translated_header(packet, ends, length, ip_id):
    """IP header before so many bytes, in the other family; of a fragment with a new identification."""
    family = FAMILY6 if packet.family == IPV4 else IPV4
    fragmented = packet.fragment is not None
    hops = {"src": text(ends.source), "dst": text(ends.destination)}
    if family == FAMILY6:
        header = IPv6(tc=packet.traffic_class, plen=length, nh=packet.protocol, hlim=packet.ttl - 1, **hops)
        if fragmented:
            header.nh, header.plen = 44, length + 8
            header /= IPv6ExtHdrFragment(
                nh=packet.protocol, offset=packet.fragment >> 3, m=packet.fragment & 1, id=packet.sent_id
            )
    else:
        small = length + 20 <= SMALL
        header = IP(
            tos=packet.traffic_class,
            len=length + 20,
            id=ip_id if small else 0,
            flags=0 if small else DONT_FRAGMENT,
            ttl=packet.ttl - 1,
            proto=packet.protocol,
            **hops,
        )
        if fragmented:
            header.id, header.flags, header.frag = packet.sent_id & 0xFFFF, packet.fragment & 1, packet.fragment >> 3
    return bytes(header)


def numbered(packet):
    """A fragment with the identification that it is to leave with."""
    frame, at = packet.frame, ETHERNET
    if packet.family == FAMILY6:
        frame = frame[: packet.l4 - 4] + packet.sent_id.to_bytes(4, "big") + frame[packet.l4 :]
        return replace(packet, frame=frame)
    header = frame[at : packet.l4]
    new = header[:4] + (packet.sent_id & 0xFFFF).to_bytes(2, "big") + header[6:]
    right = [checksum(h[:10] + bytes(2) + h[12:]) for h in (header, new)]
    new = new[:10] + kept_wrong(number(header, 10), *right).to_bytes(2, "big") + new[12:]
    return replace(packet, frame=frame[:at] + new + frame[packet.l4 :])


def outer_size(server):
    return (20 if server.family == IPV4 else 40) + (8 if server.encapsulation == "gue" else 0)


def wrapped(packet, source, server, chosen):
    """Inside an outer header; `chosen`: the IP ID, flow label and source port that xlb has chosen for it."""
    inner = routed(packet)
    length = packet.l3_length
    between = b""
    protocol = 4 if packet.family == IPV4 else 41
    if server.encapsulation == "gue":
        protocol = UDP
        length += 8
        between = bytes(Udp(sport=chosen.port, dport=GUE_PORT, len=length, chksum=0))
    hops = {"src": text(source), "dst": text(server.address)}
    if server.family == IPV4:
        may_fragment = packet.family == IPV4 and not number(packet.frame, ETHERNET + 6) & 0x4000
        outer = IP(
            tos=packet.traffic_class,
            len=length + 20,
            id=chosen.ip_id if may_fragment else 0,
            flags=0 if may_fragment else DONT_FRAGMENT,
            ttl=OUTER_TTL,
            proto=protocol,
            **hops,
        )
    else:
        outer = IPv6(tc=packet.traffic_class, fl=chosen.label, plen=length, nh=protocol, hlim=OUTER_TTL, **hops)
    return bytes(outer) + between + inner


def reset(packet, mac):
    """The RST that answers a segment (RFC 9293 section 3.10.7.1), as a whole frame."""
    frame, at = packet.frame, packet.l4
    if packet.flags & ACK:
        numbers = {"seq": number(frame, at + 8, 4), "ack": 0, "flags": RST}
    else:
        length = packet.l3_end - packet.payload + bool(packet.flags & SYN) + bool(packet.flags & FIN)
        numbers = {"seq": 0, "ack": (number(frame, at + 4, 4) + length) % (1 << 32), "flags": RST | ACK}
    hops = {"src": text(packet.destination), "dst": text(packet.source)}
    segment = Tcp(sport=packet.destination_port, dport=packet.source_port, window=0, **numbers)
    if packet.family == IPV4:
        answer = IP(id=0, flags=DONT_FRAGMENT, ttl=RESET_TTL, **hops) / segment
    else:
        answer = IPv6(hlim=RESET_TTL, **hops) / segment
    return frame_of(packet.family, frame[6:12], mac, bytes(answer), write_tags(packet.tags))


def goes_in_any_case(packet):
    """By a path that is too narrow: routers cut it, or no sender would make it smaller."""
    if packet.family == IPV4:
        return not number(packet.frame, ETHERNET + 6) & 0x4000
    return packet.l3_length <= IPV6_MTU_MIN


def may_answer(packet):
    """Whether one station sent the packet to one (RFC 1812 section 4.3.2.7, RFC 4443 section 2.4 (e))."""
    if (packet.frame[0] | packet.frame[6]) & 1:
        return False
    first = packet.source[0]
    return 0 < first < 224 and first != 127 if packet.family == IPV4 else 0 < first < 0xFF


def complaint(packet, mac, reason, mtu, sent):
    """The ICMP error that tells the sender why the packet goes no further, as a whole frame."""
    quoted = packet.frame[ETHERNET : packet.l3_end]
    if packet.family == IPV4:
        quoted = quoted[: COMPLAINT_MAX[IPV4] - 28]
        kind, word = ((11, 0), 0) if reason == "ttl_expired" else ((3, 4), max(mtu, 68))
    else:
        quoted = quoted[: COMPLAINT_MAX[FAMILY6] - 48]
        kind, word = ((3, 0), 0) if reason == "ttl_expired" else ((2, 0), max(mtu, 1280))
    message = bytes(kind) + bytes(2) + word.to_bytes(4, "big") + quoted
    protocol = ICMP4 if packet.family == IPV4 else ICMP6
    check = l4_checksum(packet.family, protocol, packet.destination, packet.source, message)
    message = message[:2] + check.to_bytes(2, "big") + message[4:]
    hops = {"src": text(packet.destination), "dst": text(packet.source)}
    if packet.family == IPV4:
        ip_id = number(sent, ETHERNET + 4)
        header = IP(tos=CONTROL, len=len(message) + 20, id=ip_id, ttl=RESET_TTL, proto=protocol, **hops)
    else:
        header = IPv6(plen=len(message), nh=protocol, hlim=RESET_TTL, **hops)
    return frame_of(packet.family, packet.frame[6:12], mac, bytes(header) + message, write_tags(packet.tags))
