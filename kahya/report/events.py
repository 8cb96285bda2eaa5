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
    """Return what happened, and whether it is free of anything to look at."""
    data = event.data
    match event.kind:
        case "planned":
            return _("Planned: {changes} changes{unread}").format(
                changes=len(data["changes"]), unread=_unread(data, _)), not _unread(data, _)  # fmt: skip
        case "observed":
            clean = not data["changes"] and not _unread(data, _)
            return _("Looked for drift: {changes} differences{unread}").format(
                changes=len(data["changes"]), unread=_unread(data, _)), clean  # fmt: skip
        case "applied":
            as_planned = len(data["applied"]) - len(data["extra"])
            text = _("Applied as planned: {applied} of {planned}; extra {extra}, missing {missing}")
            return text.format(applied=as_planned, planned=data["planned"], extra=len(data["extra"]),
                               missing=len(data["missing"])), bool(data["ok"])  # fmt: skip
        case "probed":
            results = data["results"]
            passed = sum(r["status"] == "passed" for r in results)
            text = _("Functional checks: {passed} of {count} passed")
            return text.format(passed=passed, count=len(results)), passed == len(results)
    return event.kind, True


def _unread(data: Mapping[str, Any], _: Translate) -> str:
    hosts = sorted(name for name, host in data["hosts"].items() if host["status"] != "ok")
    return _(", not read: {hosts}").format(hosts=", ".join(hosts)) if hosts else ""
