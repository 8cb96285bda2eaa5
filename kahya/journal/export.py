"""What a SIEM is told of the journal: what changed and what was decided, not each quiet look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kahya.journal.chain import Entry

DECIDED = (
    "approved", "started", "reverted", "break-glass", "reviewed", "resumed", "aborted",
    "unlocked", "waived", "incident",
)  # fmt: skip
KINDS = ("outcome", "applied", "observed", *DECIDED)
UNTOLD = ("signature", "document", "run")  # long or of use to Kâhya alone
Line = dict[str, Any]


@dataclass
class Exporter:
    """Turns entries into lines. ``drift`` is what is known to differ now, by the id of its change.

    Each line has the entry's ``number``, ``at``, ``plan`` and ``digest``, an ``event``, and what
    it is about: ``change`` (done to a host), ``drift`` (appeared), ``drift-gone``, ``ended`` (an
    apply), or the kind of a decision.
    """

    town: str
    drift: dict[str, Line] = field(default_factory=dict)

    def lines(self, entries: Iterable[Entry]) -> Iterator[Line]:
        """Yield the lines of ``entries``, which come oldest first."""
        for entry in entries:
            for event, about in self._events(entry):
                named = {name: getattr(entry, name) for name in ("number", "at", "plan", "digest")}
                yield {**about, **named, "town": self.town, "event": event}

    def _events(self, entry: Entry) -> Iterator[tuple[str, Line]]:
        data = entry.data
        if entry.kind == "observed":
            yield from self._look(data)
        elif entry.kind in DECIDED:
            yield entry.kind, _flat(data)
        # The end of a run repeats what its outcomes said; before there were runs, it said it first.
        if entry.kind == "outcome" or (entry.kind == "applied" and "run" not in data):
            yield from (("change", _flat(item)) for item in data.get("applied", ()))
        if entry.kind == "outcome" and data.get("status") != "applied":
            yield str(data.get("status")), _flat(data)
        if entry.kind == "applied":
            lists = ("applied", "extra", "missing", "left")
            yield "ended", _flat(data) | {name: len(data.get(name, ())) for name in lists}

    def _look(self, data: Mapping[str, Any]) -> Iterator[tuple[str, Line]]:
        found = data.get("findings", data.get("changes", ()))
        now = {item["id"]: _flat(item) for item in found if item.get("kind", "drift") == "drift"}
        for name, about in now.items():
            if name not in self.drift:
                yield "drift", about
        for name, about in list(self.drift.items()):
            # A host that could not be read, or was not looked at, says nothing.
            seen = data.get("hosts", {}).get(about["host"], {}).get("systems", {})
            if name not in now and seen.get(about["system"], {}).get("status") == "ok":
                del self.drift[name]
                yield "drift-gone", about
        self.drift |= now


def _flat(data: Mapping[str, Any]) -> Line:
    """Return what fits on a line: texts, numbers, and lists of texts."""

    def fits(value: object) -> bool:
        many = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
        return many or isinstance(value, str | int)

    hidden = (*UNTOLD, "diff", "effect")
    return {name: value for name, value in data.items() if fits(value) and name not in hidden}
