"""The journal's entries as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kahya.i18n import N_, Translate

STEPS = {
    "approved": N_("Approved by {approver}"),
    "started": N_("Apply begun by {by}; signatures: {approvals}, waves: {waves}"),
    "baseline": N_("Before the first wave, checks that failed: {failing}"),
    "wave begun": N_("Wave {name} begun: {hosts}"),
    "wave ended": N_("Wave {name} ended; failed: {failed}"),
    "outcome": N_("{host} {system}: {status}, changes: {applied}"),
    "reverted": N_("{host} {system} brought back: {status}"),
    "break-glass": N_("Glass broken by {by}: {reason}"),
    "reviewed": N_("Entry {entry} reviewed by {reviewer}"),
    "resumed": N_("The interrupted apply goes on"),
    "aborted": N_("Apply aborted; done: {applied}, missing: {missing}"),
    "incident blocked": N_("Blocked by {by}: {what} ({reason})"),
    "incident isolated": N_("Isolated by {by}: {what} ({reason})"),
    "incident lifted": N_("Lifted by {by}: {what} ({reason})"),
    "unlocked": N_("Lock removed by {by}"),
}
TROUBLE = ("reverted", "break-glass", "aborted", "unlocked")


@dataclass(frozen=True)
class Event:
    """An entry of the journal: ``at`` is UTC, ISO 8601; ``plan`` is a plan's id or ""."""

    at: str
    kind: str
    plan: str
    data: Mapping[str, Any]


def sentence(event: Event, _: Translate) -> tuple[str, bool]:
    """Return what happened, and whether nothing about it needs a look."""
    data = event.data
    match event.kind:
        case "planned" | "observed":
            lost = sorted(name for name, host in data["hosts"].items() if host["status"] != "ok")
            count = len(data["changes"])
            planned, observed = _("Planned: {count} changes"), _("Drift check: {count} differences")
            text = (planned if event.kind == "planned" else observed).format(count=count)
            text += _(", not read: {hosts}").format(hosts=", ".join(lost)) if lost else ""
            waived = len(data.get("waived", ()))
            text += _(", waived: {count}").format(count=waived) if waived else ""
            differs = event.kind == "observed" and count > waived
            return text, not lost and not differs
        case "applied":
            text = _("Applied as planned: {applied} of {planned}; extra {extra}, missing {missing}")
            extra, missing = len(data["extra"]), len(data["missing"])
            done = len(data["applied"]) - extra
            text = text.format(applied=done, planned=data["planned"], extra=extra, missing=missing)
            return text, bool(data["ok"])
        case "probed":
            results = data["results"]
            passed = sum(r["status"] == "passed" for r in results)
            text = _("Functional checks: {passed} of {count} passed")
            return text.format(passed=passed, count=len(results)), passed == len(results)
    text = STEPS.get(f"{event.kind} {data.get('state', '')}".strip(), event.kind)
    fine = event.kind not in TROUBLE and data.get("status", "applied") == "applied"
    return _(text).format_map(_Told(data, _)), fine and not data.get("failed")


class _Told(dict[str, str]):
    """What an entry says, as words: a list of things is a number, what it doesn't say a dash."""

    def __init__(self, data: Mapping[str, Any], _: Translate) -> None:
        for name, value in data.items():
            if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
                self[name] = ", ".join(value)
            else:
                self[name] = str(len(value)) if isinstance(value, list) else _(str(value))

    def __missing__(self, name: str) -> str:
        return "–"
