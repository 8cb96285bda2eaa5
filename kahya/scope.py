"""Which part of the town a command is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch

from kahya.errors import InventoryError
from kahya.i18n import _
from kahya.model import System, Town


@dataclass(frozen=True)
class Scope:
    """Which part of the town: ``hosts`` and ``systems`` are names, already checked to exist."""

    hosts: tuple[str, ...]
    systems: tuple[System, ...]

    @property
    def pairs(self) -> set[tuple[str, str]]:
        """Return all pairs of a host and a system, also those that don't belong together."""
        return {(host, system.name) for host in self.hosts for system in self.systems}


def scope(town: Town, limit: str = "", systems: Sequence[str] = ()) -> Scope:
    """Return the part of the town that ``--limit`` and ``--system`` name.

    Args:
        town: the town.
        limit: host, building or group names, or patterns such as ``gw-*``, joined by commas.
        systems: names of systems; none means all.

    Raises:
        InventoryError: a name or pattern matches nothing.
    """
    chosen: set[str] = set()
    for pattern in filter(None, limit.split(",")):
        found = {
            h.name
            for h in town.hosts.values()
            if fnmatch(h.name, pattern) or pattern == h.building or pattern in h.groups
        }
        if not found:
            known = ", ".join([*town.buildings, *town.hosts])
            raise InventoryError(
                _("no host matches {name}").format(name=repr(pattern)),
                _("There are: {names}.").format(names=known),
            )
        chosen |= found
    names = [s.name for s in town.systems]
    for unknown in set(systems) - set(names):
        raise InventoryError(
            _("no system is called {name}").format(name=repr(unknown)),
            _("There are: {names}.").format(names=", ".join(names)),
        )
    part = Scope(
        tuple(h for h in town.hosts if not limit or h in chosen),
        tuple(s for s in town.systems if not systems or s.name in systems),
    )
    if not any(system.covers(town.hosts[h]) for system in part.systems for h in part.hosts):
        raise InventoryError(
            _("none of these systems is on any of these hosts"),
            _("kahya systems tells what is kept in order where."),
        )
    return part
