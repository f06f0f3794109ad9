#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""flow_busy.py PIN-DIR PAGES: makes every new IPv4 flow, in so many pages of a small table, one that another CPU
is just making (include/xlb/flow.h): a state that lasts for nanoseconds, so it is written by hand."""
import json
import subprocess
import sys

WORDS, BUCKET, ENTRY, ENTRIES = 512, 16, 3, 5
NEW, CLOSING, BUSY, SHOWN = 1, 3, 6, 1
STATE, FLAGS = 56, 52


def bpftool(*words):
    done = subprocess.run(["bpftool", "-j", "map", *words], check=True, capture_output=True)
    return json.loads(done.stdout) if done.stdout.strip() else None


def make_busy(page):
    for at in range(0, WORDS * 8, BUCKET * 8):
        for entry in range(at, at + ENTRIES * ENTRY * 8, ENTRY * 8):
            live = int.from_bytes(page[entry:entry + 8], "little")
            if NEW <= live >> STATE & 7 <= CLOSING:
                live = live & ~(7 << STATE) & ~(15 << FLAGS) | BUSY << STATE | SHOWN << FLAGS
                page[entry:entry + 8] = live.to_bytes(8, "little")


def main():
    ids = bpftool("lookup", "pinned", sys.argv[1] + "/flow_chunk_ids", "key", "0", "0", "0", "0")
    chunk = str(int.from_bytes(bytes(int(b, 16) for b in ids["value"]), "little"))
    for number in range(int(sys.argv[2])):
        key = ["key", str(number), "0", "0", "0"]
        page = bytearray(int(b, 16) for b in bpftool("lookup", "id", chunk, *key)["value"])
        make_busy(page)
        bpftool("update", "id", chunk, *key, "value", *(str(b) for b in page))


if __name__ == "__main__":
    main()
