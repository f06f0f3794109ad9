#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""poke.py PIN-DIR OBJECT TABLE ID FIELD VALUE: writes one byte of a row of the program's variable `tables`, as nobody
should. OBJECT is the program's file, whose types say where the field lies."""
import ctypes
import json
import mmap
import os
import subprocess
import sys

SYS_BPF, BPF_OBJ_GET = 321, 7


class ObjGet(ctypes.Structure):
    _fields_ = [("pathname", ctypes.c_uint64), ("fd", ctypes.c_uint32), ("flags", ctypes.c_uint32)]


def member(types, struct, name):
    for kind in types:
        if kind["kind"] == "STRUCT" and kind["name"] == struct:
            return next(m for m in kind["members"] if m["name"] == name), kind["size"]
    sys.exit("no struct " + struct)


def open_pinned(path):
    text = ctypes.create_string_buffer(path.encode())
    attr = ObjGet(ctypes.addressof(text), 0, 0)
    fd = ctypes.CDLL(None, use_errno=True).syscall(SYS_BPF, BPF_OBJ_GET, ctypes.byref(attr), ctypes.sizeof(attr))
    if fd < 0:
        sys.exit("%s: %s" % (path, os.strerror(ctypes.get_errno())))
    return fd


def main():
    pins, obj, table, row, field, value = sys.argv[1:]
    raw = subprocess.run(["bpftool", "-j", "btf", "dump", "file", obj], check=True, capture_output=True).stdout
    types = json.loads(raw)["types"]
    rows, size = member(types, "xlb_tables", table)
    array = types[rows["type_id"] - 1]
    row_struct = types[array["type_id"] - 1]["name"]
    at, stride = member(types, row_struct, field)
    offset = rows["bits_offset"] // 8 + int(row) * stride + at["bits_offset"] // 8
    with mmap.mmap(open_pinned(pins + "/tables"), size, mmap.MAP_SHARED) as memory:
        memory[offset] = int(value)


if __name__ == "__main__":
    main()
