"""The contract that every engine keeps; tests/contract runs one suite over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from kahya.model import Host, HostPlan, Outcome, System, Town

Progress = Callable[[str, str, str], None]
"""Called as ``progress(host, system, text)`` while an engine works; may come from any thread."""


@dataclass(frozen=True)
class Mandate:
    """What may be done to one system of one host.

    Exactly the ``changes`` (their marks), on the machine that says it is ``identity``, leaving
    only the ``blind_spots`` (ids) that were signed for. ``resumed``: an interrupted apply
    goes on, so that some of the changes may be there already. ``run``: the name under which
    the host keeps its way back.
    """

    changes: tuple[str, ...]
    identity: str = ""
    blind_spots: tuple[str, ...] = ()
    resumed: bool = False
    run: str = ""


Approved = Mapping[tuple[str, str], Mandate]
"""The mandates by (host, system); a pair that is missing has none."""


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
        what was really done, read from the doing and not copied from the plan. A change that may
        cut the path to the host is kept only once the host was reached anew over that path;
        otherwise the host returns by itself. The state before stays on the host for ``revert``.
        """
        ...

    def revert(
        self, town: Town, tasks: Sequence[Task], progress: Progress, run: str = ""
    ) -> Iterator[Outcome]:
        """Bring back the state before the ``apply`` of ``run`` on each host and system.

        ``reverted`` says that it is back; ``failed`` that it isn't, or that this engine can't.
        What another run did last is left alone; without ``run`` it is the last, whichever it was.
        """
        ...

    def became(
        self, town: Town, tasks: Sequence[Task], progress: Progress, run: str
    ) -> Iterator[Outcome]:
        """Say what became of the ``apply`` of ``run`` on hosts that were lost in it. Only reads.

        ``reverted``: the host had returned by itself, or was never changed. ``failed``: what was
        done is still there, as far as anybody can tell. ``unreachable``: that is still to come.
        """
        ...

    def observe(self, town: Town, tasks: Sequence[Task], progress: Progress) -> Iterator[HostPlan]:
        """Say what differs from the intent now (drift); may be cheaper than ``plan``."""
        ...


def refusal(approved: Approved, now: HostPlan) -> str:
    """Return why ``now`` may not be applied under ``approved``, or "" when it may.

    Deferred blind spots are no reason: the apply ends where the plan did.
    """
    mandate = approved.get((now.host, now.system), Mandate(()))
    if now.status != "ok":
        return now.reason or now.status
    if mandate.identity not in ("", now.identity):
        return (
            f"another machine answers at this address: {now.identity or 'it has no name'}"
            f" instead of {mandate.identity}"
        )
    blind = [s for s in now.blind_spots if not s.deferred and s.id not in mandate.blind_spots]
    if blind:
        return "has blind spots: " + "; ".join(f"{s.resource}: {s.reason}" for s in blind)
    found = {c.mark: c for c in now.changes}
    extra = [c.resource for i, c in found.items() if i not in mandate.changes]
    missing = 0 if mandate.resumed else len(set(mandate.changes) - found.keys())
    if extra or missing:
        return (
            "the host is no longer as it was when the plan was made: "
            + (f"not approved: {', '.join(extra)}. " if extra else "")
            + (f"{missing} approved changes are no longer needed." if missing else "")
        ).strip()
    return ""
