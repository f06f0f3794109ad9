# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The real program, behind the process that bridge.c is; its head says how it is spoken to."""

import json
import struct
import subprocess

from outcome import Outcome

CANNOT = 4  # exit status: this machine lacks something, which stderr names


class Unavailable(Exception):
    """A reason to skip."""


class Bridge:
    def __init__(self, program):
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        told = self.process.stdout.readline()
        if not told:
            reason = self.process.stderr.read().decode().strip()
            if self.process.wait() == CANNOT:
                raise Unavailable(reason)
            raise RuntimeError(f"{program}: {reason}")
        self.setting = json.loads(told)
        self.requests = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def frame(self, frame):
        self.request(b"F", frame)

    def age(self, seconds):
        self.request(b"A", struct.pack("<I", seconds))

    def kill(self):
        self.request(b"K", b"")

    def set_flags(self, server, flags):
        self.request(b"S", struct.pack("<II", server, flags))

    def set_hop(self, hop, slot):
        self.request(b"H", struct.pack("<II", hop, slot))

    def reset(self):
        self.request(b"R", b"")

    def request(self, kind, data):
        self.requests.append(kind + struct.pack("<I", len(data)) + data)

    def answers(self):
        """Sends what was requested; the outcomes of its frames, in their order."""
        batch = b"".join(self.requests)
        self.requests = []
        self.process.stdin.write(struct.pack("<I", len(batch)) + batch)
        self.process.stdin.flush()
        size = self.read(4)
        answer = self.read(struct.unpack("<I", size)[0])
        outcomes, at = [], 0
        while at < len(answer):
            verdict, reason, length = struct.unpack_from("<III", answer, at)
            at += 12
            outcomes.append(Outcome(verdict, self.setting["reasons"][reason], answer[at : at + length]))
            at += length
        return outcomes

    def read(self, size):
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise RuntimeError(f"the bridge ended: {self.process.stderr.read().decode().strip()}")
        return data
