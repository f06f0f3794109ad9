# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What xlb remembers of its clients: flows, their states, and when they end (docs/architecture.md, docs/modes)."""

from dataclasses import dataclass

from reading import ACK, FIN, RST, SYN, TCP

NEW, ESTABLISHED, CLOSING, CLOSED, TOMBSTONE = "new", "established", "closing", "closed", "tombstone"

FOLLOW, START, REPICK = "follow", "start", "repick"
ADOPTING = ("nat", "dr", "tunnel")  # modes in which a server may know a connection that xlb does not

# seconds without a packet of either side
HALF_OPEN = 30
AFTER_RESET = 10
ONE_SIDE_CLOSED = 120
BOTH_SIDES_CLOSED = 60
REMEMBERED = 60  # for the RST that tells who still thinks that the connection is there


@dataclass(eq=False)
class Flow:
    client: bytes
    client_port: int
    vip: int
    port: int
    protocol: int
    server: object
    listener: object
    mode: str  # fullnat for what is served so instead of by nat
    hop: object  # MAC and link that the client's packets come from
    seen: int
    peer: bytes = b""  # the end that the server takes for the client's; none without replies
    peer_port: int = 0
    state: str = NEW
    closed_by: frozenset = frozenset()  # sides that have sent FIN
    reset_by: frozenset = frozenset()  # sides that have sent RST, and nothing since

    @property
    def key(self):
        return self.client, self.client_port, self.vip, self.port, self.protocol

    @property
    def server_port(self):
        return self.server.port or self.port

    @property
    def reply_key(self):
        return self.server.address, self.server_port, self.peer, self.peer_port, self.protocol

    @property
    def direct(self):
        return self.mode in ("dr", "tunnel")

    def timeout(self):
        if self.state == TOMBSTONE:
            return REMEMBERED
        if self.protocol != TCP:
            return self.listener.idle_timeout
        if self.reset_by:
            return AFTER_RESET
        return {NEW: HALF_OPEN, CLOSING: ONE_SIDE_CLOSED, CLOSED: BOTH_SIDES_CLOSED}.get(
            self.state, self.listener.idle_timeout
        )

    def is_over(self, now):
        return now - self.seen > self.timeout()

    def is_forgotten(self, now):
        """Over, and nobody is owed a RST any more."""
        owed = self.protocol == TCP and not self.reset_by and self.state in (NEW, ESTABLISHED, CLOSING)
        return now - self.seen > self.timeout() + (REMEMBERED if owed else 0)

    def judge(self, packet, side, now):
        """What becomes of a packet of a side: FOLLOW, START, REPICK, or the reason to refuse it."""
        over = self.is_over(now)
        ended = self.state == TOMBSTONE or bool(self.server.flags & self.server.RESET)
        if self.protocol != TCP:
            if side == "server":
                return "flow_reset" if ended else "no_flow" if over else FOLLOW
            if ended or over:
                return START
            return REPICK if self.server.flags & self.server.DOWN else FOLLOW
        if side == "client" and packet.opens:
            return self.judge_opening(ended or over)
        if side == "client" and self.mode in ADOPTING and (
            self.is_forgotten(now) or (over and self.state == NEW)
        ):
            return START
        if self.is_forgotten(now):
            return "no_flow"
        return "flow_reset" if ended or over else FOLLOW

    def judge_opening(self, ended):
        """A SYN may be forged: it ends nothing that lives. Where only clients are heard, one FIN is an end."""
        if ended or self.state == CLOSED or (self.direct and self.state == CLOSING):
            return START
        unconnected = self.state == NEW or "server" in self.reset_by
        return REPICK if unconnected and self.server.flags & self.server.DOWN else FOLLOW

    def follow(self, packet, side, now):
        """A packet of a side ("client", "server") that belongs to the flow."""
        self.seen = now
        if self.protocol != TCP:
            if side == "server":
                self.state = ESTABLISHED
        elif self.state != CLOSED:
            self.follow_segment(packet, side)

    def follow_segment(self, packet, side):
        if packet.flags & RST:
            self.reset_by |= {side}
            self.state = CLOSING
            return
        if side in self.reset_by and packet.flags & SYN:  # a new connection, to which no FIN counts
            self.state, self.closed_by, self.reset_by = NEW, frozenset(), frozenset()
            return
        self.reset_by -= {side}
        if packet.flags & FIN:
            self.closed_by |= {side}
        if len(self.closed_by) == 2:
            self.state = CLOSED
        elif self.closed_by or self.reset_by:
            self.state = CLOSING
        elif self.state == CLOSING or (side == "client" and packet.flags & ACK):
            self.state = ESTABLISHED


class Flows:
    """All of them, as clients' packets and as servers' packets find them."""

    def __init__(self):
        self.requests = {}
        self.replies = {}

    def add(self, flow):
        self.requests[flow.key] = flow
        if flow.peer:
            self.replies[flow.reply_key] = flow

    def remove(self, flow):
        if self.requests.get(flow.key) is flow:
            del self.requests[flow.key]
        if flow.peer and self.replies.get(flow.reply_key) is flow:
            del self.replies[flow.reply_key]

    def retire(self, flow, now):
        """Makes way for a new one of the same client port; a SNAT port rests until its time is over."""
        rests = flow.protocol == TCP and flow.mode == "fullnat" and not flow.is_forgotten(now)
        self.remove(flow)
        if rests:
            self.replies[flow.reply_key] = flow

    def all(self):
        return {id(flow): flow for table in (self.requests, self.replies) for flow in table.values()}.values()

    def kill(self, now):
        for flow in self.all():
            flow.state, flow.closed_by, flow.reset_by, flow.seen = TOMBSTONE, frozenset(), frozenset(), now
