# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The rule of fragments: they have no port to tell by, so those to an address of the host may be the host's."""

from sessions import dropped, passed


def rule(sessions, packet, role, returned, got):
    if role.vip and role.vip not in sessions.setting.hosts:
        return dropped(packet, "fragment")
    return passed(packet)
