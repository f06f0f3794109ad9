#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""large.py ADDRESS PORT: sends datagrams of 4000 bytes until one is answered, ten times at most."""
import socket
import sys

address, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as sock:
    sock.connect((address, port))
    sock.settimeout(1)
    for _ in range(10):
        try:
            sock.send(bytes(4000))
            sock.recv(65535)
            sys.exit(0)
        except OSError:  # of a packet too big, or none
            continue
sys.exit(f"no answer from {address} port {port}")
