#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Random packets, foretold: the oracle says of each what xlb must do with it, verdict and bytes, and the real program in the
kernel is asked. TAP on stdout, a test for each round; a round has a seed of its own and begins without flows, so one
that fails is repeated by its number: oracle.py --first NUMBER --rounds 1.
"""

import argparse
import collections
import random
import sys
import time


def skip(reason):
    print(f"1..1\nok 1 - frames as foretold # SKIP {reason}")
    sys.exit(0)


try:
    from bridge import Bridge, Unavailable
    from generating import Generator
    from outcome import VERDICTS, Disagreement, difference, dump
    from predicting import Oracle
    from setting import Setting
except ModuleNotFoundError as missing:
    if missing.name != "scapy":
        raise
    skip("scapy is not installed: scripts/deps.sh test")

BATCH = 50
SECONDS_MAX = 5  # of a round: what lasts longer may meet a timeout by itself
TRIES = 4
# Interfaces that next hops may be behind: NICs and VLAN devices on them (setting.c)
HOPS = {1: (1, 12), 2: (2, 13, 14)}
# Seconds that pass at once. Any number of them is some seconds off every timeout, and every sum of two.
SOME_TIME, LONG_TIME = 52, 19 * 52


class Slow(Exception):
    """This machine was busy with something else."""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bridge", default="build/tests/oracle/bridge")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="number of the first round")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--frames", type=int, default=1000, help="of a round; at most so many RSTs are sent in a second")
    parser.add_argument("--statistics", action="store_true", help="say what became of the frames")
    return parser.parse_args()


class Round:
    """So many frames, and what happens between them, from one seed."""

    def __init__(self, bridge, setting, seed, frames):
        self.random = random.Random(seed)
        self.bridge = bridge
        self.setting = setting
        self.oracle = Oracle(setting)
        self.generator = Generator(self.random, setting, self.oracle.flows, self.oracle.sessions.ids)
        self.frames = frames
        self.started = time.monotonic()
        self.counts = collections.Counter()

    def reset(self):
        for server in self.setting.servers.values():
            self.happen("set_flags", server.number, server.flags & server.QUIC)
        for hop, slots in HOPS.items():
            self.happen("set_hop", hop, slots[0])
        self.bridge.reset()
        self.bridge.answers()

    def happen(self, what, *arguments):
        for side in (self.bridge, self.oracle):
            getattr(side, what)(*arguments)

    def between(self):
        """What may happen between two batches."""
        choice = self.random.random()
        if choice < 0.1:
            self.happen("age", SOME_TIME)
        elif choice < 0.12:
            self.happen("age", LONG_TIME)
        elif choice < 0.15:
            self.happen("kill")
        elif choice < 0.30:
            server = self.random.choice(list(self.setting.servers.values()))
            health = self.random.choice((0, server.DOWN, server.DOWN, server.RESET))
            self.happen("set_flags", server.number, server.flags & server.QUIC | health)
        elif choice < 0.40:
            hop = self.random.choice(list(HOPS))
            self.happen("set_hop", hop, self.random.choice(HOPS[hop]))

    def run(self):
        """None, or how program and oracle differ."""
        self.reset()
        for first in range(0, self.frames, BATCH):
            self.between()
            frames = [self.generator.frame() for _ in range(min(BATCH, self.frames - first))]
            for frame in frames:
                self.bridge.frame(frame)
            answers = self.bridge.answers()
            if time.monotonic() - self.started > SECONDS_MAX:
                raise Slow
            for i, (frame, got) in enumerate(zip(frames, answers)):
                fault = self.compare(frame, got)
                if fault:
                    return f"frame {first + i}:\n{fault}"
        return None

    def compare(self, frame, got):
        try:
            fault = difference(got, self.oracle.predict(frame, got))
        except Disagreement as disagreement:
            fault = f"program: {got}\noracle:  {disagreement}\n{dump(got.frame)}"
        self.counts[f"{VERDICTS[got.verdict]} {got.reason}".strip()] += 1
        return f"{fault}\n  the frame that came:\n{dump(frame)}" if fault else None


def play(bridge, setting, seed, frames):
    """A round, again if the machine was too busy: its fault, and its counts."""
    for _ in range(TRIES):
        attempt = Round(bridge, setting, seed, frames)
        try:
            return attempt.run(), attempt.counts
        except Slow:
            continue
    raise Slow


def run(arguments):
    total, failed = collections.Counter(), 0
    with Bridge(arguments.bridge) as bridge:
        setting = Setting(bridge.setting)
        print(f"1..{arguments.rounds}")
        for i in range(arguments.rounds):
            number = arguments.first + i
            name = f"{i + 1} - seed {arguments.seed}, round {number}: {arguments.frames} frames as foretold"
            try:
                fault, counts = play(bridge, setting, f"{arguments.seed}/{number}", arguments.frames)
            except Slow:
                print(f"ok {name} # SKIP too busy: a round took more than {SECONDS_MAX} s")
                continue
            total += counts
            failed += bool(fault)
            print(f"not ok {name}\n# " + fault.replace("\n", "\n# ") if fault else f"ok {name}", flush=True)
    if arguments.statistics:
        for outcome, count in total.most_common():
            print(f"# {count:8} {outcome}")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(run(parse_arguments()))
    except Unavailable as reason:
        skip(reason)
