"""What the journal tells of one apply: how far it came, and what is in doubt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kahya.journal import Entry, Journal
from kahya.model import Approval, BlindSpot, Change, Outcome, Plan
from kahya.plan.document import from_document
from kahya.plan.waves import URGENT, Wave

KINDS = (
    "started", "baseline", "wave", "outcome", "reverted", "resumed", "aborting", "applied",
    "aborted",
)  # fmt: skip
END = ("applied", "aborted")
Pair = tuple[str, str]
Machines = set[tuple[str, str, str]]
"""Host, system, and what the machine said it is when the system was applied to it."""


@dataclass
class Story:
    """One apply.

    ``begun`` holds the numbers of waves, ``ended`` the hosts that failed in those that are done,
    ``outcomes`` what is known, ``failing_before`` the checks (host, system, name) that failed
    before the first wave, ``aborting`` whether it is being brought back.
    """

    number: int
    at: str
    plan: Plan
    waves: tuple[Wave, ...]
    about: dict[str, Any] = field(repr=False)
    begun: set[int] = field(default_factory=set)
    ended: dict[int, set[str]] = field(default_factory=dict)
    outcomes: dict[Pair, Outcome] = field(default_factory=dict)
    failing_before: set[tuple[str, str, str]] | None = None
    aborting: bool = False
    end: str = ""

    @property
    def name(self) -> str:
        """Return how hosts know this run: a plan is applied once, so its seal is unique."""
        return self.plan.seal[:16]

    @property
    def approvals(self) -> tuple[Approval, ...]:
        """Return the signatures it was started with."""
        found = self.about["approvals"]
        return tuple(Approval(**a | {"blind_spots": tuple(a["blind_spots"])}) for a in found)

    @property
    def break_glass(self) -> str:
        """Return why it was started without the signatures it needs, or ""."""
        return str(self.about["break_glass"])

    @property
    def bare(self) -> bool:
        """Return whether it is a round of a first bring-up: nothing was in use yet."""
        return bool(self.about["bare"])

    @property
    def urgent(self) -> bool:
        """Return whether it goes to all hosts at once, in an emergency."""
        return [wave.name for wave in self.waves] == [URGENT]

    @property
    def current(self) -> tuple[Pair, ...]:
        """Return the pairs of host and system that the wave under way is about."""
        hosts = {h for n in self.begun - self.ended.keys() for h in self.waves[n].hosts}
        return tuple(pair for pair in touched(self.plan) if pair[0] in hosts)

    @property
    def in_doubt(self) -> tuple[Pair, ...]:
        """Return the pairs on which work may have begun, and nothing says how it ended."""
        return tuple(pair for pair in self.current if pair not in self.outcomes)

    @property
    def spots_in_doubt(self) -> tuple[BlindSpot, ...]:
        """Return the blind spots that may have run: a second plan can't tell."""
        doubt = self.in_doubt
        spots = (spot for spot in self.plan.blind_spots if not spot.deferred)
        return tuple(spot for spot in spots if (spot.host, spot.system) in doubt)


def touched(plan: Plan) -> tuple[Pair, ...]:
    """Return the pairs of host and system that ``plan`` does something about."""
    return tuple((p.host, p.system) for p in plan.host_plans if p.changes or p.blind_spots)


def machines(journal: Journal) -> Machines:
    """Return all that something was ever applied to."""
    done = (entry.data for entry in journal.entries("outcome") if entry.data["applied"])
    # Older entries don't say which machine it was: "" is any.
    return {(data["host"], data["system"], data.get("identity", "")) for data in done}


def is_new_to(plan: Plan, known: Machines) -> bool:
    """Return whether nothing that ``plan`` touches was ever applied to these very machines.

    One that doesn't say which it is may be any.
    """
    now = {(p.host, p.system): p.identity for p in plan.host_plans}
    due = touched(plan)
    then = [((host, system), one) for host, system, one in known if (host, system) in due]
    return not any(one == now[pair] or "" in (one, now[pair]) for pair, one in then)


def latest(journal: Journal) -> Story | None:
    """Return the story of the last apply that was started, or None."""
    started = journal.latest(1, "started")
    if not started:
        return None
    return tell(started[0], journal.entries(*KINDS, after=started[0].number))


def tell(started: Entry, later: Iterable[Entry]) -> Story:
    """Put the story together from the journal's entries."""
    data = started.data
    plan = from_document(json.loads(data["document"]))
    story = Story(
        started.number, started.at, plan, tuple(Wave(n, tuple(h)) for n, h in data["waves"]), data
    )
    for entry in later:
        if entry.data.get("run") == story.number:
            _add(story, entry)
    return story


def _add(story: Story, entry: Entry) -> None:
    data = entry.data
    if entry.kind == "wave" and data["state"] == "begun":
        story.begun.add(data["wave"])
    elif entry.kind == "wave":
        story.ended[data["wave"]] = set(data["failed"])
    elif entry.kind in ("outcome", "reverted"):
        ids = {item["id"] for item in data["applied"]}
        pair = data["host"], data["system"]
        done = tuple(c for c in story.plan.changes if c.id in ids)
        story.outcomes[pair] = Outcome(*pair, data["status"], done, data["reason"])
    elif entry.kind == "baseline":
        story.failing_before = {(host, system, name) for host, system, name in data["failing"]}
    elif entry.kind == "aborting":
        story.aborting = True
    elif entry.kind in END:
        story.end = entry.kind


def outcome_data(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as the journal keeps it."""
    return {
        "host": outcome.host,
        "system": outcome.system,
        "status": outcome.status,
        "reason": outcome.reason,
        "applied": [brief(change) for change in outcome.applied],
    }


def brief(change: Change) -> dict[str, Any]:
    """Return what a change is about, without its diff."""
    keys = ("id", "host", "building", "system", "resource", "action")
    return {key: getattr(change, key) for key in keys}


def briefs(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return what each change is about."""
    return [brief(change) for change in changes]
