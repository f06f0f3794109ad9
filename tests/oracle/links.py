# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""VLAN tags (IEEE 802.1Q; docs/vlan.md): which link a frame came by, and the tags of the one that it leaves by."""

from reading import number
from setting import CLIENTS

TYPES = (0x8100, 0x88A8)
TAGS_MAX = 2
MACS = 12
ID, PRIORITY = 0x0FFF, 0xF000


def read_tags(frame):
    """(EtherType, rest) of each, outer first."""
    tags, at = [], MACS
    while len(tags) < TAGS_MAX and at + 4 <= len(frame) and number(frame, at) in TYPES:
        tags.append((number(frame, at), number(frame, at + 2)))
        at += 4
    return tags


def write_tags(tags):
    return b"".join(kind.to_bytes(2, "big") + rest.to_bytes(2, "big") for kind, rest in tags)


class Links:
    """The interfaces by the tags that their frames have on the wire; none for a NIC."""

    def __init__(self, setting):
        self.interfaces = setting.interfaces
        self.by_tags = {i.tags: slot for slot, i in setting.interfaces.items() if i.nic == CLIENTS}
        self.by_tags[()] = CLIENTS

    def take(self, frame):
        """The frame without tags, its tags, and the link that it came by; None if no link has such tags."""
        tags = read_tags(frame)
        link = self.by_tags.get(tuple((kind, rest & ID) for kind, rest in tags if rest & ID))
        if link is None:
            return None
        return frame[:MACS] + frame[MACS + 4 * len(tags) :], tags, link

    def tags_out(self, slot, came):
        """Those of a link, with the priority that a frame came with; the inner one's is the outer one's if it had one tag."""
        priorities = [rest & PRIORITY for _, rest in came] or [0]
        return write_tags(
            (kind, rest | priorities[min(i, len(priorities) - 1)])
            for i, (kind, rest) in enumerate(self.interfaces[slot].tags)
        )
