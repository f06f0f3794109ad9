# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The rule of what is broken."""

from sessions import dropped, passed


def rule(sessions, packet, role, returned, got):
    """To an address of xlb it ends here; else the host may make of it what it wants."""
    return passed(packet) if returned else dropped(packet, "bad_packet")
