"""Drift or pending? Tells what each difference means, from what the journal says was applied.

Reality differs from the inventory for one of two reasons: somebody changed the host (drift), or
somebody changed the inventory and nobody has applied it yet (pending). The last applied commit
tells which: what that commit would also put right is drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kahya.finding import AGREED, BOTH, NEVER, UNCOMPARED, Authority, Finding, Kind, waiver_of
from kahya.model import Change, HostPlan, Plan, Waiver

Pair = tuple[str, str]
KINDS = ("outcome", "reverted", "applied")
"""The kinds of entries that ``history`` reads."""

Told = tuple[Change, Kind, str]


class Entry(Protocol):
    """An entry of the journal."""

    @property
    def number(self) -> int: ...
    @property
    def at(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def plan(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Deed:
    """What one apply did to one system of one host; ``run`` is the number of its first entry."""

    run: int
    plan: str
    at: str
    commit: str
    complete: bool
    resources: tuple[str, ...]


@dataclass(frozen=True)
class History:
    """Everything that was done and not undone, by host and system, oldest first."""

    deeds: Mapping[Pair, Sequence[Deed]]

    def commit(self, pair: Pair) -> str | None:
        """Return the last commit that was applied whole, or None."""
        done = self.deeds.get(pair, ())
        return next((deed.commit for deed in reversed(done) if deed.complete), None)

    def last(self, change: Change) -> Deed | None:
        """Return what last changed the resource of ``change``."""
        done = self.deeds.get((change.host, change.system), ())
        return next((deed for deed in reversed(done) if change.resource in deed.resources), None)


def history(entries: Iterable[Entry]) -> History:
    """Put the history together from the journal's entries of ``KINDS``, oldest first."""
    deeds: dict[Pair, list[Deed]] = {}
    for entry in entries:
        run = entry.data.get("run", 0)
        for pair, status, commit, resources in _outcomes(entry):
            done = deeds.setdefault(pair, [])
            if entry.kind == "reverted" and status == "reverted":
                done[:] = [deed for deed in done if deed.run != run]
            elif entry.kind != "reverted":
                complete = status == "applied"
                done.append(Deed(run, entry.plan, entry.at, commit, complete, resources))
    return History(deeds)


def _outcomes(entry: Entry) -> Iterator[tuple[Pair, str, str, tuple[str, ...]]]:
    """Yield what an entry says of each host and system; the end of a run repeats its outcomes."""
    data = entry.data
    if entry.kind != "applied":
        resources = tuple(item["resource"] for item in data["applied"])
        yield (data["host"], data["system"]), data["status"], data["commit"], resources
    elif "run" not in data and "commit" in data:
        for one in data["outcomes"]:
            pair = one["host"], one["system"]
            done = [a["resource"] for a in data["applied"] if (a["host"], a["system"]) == pair]
            yield pair, one["status"], data["commit"], tuple(done)


def tell_apart(plan: Plan, past: History, before: Mapping[Pair, HostPlan]) -> list[Told]:
    """Tell drift from pending.

    Args:
        plan: what differs from the inventory now.
        past: what was applied.
        before: what differs from the last applied commit, for pairs where it is another one;
            a pair that is missing could not be compared.

    Returns:
        Every change of ``plan``, its kind and a note; and what only ``before`` has.
    """
    found: list[Told] = []
    for now in plan.host_plans:
        pair = now.host, now.system
        if not now.changes:
            continue
        commit = past.commit(pair)
        if commit is None:
            found += [(change, "pending", NEVER) for change in now.changes]
        elif commit == plan.commit and comparable(commit):
            found += [(change, "drift", "") for change in now.changes]
        else:
            found += _compare(plan.commit, now, before.get(pair), past)
    return found


def comparable(commit: str) -> bool:
    """Return whether equal names of commits mean equal files: outside of git there is none."""
    return commit != "none"


def _compare(commit: str, now: HostPlan, before: HostPlan | None, past: History) -> Iterator[Told]:
    known = before is not None and before.status == "ok"
    then = before.changes if before and known else ()
    ids, resources = {c.id for c in then}, {c.resource for c in then}
    whole = known and not (before and before.blind_spots)
    for change in now.changes:
        deed = past.last(change)
        if change.id in ids or (deed and deed.commit == commit and comparable(commit)):
            yield change, "drift", ""
        elif change.resource in resources:
            yield change, "drift", BOTH
        elif whole:
            yield change, "pending", ""
        else:
            yield change, "drift", UNCOMPARED
    still = {change.resource for change in now.changes}
    for change in then:
        deed = past.last(change)
        done_later = deed and deed.commit != past.commit((now.host, now.system))
        if change.resource not in still and not done_later:
            yield change, "drift", AGREED


def since(changes: Iterable[Change], now: str, looks: Iterable[Entry]) -> dict[str, str]:
    """Return, by id, the time of the first look of the unbroken row that shows each change.

    Args:
        changes: what is seen now.
        now: the time of this look.
        looks: the journal's earlier ``observed`` entries, newest first; no more are taken than
            needed. A look that did not read a host says nothing about it.
    """
    rows = {change.id: (change.host, change.system) for change in changes}
    first = dict.fromkeys(rows, now)
    for look in looks:
        data = look.data
        shown = {item["id"] for item in [*data["changes"], *data.get("findings", ())]}
        for name, (host, system) in list(rows.items()):
            systems = data["hosts"].get(host, {}).get("systems", {})
            if name in shown:
                first[name] = data["created"]
            elif systems.get(system, {}).get("status") == "ok":
                del rows[name]
        if not rows:
            break
    return first


def authority(deed: Deed | Entry, started: Entry | None) -> Authority | None:
    """Return on whose word ``deed`` was done, given its ``started`` entry; None: nobody's."""
    if started is None:
        return None
    signed = [a if isinstance(a, str) else a["approver"] for a in started.data["approvals"]]
    why = started.data.get("break_glass") or ""
    people = signed or [started.data.get("by", "")] * bool(why)
    return Authority(deed.plan, deed.at, tuple(people), why) if people else None


def waive(finding: Finding, waivers: Iterable[Waiver], today: str) -> Finding:
    """Return ``finding`` with the waiver that covers it."""
    waiver, expired = waiver_of(finding.change, waivers, today)
    return replace(finding, waiver=waiver, expired=expired)
