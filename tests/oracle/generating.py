# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Random frames: flows that begin, go on and are answered, strangers, and all of it spoilt in every field."""

from dataclasses import replace

from datagrams import Datagrams
from flows import CLOSED, CLOSING
from links import write_tags
from messages import Messages
from reading import ACK, DESTINATION, FIN, FRAGMENT_HEADER, HOP_BY_HOP, IPV4, IPV6, ROUTING, RST, SYN, TCP, UDP
from setting import CLIENTS, HOST_PORTS, packed
from writing import Draft, write

PSH = 8
FRAME_MAX = 1514
CLIENT_ADDRESSES = {
    IPV4: [packed(f"203.0.113.{i}") for i in (5, 6, 7, 9)] + [packed("192.0.2.77")],
    IPV6: [packed(f"2001:db8:c::{i}") for i in (5, 6, 7, 9)] + [packed("2001:db9::77")],
}
CLIENT_MACS = [b"\x02\0\0\0\0\x0c", b"\x06\0\0\0\0\x0c", b"\x02\0\0\0\0\x77"]
SERVER_MAC = b"\x02\0\0\0\0\x05"
ODD_FLAGS = [RST, RST | ACK, SYN, SYN | ACK, FIN, 0, SYN | FIN, SYN | RST, 0xFF]
FLAGS_MIDWAY = [ACK] * 12 + [PSH | ACK] * 4 + [FIN | ACK] * 3 + ODD_FLAGS
FLAGS_REPLY = [ACK] * 10 + [SYN | ACK] * 4 + [FIN | ACK] * 3 + [RST | ACK, RST, PSH | ACK, SYN, 0]


class Generator:
    def __init__(self, random, setting, flows, ids):
        self.random = random
        self.setting = setting
        self.flows = flows
        self.datagrams = Datagrams(random, setting, ids)
        self.quic_ports = sorted(
            {
                rule["from"]
                for rules in setting.rules.values()
                for rule in rules
                if setting.listeners[rule["listener"]].group in setting.quic
            }
        )
        self.train = []  # fragments whose first has been sent
        self.links = [CLIENTS] * 2 + [slot for slot, i in setting.interfaces.items() if i.nic == CLIENTS]
        self.messages = Messages(random, setting, flows)
        self.vips = setting.families()
        self.foreign = {
            family: [packed(text) for text in texts]
            for family, texts in (
                (IPV4, ("10.9.9.9", "224.0.0.1", "255.255.255.255", "127.0.0.1", "0.0.0.0")),
                (IPV6, ("2001:db8:9::9", "ff02::1", "::1", "::", "fe80::1", "::ffff:198.51.100.10")),
            )
        }
        self.servers = list(setting.servers.values())

    def frame(self):
        if self.train and self.random.random() < 0.7:
            return self.train.pop(0)
        draft = self.random.choices(
            (self.beginning, self.client, self.reply, self.stranger, self.message), weights=(28, 30, 26, 5, 11)
        )[0]()
        self.vary(draft)
        for _ in range(self.random.choices((0, 1, 2, 3), weights=(60, 28, 8, 4))[0]):
            self.random.choice(SPOILS)(self, draft)
        if draft.protocol in (TCP, UDP) and self.random.random() < 0.04:
            self.break_up(draft)
        frame = write(draft)
        if self.random.random() < 0.06:
            frame = self.damage(frame)
        return frame

    # --- who sends what ---------------------------------------------------------------------------

    def beginning(self):
        family = self.random.choice((IPV4, IPV6))
        vip = self.random.choice(self.vips[family])
        protocol = self.random.choice((TCP, TCP, UDP))
        rule = self.random.choice(self.setting.rules[vip, protocol])
        port = self.random.randint(rule["from"], rule["to"])
        if protocol == UDP and self.random.random() < 0.3:
            port = self.random.choice(self.quic_ports)
        if self.random.random() < 0.2:
            port = self.random.choice((80, 2000, 3000, 3001, 4000, 5000))  # that clients' ports may meet again
        flags = SYN if self.random.random() < 0.75 else self.random.choice(FLAGS_MIDWAY)
        tags = self.tags(self.random.choice(self.links))
        return self.draft(
            self.any_client(family), self.setting.vips[vip], protocol, self.client_port(), port, flags, tags=tags
        )

    def tags(self, link):
        """Of a link, with any priority; now and then one that has only that."""
        tags = [(kind, rest | self.random.getrandbits(4) << 12) for kind, rest in self.setting.interfaces[link].tags]
        if len(tags) < 2 and self.random.random() < 0.1:
            tags.insert(self.random.randint(0, len(tags)), (0x8100, self.random.getrandbits(4) << 12))
        return write_tags(tags)

    def any_client(self, family):
        if self.random.random() < 0.03:
            own = [a for a in self.setting.roles if len(a) == (4 if family == IPV4 else 16)]
            return self.random.choice(own)
        if self.random.random() < 0.03:
            return self.random.choice([s.address for s in self.servers if s.family == family])
        return self.random.choice(CLIENT_ADDRESSES[family])

    def client_port(self):
        few = self.random.randint(40000, 40012)
        return few if self.random.random() < 0.4 else self.random.randint(0, 65535)

    def client(self):
        flow = self.any_flow(self.flows.requests)
        if not flow:
            return self.beginning()
        return self.draft(
            flow.client,
            self.setting.vips[flow.vip],
            flow.protocol,
            flow.client_port,
            flow.port,
            self.next_flags(flow, FLAGS_MIDWAY, {CLOSING: FIN | ACK, CLOSED: SYN}),
            source_mac=flow.hop.mac if self.random.random() < 0.9 else self.random.choice(CLIENT_MACS),
            tags=self.tags(flow.hop.interface if self.random.random() < 0.9 else self.random.choice(self.links)),
        )

    def reply(self):
        flow = self.any_flow(self.flows.replies)
        if not flow:
            return self.beginning()
        return self.draft(
            flow.server.address,
            flow.peer,
            flow.protocol,
            flow.server_port,
            flow.peer_port,
            self.next_flags(flow, FLAGS_REPLY, {CLOSING: FIN | ACK}),
            source_mac=SERVER_MAC,
        )

    def next_flags(self, flow, flags, steps):
        """Any, but often what brings a connection to its end, and to its next beginning."""
        if flow.state in steps and self.random.random() < 0.3:
            return steps[flow.state]
        return self.random.choice(flags)

    def any_flow(self, table):
        """Mostly one of the last, so that flows get old enough to end."""
        if not table:
            return None
        keys = list(table)
        recent = keys[-40:] if self.random.random() < 0.8 else keys
        return table[self.random.choice(recent)]

    def stranger(self):
        """Near to what is xlb's, but for a bit."""
        draft = self.reply() if self.random.random() < 0.5 else self.beginning()
        kind = self.random.randrange(4)
        if kind == 0:
            draft.destination = self.random.choice(self.foreign[draft.family])
        elif kind == 1:
            draft.source = self.random.choice(self.foreign[draft.family])
        elif kind == 2:
            draft.source_port = self.random.randint(0, 65535)
        else:
            draft.destination_port = self.random.choice((0, 1, 22, 79, 1999, 65535, self.random.choice(HOST_PORTS)))
        return draft

    def message(self):
        family = self.random.choice((IPV4, IPV6))
        return self.messages.draft(self.any_client(family), self.setting.vips[self.random.choice(self.vips[family])])

    def draft(self, source, destination, protocol, source_port, destination_port, flags, **more):
        return Draft(
            source,
            destination,
            protocol,
            source_port,
            destination_port,
            flags=flags if protocol == TCP else 0,
            seq=self.random.choice((0, 1, 0xFFFFFFFF, self.random.getrandbits(32))),
            ack=self.random.getrandbits(32),
            **more,
        )

    # --- what may be so ---------------------------------------------------------------------------

    def vary(self, draft):
        """What every receiver must cope with."""
        random = self.random
        draft.traffic_class = random.choice((0, 0, 0xB8, random.getrandbits(8)))
        draft.label = random.choice((0, random.getrandbits(20)))
        draft.ip_id = random.choice((0, random.getrandbits(16)))
        draft.fragment = random.choice((0x4000, 0x4000, 0))
        draft.ttl = random.choice((64, 64, 255, 61, 3, 2))
        if draft.protocol == TCP:
            draft.window = random.getrandbits(16)
            draft.reserved = random.choice((0, 0, 0, 1, 15))
            draft.urgent = random.choice((0, 0, random.getrandbits(16)))
            if random.random() < 0.2:
                draft.tcp_options = random.choice(
                    (b"\x01" * 8, b"\x01\x01\x08\x0a" + random.randbytes(8), random.randbytes(4 * random.randint(1, 10)))
                )
            elif draft.flags & SYN:
                draft.tcp_options = self.opening_options()
        elif draft.family == IPV4 and random.random() < 0.15:
            draft.l4_checksum = 0
        if draft.protocol not in (TCP, UDP):
            return
        size = random.choices(
            (0, random.randint(1, 60), random.randint(61, 1100), random.randint(1180, 1480)), weights=(30, 50, 8, 12)
        )[0]
        draft.payload = random.randbytes(size)
        if draft.protocol == UDP and (random.random() < 0.1 or self.is_quic(draft)):
            draft.payload = self.datagrams.datagram(self.setting.role(draft.destination).vip, draft.destination_port)
        if random.random() < 0.1:
            draft.padding = random.randbytes(random.randint(1, 40))
        if random.random() < 0.05:
            self.spoil_options(draft, well=True)

    def opening_options(self):
        """Of a SYN: MSS, now and then of another length, and others in any order."""
        random = self.random
        mss = random.choice((88, 536, 999, 1000, 1001, 1320, 1340, 1361, 1460, 2000, 8960, 65535))
        options = [
            b"\x02" + bytes((random.choice((4, 4, 4, 4, 4, 4, 3, 0)),)) + mss.to_bytes(2, "big"),
            b"\x04\x02",
            b"\x08\x0a" + random.randbytes(4) + bytes(4),
            b"\x03\x03\x07",
            b"\x01",
        ]
        random.shuffle(options)
        some = b"".join(options[: random.randint(1, 5)])
        return some + random.choice((b"\0", b"\x01")) * (-len(some) % 4)

    def is_quic(self, draft):
        """Whether it goes to a group that goes by connection ids, or comes from a server of one."""
        role = self.setting.role(draft.destination)
        listener = self.setting.listener(role.vip, draft.protocol, draft.destination_port) if role.vip else 0
        group = self.setting.listeners[listener].group if listener else 0
        return group in self.setting.quic or (not listener and self.random.random() < 0.3)

    def break_up(self, draft):
        """Makes it a first fragment; others follow, soundly or not."""
        random = self.random
        number = random.getrandbits(32)
        draft.payload = random.randbytes(8 * random.randint(1, 40) + (0 if draft.protocol == UDP else 4))
        if draft.protocol == TCP:
            draft.tcp_options = b"\1" * random.choice((0, 8))
        pieces = random.randint(1, 3)
        offset = (8 if draft.protocol == UDP else 20 + len(draft.tcp_options)) + len(draft.payload)
        draft.udp_length = 65000 if draft.protocol == UDP and random.random() < 0.9 else None
        whole = replace(draft, extensions=list(draft.extensions))
        self.mark(draft, number, 0, True)
        for i in range(pieces):
            size = random.choice((8, 64, 1200, 7))
            piece = replace(
                whole,
                protocol=0,
                next_header=draft.protocol,
                payload=random.randbytes(size),
                extensions=list(whole.extensions),
            )
            self.mark(piece, number, random.choice((offset, offset, offset, 8, 16, 65528)), i < pieces - 1)
            self.train.append(write(piece))
            offset += size

    @staticmethod
    def mark(draft, number, offset, more):
        if draft.family == IPV4:
            draft.ip_id, draft.fragment = number & 0xFFFF, offset >> 3 | (0x2000 if more else 0)
            return
        word = offset & ~7 | more
        draft.extensions.append((FRAGMENT_HEADER, b"\0" + word.to_bytes(2, "big") + number.to_bytes(4, "big")))

    # --- what may not be so -----------------------------------------------------------------------

    def spoil_ttl(self, draft):
        draft.ttl = self.random.choice((0, 1, 2))

    def spoil_header_length(self, draft):
        draft.header_words = self.random.randrange(16)

    def spoil_version(self, draft):
        draft.version = self.random.randrange(16)

    def spoil_length(self, draft):
        right = len(write(draft)) - len(draft.padding) - 14 - len(draft.tags) - (0 if draft.family == IPV4 else 40)
        near = right + self.random.randint(-60, 8)
        draft.length = max(0, self.random.choice((near, near, near, 0, 7, 19, 20, 27, 28, 39, 40, 65535)))

    def spoil_udp_length(self, draft):
        right = 8 + len(draft.payload)
        draft.udp_length = max(0, self.random.choice((right - 1, right - 3, right + 1, 8, 0, 7, 65535, right // 2)))

    def spoil_data_offset(self, draft):
        draft.data_offset = self.random.randrange(16)

    def spoil_flags(self, draft):
        draft.flags = self.random.getrandbits(8)

    def spoil_protocol(self, draft):
        draft.next_header = self.random.choice((1, 58, 132, 50, 51, 59, 41, 4, 135, 0, self.random.getrandbits(8)))

    def spoil_fragment(self, draft):
        random = self.random
        value = random.choice((0x2000, 1, 0x2001, 0x1FFF, 0x8000, 0x6000, 185, random.getrandbits(16)))
        draft.fragment = value
        if draft.family == IPV6:
            value = random.choice((0, 1, 8, 0xFFF9, 6, random.getrandbits(16)))
            content = bytes((random.choice((0, 0xFF)),)) + value.to_bytes(2, "big") + random.randbytes(4)
            draft.extensions.append((FRAGMENT_HEADER, content))

    def spoil_options(self, draft, well=False):
        random = self.random
        if draft.family == IPV4:
            size = 4 * random.randint(1, 10)
            draft.options = random.choice((b"\x01" * size, bytes(size), random.randbytes(size)))
            return
        for _ in range(random.choice((1, 1, 2, 3) if well else (1, 2, 3, 6, 7, 8, 9))):
            kind = random.choice((HOP_BY_HOP, DESTINATION, ROUTING, FRAGMENT_HEADER))
            if kind == FRAGMENT_HEADER:
                content = bytes(3) + random.randbytes(4)
            else:
                words = random.choice((0, 0, 1, 3))
                content = bytes((words, 0, 0)) + random.randbytes(4 + 8 * words)
            draft.extensions.append((kind, content))

    def spoil_extension(self, draft):
        """Lengths and segments left that do not fit."""
        random = self.random
        if draft.family == IPV6:
            kind = random.choice((HOP_BY_HOP, DESTINATION, ROUTING))
            draft.extensions.append((kind, bytes((random.choice((0, 1, 2, 5, 40, 255)), 0, random.choice((0, 1)))) + bytes(4)))
        else:
            self.spoil_options(draft)

    def spoil_checksums(self, draft):
        if self.random.random() < 0.5:
            draft.l4_checksum = self.random.choice((0, 0xFFFF, self.random.getrandbits(16)))
        else:
            draft.ip_checksum = self.random.choice((0, 0xFFFF, self.random.getrandbits(16)))

    def spoil_ethertype(self, draft):
        draft.ethertype = self.random.choice((0x0806, 0x0800, 0x86DD, 0x8100, 0x8847, 0x0000, 0x05DC))

    def spoil_tags(self, draft):
        random = self.random
        kinds = random.choice(((0x8100,), (0x88A8,), (0x88A8, 0x8100), (0x8100, 0x8100, 0x8100)))
        draft.tags = b"".join(kind.to_bytes(2, "big") + random.randbytes(2) for kind in kinds)

    def spoil_macs(self, draft):
        draft.destination_mac = self.random.choice((b"\xff" * 6, b"\x01\0\x5e\0\0\x01", self.random.randbytes(6)))
        draft.source_mac = self.random.choice(CLIENT_MACS + [self.random.randbytes(6)])

    def spoil_ports(self, draft):
        if self.random.random() < 0.5:
            draft.destination_port = self.random.getrandbits(16)
        else:
            draft.source_port = self.random.choice((0, 65535, self.random.getrandbits(16)))

    def spoil_size(self, draft):
        """Around the MTUs, to the byte."""
        draft.padding = b""
        header = len(write(replace(draft, payload=b""))) - 14 - len(draft.tags)
        mtu = self.random.choice((1400, 1400, 1500, 1372, 1380, 1352, 1360))
        draft.payload = bytes(max(0, min(mtu - header + self.random.randint(-1, 1), FRAME_MAX - 14 - header)))

    def damage(self, frame):
        random = self.random
        if random.random() < 0.5:
            return frame[: random.randint(14, len(frame))]
        frame = bytearray(frame)
        for _ in range(random.randint(1, 4)):
            frame[random.randrange(12, min(len(frame), 90))] = random.getrandbits(8)
        return bytes(frame)


SPOILS = [getattr(Generator, name) for name in dir(Generator) if name.startswith("spoil_")]
