# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The world that the bridge says it has made: addresses, listeners, groups, servers, ways out."""

import ipaddress
from dataclasses import dataclass, field
from typing import NamedTuple

from quic import ID_MAX, Quic
from reading import IPV4, IPV6, MAPPED

MAGLEV_SLOTS = 65537
HOST_PORTS = range(32768, 61000)  # the host's own, in no pool
CLIENTS = 1  # the interface that every frame comes in by


def packed(text):
    return ipaddress.ip_address(text).packed


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def tags(numbers):
    return tuple((number >> 16, number & 0xFFFF) for number in numbers)


def mapped(address):
    return address if len(address) == 16 else MAPPED + address


class Role(NamedTuple):
    vip: int = 0
    snat: int = 0
    returns: bool = False


class Interface(NamedTuple):
    mac: bytes
    mtu: int
    nic: int  # its own slot, or that of the NIC that a VLAN device lies on
    tags: tuple  # (EtherType, id) of each, outer first
    device: bool


class Hop(NamedTuple):
    mac: bytes
    interface: int


class Listener(NamedTuple):
    group: int
    disabled: bool
    idle_timeout: int
    mss: int


class Pool(NamedTuple):
    address: bytes
    first: int
    last: int

    def has(self, address, port):
        return address == self.address and self.first <= port <= self.last and port not in HOST_PORTS


@dataclass(eq=False)
class Server:
    number: int
    address: bytes
    port: int
    family: int
    mode: str
    encapsulation: str
    near_bits: int  # of the address as IPv6 has it
    hop: int
    flags: int
    pools: list = field(default_factory=list)

    DOWN, RESET, QUIC = 1, 2, 4

    def is_near(self, client):
        if client == self.address:
            return True
        difference = int.from_bytes(mapped(client), "big") ^ int.from_bytes(mapped(self.address), "big")
        return self.near_bits > 0 and difference >> (128 - self.near_bits) == 0


def hash_mix(value, word):
    value = ((value ^ word) * 0x9E3779B97F4A7C15) & (1 << 64) - 1
    return value ^ value >> 32


def words(data):
    """Each two words of 32 bits as they lie in memory, joined."""
    parts = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]
    return [high << 32 | low for high, low in zip(parts[::2], parts[1::2])]


def hash_quic(connection_id):
    """Of a connection id (include/xlb/hash.h)."""
    data = connection_id.ljust(ID_MAX, b"\0")
    value = 0
    for word in (*words(data[:16]), int.from_bytes(data[16:], "little"), 0):
        value = hash_mix(value, word)
    return value >> 32


def hash_tuple(client, client_port, vip, port, protocol):
    """As two load balancers that share a VIP have agreed on (include/xlb/hash.h)."""

    def swapped(number):
        return number >> 8 | (number & 255) << 8

    value = 0
    for word in words(mapped(client)) + words(mapped(vip)):
        value = hash_mix(value, word)
    value = hash_mix(value, swapped(client_port) << 32 | swapped(port) << 8 | protocol)
    return hash_mix(value, 0) >> 32


class Setting:
    def __init__(self, told):
        self.reasons = told["reasons"]
        self.interfaces = {
            int(i): Interface(mac(row["mac"]), row["mtu"], row["nic"], tags(row["tags"]), row["device"])
            for i, row in told["interfaces"].items()
        }
        self.hops = {int(i): Hop(mac(row["mac"]), row["interface"]) for i, row in told["hops"].items()}
        self.listeners = {int(i): Listener(**row) for i, row in told["listeners"].items()}
        self.roles = {packed(text): Role(**row) for text, row in told["addresses"].items()}
        self.hosts = {int(i) for i, row in told["vips"].items() if row["host"]}
        self.vips = {role.vip: address for address, role in self.roles.items() if role.vip}
        self.groups = {
            int(i): {int(family): slots for family, slots in tables.items()} for i, tables in told["groups"].items()
        }
        self.rules = {}
        for name, rules in told["port_sets"].items():
            vip, protocol = name.split("/")
            self.rules[int(vip), int(protocol)] = rules
        self.quic = {int(i): Quic(**row) for i, row in told["quic"].items() if row["id_length"]}
        self.quic_servers = {
            (row["group"], bytes.fromhex(row["id"])): {IPV4: row["ipv4"], IPV6: row["ipv6"]}
            for row in told["quic_servers"]
        }
        self.servers = {int(i): self.server(int(i), row, told) for i, row in told["servers"].items()}

    @staticmethod
    def server(number, row, told):
        pools = []
        for pool in row["pools"]:
            ports = told["bitmaps"][str(pool["bitmap"])]
            pools.append(Pool(packed(told["snats"][str(pool["snat"])]), ports["from"], ports["to"]))
        return Server(
            number,
            packed(row["address"]),
            row["port"],
            row["family"],
            row.get("mode", ""),
            row.get("encapsulation", ""),
            row["near_bits"],
            row["hop"],
            row["flags"],
            pools,
        )

    def role(self, address):
        return self.roles.get(address, Role())

    def listener(self, vip, protocol, port):
        """The number of the first rule's listener that has the port: the most precise is the first."""
        for rule in self.rules.get((vip, protocol), ()):
            if rule["from"] <= port <= rule["to"]:
                return rule["listener"]
        return 0

    def choice(self, group, packet, connection_id):
        """The server that the group's table has for the id or, without one, for the packet's ends."""
        slots = self.groups[group].get(packet.family)
        if not slots:
            return None
        if connection_id is None:
            value = hash_tuple(
                packet.source, packet.source_port, packet.destination, packet.destination_port, packet.protocol
            )
        else:
            value = hash_quic(connection_id)
        return self.servers[slots[value % MAGLEV_SLOTS % len(slots)]]

    def members(self, group, family):
        return {self.servers[number] for number in set(self.groups[group].get(family, ()))}

    def families(self):
        return {family: [v for v, a in self.vips.items() if len(a) == size] for family, size in ((IPV4, 4), (IPV6, 16))}
