"""What the lab has to build, read from the inventory and from nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tools import LabError

from kahya.model import Host, Town
from kahya.topology import MAIN, WAN, lan_of, line_of


@dataclass(frozen=True)
class Port:
    """A host's interface: the addresses are CIDR, ``bridge`` what it is plugged into."""

    name: str
    bridge: str
    address: str
    address6: str = ""


@dataclass(frozen=True)
class Machine:
    """What the lab has to know of a host.

    ``gateway`` and ``gateway6`` are its default routes, if it has any. A switch has a ``platform``,
    the ports on its front (``card``), and ``cables``: what is plugged in where, as (port, host,
    port there).
    """

    name: str
    building: str
    ports: tuple[Port, ...]
    gateway: str | None
    platform: str = ""
    card: str = ""
    cables: tuple[tuple[str, str, str], ...] = ()
    gateway6: str | None = None

    @property
    def routes(self) -> bool:
        """Whether it forwards packets between its interfaces."""
        return len(self.ports) > 1

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses without prefix length."""
        found = (a for port in self.ports for a in (port.address, port.address6) if a)
        return tuple(address.split("/")[0] for address in found)


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
    gateways = {h.building: h for h in town.hosts.values() if "gateways" in h.groups}
    machines = {host.name: _inside(host, gateways) for host in town.hosts.values()}
    inside = tuple(
        _switch(host, machines) if "switches" in host.groups else machines[host.name]
        for host in town.hosts.values()
    )
    outside = tuple(
        _inside(host, gateways) if host.building else _stranger(host, gateways.values())
        for host in town.outside.values()
    )
    mirrors: dict[str, MirrorPort] = {}
    for gateway in gateways.values():
        building = gateway.vars["building"]
        address, port = building["mirror"].rsplit(":", 1)
        bridge = _lan(address, gateway)["bridge"]
        mirrors[bridge] = MirrorPort(bridge, _in(building["lan"], address), int(port))
    desk = next((h.name for h in town.hosts.values() if "workstations" in h.groups), None)
    return Blueprint(inside + outside, tuple(mirrors.values()), desk)


def _inside(host: Host, gateways: Mapping[str, Host]) -> Machine:
    if "interfaces" in host.vars:
        return _router(host)
    lan = _lan(host.address, gateways[host.building])
    address6 = host.vars.get("address6")
    port = Port(
        "eth0",
        lan["bridge"],
        _in(lan["address"], host.address),
        _in(lan["address6"], address6) if address6 else "",
    )
    gateway6 = _bare(lan["address6"]) if address6 else None
    return Machine(host.name, host.building, (port,), _bare(lan["address"]), gateway6=gateway6)


def _router(host: Host) -> Machine:
    ways = {key: host.vars.get(f"wan_{key}") for key in ("gateway", "gateway6")}
    ports = tuple(
        Port(name, _bridge(name, i, host), i["address"], i.get("address6", ""))
        for name, i in host.vars["interfaces"].items()
    )
    return Machine(host.name, host.building, ports, **ways)


def _lan(address: str, gateway: Host) -> dict[str, Any]:
    """Return the gateway's interface towards ``address``, and its ``bridge``."""
    # There are no VLANs here: who is in one without an interface of its own is on the LAN.
    lan = lan_of(address, gateway.vars) or lan_of(gateway.address, gateway.vars) or {}
    return {**lan, "bridge": _bridge(lan["name"], lan, gateway)}


def _bridge(name: str, interface: Mapping[str, Any], gateway: Host) -> str:
    """Return what an interface is plugged into; a line's carrier is one for the whole town."""
    if interface["zone"] == WAN:
        line = line_of(interface)
        return WAN if line == MAIN else f"{WAN}-{line}"
    number = gateway.vars["building"]["number"]
    return f"{name[-12:]}-{number}"  # at most 15 characters


def _switch(host: Host, machines: Mapping[str, Machine]) -> Machine:
    """Return a switch; what its ports lead to is plugged in, where that is declared."""
    ports: list[dict[str, Any]] = host.vars["switch"]["ports"]
    ends = {port["name"]: port["to"].split(" ")[0] for port in ports}
    leads = {port: machines[name] for port, name in ends.items() if name in machines}
    cables = tuple((port, other.name, other.ports[0].name) for port, other in leads.items())
    card, platform = ",".join(port["name"] for port in ports), host.vars["platform"]
    return replace(machines[host.name], platform=platform, card=card, cables=cables)


def _stranger(host: Host, gateways: Iterable[Host]) -> Machine:
    """Return a host on the WAN: no default route, so no way into the town.

    Who has the address of the main line's router is the router of the other lines, too.
    """
    subnet6, address6 = host.vars.get("wan_subnet6"), host.vars.get("address6")
    address = _in(host.vars["wan_subnet"], host.address)
    address6 = _in(subnet6, address6) if subnet6 and address6 else ""
    ports = {WAN: Port("eth0", WAN, address, address6)}
    for gateway in gateways if host.address == host.vars.get("wan_gateway") else ():
        for name, i in gateway.vars["interfaces"].items():
            if i["zone"] == WAN and "gateway" in i:
                bridge = _bridge(name, i, gateway)
                way6 = _in(i["address6"], i["gateway6"]) if "gateway6" in i else ""
                port = Port(f"eth{len(ports)}", bridge, _in(i["address"], i["gateway"]), way6)
                ports.setdefault(bridge, port)
    return Machine(host.name, "", tuple(ports.values()), None)


def _in(subnet: str, address: str) -> str:
    return f"{address}/{subnet.split('/')[1]}"


def _bare(address: str) -> str:
    return address.split("/", maxsplit=1)[0]
