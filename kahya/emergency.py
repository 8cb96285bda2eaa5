"""May a plan go the short way: one signature, every building at once (``approval.emergency``)?

Only where it does what incidents.yml asks for and nothing else, and where those who judge and carry
it out, Kâhya itself, the rules and the approvers, are the ones that were applied before.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from kahya import checkout
from kahya.drift import KINDS, Pair, history
from kahya.i18n import _
from kahya.inventory import project_root
from kahya.journal import Journal
from kahya.model import Plan, Town
from kahya.plan.emergency import others

RULES = ("town.yml", "approvers")
SHOWN = 3


def hindrances(plan: Plan, town: Town, journal: Journal) -> list[str]:
    """Return why ``plan`` goes the usual way, in words; nothing where the short way is open."""
    if "emergency" not in town.settings.get("approval", {}):
        return [_("town.yml has no approval.emergency")]
    if more := [f"{t.host} {t.system}: {t.resource}" for t in others(plan, town)]:
        return [_("incidents.yml doesn't ask for {what}").format(what=_few(more))]
    if "+" in plan.commit:
        return [_("the inventory holds what was not committed")]
    return sorted(shut(town, journal, {(change.host, change.system) for change in plan.changes}))


def shut(town: Town, journal: Journal, pairs: Collection[Pair]) -> dict[str, list[Pair]]:
    """Return where the short way is shut, whatever the plan, by why.

    Args:
        town: as it is now.
        journal: what was applied.
        pairs: the hosts and systems that are asked about; see ``concerned``.
    """
    root, past = project_root(Path(town.directory)), history(journal.entries(*KINDS))
    last: dict[str | None, list[Pair]] = {}
    for pair in pairs:
        last.setdefault(past.commit(pair), []).append(pair)
    found: dict[str, list[Pair]] = {}
    for commit, there in last.items():
        if why := _changed(root, commit):
            found.setdefault(why, []).extend(there)
    return found


def _changed(root: Path, since: str | None) -> str:
    """Return what else than data was changed since a commit, in words; "" for nothing."""
    files = checkout.changed(root, since) if since else None
    if files is None:
        return _("what was applied last is no commit that is known here")
    code = [name for name in files if not _is_data(name)]
    return _("since the last apply, {what} was changed").format(what=_few(code)) if code else ""


def concerned(town: Town) -> list[Pair]:
    """Return the hosts and systems for which the town agreed on a short way."""
    names = town.settings.get("approval", {}).get("emergency", {}).get("systems", ())
    return [(h.name, s.name) for s in town.systems if s.name in names for h in town.hosts_of(s)]


def _is_data(name: str) -> bool:
    """Return whether a file only says what is wanted, not who may and how it is done."""
    path = Path(name)
    return path.parts[0] == "inventories" and path.name not in RULES


def _few(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + " …" * (len(names) > SHOWN)
