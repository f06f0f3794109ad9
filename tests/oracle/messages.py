# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random ICMP messages: pings, errors about packets of flows, as the routers of both sides see them, and about others."""

from reading import ACK, IPV4, IPV6, TCP, UDP
from rewriting import GUE_PORT
from setting import packed
from writing import ICMP, Draft, write

ROUTERS = {IPV4: packed("192.0.2.254"), IPV6: packed("2001:db8:fe::254")}
KINDS = {
    IPV4: [(3, 4)] * 4
    + [(3, code) for code in range(17)]
    + [(11, 0), (11, 1), (12, 0), (12, 1), (12, 2), (5, 0), (0, 0)],
    IPV6: [(2, 0)] * 4
    + [(1, code) for code in range(7)]
    + [(3, 0), (3, 1), (4, 0), (4, 1), (4, 2), (129, 0), (135, 0)],
}


class Messages:
    def __init__(self, random, setting, flows):
        self.random = random
        self.setting = setting
        self.flows = flows
        self.tunnels = [server for server in setting.servers.values() if server.mode == "tunnel"]

    def draft(self, client, vip):
        """A message; a ping is from the client to the VIP."""
        kind = self.random.random()
        if kind < 0.2:
            return self.ping(client, vip)
        if kind < 0.35:
            return self.about_tunnel()
        table = self.flows.requests if kind < 0.7 else self.flows.replies
        flow = self.random.choice(list(table.values())) if table else None
        if not flow or not (flow.peer or kind < 0.7):
            return self.ping(client, vip)
        return self.about_request(flow) if kind < 0.7 else self.about_reply(flow)

    def ping(self, client, vip):
        kind = 8 if len(vip) == 4 else 128
        data = self.random.randbytes(self.random.choice((0, 3, 4, 60, 1000)))
        if self.random.random() < 0.1:
            data = bytes(len(data))
        data = bytes((kind, self.random.choice((0, 0, 0, 0, 1)), 0, 0)) + data
        return Draft(client, vip, ICMP[IPV4 if len(vip) == 4 else IPV6], payload=data)

    def about_request(self, flow):
        """To the VIP, about what the client was sent."""
        vip = self.setting.vips[flow.vip]
        port = flow.port if self.random.random() < 0.9 else self.random.getrandbits(16)
        quoted = self.transport(vip, flow.client, flow.protocol, port, flow.client_port)
        return self.error(quoted, self.random.choice((flow.client, None)))

    def about_reply(self, flow):
        """To whom the server takes for its client, about what the server was sent."""
        server = flow.server
        quoted = self.transport(flow.peer, server.address, flow.protocol, flow.peer_port, flow.server_port)
        return self.error(quoted, self.random.choice((server.address, None)))

    def transport(self, source, destination, protocol, source_port, destination_port):
        return Draft(
            source,
            destination,
            protocol,
            source_port,
            destination_port,
            flags=ACK if protocol == TCP else 0,
            traffic_class=self.random.choice((0, 0xB8)),
            ip_id=self.random.getrandbits(16),
            ttl=self.random.choice((1, 5, 63, 255)),
            fragment=self.random.choice((0x4000, 0, 0x2000)),
            options=self.random.choice((b"", b"", b"\1" * 8)) if len(source) == 4 else b"",
            l4_checksum=self.random.choice((None, None, 0, self.random.getrandbits(16))),
            payload=self.random.randbytes(self.random.choice((0, 8, 100, 1300))),
        )

    def about_tunnel(self):
        server = self.random.choice(self.tunnels)
        inner = 4 if self.random.random() < 0.5 else 41
        protocol = UDP if server.encapsulation == "gue" else inner
        quoted = Draft(
            server.pools[0].address, server.address, protocol, 50000, GUE_PORT, payload=self.random.randbytes(60)
        )
        return self.error(quoted, None)

    def error(self, quoted, sender):
        random = self.random
        family = quoted.family
        data = write(quoted)[14:]
        size = random.choice((len(data), 28, 36, 48, 60, 60, random.randint(0, len(data))))
        kind, code = random.choice(KINDS[family])
        mtu = random.choice((0, 68, 500, 600, 1279, 1280, 1300, 1399, 1400, 1480, 1500, 9000, random.getrandbits(32)))
        if (kind, code) in ((3, 4), (2, 0)):
            word = mtu & 0xFFFF if family == IPV4 else mtu
        else:
            word = random.choice((0, random.randrange(41) << (24 if family == IPV4 else 0), random.getrandbits(32)))
        payload = bytes((kind, code, 0, 0)) + word.to_bytes(4, "big") + data[:size]
        return Draft(sender or ROUTERS[family], quoted.source, ICMP[family], payload=payload)
