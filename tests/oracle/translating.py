# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The first eight bytes of ICMP errors in the words of the other family (RFC 7915 sections 4.2 and 5.2), checksum 0."""

from reading import number

UNREACHABLE4, EXCEEDED4, PARAMETER4 = 3, 11, 12
UNREACHABLE6, TOO_BIG6, EXCEEDED6, PARAMETER6 = 1, 2, 3, 4
MTU_MIN4, MTU_MIN6 = 68, 1280
APART = 20  # bytes between the headers of the families

# codes of UNREACHABLE4: what is left out is silently dropped
CODES_TO_6 = {0: 0, 1: 0, 3: 4, 5: 0, 6: 0, 7: 0, 8: 0, 9: 1, 10: 1, 11: 0, 12: 0, 13: 1, 15: 1}
CODES_TO_4 = {0: 1, 1: 10, 2: 1, 3: 1, 4: 3}
# figures 3 and 6: what a pointer points at
POINTERS_TO_6 = {0: 0, 1: 1, 2: 4, 3: 4, 8: 7, 9: 6, **dict.fromkeys(range(12, 16), 8), **dict.fromkeys(range(16, 20), 24)}
POINTERS_TO_4 = {0: 0, 1: 1, 4: 2, 5: 2, 6: 9, 7: 8, **dict.fromkeys(range(8, 24), 12), **dict.fromkeys(range(24, 40), 16)}


class Untranslatable(Exception):
    """There is no such message in the other family."""


def lookup(table, key):
    if key not in table:
        raise Untranslatable
    return table[key]


def message(kind, code, word=0):
    return bytes((kind, code, 0, 0)) + word.to_bytes(4, "big")


def to_ipv6(head):
    kind, code = head[:2]
    if kind == EXCEEDED4:
        return message(EXCEEDED6, code)
    if kind == PARAMETER4:
        if code not in (0, 2):
            raise Untranslatable
        return message(PARAMETER6, 0, lookup(POINTERS_TO_6, head[4]))
    if code == 2:  # protocol unreachable: the next header is not known
        return message(PARAMETER6, 1, 6)
    if code == 4:
        return message(TOO_BIG6, 0, max(number(head, 6) + APART, MTU_MIN6))
    return message(UNREACHABLE6, lookup(CODES_TO_6, code))


def to_ipv4(head):
    kind, code = head[:2]
    word = number(head, 4, 4)
    if kind == UNREACHABLE6:
        return message(UNREACHABLE4, lookup(CODES_TO_4, code))
    if kind == TOO_BIG6:
        return message(UNREACHABLE4, 4, min(max(word - APART, MTU_MIN4), 0xFFFF))
    if kind == EXCEEDED6:
        return message(EXCEEDED4, code)
    if code == 1:
        return message(UNREACHABLE4, 2)
    if code:
        raise Untranslatable
    return message(PARAMETER4, 0, lookup(POINTERS_TO_4, word) << 24)
