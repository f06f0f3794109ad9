# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The rule of fragments (RFC 791, RFC 8200 section 4.5; docs/packets.md): the first one has the ports and goes as any packet
does; the others follow it, for as long as it is remembered, which no round outlasts.
"""

from dataclasses import dataclass

import rewriting
from reading import ETHERNET, IPV4, TCP, WHOLE, number, read_transport
from rewriting import Ends
from sessions import Refused, dropped, length_in, passed, request_length

TCP_HEADER = 20
PACKET_MAX = 0xFFFF


@dataclass
class Kept:
    """What has become of a first fragment."""

    flow: object
    hop: object  # back to the client; None on the way to the server
    ends: Ends
    number: int  # identification of what is sent on

    @property
    def family(self):
        return IPV4 if len(self.ends.destination) == 4 else 6

    @property
    def numbered(self):
        """Whether other hosts' packets come from the same source (RFC 6864)."""
        return not self.flow.direct and (self.hop is not None or self.flow.mode == "fullnat")


def key_of(packet):
    return packet.source, packet.destination, packet.fragment_id, packet.protocol


def rule(sessions, packet, role, returned, got):
    sessions.got = got
    try:
        if packet.fragment < 8:
            return first(sessions, packet, role, returned, got)
        return later(sessions, packet, role, got)
    except Refused as refusal:
        return sessions.refuse(packet, refusal)


def first(sessions, packet, role, returned, got):
    if read_transport(packet) != WHOLE:
        return dropped(packet, "bad_packet") if role.vip else passed(packet)
    known = sessions.fragments.get(key_of(packet))
    sessions.last = None
    chosen = known.number if known else None
    packet.sent_id = identification(packet, got) if chosen is None else chosen
    outcome = sessions.rule(packet, role, returned, got)
    if outcome.forwarded and sessions.last:
        flow, hop, ends = sessions.last
        kept = Kept(flow, hop, ends, packet.sent_id)
        if not kept.numbered and kept.family == packet.family:
            kept.number = chosen  # it keeps its own: a choice of the program is not to be seen
        sessions.fragments[key_of(packet)] = kept
    return outcome


def identification(packet, got):
    """That the program has chosen for what it sent."""
    frame = got.bare
    if not got.forwarded:
        return 0
    if frame[12:14] == b"\x08\x00":
        return number(frame, ETHERNET + 4)
    return number(frame, packet.l4 - 4, 4) if packet.family != IPV4 else number(frame, ETHERNET + 44, 4)


def later(sessions, packet, role, got):
    kept = sessions.fragments.get(key_of(packet))
    if not kept:
        host = not role.vip or role.vip in sessions.setting.hosts
        return passed(packet) if host else dropped(packet, "fragment")
    offset, length = packet.fragment & ~7, packet.l4_length
    over_header = packet.protocol == TCP and offset < TCP_HEADER
    if over_header or not length or (packet.fragment & 1 and length % 8) or offset + length > PACKET_MAX:
        return dropped(packet, "bad_packet")
    server = kept.flow.server
    if kept.flow.direct:
        hop = sessions.egress_to(packet, server, request_length(packet, server))
        if kept.flow.mode == "dr":
            return sessions.send(packet, hop, packet.family, rewriting.routed(packet))
        chosen = sessions.chosen_for(server, got)
        return sessions.send(
            packet, hop, server.family, rewriting.wrapped(packet, server.pools[0].address, server, chosen)
        )
    length = length_in(packet, kept.family)
    if kept.hop:
        hop = kept.hop
        sessions.egress(packet, hop, length)
    else:
        hop = sessions.egress_to(packet, server, length)
    packet.sent_id = kept.number
    return sessions.send(packet, hop, kept.family, moved(packet, kept))


def moved(packet, kept):
    """Between other addresses: there is no transport header."""
    if kept.family != packet.family:
        return rewriting.translated_header(packet, kept.ends, packet.l4_length, 0) + packet.frame[packet.l4 :]
    if kept.numbered:
        packet = rewriting.numbered(packet)
    header = rewriting.network_header(packet, kept.ends.source, kept.ends.destination)
    return header + packet.frame[packet.l4 :]
