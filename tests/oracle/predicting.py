# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The oracle: says of each frame what xlb must do with it, in the order in which it does it."""

import broken
import fragments
import icmp
import reading
from flows import Flows
from outcome import PASS, Outcome
from sessions import Sessions, passed

RULES = {
    reading.OTHER: icmp.rule,
    reading.BROKEN: broken.rule,
    reading.FRAGMENT: fragments.rule,
    reading.WHOLE: Sessions.rule,
}


class Oracle:
    def __init__(self, setting):
        self.setting = setting
        self.flows = Flows()
        self.sessions = Sessions(setting, self.flows)

    def age(self, seconds):
        """Nothing has happened for so long."""
        self.sessions.now += seconds

    def kill(self):
        self.flows.kill(self.sessions.now)

    def set_hop(self, hop, slot):
        self.setting.hops[hop] = self.setting.hops[hop]._replace(interface=slot)

    def set_flags(self, server, flags):
        self.setting.servers[server].flags = flags

    def predict(self, frame, got):
        """The outcome of the frame; `got` tells what the program chose where the choice is its own."""
        taken = self.sessions.links.take(frame)
        if not taken:
            return Outcome(PASS, "", frame)
        packet = reading.read(taken[0])
        packet.came = frame
        _, packet.tags, packet.link = taken
        role = self.setting.role(packet.destination)
        own = role.vip or role.snat
        returned = not own and self.setting.role(packet.source).returns
        # a router may have something to say of a packet to a server of a nat group
        told = packet.kind == reading.OTHER and icmp.is_plain(packet)
        if packet.kind == reading.NOT_IP or not (own or returned or told):
            return passed(packet)
        self.sessions.got = got
        return RULES[packet.kind](self.sessions, packet, role, returned, got)
