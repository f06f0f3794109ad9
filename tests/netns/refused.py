#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""refused.py PORT: waits for a datagram on PORT and goes on answering it until the kernel says that nobody is there any
more, by ICMP."""
import socket
import sys

ANSWERS = 100

server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
server.bind(("::", int(sys.argv[1])))
server.settimeout(60)
_, client = server.recvfrom(2048)
server.connect(client)
server.settimeout(0.1)
for _ in range(ANSWERS):
    try:
        server.send(b"answer")
        server.recv(2048)
    except socket.timeout:
        continue
    except ConnectionRefusedError:
        sys.exit()
sys.exit("nobody said that the client is gone")
