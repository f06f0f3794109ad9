# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The rule of whole TCP and UDP packets: which flow they belong to or begin, and what they become (docs/modes). What the
program chooses by chance (SNAT ports, IP IDs, the entropy of an outer header) is read from what it sent, and checked.
"""

from typing import NamedTuple

import rewriting
import segments
from flows import ADOPTING, CLOSED, FOLLOW, REPICK, START, Flow
from links import Links
from outcome import DROP, PASS, REDIRECT, TX, Disagreement, Outcome
from paths import Paths
from quic import Ids
from reading import ETHERNET, FRAGMENT, IPV4, IPV6, RST, TCP, UDP, WHOLE, number, read
from rewriting import Ends
from setting import CLIENTS, Hop

FIRST_PORT = 1024  # of those that may stand for a client's
FIRST_DYNAMIC = 49152


class Refused(Exception):
    """For a reason; with the size that would not be refused, if that is why."""

    def __init__(self, reason, mtu=0):
        super().__init__(reason)
        self.mtu = mtu


class Choice(NamedTuple):
    listener: object
    server: object


class Chosen(NamedTuple):
    """What xlb may choose for an outer header."""

    ip_id: int
    label: int
    port: int


def passed(packet):
    return Outcome(PASS, "", packet.came)


def dropped(packet, reason):
    return Outcome(DROP, reason, packet.came)


class Sessions:
    def __init__(self, setting, flows):
        self.setting = setting
        self.flows = flows
        self.now = 0
        self.links = Links(setting)
        self.ids = Ids(setting)
        self.paths = Paths()
        self.fragments = {}  # what has become of first ones
        self.last = None  # the flow that the last packet went by, the hop to its client if it went there, its new ends
        self.got = None  # what the program did with the packet at hand
        self.entropies = {}  # of flows in tunnels

    # --- what happens to a packet -----------------------------------------------------------------

    def rule(self, packet, role, returned, got):
        try:
            outcome = self.reply(packet, got) if role.snat or returned else None
            if not outcome and role.vip:
                outcome = self.request(packet, role.vip, got)
            return outcome or passed(packet)
        except Refused as refusal:
            return self.refuse(packet, refusal)
        except rewriting.Incomplete:
            return dropped(packet, "fragment")

    def refuse(self, packet, refusal):
        reason = str(refusal)
        if reason == "pass":
            return passed(packet)
        if reason in ("no_flow", "flow_reset") and packet.protocol == TCP and not packet.flags & RST:
            return Outcome(TX, reason, rewriting.reset(packet, self.setting.interfaces[packet.link].mac))
        first = packet.fragment is None or packet.fragment < 8
        if first and reason in ("mtu_exceeded", "ttl_expired") and packet.protocol in (TCP, UDP) and rewriting.may_answer(packet):
            mac = self.setting.interfaces[packet.link].mac
            return Outcome(TX, reason, rewriting.complaint(packet, mac, reason, refusal.mtu, self.got.bare))
        return dropped(packet, reason)

    def egress(self, packet, hop, length):
        """The interface that a packet of this length leaves by."""
        if packet.ttl <= 1:
            raise Refused("ttl_expired")
        if not hop or not hop.interface:
            raise Refused("no_neighbour")
        interface = self.setting.interfaces.get(hop.interface)
        if not interface:
            raise Refused("no_interface")
        if length > interface.mtu:
            raise Refused("mtu_exceeded", interface.mtu - (length - packet.l3_length))
        return interface

    def egress_to(self, packet, server, length):
        """The hop towards a server."""
        hop = self.setting.hops.get(server.hop)
        self.egress(packet, hop, length)
        mtu = self.paths.mtu(server.address, self.now) if server.mode == "tunnel" else length
        if length > mtu and not rewriting.goes_in_any_case(packet):
            raise Refused("mtu_exceeded", mtu - (length - packet.l3_length))
        return hop

    def send(self, came, hop, family, packet):
        """By the hop, what a packet that came has become."""
        interface = self.setting.interfaces[hop.interface]
        if not interface.device and interface.nic != CLIENTS:
            raise Refused("no_interface")
        verdict = TX if interface.nic == CLIENTS else REDIRECT
        tags = self.links.tags_out(hop.interface, came.tags)
        return Outcome(verdict, "", rewriting.frame_of(family, hop.mac, interface.mac, packet, tags))

    # --- from servers -----------------------------------------------------------------------------

    def reply(self, packet, got):
        key = (packet.source, packet.source_port, packet.destination, packet.destination_port, packet.protocol)
        flow = self.flows.replies.get(key)
        if not flow:
            return None
        self.ids.learn(packet, flow, "server")
        verdict = flow.judge(packet, "server", self.now)
        if verdict != FOLLOW:
            raise Refused(verdict)
        family = IPV4 if len(flow.client) == 4 else IPV6
        hop = flow.hop
        self.egress(packet, hop, length_in(packet, family))
        flow.follow(packet, "server", self.now)
        ends = Ends(self.setting.vips[flow.vip], flow.port, flow.client, flow.client_port)
        self.last = flow, hop, ends
        packet = segments.lowered(packet, self.largest(flow, flow.hop.interface))
        packet = renumbered(packet, family)
        return self.send(packet, hop, family, between(packet, ends, family, got))

    # --- from clients -----------------------------------------------------------------------------

    def request(self, packet, vip, got):
        flow = self.flows.requests.get(
            (packet.source, packet.source_port, vip, packet.destination_port, packet.protocol)
        )
        if flow:
            self.ids.learn(packet, flow, "client")
        verdict = flow.judge(packet, "client", self.now) if flow else START
        if verdict not in (START, REPICK, FOLLOW):
            raise Refused(verdict)
        choice = None
        if verdict in (START, REPICK):
            choice = self.choose(packet, vip, got)
            if verdict == REPICK and choice.server is flow.server:
                verdict = FOLLOW
        server = flow.server if verdict == FOLLOW else choice.server
        hop = self.egress_to(packet, server, request_length(packet, server))
        if verdict == FOLLOW:
            flow.follow(packet, "client", self.now)
            if not flow.direct:
                flow.hop = back(packet)
        else:
            if flow:
                self.flows.retire(flow, self.now)
            flow = self.start(packet, vip, choice, got)
        return self.send(packet, hop, *self.request_becomes(packet, flow, got))

    def choose(self, packet, vip, got, quoted=False):
        """Listener and server for a packet that has no flow to follow, or is only quoted."""
        number_of = self.setting.listener(vip, packet.protocol, packet.destination_port)
        if not number_of:
            raise Refused("pass" if vip in self.setting.hosts else "no_listener")
        listener = self.setting.listeners[number_of]
        try:
            server = self.choose_server(packet, vip, listener, got, quoted)
        except Refused as refusal:
            raise Refused("no_flow") if packet.midway else refusal
        if packet.midway and server.mode not in ADOPTING:
            raise Refused("no_flow")
        return Choice(listener, server)

    def choose_server(self, packet, vip, listener, got, quoted):
        if listener.disabled:
            raise Refused("no_listener")
        server, connection_id = (None, None) if quoted else self.ids.ask(packet, vip, listener.group)
        if not server:
            server = self.setting.choice(listener.group, packet, connection_id)
            if not server:
                raise Refused("no_server")
            server = self.other_choice(packet, vip, listener, server, got)
        crosses = server.family != packet.family
        if not server.mode or (crosses and server.mode not in ("fullnat", "tunnel")):
            raise Refused("internal")
        if server.flags & server.RESET:
            raise Refused("no_server")
        own = self.setting.role(packet.source)
        direct = server.mode in ("dr", "tunnel")
        if own.vip or own.snat or (direct and packet.source == server.address):
            raise Refused("hairpin")
        return server

    def holder(self, packet, server):
        """The flow that has the packet's port towards the server (nat)."""
        port = server.port or packet.destination_port
        return self.flows.replies.get((server.address, port, packet.source, packet.source_port, packet.protocol))

    def takes(self, packet, vip, server):
        if server.mode != "nat" or server.is_near(packet.source):
            return True
        holder = self.holder(packet, server)
        return not holder or (holder.vip == vip and holder.port == packet.destination_port)

    def other_choice(self, packet, vip, listener, server, got):
        """Another server that the program may have asked, if the client's port is taken at the first."""
        if self.takes(packet, vip, server):
            return server
        for other in self.setting.members(listener.group, packet.family):
            if got.forwarded:
                chosen = destination_of(got) == other.address
            else:  # which one shows only if it may not be used
                chosen = got.reason == "no_server" and other.flags & other.RESET
            if chosen and self.takes(packet, vip, other):
                return other
        return server

    # --- new flows --------------------------------------------------------------------------------

    def start(self, packet, vip, choice, got):
        server = choice.server
        flow = Flow(
            packet.source,
            packet.source_port,
            vip,
            packet.destination_port,
            packet.protocol,
            server,
            choice.listener,
            server.mode,
            back(packet),
            self.now,
        )
        unknown_end = packet.protocol == TCP and packet.flags & RST
        if server.mode == "nat":
            if server.is_near(packet.source):
                flow.mode = "fullnat"
                if packet.midway:
                    raise Refused("no_flow")
            else:
                self.keep_port(packet, flow, unknown_end, got)
        if flow.mode == "fullnat":
            self.take_port(flow, got)
        if not unknown_end:
            self.flows.add(flow)
        return flow

    def keep_port(self, packet, flow, unknown_end, got):
        """Towards a server of nat the client keeps its port, unless another flow has it."""
        if not flow.client_port:
            return  # no port: no answer is wanted (RFC 768)
        flow.peer, flow.peer_port = flow.client, flow.client_port
        holder = self.flows.replies.get(flow.reply_key)
        if not holder:
            return
        if holder.state == CLOSED and not unknown_end:
            self.flows.remove(holder)
            return
        if packet.midway:
            raise Refused("no_flow")
        if not got.forwarded:
            raise Disagreement("a client's port was not changed")
        flow.peer_port = ports_of(got)[0]
        if flow.peer_port < FIRST_PORT or flow.reply_key in self.flows.replies:
            raise Disagreement(f"the client's port became {flow.peer_port}, which is not free")

    def take_port(self, flow, got):
        """The SNAT address and port that the program has taken."""
        if got.reason == "snat_exhausted":
            self.check_exhausted(flow.server)
            raise Refused("snat_exhausted")
        if not got.forwarded:
            return  # it has one, and nobody will ever see it
        flow.peer, flow.peer_port = source_of(got), ports_of(got)[0]
        if not any(pool.has(flow.peer, flow.peer_port) for pool in flow.server.pools):
            raise Disagreement(f"port {flow.peer_port} of {flow.peer.hex()} is in no pool of the server")
        holder = self.flows.replies.get(flow.reply_key)
        if holder and holder.state != CLOSED:
            raise Disagreement(f"port {flow.peer_port} is another flow's, which is {holder.state}")
        if holder:
            self.flows.remove(holder)

    def check_exhausted(self, server):
        used = {(f.peer, f.peer_port) for f in self.flows.all() if f.server is server}
        free = [
            port
            for pool in server.pools
            for port in range(pool.first, pool.last + 1)
            if (pool.address, port) not in used
        ]
        if free:
            raise Disagreement(f"snat_exhausted, but port {free[0]} is free")

    # --- what a client's packet becomes -----------------------------------------------------------

    def largest(self, flow, link):
        """The MSS that either side may announce, the client being behind a link."""
        limits = [flow.listener.mss or segments.ANY]
        if not flow.direct:
            server = self.setting.interfaces[self.setting.hops[flow.server.hop].interface]
            client = self.setting.interfaces[link]
            limits.append(segments.fitting(server.mtu, flow.server.family))
            limits.append(segments.fitting(client.mtu, IPV4 if len(flow.client) == 4 else IPV6))
        return min(limits)

    def request_becomes(self, packet, flow, got):
        """Family and bytes."""
        server = flow.server
        packet = segments.lowered(packet, self.largest(flow, packet.link))
        self.last = flow, None, Ends(packet.source, 0, packet.destination, 0)
        if flow.mode == "dr":
            return packet.family, rewriting.routed(packet)
        if flow.mode == "tunnel":
            source = server.pools[0].address
            return server.family, rewriting.wrapped(packet, source, server, self.chosen(flow, got))
        if flow.mode == "fullnat" and not flow.peer:  # made by a packet that got no further
            self.take_port(flow, got)
            self.flows.add(flow)
        source = flow.client if flow.mode == "nat" else flow.peer or bytes(len(server.address))
        ends = Ends(source, flow.peer_port, server.address, flow.server_port)
        self.last = flow, None, ends
        if flow.mode == "fullnat":
            packet = renumbered(packet, server.family)
        return server.family, between(packet, ends, server.family, got)

    def chosen(self, flow, got):
        """Of an outer header: the same for all packets of a flow, but for the IP ID."""
        chosen = self.chosen_for(flow.server, got)
        label, port = self.entropies.setdefault((flow.key, flow.server.number), (chosen.label, chosen.port))
        return Chosen(chosen.ip_id, label, port)

    @staticmethod
    def chosen_for(server, got):
        """As the program has, if it may."""
        if not got.forwarded:
            return Chosen(0, 0, 0)
        ipv4 = server.family == IPV4
        label = 0 if ipv4 else number(got.bare, ETHERNET + 1, 3) & 0xFFFFF
        port = number(got.bare, ETHERNET + (20 if ipv4 else 40)) if server.encapsulation == "gue" else 0
        if port and port < FIRST_DYNAMIC:
            raise Disagreement(f"the outer source port {port} is no dynamic one")
        return Chosen(number(got.bare, ETHERNET + 4), label, port)


def renumbered(packet, family):
    """A fragment whose family stays gets an identification that no other host has given."""
    return rewriting.numbered(packet) if packet.fragment is not None and packet.family == family else packet


def back(packet):
    """Where answers to the packet go."""
    return Hop(packet.frame[6:12], packet.link)


def length_in(packet, family):
    """Of the IP packet in a family: options and extension headers do not come along into another."""
    if packet.family == family:
        return packet.l3_length
    fragment_header = 8 if packet.fragment is not None and family != IPV4 else 0
    return packet.l4_length + (20 if family == IPV4 else 40) + fragment_header


def request_length(packet, server):
    if server.mode == "fullnat":
        return length_in(packet, server.family)
    return packet.l3_length + (rewriting.outer_size(server) if server.mode == "tunnel" else 0)


def between(packet, ends, family, got):
    """The packet between new ends, of whatever family."""
    if packet.family == family:
        return rewriting.rewritten(packet, ends)
    return rewriting.translated(packet, ends, number(got.bare, ETHERNET + 4))


def source_of(got):
    return got.bare[26:30] if got.bare[12:14] == b"\x08\x00" else got.bare[22:38]


def destination_of(got):
    return got.bare[30:34] if got.bare[12:14] == b"\x08\x00" else got.bare[38:54]


def ports_of(got):
    """Of a frame that the program sent: it is whole, if it is right."""
    packet = read(got.bare)
    if packet.kind == FRAGMENT and packet.fragment < 8:
        return number(packet.frame, packet.l4), number(packet.frame, packet.l4 + 2)
    if packet.kind != WHOLE:
        raise Disagreement("what was sent is no whole packet")
    return packet.source_port, packet.destination_port
