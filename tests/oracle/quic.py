# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Servers by connection ids (docs/quic.md): headers by RFC 8999, types of long ones by RFC 9000 section 17.2 and RFC 9369
section 3.2, server ids as draft-ietf-quic-load-balancers has them unencrypted.
"""

from typing import NamedTuple

from reading import UDP, number

LONG = 0x80
VERSION_1, VERSION_2 = 1, 0x6B3343CF
INITIAL, ZERO_RTT, HANDSHAKE, RETRY, OTHER, NEGOTIATION = range(6)
ID_MAX = 20
NO_CONFIG = 7  # first bits of an id that has no server id


class Quic(NamedTuple):
    """What of ids a group goes by."""

    id_length: int
    server_id_length: int
    config: int  # 7: any


class Header(NamedTuple):
    kind: int
    to: bytes
    source: bytes  # None: the datagram ends before


def datagram(packet):
    """The payload of UDP, which may end before the IP packet does."""
    end = packet.l4 + number(packet.frame, packet.l4 + 4)
    return packet.frame[packet.payload : min(end, packet.l3_end)]


def read_long(data):
    """None, if not even the length of the first id is there."""
    if len(data) < 6:
        return None
    version = number(data, 1, 4)
    kind = data[0] >> 4 & 3
    if version == VERSION_2:
        kind = (kind - 1) & 3
    elif version != VERSION_1:
        kind = OTHER if version else NEGOTIATION
    end = 6 + data[5]
    source = data[end + 1 : end + 1 + data[end]] if len(data) > end else None
    return Header(kind, data[6:end], source)


class Ids:
    """What connection ids say, and what they have taught."""

    def __init__(self, setting):
        self.setting = setting
        self.owners = {}

    @staticmethod
    def serves(server):
        return bool(server and server.mode) and not server.flags & (server.DOWN | server.RESET)

    def named(self, group, quic, connection_id, family):
        config = connection_id[0] >> 5
        if not quic.server_id_length or config == NO_CONFIG or quic.config not in (NO_CONFIG, config):
            return None
        names = self.setting.quic_servers.get((group, connection_id[1 : 1 + quic.server_id_length]))
        return self.setting.servers.get(names[family]) if names else None

    def owner(self, connection_id, vip, port):
        server = self.owners.get((connection_id, vip, port))
        return server if self.serves(server) else None

    def ask(self, packet, vip, group):
        """A server that has the connection or None, and the id by which else to choose or None."""
        quic = self.setting.quic.get(group)
        if packet.protocol != UDP or not quic or not quic.id_length:
            return None, None
        data = datagram(packet)
        of_server = bool(data) and not data[0] & LONG
        if of_server:
            wanted, connection_id = quic.id_length, data[1 : 1 + quic.id_length]
        else:
            header = read_long(data)
            if not header:
                return None, None
            wanted = min(data[5], quic.id_length)
            connection_id = header.to[:wanted]
            of_server = header.kind == HANDSHAKE and wanted == quic.id_length
        if not wanted or len(connection_id) < wanted:
            return None, None
        server = self.named(group, quic, connection_id, packet.family) if of_server else None
        if not self.serves(server):
            server = self.owner(connection_id, vip, packet.destination_port)
        return server, connection_id

    def learn(self, packet, flow, side):
        """From a datagram of a flow: what the server says, or where it is not heard, what its clients say."""
        quic = self.setting.quic.get(flow.listener.group)
        data = datagram(packet) if packet.protocol == UDP else b""
        if not flow.server.flags & flow.server.QUIC or not quic or not quic.id_length or not data or not data[0] & LONG:
            return
        header = read_long(data)
        if not header or header.kind in (RETRY, NEGOTIATION) or (side == "client" and not flow.direct):
            return
        chosen = header.source if side == "server" else header.to
        length = data[6 + data[5]] if side == "server" and chosen is not None else data[5]
        if chosen is None or length < quic.id_length or len(chosen) < quic.id_length:
            return
        chosen = chosen[: quic.id_length]
        if side == "server" or not self.owner(chosen, flow.vip, flow.port):
            self.owners[chosen, flow.vip, flow.port] = flow.server
