# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What routers have said of the way to servers in tunnels (docs/packets.md, Errors from xlb)."""

FLOOR = {4: 552, 16: 1280}  # by bytes of the address: less is not believed
ANY = 0xFFFF
LIFETIME = 600  # seconds; then a larger packet is tried


class Paths:
    def __init__(self):
        self.known = {}  # server: what fits, and when that was heard

    def mtu(self, server, now):
        mtu, heard = self.known.get(server, (ANY, now))
        return mtu if now - heard <= LIFETIME else ANY

    def learn(self, server, mtu, now):
        """As long as it is remembered, a path only gets narrower."""
        mtu = max(mtu, FLOOR[len(server)])
        if mtu < self.mtu(server, now):
            self.known[server] = mtu, now
