"""The matrix held against rulesets: each packet is sent through every gateway on its way.

From the source's gateway through the tunnel to the destination's, as routing would have it: chains
prerouting, then input or forward, then postrouting; and the answer back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from kahya.firewall.matrix import Arrival, Flow, Matrix, Spot
from kahya.firewall.nft_eval import Knock, Packet
from kahya.firewall.policy import INTERNET
from kahya.i18n import _

MOST_GATEWAYS = 8  # on one way: more means that it goes round in circles


class Rules(Protocol):
    """What a gateway does with packets, whatever its platform."""

    def run(self, hook: str, packet: Packet) -> list[Packet]:
        """Return what leaves ``hook``, by nftables' names: nothing, or ``packet`` in parts."""
        ...


@dataclass(frozen=True)
class Deviation:
    """A connection of which the rules of a gateway say something else than the policy.

    ``seen`` is where it arrived, None where it was dropped.
    """

    flow: Flow
    seen: Arrival | None

    def __str__(self) -> str:
        flow, words = self.flow, {True: _("let through"), False: _("dropped")}
        seen = words[self.seen is not None]
        if self.seen and flow.arrives:
            to = {"address": self.seen[0], "port": self.seen[1]}
            seen = _("let through to {address} port {port}").format(**to)
        text = _("{source} → {to}, {service}, IPv{family}: expected {expected}, seen {seen}")
        return text.format(
            source=flow.source.label,
            to=flow.to.label,
            service=flow.label,
            family=flow.to.address.version,
            expected=words[flow.arrives is not None],
            seen=seen,
        )


def prove(matrix: Matrix, rulesets: Mapping[str, Rules]) -> Iterator[Deviation]:
    """Return every connection that ``rulesets``, by gateway, treat otherwise than the policy."""
    for source, to in matrix.pairs():
        expected = matrix.verdicts(source, to)
        seen = _travel(source, to, frozenset(expected), matrix, rulesets)
        for knock, arrives in expected.items():
            if seen.get(knock) != arrives:
                flow = Flow(source, to, knock, arrives, matrix.knocks[knock])
                yield Deviation(flow, seen.get(knock))


def _travel(
    source: Spot, to: Spot, knocks: frozenset[Knock], matrix: Matrix,
    rulesets: Mapping[str, Rules],
) -> dict[Knock, Arrival]:  # fmt: skip
    """Return where first packets arrive whose answers come back, by what was tried."""
    gateway, enters = source.gateway, source.interface
    if not gateway:  # the internet lies before the gateway of its goal
        gateway, lines = to.gateway, matrix.lines(to.gateway)
        has = (name for name, addresses in lines.items() if to.address in addresses)
        enters = next(has, matrix.carrier(gateway))
    start = Packet(source.address, to.address, knocks, enters, day=matrix.today)
    arrived: dict[Knock, Arrival] = {}
    under_way: list[tuple[Packet, str, int]] = [(start, gateway, 1)]
    while under_way:
        packet, gateway, hop = under_way.pop()
        for passed in _pass(packet, gateway, matrix, rulesets[gateway]):
            following = matrix.beyond(gateway, passed.leaves)
            if following and hop < MOST_GATEWAYS:
                onward = replace(passed, enters=following[1], leaves="")
                under_way.append((onward, following[0], hop + 1))
            elif not following and not _lost(passed, matrix):
                tried = {_first(k): k for k in passed.knocks}
                arrived |= {knock: (passed.to, now.port) for knock, now in tried.items()}
    return arrived


def _first(knock: Knock) -> Knock:
    """Return what was tried before a gateway forwarded it."""
    return replace(knock, port=knock.tried, tried=0) if knock.tried else knock


def _pass(packet: Packet, gateway: str, matrix: Matrix, rules: Rules) -> Iterator[Packet]:
    """Send a packet through one gateway, and the answer back, by the way that it came."""
    lines = matrix.lines(gateway)  # an answer leaves by the line that it is asked for by
    back = matrix.route(gateway, packet.source)
    if back != packet.enters and not (back in lines and packet.enters in lines):
        return
    for found in rules.run("prerouting", packet):
        if matrix.own.get(found.to) == gateway:
            passed, back = rules.run("input", found), "output"
        else:
            onward = replace(found, leaves=matrix.route(gateway, found.to))
            passed = [p for part in rules.run("forward", onward)
                      for p in rules.run("postrouting", part)]  # fmt: skip
            back = "forward"
        for part in passed:
            answer = replace(
                part, source=part.to, to=part.source, enters=part.leaves, leaves=part.enters,
                state="established", answer=True,
            )  # fmt: skip
            if any(answered.knocks == part.knocks for answered in rules.run(back, answer)):
                yield part


def _lost(packet: Packet, matrix: Matrix) -> bool:
    """Return whether no answer can find its way: private addresses mean nothing out there."""
    outside = matrix.spot(packet.to).zone == INTERNET
    return outside and packet.source.is_private and not packet.snat
