# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The segment size that a SYN announces (RFC 9293 sections 3.1 and 3.7.1): what xlb makes of it (docs/modes, Segment size)."""

from dataclasses import replace

from reading import IPV4, SYN, TCP, number
from rewriting import kept_wrong, l4_checksum

END, NOTHING, MSS = 0, 1, 2
ANY = 65535
CHECKSUM = 16


def fitting(mtu, family):
    """The largest that fits, with headers that have no options (RFC 6691)."""
    return mtu - (20 if family == IPV4 else 40) - 20


def lowered_options(options, limit):
    """Up to the first that lies about its length; of those that follow an end, or an MSS, nothing is read."""
    at = 0
    while at < len(options) and options[at] != END:
        if options[at] == NOTHING:
            at += 1
            continue
        size = options[at + 1] if at + 1 < len(options) else 0
        if size < 2 or at + size > len(options):
            break
        if options[at] == MSS and size == 4:
            mss = min(number(options, at + 2), limit)
            return options[: at + 2] + mss.to_bytes(2, "big") + options[at + 4 :]
        at += size
    return options


def lowered(packet, limit):
    """The packet, whose SYN announces no more than the limit; any other is the same."""
    if packet.protocol != TCP or not packet.flags & SYN:
        return packet
    frame, at, options = packet.frame, packet.l4, packet.l4 + 20
    behind = frame[packet.payload : packet.l3_end]

    def segment(check, announced):
        return frame[at : at + CHECKSUM] + check + frame[at + CHECKSUM + 2 : options] + announced + behind

    def right(announced):
        return l4_checksum(packet.family, TCP, packet.source, packet.destination, segment(bytes(2), announced))

    came = frame[options : packet.payload]
    wanted = lowered_options(came, limit)
    if wanted == came:
        return packet
    check = kept_wrong(number(frame, at + CHECKSUM), right(came), right(wanted))
    return replace(packet, frame=frame[:at] + segment(check.to_bytes(2, "big"), wanted) + frame[packet.l3_end :])
