"""A plan as Markdown, to be read under a merge request. Nothing in a plan can break out of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from string import punctuation

from kahya.i18n import _
from kahya.model import Change, Plan, Town
from kahya.plan import policy

LIMIT = 60_000  # bytes; GitHub takes 65,536 characters in a comment, GitLab 1,000,000
LIST_LIMIT = 8_000  # of that, for each list above the changes
LINE = 200  # room for the line that says how many did not fit
DIFF_LINES = 200
# All signs that Markdown, HTML or a forge may give a meaning to; the others stay easy to read.
ENTITIES = {ord(sign): f"&#{ord(sign)};" for sign in set(punctuation) - set("-(),+%")}


def render(plan: Plan, town: Town) -> str:
    """Return ``plan`` as GitHub's and GitLab's Markdown, at most ``LIMIT`` bytes of UTF-8.

    What doesn't fit is counted, never left out in silence.
    """
    unread = [f"- {_code(p.host, p.system, _(p.status))} {_code(p.reason)}" for p in plan.unread]
    spots = [
        f"- {_code(s.host, s.system, s.resource)} {_code(s.reason)} {_code(s.id)}"
        for s in plan.blind_spots
    ]
    restored = [f"- {_code(device, commit)}" for device, commit in plan.restores.items()]
    parts = [
        f"## {_headline(plan)}",
        *_list(_("Gets an older configuration back"), restored),
        *_list(_("Could not be read, so not counted as in order"), unread),
        *_list(_("Blind spots: what they do can't be predicted"), spots),
        *_list(_("Refused, whoever signs"), _lines(policy.refusals(plan, town))),
        *_list(_("Signatures it needs"), _lines(policy.missing(plan, town, ()))),
        *_list(_("Changes by building and system"), _rows(plan, town), _table_head()),
        _about(plan),
    ]
    shown, more = _fitting(
        [_change(c) for c in plan.changes], LIMIT - len("\n\n".join(parts).encode())
    )
    return "\n\n".join(filter(None, [*parts, *shown, more])) + "\n"


def _headline(plan: Plan) -> str:
    name = _code(plan.id)
    if plan.changes:
        text = _("Plan {id}: {count} changes on {hosts} hosts.")
        hosts = {change.host for change in plan.changes}
        return text.format(id=name, count=len(plan.changes), hosts=len(hosts))
    if plan.unread or plan.blind_spots:
        return _("Plan {id}: no change is known, but not everything is known.").format(id=name)
    text = _("Nothing to change: {count} readings agree with the inventory.")
    return text.format(count=len(plan.host_plans))


def _about(plan: Plan) -> str:
    text = _("Plan {id} of commit {commit}, made {created}, valid until {expires}; seal {seal}")
    return text.format(
        id=_code(plan.id),
        commit=_code(plan.commit),
        created=_code(plan.created),
        expires=_code(plan.expires),
        seal=_code(plan.seal),
    )


def _table_head() -> str:
    titles = (_("building"), _("system"), _("changes"), _("risk"), _("not reversible"))
    return f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}\n"


def _rows(plan: Plan, town: Town) -> list[str]:
    words = {
        "restart": _("restarts a service"),
        "cuts-path": _("may cut the connection"),
        "data": _("touches data"),
    }

    def place(change: Change) -> tuple[str, str]:
        return change.building, change.system

    rows = []
    for (building, system), group in groupby(sorted(plan.changes, key=place), key=place):
        changes = list(group)
        title = town.buildings[building].title if building in town.buildings else building
        risks = Counter(risk for change in changes for risk in change.risk)
        risk = ", ".join(f"{_code(words.get(name, name))} {n}" for name, n in risks.items())
        fixed = sum(not change.reversible for change in changes)
        cells = [_code(title), _code(system), str(len(changes)), risk, str(fixed or "")]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _list(title: str, lines: list[str], head: str = "") -> list[str]:
    """Return a heading and what fits of ``lines``; nothing without lines."""
    shown, more = _fitting(lines, LIST_LIMIT)
    return [f"### {title}", head + "\n".join(shown), more] if lines else []


def _lines(texts: Sequence[str]) -> list[str]:
    return [f"- {_code(text)}" for text in texts]


def _fitting(blocks: list[str], room: int) -> tuple[list[str], str]:
    """Return those of ``blocks`` that fit in ``room`` bytes, and a line that counts the others."""
    shown = []
    for block in blocks:
        size = len(block.encode()) + 2
        if size <= room - LINE:
            room -= size
            shown.append(block)
    more = len(blocks) - len(shown)
    text = _("**{count} more did not fit here: see the plan file among the artifacts.**")
    return shown, text.format(count=more) if more else ""


def _change(change: Change) -> str:
    notes = [*change.risk, *(f"→ {then}" for then in change.then)]
    notes += [] if change.reversible else [_("not reversible")]
    head = _code(change.host, f"{change.system}: {change.resource} ({change.action})", change.id)
    marks = "".join(f" {_code(note)}" for note in notes)
    return f"<details><summary>{head}{marks}</summary>\n\n{_diff(change.diff)}\n\n</details>"


def _diff(text: str) -> str:
    """Return ``text`` as a code block that no line of it can end.

    No line begins with anything but a diff's own signs: GitLab would carry out a ``/merge``.
    """
    lines = [_visible(line) for line in text.split("\n")]
    if more := len(lines[DIFF_LINES:]):
        lines[DIFF_LINES:] = [_(" … {count} more lines: see the plan file").format(count=more)]
    body = "\n".join(line if line[:1] in "+-@ " else f" {line}" for line in lines)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
    return f"{fence}diff\n{body}\n{fence}"


def _code(*words: str) -> str:
    """Return words as they are: no sign in them is Markdown, HTML, a mention or a link."""
    return f"<code>{_visible(' '.join(words)).translate(ENTITIES)}</code>"


def _visible(text: str) -> str:
    """Return ``text`` with signs that would hide or reorder what is beside them written out."""
    return "".join(
        sign if sign.isprintable() or sign == "\t" else sign.encode("unicode_escape").decode()
        for sign in text
    )
