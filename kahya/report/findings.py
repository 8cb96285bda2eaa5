"""What is known about each system on each host, and in which state that leaves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from kahya.model import Host, HostPlan, Plan, ProbeResult, System, Town

State = Literal["unknown", "failed", "drift", "ok", "none"]
WORST_FIRST: tuple[State, ...] = ("unknown", "failed", "drift", "ok", "none")


@dataclass(frozen=True)
class Finding:
    """One system on one host: what was read of it (None: nobody looked) and its probes."""

    host: Host
    system: System
    plan: HostPlan | None
    probes: tuple[ProbeResult, ...]

    @property
    def unknown(self) -> bool:
        """Return whether anything about it is not known; then it never counts as in order."""
        return self.plan is None or self.plan.status != "ok" or bool(self.plan.blind_spots)

    @property
    def drift(self) -> int:
        """Return how many differences were found."""
        return len(self.plan.changes) if self.plan else 0

    @property
    def failed(self) -> int:
        """Return how many checks did not pass, or could not be made."""
        return sum(p.status != "passed" for p in self.probes)

    @property
    def state(self) -> State:
        """Return the worst that is to be said of it."""
        if self.unknown:
            return "unknown"
        return "failed" if self.failed else "drift" if self.drift else "ok"


@dataclass(frozen=True)
class Cell:
    """Some findings seen together: a system in a building, all of a host, the whole town."""

    findings: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """Return the worst state of its findings; ``none`` when there is none."""
        return worst(f.state for f in self.findings)

    @property
    def unknown(self) -> int:
        """Return how many findings are not known."""
        return sum(f.unknown for f in self.findings)

    @property
    def drift(self) -> int:
        """Return how many differences were found."""
        return sum(f.drift for f in self.findings)

    @property
    def failed(self) -> int:
        """Return how many checks did not pass."""
        return sum(f.failed for f in self.findings)

    @property
    def checks(self) -> int:
        """Return how many checks were made."""
        return sum(len(f.probes) for f in self.findings)

    @property
    def in_order(self) -> int:
        """Return how many findings are in order."""
        return sum(f.state == "ok" for f in self.findings)


def worst(states: Iterable[State]) -> State:
    """Return the worst of ``states``, or ``none``."""
    return min(states, key=WORST_FIRST.index, default="none")


def findings(town: Town, drift: Plan, probes: Sequence[ProbeResult]) -> tuple[Finding, ...]:
    """Return one finding for each host and system that the town has, looked at or not."""
    plans = {(p.host, p.system): p for p in drift.host_plans}
    return tuple(
        Finding(
            host,
            system,
            plans.get((host.name, system.name)),
            tuple(p for p in probes if (p.host, p.system) == (host.name, system.name)),
        )
        for system in town.systems
        for host in town.hosts_of(system)
    )
