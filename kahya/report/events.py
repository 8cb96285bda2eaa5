"""The journal's entries as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kahya.i18n import Translate


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
            return text, not lost and (event.kind == "planned" or not count)
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
    return event.kind, True
