"""What the lab has to build, read from the inventory and from nowhere else."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tools import LabError

from kahya.model import Host, Town

WAN = "wan"


@dataclass(frozen=True)
class Port:
    """A host's interface: ``address`` is CIDR, ``bridge`` what it is plugged into."""

    name: str
    bridge: str
    address: str


@dataclass(frozen=True)
class Machine:
    """What the lab has to know of a host.

    ``gateway`` is its default route, if it has one. A switch has a ``platform``, the ports on its
    front (``card``), and ``cables``: what is plugged in where, as (port, host, port there).
    """

    name: str
    building: str
    ports: tuple[Port, ...]
    gateway: str | None
    platform: str = ""
    card: str = ""
    cables: tuple[tuple[str, str, str], ...] = ()

    @property
    def routes(self) -> bool:
        """Whether it forwards packets between its interfaces."""
        return len(self.ports) > 1

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses without prefix length."""
        return tuple(port.address.split("/")[0] for port in self.ports)


@dataclass(frozen=True)
class MirrorPort:
    """Where a building finds the package mirror: ``address`` is CIDR, ``port`` TCP."""

    bridge: str
    address: str
    port: int


@dataclass(frozen=True)
class Blueprint:
    """The whole lab. ``desk`` is the workstation's name, if the town has one."""

    machines: tuple[Machine, ...]
    mirrors: tuple[MirrorPort, ...]
    desk: str | None

    @property
    def bridges(self) -> tuple[str, ...]:
        """One bridge for each network, the WAN among them."""
        return tuple(sorted({p.bridge for m in self.machines for p in m.ports} | {WAN}))

    def pick(self, names: Iterable[str]) -> tuple[Machine, ...]:
        """Return the machines of these names, or all of them when there is no name.

        Raises:
            LabError: a name isn't in the inventory.
        """
        wanted = set(names)
        if unknown := wanted - {machine.name for machine in self.machines}:
            raise LabError(
                f"not in the lab: {', '.join(sorted(unknown))}",
                f"It has {', '.join(machine.name for machine in self.machines)}.",
            )
        return tuple(m for m in self.machines if not wanted or m.name in wanted)

    def write(self, path: Path) -> None:
        """Keep it for later calls, which then need not read the inventory."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Blueprint:
        """Return what ``write`` kept.

        Raises:
            LabError: nothing was kept, or by another version of the lab.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            machines = tuple(
                Machine(
                    **{
                        **m,
                        "ports": tuple(Port(**port) for port in m["ports"]),
                        "cables": tuple(map(tuple, m["cables"])),
                    }
                )
                for m in data["machines"]
            )
            mirrors = tuple(MirrorPort(**m) for m in data["mirrors"])
        except FileNotFoundError:
            raise LabError("there is no such lab", "Run scripts/lab up.") from None
        except (KeyError, TypeError):
            message = "the lab was brought up by another version of this checkout"
            raise LabError(message, "Run scripts/lab up, which brings it up to date.") from None
        return cls(machines, mirrors, data["desk"])


def blueprint(town: Town) -> Blueprint:
    """Return what to build for ``town``: its hosts, and those outside."""
    machines = {host.name: _inside(host) for host in town.hosts.values()}
    inside = tuple(
        _switch(host, machines) if "switches" in host.groups else machines[host.name]
        for host in town.hosts.values()
    )
    outside = tuple(_outside(host) for host in town.outside.values())
    mirrors: dict[str, MirrorPort] = {}
    for building in (host.vars["building"] for host in town.hosts.values()):
        address, port = building["mirror"].rsplit(":", 1)
        bridge = bridge_name("lan", building["number"])
        mirrors[bridge] = MirrorPort(bridge, _in(building["lan"], address), int(port))
    desk = next((h.name for h in town.hosts.values() if "workstations" in h.groups), None)
    return Blueprint(inside + outside, tuple(mirrors.values()), desk)


def bridge_name(zone: str, number: int) -> str:
    """Return the bridge of a zone in building ``number``; the WAN is one for the whole town."""
    return WAN if zone == WAN else f"{zone}-{number}"


def _inside(host: Host) -> Machine:
    building = host.vars["building"]
    if "interfaces" in host.vars:
        ports = tuple(
            Port(name, bridge_name(port["zone"], building["number"]), port["address"])
            for name, port in host.vars["interfaces"].items()
        )
        return Machine(host.name, host.building, ports, host.vars.get("wan_gateway"))
    bridge = bridge_name("lan", building["number"])
    port = Port("eth0", bridge, _in(building["lan"], host.address))
    return Machine(host.name, host.building, (port,), building["gateway"])


def _switch(host: Host, machines: Mapping[str, Machine]) -> Machine:
    """Return a switch; what its ports lead to is plugged in, where that is declared."""
    ports: list[dict[str, Any]] = host.vars["switch"]["ports"]
    ends = {port["name"]: port["to"].split(" ")[0] for port in ports}
    leads = {port: machines[name] for port, name in ends.items() if name in machines}
    cables = tuple((port, other.name, other.ports[0].name) for port, other in leads.items())
    card, platform = ",".join(port["name"] for port in ports), host.vars["platform"]
    return replace(machines[host.name], platform=platform, card=card, cables=cables)


def _outside(host: Host) -> Machine:
    port = Port("eth0", WAN, _in(host.vars["wan_subnet"], host.address))
    return Machine(host.name, "", (port,), None)


def _in(subnet: str, address: str) -> str:
    return f"{address}/{ipaddress.ip_network(subnet).prefixlen}"
