"""The contract that every engine keeps; tests/contract runs one suite over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kahya.model import Host, HostPlan, Outcome, System, Town

Progress = Callable[[str, str, str], None]
"""Called as ``progress(host, system, text)`` while an engine works; may come from any thread."""

Approved = Mapping[tuple[str, str], frozenset[str]]
"""The approved change ids by (host, system); a pair that is missing has nothing approved."""


@dataclass(frozen=True)
class Task:
    """One system and the hosts to bring to it."""

    system: System
    hosts: tuple[Host, ...]


class Engine(Protocol):
    """Asks a tool what it would do, and has it done.

    Every (host, system) of the tasks is answered exactly once, as soon as it is known. A host that
    can't be reached is answered ``unreachable``, never left out and never "no change". Errors of
    one host are answers; only an engine that can't run at all raises EngineError.
    """

    def plan(self, town: Town, tasks: Sequence[Task], progress: Progress) -> Iterator[HostPlan]:
        """Say what would change, exactly, without changing anything."""
        ...

    def apply(
        self, town: Town, tasks: Sequence[Task], approved: Approved, progress: Progress
    ) -> Iterator[Outcome]:
        """Plan again and, where the changes are exactly the approved ones, carry them out.

        A host whose changes differ is ``refused`` and left as it is. ``Outcome.applied`` lists
        what was really done, read from the doing and not copied from the plan.
        """
        ...

    def observe(self, town: Town, tasks: Sequence[Task], progress: Progress) -> Iterator[HostPlan]:
        """Say what differs from the intent now (drift); may be cheaper than ``plan``."""
        ...


def refusal(approved: Approved, now: HostPlan) -> str:
    """Return why ``now`` may not be applied under ``approved``, or "" when it may.

    Deferred blind spots are no reason: the apply ends where the plan did.
    """
    if now.status != "ok":
        return now.reason or now.status
    if blind := [spot for spot in now.blind_spots if not spot.deferred]:
        return "has blind spots: " + "; ".join(f"{s.resource}: {s.reason}" for s in blind)
    wanted, found = (
        approved.get((now.host, now.system), frozenset()),
        {c.id: c for c in now.changes},
    )
    extra = [c.resource for i, c in found.items() if i not in wanted]
    missing = len(wanted - found.keys())
    if extra or missing:
        return (
            "the host is no longer as it was when the plan was made: "
            + (f"not approved: {', '.join(extra)}. " if extra else "")
            + (f"{missing} approved changes are no longer needed." if missing else "")
        ).strip()
    return ""
