"""What is known about each system on each host, and in which state that leaves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from kahya.finding import Finding, Look
from kahya.model import Host, HostPlan, ProbeResult, System, Town

State = Literal["unknown", "failed", "drift", "pending", "waived", "ok", "none"]
WORST_FIRST: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class Reading:
    """One system on one host: what was read of it (None: nobody looked), found, and probed."""

    host: Host
    system: System
    plan: HostPlan | None
    findings: tuple[Finding, ...]
    probes: tuple[ProbeResult, ...]

    @property
    def unknown(self) -> bool:
        """Return whether anything about it is not known; then it never counts as in order."""
        return self.plan is None or self.plan.status != "ok" or bool(self.plan.blind_spots)

    @property
    def drift(self) -> int:
        """Return in how many ways the host left what was applied."""
        return sum(f.kind == "drift" and not f.waived for f in self.findings)

    @property
    def pending(self) -> int:
        """Return how much the repository is ahead."""
        return sum(f.kind == "pending" and not f.waived for f in self.findings)

    @property
    def waived(self) -> int:
        """Return for how many differences somebody answers."""
        return sum(f.waived for f in self.findings)

    @property
    def failed(self) -> int:
        """Return how many checks did not pass, or could not be made."""
        return sum(p.status != "passed" for p in self.probes)

    @property
    def state(self) -> State:
        """Return the worst that is to be said of it."""
        if self.unknown:
            return "unknown"
        states: tuple[State, ...] = ("failed", "drift", "pending", "waived")
        return next((state for state in states if getattr(self, state)), "ok")


@dataclass(frozen=True)
class Cell:
    """Some readings seen together: a system in a building, all of a host, the whole town."""

    readings: tuple[Reading, ...]

    @property
    def state(self) -> State:
        """Return the worst state of its readings; ``none`` when there is none."""
        return worst(r.state for r in self.readings)

    @property
    def unknown(self) -> int:
        """Return how many readings are not known."""
        return sum(r.unknown for r in self.readings)

    @property
    def drift(self) -> int:
        """Return in how many ways hosts left what was applied."""
        return sum(r.drift for r in self.readings)

    @property
    def pending(self) -> int:
        """Return how much the repository is ahead."""
        return sum(r.pending for r in self.readings)

    @property
    def waived(self) -> int:
        """Return for how many differences somebody answers."""
        return sum(r.waived for r in self.readings)

    @property
    def failed(self) -> int:
        """Return how many checks did not pass."""
        return sum(r.failed for r in self.readings)

    @property
    def checks(self) -> int:
        """Return how many checks were made."""
        return sum(len(r.probes) for r in self.readings)

    @property
    def in_order(self) -> int:
        """Return how many readings are in order."""
        return sum(r.state == "ok" for r in self.readings)


def worst(states: Iterable[State]) -> State:
    """Return the worst of ``states``, or ``none``."""
    return min(states, key=WORST_FIRST.index, default="none")


def readings(town: Town, look: Look, probes: Sequence[ProbeResult]) -> tuple[Reading, ...]:
    """Return one reading for each host and system that the town has, looked at or not."""
    plans = {(p.host, p.system): p for p in look.plan.host_plans}
    return tuple(
        Reading(
            host,
            system,
            plans.get((host.name, system.name)),
            tuple(
                f
                for f in look.findings
                if (f.change.host, f.change.system) == (host.name, system.name)
            ),
            tuple(p for p in probes if (p.host, p.system) == (host.name, system.name)),
        )
        for system in town.systems
        for host in town.hosts_of(system)
    )
