# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The rules of what is not TCP or UDP, and of what is broken."""

from sessions import dropped, passed


def other(sessions, packet, role, returned, got):
    """ICMP, other protocols and headers that another node must read: the host's."""
    return passed(packet)


def broken(sessions, packet, role, returned, got):
    """To an address of xlb it ends here; else the host may make of it what it wants."""
    return passed(packet) if returned else dropped(packet, "bad_packet")
