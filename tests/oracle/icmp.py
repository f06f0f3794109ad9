# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The rules of ICMP (RFC 792, 4443; docs/packets.md): errors go to the other end of the flow that they quote a packet of
(RFC 5508 section 4.2), in the other address family by RFC 7915; xlb answers pings to its VIPs.
"""

from dataclasses import dataclass, replace

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6

import rewriting
from links import write_tags
from outcome import TX, Outcome
from reading import ETHERNET, EXTENSIONS, FRAGMENT_HEADER, IPV4, IPV6, TCP, UDP, number
from rewriting import DONT_FRAGMENT, SMALL, kept_wrong, l4_checksum, text
from sessions import Refused, destination_of, dropped, passed
from translating import Untranslatable, to_ipv4, to_ipv6

PROTOCOL = {IPV4: 1, IPV6: 58}
ERRORS = {IPV4: (3, 11, 12), IPV6: (1, 2, 3, 4)}
ECHO = {IPV4: (8, 0), IPV6: (128, 129)}
HEADER = 8  # of a message; as many bytes are always quoted behind an IP header (RFC 792)
TTL = 64
QUOTED_CHAIN = 4  # extension headers that xlb follows in a quote


@dataclass
class Quote:
    """The packet that an error is about, as far as it is there."""

    data: bytes
    l4: int
    length: int  # of the transport part, as it was
    protocol: int
    source: bytes
    destination: bytes
    source_port: int
    destination_port: int


def quoted_chain(data):
    """Protocol, offset and length of what an IPv6 packet carries; None if that is not to be seen."""
    upper, at, left = data[6], 40, number(data, 4)
    for _ in range(QUOTED_CHAIN):
        if upper not in EXTENSIONS:
            break
        if at + 8 > len(data):
            return None
        size = 8
        if upper == FRAGMENT_HEADER:
            if number(data, at + 2) & 0xFFF8:
                return None
        else:
            size += data[at + 1] * 8
        if size > left:
            return None
        upper, at, left = data[at], at + size, left - size
    return upper, at, left


def read_quote(family, data):
    header = 20 if family == IPV4 else 40
    if len(data) < header or data[0] >> 4 != family:
        return None
    if family == IPV4:
        l4, total = (data[0] & 15) * 4, number(data, 2)
        if l4 < 20 or total < l4 or number(data, 6) & 0x1FFF:
            return None
        protocol, length, ends = data[9], total - l4, data[12:20]
    else:
        chain = quoted_chain(data)
        if not chain:
            return None
        (protocol, l4, length), ends = chain, data[8:40]
    if len(data) < l4 + HEADER:
        return None
    half = len(ends) // 2
    ports = number(data, l4), number(data, l4 + 2)
    return Quote(data, l4, length, protocol, ends[:half], ends[half:], *ports)


def is_plain(packet):
    """Whether the IP header itself names ICMP."""
    at = 9 if packet.family == IPV4 else 6
    return bool(packet.family) and packet.frame[ETHERNET + at] == PROTOCOL[packet.family]


def rule(sessions, packet, role, returned, got):
    fragment = packet.family == IPV4 and number(packet.frame, ETHERNET + 6) & 0x3FFF
    if packet.protocol != PROTOCOL[packet.family] or fragment:
        return passed(packet)
    host = not role.vip or role.vip in sessions.setting.hosts
    message = packet.frame[packet.l4 : packet.l3_end]
    quote = None
    if len(message) >= HEADER and message[0] in ERRORS[packet.family]:
        quote = read_quote(packet.family, message[HEADER:])
    if not quote or quote.source != packet.destination:
        return unreadable(sessions, packet, message, host)
    try:
        return Errors(sessions, packet, quote, got).rule(role, host)
    except Refused as refusal:
        return sessions.refuse(packet, refusal)
    except Untranslatable:
        return dropped(packet, "icmp_unknown")


def unreadable(sessions, packet, message, host):
    if host:
        return passed(packet)
    if len(message) < HEADER or message[0] in ERRORS[packet.family]:
        return dropped(packet, "bad_packet")
    return echo(sessions, packet, message) or passed(packet)


def echo(sessions, packet, message):
    """The answer to a ping; None if the host must see to it."""
    request, reply = ECHO[packet.family]
    simple = packet.l4 == ETHERNET + (20 if packet.family == IPV4 else 40)
    if message[0] != request or message[1] or not simple:
        return None
    if not rewriting.may_answer(packet):
        return None
    answer = reply.to_bytes(1, "big") + message[1:2] + bytes(2) + message[4:]
    request = message[:2] + bytes(2) + message[4:]
    ends = packet.destination, packet.source
    right = l4_checksum(packet.family, packet.protocol, *ends, answer)
    right_before = l4_checksum(packet.family, packet.protocol, *ends, request)
    check = kept_wrong(number(message, 2), right_before, right) or 0xFFFF  # as good, and right if all else is zero
    header = rewriting.ipv4_header if packet.family == IPV4 else rewriting.ipv6_header
    frame = rewriting.frame_of(
        packet.family,
        packet.frame[6:12],
        sessions.setting.interfaces[packet.link].mac,
        header(packet, *ends, TTL) + answer[:2] + check.to_bytes(2, "big") + answer[4:] + rewriting.trailer(packet),
        write_tags(packet.tags),
    )
    return Outcome(TX, "", frame)


class Errors:
    """One error, with what it quotes."""

    def __init__(self, sessions, packet, quote, got):
        self.sessions, self.packet, self.quote, self.got = sessions, packet, quote, got

    def rule(self, role, host):
        quote, flows = self.quote, self.sessions.flows
        ends = quote.destination, quote.destination_port, quote.source, quote.source_port
        transport = quote.protocol in (TCP, UDP)
        if transport and (role.snat or not role.vip):
            flow = flows.replies.get((*ends, quote.protocol))
            if flow:
                return self.to_client(flow)
        if transport and role.vip:
            flow = flows.requests.get((*ends[:2], role.vip, ends[3], quote.protocol))
            if flow:
                return self.to_server(flow)
            return passed(self.packet) if host else self.to_choice(role.vip)
        if role.snat:
            self.learn_path()
        return passed(self.packet)

    def learn_path(self):
        """A router speaks of a packet that xlb itself has made: an outer header."""
        message = self.packet.frame[self.packet.l4 :]
        quote = self.quote
        if quote.protocol not in (4, 41) and (quote.protocol, quote.destination_port) != (UDP, rewriting.GUE_PORT):
            return
        if self.packet.family == IPV4 and message[:2] == b"\3\4":
            self.sessions.paths.learn(quote.destination, number(message, 6), self.sessions.now)
        elif self.packet.family == IPV6 and message[0] == 2:
            self.sessions.paths.learn(quote.destination, number(message, 4, 4), self.sessions.now)

    # --- where it goes ----------------------------------------------------------------------------

    def to_choice(self, vip):
        """Without a flow, where servers need none: to the one that would get the client's next packet."""
        quote = self.quote
        about = replace(
            self.packet,
            source=quote.destination,
            destination=quote.source,
            protocol=quote.protocol,
            source_port=quote.destination_port,
            destination_port=quote.source_port,
            flags=0x10,
        )
        try:
            choice = self.sessions.choose(about, vip, self.got, quoted=True)
        except Refused:
            raise Refused("icmp_unknown") from None
        server = choice.server
        if quote.protocol == UDP and choice.listener.group in self.sessions.setting.quic:
            # the next packet would be the server's by its connection id, which a quote of the other way has not
            members = self.sessions.setting.members(choice.listener.group, self.packet.family)
            server = next((s for s in members if s.address == destination_of(self.got)), server)
        if server.mode not in ("dr", "tunnel"):
            raise Refused("icmp_unknown")
        return self.as_it_is(server)

    def as_it_is(self, server):
        sessions, packet = self.sessions, self.packet
        length = packet.l3_length + (rewriting.outer_size(server) if server.mode == "tunnel" else 0)
        hop = sessions.egress_to(packet, server, length)
        if server.mode == "dr":
            return sessions.send(packet, hop, packet.family, rewriting.routed(packet))
        chosen = sessions.chosen_for(server, self.got)
        inner = rewriting.wrapped(packet, server.pools[0].address, server, chosen)
        return sessions.send(packet, hop, server.family, inner)

    def to_server(self, flow):
        if flow.direct:
            return self.as_it_is(flow.server)
        server = flow.server
        hop = self.sessions.egress_to(self.packet, server, self.length_in(server.family))
        source = flow.peer or flow.client
        if flow.mode == "nat":
            outer = self.packet.source
        else:
            outer = flow.peer or bytes(len(server.address))
            source = outer
        quoted = rewriting.Ends(server.address, flow.server_port, source, flow.peer_port)
        return self.sessions.send(self.packet, hop, server.family, self.between(outer, server.address, quoted, server.family))

    def to_client(self, flow):
        family = IPV4 if len(flow.client) == 4 else IPV6
        hop = flow.hop
        self.sessions.egress(self.packet, hop, self.length_in(family))
        vip = self.sessions.setting.vips[flow.vip]
        quoted = rewriting.Ends(flow.client, flow.client_port, vip, flow.port)
        return self.sessions.send(self.packet, hop, family, self.between(vip, flow.client, quoted, family))

    def length_in(self, family):
        if family == self.packet.family:
            return self.packet.l3_length
        return 2 * (20 if family == IPV4 else 40) + HEADER + len(self.quote.data) - self.quote.l4

    # --- what it becomes --------------------------------------------------------------------------

    def between(self, source, destination, quoted, family):
        """The error between these ends, about a packet between those."""
        packet, at = self.packet, self.packet.l4
        came = packet.frame[at : packet.l3_end]
        body = self.quoted_header(quoted, family) + self.quoted_transport(quoted, family)
        head = came[:HEADER]
        if family != packet.family:
            head = (to_ipv6 if family == IPV6 else to_ipv4)(head)
        after = head[:2] + bytes(2) + head[4:HEADER] + body
        before = came[:2] + bytes(2) + came[4:]
        right_before = l4_checksum(packet.family, PROTOCOL[packet.family], packet.source, packet.destination, before)
        right = l4_checksum(family, PROTOCOL[family], source, destination, after)
        check = kept_wrong(number(came, 2), right_before, right)
        message = after[:2] + check.to_bytes(2, "big") + after[4:]
        return self.header(source, destination, message, family) + message + rewriting.trailer(packet)

    def header(self, source, destination, message, family):
        packet = self.packet
        if family == packet.family:
            return rewriting.network_header(packet, source, destination)
        return self.new_header(
            family, packet.traffic_class, len(message), PROTOCOL[family], packet.ttl - 1, source, destination, ETHERNET
        )

    def new_header(self, family, traffic_class, length, protocol, ttl, source, destination, at):
        """Of another family; `at`: where the program has written its own, for the IP ID that it chose."""
        hops = {"src": text(source), "dst": text(destination)}
        if family == IPV6:
            return bytes(IPv6(tc=traffic_class, plen=length, nh=protocol, hlim=ttl, **hops))
        small = (length + 20) % 0x10000 <= SMALL
        return bytes(
            IP(
                tos=traffic_class,
                len=(length + 20) % 0x10000,
                id=number(self.got.bare, at + 4) if small else 0,
                flags=0 if small else DONT_FRAGMENT,
                ttl=ttl,
                proto=protocol,
                **hops,
            )
        )

    def quoted_header(self, ends, family):
        quote, packet = self.quote, self.packet
        if family != packet.family:
            traffic_class = quote.data[1] if packet.family == IPV4 else number(quote.data, 0) >> 4 & 0xFF
            ttl = quote.data[8] if packet.family == IPV4 else quote.data[7]
            at = ETHERNET + (20 if family == IPV4 else 40) + HEADER
            return self.new_header(
                family, traffic_class, quote.length, quote.protocol, ttl, ends.source, ends.destination, at
            )
        half = len(ends.source)
        at = 12 if family == IPV4 else 8
        header = quote.data[:at] + ends.source + ends.destination + quote.data[at + 2 * half : quote.l4]
        if family == IPV4:
            check = moved(number(header, 10), quote.data[at : at + 2 * half], ends.source + ends.destination)
            header = header[:10] + check.to_bytes(2, "big") + header[12:]
        return header

    def quoted_transport(self, ends, family):
        """Ports, and the checksum if it is there: of all that it covers only what has changed is known."""
        quote = self.quote
        data = quote.data[quote.l4 :]
        place = 16 if quote.protocol == TCP else 6
        ports = ends.source_port.to_bytes(2, "big") + ends.destination_port.to_bytes(2, "big")
        after = ports + data[4:]
        if len(data) < place + 2 or (quote.protocol == UDP and not number(data, place)):
            return after
        before = quote.source + quote.destination + data[:4]
        check = moved(number(data, place), before, ends.source + ends.destination + ports)
        if quote.protocol == UDP and not check:
            check = 0xFFFF
        return after[:place] + check.to_bytes(2, "big") + after[place + 2 :]


def moved(check, before, after):
    """The checksum after what it covers has changed so (RFC 1624)."""

    def total(data):
        return sum(number(data, i) for i in range(0, len(data), 2))

    value = (0xFFFF - check - total(before) + total(after)) % 0xFFFF
    return 0xFFFF - (value or 0xFFFF)
