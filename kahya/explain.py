"""Gathers what tells the meaning of a difference: the journal, and the plan as of back then."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from kahya.checkout import at_commit
from kahya.drift import (
    KINDS,
    History,
    Pair,
    authority,
    comparable,
    history,
    since,
    tell_apart,
    waive,
)
from kahya.errors import KahyaError
from kahya.finding import RESTORED, Finding, Look
from kahya.inventory import list_store, load, project_root
from kahya.journal import Entry, Journal
from kahya.model import HostPlan, Plan, Town

Ask = Callable[[Town, Collection[Pair]], Collection[HostPlan]]
"""Says what would change on hosts if the inventory were another."""

PAGE = 8  # looks read at first; most differences are new


def explain(plan: Plan, town: Town, journal: Journal, ask: Ask) -> Look:
    """Tell what each difference in ``plan`` means, since when it is there, and who answers for it.

    A second plan is made only of what differs, and only where the last applied commit isn't the
    one of ``plan``.
    """
    if not plan.changes:
        return Look(plan, ())
    past = history(journal.entries(*KINDS))
    before, doubts = _before(plan, town, past, ask)
    told = tell_apart(plan, past, before)
    first = since([change for change, *_ in told], plan.created, _looks(journal))
    find, today = cache(journal.find), time.strftime("%Y-%m-%d")
    found = []
    for change, kind, note in told:
        deed = past.last(change)
        started = find(deed.run) if deed else None
        word = authority(deed, started) if deed else None
        restored = RESTORED if kind == "drift" and change.host in _restores(started) else ""
        finding = Finding(change, kind, first[change.id], word, note=note or restored)
        found.append(waive(finding, town.waivers, today))
    return Look(plan, tuple(found), doubts)


def _restores(started: Entry | None) -> Collection[str]:
    """Return the devices that an apply gave a backup back."""
    return json.loads(started.data["document"]).get("restores", ()) if started else ()


def _before(
    plan: Plan, town: Town, past: History, ask: Ask
) -> tuple[dict[Pair, HostPlan], tuple[str, ...]]:
    """Plan what differs at the commits that were applied last; say which can't be had."""
    due: dict[str, set[Pair]] = {}
    for now in plan.host_plans:
        commit = past.commit((now.host, now.system))
        if now.changes and commit and not (commit == plan.commit and comparable(commit)):
            due.setdefault(commit, set()).add((now.host, now.system))
    found: dict[Pair, HostPlan] = {}
    doubts = []
    for commit, pairs in due.items():
        try:
            with at_commit(project_root(Path(town.directory)), commit) as files:
                answers = ask(_town(town, files), pairs)
                found |= {(answer.host, answer.system): answer for answer in answers}
        except KahyaError as error:
            doubts.append(f"{error}. {error.hint}".strip())
    return found, tuple(doubts)


def _town(town: Town, files: Path) -> Town:
    """Return the same town as ``files`` have it."""
    directory = Path(town.directory).resolve()
    then = load(files / directory.relative_to(project_root(directory)), past=list_store(town))
    # An engine looks for roles and deploys from where we stand: in today's checkout.
    systems = (replace(system, source=str(files / system.source)) for system in then.systems)
    return replace(then, systems=tuple(systems))


def _looks(journal: Journal) -> Iterator[Entry]:
    """Yield the earlier looks, newest first, reading no more of them than is asked for."""
    seen, size = 0, PAGE
    while len(page := journal.latest(size, "observed")) > seen:
        yield from page[seen:]
        seen, size = len(page), size * PAGE
