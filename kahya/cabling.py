"""Which cables there are: declared by the inventory, and seen by the devices over LLDP."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from kahya.i18n import N_, Translate
from kahya.model import Host

CableState = Literal["seen", "missing", "undeclared", "unknown"]

CABLE_STATES: Mapping[CableState, tuple[str, str]] = {
    "seen": ("✓", N_("declared and seen")),
    "missing": ("✗", N_("declared, not seen")),
    "undeclared": ("+", N_("seen, not declared")),
    "unknown": ("?", N_("not known")),
}
"""The mark of each state, and what it says."""

NOBODY = N_("{peer} should be there, and nobody is seen")
OTHER = N_("{seen} is there instead of {peer}")
UNDECLARED = N_("{seen} is there, and nothing is declared")
UP = N_("is up, and should be unused")
NO_PORT = N_("the device has no such port")
SERIAL = N_("the serial number is {seen} instead of {declared}")


@dataclass(frozen=True)
class Port:
    """A port as it is now; ``speed`` is Mbit/s, 0 or less when the device does not know."""

    up: bool
    enabled: bool
    speed: float


@dataclass(frozen=True)
class Neighbour:
    """Who is at the other end: ``host`` by name, ``ports`` what it calls that port.

    ``network``: it is a switch or router, or does not say what it is.
    """

    host: str
    ports: tuple[str, ...] = ()
    network: bool = True

    def __str__(self) -> str:
        return " ".join([self.host, *self.ports[:1]])


@dataclass(frozen=True)
class Device:
    """What a device says of itself; ``neighbours`` is None where it does not speak LLDP."""

    host: str
    vendor: str
    model: str
    os_version: str
    serial: str
    ports: Mapping[str, Port]
    neighbours: Mapping[str, tuple[Neighbour, ...]] | None

    def at(self, port: str) -> tuple[Neighbour, ...]:
        """Return who is seen at ``port``."""
        return (self.neighbours or {}).get(port, ())


@dataclass(frozen=True)
class Cable:
    """A cable from ``port`` of ``host`` to ``peer``; ``peer_port`` is "" when it is not known.

    ``seen``: declared, and seen at one end at least. ``missing``: declared, and not seen.
    ``undeclared``: seen only. ``unknown``: declared, and neither end could tell.
    """

    host: str
    port: str
    peer: str
    peer_port: str
    state: CableState

    @property
    def far_end(self) -> str:
        """Return the other end as people write it."""
        return f"{self.peer} {self.peer_port}".strip()


@dataclass(frozen=True)
class Difference:
    """Something that is not as declared; ``about`` fills the places of ``text`` (English)."""

    host: str
    port: str
    text: str
    about: Mapping[str, str] = field(default_factory=dict)

    def sentence(self, _: Translate) -> str:
        """Return it in the language of ``_``."""
        return f"{self.port}: {_(self.text).format(**self.about)}".removeprefix(": ")


@dataclass(frozen=True)
class Wiring:
    """What was found. ``unread`` says by host why a device could not be read."""

    devices: tuple[Device, ...] = ()
    cables: tuple[Cable, ...] = ()
    differences: tuple[Difference, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)

    @property
    def unknown(self) -> bool:
        """Return whether anything is not known."""
        return bool(self.unread) or any(cable.state == "unknown" for cable in self.cables)


def compare(
    hosts: Sequence[Host],
    devices: Iterable[Device],
    unread: Mapping[str, str],
    about: Collection[str],
) -> Wiring:
    """Compare what the inventory declares with what devices say.

    Args:
        hosts: all network devices of the town.
        devices: what those that could be read say.
        unread: why the others could not, by host.
        about: the names of the hosts that were asked. Cables of others only are left out, and
            those of which the end that might tell was not asked.
    """
    found = {device.host: device for device in devices}
    asked = set(about)
    looks = [_look(c, found) for c in _declared(hosts) if asked & {c.host, c.peer}]
    cables = [c for c in looks if c.state != "unknown" or {c.host, c.peer} <= asked]
    differences = [d for h in hosts if h.name in found for d in _own(h, found[h.name])]
    lost = {(c.host, c.port): c for c in cables if c.state == "missing"}
    for (host, port), cable in lost.items():
        seen = ", ".join(map(str, found[host].at(port))) if host in found else ""
        words = {"peer": cable.far_end, "seen": seen}
        differences.append(Difference(host, port, OTHER if seen else NOBODY, words))
    for cable in _undeclared(hosts, found, cables):
        cables.append(cable)
        if (cable.host, cable.port) not in lost:  # there it is told already
            words = {"seen": cable.far_end}
            differences.append(Difference(cable.host, cable.port, UNDECLARED, words))
    order = [host.name for host in hosts]
    differences.sort(key=lambda difference: order.index(difference.host))
    return Wiring(tuple(found.values()), tuple(cables), tuple(differences), unread)


def _ports(host: Host) -> Iterable[Mapping[str, Any]]:
    ports: list[dict[str, Any]] = host.vars.get("switch", {}).get("ports", [])
    return ports


def _declared(hosts: Sequence[Host]) -> list[Cable]:
    """Return each cable between two of ``hosts`` once, from the end that declares it first."""
    names = {host.name for host in hosts}
    cables: list[Cable] = []
    for host in hosts:
        others = [c for c in cables if c.peer == host.name]  # of which this may be the other end
        for port in _ports(host):
            name, (peer, _, peer_port) = port["name"], port["to"].partition(" ")
            fits = (
                c
                for c in others
                if c.host == peer and c.peer_port in ("", name) and peer_port in ("", c.port)
            )
            if known := next(fits, None):
                others.remove(known)
                cables[cables.index(known)] = replace(known, peer_port=name)
            elif peer in names:
                cables.append(Cable(host.name, name, peer, peer_port, "unknown"))
    return cables


def _look(cable: Cable, found: Mapping[str, Device]) -> Cable:
    """Return ``cable`` with what its two ends see of it."""
    state: CableState = "unknown"
    ends = (
        (cable.host, cable.port, cable.peer, cable.peer_port),
        (cable.peer, cable.peer_port, cable.host, cable.port),
    )
    for near, near_port, far, far_port in ends:
        device = found.get(near)
        if device is None or device.neighbours is None:
            continue
        ports = [near_port] if near_port else list(device.neighbours)
        seen = [n for port in ports for n in device.at(port)]
        if any(n.host == far and far_port in ("", *n.ports) for n in seen):
            state = "seen"
            break
        state = "missing"
    return Cable(cable.host, cable.port, cable.peer, cable.peer_port, state)


def _undeclared(
    hosts: Sequence[Host], found: Mapping[str, Device], cables: Sequence[Cable]
) -> list[Cable]:
    """Return what is seen and was not declared, each cable once."""
    declared = {
        (host.name, port["name"]): port["to"].partition(" ")
        for host in hosts
        for port in _ports(host)
    }
    known = [c for c in cables if c.state == "seen"]
    extra: list[Cable] = []
    for device in found.values():
        for port, seen in (device.neighbours or {}).items():
            for n in seen:
                from_there = any(
                    (c.host, c.peer) == (n.host, device.host) and c.port in n.ports
                    for c in [*known, *extra]
                )
                peer, _, peer_port = declared.get((device.host, port), ("", "", ""))
                as_declared = peer == n.host and peer_port in ("", *n.ports)
                if n.network and not from_there and not as_declared:
                    far = next(iter(n.ports), "")
                    extra.append(Cable(device.host, port, n.host, far, "undeclared"))
    return extra


def _own(host: Host, device: Device) -> Iterator[Difference]:
    declared = host.vars.get("serial_number", "")
    if declared not in ("", device.serial):
        yield Difference(host.name, "", SERIAL, {"seen": device.serial, "declared": declared})
    for port in _ports(host):
        state = device.ports.get(port["name"])
        if state is None:
            yield Difference(host.name, port["name"], NO_PORT)
        elif port["shut"] and state.up:
            yield Difference(host.name, port["name"], UP)
