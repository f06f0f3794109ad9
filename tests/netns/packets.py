#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Packets that no well-behaved sender makes: packets.py KIND ADDRESS PORT [key=value...]

  segment    a TCP segment of no connection; flags=syn|ack (ack), ttl=N, bytes=N of data (0)
  cut        the first 8 bytes of a TCP header
  datagram   UDP; bytes=N (16): above the MTU it leaves in fragments, unless df=1
  fragment   the last fragment of a UDP datagram of which no other comes
  error      an ICMP error (port unreachable) about a TCP segment of ADDRESS to here

count=N of them (1), each from a port of its own, the first being from=N (20000).
"""
import socket
import struct
import sys

# of linux/in.h; not in the socket module
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2
FLAGS = {"syn": 0x02, "ack": 0x10}


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def segment(source, destination, source_port, port, flags, size=0):
    """Data is all zero, so that of the checksum it changes the length only."""
    head = struct.pack("!HHIIBBHHH", source_port, port, 1, 1, 5 << 4, flags, 1024, 0, 0)
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    value = checksum(ends + struct.pack("!HH", socket.IPPROTO_TCP, len(head) + size) + head)
    return head[:16] + struct.pack("!H", value) + head[18:] + bytes(size)


def error(about, to, source_port, port):
    """An ICMP message that quotes the beginning of a packet."""
    quoted = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 60, socket.IPPROTO_TCP, 0)
    quoted += socket.inet_aton(about) + socket.inet_aton(to) + struct.pack("!HHI", port, source_port, 1)
    message = struct.pack("!BBHI", 3, 3, 0, 0) + quoted
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def fragment(source, destination):
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 77, 100, 64, socket.IPPROTO_UDP, 0,
                       socket.inet_aton(source), socket.inet_aton(destination)) + bytes(8)


def raw(options):
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    if "ttl" in options:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(options["ttl"]))
    return sock


def datagram(options, source_port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if options.get("df"):
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    sock.bind(("", source_port))
    return sock


def main():
    kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    options = dict(word.split("=") for word in sys.argv[4:])
    first = int(options.get("from", 20000))
    ports = [first + number % 40000 for number in range(int(options.get("count", 1)))]
    if kind == "datagram":
        for source_port in ports:
            with datagram(options, source_port) as sock:
                sock.sendto(bytes(int(options.get("bytes", 16))), (address, port))
        return
    if kind == "fragment":
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
            sock.connect((address, 0))
            for _ in ports:
                sock.send(fragment(sock.getsockname()[0], address))
        return
    if kind == "error":
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            sock.connect((address, 0))
            for source_port in ports:
                sock.send(error(address, sock.getsockname()[0], source_port, port))
        return
    sock = raw(options)
    sock.connect((address, port))
    source = sock.getsockname()[0]
    for source_port in ports:
        flags = FLAGS[options.get("flags", "ack")]
        data = segment(source, address, source_port, port, flags, int(options.get("bytes", 0)))
        sock.send(data[:8] if kind == "cut" else data)


if __name__ == "__main__":
    main()
