"""What is under way, what waits for a decision, and what became of hosts that were lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kahya import story
from kahya.engines.fleet import Fleet
from kahya.journal import Entry, Journal, Lock
from kahya.model import HostPlan, Town
from kahya.story import Pair, Story


@dataclass(frozen=True)
class Standing:
    """A lock, an apply that did not end, glass broken, hosts lost while they were changed."""

    lock: Lock | None
    interrupted: Story | None
    unreviewed: tuple[Entry, ...]
    lost: tuple[Pair, ...]

    @property
    def open(self) -> bool:
        """Return whether anything of it is there."""
        return bool(self.lock or self.interrupted or self.unreviewed or self.lost)


def standing(journal: Journal, town: Town) -> Standing:
    """Return what the journal tells of the town, without asking any host."""
    last = story.latest(journal)
    reviewed = {entry.data["entry"] for entry in journal.entries("reviewed")}
    glass = [e for e in journal.entries("break-glass") if e.number not in reviewed]
    interrupted = last if last and not last.end else None
    lost = tuple(pair for pair in _lost(journal) if pair[0] in town.hosts)  # nobody asks the rest
    return Standing(journal.holder_of(town.name), interrupted, tuple(glass), lost)


def ask_again(answers: Sequence[HostPlan], fleet: Fleet, journal: Journal) -> tuple[HostPlan, ...]:
    """Record what became of hosts that were lost in an apply, where they answer again.

    Such a host returns by itself once it can, long after the apply has ended. Nothing is changed.

    Args:
        answers: what was read from the hosts just now; returned as it is.
        fleet: the hosts.
        journal: where it is told that they were lost.
    """
    there = {(plan.host, plan.system) for plan in answers if plan.status == "ok"}
    for pair, entry in _lost(journal).items():
        started = journal.find(entry.data["run"])
        if pair not in there or started is None:
            continue
        for now in fleet.became([pair], story.tell(started, ()).name):
            done = entry.data["applied"] if now.status != "reverted" else []
            told = {"status": now.status, "reason": now.reason, "applied": done}
            if now.status != "unreachable":
                journal.record("reverted", entry.plan, {**entry.data, **told})
    return tuple(answers)


def _lost(journal: Journal) -> Mapping[Pair, Entry]:
    """Return what was last heard of each host and system that was lost in an apply that ended."""
    ended = {entry.data.get("run") for entry in journal.entries(*story.END)}
    told = (e for e in journal.entries("outcome", "reverted") if e.data["status"] != "refused")
    heard = {(e.data["host"], e.data["system"]): e for e in told}  # who refused did nothing
    return {
        pair: entry
        for pair, entry in heard.items()
        if entry.data["status"] == "unreachable" and entry.data.get("run") in ended
    }
