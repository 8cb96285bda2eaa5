"""In which order a plan reaches the hosts: a canary, then building by building, devices last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kahya.model import Plan, Town

URGENT = "all at once"
"""The one wave of an emergency; no building can be called so."""

OTHERS = "all others"
NAMES = ("list domains/", "list urls/")  # addresses may cut off the way to a host


@dataclass(frozen=True)
class Wave:
    """Hosts that change together; the next wave begins when these were looked at and probed."""

    name: str
    hosts: tuple[str, ...]


def waves(town: Town, plan: Plan, *, emergency: bool = False) -> tuple[Wave, ...]:
    """Return the waves of ``plan``; a single one of all in an ``emergency``.

    1. A canary: of ``apply.canary`` in town.yml, else the host with the least at risk.
    2. Each building, the one the controller is in last: its hosts, then each of its switches by
       itself, then its gateway. So both ends of a tunnel never change together, and nobody saws
       off the branch they sit on before the work beyond it is done.

    Lists of names to be refused are urgent and cut nobody off: a canary, then all the others.
    """
    touched = {c.host for c in plan.changes} | {s.host for s in plan.blind_spots}
    hosts = [name for name in town.hosts if name in touched]
    if emergency and hosts:
        return (Wave(URGENT, tuple(hosts)),)
    found = []
    if len(hosts) > 1:
        canary = _canary(town, plan, hosts)
        found.append(Wave("canary", (canary,)))
        hosts.remove(canary)
        if not plan.blind_spots and all(c.resource.startswith(NAMES) for c in plan.changes):
            return (*found, Wave(OTHERS, tuple(hosts)))
    home = {h.building for h in town.hosts.values() if "workstations" in h.groups}
    for building in sorted(town.buildings, key=lambda name: name in home):
        inside = [h for h in hosts if town.hosts[h].building == building]
        others = tuple(h for h in inside if not _carries(town, h))
        devices = sorted((h for h in inside if h not in others), key=lambda h: _carries(town, h))
        found += [Wave(building, others)] if others else []
        found += [Wave(building, (device,)) for device in devices]
    return tuple(found)


def _canary(town: Town, plan: Plan, hosts: Sequence[str]) -> str:
    chosen = town.settings.get("apply", {}).get("canary", [])
    risks = {h: {r for c in plan.changes if c.host == h for r in c.risk} for h in hosts}

    def least(host: str) -> tuple[bool, int, int, int]:
        systems = sum(system.covers(town.hosts[host]) for system in town.systems)
        return host not in chosen, _carries(town, host), len(risks[host]), systems

    return min(hosts, key=least)


def _carries(town: Town, host: str) -> int:
    """Return how much hangs on a host: 2 for a gateway, 1 for a switch, 0 for the others."""
    groups = town.hosts[host].groups
    return 2 if "gateways" in groups else int("switches" in groups)
