"""The town as a picture: where everything stands on it. The template only draws what is here.

Half of the buildings stand above the carrier's network and half below; a gateway is the side of
its building that faces the network, and the tunnels run through the network between gateways.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from kahya.cabling import Cable
from kahya.model import Building, Host, Town
from kahya.report import switches
from kahya.report.readings import WORST_FIRST, State
from kahya.report.shapes import LETTER, Box, Line, Point, shorten
from kahya.report.switches import Switch
from kahya.report.tunnels import Tunnel

WIDTH, CARD, GAP, MARGIN = 1080, (200, 300), 18, 20  # all lengths are SVG user units
HEAD, LINE, PAD, GATE = 50, 20, 10, 26
UPLINK = 40  # from a gateway to the edge of the carrier's network
SHOWN_HOSTS = 8  # more are counted: the tables below the picture name them all
LABELLED_TUNNELS = 6  # with more, only what is not in order gets a mark
SPREAD = 40  # how wide the tunnels of one gateway lie where they leave it
POSITIONS = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)


@dataclass(frozen=True)
class Card:
    """A building: ``more`` hosts don't fit; ``gate`` is the box of its gateway, if it has one.

    Its switches stand between the other hosts and the gateway.
    """

    building: Building
    box: Box
    title: str
    text_y: float
    lines: tuple[Line, ...]
    more: int
    gateway: Line | None
    gate: Box
    above: bool
    switches: tuple[Switch, ...]

    @property
    def door(self) -> Point:
        """Return where the line to the carrier leaves the gateway."""
        return self.gate.centre[0], self.gate.y + (self.gate.height if self.above else 0)


@dataclass(frozen=True)
class Curve:
    """A tunnel on the picture: an SVG path, and where its label is (None: there is none)."""

    tunnel: Tunnel
    path: str
    label: Box | None
    text: str


@dataclass(frozen=True)
class Drawing:
    """The whole picture."""

    width: float
    height: float
    cards: tuple[Card, ...]
    cloud: Box
    caption: Box
    curves: tuple[Curve, ...]


def draw(
    town: Town,
    states: dict[str, State],
    tunnels: Sequence[Tunnel],
    cables: Sequence[Cable] = (),
) -> Drawing:
    """Return the picture of ``town``; ``states`` are those of its hosts by name."""
    buildings = list(town.buildings.values())
    half = len(buildings) // 2 if len(buildings) > 1 else 1
    columns = max(half, len(buildings) - half)
    width = max(WIDTH, columns * (CARD[0] + GAP) + 2 * MARGIN)
    band = 2 * UPLINK + 130 + 26 * min(len(buildings), 8)
    upper = _row(town, buildings[:half], states, cables, (width, MARGIN), above=True)
    top = max((c.door[1] for c in upper), default=MARGIN)
    lower = _row(town, buildings[half:], states, cables, (width, top + band), above=False)
    bottom = max((c.box.y + c.box.height for c in lower), default=top + band - UPLINK)
    cloud = Box(MARGIN, top + UPLINK, width - 2 * MARGIN, band - 2 * UPLINK)
    caption = Box(cloud.x + 16, cloud.y + cloud.height - 48, 210, 40)
    cards = (*upper, *lower)
    curves = _curves(cards, tunnels, [caption, *(c.box for c in cards), *map(_uplink_text, cards)])
    return Drawing(width, bottom + MARGIN, cards, cloud, caption, curves)


def _row(
    town: Town,
    buildings: Sequence[Building],
    states: dict[str, State],
    cables: Sequence[Cable],
    at: tuple[float, float],
    *,
    above: bool,
) -> list[Card]:
    if not buildings:
        return []
    width, y = at
    room = (width - 2 * MARGIN - GAP * (len(buildings) - 1)) / len(buildings)
    each = min(CARD[1], room)
    pitch = (width - 2 * MARGIN) / len(buildings)
    hosts = {b.name: _by_state(town, b, states) for b in buildings}
    shown = [len(switches.shown(own)) for own in hosts.values()]
    most = max(
        min(len(h) - 1 - n, SHOWN_HOSTS + 1) for h, n in zip(hosts.values(), shown, strict=True)
    )
    height = HEAD + LINE * most + PAD + GATE / 2 + (switches.ROOM if any(shown) else 0)
    return [
        _card(
            b, hosts[b.name], states, cables,
            Box(MARGIN + pitch * (i + 0.5) - each / 2, y if above else y + GATE / 2, each, height),
            above=above,
        )
        for i, b in enumerate(buildings)
    ]  # fmt: skip


def _by_state(town: Town, building: Building, states: dict[str, State]) -> list[Host]:
    """Return the hosts of ``building``, what isn't in order first: it must not be cut off."""
    own = [h for h in town.hosts.values() if h.building == building.name]
    return sorted(own, key=lambda h: WORST_FIRST.index(states[h.name]))


def _card(
    building: Building,
    hosts: list[Host],
    states: dict[str, State],
    cables: Sequence[Cable],
    box: Box,
    *,
    above: bool,
) -> Card:
    gateway = next((h for h in hosts if "gateways" in h.groups), None)
    own = switches.shown(hosts)
    others = [h for h in hosts if h is not gateway and h not in own]
    room = switches.ROOM if own else 0
    text_y = box.y + (0 if above else GATE / 2 + room)

    def line(host: Host, y: float) -> Line:
        free = box.width - 50 - len(host.address) * 10 * LETTER  # beside mark and address
        return Line(host, states[host.name], shorten(host.name, free, 11.5), y)

    lines = [line(h, text_y + HEAD + LINE * (i + 0.7)) for i, h in enumerate(others[:SHOWN_HOSTS])]
    edge = box.y + box.height if above else box.y
    gate = Box(box.x + 12, edge - GATE / 2, box.width - 24, GATE)
    inner = Box(gate.x, gate.y - room + 8 if above else gate.y + GATE, gate.width, room - 8)
    placed = switches.place(own, states, cables, gateway, inner, above=above)
    return Card(
        building, box, shorten(building.title, box.width - 28, 14), text_y, tuple(lines),
        len(others) - len(lines), line(gateway, gate.y + 17) if gateway else None, gate, above,
        placed,
    )  # fmt: skip


def _uplink_text(card: Card) -> Box:
    x, y = card.door
    return Box(x - SPREAD, y if card.above else y - UPLINK, 2 * SPREAD + 70, UPLINK)


def _curves(
    cards: Sequence[Card], tunnels: Sequence[Tunnel], taken: list[Box]
) -> tuple[Curve, ...]:
    at = {c.gateway.host.name: c for c in cards if c.gateway}
    drawn = [t for t in tunnels if t.host in at and t.peer in at]
    starts = _starts(at, drawn)
    curves = []
    for tunnel in drawn:
        points = _bend(at[tunnel.host], at[tunnel.peer], starts[tunnel.address],
                       starts[tunnel.peer_address])  # fmt: skip
        label, text = None, ""
        if len(tunnels) <= LABELLED_TUNNELS:
            ends = (tunnel.address, tunnel.peer_address)
            text = " / ".join(ends if points[0][0] <= points[3][0] else ends[::-1])
        if text or tunnel.state != "ok":
            label = _place(points, len(text) * 10 * LETTER + 28, taken)
        if label:
            taken.append(label)
        path = "M{} {} C{} {} {} {} {} {}".format(*(f"{v:.1f}" for p in points for v in p))
        curves.append(Curve(tunnel, path, label, text))
    # What isn't in order is drawn last, so that nothing covers it.
    return tuple(sorted(curves, key=lambda c: c.tunnel.state != "ok"))


def _starts(at: dict[str, Card], tunnels: Sequence[Tunnel]) -> dict[str, float]:
    """Return by address how far from the middle of its gateway each end is, in order of peers."""
    ends = [(t.host, t.peer, t.address) for t in tunnels]
    ends += [(t.peer, t.host, t.peer_address) for t in tunnels]
    offsets = {}
    for _host, pairs in groupby(sorted(ends), key=lambda end: end[0]):
        own = sorted(pairs, key=lambda end: at[end[1]].door[0])
        step = min(12.0, SPREAD / len(own))
        for i, (*_, address) in enumerate(own):
            offsets[address] = (i - (len(own) - 1) / 2) * step
    return offsets


def _bend(one: Card, other: Card, shift: float, other_shift: float) -> tuple[Point, ...]:
    """Return the four points of the curve between two gateways."""
    (x1, y1), (x2, y2) = one.door, other.door
    x1, x2 = x1 + shift, x2 + other_shift
    if one.above == other.above:
        depth = min(50 + abs(x2 - x1) * 0.1, 200) * (1 if one.above else -1)
    else:
        depth = (y2 - y1) * 0.62
    return (
        (x1, y1),
        (x1, y1 + depth),
        (x2, y2 + (depth if one.above == other.above else -depth)),
        (x2, y2),
    )


def _place(points: Iterable[Point], width: float, taken: Sequence[Box]) -> Box | None:
    """Return a free place for a label on the curve, or None."""
    (x1, y1), (x2, y2), (x3, y3), (x4, y4) = points
    for t in POSITIONS:
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        x, y = a * x1 + b * x2 + c * x3 + d * x4, a * y1 + b * y2 + c * y3 + d * y4
        box = Box(x - width / 2, y - 10, width, 20)
        if not any(box.overlaps(other) for other in taken):
            return box
    return None
