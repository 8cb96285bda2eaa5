"""The switches of a building on the picture, and where their cables go.

They stand between the building's other machines and its gateway. A cable to that gateway is a line
between the two; any other ends at a label that names what is at its other end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kahya.cabling import Cable, CableState
from kahya.model import Host
from kahya.report.readings import State
from kahya.report.shapes import LETTER, Box, Line, shorten

SHOWN = 3  # switches of a building; more are lines like other machines
HEIGHT, WIRE = 24, 54  # of a switch, and from it to the gateway
ROOM = HEIGHT + WIRE + 8
PILL, MARK = 18, 22  # a label: its height, and its width before any text
GAP = 8
WIDE = 170  # from here on there is room for the address, too
ORDER: tuple[CableState, ...] = ("undeclared", "missing", "unknown", "seen")


@dataclass(frozen=True)
class Wire:
    """A cable on the picture: upright at ``x`` from the switch to ``end``, with a label on it."""

    cable: Cable
    x: float
    start: float
    end: float
    label: Box
    text: str


@dataclass(frozen=True)
class Switch:
    """A switch; ``more`` of its cables don't fit."""

    line: Line
    box: Box
    wires: tuple[Wire, ...]
    more: int

    @property
    def address(self) -> str:
        """Return its address, if there is room for it."""
        return self.line.host.address if self.box.width >= WIDE else ""


def shown(hosts: Sequence[Host]) -> list[Host]:
    """Return which of a building's ``hosts`` are drawn as switches."""
    return [host for host in hosts if "switches" in host.groups][:SHOWN]


def place(
    hosts: Sequence[Host],
    states: Mapping[str, State],
    cables: Sequence[Cable],
    gateway: Host | None,
    room: Box,
    *,
    above: bool,
) -> tuple[Switch, ...]:
    """Return the switches of a building side by side in ``room``, which ends at the gateway.

    ``above``: the gateway is below them.
    """
    width = (room.width - GAP * (len(hosts) - 1)) / (len(hosts) or 1)
    top = room.y if above else room.y + room.height - HEIGHT
    found = []
    for number, host in enumerate(hosts):
        box = Box(room.x + number * (width + GAP), top, width, HEIGHT)
        own = [c for c in cables if c.host == host.name or _from(c, gateway, host)]
        own.sort(key=lambda cable: ORDER.index(cable.state))
        fit = own[: max(1, int(width // 50))]
        address = len(host.address) * 10 * LETTER + 16 if width >= WIDE else 0
        more = 20 if len(own) > len(fit) else 0
        name = shorten(host.name, width - 34 - address - more, 11.5)
        line = Line(host, states[host.name], name, top + 16)
        wires = tuple(
            _wire(cable, gateway, box, (n, len(fit)), above=above) for n, cable in enumerate(fit)
        )
        found.append(Switch(line, box, wires, len(own) - len(fit)))
    return tuple(found)


def _from(cable: Cable, gateway: Host | None, switch: Host) -> bool:
    """Return whether the gateway alone tells of a cable to the switch."""
    return gateway is not None and (cable.host, cable.peer) == (gateway.name, switch.name)


def _wire(
    cable: Cable, gateway: Host | None, box: Box, place: tuple[int, int], *, above: bool
) -> Wire:
    number, count = place
    x = box.x + box.width * (number + 0.5) / count
    start, way = (box.y + HEIGHT, 1) if above else (box.y, -1)
    home = gateway is not None and gateway.name in (cable.host, cable.peer)
    text = "" if home else shorten(cable.peer, box.width / count - MARK - 4, 10)
    width = MARK + len(text) * 6.2
    middle = start + way * WIRE / 2
    label = Box(x - width / 2, middle - PILL / 2, width, PILL)
    return Wire(cable, x, start, start + way * WIRE if home else middle, label, text)
