# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What becomes of a frame: what the program did, what the oracle says, and how the two differ."""

from dataclasses import dataclass

DROP, PASS, TX, REDIRECT = 1, 2, 3, 4
VERDICTS = {0: "aborted", DROP: "drop", PASS: "pass", TX: "tx", REDIRECT: "redirect"}


class Disagreement(Exception):
    """What the program chose for itself is not what it may choose."""


@dataclass
class Outcome:
    verdict: int
    reason: str  # of the drop counted, if any
    frame: bytes

    def __str__(self):
        return f"{VERDICTS.get(self.verdict, self.verdict)} {self.reason or '-'}, {len(self.frame)} bytes"

    @property
    def bare(self):
        """The frame without VLAN tags."""
        at = 12
        while self.frame[at : at + 2] in (b"\x81\0", b"\x88\xa8"):
            at += 4
        return self.frame[:12] + self.frame[at:]

    @property
    def forwarded(self):
        return self.verdict in (TX, REDIRECT) and not self.reason


def dump(frame):
    """Of a long one only the first bytes: those behind are payload."""
    frame = frame[:192]
    return "\n".join(f"    {i:4}  {frame[i:i + 16].hex(' ', 2)}" for i in range(0, len(frame), 16))


def difference(got, wanted):
    """None, or a text for people."""
    if (got.verdict, got.reason) == (wanted.verdict, wanted.reason):
        # nobody sees the bytes of a frame that is dropped
        if got.verdict == DROP or got.frame == wanted.frame:
            return None
    text = f"program: {got}\noracle:  {wanted}"
    if got.frame != wanted.frame:
        at = next((i for i, (a, b) in enumerate(zip(got.frame, wanted.frame)) if a != b), "the end")
        text += f"\nframes differ from byte {at}; the program's:\n{dump(got.frame)}\n  the oracle's:\n{dump(wanted.frame)}"
    return text
