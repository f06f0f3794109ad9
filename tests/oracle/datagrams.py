# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random datagrams of QUIC: every form of header, with ids that are new, known, name a server, or are cut."""

from quic import LONG, VERSION_1, VERSION_2

VERSIONS = (VERSION_1, VERSION_1, VERSION_1, VERSION_2, 0, 0xFACEB00C)


class Datagrams:
    def __init__(self, random, setting, ids):
        self.random = random
        self.ids = ids
        self.names = [name for _, name in setting.quic_servers]

    def connection_id(self, vip, port):
        random = self.random
        kind = random.randrange(3)
        known = [i for i, *at in self.ids.owners if at == [vip, port]] if kind == 0 else ()
        if known:
            return random.choice(known) + random.randbytes(random.choice((0, 0, 4)))
        if kind == 1:
            first = random.getrandbits(3) << 5 | random.getrandbits(5)
            return bytes((first,)) + random.choice(self.names) + random.randbytes(random.randint(4, 17))
        return random.randbytes(random.choice((0, 3, 4, 5, 7, 8, 8, 8, 9, 16, 20, 20, 21)))

    def datagram(self, vip, port):
        """To a port of a VIP, or from a server (0, 0)."""
        random = self.random
        rest = random.randbytes(random.randint(0, 40))
        if random.random() < 0.4:
            data = bytes((random.getrandbits(7),)) + self.connection_id(vip, port) + rest
        else:
            data = bytes((LONG | random.getrandbits(7),)) + random.choice(VERSIONS).to_bytes(4, "big")
            for connection_id in (self.connection_id(vip, port), self.connection_id(0, 0)):
                data += bytes((len(connection_id),)) + connection_id
            data += rest
        return data[: random.randint(0, len(data))] if random.random() < 0.1 else data
